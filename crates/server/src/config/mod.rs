//! Settings: layers, provenance, rules. `config/default.toml` explains every key.

mod effective;
mod layers;
mod model;
mod original;
mod rules;
mod secrets;
mod show;
mod weakness;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

pub use effective::PaymentsBy;
pub use layers::{Layers, Origin, Setting};
pub use model::{
    Billing, BillingProvider, ByTier, Channels, Config, Discord, Jobs, LogFormat, Logging, Metrics,
    MetricsBind, Producers, Profile, Secrets, Shutdown, Telegram,
};
pub use secrets::keep_generated_secrets;
pub(crate) use secrets::{find_generated_secrets, make_private_folder};

/// Everything that is wrong with the settings, told at once.
#[derive(Debug, thiserror::Error)]
#[error("the configuration cannot be used:{}", list(.0))]
pub struct ConfigError(pub Vec<String>);

fn list(problems: &[String]) -> String {
    problems.iter().fold(String::new(), |text, problem| text + "\n  - " + problem)
}

/// What settings are read from, besides the defaults.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// A file that overrides defaults.
    pub file: Option<PathBuf>,
    /// The environment.
    pub environment: BTreeMap<String, String>,
    /// Keys set on the command line: key, value, option's name.
    pub arguments: Vec<(&'static str, toml::Value, &'static str)>,
}

impl Sources {
    /// This process's environment and a file, if one is given.
    pub fn of_process(file: Option<PathBuf>) -> Self {
        Self {
            file,
            // Names or values that are not Unicode cannot be settings of ours.
            environment: std::env::vars_os()
                .filter_map(|(name, value)| {
                    Some((name.into_string().ok()?, value.into_string().ok()?))
                })
                .collect(),
            arguments: Vec::new(),
        }
    }
}

/// Settings that passed every rule, and where each came from.
#[derive(Debug)]
pub struct Loaded {
    /// The typed values.
    pub config: Config,
    /// The same by key, with origins.
    pub layers: Layers,
}

/// Reads all layers and applies every rule.
///
/// ```
/// use alpine_server::config::{Sources, load};
/// let loaded = load(&Sources::default())?;
/// assert_eq!(loaded.config.http.bind.port(), 8000);
///
/// let mut sources = Sources::default();
/// sources.environment.insert("ALPINE__HTTP__BNID".into(), "127.0.0.1:1".into());
/// let error = load(&sources).unwrap_err().to_string();
/// assert!(error.contains("did you mean `http.bind`?"), "{error}");
/// # Ok::<(), alpine_server::config::ConfigError>(())
/// ```
///
/// # Errors
/// Every problem at once, each naming its key and the remedy.
pub fn load(sources: &Sources) -> Result<Loaded, ConfigError> {
    load_for(sources, Purpose::Serving)
}

/// As [`load`], for what works beside servers and signs nothing: a secret that only signs may be missing.
///
/// # Errors
/// As [`load`].
pub(crate) fn load_for_commands(sources: &Sources) -> Result<Loaded, ConfigError> {
    load_for(sources, Purpose::Commands)
}

/// What settings are read for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Serving,
    Commands,
}

fn load_for(sources: &Sources, purpose: Purpose) -> Result<Loaded, ConfigError> {
    let mut layers = read_layers(sources);
    let mut problems = std::mem::take(&mut layers.problems);
    let config = deserialize(&layers, &mut problems);
    if let Some(config) = &config {
        problems.extend(rules::problems(config, purpose == Purpose::Serving));
    }
    match config {
        Some(config) if problems.is_empty() => Ok(Loaded { config, layers }),
        _ => Err(ConfigError(problems)),
    }
}

/// The effective values as they stand, also when a rule is broken: for `config show`.
pub fn read_layers(sources: &Sources) -> Layers {
    let mut layers = Layers::defaults();
    if let Some(path) = &sources.file {
        match std::fs::read_to_string(path) {
            Ok(text) => layers.add_file(path, &text),
            Err(error) => layers.problems.push(format!("cannot read {}: {error}", path.display())),
        }
    }
    layers.add_environment(&sources.environment);
    for (key, value, option) in &sources.arguments {
        let origin = Origin::CommandLine(option);
        layers.set((*key).to_owned(), value.clone(), origin);
    }
    layers
}

/// What is sent where others may read it, or taken from whoever asks: a sentence for each.
pub(crate) fn exposed(config: &Config) -> Vec<String> {
    let mut warnings = Vec::new();
    if let Some(url) = &config.redis.url
        && let lacking @ [_, ..] = url.lacks().as_slice()
    {
        warnings.push(format!(
            "`redis.url` leads beyond this machine without {}",
            lacking.join(" and without ")
        ));
    }
    if alpine_persistence::is_exposed(config.database_url().reveal()) {
        warnings.push(
            "`database.url` leads beyond this machine and does not demand TLS: add sslmode=verify-full and \
             sslrootcert=…"
                .to_owned(),
        );
    }
    warnings
}

/// A path as text, for messages.
pub(crate) fn display(path: &Path) -> String {
    path.display().to_string()
}

/// Typed values. A value that cannot be read is noted and replaced by its default, so that the next
/// problem is found in the same run.
fn deserialize(layers: &Layers, problems: &mut Vec<String>) -> Option<Config> {
    let defaults = Layers::defaults();
    let mut table = layers.to_table();
    // Each round repairs one key; there are no more rounds than keys.
    for _ in 0..=layers.settings.len() {
        let value = toml::Value::Table(table.clone());
        let error = match serde_path_to_error::deserialize::<_, Config>(value) {
            Ok(config) => return Some(config),
            Err(error) => error,
        };
        let key = error.path().to_string();
        let origin = layers
            .settings
            .get(&key)
            .map(|setting| format!(" ({})", setting.origin))
            .unwrap_or_default();
        let reason = error.into_inner().to_string();
        let problem = format!("`{key}`: {}{origin}", reason.trim());
        // The default itself is wrong.
        if problems.contains(&problem) {
            return None;
        }
        problems.push(problem);
        let repaired =
            defaults.settings.get(&key).map(|setting| setting.value.clone()).or_else(|| {
                // An open table as a whole: start it empty.
                layers::OPEN_TABLES
                    .contains(&key.as_str())
                    .then(|| toml::Value::Table(toml::Table::new()))
            })?;
        layers::insert(&mut table, &key, repaired);
    }
    None
}

#[cfg(test)]
mod tests;
