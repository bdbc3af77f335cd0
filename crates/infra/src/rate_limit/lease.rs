//! What an instance remembers of the shared store's answers about one caller: a lease to spend, a
//! refusal that still holds, and how fast the caller asks.

use alpine_domain::ports::rate_limit::{Decision, RatePolicy, Window};

use super::{
    arithmetic::{Grid, Reading, Readings, decision},
    caller::CallerId,
};
use crate::mutants::{Mechanism, is_off};

/// A lease lives for so long at most, in microseconds.
const LONGEST_LIFE: i64 = 1_000_000;
/// The part of a limit that may be leased without being used.
const WASTE: u32 = 20;

/// How long leases under these windows live: what was leased in one sub-bucket is used in it or in the
/// next.
pub(super) fn life_of(windows: &[Window]) -> i64 {
    let steps = windows.iter().map(|window| Grid::of(window.length).step);
    steps.min().unwrap_or(0).min(LONGEST_LIFE)
}

/// An answer, and when it was asked for: never after the server gave it.
#[derive(Debug, Clone)]
struct Answer {
    asked_at: i64,
    limits: Box<[u32]>,
    readings: Box<[Reading]>,
}

impl Answer {
    /// The answer as it stands at `now`, when `unspent` of what it counts has not been used.
    fn told(&self, windows: &[Window], now: i64, unspent: u32, allowed: bool) -> Decision {
        let passed = (now - self.asked_at).max(0);
        let readings: Readings = self
            .readings
            .iter()
            .map(|reading| Reading {
                used: reading.used.saturating_sub(unspent),
                retry_after: (reading.retry_after - passed).max(0),
                reset_after: (reading.reset_after - passed).max(0),
            })
            .collect();
        decision(windows, &readings, allowed)
    }

    /// Whether it was given under the same limits.
    fn concerns(&self, policy: &RatePolicy) -> bool {
        self.limits.len() == policy.windows.len()
            && self.limits.iter().zip(&policy.windows).all(|(limit, w)| *limit == w.limit)
    }
}

#[derive(Debug, Clone)]
struct Lease {
    left: u32,
    until: i64,
    answer: Answer,
}

#[derive(Debug, Clone)]
struct Refusal {
    until: i64,
    answer: Answer,
}

/// Requests in the present and the last period, each as long as a lease lives.
#[derive(Debug, Clone, Copy, Default)]
struct Pace {
    period: i64,
    now: u32,
    before: u32,
}

impl Pace {
    fn count(&mut self, now: i64, life: i64) {
        let period = now.div_euclid(life.max(1));
        if period != self.period {
            self.before = if period == self.period + 1 { self.now } else { 0 };
            (self.period, self.now) = (period, 0);
        }
        self.now = self.now.saturating_add(1);
    }

    /// Requests in the last `life`, about.
    fn per_life(self, now: i64, life: i64) -> u32 {
        let life = life.max(1);
        let left = life - now.rem_euclid(life);
        let before = i64::from(self.before) * left / life;
        self.now.saturating_add(u32::try_from(before).unwrap_or(0))
    }
}

/// A caller, as far as the shared store has spoken about it.
#[derive(Debug, Clone)]
pub(super) struct Standing {
    /// Its name there.
    pub(super) id: CallerId,
    /// The calls that the store has counted.
    pub(super) calls: u64,
    /// Admissions asked for and not answered yet.
    pub(super) in_flight: u32,
    is_leasing: bool,
    lease: Option<Lease>,
    refusal: Option<Refusal>,
    pace: Pace,
    /// Room in the tightest window, when last heard.
    room: u32,
    /// Leased and unused: when and how many, ascending.
    wasted: Vec<(i64, u32)>,
}

/// What can be said without asking.
pub(super) enum Known {
    Leased(Decision),
    Refused(Decision),
    Nothing,
}

impl Standing {
    pub(super) fn of(id: CallerId) -> Self {
        Self {
            id,
            calls: 0,
            in_flight: 0,
            is_leasing: false,
            lease: None,
            refusal: None,
            pace: Pace::default(),
            room: 0,
            wasted: Vec::new(),
        }
    }

    /// Counts a request towards the caller's pace.
    pub(super) fn keep_pace(&mut self, life: i64, now: i64) {
        self.pace.count(now, life);
    }

    /// Answers a request if the store has done so already.
    pub(super) fn answer(&mut self, policy: &RatePolicy, now: i64) -> Known {
        if let Some(lease) = &mut self.lease
            && lease.left > 0
            && now < lease.until
            && lease.answer.concerns(policy)
        {
            lease.left -= 1;
            return Known::Leased(lease.answer.told(&policy.windows, now, lease.left, true));
        }
        if let Some(refusal) = &self.refusal
            && now < refusal.until
            && refusal.answer.concerns(policy)
            && !is_off(Mechanism::LocalDenial)
        {
            return Known::Refused(refusal.answer.told(&policy.windows, now, 0, false));
        }
        self.refusal = None;
        Known::Nothing
    }

    /// Ends a lease that is used up or over; says how much of it was not used.
    pub(super) fn expire(&mut self, longest: i64, now: i64) -> u32 {
        self.wasted.retain(|(at, _)| now - at < longest);
        let Some(lease) = self.lease.take_if(|lease| lease.left == 0 || now >= lease.until) else {
            return 0;
        };
        if lease.left > 0 {
            match self.wasted.last_mut() {
                // One entry for what was wasted within a hundredth of the window.
                Some((at, n)) if now - *at < longest / 100 => *n = n.saturating_add(lease.left),
                _ => self.wasted.push((now, lease.left)),
            }
        }
        lease.left
    }

    /// How many admissions to ask for. Several only if the caller's own pace would use them up, if
    /// the limit is not near, and if no more than a twentieth of it goes to waste should they not be
    /// used after all.
    pub(super) fn wanted(&self, policy: &RatePolicy, instances: u32, now: i64) -> u32 {
        if self.is_leasing || self.lease.is_some() || is_off(Mechanism::LimiterLease) {
            return 1;
        }
        let life = life_of(&policy.windows);
        let by_pace = self.pace.per_life(now, life) / 2;
        let by_room = self.room / instances.saturating_mul(2).max(1);
        let by_waste = policy.windows.iter().map(|window| {
            let length = i64::try_from(window.length.as_micros()).unwrap_or(i64::MAX);
            let recent = self.wasted.iter().filter(|(at, _)| now - at < length);
            let wasted = recent.fold(0_u32, |sum, (_, n)| sum.saturating_add(*n));
            (window.limit / WASTE / instances.max(1)).saturating_sub(wasted)
        });
        by_waste.min().unwrap_or(0).min(by_pace).min(by_room).max(1)
    }

    pub(super) fn asked(&mut self, n: u32) {
        self.in_flight = self.in_flight.saturating_add(n);
        self.is_leasing |= n > 1;
    }

    /// No answer will come to this question.
    pub(super) fn unanswered(&mut self, n: u32) {
        self.in_flight = self.in_flight.saturating_sub(n);
        if n > 1 {
            self.is_leasing = false;
        }
    }

    /// What the store said about the `n` that were asked for at `asked_at`.
    pub(super) fn answered(
        &mut self,
        policy: &RatePolicy,
        n: u32,
        asked_at: i64,
        admitted: u32,
        readings: &[Reading],
    ) {
        self.unanswered(n);
        let limits = policy.windows.iter().map(|w| w.limit);
        let room = limits.clone().zip(readings).map(|(limit, r)| limit.saturating_sub(r.used));
        self.room = room.min().unwrap_or(0);
        let answer =
            || Answer { asked_at, limits: limits.clone().collect(), readings: readings.into() };
        if admitted > 1 {
            let until = asked_at.saturating_add(life_of(&policy.windows));
            self.lease = Some(Lease { left: admitted - 1, until, answer: answer() });
        } else if admitted == 0 {
            let wait = readings.iter().map(|reading| reading.retry_after).max().unwrap_or(0);
            let until = asked_at.saturating_add(wait);
            self.refusal = Some(Refusal { until, answer: answer() });
        }
    }

    /// Leased and not used yet.
    pub(super) fn outstanding(&self) -> u32 {
        self.lease.as_ref().map_or(0, |lease| lease.left)
    }
}
