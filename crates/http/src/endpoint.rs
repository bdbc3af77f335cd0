//! What the route table says of one route.

use std::{cell::OnceCell, fmt, sync::Arc};

use actix_web::http::Method;
use alpine_domain::{account::Scope, analytics::RouteUsage, ports::cache::CachedBody};

use crate::{
    doc::Doc,
    limit_settings::LimitSettings,
    metrics::RouteMetrics,
    policies::{CountedPolicy, missing_row},
    settings::HttpSettings,
};

/// Who may call. Enforced from the table, before the handler runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Access {
    /// Anybody; credentials are not looked at.
    Public,
    /// Anybody; credentials that are sent must be good, and decide what is shown. An API key must have the scope.
    Optional(Scope),
    /// A user with an access token.
    Bearer,
    /// A user with an access token, or a user's program with an API key that has the scope.
    BearerOrKey(Scope),
    /// An administrator with an access token.
    Admin,
    /// A producer with its key.
    Producer,
}

impl Access {
    /// The scope that an API key must have, where keys are taken.
    pub const fn scope(self) -> Option<Scope> {
        match self {
            Self::Optional(scope) | Self::BearerOrKey(scope) => Some(scope),
            Self::Public | Self::Bearer | Self::Admin | Self::Producer => None,
        }
    }
}

/// How often. A request counts under one policy of [`Policy`](crate::Policy), and under the one that
/// its route names besides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Limit {
    /// Not limited at all: health, metrics, docs.
    None,
    /// By the limit of the address.
    Address,
    /// By the class of the caller; without credentials by address.
    Caller,
    /// Strictly, by address: sign-in and sign-up. The handler adds the account.
    SignIn,
    /// By the session, which the handler finds.
    Session,
}

/// How large a request's body may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BodyLimit {
    /// [`HttpSection::body_limit`](crate::HttpSection::body_limit).
    Default,
    /// [`HttpSection::batch_body_limit`](crate::HttpSection::batch_body_limit).
    Batch,
    /// A mebibyte: an event of the provider of payments holds a whole object.
    Webhook,
}

/// Where a path stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Base {
    /// Under `/api/v1`, and under the alias `/api`.
    Api,
    /// At the root.
    Root,
}

/// What the route table says of one route.
#[derive(Clone)]
pub struct Endpoint {
    /// The method. GET answers HEAD as well.
    pub method: Method,
    /// Where `path` stands.
    pub base: Base,
    /// The path below its base, without a slash in front, `signals/{id}` for example.
    pub path: &'static str,
    /// A short unique name: metrics label, cache key, operation id.
    pub name: &'static str,
    /// Who may call.
    pub access: Access,
    /// The limit that counts its requests.
    pub limit: Limit,
    /// A policy of its own under which each caller is counted besides: the name of a table in
    /// `rate_limits` of the configuration.
    pub extra_limit: Option<&'static str>,
    /// How large the body may be.
    pub body: BodyLimit,
    /// Whether a request that names a key (`Idempotency-Key`) is answered once.
    pub takes_key: bool,
    /// What the description of the API says of it; `None` leaves it out.
    pub doc: Option<fn() -> Doc>,
}

impl Endpoint {
    /// The whole path, in the form that is listed.
    pub fn canonical_path(&self) -> String {
        match self.base {
            Base::Api => format!("/api/v1/{}", self.path),
            Base::Root => format!("/{}", self.path),
        }
    }

    /// Every path that reaches it.
    pub fn paths(&self) -> Vec<String> {
        let mut paths = vec![self.canonical_path()];
        if self.base == Base::Api {
            paths.push(format!("/api/{}", self.path));
        }
        paths
    }

    /// How many bytes the body of a request may have.
    pub(crate) const fn body_limit(&self, settings: &HttpSettings) -> usize {
        match self.body {
            BodyLimit::Default => settings.http.body_limit,
            BodyLimit::Batch => settings.http.batch_body_limit,
            BodyLimit::Webhook => 1 << 20,
        }
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint")
            .field("method", &self.method)
            .field("path", &self.path)
            .field("name", &self.name)
            .field("access", &self.access)
            .field("limit", &self.limit)
            .finish_non_exhaustive()
    }
}

/// An endpoint in its place, with what a request would otherwise have to look up.
pub(crate) struct MountedEndpoint {
    pub(crate) endpoint: Endpoint,
    /// The whole path with its parameters' names: a label, never what a client sent.
    pub(crate) path: String,
    pub(crate) metrics: RouteMetrics,
    /// How often the cache had what it answers, for administrators.
    pub(crate) usage: Arc<RouteUsage>,
    /// The policy that the endpoint names besides, or what is wrong with that.
    pub(crate) extra_limit: Option<Result<CountedPolicy, String>>,
    /// The names of its parameters, once somebody sent any.
    parameters: OnceCell<Option<Vec<&'static str>>>,
    /// The names of what a body in JSON may hold, once somebody sent one.
    members: OnceCell<Option<Vec<String>>>,
    /// The body, where it depends on nothing but the settings. Made for the first request of a worker.
    pub(crate) fixed: OnceCell<CachedBody>,
}

impl MountedEndpoint {
    pub(crate) fn new(
        endpoint: Endpoint,
        path: String,
        metrics: RouteMetrics,
        usage: Arc<RouteUsage>,
        limits: &LimitSettings,
    ) -> Self {
        let extra_limit = endpoint.extra_limit.map(|name| {
            limits.policy(name).map(CountedPolicy::new).ok_or_else(|| missing_row(name))
        });
        let (parameters, members, fixed) = (OnceCell::new(), OnceCell::new(), OnceCell::new());
        Self { endpoint, path, metrics, usage, extra_limit, parameters, members, fixed }
    }

    /// The names of the parameters that its query may have; `None` where nothing is said of it.
    pub(crate) fn known_parameters(&self) -> Option<&[&'static str]> {
        let named = || {
            let doc = self.endpoint.doc?();
            Some(doc.parameters.iter().map(|parameter| parameter.name).collect())
        };
        self.parameters.get_or_init(named).as_deref()
    }

    /// The names of the members that a body in JSON may have; `None` where nothing is said of it.
    pub(crate) fn known_members(&self) -> Option<&[String]> {
        let named = || Some(self.endpoint.doc?().body_members());
        self.members.get_or_init(named).as_deref()
    }
}
