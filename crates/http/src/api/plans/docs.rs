//! What is said of the routes of plans.

use super::views::PlansView;
use crate::doc::{Doc, Extra};

pub(crate) fn plans() -> Doc {
    Doc::new("payments", "What can be subscribed to", "By price.")
        .with(Extra::Validator)
        .gives::<PlansView<'_>>()
}
