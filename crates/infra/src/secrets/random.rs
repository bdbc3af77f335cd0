//! The operating system's generator.

use alpine_domain::ports::secrets::Randomness;

/// Fills buffers from the operating system's generator.
#[derive(Debug, Clone, Copy, Default)]
pub struct OsRandomness;

impl Randomness for OsRandomness {
    /// # Panics
    /// When the operating system has no randomness to give: a process without it must not go on to
    /// make tokens that somebody could guess.
    #[expect(
        clippy::expect_used,
        reason = "the port cannot fail, and going on with guessable bytes would be worse than a panic"
    )]
    fn fill(&self, buffer: &mut [u8]) {
        getrandom::fill(buffer).expect("the operating system's random generator answers");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_fills_agree() {
        let (mut a, mut b) = ([0; 32], [0; 32]);
        OsRandomness.fill(&mut a);
        OsRandomness.fill(&mut b);
        assert_ne!(a, b);
    }
}
