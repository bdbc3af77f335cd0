//! What the queries for pictures and the feed may hold.

use alpine_domain::signal::Record;

use super::{super::parameters as figures, theme::Theme};
use crate::extract::parameter::{Or, Param, Parameters};

const THEME: Or<Param<Theme>> = Param::one_of(
    "theme",
    Theme::WORDS,
    "Its colours: light, dark, or what the reader's system prefers.",
)
.or(Theme::Auto);

/// Of pictures: what the figures are asked for, and colours.
pub(super) fn picture() -> impl Parameters<Values = (figures::Performance, Theme)> {
    (figures::performance(), THEME)
}

/// Of the feed: part of the record.
pub(super) fn feed() -> impl Parameters<Values = Record> {
    figures::symbols()
}
