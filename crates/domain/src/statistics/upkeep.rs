//! Keeps the sums of the record up to date, and checks them.

use std::{sync::Arc, time::Duration};

use super::{Level, Recount, Sealed, SumDifference, SumStore};
use crate::{AgreedTime, Result, Timestamp, analytics::Day};

/// Entries of a kind that one transaction adds.
const STEP: u32 = 5_000;
/// Steps of one run at most. What is left comes with the next run.
const STEPS: u32 = 1_000;
/// Levels whose sums are those of their days.
const STRETCHES: [Level; 2] = [Level::FiveDays, Level::Month];
/// How much longer than every reader's delay the sums wait: longer than transactions last, so that next to nothing
/// is committed into a sealed stretch.
const MARGIN: Duration = Duration::from_mins(1);
/// Differences that are told at most; all of them are corrected.
const MOST_TOLD: usize = 1_000;

/// Adds what happened to the sums once every reader may know of it. Whichever instance gets there first does it.
pub struct SumUpkeep {
    store: Arc<dyn SumStore>,
    time: Arc<dyn AgreedTime>,
    age: Duration,
}

/// What a run did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct UpkeepRun {
    /// Entries that were added.
    pub entries: u64,
    /// Days that were counted anew.
    pub recounted_days: u64,
    /// Whether everything was added that is old enough.
    pub is_done: bool,
}

impl SumUpkeep {
    /// The upkeep of the sums of `store`, for readers of whom the last one learns of something after `delay`.
    pub fn new(store: Arc<dyn SumStore>, time: Arc<dyn AgreedTime>, delay: Duration) -> Self {
        Self { store, time, age: delay + MARGIN }
    }

    /// Adds what is old enough. Does nothing while the clocks do not agree on what time it is: the sums wait.
    ///
    /// # Errors
    /// What the store says.
    pub async fn run_once(&self) -> Result<UpkeepRun> {
        let mut run = UpkeepRun::default();
        for _ in 0..STEPS {
            let Some(now) = self.time.agreed_now() else { break };
            let step = self.step(now).await?;
            run.entries += step.entries;
            run.recounted_days += step.recounted_days;
            run.is_done = step.is_done;
            if step.is_done {
                break;
            }
        }
        Ok(run)
    }

    /// Adds one step of what is old enough at `now`, for who can say what time it is: an operator who waits for it.
    ///
    /// # Errors
    /// What the store says.
    pub async fn step(&self, now: Timestamp) -> Result<Sealed> {
        self.store.seal(now.earlier(self.age), STEP).await
    }

    /// Compares every sum with a count of what it stands for, a day at a time, while everything goes on; with `repair`
    /// corrects them. `progress` is told of each day that is done, and of the last one. Says how many sums were
    /// wrong, and the first of them.
    ///
    /// # Errors
    /// What the store says.
    pub async fn recount(
        &self,
        repair: bool,
        mut progress: impl FnMut(Day, Day),
    ) -> Result<(usize, Vec<SumDifference>)> {
        let (mut count, mut told) = (0, Vec::new());
        let mut note = |found: Vec<SumDifference>| {
            count += found.len();
            let room = MOST_TOLD.saturating_sub(told.len());
            told.extend(found.into_iter().take(room));
        };
        let mut done: Option<Day> = None;
        while let Some((day, last)) = self.store.next_day(done).await? {
            for level in STRETCHES {
                if let Some(before) = done.filter(|it| level.bucket(*it) != level.bucket(day)) {
                    note(self.store.recount(Recount::Stretch(level, before), repair).await?);
                }
            }
            note(self.store.recount(Recount::Day(day), repair).await?);
            progress(day, last);
            done = Some(day);
        }
        for (level, day) in STRETCHES.into_iter().filter_map(|level| Some((level, done?))) {
            note(self.store.recount(Recount::Stretch(level, day), repair).await?);
        }
        note(self.store.recount(Recount::Total, repair).await?);
        Ok((count, told))
    }
}
