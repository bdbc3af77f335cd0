//! Laws that hold for every value, not only for examples.

use std::time::Duration;

use alpine_domain::{
    Timestamp,
    account::{Email, FullName, NewPassword, TypedPassword},
    page::Cursor,
    ports::cache::{CacheKey, Scope},
    signal::{Action, ExitPrice, PnlPercent, Price, SignalId, pnl_percent},
};
use icu_normalizer::{ComposingNormalizerBorrowed, DecomposingNormalizerBorrowed};
use proptest::prelude::*;

fn scope() -> impl Strategy<Value = Scope> {
    prop_oneof![
        Just(Scope::Public),
        prop_oneof![Just("free"), Just("pro"), Just("admin")].prop_map(Scope::Group),
        ".{0,12}".prop_map(Scope::Principal),
    ]
}

fn key() -> impl Strategy<Value = CacheKey> {
    (prop_oneof![Just("signals/latest"), Just("users/profile")], scope(), ".{0,12}")
        .prop_map(|(route, scope, parameters)| CacheKey { route, scope, parameters })
}

fn instant() -> impl Strategy<Value = Timestamp> {
    let edges = prop_oneof![Just(Timestamp::MIN), Just(Timestamp::MAX)];
    let all = Timestamp::MIN.micros()..=Timestamp::MAX.micros();
    prop_oneof![1 => edges, 9 => all.prop_map(Timestamp::from_micros)]
}

/// Texts with letters that have several spellings, among any others.
fn typed() -> impl Strategy<Value = String> {
    let pieces = prop_oneof![
        3 => "[a-zA-Z0-9 @.]",
        2 => "[à-žά-ώЀ-ӿ가-힣]",
        1 => "[\u{300}-\u{345}\u{591}-\u{5bd}\u{1100}-\u{11ff}\u{212a}-\u{212b}\u{1f00}-\u{1fff}\u{2000}-\u{200d}]",
        1 => any::<char>().prop_map(String::from),
    ];
    prop::collection::vec(pieces, 0..40).prop_map(|pieces| pieces.concat())
}

/// The same text in NFC and in NFD.
fn spellings(text: &str) -> [String; 2] {
    let (nfc, nfd) =
        (ComposingNormalizerBorrowed::new_nfc(), DecomposingNormalizerBorrowed::new_nfd());
    [nfc.normalize(text).into_owned(), nfd.normalize(text).into_owned()]
}

proptest! {
    /// A password is the same however it is spelled, and what is hashed is spelled in one way only.
    #[test]
    fn spellings_of_a_password_are_one(text in typed()) {
        let normal = |text: &str| TypedPassword::new(text).unwrap().normal().to_owned();
        let first = normal(&text);
        prop_assert_eq!(&normal(&first), &first);
        for other in spellings(&text) {
            prop_assert_eq!(&normal(&other), &first);
            let parsed = [&text, &other].map(|text| NewPassword::parse(text));
            let parsed = parsed.map(|parsed| parsed.map(|password| password.reveal().to_owned()));
            prop_assert_eq!(&parsed[0], &parsed[1]);
            if let Ok(parsed) = &parsed[0] {
                prop_assert_eq!(parsed, &first);
            }
        }
    }

    /// So are addresses and names; what they become is accepted as it is, and found when it is typed.
    #[test]
    fn spellings_of_addresses_and_names_are_one(text in typed(), local in typed(), domain in typed()) {
        let name = text.parse::<FullName>();
        for other in spellings(&text) {
            prop_assert_eq!(&other.parse::<FullName>(), &name);
        }
        if let Ok(name) = name {
            prop_assert_eq!(&name.as_str().parse::<FullName>(), &Ok(name.clone()));
        }
        let address = format!("{local}@{domain}.example");
        let email = address.parse::<Email>();
        for other in spellings(&address) {
            prop_assert_eq!(&other.parse::<Email>(), &email);
            prop_assert_eq!(Email::folded(&other), Email::folded(&address));
        }
        if let Ok(email) = email {
            prop_assert_eq!(email.as_str().parse::<Email>(), Ok(email.clone()));
            prop_assert_eq!(Email::from_stored(email.as_str()), Ok(email.clone()));
            prop_assert!(Email::as_typed(&address).any(|found| found == email));
        }
    }

    /// Whatever is held can be written, and whatever is read is in range.
    #[test]
    fn instants_are_written_or_refused(micros in any::<i64>()) {
        match Timestamp::try_from_micros(micros) {
            Ok(instant) => prop_assert_eq!(Timestamp::parse_rfc3339(&instant.to_string()), Ok(instant)),
            Err(_) => prop_assert!(!(Timestamp::MIN.micros()..=Timestamp::MAX.micros()).contains(&micros)),
        }
    }

    /// No body can cross scopes: different keys never share a text.
    #[test]
    fn cache_keys_share_a_text_only_when_they_are_equal(a in key(), b in key()) {
        prop_assert_eq!(a == b, a.to_string() == b.to_string());
    }

    #[test]
    fn cursors_read_back(created_at in instant(), id in any::<i64>()) {
        let cursor = Cursor { created_at, id: SignalId::new(id) };
        prop_assert_eq!(cursor.to_string().parse::<Cursor>().unwrap(), cursor);
    }

    #[test]
    fn timestamps_read_back(instant in instant()) {
        prop_assert_eq!(Timestamp::parse_rfc3339(&instant.to_string()), Ok(instant));
    }

    #[test]
    fn later_and_since_agree(micros in 0_i64..4_000_000_000_000_000, span in 0_u64..4_000_000_000) {
        let (start, span) = (Timestamp::from_micros(micros), Duration::from_micros(span));
        prop_assert_eq!(start.later(span).since(start), span);
        prop_assert_eq!(start.later(span).earlier(span), start);
    }

    /// What one side wins, the other loses, to the last step.
    #[test]
    fn sides_mirror_each_other(
        entry in 1_u64..1_000_000_000,
        exit in 0_u64..1_000_000_000,
        is_below_zero in any::<bool>(),
    ) {
        let text = |cents: u64| format!("{}.{:02}", cents / 100, cents % 100);
        let sign = if is_below_zero { "-" } else { "" };
        let entry: Price = text(entry).parse().unwrap();
        let exit: ExitPrice = format!("{sign}{}", text(exit)).parse().unwrap();
        let buy = pnl_percent(Action::Buy, &entry, &exit).unwrap();
        let sell = pnl_percent(Action::Sell, &entry, &exit).unwrap();
        prop_assert_eq!(buy.steps(), -sell.steps());
    }

    /// A figure computed from steps and a signal's own text never contradict each other.
    #[test]
    fn pnl_is_the_same_number_in_text_and_in_double(
        steps in -PnlPercent::MAX_STEPS..=PnlPercent::MAX_STEPS,
    ) {
        let pnl = PnlPercent::from_steps(steps);
        prop_assert_eq!(Ok(pnl.as_double()), pnl.to_string().parse::<f64>());
    }

    #[test]
    fn pnl_prints_what_it_is(steps in -PnlPercent::MAX_STEPS..=PnlPercent::MAX_STEPS) {
        let pnl = PnlPercent::from_steps(steps);
        let exact: bigdecimal::BigDecimal = pnl.to_string().parse().unwrap();
        prop_assert_eq!(PnlPercent::from_exact(&exact), Some(pnl));
    }
}
