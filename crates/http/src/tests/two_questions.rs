//! Two questions, two answers: every parameter of every GET route, and everybody who may ask, over records
//! in which each makes a difference. What is asked for second is not answered with what the cache holds
//! of the first.

use std::{collections::BTreeSet, time::Duration};

use actix_web::http::Method;
use alpine_domain::{
    account::{Role, Tier},
    billing::{CurrentSubscription, Entitlement, Reading},
    notification::NotificationKind,
    ports::{
        cache::ResponseCache as _,
        payments::{ProviderInvoice, SubscriptionStatus},
    },
    signal::{NewOutcome, SignalId, SignalReader as _},
};
use bytes::Bytes;
use serde_json::Value;

use super::harness::{Answer, PRODUCER_KEY, World, bearer, get, post, signal, wait, world};
use crate::{
    HttpSettings,
    doc::Extra,
    endpoint::{Access, Endpoint},
    routes,
};

/// What happened, oldest first: the name, minutes before the question, instrument, direction, confidence in
/// percent, strategy, and how it ended: minutes before the question, profit in percent of the entry. Profits
/// are powers of two, so that a sum names its parts. E expired and is reported on afterwards.
type Record =
    (char, i64, &'static str, &'static str, &'static str, &'static str, Option<(i64, i64)>);

const DAY: i64 = 24 * 60;
#[rustfmt::skip]
const RECORDS: &[Record] = &[
    ('A', 40 * DAY, "MSFT", "SELL", "96", "momentum", Some((39 * DAY, 1))),
    ('B',  5 * DAY, "AAPL", "BUY",  "70", "momentum", None),
    ('C',  4 * DAY, "MSFT", "SELL", "97", "momentum", None),
    ('D',  3 * DAY, "AAPL", "BUY",  "80", "breakout", Some((2 * DAY, 2))),
    ('E', 46 * 60,  "AAPL", "BUY",  "82", "scalping", Some((12 * 60, 4))),
    ('F', 20 * 60,  "AAPL", "BUY",  "90", "momentum", None),
    ('H', 18 * 60,  "MSFT", "BUY",  "70", "momentum", Some((5, 8))),
    ('I', 17 * 60,  "MSFT", "BUY",  "90", "momentum", Some((5, 16))),
    ('J', 16 * 60,  "MSFT", "BUY",  "97", "momentum", Some((5, 32))),
    ('G', 1,        "AAPL", "SELL", "60", "momentum", None),
];

/// A route, a parameter of it, and what is answered to some of its values; an empty one is not sent. `@F`
/// stands for the id of F, `@@F` for the cursor behind it. Who asks is an administrator.
type Row = (&'static str, &'static str, &'static [(&'static str, &'static str)]);

#[rustfmt::skip]
const ROWS: &[Row] = &[
    ("latest_signals", "limit", &[("", "GFCB"), ("1", "G"), ("2", "GF")]),
    ("latest_signals", "premium_only", &[("false", "GFCB"), ("true", "FC")]),
    ("latest_signals", "symbol", &[("", "GFCB"), ("AAPL", "GFB"), ("MSFT", "C")]),

    ("subscribed_signals", "limit", &[("", "GFCB"), ("1", "G"), ("2", "GF")]),
    ("subscribed_signals", "offset", &[("", "GFCB"), ("1", "FCB"), ("2", "CB")]),
    ("subscribed_signals", "cursor", &[("", "GFCB"), ("@@F", "CB"), ("@@C", "B")]),
    ("subscribed_signals", "premium_only", &[("false", "GFCB"), ("true", "FC")]),
    ("subscribed_signals", "symbol", &[("", "GFCB"), ("AAPL", "GFB"), ("MSFT", "C")]),
    ("subscribed_signals", "action", &[("", "GFCB"), ("BUY", "FB"), ("SELL", "GC")]),
    ("subscribed_signals", "min_confidence", &[("", "GFCB"), ("65", "FCB"), ("95", "C")]),

    ("live_signals", "limit", &[("", "GFCB"), ("1", "G"), ("2", "GF")]),

    ("signal_history", "limit", &[("", "GJIHFEDCB"), ("1", "G"), ("3", "GJI")]),
    ("signal_history", "days", &[("", "GJIHFEDCB"), ("1", "GJIHF"), ("2", "GJIHFE"), ("365", "GJIHFEDCBA")]),
    ("signal_history", "period", &[("", "GJIHFEDCB"), ("1d", "GJIHF"), ("2d", "GJIHFE"), ("365d", "GJIHFEDCBA")]),
    ("signal_history", "symbol", &[("", "GJIHFEDCB"), ("AAPL", "GFEDB"), ("MSFT", "JIHC")]),
    ("signal_history", "status", &[("", "GJIHFEDCB"), ("open", "GFCB"), ("closed", "JIHD"), ("expired", "E")]),

    ("signal_history", "record", &[("", "GJIHFEDCB"), ("live", "GJIHFEDCB"), ("simulated", "")]),

    ("export_signals", "format", &[("csv", "text/csv GJIHFEDCB"), ("json", "application/json GJIHFEDCB"), ("ndjson", "application/x-ndjson GJIHFEDCB")]),
    ("export_signals", "days", &[("", "text/csv GJIHFEDCB"), ("1", "text/csv GJIHF"), ("365", "text/csv GJIHFEDCBA")]),
    ("export_signals", "period", &[("", "text/csv GJIHFEDCB"), ("1d", "text/csv GJIHF"), ("365d", "text/csv GJIHFEDCBA")]),

    // The clock says 2025-01-15T12:00:00Z.
    ("export_signals", "since", &[("", "text/csv GJIHFEDCB"), ("2025-01-14T18:00:00Z", "text/csv GJIH"), ("2024-01-01T00:00:00Z", "text/csv GJIHFEDCBA")]),
    ("export_signals", "until", &[("", "text/csv GJIHFEDCB"), ("2025-01-14T18:00:00Z", "text/csv FEDCB")]),

    ("export_signals", "updated_after", &[("", "text/csv GJIHFEDCB"), ("2025-01-14T18:00:00Z", "text/csv GJIHE"), ("2025-01-12T18:00:00Z", "text/csv GJIHFED"), ("2024-01-01T00:00:00Z", "text/csv GJIHFEDCBA")]),
    ("export_signals", "record", &[("", "text/csv GJIHFEDCB"), ("live", "text/csv GJIHFEDCB"), ("simulated", "text/csv ")]),
    ("export_signals", "after", &[("", "text/csv GJIHFEDCB"), ("@F", "text/csv EDCB"), ("@G", "text/csv JIHFEDCB"), ("1", "422")]),

    ("own_signals", "limit", &[("", "GJIHFEDCBA"), ("1", "G"), ("2", "GJ")]),
    ("own_signals", "offset", &[("", "GJIHFEDCBA"), ("1", "JIHFEDCBA"), ("8", "BA")]),
    ("own_signals", "cursor", &[("", "GJIHFEDCBA"), ("@@F", "EDCBA"), ("@@C", "BA")]),
    ("own_signals", "status", &[("", "GJIHFEDCBA"), ("open", "GFCB"), ("closed", "JIHDA"), ("expired", "E")]),
    ("own_signals", "symbol", &[("", "GJIHFEDCBA"), ("AAPL", "GFEDB"), ("MSFT", "JIHCA")]),
    ("own_signals", "updated_after", &[("", "GJIHFEDCBA"), ("2025-01-14T18:00:00Z", "GJIHE"), ("2025-01-12T18:00:00Z", "GJIHFED"), ("2024-01-01T00:00:00Z", "GJIHFEDCBA")]),

    ("find_own_signal", "{signal_id}", &[("SIG-70", "F"), ("SIG-65", "A"), ("SIG-1", "404")]),

    ("find_signal", "{id}", &[("@F", "F"), ("@A", "A"), ("1", "404")]),

    ("verify_signal", "{id}", &[("@F", "F"), ("@A", "A"), ("1", "404")]),

    ("performance_stats", "symbol", &[("", "5: 59"), ("AAPL", "1: 2"), ("MSFT", "4: 57")]),
    ("performance_stats", "strategy", &[("", "5: 59"), ("momentum", "4: 57"), ("breakout", "1: 2")]),
    ("performance_stats", "days", &[("", "5: 59"), ("30", "4: 58"), ("1", "3: 56")]),
    ("performance_stats", "period", &[("", "5: 59"), ("30d", "4: 58"), ("1d", "3: 56")]),
    ("performance_stats", "late", &[("exclude", "5: 59"), ("include", "6: 63")]),
    ("performance_stats", "producer", &[("", "5: 59"), ("argo", "5: 59"), ("zeus", "0: 0")]),
    ("performance_stats", "from", &[("", "5: 59"), ("2024-12-08", "4: 58"), ("2025-01-14", "3: 56")]),
    ("performance_stats", "to", &[("", "5: 59"), ("2024-12-07", "1: 1"), ("2025-01-13", "2: 3")]),

    ("performance_stats", "record", &[("", "5: 59"), ("simulated", "0: 0")]),

    ("equity_curve", "symbol", &[("", "5: 59"), ("AAPL", "1: 2"), ("MSFT", "4: 57")]),
    ("equity_curve", "strategy", &[("", "5: 59"), ("momentum", "4: 57"), ("breakout", "1: 2")]),
    ("equity_curve", "days", &[("", "5: 59"), ("30", "4: 58"), ("1", "3: 56")]),
    ("equity_curve", "period", &[("", "5: 59"), ("30d", "4: 58"), ("1d", "3: 56")]),
    ("equity_curve", "late", &[("exclude", "5: 59"), ("include", "6: 63")]),
    ("equity_curve", "producer", &[("", "5: 59"), ("argo", "5: 59"), ("zeus", "0: 0")]),
    ("equity_curve", "from", &[("", "5: 59"), ("2024-12-08", "4: 58"), ("2025-01-14", "3: 56")]),
    ("equity_curve", "to", &[("", "5: 59"), ("2024-12-07", "1: 1"), ("2025-01-13", "2: 3")]),
    ("equity_curve", "points", &[("", "5: 59"), ("2", "2: 59"), ("5", "5: 59")]),

    ("equity_curve", "record", &[("", "5: 59"), ("backfilled", "0: 0")]),

    ("performance_badge", "symbol", &[("", "5 closed auto"), ("AAPL", "1 closed auto"), ("MSFT", "4 closed auto")]),
    ("performance_badge", "strategy", &[("", "5 closed auto"), ("momentum", "4 closed auto"), ("breakout", "1 closed auto")]),
    ("performance_badge", "days", &[("", "5 closed auto"), ("30", "4 closed auto"), ("1", "3 closed auto")]),
    ("performance_badge", "period", &[("", "5 closed auto"), ("30d", "4 closed auto"), ("1d", "3 closed auto")]),
    ("performance_badge", "late", &[("exclude", "5 closed auto"), ("include", "6 closed auto")]),
    ("performance_badge", "record", &[("", "5 closed auto"), ("simulated", "none auto")]),
    ("performance_badge", "producer", &[("", "5 closed auto"), ("argo", "5 closed auto"), ("nobody", "none auto")]),
    ("performance_badge", "from", &[("", "5 closed auto"), ("2025-01-15", "3 closed auto")]),
    ("performance_badge", "to", &[("", "5 closed auto"), ("2025-01-14", "2 closed auto")]),
    ("performance_badge", "theme", &[("", "5 closed auto"), ("light", "5 closed light"), ("dark", "5 closed dark")]),

    ("equity_curve_picture", "symbol", &[("", "5 closed auto"), ("AAPL", "1 closed auto"), ("MSFT", "4 closed auto")]),
    ("equity_curve_picture", "strategy", &[("", "5 closed auto"), ("momentum", "4 closed auto"), ("breakout", "1 closed auto")]),
    ("equity_curve_picture", "days", &[("", "5 closed auto"), ("30", "4 closed auto"), ("1", "3 closed auto")]),
    ("equity_curve_picture", "period", &[("", "5 closed auto"), ("30d", "4 closed auto"), ("1d", "3 closed auto")]),
    ("equity_curve_picture", "late", &[("exclude", "5 closed auto"), ("include", "6 closed auto")]),
    ("equity_curve_picture", "record", &[("", "5 closed auto"), ("simulated", "none auto")]),
    ("equity_curve_picture", "producer", &[("", "5 closed auto"), ("argo", "5 closed auto"), ("nobody", "none auto")]),
    ("equity_curve_picture", "from", &[("", "5 closed auto"), ("2025-01-15", "3 closed auto")]),
    ("equity_curve_picture", "to", &[("", "5 closed auto"), ("2025-01-14", "2 closed auto")]),
    ("equity_curve_picture", "theme", &[("", "5 closed auto"), ("light", "5 closed light"), ("dark", "5 closed dark")]),

    ("closed_feed", "record", &[("", "JIHEDA"), ("simulated", "")]),

    ("symbols", "record", &[("", "AAPL 1 MSFT 4"), ("backfilled", "")]),

    ("list_notifications", "limit", &[("", "free pro starter"), ("1", "free"), ("2", "free pro")]),
    ("list_notifications", "offset", &[("", "free pro starter"), ("1", "pro starter"), ("2", "starter")]),
    ("list_notifications", "cursor", &[("", "free pro starter"), ("1736942400000000_notif-2", "starter"), ("1_notif-1", "")]),
    ("unread_notifications", "limit", &[("", "free pro"), ("1", "free")]),
    ("unread_notifications", "offset", &[("", "free pro"), ("1", "pro")]),
    ("unread_notifications", "cursor", &[("", "free pro"), ("1736942400000000_notif-3", "pro"), ("1_notif-1", "")]),

    ("list_invoices", "limit", &[("", "in_3 in_2 in_1"), ("1", "in_3"), ("2", "in_3 in_2")]),
    ("list_invoices", "cursor", &[("", "in_3 in_2 in_1"), ("1_3", "in_2 in_1"), ("1_1", "")]),

    ("admin_audit", "limit", &[("1", "sign_in"), ("2", "sign_in sign_in")]),
    ("admin_audit", "cursor", &[("1736942400000000_1", "sign_in"), ("1_1", "")]),
    ("admin_audit", "since", &[("2025-01-15T12:00:00Z", "many"), ("2025-01-15T12:00:01Z", "")]),
    ("admin_audit", "until", &[("2025-01-15T12:00:00Z", "sign_in"), ("2025-01-15T11:59:00Z", "")]),
    ("admin_audit", "action", &[("api_key_revoked", ""), ("producer_created", "producer_created")]),
    ("admin_audit", "actor", &[("system", "many"), ("operator", "")]),
    ("admin_audit", "subject", &[("producer:1", "producer_created"), ("producer:2", "")]),

    ("security_events", "limit", &[("1", "api_key_created"), ("2", "api_key_created producer_created")]),
    ("security_events", "cursor", &[("1736942400000000_1", ""), ("", "api_key_created producer_created api_key_created")]),
    ("security_events", "since", &[("2025-01-15T12:00:00Z", "api_key_created producer_created api_key_created"), ("2025-01-15T12:00:01Z", "")]),
    ("security_events", "until", &[("2025-01-15T12:00:00Z", ""), ("2025-01-15T12:00:01Z", "api_key_created producer_created api_key_created")]),

    ("list_users", "limit", &[("", "k543210"), ("1", "k"), ("2", "k5")]),
    ("list_users", "offset", &[("", "k543210"), ("1", "543210"), ("6", "0")]),
    ("list_users", "cursor", &[("1736942400000000_019469d5-b200-7303-8303-030303030303", "210"), ("1_019469d5-b200-7303-8303-030303030303", "")]),
    ("list_users", "tier", &[("", "k543210"), ("free", "50"), ("elite", "k43")]),
    ("list_users", "is_active", &[("", "k543210"), ("false", "")]),
    ("list_users", "role", &[("", "k543210"), ("admin", "5"), ("user", "k43210")]),
    ("list_users", "search", &[("user", "012345"), ("USER3%40", "3"), ("k", "k"), ("%25", "")]),

    ("find_user", "{id}", &[("019469d5-b200-7303-8303-030303030303", "user3@example.com"), ("1", "404")]),

    ("docs_file", "{file:.*}", &[("index.html", "text/html"), ("swagger-ui.css", "text/css")]),
    ("problem_kind", "{kind}", &[("not-found", "not-found"), ("invalid", "invalid"), ("x", "404")]),
];

/// Who asks. Ada and Bob are two users of one tier; Bob has an API key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Who {
    Nobody,
    Free,
    Starter,
    Pro,
    Ada,
    Bob,
    Admin,
    /// The producer of the records.
    Argo,
}
use Who::{Ada, Admin, Argo, Bob, Free, Nobody, Pro, Starter};

/// A route, the part of its path that is a parameter, and what each caller is told.
type CallerRow = (&'static str, &'static str, &'static [(Who, &'static str)]);

#[rustfmt::skip]
const CALLERS: &[CallerRow] = &[
    ("latest_signals", "", &[(Nobody, "HB"), (Free, "HB"), (Starter, "GB"), (Pro, "GFB"), (Ada, "GFCB"), (Bob, "GFCB"), (Admin, "GFCB")]),
    ("subscribed_signals", "", &[(Nobody, "401"), (Free, "HB"), (Starter, "GB"), (Pro, "GFB"), (Ada, "GFCB"), (Admin, "GFCB")]),
    ("live_signals", "", &[(Nobody, "401"), (Free, "HB"), (Starter, "GB"), (Pro, "GFB"), (Ada, "GFCB"), (Admin, "GFCB")]),
    ("signal_history", "", &[(Nobody, "401"), (Free, "HEDB"), (Starter, "GHEDB"), (Pro, "GIHFEDB"), (Ada, "GJIHFEDCB")]),
    ("export_signals", "", &[(Nobody, "401"), (Free, "text/csv HEDB"), (Starter, "text/csv GHEDB"), (Pro, "text/csv GIHFEDB"), (Ada, "text/csv GJIHFEDCB")]),
    ("find_signal", "@G", &[(Nobody, "401"), (Free, "404"), (Starter, "G")]),
    ("find_signal", "@F", &[(Free, "404"), (Starter, "404"), (Pro, "F"), (Admin, "F")]),
    ("find_signal", "@C", &[(Pro, "404"), (Ada, "C"), (Admin, "C")]),
    ("verify_signal", "@G", &[(Nobody, "401"), (Free, "404"), (Starter, "G")]),
    ("verify_signal", "@F", &[(Free, "404"), (Starter, "404"), (Pro, "F"), (Admin, "F")]),
    ("verify_signal", "@C", &[(Pro, "404"), (Ada, "C"), (Admin, "C")]),
    ("performance_stats", "", &[(Nobody, "2: 3"), (Free, "2: 3"), (Starter, "3: 11"), (Pro, "4: 27"), (Ada, "5: 59"), (Admin, "5: 59")]),
    ("equity_curve", "", &[(Nobody, "2: 3"), (Free, "2: 3"), (Starter, "3: 11"), (Pro, "4: 27"), (Ada, "5: 59"), (Admin, "5: 59")]),
    ("performance_badge", "", &[(Nobody, "2 closed auto"), (Free, "2 closed auto"), (Starter, "3 closed auto"), (Pro, "4 closed auto"), (Ada, "5 closed auto"), (Admin, "5 closed auto")]),
    ("equity_curve_picture", "", &[(Nobody, "2 closed auto"), (Free, "2 closed auto"), (Starter, "3 closed auto"), (Pro, "4 closed auto"), (Ada, "5 closed auto"), (Admin, "5 closed auto")]),
    ("closed_feed", "", &[(Nobody, "ED"), (Free, "ED"), (Starter, "HED"), (Pro, "IHED"), (Ada, "JIHEDA"), (Admin, "JIHEDA")]),
    ("symbols", "", &[(Nobody, "AAPL 1 MSFT 1"), (Starter, "AAPL 1 MSFT 2"), (Pro, "AAPL 1 MSFT 3"), (Ada, "AAPL 1 MSFT 4")]),
    ("me", "", &[(Nobody, "401"), (Ada, "user3@example.com"), (Bob, "user4@example.com"), (Admin, "user5@example.com")]),
    ("profile", "", &[(Nobody, "401"), (Ada, "user3@example.com"), (Bob, "user4@example.com"), (Admin, "user5@example.com")]),
    ("list_sessions", "", &[(Nobody, "401"), (Ada, "here"), (Bob, "here elsewhere"), (Admin, "")]),
    ("export_person", "", &[(Nobody, "401"), (Ada, "user3@example.com"), (Bob, "user4@example.com"), (Admin, "user5@example.com")]),
    ("list_channels", "", &[(Nobody, "401"), (Free, "not_included"), (Pro, "preparing")]),
    ("own_plan", "", &[(Nobody, "401"), (Free, "free none"), (Pro, "pro none"), (Admin, "free sub_1")]),
    ("list_invoices", "", &[(Nobody, "401"), (Ada, ""), (Admin, "in_3 in_2 in_1")]),
    ("revenue", "", &[(Nobody, "401"), (Ada, "403"), (Admin, "747 in total")]),
    ("admin_billing", "", &[(Nobody, "401"), (Ada, "403"), (Admin, "a problem of the test")]),
    ("list_notifications", "", &[(Nobody, "401"), (Ada, ""), (Admin, "free pro starter")]),
    ("notification_preferences", "", &[(Nobody, "401"), (Ada, "all"), (Admin, "not new_signal")]),
    ("unread_notifications", "", &[(Nobody, "401"), (Ada, ""), (Admin, "free pro")]),
    ("factor_status", "", &[(Nobody, "401"), (Ada, "off"), (Bob, "pending"), (Admin, "off")]),
    ("admin_audit", "", &[(Nobody, "401"), (Ada, "403"), (Admin, "many")]),
    ("security_events", "", &[(Nobody, "401"), (Ada, "403"), (Admin, "api_key_created producer_created api_key_created")]),
    ("admin_stats", "", &[(Nobody, "401"), (Ada, "403"), (Admin, "7 users, 9 signals this month")]),
    ("analytics", "", &[(Nobody, "401"), (Ada, "403"), (Admin, "7 users, 9 signals this month")]),
    ("own_signals", "", &[(Nobody, "401"), (Ada, "401"), (Argo, "GJIHFEDCBA")]),
    ("find_own_signal", "SIG-70", &[(Nobody, "401"), (Admin, "401"), (Argo, "F")]),
    ("list_producers", "", &[(Nobody, "401"), (Ada, "403"), (Admin, "argo")]),
    ("list_users", "", &[(Nobody, "401"), (Ada, "403"), (Admin, "k543210")]),
    ("find_user", "019469d5-b200-7303-8303-030303030303", &[(Nobody, "401"), (Ada, "403"), (Admin, "user3@example.com")]),
    ("list_roles", "", &[(Nobody, "401"), (Ada, "403"), (Admin, "user admin")]),
    ("security_metrics", "", &[(Nobody, "401"), (Ada, "403"), (Admin, "3")]),
    ("list_api_keys", "", &[(Nobody, "401"), (Pro, ""), (Ada, ""), (Bob, "a script of Bob"), (Admin, "")]),
];

struct Scene {
    world: World,
    tokens: Vec<(Who, String)>,
    ids: Vec<(char, SignalId)>,
}

async fn scene() -> Scene {
    let world = world();
    let tiers = [
        (Free, Tier::Free),
        (Starter, Tier::Starter),
        (Pro, Tier::Pro),
        (Ada, Tier::Elite),
        (Bob, Tier::Elite),
    ];
    let mut tokens: Vec<_> =
        tiers.into_iter().map(|(who, tier)| (who, world.token(tier, Role::User))).collect();
    tokens.push((Admin, world.token(Tier::Free, Role::Admin)));
    let ids = RECORDS.iter().map(|record| (record.0, happened(&world, record))).collect();
    let scene = Scene { world, tokens, ids };
    let key = post("/api/v1/users/api-keys", r#"{"name": "a script of Bob"}"#);
    let bob = scene.token(Bob).unwrap();
    assert_eq!(scene.world.send(key.insert_header(bearer(bob))).await.status, 201);
    scene.world.open_another_session(bob).await;
    let setup = post("/api/v1/2fa/setup", "{}").insert_header(bearer(bob));
    assert_eq!(scene.world.send(setup).await.status, 200);
    scene.bill_admin().await;
    scene.tell_admin().await;
    for who in [Ada, Bob] {
        scene.world.open_session(scene.token(who).unwrap()).await;
    }
    scene
}

/// Stores one record in its own time, so that the next one can be newer.
fn happened(world: &World, record: &Record) -> SignalId {
    let (name, minutes, symbol, action, confidence, strategy, end) = *record;
    let ago = |minutes: i64| {
        let span = Duration::from_secs(60 * u64::try_from(minutes).unwrap());
        alpine_domain::Clock::now(&*world.clock).earlier(span)
    };
    let mut content = signal(u8::try_from(name).unwrap().into(), ago(minutes));
    content.symbol = symbol.parse().unwrap();
    content.action = action.parse().unwrap();
    content.entry_price = "100".parse().unwrap();
    content.target_price = None;
    content.confidence = confidence.parse().unwrap();
    content.strategy = Some(strategy.parse().unwrap());
    let rise = if action == "BUY" { 1 } else { -1 };
    let outcome = end.map(|(minutes, profit)| NewOutcome {
        producer: content.producer,
        external_id: content.external_id.clone(),
        exit_price: (100 + rise * profit).to_string().parse().unwrap(),
        exit_timestamp: ago(minutes).to_string(),
        exited_at: ago(minutes),
        status: None,
        recorded_at: ago(minutes),
    });
    wait(async {
        world.stores.signals.accept(vec![content]).await.unwrap();
        if name == 'E' {
            let horizons = [(strategy.parse().unwrap(), Duration::from_hours(1))];
            let never = Duration::from_hours(24 * 3_650);
            world.stores.signals.expire(ago(DAY), never, &horizons, 10).await.unwrap();
        }
        if let Some(outcome) = outcome {
            world.stores.signals.record_outcome(outcome).await.unwrap();
        }
        let external = format!("SIG-{}", u32::from(name)).parse().unwrap();
        let producer = alpine_domain::producer::ProducerId::new(1);
        world.reader.find_external(producer, &external).await.unwrap().unwrap().id
    })
}

impl Scene {
    /// The administrator is told of three changes of the tier, and has read of the first.
    async fn tell_admin(&self) {
        let admin = self.token(Admin).unwrap();
        let id = admin.split('.').next().unwrap().parse().unwrap();
        let (stores, now) = (&self.world.stores, alpine_domain::Clock::now(&*self.world.clock));
        for tier in [Tier::Starter, Tier::Pro, Tier::Free] {
            stores.accounts.set_tier_and_role(id, tier, Role::Admin, now).await.unwrap();
        }
        stores.notifications.mark_read(id, &[1], now).await.unwrap();
        let choice = (NotificationKind::NewSignal, false);
        stores.notifications.choose(id, vec![choice]).await.unwrap();
    }

    /// The administrator has paid three times.
    async fn bill_admin(&self) {
        let user = self.token(Admin).unwrap().split('.').next().unwrap().parse().unwrap();
        let (billing, now) =
            (&self.world.stores.billing, alpine_domain::Clock::now(&*self.world.clock));
        billing.link(user, "cus_1", now, now).await.unwrap();
        let invoice = |number: i64| ProviderInvoice {
            id: format!("in_{number}"),
            number: None,
            subscription: Some("sub_1".to_owned()),
            status: "paid".to_owned(),
            due_cents: 24_900,
            paid_cents: 24_900,
            refunded_cents: 0,
            is_disputed: false,
            currency: "usd".to_owned(),
            created_at: now.earlier(Duration::from_secs(100 - number.unsigned_abs())),
            paid_at: Some(now),
            url: None,
            pdf: None,
        };
        let subscription = CurrentSubscription {
            id: "sub_1".to_owned(),
            item: "si_1".to_owned(),
            status: SubscriptionStatus::Active,
            tier: None,
            interval: None,
            cents: Some(24_900),
            period_end: now,
            is_ending: false,
            trial_end: None,
        };
        let reading = Reading {
            user,
            number: billing.begin_reading(user).await.unwrap(),
            entitlement: Entitlement {
                problem: Some("a problem of the test".to_owned()),
                ..Entitlement::default()
            },
            subscription: Some(subscription),
            invoices: [3, 2, 1].map(|number| (invoice(number), Some(Tier::Elite))).to_vec(),
            now,
        };
        billing.apply(reading).await.unwrap();
    }

    fn token(&self, who: Who) -> Option<&String> {
        self.tokens.iter().find(|(other, _)| *other == who).map(|(_, token)| token)
    }

    /// A value with the ids in it.
    fn value(&self, text: &str) -> String {
        let Some(name) = text.chars().last().filter(|_| text.starts_with('@')) else {
            return text.to_owned();
        };
        let (_, id) = self.ids.iter().find(|(other, _)| *other == name).unwrap();
        if !text.starts_with("@@") {
            return id.to_string();
        }
        let found = wait(self.world.reader.find(*id)).unwrap().unwrap();
        alpine_domain::page::Cursor { created_at: found.content.created_at, id: *id }.to_string()
    }

    async fn ask(&self, who: Who, path: &str) -> Answer {
        let request = get(path);
        let request = match self.token(who) {
            Some(token) => request.insert_header(bearer(token)),
            None if who == Argo => request.insert_header(("X-API-Key", PRODUCER_KEY)),
            None => request,
        };
        self.world.send(request).await
    }

    /// What the answer says, in short: names of signals, sums of profits, or the status of a problem.
    fn told(&self, route: &str, answer: &Answer) -> String {
        if answer.status != 200 {
            return answer.status.to_string();
        }
        let media_type = answer.header("content-type").split(';').next().unwrap_or_default();
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        match route {
            "docs_file" => media_type.to_owned(),
            "performance_badge" | "equity_curve_picture" => told_in_picture(&text),
            "closed_feed" => {
                let entries = text.split("signal/").skip(1).filter_map(|rest| rest.split_once('/'));
                let name = |(id, _): (&str, &str)| {
                    self.ids.iter().find(|(_, other)| other.to_string() == id).unwrap().0
                };
                entries.map(name).collect()
            }
            "export_signals" => {
                let mut found: Vec<_> = self
                    .ids
                    .iter()
                    .filter_map(|(name, id)| Some((text.find(&id.to_string())?, *name)))
                    .collect();
                found.sort_unstable();
                let names: String = found.into_iter().map(|(_, name)| name).collect();
                format!("{media_type} {names}")
            }
            _ => self.told_in_json(route, &answer.json()),
        }
    }

    fn told_in_json(&self, route: &str, json: &Value) -> String {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let name = |value: &Value| {
            let id = text(value.get("id").or_else(|| value.get("signal_id")).unwrap());
            self.ids.iter().find(|(_, other)| other.to_string() == id).unwrap().0
        };
        match route {
            "performance_stats" => {
                let trades = json["total_trades"].as_u64().unwrap();
                let mean = json["mean_return_pct"].as_f64().unwrap();
                let trades_in_sum = f64::from(u32::try_from(trades).unwrap());
                format!("{trades}: {}", (mean * trades_in_sum).round())
            }
            "equity_curve" => {
                let last = json["points"].as_array().unwrap().last();
                let sum = last.map_or(0.0, |last| last["cumulative_pct"].as_f64().unwrap());
                format!("{}: {sum}", json["points"].as_array().unwrap().len())
            }
            "symbols" => {
                let counts = json["items"].as_array().unwrap().iter();
                let counts =
                    counts.map(|one| format!("{} {}", text(&one["symbol"]), one["closed_signals"]));
                counts.collect::<Vec<_>>().join(" ")
            }
            "problem_kind" => text(&json["slug"]),
            "me" | "profile" | "find_user" => text(&json["email"]),
            "list_users" => {
                let users = json["items"].as_array().unwrap().iter();
                users
                    .map(|user| {
                        text(&user["email"]).trim_start_matches("user").chars().next().unwrap()
                    })
                    .collect()
            }
            "list_channels" => text(&json["items"][0]["state"]),
            "own_plan" => {
                let subscription = json["stripe_subscription_id"].as_str().unwrap_or("none");
                format!("{} {subscription}", text(&json["tier"]))
            }
            "list_invoices" => {
                let ids = json["items"].as_array().unwrap().iter().map(|it| text(&it["id"]));
                ids.collect::<Vec<_>>().join(" ")
            }
            "revenue" => format!("{} in total", json["total_revenue"].as_f64().unwrap()),
            "admin_billing" => {
                json["items"].as_array().unwrap().iter().map(|it| text(&it["problem"])).collect()
            }
            "export_person" => text(&json["profile"]["email"]),
            "list_sessions" => {
                let sessions = json["items"].as_array().unwrap().iter();
                let place = |here: bool| if here { "here" } else { "elsewhere" };
                let places = sessions.map(|session| place(session["current"].as_bool().unwrap()));
                places.collect::<Vec<_>>().join(" ")
            }
            "list_api_keys" => {
                json["items"].as_array().unwrap().iter().map(|key| text(&key["name"])).collect()
            }
            "factor_status" => {
                let state = if json["pending_until"].is_null() { "off" } else { "pending" };
                state.to_owned()
            }
            "notification_preferences" => {
                let is_told = json["new_signal"].as_bool().unwrap();
                if is_told { "all".to_owned() } else { "not new_signal".to_owned() }
            }
            "list_notifications" | "unread_notifications" => {
                // The tier that each one tells of.
                let told = json["items"].as_array().unwrap().iter();
                let message = |one: &Value| text(&one["message"]);
                let tiers =
                    told.filter_map(|one| message(one).split(' ').nth(6).map(str::to_owned));
                tiers.collect::<Vec<_>>().join(" ")
            }
            "find_signal" | "find_own_signal" | "verify_signal" => name(json).to_string(),
            "list_producers" => {
                json["items"].as_array().unwrap().iter().map(|one| text(&one["name"])).collect()
            }
            "list_roles" => {
                let roles = json["items"].as_array().unwrap().iter();
                roles.map(|role| text(&role["role"])).collect::<Vec<_>>().join(" ")
            }
            "analytics" | "admin_stats" => format!(
                "{} users, {} signals this month",
                json["total_users"], json["signals_this_month"]
            ),
            "security_metrics" => json["successful_logins"].to_string(),
            "admin_audit" | "security_events" => {
                let lines = json["items"].as_array().unwrap();
                let actions: Vec<_> = lines.iter().map(|line| text(&line["action"])).collect();
                if actions.len() > 5 { "many".to_owned() } else { actions.join(" ") }
            }
            _ => {
                let list = json.get("items").or_else(|| json.get("signals")).unwrap_or(json);
                list.as_array().unwrap().iter().map(name).collect()
            }
        }
    }

    /// Empties the cache, and the counts of requests, which are more than the limits admit.
    fn forget(&self) {
        self.world.cache.restart(&[]);
        self.uncount();
    }

    fn uncount(&self) {
        self.world.limiter.0.lock().unwrap().clear();
    }
}

/// How many trades a picture tells of, and its colours.
fn told_in_picture(text: &str) -> String {
    let title = text.split("<title>").nth(1).unwrap().split("</title>").next().unwrap();
    let words: Vec<&str> = title.split(' ').collect();
    let counted = words.iter().position(|word| matches!(*word, "closed" | "trades"));
    // Of how many stands between.
    let before = |end: usize| if words[end - 2] == "of" { words[end - 3] } else { words[end - 1] };
    let trades = counted.map(before).filter(|trades| trades.parse::<u64>().is_ok());
    let theme = match (text.contains("prefers-color-scheme"), text.contains("#0d1117")) {
        (true, _) => "auto",
        (false, true) => "dark",
        (false, false) => "light",
    };
    trades.map_or_else(|| format!("none {theme}"), |trades| format!("{trades} closed {theme}"))
}

fn reads() -> Vec<Endpoint> {
    let table = routes::table(&HttpSettings::default()).into_iter().map(|route| route.endpoint);
    table.filter(|endpoint| endpoint.method == Method::GET).collect()
}

fn is_in_path(parameter: &str) -> bool {
    parameter.starts_with('{')
}

/// Every parameter of the route: those of its path, in braces, and those of its query.
fn parameters(endpoint: &Endpoint) -> Vec<String> {
    let path = endpoint.path.split('/').filter(|part| is_in_path(part)).map(ToOwned::to_owned);
    let query = endpoint.doc.map_or_else(Vec::new, |doc| doc().parameters);
    path.chain(query.into_iter().map(|parameter| parameter.name.to_owned())).collect()
}

fn path(endpoint: &Endpoint, parameter: &str, value: &str) -> String {
    let path = endpoint.canonical_path();
    match (is_in_path(parameter), value) {
        (true, _) => path.replace(parameter, value),
        (false, "") => path,
        (false, _) => format!("{path}?{parameter}={value}"),
    }
}

/// The parameter of its path that a value stands for.
fn in_path(endpoint: &Endpoint, value: &str) -> String {
    let parameter = parameters(endpoint).into_iter().find(|name| is_in_path(name));
    parameter.filter(|_| !value.is_empty()).unwrap_or_default()
}

fn endpoint(name: &str) -> Endpoint {
    let found = reads().into_iter().find(|endpoint| endpoint.name == name);
    found.unwrap_or_else(|| panic!("{name}: there is no such GET route"))
}

#[test]
fn every_parameter_and_every_restricted_route_has_its_row() {
    let known: BTreeSet<_> =
        ROWS.iter().map(|(route, name, _)| format!("{route} {name}")).collect();
    let described: BTreeSet<_> = reads()
        .iter()
        .flat_map(|endpoint| {
            parameters(endpoint).into_iter().map(|name| format!("{} {name}", endpoint.name))
        })
        .collect();
    assert_eq!(known, described, "ROWS are on the left, the route table is on the right");

    let known: BTreeSet<_> = CALLERS.iter().map(|(route, ..)| *route).collect();
    let restricted: BTreeSet<_> = reads()
        .iter()
        .filter(|endpoint| endpoint.access != Access::Public)
        .map(|endpoint| endpoint.name)
        .collect();
    assert_eq!(known, restricted, "CALLERS are on the left, the route table is on the right");
}

#[actix_web::test]
async fn another_value_gets_another_answer_from_the_cache_too() {
    let scene = scene().await;
    for (route, parameter, cases) in ROWS {
        let endpoint = endpoint(route);
        let who = if endpoint.access == Access::Producer { Argo } else { Admin };
        let is_cached = endpoint.doc.is_some_and(|doc| doc().extras.contains(&Extra::Validator));
        let answers: BTreeSet<_> = cases.iter().map(|(_, expected)| expected).collect();
        assert!(answers.len() > 1, "{route} {parameter}: all values get the same answer");
        let mut bodies = Vec::new();
        scene.forget();
        for round in ["MISS", "HIT"] {
            for (value, expected) in *cases {
                let path = path(&endpoint, parameter, &scene.value(value));
                let answer = scene.ask(who, &path).await;
                assert_eq!(scene.told(route, &answer), *expected, "{round} of {path}");
                if is_cached {
                    assert_eq!(answer.header("x-cache"), round, "{path}");
                }
                // A problem names its request, so no two are equal.
                bodies.push(if answer.status == 200 { answer.body } else { Bytes::new() });
            }
        }
        let (loaded, cached) = bodies.split_at(cases.len());
        assert_eq!(loaded, cached, "{route} {parameter}");
        for ((value, _), body) in cases.iter().zip(loaded).filter(|(_, body)| !body.is_empty()) {
            scene.forget();
            let path = path(&endpoint, parameter, &scene.value(value));
            assert_eq!(scene.ask(who, &path).await.body, *body, "{path} with an empty cache");
        }
    }
}

#[actix_web::test]
async fn another_caller_gets_their_own_answer_from_the_cache_too() {
    let scene = scene().await;
    for (route, value, cases) in CALLERS {
        let endpoint = endpoint(route);
        let path = path(&endpoint, &in_path(&endpoint, value), &scene.value(value));
        let answers: BTreeSet<_> = cases.iter().map(|(_, expected)| expected).collect();
        assert!(answers.len() > 1, "{path}: all callers get the same answer");
        scene.forget();
        for round in ["first", "second"] {
            for (who, expected) in *cases {
                let answer = scene.ask(*who, &path).await;
                assert_eq!(scene.told(route, &answer), *expected, "{round} {who:?} {path}");
            }
        }
        for (who, expected) in cases.iter().rev() {
            scene.forget();
            let answer = scene.ask(*who, &path).await;
            assert_eq!(scene.told(route, &answer), *expected, "{who:?} {path}, empty cache");
        }
    }
}

#[actix_web::test]
async fn another_route_gets_its_own_answer_from_the_cache_too() {
    let scene = scene().await;
    for _round in ["loaded", "cached"] {
        for (route, value, cases) in CALLERS {
            let endpoint = endpoint(route);
            let path = path(&endpoint, &in_path(&endpoint, value), &scene.value(value));
            scene.uncount();
            for (who, expected) in *cases {
                let answer = scene.ask(*who, &path).await;
                assert_eq!(scene.told(route, &answer), *expected, "{who:?} {path}");
            }
        }
    }
}
