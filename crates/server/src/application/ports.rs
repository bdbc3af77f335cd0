//! What the application takes from outside.

use std::sync::Arc;

use alpine_domain::{
    AgreedTime, Clock,
    ports::{database_clock::DatabaseClock, secrets::Randomness},
    time::{ManualClock, SystemClock},
};
use alpine_infra::{
    InfraMetrics, MonotonicClock,
    clock::{ClockSettings, DisciplinedClock},
    secrets::OsRandomness,
};
use alpine_persistence::{Database, ServerClock};

/// What the application takes from outside: time and chance.
#[derive(Clone)]
pub struct Ports {
    /// Where the time comes from.
    pub time: TimeSource,
    /// For ids and secrets.
    pub randomness: Arc<dyn Randomness>,
}

/// Where the time comes from.
#[derive(Clone)]
pub enum TimeSource {
    /// Clocks that are compared with each other.
    Compared {
        /// The machine's wall clock, which may step.
        wall: Arc<dyn Clock>,
        /// A clock that never steps. Requests are counted by it.
        steady: Arc<dyn Clock>,
        /// Stands for the clock of the database's server; `None`: that one, if it has one.
        database: Option<Arc<dyn DatabaseClock>>,
    },
    /// One clock for everything, which somebody moves.
    Manual(Arc<ManualClock>),
}

impl Default for Ports {
    /// The machine's clocks and generator.
    fn default() -> Self {
        let (wall, steady) = (Arc::new(SystemClock), Arc::new(MonotonicClock::new()));
        let time = TimeSource::Compared { wall, steady, database: None };
        Self { time, randomness: Arc::new(OsRandomness) }
    }
}

/// The clocks of one application.
pub(super) struct Clocks {
    /// For everything that is stored, delayed or ends.
    pub(super) clock: Arc<dyn Clock>,
    /// The same for what ends things for ever.
    pub(super) agreed_time: Arc<dyn AgreedTime>,
    /// For counting requests.
    pub(super) steady: Arc<dyn Clock>,
    /// What `clock` and `agreed_time` are, if it has to be compared with others.
    pub(super) disciplined: Option<Arc<DisciplinedClock>>,
}

impl Clocks {
    pub(super) fn new(
        time: &TimeSource,
        settings: ClockSettings,
        database: &Database,
        metrics: &Arc<InfraMetrics>,
    ) -> Self {
        match time {
            TimeSource::Manual(clock) => Self {
                clock: clock.clone(),
                agreed_time: clock.clone(),
                steady: clock.clone(),
                disciplined: None,
            },
            TimeSource::Compared { wall, steady, database: stand_in } => {
                let own = || Some(Arc::new(ServerClock::of(database)?) as Arc<dyn DatabaseClock>);
                let clock = Arc::new(DisciplinedClock::new(
                    wall.clone(),
                    steady.clone(),
                    stand_in.clone().or_else(own),
                    settings,
                    metrics.clone(),
                ));
                Self {
                    clock: clock.clone(),
                    agreed_time: clock.clone(),
                    steady: steady.clone(),
                    disciplined: Some(clock),
                }
            }
        }
    }
}
