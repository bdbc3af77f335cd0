//! Whatever stands in a file and in the environment, the settings are read or every problem is told, and
//! no secret is shown either way.

use std::{collections::BTreeMap, path::PathBuf, sync::LazyLock};

use alpine_server::config::{Sources, load, read_layers};
use tempfile::TempDir;

/// Stands for every secret; nothing else has these letters.
const SECRET: &str = "Qz7xKqW9vJ";

static FOLDER: LazyLock<TempDir> = LazyLock::new(|| tempfile::tempdir().expect("a folder"));

/// Names in the environment, one chosen by a byte.
const NAMES: &[&str] = &[
    "ALPINE__PROFILE",
    "ALPINE__HTTP__BIND",
    "ALPINE__HTTP__KEEP_ALIVE",
    "ALPINE__HTTP__TRUSTED_PROXIES",
    "ALPINE__CORS__ORIGINS",
    "ALPINE__SECRETS__JWT",
    "ALPINE__PRODUCERS__KEYS__ARGO",
    "ALPINE__REDIS__URL",
    "ALPINE__DATABASE__URL",
    "ALPINE__INSTANCES",
    "DATABASE_URL",
    "REDIS_URL",
    "REDIS_HOST",
    "REDIS_PORT",
    "REDIS_DB",
    "REDIS_PASSWORD",
    "JWT_SECRET",
    "JWT_EXPIRATION_HOURS",
    "ARGO_API_KEY",
    "FRONTEND_URL",
    "DOMAIN",
    "DEBUG",
];

/// The bytes are a file; behind the first NUL stand pairs: a byte for the name and a line for the value. `@@`
/// stands for a secret.
pub(crate) fn run(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let (file, environment) = text.split_once('\0').unwrap_or((&text, ""));
    let environment: BTreeMap<String, String> = environment
        .lines()
        .filter_map(|line| {
            let name = NAMES[usize::from(*line.as_bytes().first()?) % NAMES.len()];
            Some((name.to_owned(), line.get(1..)?.replace("@@", &placed(name))))
        })
        .collect();
    let path = written(&places_secrets(file));
    let sources = Sources { file: Some(path), environment, arguments: Vec::new() };
    let shown = read_layers(&sources).show();
    let loaded = load(&sources);
    let told = match &loaded {
        Ok(loaded) => format!("{:?}", loaded.config),
        Err(error) => {
            assert!(!error.0.is_empty());
            format!("{error} {error:?}")
        }
    };
    for text in [shown, told] {
        assert!(!text.contains(SECRET), "{text}");
    }
}

/// A secret in a place that holds none, a key's name or a comment, may show; so it is written where secrets
/// belong only.
fn places_secrets(file: &str) -> String {
    let mut section = "";
    let lines = file.lines().map(|line| {
        if let Some(name) = line.trim().strip_prefix('[') {
            section = name.split(']').next().unwrap_or_default().trim();
        }
        let name = line.split('=').next().unwrap_or_default().trim();
        line.replace("@@", &placed(&format!("{section}__{name}"))) + "\n"
    });
    lines.collect()
}

/// What stands for `@@` under a name.
fn placed(name: &str) -> String {
    let name = name.to_uppercase().replace('.', "__");
    match name.trim_start_matches("ALPINE__") {
        "SECRETS__JWT"
        | "JWT_SECRET"
        | "PRODUCERS__KEYS__ARGO"
        | "ARGO_API_KEY"
        | "REDIS_PASSWORD" => SECRET.to_owned(),
        // Only the password is one.
        "DATABASE__URL" | "DATABASE_URL" | "REDIS__URL" | "REDIS_URL" => format!("://me:{SECRET}@"),
        _ => "text".to_owned(),
    }
}

fn written(text: &str) -> PathBuf {
    let path = FOLDER.path().join("alpine.toml");
    std::fs::write(&path, text).expect("the folder is there");
    path
}
