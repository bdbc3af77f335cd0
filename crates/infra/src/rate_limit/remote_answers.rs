//! What an instance remembers of the shared store's answers about one caller: a lease to spend and a
//! refusal until it can change. And the caller's request rate, which sizes the next lease.

use alpine_domain::ports::rate_limit::{Decision, RatePolicy, Window};

use super::{
    caller_id::RedisCallerId,
    windows::{SubBuckets, WindowState, WindowStates, decision},
};

/// The longest life of a lease, in microseconds.
const LONGEST_LEASE_LIFE: i64 = 1_000_000;
/// Admissions that may be leased and go unused in a window: one in so many of its limit.
const WASTE: u32 = 20;

/// How long leases under these windows live, in microseconds: no longer than the shortest sub-bucket,
/// so that what was leased in one sub-bucket is used in it or in the next.
pub(super) fn lease_life(windows: &[Window]) -> i64 {
    let steps = windows.iter().map(|window| SubBuckets::of(window.length).step);
    steps.min().unwrap_or(0).min(LONGEST_LEASE_LIFE)
}

/// An answer, and when it was asked for, which is never after the server gave it. Microseconds.
#[derive(Debug, Clone)]
struct Answer {
    asked_at: i64,
    limits: Box<[u32]>,
    states: Box<[WindowState]>,
}

impl Answer {
    /// The decision at `now`, when `unspent` of the admissions that the answer counts were not used.
    fn decision_at(&self, windows: &[Window], now: i64, unspent: u32, allowed: bool) -> Decision {
        let passed = (now - self.asked_at).max(0);
        let states: WindowStates = self
            .states
            .iter()
            .map(|state| WindowState {
                used: state.used.saturating_sub(unspent),
                retry_after: (state.retry_after - passed).max(0),
                reset_after: (state.reset_after - passed).max(0),
            })
            .collect();
        decision(windows, &states, allowed)
    }

    /// Whether it was given under the limits of `policy`.
    fn is_under(&self, policy: &RatePolicy) -> bool {
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

/// Requests in the present and the last period. A period is as long as a lease lives.
#[derive(Debug, Clone, Copy, Default)]
struct RequestRate {
    period: i64,
    current: u32,
    previous: u32,
}

impl RequestRate {
    fn count(&mut self, now: i64, life: i64) {
        let period = now.div_euclid(life.max(1));
        if period != self.period {
            self.previous = if period == self.period + 1 { self.current } else { 0 };
            (self.period, self.current) = (period, 0);
        }
        self.current = self.current.saturating_add(1);
    }

    /// Requests in the last `life` microseconds, by interpolation.
    fn per_life(self, now: i64, life: i64) -> u32 {
        let life = life.max(1);
        let left = life - now.rem_euclid(life);
        let previous = i64::from(self.previous) * left / life;
        self.current.saturating_add(u32::try_from(previous).unwrap_or(0))
    }
}

/// The shared store's answers about one caller.
#[derive(Debug, Clone)]
pub(super) struct RemoteAnswers {
    /// The caller's name in the shared store.
    pub(super) id: RedisCallerId,
    /// This instance's calls about the caller that the store has counted.
    pub(super) calls: u64,
    /// Admissions asked for and not answered yet.
    in_flight: u32,
    is_leasing: bool,
    lease: Option<Lease>,
    refusal: Option<Refusal>,
    rate: RequestRate,
    /// Room in the tightest window, by the last answer.
    room: u32,
    /// Admissions that were leased and not used: when (microseconds, ascending) and how many.
    wasted: Vec<(i64, u32)>,
}

/// A decision that an earlier answer allows without asking again.
pub(super) enum KnownAnswer {
    Leased(Decision),
    Refused(Decision),
}

impl RemoteAnswers {
    pub(super) fn of(id: RedisCallerId) -> Self {
        Self {
            id,
            calls: 0,
            in_flight: 0,
            is_leasing: false,
            lease: None,
            refusal: None,
            rate: RequestRate::default(),
            room: 0,
            wasted: Vec::new(),
        }
    }

    /// Counts a request towards the caller's rate.
    pub(super) fn count_request(&mut self, life: i64, now: i64) {
        self.rate.count(now, life);
    }

    /// Decides one request by the lease or the refusal that an earlier answer brought, if one holds.
    pub(super) fn known_answer(&mut self, policy: &RatePolicy, now: i64) -> Option<KnownAnswer> {
        if let Some(lease) = &mut self.lease
            && lease.left > 0
            && now < lease.until
            && lease.answer.is_under(policy)
        {
            lease.left -= 1;
            let decision = lease.answer.decision_at(&policy.windows, now, lease.left, true);
            return Some(KnownAnswer::Leased(decision));
        }
        if let Some(refusal) = &self.refusal
            && now < refusal.until
            && refusal.answer.is_under(policy)
        {
            let decision = refusal.answer.decision_at(&policy.windows, now, 0, false);
            return Some(KnownAnswer::Refused(decision));
        }
        self.refusal = None;
        None
    }

    /// The refusal that an earlier answer brought, if it holds still.
    pub(super) fn known_refusal(&self, policy: &RatePolicy, now: i64) -> Option<Decision> {
        let refusal = self.refusal.as_ref()?;
        (now < refusal.until && refusal.answer.is_under(policy))
            .then(|| refusal.answer.decision_at(&policy.windows, now, 0, false))
    }

    /// Ends a lease that is used up or has expired. Returns how many of its admissions were not used.
    pub(super) fn expire(&mut self, longest: i64, now: i64) -> u32 {
        self.wasted.retain(|(at, _)| now - at < longest);
        let Some(lease) = self.lease.take_if(|lease| lease.left == 0 || now >= lease.until) else {
            return 0;
        };
        if lease.left > 0 {
            match self.wasted.last_mut() {
                // One entry for all that was wasted within a hundredth of the window.
                Some((at, n)) if now - *at < longest / 100 => *n = n.saturating_add(lease.left),
                _ => self.wasted.push((now, lease.left)),
            }
        }
        lease.left
    }

    /// How many admissions to ask for. More than one only if the caller's own rate would use them up,
    /// if the limit is not near, and if no more than a twentieth of it would be wasted should they not
    /// be used.
    pub(super) fn lease_size(&self, policy: &RatePolicy, instances: u32, now: i64) -> u32 {
        if self.is_leasing || self.lease.is_some() {
            return 1;
        }
        let life = lease_life(&policy.windows);
        let by_rate = self.rate.per_life(now, life) / 2;
        let by_room = self.room / instances.saturating_mul(2).max(1);
        let by_waste = policy.windows.iter().map(|window| {
            let length = i64::try_from(window.length.as_micros()).unwrap_or(i64::MAX);
            let recent = self.wasted.iter().filter(|(at, _)| now - at < length);
            let wasted = recent.fold(0_u32, |sum, (_, n)| sum.saturating_add(*n));
            (window.limit / WASTE / instances.max(1)).saturating_sub(wasted)
        });
        by_waste.min().unwrap_or(0).min(by_rate).min(by_room).max(1)
    }

    /// Notes that `n` admissions were asked for.
    pub(super) fn debit_sent(&mut self, n: u32) {
        self.in_flight = self.in_flight.saturating_add(n);
        self.is_leasing |= n > 1;
    }

    /// Notes that no answer will come to a debit of `n`.
    pub(super) fn debit_unanswered(&mut self, n: u32) {
        self.in_flight = self.in_flight.saturating_sub(n);
        if n > 1 {
            self.is_leasing = false;
        }
    }

    /// Records the answer to a debit of `n` that was sent at `asked_at`.
    pub(super) fn debit_answered(
        &mut self,
        policy: &RatePolicy,
        n: u32,
        asked_at: i64,
        admitted: u32,
        states: &[WindowState],
    ) {
        self.debit_unanswered(n);
        let limits = policy.windows.iter().map(|w| w.limit);
        let room = limits.clone().zip(states).map(|(limit, r)| limit.saturating_sub(r.used));
        self.room = room.min().unwrap_or(0);
        let answer =
            || Answer { asked_at, limits: limits.clone().collect(), states: states.into() };
        if admitted > 1 {
            let until = asked_at.saturating_add(lease_life(&policy.windows));
            self.lease = Some(Lease { left: admitted - 1, until, answer: answer() });
        } else if admitted == 0 {
            let wait = states.iter().map(|state| state.retry_after).max().unwrap_or(0);
            let until = asked_at.saturating_add(wait);
            self.refusal = Some(Refusal { until, answer: answer() });
        }
    }

    /// Admissions that debits under way may bring, and leased ones that are not used yet.
    pub(super) fn under_way(&self) -> u32 {
        let leased = self.lease.as_ref().map_or(0, |lease| lease.left);
        self.in_flight.saturating_add(leased)
    }
}
