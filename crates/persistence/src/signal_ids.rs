//! A signal's number as others know it. Rows are numbered one after the other, so a reader could count
//! from the gaps in a list what is hidden from them. Outside of this crate a signal therefore has
//! another number: its row's, permuted under a key that the database keeps.
//!
//! The permutation is FF1 (NIST SP 800-38G) with AES-256, a cipher whose blocks are numbers of a given
//! size: without the key, no set of numbers tells anything of the others. 52 bits, because JSON's
//! numbers are exact below 2^53. The key never changes, so neither does a signal's number.

use std::{
    collections::HashMap,
    sync::{PoisonError, RwLock},
};

use aes::Aes256;
use alpine_domain::{Error, Result, producer::ProducerName, signal::SignalId};
use diesel::{QueryDsl as _, RunQueryDsl as _};
use fpe::ff1::{FF1, NumeralString, Operations};

use crate::{
    AnyConnection, Failure,
    schema::{producers, signal_id_key},
};

/// Bits of each half of a number.
const HALF: usize = 26;
const MASK: u64 = (1 << HALF) - 1;

/// The permutation of one database, with the names of its producers: what rows of signals have numbers for, and what
/// others call it.
pub(crate) struct SignalIds {
    permutation: FF1<Aes256>,
    /// By row. A producer's name never changes, and producers are few and made by operators alone.
    producers: RwLock<HashMap<i64, ProducerName>>,
}

impl SignalIds {
    /// Reads the key that the database was given when it was made.
    pub(crate) fn load(conn: &mut AnyConnection) -> Result<Self, Failure> {
        let key: String = signal_id_key::table.select(signal_id_key::key).first(conn)?;
        Ok(Self::new(&key)?)
    }

    /// The permutation under a key of 64 hexadecimal digits.
    fn new(key: &str) -> Result<Self> {
        let key = hex::decode(key).ok().filter(|key| key.len() == 32);
        let key =
            key.ok_or_else(|| Error::internal("signal_id_key is not 64 hexadecimal digits"))?;
        let permutation = FF1::new(&key, 2).map_err(|error| Error::internal(error.to_string()))?;
        Ok(Self { permutation, producers: RwLock::default() })
    }

    /// Makes sure that these producers' names are known; reads them if one is not.
    pub(crate) fn meet(
        &self,
        conn: &mut AnyConnection,
        producers: impl IntoIterator<Item = i64>,
    ) -> Result<(), Failure> {
        let known = self.producers.read().unwrap_or_else(PoisonError::into_inner);
        if producers.into_iter().all(|producer| known.contains_key(&producer)) {
            return Ok(());
        }
        drop(known);
        let rows: Vec<(i64, String)> =
            producers::table.select((producers::id, producers::name)).load(conn)?;
        let mut known = self.producers.write().unwrap_or_else(PoisonError::into_inner);
        for (row, name) in rows {
            let name = name.parse().map_err(|error| {
                Error::internal(format!("the database holds an unreadable producers.name: {error}"))
            })?;
            known.insert(row, name);
        }
        Ok(())
    }

    /// What the producer in this row is called; [`meet`](Self::meet) came before.
    pub(crate) fn producer(&self, row: i64) -> Result<ProducerName> {
        let known = self.producers.read().unwrap_or_else(PoisonError::into_inner);
        known.get(&row).cloned().ok_or_else(|| Error::internal("a producer without a name"))
    }

    /// The number by which others know this row.
    ///
    /// # Errors
    /// [`Error::Internal`] for a row that has no number of 52 bits.
    pub(crate) fn public(&self, row: i64) -> Result<SignalId> {
        let number = Number::new(row).ok_or_else(|| Error::internal("a row beyond 2^52"))?;
        let number =
            self.permutation.encrypt(&[], &number).map_err(|e| Error::internal(e.to_string()))?;
        Ok(SignalId::new(number.get()))
    }

    /// The row that others know by this number; `None` if there can be none.
    pub(crate) fn row(&self, id: SignalId) -> Option<i64> {
        let number = Number::new(id.get())?;
        self.permutation.decrypt(&[], &number).ok().map(Number::get)
    }
}

/// A number of 52 bits, as the string of binary digits that FF1 works on.
#[derive(Clone, Copy)]
struct Number(u64);

impl Number {
    fn new(number: i64) -> Option<Self> {
        u64::try_from(number).ok().filter(|number| number >> (2 * HALF) == 0).map(Self)
    }

    const fn get(self) -> i64 {
        self.0.cast_signed()
    }
}

impl NumeralString for Number {
    type Ops = Half;

    fn is_valid(&self, radix: u32) -> bool {
        radix == 2
    }

    fn numeral_count(&self) -> usize {
        2 * HALF
    }

    fn split(&self) -> (Half, Half) {
        (Half(self.0 >> HALF), Half(self.0 & MASK))
    }

    fn concat(high: Half, low: Half) -> Self {
        Self(high.0 << HALF | low.0)
    }
}

/// Half of a number.
struct Half(u64);

/// The low 64 bits are enough of a summand when the sum is taken modulo a lower power of two.
fn low_bits(bytes: impl Iterator<Item = u8>) -> u64 {
    bytes.fold(0, |number, byte| number << 8 | u64::from(byte))
}

impl Operations for Half {
    type Bytes = Vec<u8>;

    fn numeral_count(&self) -> usize {
        HALF
    }

    fn to_be_bytes(&self, _: u32, length: usize) -> Vec<u8> {
        let bytes = self.0.to_be_bytes();
        bytes[bytes.len().saturating_sub(length)..].to_vec()
    }

    fn add_mod_exp(self, other: impl Iterator<Item = u8>, _: u32, _: usize) -> Self {
        Self(self.0.wrapping_add(low_bits(other)) & MASK)
    }

    fn sub_mod_exp(self, other: impl Iterator<Item = u8>, _: u32, _: usize) -> Self {
        Self(self.0.wrapping_sub(low_bits(other)) & MASK)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    fn ids(key: u8) -> SignalIds {
        SignalIds::new(&hex::encode([key; 32])).unwrap()
    }

    proptest! {
        #[test]
        fn every_row_has_a_number_that_leads_back(row in 0..1_i64 << 52, key: u8) {
            let ids = ids(key);
            let id = ids.public(row).unwrap();
            prop_assert!((0..1 << 52).contains(&id.get()), "{}", id.get());
            prop_assert_eq!(ids.row(id), Some(row));
        }

        #[test]
        fn numbers_that_cannot_be_lead_nowhere(number in (1_i64 << 52)..) {
            prop_assert_eq!(ids(1).row(SignalId::new(number)), None);
            prop_assert_eq!(ids(1).row(SignalId::new(-number)), None);
            prop_assert!(ids(1).public(number).is_err());
        }
    }

    /// Neighbours look like numbers drawn at random: all differ, about half of them rise, the mean is
    /// that of the whole range, and each bit is set half of the time.
    #[test]
    fn numbers_tell_nothing_of_their_neighbours() {
        const COUNT: usize = 20_000;
        let ids = ids(7);
        let numbers: Vec<i64> =
            (1..).take(COUNT).map(|row| ids.public(row).unwrap().get()).collect();
        assert_eq!(numbers.iter().collect::<HashSet<_>>().len(), numbers.len());
        // Each count below is binomial with a standard deviation of 71: seven of them are 500.
        let is_half = |count: usize| count.abs_diff(COUNT / 2) < 500;
        assert!(is_half(numbers.windows(2).filter(|pair| pair[0] < pair[1]).count()));
        for bit in 0..52 {
            assert!(is_half(numbers.iter().filter(|n| *n >> bit & 1 == 1).count()), "bit {bit}");
            let flips = numbers.windows(2).filter(|pair| (pair[0] ^ pair[1]) >> bit & 1 == 1);
            assert!(is_half(flips.count()), "bit {bit} of neighbours");
        }
    }

    /// A number that was handed out once must stay. These come from another implementation of FF1,
    /// written from the standard.
    #[test]
    fn numbers_do_not_change_with_a_release() {
        let ids = ids(0x2b);
        let numbers = [1, 2, 1_000_000].map(|row| ids.public(row).unwrap().get());
        assert_eq!(numbers, [3_107_264_728_831_826, 3_725_436_648_950_190, 1_461_497_723_358_354]);
        assert!(SignalIds::new("abc").is_err());
    }
}
