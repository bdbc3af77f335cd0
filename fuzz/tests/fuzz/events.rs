//! What a row of the log holds is an event that is written again as it was read, or no event.

use alpine_domain::{event::Event, signal::VisibilityPolicy};

pub(crate) fn run(data: &[u8]) {
    let Ok(payload) = str::from_utf8(data) else { return };
    let Some(event) = Event::from_payload(payload) else { return };
    let written = event.to_payload().expect("an event is JSON");
    assert_eq!(Event::from_payload(&written).as_ref(), Some(&event), "{payload}");
    assert!(written.contains(event.kind()));
    let policy = VisibilityPolicy::default();
    let tags = event.tags(&policy);
    let of_kind = event.tags_of_kind(&policy);
    assert!(tags.iter().all(|tag| of_kind.contains(tag)), "{payload}");
}
