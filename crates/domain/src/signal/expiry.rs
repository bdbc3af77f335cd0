//! Signals do not stay open for ever.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use serde::Deserialize;

use super::{SignalStore, Strategy};
use crate::{
    AgreedTime, Result,
    settings::{defaults, duration, durations, within},
    statistics::Horizons,
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
    /// Signals that one run ends at most, 1 to 1,000,000. What is left comes with the next run.
    #[serde(deserialize_with = "within::<_, _, 1, 1_000_000>")]
    pub max_expired_per_run: u32,
    /// A signal that arrives later than this after its own time is history.
    #[serde(deserialize_with = "duration")]
    pub live_within: Duration,
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

impl ExpirySettings {
    /// How long signals may stay open.
    pub fn horizons(&self) -> Horizons {
        let by_strategy = self.expires_after_by_strategy.clone();
        Horizons { default: self.expires_after, by_strategy }
    }
}

/// Why a run of [`Expiry`] went no further.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExpiryEnd {
    /// Nothing more was due.
    Done,
    /// It ended as many signals as one run may. More may be due.
    Bound,
    /// The clocks do not agree on what time it is.
    ClocksDiffer,
}

/// Closes signals that were open for longer than their strategy's horizon, once, on whichever
/// instance gets there first. An expiry cannot be taken back, so it goes by [`AgreedTime`], and a run is
/// bounded.
pub struct Expiry {
    store: Arc<dyn SignalStore>,
    time: Arc<dyn AgreedTime>,
    default_horizon: Duration,
    horizons: Vec<(Strategy, Duration)>,
    max_per_run: u32,
}

impl Expiry {
    /// Expiry of what `store` holds.
    pub fn new(
        store: Arc<dyn SignalStore>,
        time: Arc<dyn AgreedTime>,
        settings: ExpirySettings,
    ) -> Self {
        Self {
            store,
            time,
            default_horizon: settings.expires_after,
            horizons: settings.expires_after_by_strategy.into_iter().collect(),
            max_per_run: settings.max_expired_per_run,
        }
    }

    /// Expires what is due, the oldest first, as many as one run may end; says how many signals, and why
    /// it ended. The clocks are asked before each batch.
    pub async fn run_once(&self) -> Result<(u32, ExpiryEnd)> {
        let mut signals = 0;
        while signals < self.max_per_run {
            let Some(now) = self.time.agreed_now() else {
                return Ok((signals, ExpiryEnd::ClocksDiffer));
            };
            let limit = BATCH.min(self.max_per_run - signals);
            let batch = self.store.expire(now, self.default_horizon, &self.horizons, limit).await?;
            let ended = u32::try_from(batch.len()).unwrap_or(u32::MAX);
            signals = signals.saturating_add(ended);
            if ended < limit {
                return Ok((signals, ExpiryEnd::Done));
            }
        }
        Ok((signals, ExpiryEnd::Bound))
    }
}
