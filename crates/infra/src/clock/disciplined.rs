//! The one clock of the process.

use std::{
    fmt,
    sync::{
        Arc, Mutex,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use alpine_domain::{
    AgreedTime, Clock, Timestamp,
    ports::{
        database_clock::{DatabaseClock, DatabaseTime},
        health::{Condition, Probe, Report},
    },
};
use async_trait::async_trait;

use super::discipline::{ClockSettings, DatabaseReading, Discipline, Reading, TOLERANCE, Verdict};
use crate::{InfraMetrics, sync, throttle::Throttle};

/// A comparison that is older than this says nothing of now. They are made once a second.
const COMPARED_WITHIN: Duration = Duration::from_secs(5);
/// A round trip to the database that took longer, in microseconds, cannot tell a difference of a second.
const LONGEST_ROUND_TRIP: i64 = TOLERANCE;
/// How often a difference that lasts is logged.
const WARN_EVERY: Duration = Duration::from_mins(1);

/// Shows a steady clock plus an offset, which [`compare`](Self::compare) keeps right by the rules of
/// `Discipline`: a step of the machine's wall clock changes nothing by itself.
pub struct DisciplinedClock {
    steady: Arc<dyn Clock>,
    wall: Arc<dyn Clock>,
    database: Option<Arc<dyn DatabaseClock>>,
    settings: ClockSettings,
    /// The shown time minus the steady clock, in microseconds.
    offset: AtomicI64,
    state: Mutex<State>,
    warnings: Throttle,
    metrics: Arc<InfraMetrics>,
}

/// What the comparisons have come to.
#[derive(Debug, Default)]
struct State {
    /// `None` until the reference has answered for the first time.
    discipline: Option<Discipline>,
    last: Option<(Timestamp, Verdict)>,
}

impl DisciplinedClock {
    /// Shows what `wall` shows, until the first comparison. `database` is `None` if the database has no clock
    /// of its own.
    pub fn new(
        wall: Arc<dyn Clock>,
        steady: Arc<dyn Clock>,
        database: Option<Arc<dyn DatabaseClock>>,
        settings: ClockSettings,
        metrics: Arc<InfraMetrics>,
    ) -> Self {
        let offset = AtomicI64::new(ahead(wall.now(), steady.now()));
        let (state, warnings) = (Mutex::default(), Throttle::new(WARN_EVERY));
        Self { steady, wall, database, settings, offset, state, warnings, metrics }
    }

    /// Reads the three clocks and sets the shown time by them. The first call that the database answers
    /// sets it at once, so call it before anything is served; then about once a second.
    ///
    /// `set_back` is called before the shown time goes back by a step: what was forgotten because its time
    /// had passed may count again.
    pub async fn compare(&self, set_back: impl Fn()) {
        let database = self.read_database().await;
        let at = self.steady.now();
        let reading = Reading { at, wall: ahead(self.wall.now(), at), database };
        let mut state = sync::lock(&self.state);
        let verdict = match &mut state.discipline {
            Some(discipline) => discipline.observe(&reading),
            None => match Discipline::start(self.settings, &reading) {
                Some((discipline, verdict)) => {
                    state.discipline = Some(discipline);
                    verdict
                }
                None => return,
            },
        };
        state.last = Some((at, verdict));
        if verdict.step.is_some_and(|step| step < 0) {
            set_back();
        }
        self.offset.store(verdict.offset, Ordering::Release);
        drop(state);
        self.tell(&verdict);
    }

    async fn read_database(&self) -> DatabaseReading {
        let Some(database) = &self.database else { return DatabaseReading::NoClock };
        match database.read(&self.steady).await {
            Ok(DatabaseTime { shown, before, after }) => {
                let round_trip = ahead(after, before);
                if (0..=LONGEST_ROUND_TRIP).contains(&round_trip) {
                    DatabaseReading::Ahead(ahead(shown, before) - round_trip / 2)
                } else {
                    DatabaseReading::Silent
                }
            }
            Err(error) => {
                tracing::debug!(%error, "the database does not tell its time");
                DatabaseReading::Silent
            }
        }
    }

    fn tell(&self, verdict: &Verdict) {
        let differences = &self.metrics.clock_difference;
        differences.with_label_values(&["wall"]).set(seconds(verdict.wall));
        if let Some(database) = verdict.database {
            differences.with_label_values(&["database"]).set(seconds(database));
        }
        self.metrics.clock_agreed.set(verdict.agreed.into());
        if let Some(step) = verdict.step {
            self.metrics.clock_steps.inc();
            tracing::warn!(
                seconds = seconds(step),
                "the time in use was set: the clock that it goes by had differed for long enough"
            );
        }
        if verdict.differs() && self.warnings.is_due() {
            tracing::warn!(
                wall_seconds = seconds(verdict.wall),
                database_seconds = verdict.database.map(seconds),
                "the clocks differ from the time in use by more than a second; nothing expires and \
                 nothing old is deleted meanwhile"
            );
        }
    }

    /// What the last comparison came to, if it was made lately.
    fn last(&self) -> Option<Verdict> {
        let (at, verdict) = sync::lock(&self.state).last?;
        let now = self.steady.now();
        (at <= now && now.since(at) <= COMPARED_WITHIN).then_some(verdict)
    }
}

impl Clock for DisciplinedClock {
    fn now(&self) -> Timestamp {
        let offset = self.offset.load(Ordering::Acquire);
        Timestamp::from_micros(self.steady.now().micros().saturating_add(offset))
    }
}

impl AgreedTime for DisciplinedClock {
    fn agreed_now(&self) -> Option<Timestamp> {
        // The wall clock is asked once more: it may have stepped since the last comparison.
        let (now, wall) = (self.now(), self.wall.now());
        let is_agreed = self.last()?.agreed && ahead(wall, now).abs() <= TOLERANCE;
        is_agreed.then_some(now)
    }
}

/// Whether the clocks agree. Not essential: an instance whose machine shows a wrong time serves correctly
/// by the database's.
#[async_trait]
impl Probe for DisciplinedClock {
    fn name(&self) -> &'static str {
        "clock"
    }

    fn is_essential(&self) -> bool {
        false
    }

    async fn probe(&self) -> Report {
        let Some(verdict) = self.last() else {
            let detail = Some("the clocks were not compared lately".to_owned());
            return Report { condition: Condition::Degraded, detail };
        };
        if !verdict.differs() {
            return Report { condition: Condition::Up, detail: None };
        }
        let database = verdict.database.filter(|database| database.abs() > TOLERANCE);
        let (whose, difference) =
            database.map_or(("machine", verdict.wall), |database| ("database", database));
        let direction = if difference < 0 { "behind" } else { "ahead of" };
        let detail = format!(
            "the {whose}'s clock is {:.1} s {direction} the time in use",
            seconds(difference).abs()
        );
        Report { condition: Condition::Degraded, detail: Some(detail) }
    }
}

impl fmt::Debug for DisciplinedClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DisciplinedClock").field("offset", &self.offset).finish_non_exhaustive()
    }
}

/// By how many microseconds `clock` is ahead of `other`.
const fn ahead(clock: Timestamp, other: Timestamp) -> i64 {
    clock.micros().saturating_sub(other.micros())
}

#[expect(clippy::cast_precision_loss, reason = "for people and gauges")]
fn seconds(micros: i64) -> f64 {
    micros as f64 / 1e6
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use alpine_domain::{Error, Result};

    use super::*;

    const SECOND: i64 = 1_000_000;

    /// A clock that is set by hand, for any of the three.
    #[derive(Default)]
    struct Hand {
        micros: AtomicI64,
        /// As the database's: how long its answer takes, by `ours`, which then is moved.
        round_trip: AtomicI64,
        is_away: AtomicBool,
    }

    impl Hand {
        fn set(&self, micros: i64) {
            self.micros.store(micros, Ordering::SeqCst);
        }
    }

    impl Clock for Hand {
        fn now(&self) -> Timestamp {
            Timestamp::from_micros(self.micros.load(Ordering::SeqCst))
        }
    }

    #[async_trait]
    impl DatabaseClock for Hand {
        async fn read(&self, ours: &Arc<dyn Clock>) -> Result<DatabaseTime> {
            if self.is_away.load(Ordering::SeqCst) {
                return Err(Error::unavailable("the database", "away"));
            }
            let before = ours.now();
            let after = before.micros() + self.round_trip.load(Ordering::SeqCst);
            Ok(DatabaseTime { shown: self.now(), before, after: Timestamp::from_micros(after) })
        }
    }

    struct Bench {
        wall: Arc<Hand>,
        steady: Arc<Hand>,
        database: Arc<Hand>,
        clock: DisciplinedClock,
    }

    impl Bench {
        /// Three clocks that show 1,000 s; the second value of settings is how long they must agree.
        fn new(hold: u64, settle: u64) -> Self {
            let hand = || {
                let hand = Hand::default();
                hand.set(1_000 * SECOND);
                Arc::new(hand)
            };
            let (wall, steady, database) = (hand(), hand(), hand());
            let settings = ClockSettings {
                hold: Duration::from_secs(hold),
                settle: Duration::from_secs(settle),
            };
            let metrics = InfraMetrics::register(&prometheus::Registry::new()).unwrap();
            let clock = DisciplinedClock::new(
                wall.clone(),
                steady.clone(),
                Some(database.clone()),
                settings,
                metrics,
            );
            Self { wall, steady, database, clock }
        }

        /// Sets the clocks to these seconds: steady, wall, database.
        fn set(&self, steady: i64, wall: i64, database: i64) {
            self.steady.set(steady * SECOND);
            self.wall.set(wall * SECOND);
            self.database.set(database * SECOND);
        }

        async fn compare(&self) {
            self.clock.compare(|| ()).await;
        }

        fn shown(&self) -> i64 {
            self.clock.now().seconds()
        }

        fn difference(&self, source: &str) -> f64 {
            self.clock.metrics.clock_difference.with_label_values(&[source]).get()
        }

        async fn detail(&self) -> (Condition, String) {
            let Report { condition, detail } = self.clock.probe().await;
            (condition, detail.unwrap_or_default())
        }
    }

    #[tokio::test]
    async fn the_wall_clock_moves_nothing_and_ends_the_agreement_at_once() {
        let bench = Bench::new(60, 1);
        bench.compare().await;
        bench.set(1_001, 1_001, 1_001);
        bench.compare().await;
        assert_eq!(bench.clock.agreed_now(), Some(Timestamp::from_seconds(1_001)));
        assert_eq!(bench.detail().await, (Condition::Up, String::new()));

        bench.set(1_001, 1_301, 1_001);
        assert_eq!(bench.clock.agreed_now(), None, "before any comparison");
        bench.compare().await;
        assert_eq!((bench.shown(), bench.clock.agreed_now()), (1_001, None));
        assert_eq!((bench.difference("wall"), bench.difference("database")), (300.0, 0.0));
        let detail = "the machine's clock is 300.0 s ahead of the time in use";
        assert_eq!(bench.detail().await, (Condition::Degraded, detail.to_owned()));

        bench.set(1_002, 1_002, 1_002);
        bench.compare().await;
        assert_eq!(bench.clock.agreed_now(), Some(Timestamp::from_seconds(1_002)));
    }

    #[tokio::test]
    async fn it_shows_the_database_from_the_first_answer_on() {
        let bench = Bench::new(60, 1);
        bench.set(1_000, 1_120, 1_000);
        bench.database.is_away.store(true, Ordering::SeqCst);
        bench.compare().await;
        assert_eq!(bench.shown(), 1_000, "the wall clock as of the creation");
        assert_eq!(bench.detail().await.0, Condition::Degraded);
        bench.database.is_away.store(false, Ordering::SeqCst);
        bench.database.set(2_000 * SECOND);
        bench.compare().await;
        assert_eq!(bench.shown(), 2_000);
        assert_eq!(bench.clock.agreed_now(), None);
    }

    #[tokio::test]
    async fn half_of_the_round_trip_is_taken_off_and_a_slow_one_tells_nothing() {
        let bench = Bench::new(60, 1);
        // The database showed 1,000.4 s in the middle of 800 ms: exactly what is shown.
        bench.database.set(1_000 * SECOND + 400_000);
        bench.database.round_trip.store(800_000, Ordering::SeqCst);
        bench.compare().await;
        assert_eq!(bench.clock.now(), Timestamp::from_micros(1_000 * SECOND));
        bench.set(1_001, 1_001, 1_001);
        bench.database.round_trip.store(SECOND + 1, Ordering::SeqCst);
        bench.compare().await;
        assert_eq!(bench.clock.agreed_now(), None, "the database did not tell in time");
        bench.database.round_trip.store(0, Ordering::SeqCst);
        bench.compare().await;
        assert!(bench.clock.agreed_now().is_some());
    }

    #[tokio::test]
    async fn who_is_told_of_a_step_back_still_sees_the_time_before_it() {
        let bench = Bench::new(2, 1);
        bench.compare().await;
        let told = std::cell::Cell::new(None);
        for passed in 1..=3 {
            bench.set(1_000 + passed, 700 + passed, 700 + passed);
            bench.clock.compare(|| told.set(Some(bench.shown()))).await;
        }
        assert_eq!((told.get(), bench.shown()), (Some(1_003), 703));
        assert_eq!(bench.clock.metrics.clock_steps.get(), 1);
        for passed in 4..=7 {
            bench.set(1_000 + passed, 1_000 + passed, 1_000 + passed);
            bench.clock.compare(|| panic!("it goes forward")).await;
        }
        assert_eq!(bench.shown(), 1_007);
    }

    /// By the settings of the default file: a minute until it is followed, ten more until it is believed.
    #[tokio::test]
    async fn five_minutes_either_way_are_followed_after_a_minute() {
        for step in [300, -300] {
            let settings = ClockSettings::default();
            assert_eq!(settings.hold, Duration::from_mins(1));
            assert_eq!(settings.settle, Duration::from_mins(10));
            let bench = Bench::new(settings.hold.as_secs(), settings.settle.as_secs());
            bench.compare().await;
            let at = async |passed: i64| {
                bench.set(1_000 + passed, 1_000 + step + passed, 1_000 + step + passed);
                bench.compare().await;
                (bench.shown() - 1_000 - passed, bench.clock.agreed_now().is_some())
            };
            for passed in 1..=60 {
                assert_eq!(at(passed).await, (0, false), "{step}, {passed}");
            }
            for passed in 61..=660 {
                assert_eq!(at(passed).await, (step, false), "{step}, {passed}");
            }
            assert_eq!(at(661).await, (step, true), "{step}");
        }
    }

    #[tokio::test]
    async fn comparisons_that_stopped_agree_on_nothing() {
        let bench = Bench::new(60, 1);
        bench.compare().await;
        bench.set(1_005, 1_005, 1_005);
        bench.compare().await;
        bench.set(1_010, 1_010, 1_010);
        assert!(bench.clock.agreed_now().is_some());
        bench.set(1_011, 1_011, 1_011);
        assert_eq!(bench.clock.agreed_now(), None);
        let detail = "the clocks were not compared lately";
        assert_eq!(bench.detail().await, (Condition::Degraded, detail.to_owned()));
    }
}
