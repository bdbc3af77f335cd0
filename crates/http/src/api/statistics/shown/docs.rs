//! What is said of the pictures and of the feed.

use super::{handlers, parameters};
use crate::doc::{Doc, Extra};

fn doc(summary: &'static str, answer: &'static str) -> Doc {
    Doc::new("record", summary, answer).with(Extra::Validator)
}

pub(crate) fn badge() -> Doc {
    doc(
        "The figures as a small picture",
        "The win rate as a range, what it covers, and of how many trades.",
    )
    .parameters(&parameters::picture())
    .gives_other(handlers::SVG)
}

pub(crate) fn curve() -> Doc {
    doc("The equity curve as a picture", "The curve, with its zero line, its end and its period.")
        .parameters(&parameters::picture())
        .gives_other(handlers::SVG)
}

pub(crate) fn feed() -> Doc {
    doc(
        "The signals that ended last, as an Atom feed",
        "Fifty at most, or as many rows as the caller's lists have, the one that ended last first, and as late as these.",
    )
    .parameters(&parameters::feed())
    .gives_other(handlers::ATOM)
}
