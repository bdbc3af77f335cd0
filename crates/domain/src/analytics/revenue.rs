//! What payments bring.

use super::{
    Analytics, Day, RollupName,
    sums::{Periods, Sums, percent},
};
use crate::{Result, Timestamp, account::Tier};

/// How many days rates look back, today included.
pub const RATE_DAYS: i64 = 30;

/// What payments bring, in US cents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revenue {
    /// When it was put together.
    pub at: Timestamp,
    /// What was paid, less what went back and what is disputed.
    pub total_cents: u64,
    /// The same by tier, of which it was the price when it was paid, lowest first.
    pub by_tier: Vec<(Tier, u64)>,
    /// The same by when it was paid.
    pub cents: Periods,
    /// To whom payment gives a tier now, by tier.
    pub subscribers: Vec<(Tier, u64)>,
    /// What they pay in a month.
    pub monthly_cents: u64,
    /// How often payment gave a tier to who had none by it, in [`RATE_DAYS`].
    pub begun: u64,
    /// How often it gave no more.
    pub ended: u64,
    /// Accounts that were made in [`RATE_DAYS`].
    pub sign_ups: u64,
}

impl Revenue {
    /// To how many payment gives a tier now.
    pub fn active(&self) -> u64 {
        self.subscribers.iter().map(|(_, count)| count).sum()
    }

    /// Those who ended in percent of those who were there when the days began; 0 if nobody was. Who ends and begins again
    /// counts in both.
    pub fn churn_rate(&self) -> f64 {
        let then = (self.active() + self.ended).saturating_sub(self.begun);
        percent(self.ended, then)
    }

    /// Those who began in percent of accounts that were made; 0 without any.
    pub fn conversion_rate(&self) -> f64 {
        percent(self.begun, self.sign_ups)
    }
}

impl Analytics {
    /// What payments bring now: at most some forty days of sums are read.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn revenue(&self) -> Result<Revenue> {
        let at = self.now();
        let today = Day::of(at);
        let rates_from = today.earlier(RATE_DAYS - 1);
        let first = rates_from.min(today.week_begin()).min(today.month_begin());
        let sums = self.sums(first, today).await?;
        let by_tier =
            |name| Tier::ALL.iter().map(|tier| (*tier, sums.state(name, *tier))).collect();
        let total: Vec<(Tier, u64)> = by_tier(RollupName::TotalRevenue);
        let of_no_tier = sums.now(RollupName::TotalRevenue, "");
        Ok(Revenue {
            at,
            total_cents: total.iter().map(|(_, cents)| cents).sum::<u64>() + of_no_tier,
            by_tier: total,
            cents: over_tiers(&sums),
            subscribers: by_tier(RollupName::Subscribers),
            monthly_cents: sums.now(RollupName::MonthlyRevenue, ""),
            begun: sums.from(RollupName::SubscriptionsBegun, "", rates_from),
            ended: sums.from(RollupName::SubscriptionsEnded, "", rates_from),
            sign_ups: sums.from(RollupName::SignUps, "", rates_from),
        })
    }
}

/// What was paid for any tier, and for what belongs to none.
fn over_tiers(sums: &Sums) -> Periods {
    let mut all = Periods::default();
    for key in Tier::WORDS.iter().copied().chain([""]) {
        let Periods { today, this_week, this_month } = sums.periods(RollupName::Revenue, key);
        all.today += today;
        all.this_week += this_week;
        all.this_month += this_month;
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_of_who_was_there_and_of_who_came() {
        let with = |active, begun, ended, sign_ups| Revenue {
            at: Timestamp::MIN,
            total_cents: 0,
            by_tier: Vec::new(),
            cents: Periods::default(),
            subscribers: vec![(Tier::Pro, active), (Tier::Elite, 1)],
            monthly_cents: 0,
            begun,
            ended,
            sign_ups,
        };
        let rates = |it: Revenue| (it.churn_rate().to_string(), it.conversion_rate().to_string());
        // 10 now, of whom 4 came, and 2 went: 8 were there.
        assert_eq!(rates(with(9, 4, 2, 16)), ("25".to_owned(), "25".to_owned()));
        assert_eq!(rates(with(9, 10, 0, 0)), ("0".to_owned(), "0".to_owned()));
        assert_eq!(rates(with(0, 3, 1, 9)), ("0".to_owned(), "33.33".to_owned()));
    }
}
