//! Figures for administrators.

use std::time::Duration;

use actix_web::HttpResponse;
use alpine_domain::{
    Timestamp,
    account::Tier,
    analytics::{Figures, RouteCache, Usage},
    event::tags,
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    cached::loaded,
    context::Context,
    doc::{Doc, Extra},
    problem::{self, Result},
};

/// How long the figures are kept: no longer than instances keep back what they counted. A new signal ends it sooner.
const KEPT: Duration = Usage::INTERVAL;

/// Accounts by tier.
#[derive(Serialize, ToSchema)]
#[schema(as = UsersByTier)]
struct UsersByTierView {
    free: u64,
    starter: u64,
    pro: u64,
    elite: u64,
}

/// Figures. Days are UTC, weeks begin on Monday. What instances answered is in them up to twenty seconds later.
#[derive(Serialize, ToSchema)]
#[schema(as = Analytics)]
struct AnalyticsView {
    /// When they were put together.
    #[schema(value_type = String, format = DateTime)]
    as_of: Timestamp,
    /// Accounts that were not deleted.
    total_users: u64,
    /// Users who signed in or called today or on the 29 days before.
    active_users: u64,
    /// Accounts that were made, also those that were deleted since.
    new_users_today: u64,
    new_users_this_week: u64,
    new_users_this_month: u64,
    users_by_tier: UsersByTierView,
    /// Signals that were accepted, simulated ones aside.
    signals_today: u64,
    signals_this_week: u64,
    signals_this_month: u64,
    /// Signals that were handed to subscribers in lists.
    signals_delivered_today: u64,
    signals_delivered_this_week: u64,
    signals_delivered_this_month: u64,
    /// Requests that routes of the API answered.
    api_requests_today: u64,
    api_requests_this_week: u64,
    api_requests_this_month: u64,
    /// Answers with 5xx in percent of today's requests.
    #[schema(minimum = 0.0, maximum = 100.0)]
    error_rate: f64,
    /// Today's requests that were answered with 429.
    rate_limit_exceeded_today: u64,
    /// Bodies that the cache had in percent of those that it was asked for today.
    #[schema(minimum = 0.0, maximum = 100.0)]
    cache_hit_rate: f64,
    /// The same by route, as their operations are named.
    cache_by_route: Vec<RouteCacheView>,
}

/// How often the cache had what a route answers, today.
#[derive(Serialize, ToSchema)]
#[schema(as = RouteCache)]
struct RouteCacheView {
    route: String,
    hits: u64,
    misses: u64,
    /// Hits in percent of both.
    #[schema(minimum = 0.0, maximum = 100.0)]
    hit_rate: f64,
}

impl From<&RouteCache> for RouteCacheView {
    fn from(of: &RouteCache) -> Self {
        Self { route: of.route.clone(), hits: of.hits, misses: of.misses, hit_rate: of.hit_rate() }
    }
}

impl From<&Figures> for AnalyticsView {
    fn from(figures: &Figures) -> Self {
        let of_tier = |tier| {
            let found = figures.users_by_tier.iter().find(|(other, _)| *other == tier);
            found.map_or(0, |(_, users)| *users)
        };
        Self {
            as_of: figures.at,
            total_users: figures.total_users,
            active_users: figures.active_users,
            new_users_today: figures.new_users.today,
            new_users_this_week: figures.new_users.this_week,
            new_users_this_month: figures.new_users.this_month,
            users_by_tier: UsersByTierView {
                free: of_tier(Tier::Free),
                starter: of_tier(Tier::Starter),
                pro: of_tier(Tier::Pro),
                elite: of_tier(Tier::Elite),
            },
            signals_today: figures.signals.today,
            signals_this_week: figures.signals.this_week,
            signals_this_month: figures.signals.this_month,
            signals_delivered_today: figures.delivered.today,
            signals_delivered_this_week: figures.delivered.this_week,
            signals_delivered_this_month: figures.delivered.this_month,
            api_requests_today: figures.requests.today,
            api_requests_this_week: figures.requests.this_week,
            api_requests_this_month: figures.requests.this_month,
            error_rate: figures.error_rate(),
            rate_limit_exceeded_today: figures.limited_today,
            cache_hit_rate: figures.cache_hit_rate(),
            cache_by_route: figures.cache_by_route.iter().map(RouteCacheView::from).collect(),
        }
    }
}

/// `GET admin/analytics`.
pub(crate) async fn analytics(context: Context) -> Result<HttpResponse> {
    let policy = context.cache_policy(KEPT, [tags::signals(context.viewer())]);
    context
        .cached_for_group(policy, String::new(), (), |services, _, ()| async move {
            let figures = services.use_cases.analytics.figures().await?;
            // Then they are wrong, not only old: nobody is told of them meanwhile.
            loaded(&AnalyticsView::from(&figures), Some(figures.at.later(KEPT)))
        })
        .await
}

pub(crate) fn analytics_doc() -> Doc {
    described("Users, signals and requests in figures")
}

/// `GET admin/stats`: another name, which the original has.
pub(crate) fn stats_doc() -> Doc {
    described("The figures of `admin/analytics` under their older name")
}

fn described(summary: &'static str) -> Doc {
    Doc::new("admin", summary, "The figures.")
        .gives::<AnalyticsView>()
        .with(Extra::Validator)
        .problems(&[&problem::UNAVAILABLE])
}
