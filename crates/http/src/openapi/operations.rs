//! What the description says of each endpoint beyond what the route table knows.

use serde_json::json;
use utoipa::{
    ToSchema,
    openapi::{
        Array, Object, ObjectBuilder, Ref, RefOr, Required, Type,
        path::{Parameter, ParameterBuilder, ParameterIn},
        schema::Schema,
    },
};

use super::bodies;
use crate::{
    api::{
        account, operations::health, plans, producers, producers::handlers as ingest, signals,
        statistics,
    },
    endpoint::{Endpoint, Limit},
    problem::{self, Kind},
};

/// What one endpoint does.
pub(super) struct Doc {
    pub(super) tag: &'static str,
    pub(super) summary: &'static str,
    pub(super) parameters: Vec<Parameter>,
    pub(super) body: Vec<(&'static str, RefOr<Schema>)>,
    pub(super) status: u16,
    pub(super) answer: &'static str,
    pub(super) content: Vec<(&'static str, Option<RefOr<Schema>>)>,
    /// Kinds of problems that neither access nor limits nor bodies imply.
    pub(super) problems: &'static [&'static Kind],
    pub(super) extras: Vec<Extra>,
}

/// What more an answer carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Extra {
    /// An `ETag`, and 304 to who has it.
    Validator,
    /// A `Location`.
    Location,
    /// A `Link` to the next page.
    Link,
    /// A file name.
    Attachment,
}

const JSON: &str = "application/json";

/// A text without further rules.
pub(super) fn text() -> RefOr<Schema> {
    Object::with_type(Type::String).into()
}

fn of<T: ToSchema>() -> RefOr<Schema> {
    RefOr::Ref(Ref::from_schema_name(T::name()))
}

fn number(name: &str, from: u32, to: u32, default: Option<u32>, text: &str) -> Parameter {
    let schema = ObjectBuilder::new()
        .schema_type(Type::Integer)
        .minimum(Some(from))
        .maximum(Some(to))
        .default(default.map(Into::into));
    query(name, schema.build().into(), text)
}

fn query(name: &str, schema: RefOr<Schema>, text: &str) -> Parameter {
    ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Query)
        .required(Required::False)
        .description(Some(text))
        .schema(Some(schema))
        .build()
}

fn words(name: &str, words: &[&str], default: Option<&str>, text: &str) -> Parameter {
    let schema = ObjectBuilder::new()
        .schema_type(Type::String)
        .enum_values(Some(words.iter().map(|word| json!(word))))
        .default(default.map(Into::into));
    query(name, schema.build().into(), text)
}

fn premium_only() -> Parameter {
    let schema = ObjectBuilder::new().schema_type(Type::Boolean).default(Some(json!(false)));
    query("premium_only", schema.build().into(), "Only signals of the PREMIUM type.")
}

fn symbol() -> Parameter {
    let schema = ObjectBuilder::new()
        .schema_type(Type::String)
        .min_length(Some(1))
        .max_length(Some(20))
        .pattern(Some("^[A-Za-z0-9._/:=^-]+$"));
    query("symbol", schema.build().into(), "Only this instrument.")
}

fn days(to: u32, default: Option<u32>) -> [Parameter; 2] {
    let period = ObjectBuilder::new().schema_type(Type::String).pattern(Some("^[0-9]+d$"));
    [
        number("days", 1, to, default, "Only so many days back."),
        query("period", period.build().into(), "The same as days, `30d` for example."),
    ]
}

impl Doc {
    fn new(tag: &'static str, summary: &'static str, answer: &'static str) -> Self {
        Self {
            tag,
            summary,
            parameters: Vec::new(),
            body: Vec::new(),
            status: 200,
            answer,
            content: Vec::new(),
            problems: &[],
            extras: Vec::new(),
        }
    }

    fn parameters(mut self, parameters: impl IntoIterator<Item = Parameter>) -> Self {
        self.parameters.extend(parameters);
        self
    }

    fn takes<T: ToSchema>(mut self, media_type: &'static str) -> Self {
        self.body.push((media_type, of::<T>()));
        self
    }

    fn gives<T: ToSchema>(mut self) -> Self {
        self.content.push((JSON, Some(of::<T>())));
        self
    }

    fn gives_list<T: ToSchema>(mut self) -> Self {
        self.content.push((JSON, Some(Array::new(of::<T>()).into())));
        self
    }

    fn gives_other(mut self, media_type: &'static str) -> Self {
        self.content.push((media_type, Some(text())));
        self
    }

    fn created(mut self) -> Self {
        self.status = 201;
        self.extras.push(Extra::Location);
        self
    }

    fn with(mut self, extra: Extra) -> Self {
        self.extras.push(extra);
        self
    }

    fn problems(mut self, kinds: &'static [&'static Kind]) -> Self {
        self.problems = kinds;
        self
    }
}

/// The headers of an endpoint's success.
pub(super) fn headers(endpoint: &Endpoint, doc: &Doc) -> Vec<(&'static str, &'static str)> {
    let mut headers = vec![("X-Request-ID", "Names the request in the server's log.")];
    if !matches!(endpoint.limit, Limit::None | Limit::Address) {
        headers.extend([
            ("RateLimit-Policy", "Every window of the caller's policy."),
            ("RateLimit", "What is left of the window that ends first."),
            ("X-RateLimit-Limit", "The limit of that window."),
            ("X-RateLimit-Remaining", "What is left of it."),
            ("X-RateLimit-Reset", "When it is whole again, in Unix seconds."),
        ]);
    }
    headers.extend(doc.extras.iter().map(|extra| match extra {
        Extra::Validator => ("ETag", "For If-None-Match; another one for each coding."),
        Extra::Location => ("Location", "Where the new thing is."),
        Extra::Link => ("Link", "The next page, rel=next, if there is one."),
        Extra::Attachment => ("Content-Disposition", "The file's name."),
    }));
    headers
}

/// What is said of the endpoint with this name.
pub(super) fn doc(name: &'static str) -> Doc {
    account(name)
        .or_else(|| signals(name))
        .or_else(|| record(name))
        .or_else(|| payments(name))
        .or_else(|| producers(name))
        .or_else(|| operation(name))
        .unwrap_or_else(|| Doc::new("other", name, "Done."))
}

fn account(name: &str) -> Option<Doc> {
    let doc = |summary, answer| Doc::new("accounts", summary, answer);
    Some(match name {
        "sign_up" => doc("Make an account", "Signed in.")
            .takes::<bodies::SignUpRequest>(JSON)
            .gives::<account::views::SignedInView<'_>>()
            .created()
            .problems(&[&problem::EMAIL_TAKEN, &problem::UNAVAILABLE]),
        "sign_in" => doc("Sign in", "Signed in.")
            .takes::<bodies::SignInRequest>(JSON)
            .takes::<bodies::SignInForm>("application/x-www-form-urlencoded")
            .gives::<account::views::SignedInView<'_>>()
            .problems(&[&problem::UNAUTHENTICATED, &problem::UNAVAILABLE]),
        "refresh" => doc("Trade a refresh token for a new pair", "A new pair.")
            .takes::<bodies::RefreshRequest>(JSON)
            .gives::<account::views::SignedInView<'_>>()
            .problems(&[&problem::UNAUTHENTICATED, &problem::UNAVAILABLE]),
        "sign_out" => doc("End this session", "Signed out.").gives::<account::views::Message<'_>>(),
        "sign_out_everywhere" => {
            doc("End every session", "Signed out.").gives::<account::views::Message<'_>>()
        }
        "me" | "profile" => doc("The signed-in user", "The profile.")
            .gives::<account::views::ProfileView<'_>>()
            .with(Extra::Validator),
        "update_profile" => doc("Change name or address", "The profile.")
            .takes::<bodies::ProfileChangeRequest>(JSON)
            .gives::<account::views::ProfileView<'_>>()
            .problems(&[&problem::EMAIL_TAKEN]),
        "list_api_keys" => doc("The user's API keys", "The keys' names, never the keys.")
            .gives::<account::views::ApiKeysView<'_>>(),
        "create_api_key" => doc("Make an API key (elite tier)", "The key, shown this once.")
            .takes::<bodies::ApiKeyRequest>(JSON)
            .gives::<account::views::NewApiKeyView<'_>>()
            .created()
            .problems(&[&problem::LIMIT_REACHED]),
        "revoke_api_key" => {
            doc("Revoke an API key", "Revoked.").gives::<account::views::Message<'_>>()
        }
        _ => return None,
    })
}

fn signals(name: &str) -> Option<Doc> {
    let doc = |summary, answer| Doc::new("signals", summary, answer);
    let statuses = ["open", "target_hit", "stop_hit", "closed", "expired"];
    Some(match name {
        "latest_signals" => doc("The newest open signals", "What the caller's tier may see.")
            .parameters([
                number("limit", 1, 100, Some(10), "Signals at most."),
                premium_only(),
                symbol(),
            ])
            .gives_list::<signals::views::SignalView<'_>>()
            .with(Extra::Validator),
        "subscribed_signals" => doc("Open signals, page by page", "One page, newest first.")
            .parameters([
                number("limit", 1, 100, Some(20), "Signals at most."),
                number("offset", 0, 10_000, Some(0), "Signals to pass over, without a cursor."),
                query("cursor", text(), "next_cursor of the page before."),
                premium_only(),
                symbol(),
                words("action", &["BUY", "SELL"], None, "Only this direction."),
                percentage("min_confidence"),
            ])
            .gives::<signals::views::SignalPage<'_>>()
            .with(Extra::Validator)
            .with(Extra::Link),
        "live_signals" => doc("The newest open signals of the tier", "With the tier's threshold.")
            .parameters([number("limit", 1, 100, Some(20), "Signals at most.")])
            .gives::<signals::views::LiveView<'_>>()
            .with(Extra::Validator),
        "signal_history" => doc("Signals of the last days", "Newest first.")
            .parameters([number("limit", 1, 500, Some(50), "Signals at most.")])
            .parameters(days(365, Some(30)))
            .parameters([symbol(), words("status", &statuses, None, "Only these.")])
            .gives_list::<signals::views::HistoryView<'_>>()
            .with(Extra::Validator),
        "find_signal" => doc("One signal", "The signal.").gives::<signals::views::SignalView<'_>>(),
        "export_signals" => doc("Signals as a file", "The file, streamed.")
            .parameters([words("format", &["csv", "json", "ndjson"], Some("csv"), "Its form.")])
            .parameters(days(365, Some(30)))
            .gives_other("text/csv")
            .gives_list::<signals::views::SignalView<'_>>()
            .gives_other("application/x-ndjson")
            .with(Extra::Attachment)
            .problems(&[&problem::NOT_ACCEPTABLE]),
        _ => return None,
    })
}

fn percentage(name: &str) -> Parameter {
    let schema =
        ObjectBuilder::new().schema_type(Type::Number).minimum(Some(0.0)).maximum(Some(100.0));
    query(name, schema.build().into(), "Only signals with at least this confidence.")
}

fn record(name: &str) -> Option<Doc> {
    let doc = |summary, answer| Doc::new("record", summary, answer).with(Extra::Validator);
    let filter = || {
        let strategy = ObjectBuilder::new()
            .schema_type(Type::String)
            .min_length(Some(1))
            .max_length(Some(100));
        let strategy = query("strategy", strategy.build().into(), "Only this strategy.");
        [symbol(), strategy].into_iter().chain(days(3_650, None))
    };
    Some(match name {
        "performance_stats" => doc("Statistics over closed signals", "The statistics.")
            .parameters(filter())
            .gives::<statistics::views::StatisticsView>(),
        "equity_curve" => doc("Results added up, in order of closing", "The curve.")
            .parameters(filter())
            .gives::<statistics::views::EquityCurveView>(),
        "symbols" => doc("Instruments with closed signals", "By name.")
            .gives::<statistics::views::SymbolsView<'_>>(),
        _ => return None,
    })
}

fn payments(name: &str) -> Option<Doc> {
    let doc = |summary, answer| Doc::new("payments", summary, answer);
    Some(match name {
        "plans" => doc("What can be subscribed to", "By price.")
            .with(Extra::Validator)
            .gives::<plans::views::PlansView<'_>>(),
        _ => return None,
    })
}

fn producers(name: &str) -> Option<Doc> {
    let doc = |summary, answer| Doc::new("producers", summary, answer);
    Some(match name {
        "submit_signal" => doc("Push one signal", "Stored.")
            .takes::<bodies::SignalSubmission>(JSON)
            .gives::<producers::views::StoredView<'_>>()
            .created()
            .problems(&[&problem::DUPLICATE_SIGNAL, &problem::SIGNAL_CONFLICT]),
        "submit_batch" => {
            let mut batch =
                doc("Push at most 10,000 signals", "What became of each line, in order.")
                    .takes::<bodies::SignalSubmission>("application/x-ndjson")
                    .gives::<producers::views::BatchView<'_>>();
            let mut list = Array::new(of::<bodies::SignalSubmission>());
            list.max_items = Some(alpine_domain::signal::MAX_BATCH);
            batch.body.push((JSON, list.into()));
            batch
        }
        "report_outcome" => doc("Report how a signal ended", "The signal is closed.")
            .takes::<bodies::OutcomeReport>(JSON)
            .gives::<producers::views::OutcomeView<'_>>()
            .problems(&[&problem::NOT_FOUND, &problem::OUTCOME_CONFLICT]),
        "sync_health" => {
            doc("Whether signals can be pushed", "They can.").gives::<ingest::SyncHealth>()
        }
        _ => return None,
    })
}

fn operation(name: &str) -> Option<Doc> {
    let doc = |summary, answer| Doc::new("operation", summary, answer);
    Some(match name {
        "health" => doc("How the service is doing", "Healthy or degraded.")
            .gives::<health::HealthView<'_>>(),
        "liveness" => doc("Whether the process answers", "It does.").gives::<health::StatusView>(),
        "readiness" => doc("Whether to send requests here", "Yes.")
            .gives::<health::StatusView>()
            .problems(&[&problem::UNAVAILABLE]),
        "metrics" => doc("Metrics for Prometheus", "The metrics.").gives_other("text/plain"),
        "openapi" => doc("This description", "OpenAPI 3.1.").gives_other(JSON),
        "docs" => {
            let mut docs = doc("A page to read and try the API", "Below /docs/.");
            docs.status = 308;
            docs.with(Extra::Location)
        }
        "problem_kind" => doc("What a problem's type means", "The kind.").gives::<Kind>(),
        _ => return None,
    })
}
