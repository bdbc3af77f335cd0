//! Handlers that ask the database each time.

use std::{
    rc::Rc,
    sync::{Arc, OnceLock},
};

use actix_web::web;
use alpine_domain::ports::cache::{
    CacheKey, CacheOutcome, CachePolicy, CachedBody, Loader, ResponseCache, Tag,
};
use alpine_http::{AppState, Context, Handler, Services};
use async_trait::async_trait;
use prometheus::Registry;

/// Puts a state without a cache under handlers, one state for all of them.
pub(crate) fn uncached() -> impl Fn(Handler) -> Handler {
    let state: Arc<OnceLock<web::Data<AppState>>> = Arc::default();
    move |inner| {
        let state = Arc::clone(&state);
        Rc::new(move |mut context: Context| {
            let uncached = state.get_or_init(|| without_cache(&context.state));
            context.state = Rc::new(uncached.clone());
            inner(context)
        })
    }
}

#[expect(
    clippy::expect_used,
    reason = "a fresh registry has no metrics yet that could be in the way"
)]
fn without_cache(state: &AppState) -> web::Data<AppState> {
    let services = Services { cache: Arc::new(NoCache), ..(*state.services).clone() };
    let state = AppState::new(services, state.settings.clone(), Registry::new());
    web::Data::new(state.expect("a state"))
}

/// Loads each time.
struct NoCache;

#[async_trait]
impl ResponseCache for NoCache {
    async fn get_or_load(
        &self,
        _: CacheKey,
        _: &CachePolicy,
        load: Loader,
    ) -> alpine_domain::Result<Arc<CachedBody>> {
        let loaded = load().await?;
        Ok(Arc::new(CachedBody {
            etag: "\"uncached\"".to_owned(),
            gzip: None,
            body: loaded.body,
            headers: loaded.headers,
            outcome: CacheOutcome::Miss,
            fresh_until: alpine_domain::Timestamp::from_micros(0),
        }))
    }

    fn invalidate(&self, _: &[Tag], _: i64) {}

    fn restart(&self, _: &[(Tag, i64)]) {}
}
