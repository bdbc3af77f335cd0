//! Signals do not stay open for ever.

use std::{sync::Arc, time::Duration};

use super::{SignalStore, Strategy};
use crate::{Clock, Result};

/// Signals closed in one transaction at most.
const BATCH: u32 = 500;

/// How long signals may stay open.
#[derive(Debug, Clone)]
pub struct ExpirySettings {
    /// For strategies without a horizon of their own.
    pub default_horizon: Duration,
    /// For single strategies.
    pub horizons: Vec<(Strategy, Duration)>,
}

impl Default for ExpirySettings {
    /// 30 days for everything.
    fn default() -> Self {
        Self { default_horizon: Duration::from_hours(30 * 24), horizons: Vec::new() }
    }
}

/// Closes signals that were open for longer than their strategy's horizon, once, on whichever
/// instance gets there first.
pub struct Expiry {
    store: Arc<dyn SignalStore>,
    clock: Arc<dyn Clock>,
    settings: ExpirySettings,
}

impl Expiry {
    /// Expiry of what `store` holds.
    pub fn new(
        store: Arc<dyn SignalStore>,
        clock: Arc<dyn Clock>,
        settings: ExpirySettings,
    ) -> Self {
        Self { store, clock, settings }
    }

    /// Expires everything that is due now; says how many signals.
    pub async fn run_once(&self) -> Result<usize> {
        let (now, settings) = (self.clock.now(), &self.settings);
        let mut expired = 0;
        loop {
            let batch =
                self.store.expire(now, settings.default_horizon, &settings.horizons, BATCH).await?;
            expired += batch.len();
            if batch.len() < BATCH as usize {
                return Ok(expired);
            }
        }
    }
}
