//! Counters and durations of requests. Labels come from the route table, so there is a fixed number.

use std::time::Duration;

use prometheus::{
    Histogram, HistogramVec, IntCounter, IntCounterVec, IntGauge, Registry,
    register_histogram_vec_with_registry, register_int_counter_vec_with_registry,
    register_int_counter_with_registry, register_int_gauge_with_registry,
};

/// Upper bounds of the duration's buckets, in seconds.
const BUCKETS: &[f64] =
    &[0.000_25, 0.000_5, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];

const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

const LABELS: &[&str] = &["route", "method", "status"];

/// The metrics of the HTTP surface.
pub(crate) struct Metrics {
    requests: IntCounterVec,
    durations: HistogramVec,
    /// Files that ended in the middle.
    pub(crate) broken_exports: IntCounter,
    open_exports: IntGauge,
    /// Of answers that no route gave: preflights.
    pub(crate) unrouted: RouteMetrics,
}

/// An export under way.
pub(crate) struct OpenExport(IntGauge);

impl Drop for OpenExport {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// The metrics of one route, resolved once: a request looks nothing up.
pub(crate) struct RouteMetrics {
    requests: [IntCounter; CLASSES.len()],
    durations: [Histogram; CLASSES.len()],
}

impl Metrics {
    pub(crate) fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let requests = register_int_counter_vec_with_registry!(
            "api_requests_total",
            "Requests answered.",
            LABELS,
            registry
        )?;
        let durations = register_histogram_vec_with_registry!(
            "api_request_duration_seconds",
            "Time from the request's head to the answer's head.",
            LABELS,
            BUCKETS.to_vec(),
            registry
        )?;
        let broken_exports = register_int_counter_with_registry!(
            "http_exports_broken_off_total",
            "Exports that ended in the middle, because the rest could not be read.",
            registry
        )?;
        let open_exports = register_int_gauge_with_registry!(
            "http_exports_open",
            "Exports under way: begun, and neither ended nor given up.",
            registry
        )?;
        let unrouted = resolve(&requests, &durations, "none", "OTHER");
        Ok(Self { requests, durations, broken_exports, open_exports, unrouted })
    }

    /// Counts an export as under way for as long as what is returned lives.
    pub(crate) fn open_export(&self) -> OpenExport {
        self.open_exports.inc();
        OpenExport(self.open_exports.clone())
    }

    pub(crate) fn route(&self, route: &str, method: &str) -> RouteMetrics {
        resolve(&self.requests, &self.durations, route, method)
    }
}

fn resolve(
    requests: &IntCounterVec,
    durations: &HistogramVec,
    route: &str,
    method: &str,
) -> RouteMetrics {
    RouteMetrics {
        requests: CLASSES.map(|class| requests.with_label_values(&[route, method, class])),
        durations: CLASSES.map(|class| durations.with_label_values(&[route, method, class])),
    }
}

impl RouteMetrics {
    pub(crate) fn observe(&self, status: u16, elapsed: Duration) {
        let class = usize::from(status / 100).clamp(1, CLASSES.len()) - 1;
        self.requests[class].inc();
        self.durations[class].observe(elapsed.as_secs_f64());
    }
}
