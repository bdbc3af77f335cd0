//! Puts the layers of settings on top of each other and remembers where each value came from.

use std::{collections::BTreeMap, fmt, path::PathBuf};

use toml::{Table, Value};

use alpine_domain::settings::DEFAULTS;

use super::original;

/// Tables whose keys are chosen by the operator.
pub(super) const OPEN_TABLES: &[&str] =
    &["billing.older_prices", "producers.keys", "signals.expires_after_by_strategy"];

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// `config/default.toml`, inside the binary.
    Default,
    /// A file of the operator's.
    File(PathBuf),
    /// An environment variable, by name.
    Environment(String),
    /// An argument on the command line.
    CommandLine(&'static str),
    /// A file that Alpine made itself, in the development profile.
    Generated(PathBuf),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path) => write!(f, "file {}", path.display()),
            Self::Environment(name) => write!(f, "environment {name}"),
            Self::CommandLine(option) => write!(f, "command line {option}"),
            Self::Generated(path) => write!(f, "generated in {}", path.display()),
        }
    }
}

/// A value and where it came from.
#[derive(Debug, Clone)]
pub struct Setting {
    /// The value as it was written.
    pub value: Value,
    /// Who set it.
    pub origin: Origin,
}

/// Every setting by its dotted key, and everything wrong that was met on the way.
#[derive(Debug, Default)]
pub struct Layers {
    /// Effective values.
    pub settings: BTreeMap<String, Setting>,
    /// One sentence for each problem.
    pub problems: Vec<String>,
    /// Variables of the environment that look like settings and are not read: a sentence for each, with what was
    /// meant.
    pub warnings: Vec<String>,
}

impl Layers {
    /// The defaults alone.
    #[expect(
        clippy::expect_used,
        clippy::missing_panics_doc,
        reason = "the text is part of the binary, and every test of this crate parses it"
    )]
    pub fn defaults() -> Self {
        let table: Table = DEFAULTS.parse().expect("the embedded defaults parse");
        let mut layers = Self::default();
        for (key, value) in leaves(table) {
            let origin = Origin::Default;
            layers.settings.insert(key, Setting { value, origin });
        }
        layers
    }

    /// Lays a file's text on top.
    pub fn add_file(&mut self, path: &std::path::Path, text: &str) {
        match text.parse::<Table>() {
            Ok(table) => {
                for (key, value) in leaves(table) {
                    self.set(key, value, Origin::File(path.to_owned()));
                }
            }
            // The error's own text repeats the line, which may hold a secret.
            Err(error) => {
                let before = error.span().and_then(|span| text.get(..span.start));
                let line = before.map_or(1, |before| before.split('\n').count());
                let (path, reason) = (path.display(), error.message());
                self.problems.push(format!("{path} is not TOML: line {line}: {reason}"));
            }
        }
    }

    /// Lays the environment on top: first the original's names, then our own, which win.
    pub fn add_environment(&mut self, variables: &BTreeMap<String, String>) {
        let (translated, problems) = original::translate(variables);
        let misnamed: Vec<_> = variables.keys().filter_map(|name| self.misnamed(name)).collect();
        self.warnings.extend(misnamed);
        self.problems.extend(problems);
        for (key, value, name) in translated {
            self.set(key.to_owned(), value, Origin::Environment(name.to_owned()));
        }
        for (name, text) in variables {
            let Some(path) = name.strip_prefix("ALPINE__") else {
                continue;
            };
            let key = path.to_lowercase().replace("__", ".");
            let origin = Origin::Environment(name.clone());
            match self.typed(&key, text) {
                Ok(value) => self.set(key, value, origin),
                Err(wanted) => self.problems.push(format!("{name} must be {wanted}")),
            }
        }
    }

    /// Sets one value, or notes why it cannot be.
    pub fn set(&mut self, key: String, value: Value, origin: Origin) {
        let is_open = key.rsplit_once('.').is_some_and(|(table, _)| OPEN_TABLES.contains(&table));
        let default = self.settings.get(&key).map(|setting| &setting.value);
        match default {
            None if !is_open => {
                let hint = self
                    .nearest(&key)
                    .map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
                self.problems.push(format!("unknown key `{key}` ({origin}){hint}"));
            }
            Some(default) if !same_type(default, &value) => {
                self.refuse_type(&key, type_name(default), &value, &origin);
            }
            // Whoever reads it later would repeat it, and it may be a secret.
            None if !value.is_str() => self.refuse_type(&key, "a text", &value, &origin),
            _ => {
                self.settings.insert(key, Setting { value, origin });
            }
        }
    }

    fn refuse_type(&mut self, key: &str, wanted: &str, value: &Value, origin: &Origin) {
        let given = type_name(value);
        self.problems.push(format!("`{key}` must be {wanted}, not {given} ({origin})"));
    }

    /// The settings as one table again.
    pub fn to_table(&self) -> Table {
        let mut root = Table::new();
        for table in OPEN_TABLES {
            insert(&mut root, table, Value::Table(Table::new()));
        }
        for (key, setting) in &self.settings {
            insert(&mut root, key, setting.value.clone());
        }
        root
    }

    /// Text from the environment as the type that the key has.
    fn typed(&self, key: &str, text: &str) -> Result<Value, &'static str> {
        let Some(setting) = self.settings.get(key) else {
            return Ok(Value::String(text.to_owned()));
        };
        let trimmed = text.trim();
        match &setting.value {
            Value::Integer(_) => trimmed.parse().map(Value::Integer).map_err(|_| "a whole number"),
            Value::Float(_) => trimmed.parse().map(Value::Float).map_err(|_| "a number"),
            Value::Boolean(_) => trimmed.parse().map(Value::Boolean).map_err(|_| "true or false"),
            Value::Array(_) => Ok(Value::Array(
                trimmed
                    .split(',')
                    .map(str::trim)
                    .filter(|item| !item.is_empty())
                    .map(|item| Value::String(item.to_owned()))
                    .collect(),
            )),
            _ => Ok(Value::String(text.to_owned())),
        }
    }

    /// What to say of a variable that is named almost as a setting is.
    fn misnamed(&self, name: &str) -> Option<String> {
        if name == "PORT" {
            return Some("PORT is not read; set ALPINE__HTTP__BIND, or say --port".to_owned());
        }
        let rest = name.strip_prefix("ALPINE_").filter(|rest| !rest.starts_with('_'))?;
        let meant = rest.to_lowercase();
        let key = self.settings.keys().find(|key| key.replace('.', "_") == meant)?;
        let right = key.to_uppercase().replace('.', "__");
        Some(format!("{name} is not read; did you mean ALPINE__{right}?"))
    }

    fn nearest(&self, key: &str) -> Option<&str> {
        self.settings
            .keys()
            .map(|known| (strsim::damerau_levenshtein(known, key), known))
            .min()
            .filter(|(distance, known)| *distance <= known.len().max(6) / 3)
            .map(|(_, known)| known.as_str())
    }
}

/// The values of a table by their dotted keys.
fn leaves(table: Table) -> Vec<(String, Value)> {
    let mut found = Vec::new();
    for (name, value) in table {
        match value {
            Value::Table(inner) => found.extend(
                leaves(inner).into_iter().map(|(rest, value)| (format!("{name}.{rest}"), value)),
            ),
            value => found.push((name, value)),
        }
    }
    found
}

pub(super) fn insert(root: &mut Table, key: &str, value: Value) {
    match key.split_once('.') {
        None => {
            root.insert(key.to_owned(), value);
        }
        Some((head, rest)) => {
            let inner = root.entry(head).or_insert_with(|| Value::Table(Table::new()));
            if let Value::Table(inner) = inner {
                insert(inner, rest, value);
            }
        }
    }
}

/// A whole number may stand where a float is wanted.
fn same_type(wanted: &Value, given: &Value) -> bool {
    wanted.same_type(given) || (wanted.is_float() && given.is_integer())
}

const fn type_name(value: &Value) -> &'static str {
    match value {
        Value::String(_) => "a text",
        Value::Integer(_) => "a whole number",
        Value::Float(_) => "a number",
        Value::Boolean(_) => "true or false",
        Value::Datetime(_) => "a date",
        Value::Array(_) => "a list",
        Value::Table(_) => "a table",
    }
}
