//! The whole route table. Who may call, how often and with how much is told here and nowhere else.

use std::future::Future;

use actix_web::{HttpResponse, http::Method};

use crate::{
    Context, HttpSettings,
    api::{
        account::{api_keys, auth, profile},
        operations::{health, pages},
        plans::handlers as plans,
        producers::handlers as producers,
        signals::{export, handlers as signals},
        statistics::handlers as statistics,
    },
    endpoint::{
        Access::{self, Bearer, BearerOrKey, Optional, Producer, Public},
        Endpoint, Limit,
    },
    problem::Result,
};

const GET: Method = Method::GET;
const POST: Method = Method::POST;
const PUT: Method = Method::PUT;
const DELETE: Method = Method::DELETE;

/// One row: method, path, name, who, how often, what answers.
fn e<F, A>(
    method: Method,
    path: &'static str,
    name: &'static str,
    access: Access,
    limit: Limit,
    handler: F,
) -> Endpoint
where
    F: Fn(Context) -> A + 'static,
    A: Future<Output = Result<HttpResponse>> + 'static,
{
    Endpoint::new(method, path, name, access, limit, handler)
}

/// Every endpoint, in the order in which paths are matched: what is asked for most stands first, and
/// paths with parameters come after all others.
#[rustfmt::skip]
pub fn table(settings: &HttpSettings) -> Vec<Endpoint> {
    let mut table = vec![
        e(GET, "signals/latest", "latest_signals", Optional, Limit::Caller, signals::latest),
        e(GET, "signals/subscribed", "subscribed_signals", BearerOrKey, Limit::Caller, signals::subscribed),
        e(GET, "signals/live", "live_signals", BearerOrKey, Limit::Caller, signals::live),
        e(GET, "signals/history", "signal_history", BearerOrKey, Limit::Caller, signals::history),
        e(GET, "signals/export", "export_signals", BearerOrKey, Limit::Caller, export::export),
        e(GET, "signals/{id}", "find_signal", BearerOrKey, Limit::Caller, signals::find),

        e(POST, "auth/signup", "sign_up", Public, Limit::Login, auth::sign_up),
        e(POST, "auth/login", "sign_in", Public, Limit::Login, auth::sign_in),
        e(POST, "auth/refresh", "refresh", Public, Limit::Caller, auth::refresh),
        e(POST, "auth/logout", "sign_out", Bearer, Limit::Caller, auth::sign_out),
        e(POST, "auth/logout-all", "sign_out_everywhere", Bearer, Limit::Caller, auth::sign_out_everywhere),
        e(GET, "auth/me", "me", Bearer, Limit::Caller, profile::profile),

        e(GET, "users/profile", "profile", Bearer, Limit::Caller, profile::profile),
        e(PUT, "users/profile", "update_profile", Bearer, Limit::Caller, profile::update_profile),
        e(GET, "users/api-keys", "list_api_keys", Bearer, Limit::Caller, api_keys::list),
        e(POST, "users/api-keys", "create_api_key", Bearer, Limit::Caller, api_keys::create),
        e(DELETE, "users/api-keys/{id}", "revoke_api_key", Bearer, Limit::Caller, api_keys::revoke),

        e(GET, "performance/stats", "performance_stats", Optional, Limit::Caller, statistics::statistics),
        e(GET, "performance/equity-curve", "equity_curve", Optional, Limit::Caller, statistics::equity_curve),
        e(GET, "symbols", "symbols", Optional, Limit::Caller, statistics::symbols),

        e(GET, "payments/plans", "plans", Public, Limit::Caller, plans::plans),

        e(POST, "external-signals/sync/signal", "submit_signal", Producer, Limit::Producer, producers::submit),
        e(POST, "external-signals/sync/batch", "submit_batch", Producer, Limit::Producer, producers::submit_batch).taking_batches(),
        e(POST, "external-signals/sync/outcome", "report_outcome", Producer, Limit::Producer, producers::report_outcome),
        e(GET, "external-signals/sync/health", "sync_health", Public, Limit::None, producers::health),

        e(GET, "health", "health", Public, Limit::None, health::health).at_root(),
        e(GET, "health/liveness", "liveness", Public, Limit::None, health::liveness).at_root(),
        e(GET, "health/readiness", "readiness", Public, Limit::None, health::readiness).at_root(),
        e(GET, "openapi.json", "openapi", Public, Limit::None, pages::openapi).at_root(),
        e(GET, "docs", "docs", Public, Limit::None, pages::page).at_root(),
        e(GET, "docs/{file:.*}", "docs_file", Public, Limit::None, pages::file).at_root().unlisted(),
        e(GET, "problems/{kind}", "problem_kind", Public, Limit::Address, health::problem_kind).at_root(),
    ];
    if settings.serve_metrics {
        table.push(metrics());
    }
    table
}

/// What a port for operators alone serves.
pub(crate) fn metrics_table() -> Vec<Endpoint> {
    let liveness = e(GET, "health/liveness", "liveness", Public, Limit::None, health::liveness);
    vec![metrics(), liveness.at_root()]
}

fn metrics() -> Endpoint {
    e(GET, "metrics", "metrics", Public, Limit::None, health::metrics).at_root()
}
