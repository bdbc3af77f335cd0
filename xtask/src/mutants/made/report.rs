//! What is told of made mutants: a line for each, a line for each crate, and what to do.

use std::{collections::BTreeMap, fmt};

use super::{harmless, mutant::Mutant, trial::Verdict};

/// What became of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fate {
    Tried(Verdict),
    /// No program: the compiler refuses it.
    Unviable,
    /// Listed, with its reason; it is not tried.
    Harmless(String),
}

/// How many, of one crate.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Tally {
    caught: usize,
    missed: usize,
    unviable: usize,
    harmless: usize,
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { caught, missed, unviable, harmless } = self;
        let good = caught + harmless;
        // Of none, all are caught.
        let percent = (1_000 * good).checked_div(good + missed).unwrap_or(1_000);
        write!(
            f,
            "{caught} caught, {missed} missed, {harmless} harmless, {unviable} unviable: {}.{} %",
            percent / 10,
            percent % 10
        )
    }
}

/// Tells as it goes.
#[derive(Debug, Default)]
pub(super) struct Report {
    crates: BTreeMap<String, Tally>,
    missed: Vec<String>,
}

impl Report {
    /// Prints and counts one.
    pub(super) fn add(&mut self, mutant: &Mutant, fate: &Fate) {
        let tally = self.crates.entry(mutant.package.clone()).or_default();
        let name = &mutant.name;
        match fate {
            Fate::Tried(Verdict::Caught(test)) => {
                tally.caught += 1;
                println!("caught    {name}\n          by {test}");
            }
            Fate::Tried(Verdict::Hung) => {
                tally.caught += 1;
                println!("caught    {name}\n          by tests that did not end");
            }
            Fate::Tried(Verdict::Missed) => {
                tally.missed += 1;
                self.missed.push(name.clone());
                println!("MISSED    {name}");
            }
            Fate::Unviable => {
                tally.unviable += 1;
                println!("unviable  {name}");
            }
            Fate::Harmless(reason) => {
                tally.harmless += 1;
                println!("harmless  {name}\n          {reason}");
            }
        }
    }

    /// Prints the end; whether nothing was missed.
    pub(super) fn finish(&self, tried: usize, all: usize) -> bool {
        for (package, tally) in &self.crates {
            println!("{package:<20} {tally}");
        }
        println!("{tried} of {all} mutants tried");
        if self.missed.is_empty() {
            return true;
        }
        println!("\nno test noticed:");
        for name in &self.missed {
            println!("  {name}");
        }
        println!(
            "write the test that fails with it, as narrow as it can be; if nobody could notice it, list it in\n\
             {} with the reason",
            harmless::FILE
        );
        false
    }
}

#[cfg(test)]
mod tests {
    use super::Tally;

    #[test]
    fn listed_ones_count_as_caught_and_unviable_ones_not_at_all() {
        let tally = Tally { caught: 17, missed: 2, unviable: 9, harmless: 1 };
        assert_eq!(tally.to_string(), "17 caught, 2 missed, 1 harmless, 9 unviable: 90.0 %");
        assert!(Tally::default().to_string().ends_with("100.0 %"));
    }
}
