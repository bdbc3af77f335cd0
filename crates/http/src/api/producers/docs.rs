//! What is said of the routes for producers.

use alpine_domain::signal::MAX_BATCH;

use super::{bodies, parameters, views};
use crate::{api::signals::views::SignalView, doc::Doc, json, problem};

fn doc(summary: &'static str, answer: &'static str) -> Doc {
    Doc::new("producers", summary, answer)
}

pub(crate) fn submit() -> Doc {
    doc("Push one signal", "Stored.")
        .explained(
            "`sha256` is SHA-256 over nine keys as Python's `json.dumps(…, sort_keys=True)` writes them; `alpine sign` \
             computes it, and a refused hash is answered with the texts that Alpine hashed. `docs/signing.md` has it in \
             four languages. Sent again, a signal is answered 409 with the number of the stored one.",
        )
        .takes::<bodies::SignalSubmission>(json::MEDIA_TYPE)
        .gives::<views::StoredView<'_>>()
        .created()
        .problems(&[&problem::DUPLICATE_SIGNAL, &problem::SIGNAL_CONFLICT])
}

pub(crate) fn submit_batch() -> Doc {
    doc("Push at most 10,000 signals", "What became of each line, in order.")
        .explained(
            "One JSON object a line (NDJSON), or one array. Good lines are stored, whatever becomes of the others, and \
             the whole may be sent again.",
        )
        .takes::<bodies::SignalSubmission>("application/x-ndjson")
        .takes_list::<bodies::SignalSubmission>(MAX_BATCH)
        .gives::<views::BatchView<'_>>()
}

pub(crate) fn report_outcome() -> Doc {
    doc(
        "Report how a signal ended",
        "The signal is closed, or had expired and the outcome is kept beside the expiry.",
    )
    .explained(
        "Once for each signal, by the producer's own `signal_id`: profit and loss are computed from exact decimals. The \
         same outcome sent again is answered 200, another one 409.",
    )
    .takes::<bodies::OutcomeReport>(json::MEDIA_TYPE)
    .gives::<views::OutcomeView<'_>>()
    .problems(&[&problem::NOT_FOUND, &problem::OUTCOME_CONFLICT])
}

pub(crate) fn report_outcomes() -> Doc {
    doc(
        "Report how at most 10,000 signals ended",
        "What became of each line, in order. Good lines are kept, whatever becomes of the others; sent again, they are \
         duplicates.",
    )
    .takes::<bodies::OutcomeReport>("application/x-ndjson")
    .takes_list::<bodies::OutcomeReport>(MAX_BATCH)
    .gives::<views::OutcomeBatchView<'_>>()
}

pub(crate) fn list() -> Doc {
    doc("The producer's own signals", "One page, newest first: all of them, at once.")
        .explained(
            "By `updated_after`, a program that lost what it kept finds what it published and how that ended.",
        )
        .parameters(&parameters::list())
        .gives::<views::OwnPage<'_>>()
}

pub(crate) fn find() -> Doc {
    doc("One of the producer's own signals, by its own id", "The signal, as it stands now.")
        .gives::<SignalView<'_>>()
}

pub(crate) fn health() -> Doc {
    doc("Whether signals can be pushed", "They can.").gives::<views::SyncHealth>()
}
