//! Letters that are taken for others (UTS 39).

use icu_normalizer::ComposingNormalizerBorrowed;
use unicode_security::{confusable_detection::skeleton, mixed_script::AugmentedScriptSet};

/// The first letter of `word` that is of another script than those before it. Latin may stand beside
/// Chinese, Japanese and Korean, as it does in everyday writing: UTS 39 calls that highly restrictive.
pub(crate) fn foreign_letter(word: &str) -> Option<char> {
    if word.is_ascii() {
        return None;
    }
    let odd_one = first_foreign(word.chars())?;
    let mut others = AugmentedScriptSet::default();
    word.chars().filter(|c| !is_latin(*c)).for_each(|c| others.intersect_with(c.into()));
    let is_east_asian = !others.is_all() && (others.hanb || others.jpan || others.kore);
    if is_east_asian { None } else { Some(odd_one) }
}

fn first_foreign(mut chars: impl Iterator<Item = char>) -> Option<char> {
    let mut common = AugmentedScriptSet::default();
    chars.find(|c| {
        common.intersect_with((*c).into());
        common.is_empty()
    })
}

fn is_latin(c: char) -> bool {
    let mut scripts = AugmentedScriptSet::for_char(c);
    scripts.intersect_with('a'.into());
    c.is_alphabetic() && !scripts.is_empty()
}

/// Whether a word of another script than Latin looks like one in ASCII, letter by letter.
pub(crate) fn looks_ascii(word: &str) -> bool {
    !word.is_ascii() && !word.contains(is_latin) && skeleton(word).all(|c| c.is_ascii())
}

/// The first character that is a special form of another one: full-width, a ligature, a mathematical
/// letter (those with a compatibility decomposition).
pub(crate) fn special_form(text: &str) -> Option<char> {
    if text.is_ascii() {
        return None;
    }
    let nfkc = ComposingNormalizerBorrowed::new_nfkc();
    let nfc = ComposingNormalizerBorrowed::new_nfc();
    let mut buffer = [0; 4];
    text.chars().find(|c| {
        let one: &str = c.encode_utf8(&mut buffer);
        nfkc.normalize(one) != nfc.normalize(one)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_one_script_hold_no_foreign_letter() {
        for word in [
            "",
            "Ada",
            "Zoë",
            "Иван",
            "Ελένη",
            "محمد",
            "田中",
            "ひろしカナ",
            "Tシャツ",
            "김철수",
            "Lee김",
            "王小明",
            "Մարիամ",
            "ʻOkina",
            "Nguyễn",
            "क्षत्रिय",
            "३४५",
            "a１",
        ] {
            assert_eq!(foreign_letter(word), None, "{word}");
        }
    }

    #[test]
    fn letters_of_another_script_are_found() {
        for (word, letter) in [
            ("аdmin", 'd'), // Cyrillic а
            ("pаypal", 'а'),
            ("gοοgle", 'ο'), // Greek omicron
            ("Иbaн", 'b'),
            ("aա", 'ա'),
            ("田н", 'н'),
        ] {
            assert_eq!(foreign_letter(word), Some(letter), "{word}");
        }
    }

    #[test]
    fn a_word_that_only_looks_like_ascii_is_found() {
        for word in ["аррӏе", "ѕсоре", "сосо"] {
            assert!(looks_ascii(word), "{word}");
        }
        for word in ["apple", "рома", "Иван", "ışık", "sıra", "bücher", "νίκος", "田中"]
        {
            assert!(!looks_ascii(word), "{word}");
        }
    }

    #[test]
    fn special_forms_are_found() {
        for (text, form) in [("ａda", 'ａ'), ("ﬁx", 'ﬁ'), ("𝓪", '𝓪'), ("x²", '²')] {
            assert_eq!(special_form(text), Some(form));
        }
        assert_eq!(special_form("ёжик-ñ.한"), None);
    }
}
