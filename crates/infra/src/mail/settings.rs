//! By whom mail is sent.

use std::time::Duration;

use alpine_domain::{
    account::Secret,
    settings::{duration, optional, within},
};
use serde::Deserialize;

/// The section `mail` of the configuration. `Debug` hides the password.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MailSettings {
    /// The server that takes mail, with its credentials. `None`: mail goes to the outbox.
    #[serde(deserialize_with = "optional")]
    pub smtp: Option<Secret>,
    /// Who sends it: an address, or a name and an address.
    pub from: String,
    /// How long handing over one mail may take.
    #[serde(deserialize_with = "duration")]
    pub timeout: Duration,
    /// Files that the outbox keeps, 1 to 100,000: then the oldest go.
    #[serde(deserialize_with = "within::<_, _, 1, 100_000>")]
    pub outbox_files: usize,
}
