//! Who sees what, and when.

use std::time::Duration;

use serde::{Deserialize, Deserializer, de::Error as _};

use super::Signal;
use crate::{
    Timestamp,
    account::{Tier, Viewer},
    settings::{defaults, duration_or_zero},
};

/// What one group of readers may see.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct View {
    /// Only signals with a confidence below this percentage; `None` for all.
    #[serde(deserialize_with = "below")]
    pub below: Option<f64>,
    /// How late signals and their outcomes come into sight.
    #[serde(deserialize_with = "duration_or_zero")]
    pub delay: Duration,
    /// Rows of a list at most; `None` for as many as the request's own limit allows.
    #[serde(deserialize_with = "rows")]
    pub max_rows: Option<u32>,
}

impl View {
    /// Sees everything at once.
    pub const UNLIMITED: Self = Self { below: None, delay: Duration::ZERO, max_rows: None };

    /// Whether an event of a signal with this confidence, in percent, changes at once what this view
    /// shows. A delayed view changes by the clock alone. `None`: the confidence is not known.
    pub fn shows_at_once(&self, confidence: Option<f64>) -> bool {
        let is_in_range = |below| confidence.is_none_or(|confidence| confidence < below);
        self.delay.is_zero() && self.below.is_none_or(is_in_range)
    }

    /// The newest instant that this view knows of at `now`. Without a delay that is all that there is,
    /// whatever time it is: a clock that is behind hides nothing.
    pub fn as_of(&self, now: Timestamp) -> Timestamp {
        known_after(self.delay, now)
    }

    /// The signal as this view knows it at `now`, if it knows it at all.
    pub fn project(&self, signal: Signal, now: Timestamp) -> Option<Signal> {
        let as_of = self.as_of(now);
        let in_range = self.below.is_none_or(|below| signal.content.confidence.percent() < below);
        (in_range && signal.content.created_at <= as_of).then(|| signal.as_of(as_of))
    }
}

/// The newest instant of which is known at `now` after this delay.
fn known_after(delay: Duration, now: Timestamp) -> Timestamp {
    if delay.is_zero() { Timestamp::MAX } else { now.earlier(delay) }
}

/// Which outcomes count in the statistics that one reader asks for. The record covers the signals of
/// every tier, each once it is released to this reader: a signal and its outcome with the reader's own
/// delay, or, if the reader may never see the signal, with the delay of the public, when everybody may
/// know of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Released {
    /// Signals of the reader's range count when they and their outcomes are no younger than this.
    pub as_of: Timestamp,
    /// The reader's range: confidence below this percentage, `None` for all.
    pub below: Option<f64>,
    /// All other signals count when they and their outcomes are no younger than this.
    pub others_as_of: Timestamp,
}

impl Released {
    /// Everything that was known at `as_of`.
    pub const fn all(as_of: Timestamp) -> Self {
        Self { as_of, below: None, others_as_of: as_of }
    }
}

/// The rules for every group of readers. Administrators see everything.
///
/// ```
/// use alpine_domain::{account::{Tier, Viewer}, signal::VisibilityPolicy};
/// let policy = VisibilityPolicy::default();
/// assert_eq!(policy.view(Viewer::Subscriber(Tier::Pro)).below, Some(95.0));
/// assert_eq!(policy.view(Viewer::Anonymous).delay.as_secs(), 15 * 60);
/// assert_eq!(policy.view(Viewer::Admin).below, None);
/// ```
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VisibilityPolicy {
    /// A signal is PREMIUM from this confidence, in percent.
    #[serde(deserialize_with = "percentage")]
    pub premium_from: f64,
    /// Readers without an account.
    pub anonymous: View,
    /// The tier of every new account.
    pub free: View,
    /// The first paid tier.
    pub starter: View,
    /// The second paid tier.
    pub pro: View,
    /// The highest tier.
    pub elite: View,
}

impl Default for VisibilityPolicy {
    /// What stands in `config/default.toml`.
    fn default() -> Self {
        defaults("visibility")
    }
}

fn percentage<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    let percent = f64::deserialize(deserializer)?;
    let problem = || D::Error::custom("must be a percentage, 0 to 100");
    (0.0..=100.0).contains(&percent).then_some(percent).ok_or_else(problem)
}

/// 101 stands for everything.
fn below<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<f64>, D::Error> {
    let percent = f64::deserialize(deserializer)?;
    if !(0.0..=101.0).contains(&percent) {
        return Err(D::Error::custom("must be a percentage, or 101 for everything"));
    }
    Ok((percent <= 100.0).then_some(percent))
}

/// 0 stands for no bound.
fn rows<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    u32::deserialize(deserializer).map(|rows| (rows > 0).then_some(rows))
}

impl VisibilityPolicy {
    /// The rules for `viewer`.
    pub const fn view(&self, viewer: Viewer) -> View {
        match viewer {
            Viewer::Anonymous => self.anonymous,
            Viewer::Subscriber(Tier::Free) => self.free,
            Viewer::Subscriber(Tier::Starter) => self.starter,
            Viewer::Subscriber(Tier::Pro) => self.pro,
            Viewer::Subscriber(Tier::Elite) => self.elite,
            Viewer::Admin => View::UNLIMITED,
        }
    }

    /// What the record tells `viewer` at `now`.
    pub fn released(&self, viewer: Viewer, now: Timestamp) -> Released {
        let (view, others) = (self.view(viewer), known_after(self.others_delay(viewer), now));
        Released { as_of: view.as_of(now), below: view.below, others_as_of: others }
    }

    /// How late the record tells `viewer` of signals outside of their range: as late as the public
    /// learns of them, and never before the signals of their range.
    pub fn others_delay(&self, viewer: Viewer) -> Duration {
        let view = self.view(viewer);
        if view.below.is_none() { view.delay } else { view.delay.max(self.anonymous.delay) }
    }

    /// After which time every reader knows of whatever happened.
    pub fn longest_delay(&self) -> Duration {
        let delays = Viewer::ALL
            .into_iter()
            .map(|viewer| self.view(viewer).delay.max(self.others_delay(viewer)));
        delays.max().unwrap_or_default()
    }

    /// Whether the signal is of the PREMIUM type.
    pub fn is_premium(&self, signal: &Signal) -> bool {
        signal.content.confidence.percent() >= self.premium_from
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_sees_everything_at_once_asks_at_no_instant() {
        let (policy, now) = (VisibilityPolicy::default(), Timestamp::from_seconds(1_000_000));
        let elite = Viewer::Subscriber(Tier::Elite);
        for viewer in [elite, Viewer::Admin] {
            assert_eq!(policy.view(viewer).as_of(now), Timestamp::MAX);
            assert_eq!(policy.released(viewer, now), Released::all(Timestamp::MAX));
        }
        let late = now.earlier(policy.anonymous.delay);
        assert!(late < now);
        assert_eq!(policy.view(Viewer::Anonymous).as_of(now), late);
        assert_eq!(policy.released(Viewer::Anonymous, now).others_as_of, late);
    }
}
