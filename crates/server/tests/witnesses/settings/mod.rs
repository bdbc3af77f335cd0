//! Every key of `config/default.toml` has another value with which something else is seen.

mod accounts;
pub mod billing;
mod cache;
pub mod channels;
mod database;
pub mod http;
mod limits;
mod process;
mod readers;
mod redis;
pub mod signals;

use std::{collections::BTreeSet, path::Path};

use crate::row::{Row, check};

/// Settings whose witness is a test elsewhere: the key, the file below `crates`, the test.
#[rustfmt::skip]
const ELSEWHERE: &[(&str, &str, &str)] = &[
    ("allow_without_redis", "server/src/config/tests.rs", "several_instances_want_redis_and_postgres"),
    ("billing.monthly_prices.elite", "server/tests/e2e/stripe/mod.rs", "another_tier_is_paid_at_once_and_a_declined_card_changes_nothing"),
    ("billing.monthly_prices.pro", "server/tests/e2e/stripe/mod.rs", "a_subscriber_pays_sees_cancels_and_sees_no_more"),
    ("billing.monthly_prices.starter", "server/tests/e2e/stripe/mod.rs", "another_tier_is_paid_at_once_and_a_declined_card_changes_nothing"),
    ("billing.older_prices", "server/src/application/payments.rs", "what_is_sold_is_what_is_configured"),
    ("billing.stripe_url", "server/tests/e2e/stripe/mod.rs", "a_subscriber_pays_sees_cancels_and_sees_no_more"),
    ("billing.timeout", "server/tests/e2e/stripe/mod.rs", "a_stripe_that_hangs_or_fails_changes_nobody"),
    ("billing.webhook_secrets", "server/tests/e2e/stripe/mod.rs", "secrets_rotate_and_keys_of_clients_hold"),
    ("billing.yearly_prices.elite", "server/src/application/payments.rs", "what_is_sold_is_what_is_configured"),
    ("billing.yearly_prices.pro", "server/tests/e2e/stripe/mod.rs", "another_tier_is_paid_at_once_and_a_declined_card_changes_nothing"),
    ("billing.yearly_prices.starter", "server/src/application/payments.rs", "what_is_sold_is_what_is_configured"),
    ("channels.invite_ttl", "server/tests/e2e/telegram/mod.rs", "a_member_is_invited_comes_in_and_is_taken_out_with_the_tier"),
    ("clock.hold", "server/tests/e2e/clock.rs", "a_difference_that_holds_is_followed_where_it_is_the_reference"),
    ("database.connect_timeout", "persistence/src/connection/url.rs", "settings_become_parameters_and_the_writable_host_is_asked_for"),
    ("database.max_lifetime", "persistence/src/pool.rs", "a_connection_is_replaced_when_it_is_old"),
    ("database.migrate_on_start", "server/tests/witnesses/settings/database.rs", "an_old_schema_is_brought_up_to_date_only_where_the_operator_wishes"),
    ("database.migration_wait", "persistence/tests/contract/migrations.rs", "a_migrator_that_never_ends_is_not_waited_for_for_ever"),
    ("database.network_timeout", "persistence/src/connection/url.rs", "settings_become_parameters_and_the_writable_host_is_asked_for"),
    ("discord.api_url", "server/tests/e2e/discord/mod.rs", "a_member_connects_and_roles_follow_the_tier"),
    ("discord.bot_token", "server/tests/e2e/discord/mod.rs", "a_member_connects_and_roles_follow_the_tier"),
    ("discord.client_id", "server/tests/e2e/discord/mod.rs", "a_member_connects_and_roles_follow_the_tier"),
    ("discord.client_secret", "server/tests/e2e/discord/mod.rs", "a_member_connects_and_roles_follow_the_tier"),
    ("discord.guild", "server/tests/e2e/discord/mod.rs", "a_member_connects_and_roles_follow_the_tier"),
    ("discord.redirect_url", "server/tests/e2e/discord/mod.rs", "a_member_connects_and_roles_follow_the_tier"),
    ("discord.roles.elite", "server/tests/e2e/discord/mod.rs", "a_member_connects_and_roles_follow_the_tier"),
    ("discord.roles.pro", "server/tests/e2e/discord/mod.rs", "a_member_connects_and_roles_follow_the_tier"),
    ("discord.roles.starter", "server/tests/e2e/discord/mod.rs", "a_member_connects_and_roles_follow_the_tier"),
    ("discord.timeout", "server/tests/e2e/discord/mod.rs", "a_discord_that_fails_hangs_or_limits_is_asked_again"),
    ("events.retention", "server/tests/witnesses/tasks.rs", "each_task_does_something"),
    ("events.step_deadline", "infra/tests/suite/events.rs", "a_read_that_hangs_is_given_up"),
    ("http.max_exports_per_account", "server/tests/e2e/exports.rs", "who_stops_reading_in_the_middle_is_disconnected_and_leaves_nothing"),
    ("jobs.concurrent", "server/src/application/jobs.rs", "as_many_are_done_at_once_as_is_set"),
    ("jobs.deadline", "server/src/application/jobs.rs", "one_that_hangs_panics_or_fails_delays_no_other"),
    ("mail.timeout", "infra/tests/suite/mail.rs", "a_server_that_hangs_is_given_up"),
    ("telegram.api_url", "server/tests/e2e/telegram/mod.rs", "a_member_is_invited_comes_in_and_is_taken_out_with_the_tier"),
    ("telegram.channels.elite", "server/tests/e2e/telegram/mod.rs", "a_member_is_invited_comes_in_and_is_taken_out_with_the_tier"),
    ("telegram.channels.pro", "server/tests/e2e/telegram/mod.rs", "a_member_is_invited_comes_in_and_is_taken_out_with_the_tier"),
    ("telegram.channels.starter", "server/tests/e2e/telegram/mod.rs", "whoever_leaves_may_ask_for_another_link"),
    ("telegram.timeout", "server/tests/e2e/telegram/mod.rs", "a_telegram_that_fails_hangs_or_limits_is_asked_again"),
    ("telegram.webhook_secret", "server/tests/e2e/telegram/mod.rs", "what_telegram_did_not_send_is_refused_and_has_no_effect"),
    ("logging.format", "server/tests/e2e/connections.rs", "malformed_heads_are_counted_and_summarised_but_not_logged_one_by_one"),
    ("logging.summary_interval", "server/tests/e2e/connections.rs", "malformed_heads_are_counted_and_summarised_but_not_logged_one_by_one"),
];

/// Settings that change nothing but the time that something takes.
const UNSEEN: &[(&str, &str)] =
    &[("tokens.verified_cache", "a token that is remembered is verified as any other, sooner")];

#[tokio::test(flavor = "multi_thread")]
async fn each_setting_of_accounts_changes_something() {
    check(accounts::rows()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_setting_of_payments_changes_something() {
    check(billing::rows()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_setting_of_channels_changes_something() {
    check(channels::rows()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_setting_of_the_cache_changes_something() {
    check(cache::rows()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_setting_of_the_database_changes_something() {
    check(database::rows()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_setting_of_connections_and_requests_changes_something() {
    check(http::rows()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_setting_of_limits_changes_something() {
    check(limits::rows()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_setting_of_readers_changes_something() {
    check(readers::rows()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_setting_of_redis_changes_something() {
    check(redis::rows()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_setting_of_signals_and_the_log_changes_something() {
    check(signals::rows()).await;
}

/// Every key of the default file; a table whose keys the operator chooses is one.
fn keys_of_the_default_file() -> BTreeSet<String> {
    fn collect(prefix: &str, table: &toml::Table, keys: &mut BTreeSet<String>) {
        for (name, value) in table {
            let key = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
            match value {
                toml::Value::Table(table) if !table.is_empty() => collect(&key, table, keys),
                _ => assert!(keys.insert(key)),
            }
        }
    }
    let text = include_str!("../../../../../config/default.toml");
    let mut keys = BTreeSet::new();
    collect("", &text.parse().unwrap(), &mut keys);
    keys
}

#[test]
fn every_setting_has_a_witness_and_every_witness_a_setting() {
    let keys = keys_of_the_default_file();
    let rows: Vec<Row> = [
        accounts::rows(),
        billing::rows(),
        cache::rows(),
        channels::rows(),
        database::rows(),
        http::rows(),
        limits::rows(),
        readers::rows(),
        redis::rows(),
        signals::rows(),
    ]
    .into_iter()
    .flatten()
    .collect();
    // The operator's own key in a table of such keys stands for the table.
    let key_of = |row: &Row| match row.key.rsplit_once('.') {
        Some((table, _)) if keys.contains(table) => table.to_owned(),
        _ => row.key.clone(),
    };
    let mut witnessed: BTreeSet<String> = rows.iter().map(key_of).collect();
    witnessed.extend(process::KEYS.iter().map(|key| (*key).to_owned()));
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for (key, file, test) in ELSEWHERE {
        let text = std::fs::read_to_string(crates.join(file)).unwrap_or_default();
        assert!(text.contains(&format!("fn {test}(")), "`{key}`: {file} has no test {test}");
        assert!(witnessed.insert((*key).to_owned()), "`{key}` has a witness here as well");
    }
    witnessed.extend(UNSEEN.iter().map(|(key, _)| (*key).to_owned()));
    let missing: Vec<_> = keys.difference(&witnessed).collect();
    assert!(missing.is_empty(), "nothing shows what these settings do: {missing:?}");
    let unknown: Vec<_> = witnessed.difference(&keys).collect();
    assert!(unknown.is_empty(), "config/default.toml lacks {unknown:?}");
}
