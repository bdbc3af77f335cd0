//! What is wrong with a setting, named so that an operator can mend it.

/// A setting that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{key}: {problem}; {remedy}")]
pub struct SettingsError {
    /// The setting's name, without its section.
    pub key: &'static str,
    /// What is wrong; never repeats secrets.
    pub problem: String,
    /// What would be accepted.
    pub remedy: &'static str,
}

impl SettingsError {
    pub(crate) fn new(key: &'static str, problem: impl Into<String>, remedy: &'static str) -> Self {
        Self { key, problem: problem.into(), remedy }
    }
}
