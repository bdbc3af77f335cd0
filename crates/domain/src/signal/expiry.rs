//! Signals do not stay open for ever.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use serde::Deserialize;

use super::{SignalStore, Strategy};
use crate::{
    Clock, Result,
    settings::{defaults, duration, durations},
};

/// Signals closed in one transaction at most.
const BATCH: u32 = 500;

/// The section `signals` of the configuration.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExpirySettings {
    /// How long a signal may stay open.
    #[serde(deserialize_with = "duration")]
    pub expires_after: Duration,
    /// How often signals that were open for longer are looked for.
    #[serde(deserialize_with = "duration")]
    pub expiry_interval: Duration,
    /// Other horizons, for single strategies.
    #[serde(deserialize_with = "durations")]
    pub expires_after_by_strategy: BTreeMap<Strategy, Duration>,
}

impl Default for ExpirySettings {
    /// What stands in `config/default.toml`.
    fn default() -> Self {
        defaults("signals")
    }
}

/// Closes signals that were open for longer than their strategy's horizon, once, on whichever
/// instance gets there first.
pub struct Expiry {
    store: Arc<dyn SignalStore>,
    clock: Arc<dyn Clock>,
    default_horizon: Duration,
    horizons: Vec<(Strategy, Duration)>,
}

impl Expiry {
    /// Expiry of what `store` holds.
    pub fn new(
        store: Arc<dyn SignalStore>,
        clock: Arc<dyn Clock>,
        settings: ExpirySettings,
    ) -> Self {
        let horizons = settings.expires_after_by_strategy.into_iter().collect();
        Self { store, clock, default_horizon: settings.expires_after, horizons }
    }

    /// Expires everything that is due now; says how many signals.
    pub async fn run_once(&self) -> Result<usize> {
        let now = self.clock.now();
        let mut expired = 0;
        loop {
            let batch = self.store.expire(now, self.default_horizon, &self.horizons, BATCH).await?;
            expired += batch.len();
            if batch.len() < BATCH as usize {
                return Ok(expired);
            }
        }
    }
}
