//! A route: what the table says of it, and what answers.

use std::{fmt, future::Future, rc::Rc};

use actix_web::{HttpResponse, http::Method};
use futures_util::future::LocalBoxFuture;

use crate::{
    context::Context,
    doc::Doc,
    endpoint::{Access, Base, BodyLimit, Endpoint, Limit},
    problem::Result,
};

/// Answers a request that passed the guard.
pub type Handler = Rc<dyn Fn(Context) -> LocalBoxFuture<'static, Result<HttpResponse>>>;

/// One row of the route table.
#[derive(Clone)]
pub struct Route {
    /// What the table says of it.
    pub endpoint: Endpoint,
    /// What answers.
    pub handler: Handler,
}

impl Route {
    /// A route of the API with the default body limit, left out of the description of the API until
    /// something [is said](Self::documented) of it.
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
        let (base, body) = (Base::Api, BodyLimit::Default);
        Self {
            endpoint: Endpoint {
                method,
                base,
                path,
                name,
                access,
                limit,
                extra_limit: None,
                body,
                takes_key: false,
                doc: None,
            },
            handler: Rc::new(move |context| Box::pin(handler(context))),
        }
    }

    /// The same, standing at the root.
    #[must_use]
    pub fn at_root(mut self) -> Self {
        self.endpoint.base = Base::Root;
        self
    }

    /// The same, counted for each caller under the policy `name` besides. Without `[rate_limits.name]`
    /// in the configuration nothing starts.
    #[must_use]
    pub fn limited_by(mut self, name: &'static str) -> Self {
        self.endpoint.extra_limit = Some(name);
        self
    }

    /// The same, taking batches.
    #[must_use]
    pub fn taking_batches(mut self) -> Self {
        self.endpoint.body = BodyLimit::Batch;
        self
    }

    /// The same, with bodies as large as those that a provider of payments sends.
    #[must_use]
    pub fn taking_webhooks(mut self) -> Self {
        self.endpoint.body = BodyLimit::Webhook;
        self
    }

    /// The same, where a request that names a key (`Idempotency-Key`) is answered once. Not for what hands out
    /// secrets: an answer is kept for a day.
    #[must_use]
    pub fn taking_keys(mut self) -> Self {
        self.endpoint.takes_key = true;
        self
    }

    /// The same, with what the description of the API says of it.
    #[must_use]
    pub fn documented(mut self, doc: fn() -> Doc) -> Self {
        self.endpoint.doc = Some(doc);
        self
    }
}

impl fmt::Debug for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.endpoint.fmt(f)
    }
}
