//! Whether a secret could be guessed.

use std::collections::HashSet;

/// Texts that stand in examples and tutorials, compared in lower case.
const WELL_KNOWN: &[&str] = &[
    "change",
    "secret-key",
    "secret_key",
    "secretkey",
    "your-",
    "your_",
    "password",
    "default",
    "example",
    "jwt-secret",
    "jwt_secret",
    "argo-alpine",
    "12345678",
    "qwerty",
];

/// Why a secret could be guessed.
pub(super) fn weakness(secret: &str) -> Option<&'static str> {
    if secret.len() < 32 {
        return Some("shorter than 32 bytes");
    }
    let lower = secret.to_lowercase();
    if WELL_KNOWN.iter().any(|text| lower.contains(text)) {
        return Some("it looks like an example");
    }
    let bytes = secret.as_bytes();
    // Of 32 random hexadecimal digits, nearly all groups of three are different, and hardly two steps
    // from one to the next are alike.
    let distinct = |groups: std::slice::Windows<'_, u8>| groups.collect::<HashSet<_>>().len();
    if bytes.iter().collect::<HashSet<_>>().len() < 8
        || distinct(bytes.windows(3)) * 4 < bytes.windows(3).len() * 3
    {
        return Some("it repeats itself");
    }
    let step = |pair: &[u8]| pair[1].wrapping_sub(pair[0]);
    let mut counts = [0_usize; 256];
    for step in bytes.windows(2).map(step) {
        counts[usize::from(step)] += 1;
    }
    let counts_up = counts.iter().any(|alike| alike * 2 > bytes.len() - 1);
    counts_up.then_some("its characters stand in order")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_repeats_or_counts_is_weak_and_what_is_random_is_not() {
        for weak in [
            "abcdefgh".repeat(4),
            "abcdefgh".repeat(8),
            "3f1b0c9d7e5a4f26".repeat(2),
            "qazwsxedcrfv".repeat(3),
            "aaaaaaaabbbbbbbbccccccccddddddddeeeeeeeeffffffff".to_owned(),
            "abcdefghijklmnopqrstuvwxyz{|}~ABCDEFGH".to_owned(),
            "zyxwvutsrqponmlkjihgfedcba`_^]\\[ZYXWV".to_owned(),
            "0123456701234567012345670123456x".to_owned(),
        ] {
            assert!(weakness(&weak).is_some(), "{weak}");
        }
        for example in ["your-secret-key", "Your-Secret-Key", "YOUR-SECRET-KEY"] {
            let secret = format!("{example}-3f1b0c9d7e5a4f26");
            assert_eq!(weakness(&secret), Some("it looks like an example"), "{secret}");
        }
        // Of 2,000 none is expected to be refused: fewer than one in a million is.
        for length in [16, 32] {
            for _ in 0..1_000 {
                let mut bytes = vec![0; length];
                getrandom::fill(&mut bytes).unwrap();
                let secret = hex::encode(bytes);
                // Words of examples can stand in hexadecimal digits, but hardly do.
                assert_eq!(weakness(&secret), None, "{secret}");
            }
        }
    }
}
