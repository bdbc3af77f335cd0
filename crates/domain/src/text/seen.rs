//! Characters that nobody sees.

use icu_properties::props::{
    BidiControl, BinaryProperty as _, CanonicalCombiningClass, DefaultIgnorableCodePoint, Emoji,
    EmojiModifier, EnumeratedProperty as _, ExtendedPictographic, GeneralCategory,
    GeneralCategoryGroup, Ideographic, JoiningType, Script,
};

const NON_JOINER: char = '\u{200c}';
const JOINER: char = '\u{200d}';

/// Whether a character is not seen, changes the order of others, or has no meaning that is agreed on:
/// controls, what Unicode lets a display ignore (zero-width, tags, soft hyphens, fillers, variation
/// selectors), direction marks, private and unassigned ones.
fn is_unseen(c: char) -> bool {
    if c.is_ascii() {
        return c.is_ascii_control();
    }
    matches!(
        GeneralCategory::for_char(c),
        GeneralCategory::Control
            | GeneralCategory::LineSeparator
            | GeneralCategory::ParagraphSeparator
            | GeneralCategory::PrivateUse
            | GeneralCategory::Unassigned
    ) || DefaultIgnorableCodePoint::for_char(c)
        || BidiControl::for_char(c)
        // The blank pattern of Braille, and the marks around annotations.
        || matches!(c, '\u{2800}' | '\u{fff9}'..='\u{fffb}')
}

/// The first character of `text` that is not seen.
pub(crate) fn unseen(text: &str) -> Option<char> {
    text.chars().find(|c| is_unseen(*c))
}

/// The first character of `text` that is not seen and that its neighbours do not need. Persian and the
/// scripts of India need joiners (RFC 5892, A.1 and A.2), names in Han their variants, Mongolian its
/// letters' forms, and emoji both.
pub(crate) fn unneeded(text: &str) -> Option<char> {
    unseen(text)?;
    let chars: Vec<char> = text.chars().collect();
    (0..chars.len()).find(|at| is_unseen(chars[*at]) && !is_needed(&chars, *at)).map(|at| chars[at])
}

pub(super) fn is_mark(c: char) -> bool {
    GeneralCategoryGroup::Mark.contains(GeneralCategory::for_char(c))
}

fn is_needed(chars: &[char], at: usize) -> bool {
    let (before, after) = (&chars[..at], &chars[at + 1..]);
    let Some(previous) = before.last().copied() else {
        return false;
    };
    match chars[at] {
        NON_JOINER => is_virama(previous) || joins(before, after),
        JOINER => is_virama(previous) || is_between_pictures(before, after),
        '\u{fe00}'..='\u{fe02}' | '\u{e0100}'..='\u{e01ef}' => Ideographic::for_char(previous),
        '\u{fe0e}' | '\u{fe0f}' => Emoji::for_char(previous) && !previous.is_ascii(),
        '\u{180b}'..='\u{180d}' | '\u{180f}' => Script::for_char(previous) == Script::Mongolian,
        _ => false,
    }
}

fn is_virama(c: char) -> bool {
    CanonicalCombiningClass::for_char(c) == CanonicalCombiningClass::Virama
}

/// Whether the letters on both sides would join without the non-joiner between them.
fn joins(before: &[char], after: &[char]) -> bool {
    let is_transparent = |c: &&char| JoiningType::for_char(**c) == JoiningType::Transparent;
    let left = before.iter().rev().find(|c| !is_transparent(c)).map(|c| JoiningType::for_char(*c));
    let right = after.iter().find(|c| !is_transparent(c)).map(|c| JoiningType::for_char(*c));
    matches!(left, Some(JoiningType::LeftJoining | JoiningType::DualJoining))
        && matches!(right, Some(JoiningType::RightJoining | JoiningType::DualJoining))
}

/// Whether a joiner stands between two pictures of one emoji.
fn is_between_pictures(before: &[char], after: &[char]) -> bool {
    let is_picture = |c: &char| ExtendedPictographic::for_char(*c);
    let is_modifier = |c: &&char| **c == '\u{fe0f}' || EmojiModifier::for_char(**c);
    before.iter().rev().find(|c| !is_modifier(c)).is_some_and(is_picture)
        && after.first().is_some_and(is_picture)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_sees_is_found() {
        for c in [
            '\0',
            '\n',
            '\u{7f}',
            '\u{85}',
            '\u{ad}',
            '\u{34f}',
            '\u{61c}',
            '\u{115f}',
            '\u{1160}',
            '\u{17b4}',
            '\u{180e}',
            '\u{200b}',
            '\u{200c}',
            '\u{200d}',
            '\u{200e}',
            '\u{200f}',
            '\u{2028}',
            '\u{2029}',
            '\u{202a}',
            '\u{202e}',
            '\u{2060}',
            '\u{2064}',
            '\u{2066}',
            '\u{2069}',
            '\u{206f}',
            '\u{2800}',
            '\u{3164}',
            '\u{fe0f}',
            '\u{feff}',
            '\u{ffa0}',
            '\u{fff9}',
            '\u{ffff}',
            '\u{e000}',
            '\u{1d173}',
            '\u{e0001}',
            '\u{e0041}',
            '\u{e007f}',
            '\u{e0100}',
            '\u{10ffff}',
        ] {
            let text = format!("a{c}b");
            assert_eq!(
                (unseen(&text), unneeded(&text)),
                (Some(c), Some(c)),
                "U+{:04X}",
                u32::from(c)
            );
        }
    }

    #[test]
    fn what_names_need_is_left() {
        for text in [
            "Ada O’Neill-Smith",
            "علی\u{200c}رضا", // between joining letters
            "क्\u{200d}ष",     // after a virama
            "ශ්\u{200d}රී",
            "葛\u{e0100}城",
            "ᠮ\u{180b}ᠣ",
            "👩\u{200d}🔬",
            "👩🏽\u{200d}🔬",
            "❤\u{fe0f}",
        ] {
            assert_eq!(unneeded(text), None, "{text}");
        }
    }

    #[test]
    fn what_stands_where_nothing_needs_it_is_found() {
        for text in [
            "\u{200c}علی",
            "علی\u{200c}",
            "دا\u{200c}رد", // alef does not join to its left
            "a\u{200d}b",
            "क\u{200d}ष",
            "A\u{e0100}",
            "1\u{fe0f}",
            "葛\u{e0100}\u{e0100}",
            "👩\u{200d}",
        ] {
            assert!(unneeded(text).is_some(), "{text}");
        }
    }
}
