//! What the queries for statistics may hold.

use alpine_domain::signal::{Strategy, Symbol};

use crate::extract::parameter::{Days, Parameters, STRATEGY, SYMBOL};

/// Of `performance/…`: instrument, strategy, days.
pub(super) fn performance()
-> impl Parameters<Values = (Option<Symbol>, Option<Strategy>, Option<u32>)> {
    (SYMBOL, STRATEGY, Days::up_to(3_650))
}
