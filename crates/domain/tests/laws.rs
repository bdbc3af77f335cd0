//! Laws that hold for every value, not only for examples.

use std::time::Duration;

use alpine_domain::{
    Timestamp,
    page::Cursor,
    ports::cache::{CacheKey, Scope},
    signal::{Action, PnlPercent, Price, pnl_percent},
};
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

proptest! {
    /// No body can cross scopes: different keys never share a text.
    #[test]
    fn cache_keys_share_a_text_only_when_they_are_equal(a in key(), b in key()) {
        prop_assert_eq!(a == b, a.to_string() == b.to_string());
    }

    #[test]
    fn cursors_read_back(micros in any::<i64>(), id in any::<i64>()) {
        let cursor = Cursor { created_at: Timestamp::from_micros(micros), id };
        prop_assert_eq!(cursor.to_string().parse::<Cursor>().unwrap(), cursor);
    }

    #[test]
    fn timestamps_read_back(micros in -60_000_000_000_000_000_i64..250_000_000_000_000_000) {
        let instant = Timestamp::from_micros(micros);
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
    fn sides_mirror_each_other(entry in 1_u64..1_000_000_000, exit in 1_u64..1_000_000_000) {
        let price = |cents: u64| format!("{}.{:02}", cents / 100, cents % 100).parse::<Price>();
        let (Ok(entry), Ok(exit)) = (price(entry), price(exit)) else { return Ok(()) };
        let buy = pnl_percent(Action::Buy, &entry, &exit).unwrap();
        let sell = pnl_percent(Action::Sell, &entry, &exit).unwrap();
        prop_assert_eq!(buy.steps(), -sell.steps());
    }

    #[test]
    fn pnl_prints_what_it_is(steps in -PnlPercent::MAX_STEPS..=PnlPercent::MAX_STEPS) {
        let pnl = PnlPercent::from_steps(steps);
        let exact: bigdecimal::BigDecimal = pnl.to_string().parse().unwrap();
        prop_assert_eq!(PnlPercent::from_exact(&exact), Some(pnl));
    }
}
