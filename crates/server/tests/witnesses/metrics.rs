//! Every metric of the program, what moves it and by how much.

use std::{collections::BTreeSet, panic::AssertUnwindSafe, path::Path, time::Duration};

use alpine_domain::{
    account::{Role, Tier},
    ports::{
        cache::{CacheKey, CachePolicy, Loaded, Loader, Scope},
        secrets::HashPriority,
    },
};
use diesel::connection::SimpleConnection as _;
use futures_util::{
    FutureExt as _, StreamExt as _,
    future::{LocalBoxFuture, join_all},
    stream,
};
use serde_json::json;
use tokio::time::sleep;

use crate::{
    settings::signals::{SUMMED, three_of_two_days, two_revoked_keys},
    stage::{On, PATIENCE, Stage, within},
    support::Client,
    tasks::sources,
};

/// By how much a metric moves.
#[derive(Debug, Clone, Copy)]
enum By {
    Exactly(f64),
    /// By something.
    More,
    /// It was moved before anybody could ask, and is this now.
    Becomes(f64),
    /// The same, and is some value above 0.
    BecomesSome,
}
use By::{Becomes, BecomesSome, Exactly, More};

/// Does what moves a metric. Says what it is meanwhile, if it goes back afterwards.
type Act = for<'a> fn(&'a Stage) -> LocalBoxFuture<'a, Option<f64>>;

struct Row {
    name: &'static str,
    /// In the series that count.
    label: &'static str,
    by: By,
    on: On,
    besides: &'static [(&'static str, &'static str)],
    act: Act,
}

fn metric(name: &'static str, label: &'static str, by: By, act: Act) -> Row {
    Row { name, label, by, on: On::Sqlite, besides: &[], act }
}

impl Row {
    fn on(self, on: On) -> Self {
        Self { on, ..self }
    }

    fn besides(self, besides: &'static [(&'static str, &'static str)]) -> Self {
        Self { besides, ..self }
    }

    async fn check(&self) -> Result<(), String> {
        let Self { name, label, by, on, besides, act } = self;
        let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
        let settings: Vec<_> = besides.iter().map(owned).collect();
        let Some(at) = Stage::start(name, *on, &settings).await else { return Ok(()) };
        let before = at.metric(name, label).await;
        let after = match act(&at).await {
            Some(meanwhile) => meanwhile,
            None => at.metric(name, label).await,
        };
        let moved = after - before;
        let is_right = match by {
            Exactly(wanted) => (moved - wanted).abs() < 1e-9,
            More => moved > 0.0,
            Becomes(wanted) => (after - wanted).abs() < 1e-9,
            BecomesSome => after > 0.0,
        };
        if is_right { Ok(()) } else { Err(format!("{name}: {before}, then {after}, not {by:?}")) }
    }
}

/// Metrics whose witness is a test elsewhere: the name, the file below `crates`, the test.
#[rustfmt::skip]
const ELSEWHERE: &[(&str, &str, &str)] = &[
    ("clock_steps_total", "server/tests/e2e/clock.rs", "a_difference_that_holds_is_followed_where_it_is_the_reference"),
    ("clock_difference_seconds", "server/tests/witnesses/tasks.rs", "notices_a_step"),
    ("db_connections_active", "persistence/tests/contract/pool.rs", "usage_and_durations_are_measured"),
    ("db_connections_idle", "persistence/tests/contract/pool.rs", "usage_and_durations_are_measured"),
    ("db_unreadable_rows_total", "persistence/tests/contract/late_outcomes.rs", "a_late_outcome_that_cannot_be_read_is_left_out_and_counted"),
    ("token_blacklist_age_seconds", "server/tests/witnesses/tasks.rs", "measures_freshness"),
    ("http_connection_errors_total", "server/tests/e2e/connections.rs", "malformed_heads_are_counted_and_summarised_but_not_logged_one_by_one"),
    ("http_connections_refused_total", "server/tests/e2e/connections.rs", "an_address_has_a_bounded_number_of_connections"),
    ("http_exports_broken_off_total", "http/src/tests/signals.rs", "a_file_that_cannot_be_finished_says_so"),
    ("http_exports_open", "server/tests/e2e/exports.rs", "who_stops_reading_in_the_middle_is_disconnected_and_leaves_nothing"),
    ("http_slow_readers_disconnected_total", "server/tests/e2e/connections.rs", "clients_that_do_not_read_are_disconnected_and_cost_little_while_liveness_answers"),
    ("log_lines_dropped_total", "server/tests/witnesses/settings/process.rs", "a_small_buffer_loses_lines_of_a_burst"),
    ("log_lines_left_out_total", "server/tests/witnesses/settings/process.rs", "one_place_writes_as_many_lines_as_it_may"),
    ("redis_cache_bytes_total", "infra/tests/suite/memory.rs", "bodies_stay_within_their_budget_and_popular_ones_are_shared_whatever_else_is_asked"),
    ("redis_forgeries_total", "infra/tests/suite/authenticity.rs", "invariant_17_a_forged_revocation_is_not_believed"),
];

#[tokio::test(flavor = "multi_thread")]
async fn each_metric_is_moved_by_what_it_counts() {
    let checks = rows().into_iter().map(|row| async move {
        let checked = AssertUnwindSafe(row.check()).catch_unwind().await;
        checked.unwrap_or_else(|_| Err(format!("{}: its witness panics", row.name))).err()
    });
    let wrong: Vec<_> = stream::iter(checks).buffer_unordered(6).collect().await;
    let wrong: Vec<_> = wrong.into_iter().flatten().collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn rows() -> Vec<Row> {
    let mut rows = requests();
    rows.extend(cache());
    rows.extend(limits());
    rows.extend(accounts());
    rows.extend(records());
    rows.extend(jobs());
    rows.extend(redis());
    rows
}

fn requests() -> Vec<Row> {
    let ask: Act = |at| {
        Box::pin(async move {
            at.get("/api/v1/symbols").await;
            None
        })
    };
    vec![
        metric("api_requests_total", "\"2xx\"", Exactly(2.0), |at| {
            Box::pin(async move {
                at.get("/api/v1/symbols").await;
                // And the request that was made to read the metric before.
                None
            })
        }),
        metric("api_request_duration_seconds_count", "symbols", Exactly(1.0), ask),
        metric("db_query_duration_seconds_count", "\"witness\"", Exactly(1.0), |at| {
            Box::pin(async move {
                at.app.core.database.read("witness", |_| Ok(())).await.unwrap();
                None
            })
        }),
    ]
}

fn load(at: &Stage, n: u8, bytes: usize) -> impl Future<Output = ()> {
    let key = CacheKey { route: "witness", scope: Scope::Public, parameters: n.to_string() };
    let policy = CachePolicy { ttl: PATIENCE * 100, grace: Duration::ZERO, tags: Vec::new() };
    let load: Loader = std::sync::Arc::new(move || {
        let body = vec![b'a'; bytes].into();
        Box::pin(async move { Ok(Loaded { body, headers: Vec::new(), expires_at: None }) })
    });
    let cache = at.app.core.ports.cache.clone();
    async move {
        cache.get_or_load(key, &policy, load).await.unwrap();
    }
}

/// One body is looked up twice.
fn twice(at: &Stage) -> LocalBoxFuture<'_, Option<f64>> {
    Box::pin(async move {
        load(at, 1, 1_000).await;
        load(at, 1, 1_000).await;
        None
    })
}

fn cache() -> Vec<Row> {
    vec![
        metric("redis_cache_hits_total", "\"memory\"", Exactly(1.0), twice),
        metric("redis_cache_misses_total", "\"memory\"", Exactly(1.0), twice),
        metric("redis_cache_operations_total", "\"load\"", Exactly(1.0), twice),
        metric("cache_entries", "", Exactly(1.0), twice),
        metric("cache_bytes", "", More, twice),
    ]
}

const LIMITED: &[(&str, &str)] =
    &[("rate_limits.enabled", "true"), ("rate_limits.anonymous.per_minute", "1")];

/// One request is admitted and one refused.
fn one_too_many(at: &Stage) -> LocalBoxFuture<'_, Option<f64>> {
    Box::pin(async move {
        at.app.client().get("symbols").await.expect(200);
        at.app.client().get("symbols").await.expect(429);
        None
    })
}

fn limits() -> Vec<Row> {
    vec![
        metric("rate_limit_requests_total", "\"allowed\"", Exactly(1.0), one_too_many)
            .besides(LIMITED),
        metric("rate_limit_exceeded_total", "\"anonymous\"", Exactly(1.0), one_too_many)
            .besides(LIMITED),
        metric("rate_limit_evicted_total", "", More, |at| {
            Box::pin(async move {
                for n in 0..40 {
                    let address = format!("192.0.2.{n}");
                    crate::settings::http::status_from(&at.app.client(), &address).await;
                }
                None
            })
        })
        .besides(&[
            ("rate_limits.enabled", "true"),
            ("rate_limits.capacity", "1"),
            ("http.trusted_proxies", "127.0.0.1"),
        ]),
    ]
}

fn accounts() -> Vec<Row> {
    let sign_out: Act = |at| {
        Box::pin(async move {
            for n in 0..2 {
                let client = at.member(&format!("{n}@example.com"), Tier::Pro, Role::User).await;
                client.post("auth/logout", &json!({})).await;
            }
            None
        })
    };
    vec![
        metric("token_blacklist_entries", "", Exactly(2.0), sign_out),
        metric("token_blacklist_overflows_total", "", More, sign_out)
            .besides(&[("blacklist.capacity", "1")]),
        metric("password_hashes_waiting", "", More, |at| {
            Box::pin(async move {
                let hasher = &at.app.core.ports.hasher;
                let hashes = (0..40).map(|_| hasher.hash(Client::PASSWORD, HashPriority::Known));
                let waiting = at.metric("password_hashes_waiting", "");
                let (hashes, waiting) = tokio::join!(join_all(hashes), waiting);
                assert!(hashes.iter().all(Result::is_ok));
                Some(waiting)
            })
        })
        .besides(&[("passwords.concurrent", "1")]),
    ]
}

fn records() -> Vec<Row> {
    const OFTEN: &[(&str, &str)] = &[
        ("signals.expiry_interval", "20ms"),
        ("signals.expires_after", "1d"),
        ("signals.max_expired_per_run", "2"),
    ];
    let expire: Act = |at| {
        Box::pin(async move {
            three_of_two_days(at).await;
            at.comes_to("signals_expired_total", "", 3.0).await;
            None
        })
    };
    vec![
        metric("signals_expired_total", "", Exactly(3.0), expire).on(On::MovedClock).besides(OFTEN),
        metric(SUMMED, "", Exactly(3.0), |at| {
            Box::pin(async move {
                three_of_two_days(at).await;
                at.comes_to(SUMMED, "", 3.0).await;
                None
            })
        })
        .on(On::MovedClock)
        .besides(&[("record.seal_interval", "20ms")]),
        metric("signal_expiry_bounds_reached_total", "", Exactly(1.0), expire)
            .on(On::MovedClock)
            .besides(OFTEN),
        metric("signal_expiry_skipped_total", "", More, |at| {
            Box::pin(async move {
                at.comes_to("signal_expiry_skipped_total", "", 5.0).await;
                None
            })
        })
        .besides(&[("signals.expiry_interval", "100ms")]),
        metric("retention_deleted_rows_total", "\"api_keys\"", Exactly(2.0), |at| {
            Box::pin(async move {
                two_revoked_keys(at).await;
                at.comes_to("retention_deleted_rows_total", "\"api_keys\"", 2.0).await;
                None
            })
        })
        .on(On::MovedClock)
        .besides(&[("retention.interval", "20ms"), ("retention.api_keys_after", "1d")]),
        metric("event_log_position", "", Exactly(2.0), |at| {
            Box::pin(async move {
                let key = at.app.producer("argo").await;
                at.publish(&at.app.client().with_key(&key), "shown", &["60"]).await;
                at.comes_to("event_log_position", "", 2.0).await;
                None
            })
        }),
        metric("event_log_lag_seconds", "", BecomesSome, |at| {
            Box::pin(async move {
                at.comes_to("event_log_lag_seconds", "", f64::MIN_POSITIVE).await;
                None
            })
        }),
        metric("event_log_resets_total", "", Exactly(1.0), |at| {
            Box::pin(async move {
                at.app.producer("argo").await;
                assert!(at.comes_to("event_log_position", "", 1.0).await);
                let forget = |unit: &mut alpine_persistence::Unit<'_>| {
                    unit.conn.batch_execute("DELETE FROM events")?;
                    Ok(())
                };
                at.app.core.database.write("forget", forget).await.unwrap();
                at.comes_to("event_log_resets_total", "", 1.0).await;
                None
            })
        }),
        metric("clock_agreed", "", Exactly(1.0), |at| {
            Box::pin(async move {
                at.comes_to("clock_agreed", "", 1.0).await;
                None
            })
        })
        .besides(&[("clock.settle", "500ms")]),
    ]
}

fn jobs() -> Vec<Row> {
    const LOOK_OFTEN: &[(&str, &str)] = &[("jobs.interval", "20ms")];
    vec![
        metric("jobs_done_total", "\"done\"", Exactly(2.0), |at| {
            Box::pin(async move {
                for _ in 0..2 {
                    at.job(Duration::ZERO).await;
                }
                at.comes_to("jobs_done_total", "\"done\"", 2.0).await;
                None
            })
        }),
        metric("jobs_pending", "", Exactly(3.0), |at| {
            Box::pin(async move {
                for _ in 0..3 {
                    at.job(Duration::from_hours(1)).await;
                }
                at.comes_to("jobs_pending", "", 3.0).await;
                None
            })
        })
        .besides(LOOK_OFTEN),
        metric("jobs_failed", "", Exactly(1.0), |at| {
            Box::pin(async move {
                at.broken_job().await;
                at.comes_to("jobs_failed", "", 1.0).await;
                None
            })
        })
        .besides(LOOK_OFTEN),
    ]
}

fn redis() -> Vec<Row> {
    const USED: &[(&str, &str)] =
        &[("redis.url", "{redis}"), ("redis.deadline", "300ms"), ("redis.check_interval", "300ms")];
    // Requests find out that it is gone, since nothing else asks.
    const ASKED: &[(&str, &str)] =
        &[("redis.url", "{redis}"), ("redis.deadline", "300ms"), ("redis.check_interval", "1h")];
    const LIMITED: &[(&str, &str)] =
        &[("redis.url", "{redis}"), ("redis.deadline", "1s"), ("rate_limits.enabled", "true")];
    let used: Act = |at| {
        Box::pin(async move {
            assert!(at.comes_to("redis_connected", "", 1.0).await);
            None
        })
    };
    vec![
        metric("redis_connected", "", Becomes(1.0), used).besides(USED),
        metric("redis_transitions_total", "\"up\"", Becomes(1.0), used).besides(USED),
        metric("redis_breaker_state", "", BecomesSome, |at| {
            Box::pin(async move {
                lose_redis(at).await;
                None
            })
        })
        .besides(USED),
        metric("redis_memory_usage_bytes", "", BecomesSome, |at| {
            Box::pin(async move {
                at.comes_to("redis_memory_usage_bytes", "", 1.0).await;
                None
            })
        })
        .besides(USED),
        metric("redis_failures_total", "", More, |at| {
            Box::pin(async move {
                lose_redis(at).await;
                None
            })
        })
        .besides(ASKED),
        metric("redis_suspicions_total", "", More, |at| {
            Box::pin(async move {
                lose_redis(at).await;
                None
            })
        })
        .besides(ASKED),
        metric("rate_limit_fallbacks_total", "", More, |at| {
            Box::pin(async move {
                lose_redis(at).await;
                at.app.client().get("symbols").await.expect(200);
                None
            })
        })
        .besides(LIMITED),
        metric("rate_limit_lease_waste_total", "\"anonymous\"", More, |at| {
            Box::pin(async move {
                assert!(at.comes_to("redis_connected", "", 1.0).await);
                // Whoever asks often is lent more than is used within the second; on a busy machine many at once ask often.
                let client = at.app.client();
                for _ in 0..8 {
                    let asked = async || client.get("symbols").await.expect(200);
                    futures_util::future::join_all((0..20).map(|_| asked())).await;
                }
                sleep(Duration::from_millis(1_200)).await;
                at.app.client().get("symbols").await.expect(200);
                None
            })
        })
        .besides(&[
            ("redis.url", "{redis}"),
            ("redis.deadline", "1s"),
            ("rate_limits.enabled", "true"),
            ("rate_limits.anonymous.per_minute", "10000"),
            ("rate_limits.anonymous.per_hour", "0"),
        ]),
    ]
    .into_iter()
    .map(|row| row.on(On::Redis))
    .collect()
}

/// Redis was in use and is cut off while requests use it.
async fn lose_redis(at: &Stage) {
    assert!(at.comes_to("redis_connected", "", 1.0).await);
    let proxy = at.proxy.as_ref().unwrap();
    proxy.refuse();
    proxy.cut();
    let gone = async || {
        at.app.client().get("symbols").await;
        load(at, 1, 1_000).await;
        at.metric("redis_connected", "").await < 1.0
    };
    assert!(within(3 * PATIENCE, gone).await);
}

/// The names in the source: a name, a comma and the help that begins with a capital.
fn names_in_the_source() -> BTreeSet<String> {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut names = BTreeSet::new();
    for name in ["domain", "http", "infra", "persistence", "server"] {
        for path in sources(&crates.join(name).join("src")) {
            let text = std::fs::read_to_string(&path).unwrap();
            if !text.contains("prometheus") {
                continue;
            }
            let code = text.split("#[cfg(test)]").next().unwrap();
            let parts: Vec<&str> = code.split('"').collect();
            for three in parts.windows(3) {
                let is_name = three[0].contains('_')
                    && three[0].bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
                let is_help = three[1].trim() == ","
                    && three[2].starts_with(|first: char| {
                        first.is_ascii_uppercase() || first == '1' || first == '0'
                    });
                if is_name && is_help {
                    names.insert(three[0].to_owned());
                }
            }
        }
    }
    names
}

#[tokio::test]
async fn every_metric_has_a_witness_and_every_witness_a_metric() {
    let names = names_in_the_source();
    let name_of = |row: &Row| row.name.trim_end_matches("_count").to_owned();
    let mut witnessed: BTreeSet<String> = rows().iter().map(name_of).collect();
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for (name, file, test) in ELSEWHERE {
        let text = std::fs::read_to_string(crates.join(file)).unwrap();
        assert!(text.contains(&format!("fn {test}(")), "{name}: {file} has no test {test}");
        assert!(witnessed.insert((*name).to_owned()), "{name} has a witness here as well");
    }
    assert_eq!(names, witnessed);

    // The source says what is there, and only that is there.
    let at = Stage::start("names", On::Sqlite, &[]).await.unwrap();
    at.get("/api/v1/symbols").await;
    let text = at.app.client().get("/metrics").await.text;
    let shown = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next());
    let unknown: Vec<_> = shown.filter(|name| !names.contains(*name)).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
}
