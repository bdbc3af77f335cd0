//! Whether the database answers, and takes writes.

use alpine_domain::ports::health::{Condition, Probe, Report};
use async_trait::async_trait;

use crate::Database;

/// The check named `database`, without which the service cannot do its job.
#[derive(Clone)]
pub struct DatabaseProbe(Database);

impl DatabaseProbe {
    /// A probe of this database. It waits as long as the database lets it: whoever asks sets a bound.
    pub const fn new(database: Database) -> Self {
        Self(database)
    }
}

#[async_trait]
impl Probe for DatabaseProbe {
    fn name(&self) -> &'static str {
        "database"
    }

    fn is_essential(&self) -> bool {
        true
    }

    async fn probe(&self) -> Report {
        let (condition, detail) = match self.0.accepts_writes().await {
            Ok(true) => (Condition::Up, None),
            // Readers are served on, so the instance stays ready.
            Ok(false) => (Condition::Degraded, Some("the database takes no writes")),
            Err(error) => {
                tracing::debug!(?error, "probe failed");
                (Condition::Down, Some("the database does not answer"))
            }
        };
        Report { condition, detail: detail.map(str::to_owned) }
    }
}
