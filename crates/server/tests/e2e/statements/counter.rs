//! Which statements requests send to a database.
//!
//! Diesel tells each connection's hook of what it sends. Requests are answered on threads of actix's workers, whose
//! runtimes have one thread; tasks beside them run on the test's, which has several. So what belongs to nobody's
//! request is not counted.

use std::sync::{Mutex, PoisonError};

use diesel::connection::{Instrumentation, InstrumentationEvent, set_default_instrumentation};
use tokio::runtime::{Handle, RuntimeFlavor};

use crate::support::TestApp;

/// The connection's URL, and the statement.
static SENT: Mutex<Vec<(String, String)>> = Mutex::new(Vec::new());

/// What a connection is set up with when it is opened, which a request may have to do.
const SETTING_UP: [&str; 2] = ["PRAGMA ", "SELECT pg_backend_pid() "];

/// The hook of one connection.
struct Hook {
    url: String,
}

impl Instrumentation for Hook {
    fn on_connection_event(&mut self, event: InstrumentationEvent<'_>) {
        match event {
            InstrumentationEvent::StartEstablishConnection { url, .. } => {
                url.clone_into(&mut self.url);
            }
            InstrumentationEvent::StartQuery { query, .. } => self.note(&query.to_string()),
            _ => {}
        }
    }
}

impl Hook {
    fn note(&self, statement: &str) {
        let is_of_a_request = Handle::try_current()
            .is_ok_and(|handle| handle.runtime_flavor() == RuntimeFlavor::CurrentThread);
        if is_of_a_request && !SETTING_UP.iter().any(|start| statement.starts_with(start)) {
            let mut sent = SENT.lock().unwrap_or_else(PoisonError::into_inner);
            sent.push((self.url.clone(), statement.to_owned()));
        }
    }
}

/// From now on what is sent by connections that are opened is counted.
pub fn count() {
    set_default_instrumentation(|| Some(Box::new(Hook { url: String::new() }))).unwrap();
}

/// What requests have sent to this application's database since this was asked last.
pub fn sent(app: &TestApp) -> Vec<String> {
    let url = &app.config.database.url;
    let name = url.rsplit('/').next().and_then(|name| name.split('?').next()).unwrap();
    let is_own = |of: &str| match url.strip_prefix("sqlite:") {
        Some(path) => of == path,
        None => of.contains(name),
    };
    let mut all = SENT.lock().unwrap_or_else(PoisonError::into_inner);
    let (own, others) = all.drain(..).partition(|(of, _)| is_own(of));
    *all = others;
    own.into_iter().map(|(_, statement)| statement).collect()
}
