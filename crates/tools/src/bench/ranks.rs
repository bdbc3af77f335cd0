//! Times compared by ranks (Mann and Whitney): no distribution is assumed, and a single slow answer weighs nothing.

/// So many deviations from what chance gives happen to an honest server once in a million runs.
pub(super) const ALARM: f64 = 4.892;

/// The middle one, or 0 of none.
pub(super) fn median(times: &[u64]) -> u64 {
    let mut times = times.to_vec();
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

/// By how many standard deviations the sum of ranks of `a` among both differs from what chance gives;
/// above zero when `a` takes longer. Equal times share their ranks' mean.
#[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
pub(super) fn deviations(a: &[u64], b: &[u64]) -> f64 {
    let mut all: Vec<(u64, bool)> =
        a.iter().map(|time| (*time, true)).chain(b.iter().map(|time| (*time, false))).collect();
    all.sort_unstable();
    let (mut sum, mut rank, mut ties) = (0.0, 0.0, 0.0);
    for group in all.chunk_by(|one, other| one.0 == other.0) {
        let size = group.len() as f64;
        let of_a = group.iter().filter(|(_, is_of_a)| *is_of_a).count() as f64;
        sum += of_a * (rank + f64::midpoint(size, 1.0));
        rank += size;
        ties += size.powi(3) - size;
    }
    let (n, m) = (a.len() as f64, b.len() as f64);
    let total = n + m;
    let variance = n * m / 12.0 * (total + 1.0 - ties / (total * (total - 1.0)));
    if variance <= 0.0 { 0.0 } else { (sum - n * (total + 1.0) / 2.0) / variance.sqrt() }
}

/// Numbers that look like chance (`SplitMix64`).
pub(super) struct Coin(pub(super) u64);

impl Coin {
    pub(super) const fn toss(&mut self) -> bool {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) & 1 == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_tell_what_differs_and_nothing_else() {
        let (even, odd): (Vec<u64>, Vec<u64>) = ((0..200).collect(), (0..200).collect());
        assert!(deviations(&even, &odd).abs() < 1e-9);
        // The leak that was found, 602 against 1,270 µs, with one of forty mistaken.
        let slow: Vec<u64> = (0..40).map(|n| if n == 0 { 600 } else { 1_270 + n }).collect();
        let fast: Vec<u64> = (0..40).map(|n| if n == 0 { 1_300 } else { 602 + n }).collect();
        assert!(deviations(&slow, &fast) > ALARM);
        assert!(deviations(&fast, &slow) < -ALARM);
        // The textbook's: U = 23 of 5 and 5, a mean of 12.5, a variance of 275/12.
        let z = deviations(&[9, 8, 7, 6, 3], &[5, 4, 2, 1, 0]);
        assert!((z - 10.5 / (275.0_f64 / 12.0).sqrt()).abs() < 1e-9, "{z}");
        assert!(deviations(&[1, 1], &[1, 1]).abs() < 1e-9);
    }
}
