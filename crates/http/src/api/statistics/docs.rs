//! What is said of the routes of statistics.

use super::{parameters, views};
use crate::doc::{Doc, Extra};

fn doc(summary: &'static str, answer: &'static str) -> Doc {
    Doc::new("record", summary, answer).with(Extra::Validator)
}

pub(crate) fn statistics() -> Doc {
    doc("Statistics over closed signals", "The statistics.")
        .parameters(&parameters::performance())
        .gives::<views::StatisticsView>()
}

pub(crate) fn equity_curve() -> Doc {
    doc("Results added up, in the order in which they were received", "The curve.")
        .parameters(&parameters::curve())
        .gives::<views::EquityCurveView>()
}

pub(crate) fn symbols() -> Doc {
    doc("Instruments with closed signals", "By name.")
        .parameters(&parameters::symbols())
        .gives::<views::SymbolsView<'_>>()
}

pub(crate) fn definitions() -> Doc {
    Doc::new("record", "How every figure of the record is defined", "The page.")
        .gives_other("text/markdown")
}
