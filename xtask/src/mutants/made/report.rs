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

impl Tally {
    /// Whether so many were missed that the tests of this crate are not what they are said to be. A single one is told
    /// and is no verdict: among fewer than twenty the standard of 95 % would leave none.
    fn is_below_standard(&self, package: &str) -> bool {
        let good = self.caught + self.harmless;
        self.missed > 1 && 100 * good < standard(package) * (good + self.missed)
    }

    /// Whether so many were tried that the share says something, where they are a part of all, chosen by chance.
    const fn is_a_sample(&self) -> bool {
        self.caught + self.missed + self.harmless >= LEAST_SAMPLE
    }
}

/// How many in a hundred the tests of a crate notice at least. Rules of the domain are tried in milliseconds, one by
/// one; what is around them also by tests of the whole, which no single mutant waits for.
fn standard(package: &str) -> usize {
    if package == "alpine-domain" { 95 } else { 85 }
}

/// Of fewer, a share of 85 % is often missed by chance.
const LEAST_SAMPLE: usize = 40;

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

    /// Prints the end; whether every crate keeps its standard. Of a large change a part is tried by chance, and some
    /// of it is always missed: that is told, and what falls below the standard fails, if the part is large enough.
    pub(super) fn finish(&self, tried: usize, all: usize) -> bool {
        let mut is_good = true;
        for (package, tally) in &self.crates {
            let counts = tried == all || tally.is_a_sample();
            let is_below = counts && tally.is_below_standard(package);
            let verdict = if is_below { "TOO FEW" } else { "enough" };
            println!("{package:<20} {tally}; {verdict}, {} % are asked for", standard(package));
            is_good &= !is_below;
        }
        println!("{tried} of {all} mutants tried");
        if self.missed.is_empty() {
            return is_good;
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
        is_good
    }
}

#[cfg(test)]
mod tests {
    use super::{Report, Tally};

    #[test]
    fn a_crate_has_its_standard() {
        let of = |caught, missed| Tally { caught, missed, unviable: 40, harmless: 0 };
        for (package, least) in [("alpine-domain", 95), ("alpine-http", 85), ("alpine-infra", 85)] {
            assert!(!of(least, 100 - least).is_below_standard(package), "{package}");
            assert!(of(least - 1, 101 - least).is_below_standard(package), "{package}");
            assert!(!of(3, 1).is_below_standard(package), "one is no verdict");
            assert!(of(3, 2).is_below_standard(package), "two of few are too many");
        }
        assert!(!Tally::default().is_below_standard("alpine-domain"));
    }

    /// Three of five are no verdict on a crate, unless those were all.
    #[test]
    fn a_small_part_is_told_and_fails_nothing() {
        let of = |caught, missed| Report {
            crates: [("alpine-http".to_owned(), Tally { caught, missed, ..Tally::default() })]
                .into(),
            missed: Vec::new(),
        };
        assert!(of(3, 2).finish(5, 900));
        assert!(!of(3, 2).finish(5, 5));
        assert!(!of(30, 10).finish(40, 900));
        assert!(of(34, 6).finish(40, 900));
    }

    #[test]
    fn listed_ones_count_as_caught_and_unviable_ones_not_at_all() {
        let tally = Tally { caught: 17, missed: 2, unviable: 9, harmless: 1 };
        assert_eq!(tally.to_string(), "17 caught, 2 missed, 1 harmless, 9 unviable: 90.0 %");
        assert!(Tally::default().to_string().ends_with("100.0 %"));
    }
}
