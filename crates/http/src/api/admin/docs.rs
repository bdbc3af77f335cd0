//! What is said of the routes of administrators.

use super::{parameters, views};
use crate::{
    doc::{Doc, Extra},
    problem,
};

fn doc(summary: &'static str, answer: &'static str) -> Doc {
    Doc::new("admin", summary, answer).problems(&[&problem::UNAVAILABLE])
}

pub(crate) fn audit() -> Doc {
    doc("The audit log: who did what, to whom, when and from where", "The newest first.")
        .parameters(&parameters::audit())
        .gives::<views::AuditPageView<'_>>()
        .with(Extra::Link)
}

pub(crate) fn events() -> Doc {
    doc("What of the audit log concerns security, every refusal included", "The newest first.")
        .parameters(&parameters::events())
        .gives::<views::AuditPageView<'_>>()
        .with(Extra::Link)
}

pub(crate) fn metrics() -> Doc {
    doc("What concerns security, counted over 24 hours", "The figures.")
        .gives::<views::SecurityMetricsView>()
}
