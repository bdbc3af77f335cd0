//! The clock of the database's server.

use std::sync::Arc;

use alpine_domain::{
    Clock,
    ports::database_clock::{DatabaseClock as _, DatabaseTime},
    time::SystemClock,
};
use alpine_persistence::ServerClock;

use crate::support::{DatabaseBed, on_both};

on_both!(a_server_tells_its_time_and_a_file_has_none,);

/// The server of the tests runs on this machine.
async fn a_server_tells_its_time_and_a_file_has_none(bed: DatabaseBed) {
    let clock = ServerClock::of(&bed.database);
    assert_eq!(clock.is_some(), bed.is_postgres());
    let Some(clock) = clock else { return };
    let ours: Arc<dyn Clock> = Arc::new(SystemClock);
    let DatabaseTime { shown, before, after } = clock.read(&ours).await.unwrap();
    assert!(before <= shown && shown <= after, "{before} {shown} {after}");
}
