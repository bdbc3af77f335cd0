//! Text as people type it: one spelling for what is the same text, and nothing that readers do not see
//! or take for something else.

mod scripts;
mod seen;

use std::borrow::Cow;

use icu_normalizer::ComposingNormalizerBorrowed;
use icu_properties::props::{EnumeratedProperty as _, GeneralCategory};

pub(crate) use self::{
    scripts::{foreign_letter, looks_ascii, special_form},
    seen::{unneeded, unseen},
};

/// The longest canonical decomposition of one composed character, in bytes of UTF-8: what a text of so
/// many characters may have before it is normalised is bounded by it.
pub(crate) const MAX_BYTES_OF_CHAR: usize = 12;

/// Why a text is refused, in words for the one who typed it: what is wrong, and what would be accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TextRefusal {
    /// It breaks a rule, which is told.
    #[error("{0}")]
    Rule(&'static str),
    /// A character in it is not seen, or changes the direction of those around it.
    #[error("must not hold U+{:04X}, which is not seen; leave it out", u32::from(*.0))]
    Unseen(char),
    /// A letter is of another script than those of the same word.
    #[error(
        "U+{:04X} is of another script than the letters beside it; write each word in one script",
        u32::from(*.0)
    )]
    Foreign(char),
    /// A word has letters of another script only, each of which looks like an ASCII one.
    #[error(
        "must not have a part that looks like ASCII letters and is none; type it on the other keyboard"
    )]
    LooksAscii,
    /// A character is another form of a plain one.
    #[error("must not hold U+{:04X}, a special form of another character; type the plain one", u32::from(*.0))]
    SpecialForm(char),
}

/// The text in Normalization Form C (UAX #15): the same for every spelling of the same characters.
pub(crate) fn nfc(text: &str) -> Cow<'_, str> {
    ComposingNormalizerBorrowed::new_nfc().normalize(text)
}

/// The text with an ASCII space for each other space character.
pub(crate) fn with_plain_spaces(text: &str) -> Cow<'_, str> {
    let is_odd =
        |c: char| c != ' ' && GeneralCategory::for_char(c) == GeneralCategory::SpaceSeparator;
    if text.is_ascii() || !text.contains(is_odd) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.chars().map(|c| if is_odd(c) { ' ' } else { c }).collect())
}

/// A name as it is shown (the additional mapping of RFC 8266, and NFC): without spaces around it and with
/// single ASCII spaces inside.
pub(crate) fn shown_name(text: &str) -> String {
    let spaced = with_plain_spaces(text.trim());
    let words: Vec<&str> = spaced.split(' ').filter(|word| !word.is_empty()).collect();
    nfc(&words.join(" ")).into_owned()
}

/// Refuses what a name may not hold, whoever's it is: characters that are not seen where they stand,
/// letters of two scripts in one word, and a combining mark that would sit on what is shown before.
///
/// # Errors
/// Names the character.
pub(crate) fn check_name(name: &str) -> Result<(), TextRefusal> {
    if name.is_ascii() {
        return name
            .chars()
            .find(char::is_ascii_control)
            .map_or(Ok(()), |c| Err(TextRefusal::Unseen(c)));
    }
    if let Some(c) = unneeded(name) {
        return Err(TextRefusal::Unseen(c));
    }
    if name.starts_with(seen::is_mark) {
        return Err(TextRefusal::Rule("must not begin with a combining mark"));
    }
    let is_letter = |c: char| c.is_alphanumeric() || seen::is_mark(c);
    let foreign = name.split(|c| !is_letter(c)).find_map(foreign_letter);
    foreign.map_or(Ok(()), |c| Err(TextRefusal::Foreign(c)))
}

#[cfg(test)]
mod tests {
    use icu_normalizer::DecomposingNormalizerBorrowed;

    use super::*;

    #[test]
    fn no_composed_character_has_a_longer_decomposition() {
        let nfd = DecomposingNormalizerBorrowed::new_nfd();
        let longest = ('\0'..=char::MAX)
            .filter(|c| nfc(&c.to_string()).chars().eq([*c]))
            .map(|c| nfd.normalize(&c.to_string()).len())
            .max();
        assert_eq!(longest, Some(MAX_BYTES_OF_CHAR));
    }

    #[test]
    fn names_have_single_plain_spaces() {
        for (typed, shown) in [
            ("  Ada  ", "Ada"),
            ("Ada\u{a0}\u{2003} Lovelace", "Ada Lovelace"),
            ("山田\u{3000}太郎", "山田 太郎"),
            ("Zoe\u{308}", "Zoë"),
            ("\u{3000}", ""),
        ] {
            assert_eq!(shown_name(typed), shown);
            assert_eq!(shown_name(shown), shown);
        }
    }
}
