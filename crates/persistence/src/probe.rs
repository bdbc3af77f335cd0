//! Whether the database answers, and takes writes.

use alpine_domain::ports::health::{Condition, Probe, Report};
use async_trait::async_trait;

use crate::Database;

/// Missing migrations that are named.
const NAMED: usize = 3;

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
            Err(error) => {
                tracing::debug!(?error, "probe failed");
                (Condition::Down, Some("the database does not answer".to_owned()))
            }
            Ok(_) if self.0.has_no_room().await => {
                (Condition::Down, Some("the disk of the database has no room".to_owned()))
            }
            Ok(takes_writes) => match self.0.lacking_tables().await {
                Ok(lacking) if lacking.is_empty() && takes_writes => (Condition::Up, None),
                // Readers are served on, so the instance stays ready.
                Ok(lacking) if lacking.is_empty() => {
                    (Condition::Degraded, Some("the database takes no writes".to_owned()))
                }
                Ok(lacking) => (Condition::Down, Some(schema_is_gone(&lacking))),
                Err(error) => {
                    tracing::debug!(?error, "probe failed");
                    (Condition::Down, Some("the schema of the database cannot be read".to_owned()))
                }
            },
        };
        Report { condition, detail }
    }
}

/// For operators: `0036_record_sums` and others.
fn schema_is_gone(lacking: &[String]) -> String {
    let more = lacking.len().saturating_sub(NAMED);
    let names = lacking[..lacking.len() - more].join(", ");
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("the schema lacks {names}{more}: `alpine migrate run` applies them")
}
