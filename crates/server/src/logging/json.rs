//! One line of JSON for each event: `timestamp`, `level`, the event's own fields, `target`.
//!
//! One is written for every request, so this does less than the general layer of
//! `tracing-subscriber`: no spans (Alpine has none), no map between the event and its text, one buffer
//! for each thread, and the part of the time that stays the same for a second is written once.

use std::{cell::RefCell, fmt};

use alpine_domain::{Clock as _, Timestamp, time::SystemClock};
use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::layer::{Context, Layer};

use super::writer::Lines;

/// What a thread's buffer keeps of its memory between two lines, in bytes.
const KEPT: usize = 4 * 1024;

/// The layer. Which events reach it is for a filter before it to say.
pub(super) struct JsonLines(Lines);

impl JsonLines {
    pub(super) const fn new(lines: Lines) -> Self {
        Self(lines)
    }
}

thread_local! {
    static LINE: RefCell<Line> = RefCell::default();
}

impl<S: Subscriber> Layer<S> for JsonLines {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        LINE.with(|line| {
            // A value that logs while it is written gets a line of its own.
            match line.try_borrow_mut() {
                Ok(mut line) => self.0.push(line.write(event, SystemClock.now())),
                Err(_) => self.0.push(Line::default().write(event, SystemClock.now())),
            }
        });
    }
}

/// A line under construction, and what stays from one to the next.
#[derive(Default)]
struct Line {
    bytes: Vec<u8>,
    /// A second, and its text without fraction and zone.
    second: Option<(i64, String)>,
}

impl Line {
    fn write(&mut self, event: &Event<'_>, now: Timestamp) -> &[u8] {
        self.bytes.clear();
        self.bytes.shrink_to(KEPT);
        self.bytes.extend_from_slice(b"{\"timestamp\":\"");
        self.time(now);
        self.bytes.extend_from_slice(b"\",\"level\":\"");
        let metadata = event.metadata();
        self.bytes.extend_from_slice(metadata.level().as_str().as_bytes());
        self.bytes.push(b'"');
        event.record(&mut MemberWriter(&mut self.bytes));
        self.bytes.extend_from_slice(b",\"target\":");
        json(&mut self.bytes, metadata.target());
        self.bytes.extend_from_slice(b"}\n");
        &self.bytes
    }

    /// RFC 3339 in UTC with microseconds.
    fn time(&mut self, now: Timestamp) {
        let second = now.micros().div_euclid(1_000_000);
        if self.second.as_ref().is_none_or(|(known, _)| *known != second) {
            let text = Timestamp::from_seconds(second).to_string();
            let until = text.find(['.', 'Z', '+']).unwrap_or(text.len());
            self.second = Some((second, text[..until].to_owned()));
        }
        if let Some((_, text)) = &self.second {
            self.bytes.extend_from_slice(text.as_bytes());
        }
        // Seven digits, of which the first says nothing.
        let mut fraction = itoa::Buffer::new();
        let fraction = fraction.format(now.micros().rem_euclid(1_000_000) + 1_000_000);
        self.bytes.push(b'.');
        self.bytes.extend_from_slice(&fraction.as_bytes()[1..]);
        self.bytes.push(b'Z');
    }
}

/// Writes an event's fields as members of the object that was begun.
struct MemberWriter<'a>(&'a mut Vec<u8>);

impl MemberWriter<'_> {
    fn member(&mut self, field: &Field, value: impl serde::Serialize) {
        self.0.extend_from_slice(b",\"");
        // The name of a field is an identifier.
        self.0.extend_from_slice(field.name().as_bytes());
        self.0.extend_from_slice(b"\":");
        json(self.0, value);
    }
}

impl Visit for MemberWriter<'_> {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.member(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.member(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.member(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.member(field, value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.member(field, value);
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.member(field, value.to_string());
    }

    /// Everything else, as the text that it makes of itself. `message` comes this way.
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.member(field, format!("{value:?}"));
    }
}

/// Numbers, booleans and text cannot fail to be written, and memory neither.
fn json(bytes: &mut Vec<u8>, value: impl serde::Serialize) {
    let _ = serde_json::to_writer(bytes, &value);
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;
    use crate::logging::writer;

    #[derive(Clone, Default)]
    struct Sink(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn logged(log: impl FnOnce()) -> Vec<serde_json::Value> {
        let sink = Sink::default();
        let (lines, flush) = writer::start(sink.clone(), 100).unwrap();
        let subscriber = tracing_subscriber::registry().with(JsonLines::new(lines));
        tracing::subscriber::with_default(subscriber, log);
        drop(flush);
        let text = String::from_utf8(sink.0.lock().unwrap().clone()).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[test]
    fn every_kind_of_field_is_a_member_of_its_own_kind() {
        let lines = logged(|| {
            tracing::warn!(
                target: "here",
                text = "a \"quoted\"\nline \u{1b}[31m",
                number = 7_u16,
                below = -7_i64,
                part = 0.125,
                yes = true,
                none = f64::NAN,
                shown = %"plain",
                debugged = ?Some("x"),
                error = &std::io::Error::other("broken") as &(dyn std::error::Error + 'static),
                "it {}", "happened"
            );
        });
        let mut line = lines[0].clone();
        let time = line.as_object_mut().unwrap().remove("timestamp").unwrap();
        let time = Timestamp::parse_rfc3339(time.as_str().unwrap()).unwrap();
        assert!(SystemClock.now().since(time) < std::time::Duration::from_mins(1));
        let expected = serde_json::json!({
            "level": "WARN", "target": "here", "message": "it happened",
            "text": "a \"quoted\"\nline \u{1b}[31m", "number": 7, "below": -7, "part": 0.125,
            "yes": true, "none": null, "shown": "plain", "debugged": "Some(\"x\")", "error": "broken",
        });
        assert_eq!(line, expected);
    }

    #[test]
    fn a_value_that_logs_while_it_is_written_breaks_no_line() {
        let lines = logged(|| {
            LINE.with(|line| {
                // As it is while a line is under construction.
                let _busy = line.borrow_mut();
                tracing::info!(value = 1, "inner");
            });
        });
        assert_eq!((lines.len(), &lines[0]["message"]), (1, &"inner".into()));
    }

    #[test]
    fn times_have_microseconds_and_end_with_z() {
        let mut line = Line::default();
        for (micros, text) in [
            (1_736_937_000_000_007, "2025-01-15T10:30:00.000007Z"),
            (1_736_937_000_999_999, "2025-01-15T10:30:00.999999Z"),
            (1_736_937_001_000_000, "2025-01-15T10:30:01.000000Z"),
        ] {
            line.bytes.clear();
            line.time(Timestamp::from_micros(micros));
            assert_eq!(std::str::from_utf8(&line.bytes).unwrap(), text);
        }
    }
}
