//! What people call themselves and their keys.

use std::str::FromStr;

use serde::Serialize;

use crate::text::{MAX_BYTES_OF_CHAR, TextRefusal, check_name, shown_name};

macro_rules! shown_name {
    ($(#[$doc:meta])* $name:ident, $max:literal, $rule:literal, $needs_letter:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Serialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Characters at most, as they are shown.
            pub const MAX_CHARS: usize = $max;

            /// The name.
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// A name as it is stored. Older releases took what is refused today; it is shown all the same.
            pub fn from_stored(text: impl Into<String>) -> Self {
                Self(text.into())
            }
        }

        impl FromStr for $name {
            type Err = TextRefusal;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                // Spaces around it or in a row may be more.
                if text.trim().len() > 2 * MAX_BYTES_OF_CHAR * Self::MAX_CHARS {
                    return Err(TextRefusal::Rule($rule));
                }
                let name = shown_name(text);
                check_name(&name)?;
                let is_named = !$needs_letter || name.contains(char::is_alphanumeric);
                if is_named && (1..=Self::MAX_CHARS).contains(&name.chars().count()) {
                    Ok(Self(name))
                } else {
                    Err(TextRefusal::Rule($rule))
                }
            }
        }
    };
}

shown_name!(
    /// A person's name: 1 to 200 characters of any script in NFC, single spaces inside, nothing that is not
    /// seen, each word in one script.
    FullName, 200,
    "must have 1 to 200 characters, letters or digits among them", true
);
shown_name!(
    /// What a user calls an API key: 1 to 100 characters, otherwise as [`FullName`].
    KeyName, 100,
    "must have 1 to 100 characters", false
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_all_scripts_are_names() {
        for name in [
            "Zoë O’Neill 3rd",
            "Jean-Luc d'Arc",
            "ʻIolani",
            "Nguyễn Thị Minh Khai",
            "Ἀριστοτέλης",
            "Ґанна",
            "محمد بن سلمان",
            "علی\u{200c}رضا",
            "רָחֵל",
            "अद्वैत",
            "क्\u{200d}षितिज",
            "ശ്രീജിത്ത്",
            "ශ්\u{200d}රී ලංකා",
            "བསྟན་འཛིན",
            "ထက်",
            "ណារិទ្ធ",
            "สมชาย",
            "山田 太郎",
            "渡辺󠄀",
            "김철수",
            "王小明 (Wang)",
            "Անի",
            "ქეთევან",
            "ᏣᎳᎩ",
            "Иван Smith",
            "Müller-Иванов",
            "𞤀𞤣𞤤𞤢𞤥",
        ] {
            assert_eq!(name.parse::<FullName>().as_ref().map(FullName::as_str), Ok(name));
        }
        assert_eq!("🔑 laptop".parse::<KeyName>().unwrap().as_str(), "🔑 laptop");
    }

    #[test]
    fn names_show_what_they_are() {
        let long = "x".repeat(201);
        for bad in ["", " ", "\u{3000}", "…", &long, &" x".repeat(101), "\u{301}Ada"] {
            assert!(matches!(bad.parse::<FullName>(), Err(TextRefusal::Rule(_))), "{bad:?}");
        }
        for (bad, c) in [
            ("a\nb", '\n'),
            ("\u{200b}", '\u{200b}'),
            ("\u{202e}evil", '\u{202e}'),
            ("Ada\u{200f}", '\u{200f}'),
            ("A\u{ad}da", '\u{ad}'),
            ("A\u{200d}da", '\u{200d}'),
            ("\u{2800}", '\u{2800}'),
            ("\u{3164}", '\u{3164}'),
        ] {
            assert_eq!(bad.parse::<FullName>(), Err(TextRefusal::Unseen(c)), "{bad:?}");
            assert_eq!(bad.parse::<KeyName>(), Err(TextRefusal::Unseen(c)), "{bad:?}");
            assert_eq!(FullName::from_stored(bad).as_str(), bad);
        }
        assert_eq!("\u{410}dmin".parse::<FullName>(), Err(TextRefusal::Foreign('d')));
    }

    #[test]
    fn length_counts_what_is_shown() {
        let decomposed = "\u{1100}\u{1161}\u{11a8}".repeat(200);
        assert_eq!(decomposed.parse::<FullName>().unwrap().as_str(), "각".repeat(200));
        assert!("\u{1100}\u{1161}\u{11a8}".repeat(201).parse::<FullName>().is_err());
    }
}
