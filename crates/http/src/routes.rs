//! The whole route table. Who may call, how often and with how much is told here and nowhere else.

use std::future::Future;

use actix_web::{HttpResponse, http::Method};
use alpine_domain::account::Scope::{self, Export, Read};

use crate::{
    api::{
        account, admin, billing, channels, notifications, operations, plans, producers, signals,
        statistics,
    },
    context::Context,
    doc::Doc,
    endpoint::{
        Access::{self, Admin, Bearer, BearerOrKey, Optional, Producer, Public},
        Limit,
    },
    problem::Result,
    route::Route,
    settings::HttpSettings,
};

const GET: Method = Method::GET;
const POST: Method = Method::POST;
const PUT: Method = Method::PUT;
const PATCH: Method = Method::PATCH;
const DELETE: Method = Method::DELETE;

/// One row: method, path, name, who, how often, what answers, what is said of it.
fn row<F, A>(
    method: Method,
    path: &'static str,
    name: &'static str,
    access: Access,
    limit: Limit,
    handler: F,
    doc: fn() -> Doc,
) -> Route
where
    F: Fn(Context) -> A + 'static,
    A: Future<Output = Result<HttpResponse>> + 'static,
{
    Route::new(method, path, name, access, limit, handler).documented(doc)
}

/// Every route, in the order in which paths are matched: what is asked for most stands first, and
/// paths with parameters come after those of the same prefix without.
#[rustfmt::skip]
pub fn table(settings: &HttpSettings) -> Vec<Route> {
    let mut table = vec![
        row(GET, "signals/latest", "latest_signals", Optional(Read), Limit::Caller, signals::handlers::latest, signals::docs::latest),
        row(GET, "signals/subscribed", "subscribed_signals", BearerOrKey(Read), Limit::Caller, signals::handlers::subscribed, signals::docs::subscribed),
        row(GET, "signals/live", "live_signals", BearerOrKey(Read), Limit::Caller, signals::handlers::live, signals::docs::live),
        row(GET, "signals/history", "signal_history", BearerOrKey(Read), Limit::Caller, signals::handlers::history, signals::docs::history),
        row(GET, "signals/export", "export_signals", BearerOrKey(Export), Limit::Caller, signals::export::export, signals::docs::export),
        row(GET, "signals/{id}", "find_signal", BearerOrKey(Read), Limit::Caller, signals::handlers::find, signals::docs::find),
        row(GET, "signals/{id}/verification", "verify_signal", BearerOrKey(Read), Limit::Caller, signals::verification::verification, signals::docs::verification),

        row(POST, "auth/signup", "sign_up", Public, Limit::SignIn, account::auth::sign_up, account::docs::sign_up),
        row(POST, "auth/confirm-signup", "confirm_sign_up", Public, Limit::SignIn, account::auth::confirm_sign_up, account::docs::confirm_sign_up),
        row(POST, "auth/confirm-email", "confirm_address", Public, Limit::SignIn, account::auth::confirm_address, account::docs::confirm_address),
        row(POST, "auth/login", "sign_in", Public, Limit::SignIn, account::auth::sign_in, account::docs::sign_in),
        row(POST, "auth/verify-2fa", "verify_sign_in", Public, Limit::SignIn, account::second_factor::verify_sign_in, account::docs::verify_sign_in),
        row(POST, "auth/forgot-password", "forgot_password", Public, Limit::SignIn, account::auth::forgot_password, account::docs::forgot_password),
        row(POST, "auth/reset-password", "reset_password", Public, Limit::SignIn, account::auth::reset_password, account::docs::reset_password),
        row(POST, "auth/sign-in-link", "request_sign_in_link", Public, Limit::SignIn, account::auth::request_sign_in_link, account::docs::request_sign_in_link),
        row(POST, "auth/sign-in-link/redeem", "sign_in_by_link", Public, Limit::SignIn, account::auth::sign_in_by_link, account::docs::sign_in_by_link),
        row(POST, "auth/verify-email", "verify_email", Public, Limit::SignIn, account::auth::verify_email, account::docs::verify_email),
        row(POST, "auth/resend-verification", "resend_verification", Bearer, Limit::Caller, account::auth::resend_verification, account::docs::resend_verification).taking_keys(),
        row(POST, "auth/refresh", "refresh", Public, Limit::Session, account::auth::refresh, account::docs::refresh),
        row(POST, "auth/logout", "sign_out", Bearer, Limit::Caller, account::auth::sign_out, account::docs::sign_out),
        row(POST, "auth/logout-all", "sign_out_everywhere", Bearer, Limit::Caller, account::auth::sign_out_everywhere, account::docs::sign_out_everywhere),
        row(GET, "auth/me", "me", BearerOrKey(Scope::Account), Limit::Caller, account::profile::profile, account::docs::profile),

        row(GET, "2fa/status", "factor_status", Bearer, Limit::Caller, account::second_factor::status, account::docs::factor_status),
        row(POST, "2fa/setup", "set_up_factor", Bearer, Limit::Caller, account::second_factor::set_up, account::docs::set_up_factor),
        row(POST, "2fa/enable", "enable_factor", Bearer, Limit::Caller, account::second_factor::enable, account::docs::enable_factor),
        row(POST, "2fa/verify", "verify_factor", Bearer, Limit::Caller, account::second_factor::verify, account::docs::verify_factor),
        row(POST, "2fa/backup-codes", "renew_backup_codes", Bearer, Limit::Caller, account::second_factor::renew_backup_codes, account::docs::renew_backup_codes),
        row(POST, "2fa/disable", "disable_factor", Bearer, Limit::Caller, account::second_factor::disable, account::docs::disable_factor),

        row(GET, "users/profile", "profile", BearerOrKey(Scope::Account), Limit::Caller, account::profile::profile, account::docs::profile),
        row(PUT, "users/profile", "update_profile", Bearer, Limit::Caller, account::profile::update_profile, account::docs::update_profile),
        row(PUT, "users/password", "change_password", Bearer, Limit::Caller, account::sessions::change_password, account::docs::change_password),
        row(DELETE, "users/account", "delete_account", Bearer, Limit::Caller, account::person::delete, account::docs::delete_account),
        row(GET, "users/export", "export_person", Bearer, Limit::Caller, account::person::export, account::docs::export_person),
        row(GET, "users/sessions", "list_sessions", Bearer, Limit::Caller, account::sessions::list, account::docs::list_sessions),
        row(DELETE, "users/sessions/{id}", "end_session", Bearer, Limit::Caller, account::sessions::end, account::docs::end_session),
        row(GET, "users/api-keys", "list_api_keys", Bearer, Limit::Caller, account::api_keys::list, account::docs::list_api_keys),
        row(POST, "users/api-keys", "create_api_key", Bearer, Limit::Caller, account::api_keys::create, account::docs::create_api_key),
        row(DELETE, "users/api-keys/{id}", "revoke_api_key", Bearer, Limit::Caller, account::api_keys::revoke, account::docs::revoke_api_key),

        row(GET, "users/channels", "list_channels", Bearer, Limit::Caller, channels::handlers::list, channels::docs::list),
        row(POST, "users/channels/{name}/invite", "invite_to_channel", Bearer, Limit::Caller, channels::handlers::invite, channels::docs::invite).limited_by("invites"),
        row(POST, "users/channels/{name}/connect", "connect_channel", Bearer, Limit::Caller, channels::handlers::connect, channels::docs::connect).limited_by("invites"),
        row(POST, "webhooks/telegram", "receive_telegram_update", Public, Limit::None, channels::handlers::hear_telegram, channels::docs::hear_telegram).taking_webhooks(),

        row(GET, "notifications", "list_notifications", Bearer, Limit::Caller, notifications::handlers::list, notifications::docs::list),
        row(GET, "notifications/unread", "unread_notifications", Bearer, Limit::Caller, notifications::handlers::unread, notifications::docs::unread),
        row(POST, "notifications/read", "read_notifications", Bearer, Limit::Caller, notifications::handlers::mark_read, notifications::docs::mark_read).taking_keys(),
        row(POST, "notifications/read-all", "read_all_notifications", Bearer, Limit::Caller, notifications::handlers::mark_all_read, notifications::docs::mark_all_read).taking_keys(),
        row(GET, "notifications/preferences", "notification_preferences", Bearer, Limit::Caller, notifications::preferences::show, notifications::docs::show_preferences),
        row(PUT, "notifications/preferences", "choose_notifications", Bearer, Limit::Caller, notifications::preferences::choose, notifications::docs::choose),
        row(DELETE, "notifications/{id}", "delete_notification", Bearer, Limit::Caller, notifications::handlers::delete, notifications::docs::delete),
    ];
    table.extend(record());
    table.extend([
        row(GET, "subscriptions/plan", "own_plan", Bearer, Limit::Caller, billing::handlers::plan, billing::docs::plan),
        row(POST, "subscriptions/upgrade", "upgrade", Bearer, Limit::Caller, billing::handlers::upgrade, billing::docs::upgrade).taking_keys(),
        row(POST, "subscriptions/cancel", "cancel_subscription", Bearer, Limit::Caller, billing::handlers::cancel, billing::docs::cancel).taking_keys(),
        row(POST, "subscriptions/resume", "resume_subscription", Bearer, Limit::Caller, billing::handlers::resume, billing::docs::resume).taking_keys(),
        row(POST, "subscriptions/portal", "open_portal", Bearer, Limit::Caller, billing::handlers::portal, billing::docs::portal),
        row(GET, "subscriptions/invoices", "list_invoices", Bearer, Limit::Caller, billing::handlers::invoices, billing::docs::invoices),
        // A burst of the provider's comes from few addresses, and a body that it did not sign touches nothing that is stored.
        row(POST, "webhooks/stripe", "receive_payment_event", Public, Limit::None, billing::handlers::receive, billing::docs::receive).taking_webhooks(),

        row(GET, "payments/plans", "plans", Public, Limit::Caller, plans::plans, plans::plans_doc),


        row(GET, "admin/stats", "admin_stats", Admin, Limit::Caller, admin::analytics::analytics, admin::analytics::stats_doc),
        row(GET, "admin/analytics", "analytics", Admin, Limit::Caller, admin::analytics::analytics, admin::analytics::analytics_doc),
        row(GET, "admin/audit", "admin_audit", Admin, Limit::Caller, admin::audit::audit, admin::docs::audit),
        row(GET, "admin/revenue", "revenue", Admin, Limit::Caller, admin::revenue::revenue, admin::revenue::revenue_doc),
        row(GET, "admin/billing", "admin_billing", Admin, Limit::Caller, billing::handlers::state, billing::docs::state),
        row(GET, "admin/producers", "list_producers", Admin, Limit::Caller, admin::producers::list, admin::producers::list_doc),
        row(POST, "admin/producers", "create_producer", Admin, Limit::Caller, admin::producers::create, admin::producers::create_doc),
        row(POST, "admin/producers/{id}/rotate", "rotate_producer_key", Admin, Limit::Caller, admin::producers::rotate, admin::producers::rotate_doc),
        row(POST, "admin/producers/{id}/enable", "enable_producer", Admin, Limit::Caller, admin::producers::enable, admin::producers::enable_doc),
        row(DELETE, "admin/producers/{id}", "disable_producer", Admin, Limit::Caller, admin::producers::disable, admin::producers::disable_doc),
        row(GET, "admin/users", "list_users", Admin, Limit::Caller, admin::users::list, admin::users::list_doc),
        row(GET, "admin/users/{id}", "find_user", Admin, Limit::Caller, admin::users::find, admin::users::find_doc),
        row(PATCH, "admin/users/{id}", "change_user", Admin, Limit::Caller, admin::users::change, admin::users::change_doc),
        row(GET, "roles", "list_roles", Admin, Limit::Caller, admin::roles::list, admin::roles::list_doc),
        row(POST, "roles/assign", "assign_role", Admin, Limit::Caller, admin::roles::assign, admin::roles::assign_doc).taking_keys(),
        row(DELETE, "roles/remove", "remove_role", Admin, Limit::Caller, admin::roles::remove, admin::roles::remove_doc),
        row(GET, "security/metrics", "security_metrics", Admin, Limit::Caller, admin::audit::metrics, admin::docs::metrics),
        row(GET, "security/events", "security_events", Admin, Limit::Caller, admin::audit::events, admin::docs::events),

        row(GET, "health", "health", Public, Limit::Address, operations::handlers::health, operations::docs::health).at_root(),
        liveness(),
        row(GET, "health/readiness", "readiness", Public, Limit::None, operations::handlers::readiness, operations::docs::readiness).at_root(),
        row(GET, "openapi.json", "openapi", Public, Limit::Address, operations::pages::openapi, operations::docs::openapi).at_root(),
        row(GET, "docs", "docs", Public, Limit::Address, operations::pages::page, operations::docs::page).at_root(),
        // What browsers are shown is no part of the API, and neither are the files of the page.
        Route::new(GET, "", "home", Public, Limit::Address, operations::home::page).at_root(),
        Route::new(GET, "favicon.ico", "icon", Public, Limit::Address, operations::home::icon).at_root(),
        Route::new(GET, "robots.txt", "robots", Public, Limit::Address, operations::home::robots).at_root(),
        Route::new(GET, "docs/{file:.*}", "docs_file", Public, Limit::Address, operations::pages::file).at_root(),
        row(GET, "problems/{kind}", "problem_kind", Public, Limit::Address, operations::handlers::problem_kind, operations::docs::problem_kind).at_root(),
    ]);
    table.extend(producing());
    if settings.development_payments {
        table.extend(development_payments());
    }
    if settings.serve_metrics {
        table.push(metrics());
    }
    table
}

/// What producers push in, and see of it.
#[rustfmt::skip]
fn producing() -> [Route; 7] {
    [
        row(POST, "external-signals/sync/signal", "submit_signal", Producer, Limit::Caller, producers::handlers::submit, producers::docs::submit).taking_keys(),
        row(POST, "external-signals/sync/batch", "submit_batch", Producer, Limit::Caller, producers::handlers::submit_batch, producers::docs::submit_batch).taking_batches().taking_keys(),
        row(POST, "external-signals/sync/outcome", "report_outcome", Producer, Limit::Caller, producers::handlers::report_outcome, producers::docs::report_outcome).taking_keys(),
        row(POST, "external-signals/sync/outcomes", "report_outcomes", Producer, Limit::Caller, producers::handlers::report_outcomes, producers::docs::report_outcomes).taking_batches().taking_keys(),
        row(GET, "external-signals/signals", "own_signals", Producer, Limit::Caller, producers::handlers::list, producers::docs::list),
        row(GET, "external-signals/signals/{signal_id}", "find_own_signal", Producer, Limit::Caller, producers::handlers::find, producers::docs::find),
        row(GET, "external-signals/sync/health", "sync_health", Public, Limit::Address, producers::handlers::health, producers::docs::health),
    ]
}

/// What the signals prove.
#[rustfmt::skip]
fn record() -> [Route; 7] {
    [
        row(GET, "performance/stats", "performance_stats", Optional(Read), Limit::Caller, statistics::handlers::statistics, statistics::docs::statistics),
        row(GET, "performance/equity-curve", "equity_curve", Optional(Read), Limit::Caller, statistics::handlers::equity_curve, statistics::docs::equity_curve),
        row(GET, "performance/badge.svg", "performance_badge", Optional(Read), Limit::Caller, statistics::shown::handlers::badge, statistics::shown::docs::badge),
        row(GET, "performance/equity-curve.svg", "equity_curve_picture", Optional(Read), Limit::Caller, statistics::shown::handlers::curve, statistics::shown::docs::curve),
        row(GET, "performance/closed.atom", "closed_feed", Optional(Read), Limit::Caller, statistics::shown::handlers::feed, statistics::shown::docs::feed),
        row(GET, "performance/definitions", "performance_definitions", Public, Limit::Caller, statistics::handlers::definitions, statistics::docs::definitions),
        row(GET, "symbols", "symbols", Optional(Read), Limit::Caller, statistics::handlers::symbols, statistics::docs::symbols),
    ]
}

/// The page on which somebody plays the payer. It is no part of the API.
#[rustfmt::skip]
fn development_payments() -> [Route; 2] {
    let page = "payments/development/{checkout}";
    let step = "payments/development/{checkout}/{step}";
    [
        Route::new(GET, page, "development_checkout", Public, Limit::Address, billing::development::page),
        Route::new(POST, step, "development_payment", Public, Limit::Address, billing::development::play),
    ]
}

/// What a port for operators alone serves.
pub fn metrics_table() -> Vec<Route> {
    vec![metrics(), liveness()]
}

#[rustfmt::skip]
fn metrics() -> Route {
    row(GET, "metrics", "metrics", Public, Limit::None, operations::handlers::metrics, operations::docs::metrics).at_root()
}

#[rustfmt::skip]
fn liveness() -> Route {
    row(GET, "health/liveness", "liveness", Public, Limit::None, operations::handlers::liveness, operations::docs::liveness).at_root()
}
