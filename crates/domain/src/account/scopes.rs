//! What a user's API key may do.

use crate::text_enum::text_enum;

text_enum!(
    /// One thing that a key may do; a route asks for one.
    Scope, {
        /// Read signals and statistics.
        Read = "read",
        /// Follow signals as they are published.
        Stream = "stream",
        /// Take signals away as a file.
        Export = "export",
        /// See whose the key is. Nothing of an account is changed by a key, whatever it may do.
        Account = "account",
    }
);

/// The word for what every key could do before there were others.
const BEFORE: &str = "signals:read";

/// All that a key may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Scopes(u8);

impl Scopes {
    /// What every key could do before there were scopes, and one that is made without naming any can.
    pub const UNNAMED: Self = Self(Self::NONE.with(Scope::Read).with(Scope::Export).0);

    const NONE: Self = Self(0);

    const fn with(self, scope: Scope) -> Self {
        Self(self.0 | 1 << scope as u8)
    }

    /// Whether this is among them.
    pub const fn has(self, scope: Scope) -> bool {
        self.0 & (1 << scope as u8) != 0
    }

    /// The scopes of these words; `signals:read`, which older clients send, stands for [`UNNAMED`](Self::UNNAMED).
    ///
    /// # Errors
    /// For a word that is none, and for no word at all.
    pub fn parse(words: &[String]) -> Result<Self, String> {
        if words.is_empty() {
            return Err(format!("must name one at least of: {}", Scope::WORDS.join(" ")));
        }
        words.iter().try_fold(Self::NONE, |scopes, word| match word.as_str() {
            BEFORE => Ok(Self(scopes.0 | Self::UNNAMED.0)),
            word => word.parse().map(|scope| scopes.with(scope)),
        })
    }

    /// The scopes of a stored text. A word of a newer release permits nothing here.
    pub fn from_stored(text: &str) -> Self {
        let known = |word: &str| Self::parse(&[word.to_owned()]).ok();
        let scopes = text.split_whitespace().filter_map(known);
        scopes.fold(Self::NONE, |all, scopes| Self(all.0 | scopes.0))
    }

    /// Their words, in the order of [`Scope::ALL`].
    pub fn words(self) -> Vec<&'static str> {
        let own = Scope::ALL.iter().filter(|scope| self.has(**scope));
        own.map(|scope| scope.as_str()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &[&str]) -> Result<Vec<&'static str>, String> {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        Scopes::parse(&words).map(Scopes::words)
    }

    #[test]
    fn words_are_scopes_and_others_are_refused() {
        assert_eq!(parse(&["account", "read", "read"]).unwrap(), ["read", "account"]);
        assert_eq!(parse(Scope::WORDS).unwrap(), Scope::WORDS);
        assert_eq!(parse(&["signals:read"]).unwrap(), ["read", "export"]);
        assert_eq!(Scopes::UNNAMED.words(), ["read", "export"]);
        for words in [&["READ"][..], &["read", "write"], &["read export"], &[""], &[]] {
            assert!(parse(words).unwrap_err().contains("read stream export account"), "{words:?}");
        }
    }

    #[test]
    fn each_is_had_by_itself() {
        for scope in Scope::ALL {
            let only = Scopes::NONE.with(*scope);
            let had: Vec<_> = Scope::ALL.iter().filter(|other| only.has(**other)).collect();
            assert_eq!(had, [scope]);
        }
    }

    #[test]
    fn what_an_older_release_stored_may_what_it_could() {
        for (text, words) in [
            ("signals:read", &["read", "export"][..]),
            ("read stream", &["read", "stream"]),
            ("export from:the:future", &["export"]),
            ("", &[]),
        ] {
            assert_eq!(Scopes::from_stored(text).words(), words, "{text}");
        }
    }
}
