//! Whether the database answers, and takes writes.

use alpine_domain::ports::health::{Condition, Probe, Report};
use async_trait::async_trait;
use tokio::time::timeout;

use crate::Database;

/// The check named `database`, without which the service cannot do its job.
#[derive(Clone)]
pub struct DatabaseProbe(Database);

impl DatabaseProbe {
    /// A probe of this database.
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
        let answer = self.0.accepts_writes();
        let (condition, detail) = match timeout(self.0.probe_timeout(), answer).await {
            Ok(Ok(true)) => (Condition::Up, None),
            // Readers are served on, so the instance stays ready.
            Ok(Ok(false)) => (Condition::Degraded, Some("the database takes no writes")),
            Ok(Err(error)) => {
                tracing::debug!(?error, "probe failed");
                (Condition::Down, Some("the database does not answer"))
            }
            Err(_) => (Condition::Down, Some("the database does not answer in time")),
        };
        Report { condition, detail: detail.map(str::to_owned) }
    }
}
