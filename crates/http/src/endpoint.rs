//! What the route table says of one route.

use std::{fmt, future::Future, rc::Rc};

use actix_web::{HttpResponse, http::Method};
use futures_util::future::LocalBoxFuture;

use crate::{context::Context, problem::Result};

/// Who may call. Enforced from the table, before the handler runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Access {
    /// Anybody; credentials are not looked at.
    Public,
    /// Anybody; credentials that are sent must be good, and decide what is shown.
    Optional,
    /// A user with an access token.
    Bearer,
    /// A user with an access token, or a user's program with an API key.
    BearerOrKey,
    /// An administrator with an access token.
    Admin,
    /// A producer with its key.
    Producer,
}

/// How often. Everything but [`Limit::None`] also counts against the coarse limit of its address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Limit {
    /// Not limited at all: health, metrics, docs.
    None,
    /// Only by the coarse limit of the address.
    Address,
    /// By the class of the caller.
    Caller,
    /// Strictly, by address: sign-in and sign-up. The handler adds the account.
    Login,
    /// By producer.
    Producer,
}

/// How large a request's body may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BodyLimit {
    /// [`HttpSettings::body_limit`](crate::HttpSettings::body_limit).
    Default,
    /// [`HttpSettings::batch_body_limit`](crate::HttpSettings::batch_body_limit).
    Batch,
}

/// Where a path stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Base {
    /// Under `/api/v1`, and under the alias `/api`.
    Api,
    /// At the root.
    Root,
}

/// Answers a request that passed the guard.
pub type Handler = Rc<dyn Fn(Context) -> LocalBoxFuture<'static, Result<HttpResponse>>>;

/// One row of the route table.
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
    /// How often.
    pub limit: Limit,
    /// How large the body may be.
    pub body: BodyLimit,
    /// Whether the description of the API lists it.
    pub listed: bool,
    /// What answers.
    pub handler: Handler,
}

impl Endpoint {
    /// A route of the API with the default body limit.
    pub fn new<F, A>(
        method: Method,
        path: &'static str,
        name: &'static str,
        access: Access,
        limit: Limit,
        handler: F,
    ) -> Self
    where
        F: Fn(Context) -> A + 'static,
        A: Future<Output = Result<HttpResponse>> + 'static,
    {
        Self {
            method,
            base: Base::Api,
            path,
            name,
            access,
            limit,
            body: BodyLimit::Default,
            listed: true,
            handler: Rc::new(move |context| Box::pin(handler(context))),
        }
    }

    /// The same, standing at the root.
    #[must_use]
    pub fn at_root(mut self) -> Self {
        self.base = Base::Root;
        self
    }

    /// The same, taking batches.
    #[must_use]
    pub fn taking_batches(mut self) -> Self {
        self.body = BodyLimit::Batch;
        self
    }

    /// The same, left out of the description of the API.
    #[must_use]
    pub fn unlisted(mut self) -> Self {
        self.listed = false;
        self
    }

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
