//! Signals that are open for longer than they may.

use std::time::Duration;

use alpine_domain::{Timestamp, signal::Strategy, statistics::Horizons};
use diesel::{
    BoolExpressionMethods as _, BoxableExpression, ExpressionMethods as _,
    NullableExpressionMethods as _, QueryDsl as _,
    dsl::IntoBoxed,
    sql_types::{Bool, Nullable},
};

use super::fragments::Awaited;
use crate::{connection::MultiBackend, schema::signals};

type Condition<'a> =
    Box<dyn BoxableExpression<signals::table, MultiBackend, SqlType = Nullable<Bool>> + 'a>;

/// Those at `now`, the oldest first.
pub(crate) fn overdue(
    horizons: &Horizons,
    now: Timestamp,
    awaited: Awaited,
) -> IntoBoxed<'_, signals::table, MultiBackend> {
    let before = |horizon: Duration| now.earlier(horizon).micros();
    let Horizons { default, by_strategy } = horizons;
    let shortest = by_strategy.values().copied().fold(*default, Duration::min);
    // Nothing younger than the shortest horizon is looked at; then each by its own.
    let due = signals::table
        .filter(awaited)
        .filter(signals::is_active)
        .filter(signals::created_at.lt(before(shortest)))
        .into_boxed();
    let named: Vec<&str> = by_strategy.keys().map(Strategy::as_str).collect();
    let strategy = signals::strategy;
    let mut condition: Condition<'_> = Box::new(
        signals::created_at
            .lt(before(*default))
            .nullable()
            .and(strategy.is_null().nullable().or(strategy.ne_all(named))),
    );
    for (name, horizon) in by_strategy {
        let own = strategy.eq(name.as_str()).and(signals::created_at.lt(before(*horizon)));
        condition = Box::new(condition.or(own));
    }
    due.filter(condition).order((signals::created_at.asc(), signals::id.asc()))
}
