//! Bounds what one place in the code can write.
//!
//! Whoever can reach a port can make Alpine warn: with malformed requests, or with requests that are
//! answered 503. So each place that logs warnings or errors writes a few lines in an interval; further
//! ones are counted, and a summary says how many. What the HTTP library says of single connections is
//! only counted: each of those lines is a client's doing, and none of them names the client.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use prometheus::{IntCounter, Registry};
use tracing::{Event, Level, Metadata, Subscriber, callsite::Identifier};
use tracing_subscriber::layer::{Context, Layer};

/// What the HTTP library logs, by the beginning of its targets.
const CONNECTIONS: &str = "actix_http";

/// The layer. It decides for every layer of the subscriber; clones are of the same counts.
#[derive(Clone)]
pub(super) struct Repeats(Arc<Shared>);

struct Shared {
    /// Lines of one place in an interval.
    at_most: u32,
    interval: Duration,
    /// One for each place that has logged a warning or an error: as many as the program has.
    places: Mutex<HashMap<Identifier, CallsiteCount>>,
    left_out: IntCounter,
    connections: IntCounter,
    /// What `connections` was at the last summary.
    told: Mutex<u64>,
}

struct CallsiteCount {
    metadata: &'static Metadata<'static>,
    since: Instant,
    written: u32,
    /// Since the last summary.
    left_out: u64,
}

impl Repeats {
    pub(super) fn new(at_most: u32, interval: Duration) -> Result<Self, prometheus::Error> {
        Ok(Self(Arc::new(Shared {
            at_most,
            interval,
            places: Mutex::default(),
            left_out: IntCounter::new(
                "log_lines_left_out_total",
                "Warnings and errors left out of the log, because the same place in the code had \
                 written as many as it may in one interval.",
            )?,
            connections: IntCounter::new(
                "http_connection_errors_total",
                "Errors of single HTTP connections, which are not logged one by one: malformed or \
                 oversized heads above all.",
            )?,
            told: Mutex::default(),
        })))
    }

    pub(super) fn register(&self, registry: &Registry) -> Result<(), prometheus::Error> {
        registry.register(Box::new(self.0.left_out.clone()))?;
        registry.register(Box::new(self.0.connections.clone()))
    }

    /// Logs a summary at the end of every interval in which something was left out. Never ends.
    pub(super) async fn summarise_every_interval(self) {
        loop {
            tokio::time::sleep(self.0.interval).await;
            self.summarise();
        }
    }

    /// Logs what was left out since it was last called.
    pub(super) fn summarise(&self) {
        let total = self.0.connections.get();
        let told = {
            let mut told = self.0.told.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut *told, total)
        };
        let connections = total.saturating_sub(told);
        if connections > 0 {
            tracing::warn!(connections, "connections failed, most by requests that are no HTTP");
        }
        // Collected first: a line that is logged while the lock is held would wait for it.
        let left_out: Vec<_> = {
            let mut places = self.0.places.lock().unwrap_or_else(PoisonError::into_inner);
            let take =
                |place: &mut CallsiteCount| (place.metadata, std::mem::take(&mut place.left_out));
            places.values_mut().map(take).filter(|(_, lines)| *lines > 0).collect()
        };
        for (place, lines) in left_out {
            let (of, line) = (place.target(), place.line());
            tracing::warn!(lines, of, line, "further lines of this place were left out");
        }
    }

    /// Whether an event of this place may be written now.
    fn admits(&self, metadata: &'static Metadata<'static>, now: Instant) -> bool {
        if metadata.target().starts_with(CONNECTIONS) {
            self.0.connections.inc();
            return false;
        }
        let mut places = self.0.places.lock().unwrap_or_else(PoisonError::into_inner);
        let place = places.entry(metadata.callsite()).or_insert(CallsiteCount {
            metadata,
            since: now,
            written: 0,
            left_out: 0,
        });
        if now.duration_since(place.since) >= self.0.interval {
            (place.since, place.written) = (now, 0);
        }
        if place.written < self.0.at_most {
            place.written += 1;
            return true;
        }
        place.left_out += 1;
        self.0.left_out.inc();
        false
    }
}

impl<S: Subscriber> Layer<S> for Repeats {
    fn event_enabled(&self, event: &Event<'_>, _: Context<'_, S>) -> bool {
        let metadata = event.metadata();
        // Levels are ordered by how much they let through: an error is the least of them.
        let is_bounded = *metadata.level() <= Level::WARN && metadata.target() != module_path!();
        !is_bounded || self.admits(metadata, Instant::now())
    }
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    /// Keeps the messages that reach it.
    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<String>>>);

    impl<S: Subscriber> Layer<S> for Written {
        fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
            struct Text(String);
            impl tracing::field::Visit for Text {
                fn record_debug(
                    &mut self,
                    field: &tracing::field::Field,
                    value: &dyn std::fmt::Debug,
                ) {
                    if field.name() != "line" && field.name() != "of" {
                        self.0 = format!("{} {}={value:?}", self.0, field.name());
                    }
                }
            }
            let mut text = Text(event.metadata().level().to_string());
            event.record(&mut text);
            self.0.lock().unwrap().push(text.0);
        }
    }

    fn with(repeats: &Repeats, log: impl FnOnce()) -> Vec<String> {
        let written = Written::default();
        let subscriber = tracing_subscriber::registry().with(repeats.clone()).with(written.clone());
        tracing::subscriber::with_default(subscriber, log);
        written.0.lock().unwrap().clone()
    }

    #[test]
    fn a_place_writes_its_share_in_an_interval_and_a_summary_of_the_rest() {
        let repeats = Repeats::new(2, Duration::from_millis(50)).unwrap();
        let written = with(&repeats, || {
            for round in 0..2 {
                for _ in 0..5 {
                    tracing::warn!("one");
                }
                tracing::error!("other");
                repeats.summarise();
                repeats.summarise();
                if round == 0 {
                    std::thread::sleep(Duration::from_millis(60));
                }
            }
        });
        let summary = "WARN message=further lines of this place were left out lines=3";
        let round = ["WARN message=one", "WARN message=one", "ERROR message=other", summary];
        assert_eq!(written, [round, round].concat());
        assert_eq!((repeats.0.left_out.get(), repeats.0.connections.get()), (6, 0));
    }

    #[test]
    fn what_the_http_library_says_of_connections_is_counted_only() {
        let repeats = Repeats::new(2, Duration::from_mins(1)).unwrap();
        let written = with(&repeats, || {
            for _ in 0..5 {
                tracing::error!(target: "actix_http::h1::dispatcher", "stream error");
            }
            tracing::info!(target: "actix_http::h1::dispatcher", "of no account");
            repeats.summarise();
        });
        let summary =
            "WARN message=connections failed, most by requests that are no HTTP connections=5";
        assert_eq!(written, ["INFO message=of no account", summary]);
        assert_eq!((repeats.0.left_out.get(), repeats.0.connections.get()), (0, 5));
    }

    #[test]
    fn what_is_no_warning_is_never_left_out() {
        let repeats = Repeats::new(1, Duration::from_mins(1)).unwrap();
        let written = with(&repeats, || {
            for _ in 0..3 {
                tracing::info!(target: "access", "a request");
            }
        });
        assert_eq!(written, ["INFO message=a request"; 3]);
    }
}
