//! What is said of the routes of payments.

use super::{bodies, parameters, views};
use crate::{
    doc::{Doc, Extra},
    json::MEDIA_TYPE as JSON,
    problem,
};

fn doc(summary: &'static str, answer: &'static str) -> Doc {
    Doc::new("payments", summary, answer)
}

pub(crate) fn plan() -> Doc {
    doc("What you have, and pay", "As it was read from the provider last.")
        .gives::<views::OwnPlanView<'_>>()
}

pub(crate) fn upgrade() -> Doc {
    doc(
        "Pay for a tier, or for another one",
        "Where to pay, or changed at once where a subscription is paid for already.",
    )
    .takes::<bodies::UpgradeRequest>(JSON)
    .gives::<views::UpgradedView<'_>>()
    .problems(&[
        &problem::FORBIDDEN,
        &problem::ALREADY_SUBSCRIBED,
        &problem::PAYMENTS_OFF,
        &problem::UNAVAILABLE,
    ])
}

pub(crate) fn cancel() -> Doc {
    ending("End the subscription with its period", "It ends then.")
}

pub(crate) fn resume() -> Doc {
    ending("Have a cancelled subscription go on", "It goes on.")
}

fn ending(summary: &'static str, answer: &'static str) -> Doc {
    doc(summary, answer).gives::<views::EndingView<'_>>().problems(&[
        &problem::NOT_SUBSCRIBED,
        &problem::PAYMENTS_OFF,
        &problem::UNAVAILABLE,
    ])
}

pub(crate) fn portal() -> Doc {
    doc("A page for invoices, ways to pay and cancelling", "Where it is.")
        .gives::<views::PortalView<'_>>()
        .problems(&[&problem::NOT_SUBSCRIBED, &problem::PAYMENTS_OFF, &problem::UNAVAILABLE])
}

pub(crate) fn invoices() -> Doc {
    doc("Your invoices", "The newest first.")
        .parameters(&parameters::invoices())
        .with(Extra::Link)
        .gives::<views::InvoicePageView<'_>>()
}

pub(crate) fn receive() -> Doc {
    doc(
        "For Stripe alone: something has happened",
        "It is stored. The same event again is answered alike and has no further effect.",
    )
    .takes::<bodies::StripeEvent>(JSON)
    .gives::<views::EventTakenView<'_>>()
    .problems(&[&problem::PAYMENTS_OFF, &problem::UNAVAILABLE])
}

pub(crate) fn state() -> Doc {
    Doc::new(
        "admin",
        "Customers to look at",
        "Whom the provider knows otherwise, or whom it cannot be told what they pay for.",
    )
    .gives::<views::PaymentsStateView<'_>>()
}
