//! Which statements requests send.
//!
//! Diesel tells each connection's hook of what it sends. Requests are answered on threads of actix's workers, whose
//! runtimes have one thread; tasks beside them run on the chore's, which has several, and are not listened to.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use anyhow::{Result, anyhow};
use diesel::connection::{Instrumentation, InstrumentationEvent, set_default_instrumentation};
use tokio::runtime::{Handle, RuntimeFlavor};

static SENT: Mutex<Sent> = Mutex::new(BTreeMap::new());

/// Statements, each with the values that it was sent with last, as Diesel writes them.
pub(super) type Sent = BTreeMap<String, String>;

struct Hook;

impl Instrumentation for Hook {
    fn on_connection_event(&mut self, event: InstrumentationEvent<'_>) {
        let InstrumentationEvent::StartQuery { query, .. } = event else { return };
        let is_of_a_request = Handle::try_current()
            .is_ok_and(|handle| handle.runtime_flavor() == RuntimeFlavor::CurrentThread);
        if is_of_a_request {
            let text = query.to_string();
            let (text, values) = text.split_once(" -- binds: ").unwrap_or((&text, ""));
            let mut sent = SENT.lock().unwrap_or_else(PoisonError::into_inner);
            sent.insert(text.trim().to_owned(), values.to_owned());
        }
    }
}

/// From now on connections that are opened are listened to.
pub(super) fn listen() -> Result<()> {
    set_default_instrumentation(|| Some(Box::new(Hook))).map_err(|error| anyhow!("{error}"))
}

/// What was sent since this was asked last.
pub(super) fn take() -> Sent {
    std::mem::take(&mut *SENT.lock().unwrap_or_else(PoisonError::into_inner))
}
