//! What is said of the routes of signals.

use super::{exported, parameters, verification, views};
use crate::{
    doc::{Doc, Extra},
    problem,
};

fn doc(summary: &'static str, answer: &'static str) -> Doc {
    Doc::new("signals", summary, answer)
}

pub(crate) fn latest() -> Doc {
    doc("The newest open signals", "What the caller's tier may see.")
        .explained(
            "A bare array. `X-Visibility` says why it is empty or cut: who has no account, or a free one, sees signals \
             late and below a confidence.",
        )
        .parameters(&parameters::latest())
        .gives_list::<views::SignalView<'_>>()
        .with(Extra::Validator)
}

pub(crate) fn subscribed() -> Doc {
    doc("Open signals, page by page", "One page, newest first.")
        .explained("`visibility` says why the list is empty or cut; `cursor` leads through it without gaps.")
        .parameters(&parameters::subscribed())
        .gives::<views::SignalPage<'_>>()
        .with(Extra::Validator)
        .with(Extra::Link)
}

pub(crate) fn live() -> Doc {
    doc("The newest open signals of the tier", "With the tier's threshold.")
        .parameters(&parameters::live())
        .gives::<views::LiveView<'_>>()
        .with(Extra::Validator)
}

pub(crate) fn history() -> Doc {
    doc("Signals of the last days", "Newest first.")
        .explained("Open and ended ones, with how they ended.")
        .parameters(&parameters::history())
        .gives_list::<views::HistoryView<'_>>()
        .with(Extra::Validator)
}

pub(crate) fn find() -> Doc {
    doc("One signal", "The signal.")
        .explained("404 also where the caller's tier may not see it, or not yet.")
        .gives::<views::SignalView<'_>>()
}

pub(crate) fn verification() -> Doc {
    doc(
        "What a signal and its outcome are hashed from",
        "The texts with their hashes, as far as the caller may see the signal and know how it ended. `docs/record.md` \
         says how to hash them again.",
    )
    .gives::<verification::VerificationView<'_>>()
}

pub(crate) fn export() -> Doc {
    doc(
        "Signals as a file",
        "The file, streamed, newest first: of 30 days unless `days` or `since` says otherwise. One that cannot be finished ends in a broken transfer and, before that, in \
         `{\"error\": problem}` as the last line (ndjson) or element (json, whose bracket is missing), or \
         in a quoted cell that is not closed (csv). An account has a bounded number of exports at once: 429.",
    )
        .parameters(&parameters::export())
        .gives_other("text/csv")
        .gives_list::<exported::ExportedView<'_>>()
        .gives_other("application/x-ndjson")
        .with(Extra::Attachment)
        .problems(&[&problem::NOT_ACCEPTABLE])
}
