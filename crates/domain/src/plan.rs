//! What can be subscribed to.

use crate::account::Tier;

/// US cents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UsdCents(u32);

impl UsdCents {
    /// So many cents.
    pub const fn new(cents: u32) -> Self {
        Self(cents)
    }

    /// The number of cents.
    pub const fn get(self) -> u32 {
        self.0
    }

    /// The same in dollars, for answers: exact, as no fraction of a cent exists.
    pub fn dollars(self) -> f64 {
        f64::from(self.0) / 100.0
    }
}

/// A tier that is paid for by the month.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// What is bought.
    pub tier: Tier,
    /// For a month.
    pub price: UsdCents,
    /// For a year, where that is sold.
    pub yearly: Option<UsdCents>,
    /// What it brings, in words for people.
    pub features: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cents_are_told_as_dollars_to_the_cent() {
        for (cents, text) in
            [(4_900, "49"), (4_999, "49.99"), (1, "0.01"), (u32::MAX, "42949672.95")]
        {
            assert_eq!(UsdCents::new(cents).dollars().to_string(), text);
        }
    }
}
