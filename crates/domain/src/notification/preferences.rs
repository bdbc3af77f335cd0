//! Of what a user wants to be told.

use super::NotificationKind;

impl NotificationKind {
    /// Whether a user may choose not to be told. What tells of strangers is told in any case: whoever got into the account
    /// could switch it off.
    pub const fn is_optional(self) -> bool {
        match self {
            Self::NewSignal | Self::SignalClosed | Self::TierChanged | Self::PaymentFailed => true,
            Self::NewSignIn | Self::Security => false,
        }
    }
}

/// The kinds of which a user does not want to be told. Who said nothing is told of all.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MutedKinds(Vec<NotificationKind>);

impl MutedKinds {
    /// The kinds in a stored text: words with spaces between. Those that this release does not know are left out.
    pub fn from_stored(text: &str) -> Self {
        Self(text.split_whitespace().filter_map(|word| word.parse().ok()).collect())
    }

    /// The text to be stored.
    pub fn to_stored(&self) -> String {
        let words: Vec<_> = self.0.iter().map(|kind| kind.as_str()).collect();
        words.join(" ")
    }

    /// Whether the user is told of this kind.
    pub fn tells(&self, kind: NotificationKind) -> bool {
        !kind.is_optional() || !self.0.contains(&kind)
    }

    /// Tells the user of this kind from now on, or does so no more. One that is [no choice](NotificationKind::is_optional)
    /// is told in any case.
    pub fn set(&mut self, kind: NotificationKind, is_told: bool) {
        self.0.retain(|other| *other != kind);
        if !is_told {
            self.0.push(kind);
        }
        self.0.sort_unstable();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_is_told_until_it_is_switched_off() {
        let mut muted = MutedKinds::default();
        let told = |muted: &MutedKinds| -> Vec<_> {
            NotificationKind::ALL.iter().copied().filter(|kind| muted.tells(*kind)).collect()
        };
        assert_eq!(told(&muted), NotificationKind::ALL);
        for kind in NotificationKind::ALL {
            muted.set(*kind, false);
            muted.set(*kind, false);
        }
        assert_eq!(told(&muted), [NotificationKind::NewSignIn, NotificationKind::Security]);
        muted.set(NotificationKind::TierChanged, true);
        assert_eq!(told(&muted)[0], NotificationKind::TierChanged);
    }

    #[test]
    fn muted_kinds_are_read_back() {
        let mut muted = MutedKinds::default();
        muted.set(NotificationKind::TierChanged, false);
        muted.set(NotificationKind::NewSignal, false);
        assert_eq!(muted.to_stored(), "new_signal tier_changed");
        assert_eq!(MutedKinds::from_stored("new_signal  tier_changed of_tomorrow"), muted);
        assert_eq!(MutedKinds::from_stored(""), MutedKinds::default());
    }
}
