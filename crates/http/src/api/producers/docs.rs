//! What is said of the routes for producers.

use alpine_domain::signal::MAX_BATCH;

use super::{bodies, views};
use crate::{doc::Doc, json, problem};

fn doc(summary: &'static str, answer: &'static str) -> Doc {
    Doc::new("producers", summary, answer)
}

pub(crate) fn submit() -> Doc {
    doc("Push one signal", "Stored.")
        .takes::<bodies::SignalSubmission>(json::MEDIA_TYPE)
        .gives::<views::StoredView<'_>>()
        .created()
        .problems(&[&problem::DUPLICATE_SIGNAL, &problem::SIGNAL_CONFLICT])
}

pub(crate) fn submit_batch() -> Doc {
    doc("Push at most 10,000 signals", "What became of each line, in order.")
        .takes::<bodies::SignalSubmission>("application/x-ndjson")
        .takes_list::<bodies::SignalSubmission>(MAX_BATCH)
        .gives::<views::BatchView<'_>>()
}

pub(crate) fn report_outcome() -> Doc {
    doc(
        "Report how a signal ended",
        "The signal is closed, or had expired and the outcome is kept beside the expiry.",
    )
    .takes::<bodies::OutcomeReport>(json::MEDIA_TYPE)
    .gives::<views::OutcomeView<'_>>()
    .problems(&[&problem::NOT_FOUND, &problem::OUTCOME_CONFLICT])
}

pub(crate) fn health() -> Doc {
    doc("Whether signals can be pushed", "They can.").gives::<views::SyncHealth>()
}
