//! What the server says of lines.

use reqwest::StatusCode;
use serde::Deserialize;
use serde_json::Value;

/// An answer to one line.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    /// The body, or null if it is not JSON.
    pub(super) body: Value,
}

/// The answer to a batch.
#[derive(Deserialize)]
pub(super) struct BatchAnswer {
    /// Refused lines without a result.
    pub(super) refused_untold: usize,
    pub(super) results: Vec<BatchLine>,
}

/// One line of it, in the order of the batch.
#[derive(Deserialize)]
pub(super) struct BatchLine {
    pub(super) line: usize,
    pub(super) status: String,
    #[serde(default)]
    pub(super) errors: Vec<FieldError>,
}

#[derive(Deserialize)]
pub(super) struct FieldError {
    pub(super) field: String,
    pub(super) message: String,
}
