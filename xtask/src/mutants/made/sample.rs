//! A part of the mutants, by chance, and the same part again from the same seed.

use std::str::FromStr;

/// The part with this number, from 0 on, of so many parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shard {
    number: usize,
    of: usize,
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text
            .split_once('/')
            .and_then(|(number, of)| Some((number.parse().ok()?, of.parse().ok()?)));
        match parts {
            Some((number, of)) if number < of => Ok(Self { number, of }),
            _ => Err("a part is written K/N, with K below N".to_owned()),
        }
    }
}

/// Puts things into an order that depends on their names and the seed alone, and takes a part of them.
pub(super) fn shuffle<T>(
    mut all: Vec<T>,
    name: impl Fn(&T) -> &str,
    seed: &str,
    shard: Option<Shard>,
) -> Vec<T> {
    all.sort_by_cached_key(|one| (hash(&[seed, name(one)]), name(one).to_owned()));
    let Shard { number, of } = shard.unwrap_or(Shard { number: 0, of: 1 });
    all.into_iter().skip(number).step_by(of).collect()
}

/// FNV-1a, and murmur's last step, so that names which end alike do not stand together. No other release of the
/// standard library gives another order.
fn hash(texts: &[&str]) -> u64 {
    let bytes = texts.iter().flat_map(|text| text.bytes().chain([0]));
    let mut hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    for factor in [0xff51_afd7_ed55_8ccd, 0xc4ce_b9fe_1a85_ec53] {
        hash = (hash ^ (hash >> 33)).wrapping_mul(factor);
    }
    hash ^ (hash >> 33)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_are_the_whole_and_the_seed_gives_the_order() {
        let all: Vec<String> = (0..10).map(|n| n.to_string()).collect();
        let part = |seed: &str, shard| shuffle(all.clone(), String::as_str, seed, shard);
        let third = |number| part("a", Some(Shard { number, of: 3 }));
        let mut together = [third(0), third(1), third(2)].concat();
        together.sort();
        assert_eq!(together, all);
        assert_eq!(part("a", None), ["9", "3", "2", "5", "6", "0", "8", "4", "7", "1"]);
        assert_ne!(part("a", None), part("b", None));
    }

    #[test]
    fn a_part_has_a_number_below_their_count() {
        assert_eq!("0/20".parse(), Ok(Shard { number: 0, of: 20 }));
        for wrong in ["20/20", "0/0", "1", "a/2", "1/"] {
            assert!(wrong.parse::<Shard>().is_err(), "{wrong}");
        }
    }
}
