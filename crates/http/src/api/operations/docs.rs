//! What is said of the routes for operators and of the description itself.

use super::views::{HealthView, StatusView};
use crate::{
    doc::{Doc, Extra},
    json,
    problem::{self, Kind},
};

fn doc(summary: &'static str, answer: &'static str) -> Doc {
    Doc::new("operation", summary, answer)
}

pub(crate) fn health() -> Doc {
    doc("How the service is doing", "Healthy or degraded.").gives::<HealthView<'_>>()
}

pub(crate) fn liveness() -> Doc {
    doc("Whether the process answers", "It does.").gives::<StatusView>()
}

pub(crate) fn readiness() -> Doc {
    doc("Whether to send requests here", "Yes.")
        .gives::<StatusView>()
        .problems(&[&problem::UNAVAILABLE])
}

pub(crate) fn metrics() -> Doc {
    doc("Metrics for Prometheus", "The metrics.").gives_other("text/plain")
}

pub(crate) fn openapi() -> Doc {
    doc("This description", "OpenAPI 3.1.").gives_other(json::MEDIA_TYPE)
}

pub(crate) fn page() -> Doc {
    doc("A page to read and try the API", "Below /docs/.").answers(308).with(Extra::Location)
}

pub(crate) fn problem_kind() -> Doc {
    doc("What a problem's type means", "The kind.").gives::<Kind>()
}
