//! Which signals are counted together.

use crate::{
    producer::ProducerName,
    signal::{Record, Strategy, Symbol},
    text_enum::text_enum,
};

text_enum!(
    /// Whether late outcomes count: results that producers reported after their signals had expired.
    LateOutcomes, {
        /// They do not: such a signal has expired, without profit or loss.
        Exclude = "exclude",
        /// They count like the results of other signals.
        Include = "include",
    }
);

/// A choice of signals: `None` is all of them.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Choice {
    /// Only this strategy.
    pub strategy: Option<Strategy>,
    /// Only this producer.
    pub producer: Option<ProducerName>,
    /// Only this instrument.
    pub symbol: Option<Symbol>,
}

impl Choice {
    /// Whether this is a part of the signals only.
    pub const fn is_narrowed(&self) -> bool {
        self.strategy.is_some() || self.producer.is_some() || self.symbol.is_some()
    }

    /// Every choice that holds signals of these three.
    pub fn holding(
        strategy: Option<&Strategy>,
        producer: &ProducerName,
        symbol: &Symbol,
    ) -> impl Iterator<Item = Self> {
        let strategies = [None, Some(strategy)].into_iter().filter(|choice| *choice != Some(None));
        strategies.flat_map(move |strategy| {
            [None, Some(producer)].into_iter().flat_map(move |producer| {
                [None, Some(symbol)].into_iter().map(move |symbol| Self {
                    strategy: strategy.flatten().cloned(),
                    producer: producer.cloned(),
                    symbol: symbol.cloned(),
                })
            })
        })
    }
}

/// What is counted together: a part of the record, with or without late outcomes, of a choice of signals.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Series {
    /// Which part of the record.
    pub record: Record,
    /// Whether late outcomes count.
    pub late: LateOutcomes,
    /// Of which signals.
    pub choice: Choice,
}

impl Series {
    /// The series that says the same where neither late outcomes nor anything but what was received live came, so
    /// that only what differs from it has to be stored; `None` for what is always stored.
    pub fn base(&self) -> Option<Self> {
        let (record, late) = match (self.record, self.late) {
            (record, LateOutcomes::Include) => (record, LateOutcomes::Exclude),
            (Record::All, LateOutcomes::Exclude) => (Record::Live, LateOutcomes::Exclude),
            _ => return None,
        };
        Some(Self { record, late, choice: self.choice.clone() })
    }

    /// The series, its base, and the base of that.
    pub fn chain(&self) -> impl Iterator<Item = Self> {
        std::iter::successors(Some(self.clone()), Self::base)
    }

    /// All series of a choice.
    pub fn of(choice: &Choice) -> impl Iterator<Item = Self> {
        Record::ALL.iter().flat_map(move |record| {
            LateOutcomes::ALL.iter().map(move |late| Self {
                record: *record,
                late: *late,
                choice: choice.clone(),
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_is_in_eight_choices_or_in_four() {
        let (producer, symbol) = ("argo".parse().unwrap(), "AAPL".parse().unwrap());
        let strategy = "momentum".parse().unwrap();
        let all: std::collections::BTreeSet<_> =
            Choice::holding(Some(&strategy), &producer, &symbol).collect();
        assert_eq!(all.len(), 8);
        assert_eq!(all.iter().filter(|choice| !choice.is_narrowed()).count(), 1);
        let without: Vec<_> = Choice::holding(None, &producer, &symbol).collect();
        assert_eq!(without.len(), 4);
        assert!(without.iter().all(|choice| choice.strategy.is_none() && all.contains(choice)));
    }
}
