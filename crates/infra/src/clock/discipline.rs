//! Which time is shown, decided from what the clocks say. Knows no clock itself.

use std::time::Duration;

use alpine_domain::{
    Timestamp,
    settings::{defaults, duration},
};
use serde::Deserialize;

/// Clocks that are no further apart count as showing the same: one second, in microseconds.
pub(super) const TOLERANCE: i64 = 1_000_000;
/// Differences up to this, in microseconds, are left alone: a round trip measures no better.
const UNCORRECTED: i64 = 50_000;
/// Larger ones, up to [`TOLERANCE`], are worked off by one part in this many of the time that passes: half
/// a millisecond in a second.
const SLEW: i64 = 2_000;
/// The most that one correction takes back or adds, in microseconds.
const LARGEST_SLEW: i64 = 1_000;

/// The section `clock` of the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClockSettings {
    /// How long a difference must hold, to within a second, before the time that is shown follows it.
    #[serde(deserialize_with = "duration")]
    pub hold: Duration,
    /// How long the clocks must have agreed since the start, and since each time that was followed, before
    /// what ends things for ever believes them.
    #[serde(deserialize_with = "duration")]
    pub settle: Duration,
}

impl Default for ClockSettings {
    /// What stands in `config/default.toml`.
    fn default() -> Self {
        defaults("clock")
    }
}

/// What the database's clock showed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DatabaseReading {
    /// It has none of its own: the machine's wall clock counts.
    NoClock,
    /// It did not answer, or too slowly to tell.
    Silent,
    /// So many microseconds ahead of the steady clock.
    Ahead(i64),
}

/// What the clocks showed at one instant, compared with the steady one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reading {
    /// The instant by the steady clock.
    pub(super) at: Timestamp,
    /// By how many microseconds the wall clock is ahead of the steady one.
    pub(super) wall: i64,
    /// The database's clock.
    pub(super) database: DatabaseReading,
}

/// What follows from a [`Reading`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Verdict {
    /// By how many microseconds the shown time is ahead of the steady clock from now on.
    pub(super) offset: i64,
    /// The wall clock minus the shown time, in microseconds.
    pub(super) wall: i64,
    /// The database's clock minus the shown time, in microseconds, where it answered.
    pub(super) database: Option<i64>,
    /// The step that was followed with this reading, in microseconds.
    pub(super) step: Option<i64>,
    /// Whether all clocks agree now, and have for long enough.
    pub(super) agreed: bool,
}

impl Verdict {
    /// Whether one of the clocks differs from the shown time by more than [`TOLERANCE`].
    pub(super) fn differs(&self) -> bool {
        !is_near(self.wall, 0) || self.database.is_some_and(|ahead| !is_near(ahead, 0))
    }
}

/// A difference to the reference that may be followed.
#[derive(Debug, Clone, Copy)]
struct Candidate {
    offset: i64,
    since: Timestamp,
}

/// The rules. The *reference* is the database's clock, which all instances share, or the wall clock where
/// the database has none. The shown time follows the reference when a difference has held for
/// [`ClockSettings::hold`]; so a clock that steps for some seconds, or one that steps back and forth,
/// moves nothing. Without a reference nothing changes.
#[derive(Debug)]
pub(super) struct Discipline {
    settings: ClockSettings,
    offset: i64,
    candidate: Option<Candidate>,
    last_at: Timestamp,
    agreed_from: Timestamp,
}

impl Discipline {
    /// Shows the reference at once. The second value is what [`observe`](Self::observe) would say.
    ///
    /// `None` while there is no reference.
    pub(super) fn start(settings: ClockSettings, reading: &Reading) -> Option<(Self, Verdict)> {
        let offset = reference(reading)?;
        let agreed_from = reading.at.later(settings.settle);
        let started = Self { settings, offset, candidate: None, last_at: reading.at, agreed_from };
        let verdict = started.verdict(reading, None);
        Some((started, verdict))
    }

    /// Decides on what was read; call it about once a second.
    pub(super) fn observe(&mut self, reading: &Reading) -> Verdict {
        let passed = reading.at.since(self.last_at);
        self.last_at = reading.at;
        let step = match reference(reading) {
            None => {
                // Nobody saw whether the difference held meanwhile.
                self.candidate = None;
                None
            }
            Some(reference) if is_near(reference, self.offset) => {
                self.candidate = None;
                self.offset += slew(reference - self.offset, passed);
                None
            }
            Some(reference) => self.follow(reading.at, reference),
        };
        self.verdict(reading, step)
    }

    /// Follows a difference that has held for long enough; says by how much that moved the shown time.
    fn follow(&mut self, at: Timestamp, reference: i64) -> Option<i64> {
        let first = Candidate { offset: reference, since: at };
        let held = self.candidate.filter(|held| is_near(held.offset, reference));
        let Candidate { since, .. } = *self.candidate.insert(held.unwrap_or(first));
        if at.since(since) < self.settings.hold {
            return None;
        }
        let step = reference - self.offset;
        self.offset = reference;
        self.candidate = None;
        self.agreed_from = at.later(self.settings.settle);
        Some(step)
    }

    fn verdict(&self, reading: &Reading, step: Option<i64>) -> Verdict {
        let database = match reading.database {
            DatabaseReading::Ahead(ahead) => Some(ahead - self.offset),
            DatabaseReading::NoClock | DatabaseReading::Silent => None,
        };
        let wall = reading.wall - self.offset;
        let verdict = Verdict { offset: self.offset, wall, database, step, agreed: false };
        let all_answered = reading.database != DatabaseReading::Silent;
        // Both near what is shown may be two seconds apart.
        let are_near = database.is_none_or(|database| is_near(wall, database));
        let has_settled = reading.at >= self.agreed_from;
        Verdict { agreed: all_answered && are_near && has_settled && !verdict.differs(), ..verdict }
    }
}

const fn reference(reading: &Reading) -> Option<i64> {
    match reading.database {
        DatabaseReading::Ahead(ahead) => Some(ahead),
        DatabaseReading::NoClock => Some(reading.wall),
        DatabaseReading::Silent => None,
    }
}

/// Whether two offsets are at most [`TOLERANCE`] apart.
const fn is_near(a: i64, b: i64) -> bool {
    a.abs_diff(b) <= TOLERANCE.unsigned_abs()
}

/// How much of a small difference is worked off after `passed`.
fn slew(difference: i64, passed: Duration) -> i64 {
    if difference.abs() <= UNCORRECTED {
        return 0;
    }
    let passed = i64::try_from(passed.as_micros()).unwrap_or(i64::MAX);
    let most = (passed / SLEW).min(LARGEST_SLEW);
    difference.clamp(-most, most)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: i64 = 1_000_000;
    const DAY: i64 = 86_400 * SECOND;
    const SETTINGS: ClockSettings =
        ClockSettings { hold: Duration::from_mins(1), settle: Duration::from_mins(10) };

    fn reading(second: i64, wall: i64, database: DatabaseReading) -> Reading {
        Reading { at: Timestamp::from_seconds(1_000_000 + second), wall, database }
    }

    use DatabaseReading::{Ahead, NoClock, Silent};

    /// Clocks that agreed for an hour before second 0.
    fn settled(database: DatabaseReading) -> Discipline {
        let (mut discipline, first) =
            Discipline::start(SETTINGS, &reading(-3_600, 0, database)).unwrap();
        assert!(!first.agreed);
        assert!(discipline.observe(&reading(-1, 0, database)).agreed);
        discipline
    }

    #[test]
    fn seven_seconds_of_another_month_move_nothing_and_agree_on_nothing() {
        for (away, database_away) in [
            (31 * DAY, NoClock),
            (31 * DAY, Ahead(0)),
            (31 * DAY, Ahead(31 * DAY)),
            (0, Ahead(31 * DAY)),
        ] {
            let usual = if database_away == NoClock { NoClock } else { Ahead(0) };
            let mut discipline = settled(usual);
            for second in 0..7 {
                let verdict = discipline.observe(&reading(second, away, database_away));
                assert_eq!((verdict.offset, verdict.agreed), (0, false), "{database_away:?}");
                assert!(verdict.differs());
            }
            let after = discipline.observe(&reading(7, 0, usual));
            assert!(after.agreed && !after.differs(), "{database_away:?}");
        }
    }

    #[test]
    fn a_difference_that_holds_is_followed_and_believed_later() {
        let minutes = [5 * 60 * SECOND, -5 * 60 * SECOND];
        let cases = minutes
            .map(|away| [(away, away, NoClock), (away, 0, Ahead(away)), (away, away, Ahead(away))]);
        for (away, wall, database) in cases.into_iter().flatten() {
            let usual = if database == NoClock { NoClock } else { Ahead(0) };
            let mut discipline = settled(usual);
            let steps: Vec<(i64, i64)> = (0..120)
                .filter_map(|second| {
                    let verdict = discipline.observe(&reading(second, wall, database));
                    assert!(!verdict.agreed);
                    verdict.step.map(|step| (second, step))
                })
                .collect();
            assert_eq!(steps, [(60, away)], "{database:?}");
            let same = wall == away;
            assert!(!discipline.observe(&reading(659, wall, database)).agreed);
            assert_eq!(discipline.observe(&reading(660, wall, database)).agreed, same);
        }
    }

    #[test]
    fn a_wall_clock_alone_is_never_followed_where_the_database_has_one() {
        let mut discipline = settled(Ahead(0));
        for second in 0..10_000 {
            let verdict = discipline.observe(&reading(second, 120 * SECOND, Ahead(0)));
            assert_eq!((verdict.offset, verdict.step, verdict.agreed), (0, None, false));
        }
    }

    #[test]
    fn a_difference_that_is_not_seen_all_the_time_has_not_held() {
        let mut discipline = settled(Ahead(0));
        for second in 0..600 {
            let silent = second % 30 == 29;
            let database = if silent { Silent } else { Ahead(300 * SECOND) };
            let verdict = discipline.observe(&reading(second, 300 * SECOND, database));
            assert_eq!((verdict.offset, verdict.agreed), (0, false));
        }
    }

    #[test]
    fn it_starts_with_the_database_and_not_without_its_answer() {
        assert!(Discipline::start(SETTINGS, &reading(0, 0, Silent)).is_none());
        let (_, verdict) =
            Discipline::start(SETTINGS, &reading(0, 120 * SECOND, Ahead(0))).unwrap();
        assert_eq!((verdict.offset, verdict.wall), (0, 120 * SECOND));
        let (_, verdict) = Discipline::start(SETTINGS, &reading(0, 7 * SECOND, NoClock)).unwrap();
        assert_eq!((verdict.offset, verdict.wall), (7 * SECOND, 0));
    }

    #[test]
    fn half_a_second_is_worked_off_in_some_quarter_of_an_hour() {
        let mut discipline = settled(Ahead(0));
        for second in 0..1_000 {
            discipline.observe(&reading(second, 500_000, Ahead(500_000)));
        }
        let left = 500_000 - discipline.offset;
        assert!((0..=UNCORRECTED).contains(&left), "{left}");
    }

    /// What one clock does: where it is, in microseconds, until which second.
    fn schedule() -> impl Strategy<Value = Vec<(i64, i64)>> {
        let place = prop_oneof![
            3 => Just(0),
            1 => -900_000..900_000_i64,
            2 => prop::sample::select(vec![-300, 300, 120, -2, 2, 31 * 86_400])
                .prop_map(|seconds| seconds * SECOND),
        ];
        prop::collection::vec((place, 1..200_i64), 1..8)
    }

    fn place(schedule: &[(i64, i64)], second: i64) -> i64 {
        let mut end = 0;
        let is_now = |(_, length): &&(i64, i64)| {
            end += length;
            second < end
        };
        schedule.iter().find(is_now).or(schedule.last()).map_or(0, |(place, _)| *place)
    }

    proptest! {
        #[test]
        fn whatever_the_clocks_do(
            wall in schedule(),
            database in schedule(),
            has_clock in any::<bool>(),
            silent in prop::collection::vec(any::<prop::sample::Index>(), 0..20),
        ) {
            let length = 1_000;
            let silent: Vec<usize> = silent.iter().map(|index| index.index(length)).collect();
            let settings = ClockSettings { settle: Duration::from_secs(90), ..SETTINGS };
            let read = |second: usize| {
                let at = i64::try_from(second).unwrap();
                let answer = if !has_clock {
                    NoClock
                } else if second > 0 && silent.contains(&second) {
                    Silent
                } else {
                    Ahead(place(&database, at))
                };
                reading(at, place(&wall, at), answer)
            };
            let (mut discipline, first) = Discipline::start(settings, &read(0)).unwrap();
            let (mut shown, mut last_step) = (first.offset, 0);
            for second in 1..length {
                let now = read(second);
                let verdict = discipline.observe(&now);
                match verdict.step {
                    // A step goes to the reference, which has been there for a minute.
                    Some(step) => {
                        prop_assert_eq!(shown + step, verdict.offset);
                        for earlier in second - 60..=second {
                            let then = reference(&read(earlier));
                            let away = |then: i64| (then - verdict.offset).abs();
                            prop_assert!(then.is_some_and(|then| away(then) <= 2 * TOLERANCE));
                        }
                        last_step = second;
                    }
                    None => prop_assert!((verdict.offset - shown).abs() <= SECOND / SLEW),
                }
                shown = verdict.offset;
                if verdict.agreed {
                    prop_assert!(is_near(now.wall, shown) && now.database != Silent);
                    if let Ahead(ahead) = now.database {
                        prop_assert!(is_near(ahead, shown) && is_near(ahead, now.wall));
                    }
                    prop_assert!(second - last_step >= 90);
                }
                // No difference outlasts its minute, unless the clock moves or falls silent.
                if second >= 60 {
                    let last_minute = (second - 60..=second).map(|s| reference(&read(s)));
                    let steady = last_minute.clone().all(|then| then == reference(&now));
                    if steady && reference(&now).is_some() {
                        prop_assert!(is_near(reference(&now).unwrap(), shown));
                    }
                }
            }
        }
    }
}
