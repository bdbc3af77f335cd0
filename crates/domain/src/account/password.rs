//! Passwords as people type them (RFC 8265, section 4.2).

use super::{Email, Secret};
use crate::text::{MAX_BYTES_OF_CHAR, TextRefusal, nfc, unneeded, with_plain_spaces};

/// A password that may be set: 12 to 128 characters in NFC, none of which is not seen, and not a well-known
/// one. Upper and lower case, widths and spaces inside stay.
#[derive(Debug, Clone)]
pub struct NewPassword(Secret);

/// A password that somebody typed to prove who they are. Nothing is refused: it is right or wrong.
#[derive(Debug, Clone)]
pub struct TypedPassword {
    normal: Secret,
    /// What was typed, where that is another text.
    typed: Option<Secret>,
}

/// Long passwords that every guesser tries first.
const COMMON: &[&str] = &[
    "123456789012",
    "1234567890123",
    "12345678901234",
    "123456789123",
    "1234567891011",
    "qwertyuiop123",
    "qwertyuiop12",
    "qwertyuiopasdfghjkl",
    "password1234",
    "password12345",
    "password123456",
    "passwordpassword",
    "iloveyou1234",
    "administrator",
    "administrator1",
    "changeme1234",
    "letmein12345",
    "welcome12345",
    "1q2w3e4r5t6y",
    "1qaz2wsx3edc",
    "abcdefghijkl",
    "abcdefghijklm",
    "abc123abc123",
    "unknownunknown",
    "correcthorsebatterystaple",
    "football1234",
    "princess1234",
    "sunshine1234",
    "monkey123456",
    "dragon123456",
];

/// The one form of all spellings of a password: ASCII spaces for other spaces, NFC. No widths and no case
/// are mapped (RFC 8265, section 4.2.1).
fn normal(text: &str) -> String {
    nfc(&with_plain_spaces(text)).into_owned()
}

impl NewPassword {
    /// The longest password, in characters of its normal form.
    pub const MAX_CHARS: usize = 128;

    /// The longest text that is looked at at all, in bytes: that many characters, each taken to pieces.
    pub const MAX_TYPED_BYTES: usize = Self::MAX_CHARS * MAX_BYTES_OF_CHAR;

    /// Accepts a password to be set.
    ///
    /// # Errors
    /// Says which rule it breaks, in words for the one who chose it.
    pub fn parse(text: &str) -> Result<Self, TextRefusal> {
        // A huge text is refused before it is walked.
        if text.len() > Self::MAX_TYPED_BYTES {
            return Err(TOO_LONG);
        }
        let password = normal(text);
        let length = password.chars().count();
        if length > Self::MAX_CHARS {
            return Err(TOO_LONG);
        }
        if length < 12 {
            return Err(TextRefusal::Rule("must have at least 12 characters"));
        }
        if let Some(c) = unneeded(&password) {
            return Err(TextRefusal::Unseen(c));
        }
        let lower = password.to_lowercase();
        let mut chars = lower.chars();
        let first = chars.next();
        if COMMON.contains(&lower.as_str()) || chars.all(|c| Some(c) == first) {
            const GUESSED: &str =
                "is among the passwords that are guessed first; choose another one";
            return Err(TextRefusal::Rule(GUESSED));
        }
        Ok(Self(Secret::new(password)))
    }

    /// The password, for the hasher.
    pub fn reveal(&self) -> &str {
        self.0.reveal()
    }

    /// Whether the password is this address, however it is spelled.
    pub(super) fn is(&self, email: &Email) -> bool {
        self.reveal().parse::<Email>().is_ok_and(|password| password == *email)
    }
}

const TOO_LONG: TextRefusal = TextRefusal::Rule("must have at most 128 characters");

impl TypedPassword {
    /// What was typed; `None` for a text that is longer than any password.
    pub fn new(text: &str) -> Option<Self> {
        if text.len() > NewPassword::MAX_TYPED_BYTES {
            return None;
        }
        let normal = Secret::new(normal(text));
        let typed = (normal.reveal() != text).then(|| Secret::new(text));
        Some(Self { normal, typed })
    }

    /// The form that is hashed.
    pub fn normal(&self) -> &str {
        self.normal.reveal()
    }

    /// The text as it was typed, if that is another one: older releases hashed it so.
    pub fn as_typed(&self) -> Option<&str> {
        self.typed.as_ref().map(Secret::reveal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_long_and_not_common() {
        assert!(NewPassword::parse("a quiet river at dawn").is_ok());
        assert!(NewPassword::parse("pässwörter für alle").is_ok());
        assert!(NewPassword::parse("👩\u{200d}🔬 in the lab 🔬").is_ok());
        for bad in
            ["", "short", "Password1234", "aaaaaaaaaaaaaaaa", &"x1".repeat(65), &"x".repeat(10_000)]
        {
            assert!(NewPassword::parse(bad).is_err(), "{bad}");
        }
        for c in ['\0', '\t', '\n', '\u{200b}', '\u{ad}', '\u{202e}'] {
            let refusal = NewPassword::parse(&format!("a quiet{c}river at dawn")).unwrap_err();
            assert_eq!(refusal, TextRefusal::Unseen(c));
        }
    }

    #[test]
    fn spellings_of_one_password_are_one() {
        for (one, other) in [
            ("caf\u{e9} au lait, s'il", "cafe\u{301} au lait, s'il"),
            ("\u{212b}ngstr\u{f6}m unit", "A\u{30a}ngstro\u{308}m unit"),
            ("각각각 각각각 각각각 각각", "\u{1100}\u{1161}\u{11a8}각각 각각각 각각각 각각"),
            ("q\u{323}\u{307} in this order", "q\u{307}\u{323} in this order"),
            ("a quiet river at dawn", "a quiet\u{a0}river\u{3000}at\u{2009}dawn"),
        ] {
            let parsed = [one, other].map(|text| NewPassword::parse(text).unwrap());
            assert_eq!(parsed[0].reveal(), parsed[1].reveal());
            let typed = TypedPassword::new(other).unwrap();
            assert_eq!(typed.normal(), parsed[0].reveal());
            assert_eq!(typed.as_typed(), Some(other));
        }
    }

    #[test]
    fn widths_case_and_spaces_around_stay() {
        for (one, other) in [
            ("ｐａｓｓｐｈｒａｓｅ ok", "passphrase ok"),
            ("A quiet river at dawn", "a quiet river at dawn"),
            (" a quiet river ", "a quiet river"),
        ] {
            assert_ne!(
                TypedPassword::new(one).unwrap().normal(),
                TypedPassword::new(other).unwrap().normal()
            );
        }
    }

    #[test]
    fn length_counts_characters_of_the_normal_form() {
        let syllable = "\u{1100}\u{1161}\u{11a8}";
        assert!(NewPassword::parse(&format!("{}a", syllable.repeat(127))).is_ok());
        assert!(NewPassword::parse(&format!("{}a", syllable.repeat(128))).is_err());
        // As many bytes as any password has when it is typed.
        let widest = "\u{1611e}\u{1611e}\u{1611f}";
        let typed = widest.repeat(NewPassword::MAX_CHARS);
        assert_eq!(typed.len(), NewPassword::MAX_TYPED_BYTES);
        assert_ne!(NewPassword::parse(&typed).err(), Some(TOO_LONG));
        assert!(TypedPassword::new(&typed).is_some());
        // Twelve letters when typed, eleven when put together.
        assert!(NewPassword::parse("cafe\u{301} au la").is_err());
        assert!(TypedPassword::new(&"x".repeat(NewPassword::MAX_TYPED_BYTES + 1)).is_none());
    }

    #[test]
    fn a_password_is_not_the_address_however_it_is_spelled() {
        let email = "jos\u{e9}@example.com".parse().unwrap();
        assert!(NewPassword::parse("Jose\u{301}@Example.com").unwrap().is(&email));
        assert!(!NewPassword::parse("a quiet river at dawn").unwrap().is(&email));
    }
}
