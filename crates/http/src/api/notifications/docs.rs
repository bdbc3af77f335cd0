//! What is said of the routes of notifications.

use super::{
    parameters,
    preferences::{ChoiceRequest, PreferencesView},
    views,
};
use crate::{
    doc::{Doc, Extra},
    json::MEDIA_TYPE as JSON,
    problem,
};

fn doc(summary: &'static str, answer: &'static str) -> Doc {
    Doc::new("notifications", summary, answer)
}

pub(crate) fn list() -> Doc {
    doc("The user's notifications", "One page, newest first.")
        .parameters(&parameters::page())
        .gives::<views::NotificationPageView<'_>>()
        .with(Extra::Link)
}

pub(crate) fn unread() -> Doc {
    doc("The user's unread notifications", "One page, newest first.")
        .parameters(&parameters::page())
        .gives::<views::NotificationPageView<'_>>()
        .with(Extra::Link)
}

pub(crate) fn mark_read() -> Doc {
    doc("Mark some as read", "How many were unread and are read now.")
        .takes::<views::ReadRequest>(JSON)
        .gives::<views::ChangedView>()
}

pub(crate) fn mark_all_read() -> Doc {
    doc("Mark all as read", "How many were unread.").gives::<views::ChangedView>()
}

pub(crate) fn delete() -> Doc {
    doc("Delete a notification", "Deleted.")
        .gives::<views::ChangedView>()
        .problems(&[&problem::NOT_FOUND])
}

pub(crate) fn show_preferences() -> Doc {
    doc("Of what the user is told", "Each kind, told or not.").gives::<PreferencesView>()
}

pub(crate) fn choose() -> Doc {
    doc("Choose of what to be told", "Each kind, told or not.")
        .takes::<ChoiceRequest>(JSON)
        .gives::<PreferencesView>()
}
