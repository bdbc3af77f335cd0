//! E-mail addresses.

use std::{fmt, str::FromStr};

use idna::uts46::{AsciiDenyList, DnsLength, Hyphens, Uts46};
use serde::Serialize;

use crate::text::{TextRefusal, foreign_letter, looks_ascii, nfc, special_form, unseen};

/// An e-mail address in the one form that stands for all spellings of it: trimmed, in lower case, NFC, the
/// domain as people read it (UTS 46); at most 254 bytes (RFC 5321).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct Email(String);

const RULE: &str = "must be an e-mail address, name@example.com for example";
/// A local part of atoms with single dots between them (RFC 5321, section 4.1.2: `Dot-string`).
const DOTS: &str =
    "must have a dot before the @ only between other characters, ada.king@example.com for example";
const MAX_BYTES: usize = 254;
/// Longer texts are not looked at: lower case and NFC make no valid address of them.
const MAX_TYPED_BYTES: usize = 6 * MAX_BYTES;

impl Email {
    /// The address.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// An address as it is stored. Older releases took what is refused today: other forms, characters that
    /// are not seen, letters of several scripts. Such an address stays its owner's.
    ///
    /// # Errors
    /// For what no release took.
    pub fn from_stored(text: &str) -> Result<Self, TextRefusal> {
        let (local, domain) = parts(text)?;
        let is_sound = !domain.contains(is_forbidden) && domain.split('.').all(|l| !l.is_empty());
        if is_local_part(local) && is_sound {
            Ok(Self(text.to_owned()))
        } else {
            Err(TextRefusal::Rule(RULE))
        }
    }

    /// The addresses under which an account may be stored whose owner typed `text`: as an older release
    /// stored exactly this, and in the form of today. One for almost everybody, two at most.
    pub fn as_typed(text: &str) -> impl Iterator<Item = Self> + use<> {
        let older = is_looked_at(text).then(|| Self::from_stored(&lower(text)).ok()).flatten();
        let today = text.parse::<Self>().ok().filter(|today| older.as_ref() != Some(today));
        older.into_iter().chain(today)
    }

    /// One text for all spellings of an address, also of one that is refused: to count by.
    pub fn folded(text: &str) -> String {
        text.parse::<Self>().map_or_else(|_| normal(text), |email| email.0)
    }
}

/// In lower case and NFC: a small letter can have a mark that stands elsewhere in that form.
pub(super) fn normal(text: &str) -> String {
    nfc(&lower(&nfc(text))).into_owned()
}

fn lower(text: &str) -> String {
    text.trim().to_lowercase()
}

fn is_looked_at(text: &str) -> bool {
    text.trim().len() <= MAX_TYPED_BYTES
}

/// The parts before and after the last `@`, of an address that is not too long.
fn parts(address: &str) -> Result<(&str, &str), TextRefusal> {
    let parts = address.rsplit_once('@').filter(|_| address.len() <= MAX_BYTES);
    parts.filter(|(_, domain)| domain.contains('.')).ok_or(TextRefusal::Rule(RULE))
}

fn is_forbidden(c: char) -> bool {
    c.is_control() || c.is_whitespace() || "<>()[],;:\\\"@".contains(c)
}

fn is_local_part(local: &str) -> bool {
    (1..=64).contains(&local.len()) && !local.contains(is_forbidden)
}

/// The domain as people read it, if it is one (UTS 46 with the rules of host names).
fn readable_domain(domain: &str) -> Result<String, TextRefusal> {
    let (uts46, list, hyphens) = (Uts46::new(), AsciiDenyList::STD3, Hyphens::CheckFirstLast);
    uts46
        .to_ascii(domain.as_bytes(), list, hyphens, DnsLength::Verify)
        .map_err(|_| TextRefusal::Rule(RULE))?;
    let (readable, valid) = uts46.to_unicode(domain.as_bytes(), list, hyphens);
    valid.map(|()| readable.into_owned()).map_err(|_| TextRefusal::Rule(RULE))
}

/// Refuses what looks like another address.
fn check_look<'a>(words: impl Iterator<Item = &'a str>) -> Result<(), TextRefusal> {
    for word in words {
        if let Some(letter) = foreign_letter(word) {
            return Err(TextRefusal::Foreign(letter));
        }
        if looks_ascii(word) {
            return Err(TextRefusal::LooksAscii);
        }
    }
    Ok(())
}

impl FromStr for Email {
    type Err = TextRefusal;

    /// Accepts what can be delivered to, not all of RFC 5322: one `@`, a local part, a dotted domain, no
    /// spaces or controls, no dots but between atoms; and nothing that is not seen or that looks like another address.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if !is_looked_at(text) {
            return Err(TextRefusal::Rule(RULE));
        }
        let typed = normal(text);
        if let Some(c) = unseen(&typed) {
            return Err(TextRefusal::Unseen(c));
        }
        let (local, domain) = typed.rsplit_once('@').ok_or(TextRefusal::Rule(RULE))?;
        let domain = readable_domain(domain)?;
        let address = format!("{local}@{domain}");
        parts(&address)?;
        if !is_local_part(local) {
            return Err(TextRefusal::Rule(RULE));
        }
        if local.split('.').any(str::is_empty) {
            return Err(TextRefusal::Rule(DOTS));
        }
        if let Some(form) = special_form(local) {
            return Err(TextRefusal::SpecialForm(form));
        }
        // What was written as xn-- shows only now.
        if let Some(c) = unseen(&domain) {
            return Err(TextRefusal::Unseen(c));
        }
        check_look(local.split(|c: char| c.is_ascii_punctuation()))?;
        check_look(domain.split('.'))?;
        Ok(Self(address))
    }
}

impl fmt::Display for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_folded_and_checked() {
        for (typed, folded) in [
            (" Ada@Example.COM ", "ada@example.com"),
            ("ada+alerts@example.com", "ada+alerts@example.com"),
            ("Jose\u{301}@Example.com", "jos\u{e9}@example.com"),
            ("a@Bu\u{308}cher.example", "a@b\u{fc}cher.example"),
            ("a@xn--bcher-kva.example", "a@b\u{fc}cher.example"),
            ("a@ｅｘａｍｐｌｅ。com", "a@example.com"),
            ("почта@пример.рф", "почта@пример.рф"),
            ("संपर्क@डेटामेल.भारत", "संपर्क@डेटामेल.भारत"),
            ("山田@例え.jp", "山田@例え.jp"),
        ] {
            let email = typed.parse::<Email>().map(|email| email.to_string());
            assert_eq!(email.as_deref(), Ok(folded), "{typed}");
            assert_eq!(Email::folded(typed), folded);
            assert_eq!(folded.parse::<Email>().unwrap().as_str(), folded);
        }
        let long = format!("{}@example.com", "x".repeat(65));
        let longer = format!("a@{}.com", "x".repeat(64));
        for bad in [
            "",
            "a",
            "a@b",
            "a b@c.de",
            "@c.de",
            "a@.de",
            "a@c..de",
            "a@-c.de",
            "a@c.de.",
            "a@b@c.de",
            "a@c_d.de",
            "a@xn--zzzzzzzzz.de",
            &long,
            &longer,
            &"a".repeat(10_000),
        ] {
            assert_eq!(bad.parse::<Email>(), Err(TextRefusal::Rule(RULE)), "{bad:?}");
        }
    }

    /// No mail server takes such an address; an account that has one keeps it.
    #[test]
    fn dots_stand_between_atoms_only() {
        for bad in ["a..b@example.com", ".a@example.com", "a.@example.com", ".@example.com"] {
            assert_eq!(bad.parse::<Email>(), Err(TextRefusal::Rule(DOTS)), "{bad}");
            let stored = Email::from_stored(bad);
            assert_eq!(stored.as_ref().map(Email::as_str), Ok(bad));
            assert!(Email::as_typed(bad).eq(stored));
        }
        for good in ["a.b@example.com", "a.b.c@example.com", "a-.b@example.com"] {
            assert_eq!(good.parse::<Email>().as_ref().map(Email::as_str), Ok(good));
        }
    }

    /// Many bytes may be typed for one that is stored.
    #[test]
    fn a_long_spelling_of_a_short_address_is_that_address() {
        let typed = format!("{}@{}.com", "\u{212a}".repeat(64), "\u{ff4b}".repeat(63));
        assert_eq!(typed.len(), 64 * 3 + 1 + 63 * 3 + 4);
        let stored = format!("{}@{}.com", "k".repeat(64), "k".repeat(63));
        assert_eq!(typed.parse::<Email>().unwrap().as_str(), stored);
    }

    /// Each rule alone: what is stored breaks none of them.
    #[test]
    fn a_stored_address_may_have_forms_that_are_refused_today() {
        for text in [
            "ada@example.com",
            "Ada@Example.COM",
            "fr\u{ad}ee@x.io",
            "a@xn--zzzzzzzzz.de",
            "a@c_d.de",
        ] {
            assert_eq!(
                Email::from_stored(text).map(|email| email.to_string()).as_deref(),
                Ok(text)
            );
        }
        let long = format!("{}@example.com", "x".repeat(65));
        for text in
            ["a b@c.de", "@c.de", &long, "a@c d.de", "a@c..de", "a@.de", "a@c.", "a@c", "a.de"]
        {
            assert_eq!(Email::from_stored(text), Err(TextRefusal::Rule(RULE)), "{text:?}");
        }
        let most = format!("{}@example.com", "x".repeat(64));
        assert_eq!(Email::from_stored(&most).unwrap().as_str(), most);
    }

    #[test]
    fn what_is_no_address_is_folded_once_and_for_all() {
        // The small İ has a dot of its own, which stands behind the virama in NFC.
        for text in ["क\u{130}\u{94d}", " \u{130}\u{323}@x ", "A\u{30a}B"] {
            let folded = Email::folded(text);
            assert_eq!(Email::folded(&folded), folded, "{text}");
        }
    }

    #[test]
    fn what_is_not_seen_is_refused_by_name() {
        for c in [
            '\n',
            '\0',
            '\u{ad}',
            '\u{200b}',
            '\u{200c}',
            '\u{200d}',
            '\u{202e}',
            '\u{2066}',
            '\u{e0061}',
        ] {
            for text in [format!("fr{c}ee@x.io"), format!("free@x{c}y.io")] {
                assert_eq!(text.parse::<Email>(), Err(TextRefusal::Unseen(c)), "{text:?}");
            }
        }
        // Persian with a non-joiner where it belongs, written as xn--.
        assert!("a@xn--pgba0a07zwla.com".parse::<Email>().is_err());
    }

    #[test]
    fn what_looks_like_another_address_is_refused() {
        for text in [
            "\u{430}dmin@example.com", // Cyrillic а
            "admin@ex\u{430}mple.com",
            "admin@xn--exmple-4nf.com",                        // the same
            "\u{455}\u{441}\u{43e}\u{440}\u{435}@example.com", // all Cyrillic
            "a@\u{430}\u{440}\u{440}\u{4cf}\u{435}.com",
            "a@xn--80ak6aa92e.com",        // the same
            "ada.\u{3bf}live@example.com", // Greek omicron
            "\u{1d4ea}da@example.com",     // a mathematical a
            "ﬁx@example.com",
        ] {
            let refusal = text.parse::<Email>().unwrap_err();
            assert_ne!(refusal, TextRefusal::Rule(RULE), "{text}");
        }
    }

    #[test]
    fn what_an_older_release_stored_is_read_and_found() {
        for stored in [
            "\u{430}dmin@example.com",
            "e\u{301}@example.com",
            "a\u{200d}@x.io",
            "a@xn--bcher-kva.example",
        ] {
            assert_eq!(Email::from_stored(stored).unwrap().as_str(), stored);
            let typed = stored.to_uppercase();
            assert_eq!(Email::as_typed(&typed).next().unwrap().as_str(), stored);
        }
        for (typed, count) in [("Ada@example.com", 1), ("e\u{301}@example.com", 2), ("nobody", 0)] {
            assert_eq!(Email::as_typed(typed).count(), count, "{typed}");
        }
        assert!(Email::from_stored("a@b").is_err());
    }
}
