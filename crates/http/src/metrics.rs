//! Counters and durations of requests. Labels come from the route table, so there is a bounded number; what has not
//! happened is not there.

use std::{sync::OnceLock, time::Duration};

use prometheus::{
    Histogram, HistogramVec, IntCounter, IntCounterVec, IntGauge, Registry,
    register_histogram_vec_with_registry, register_int_counter_vec_with_registry,
    register_int_counter_with_registry, register_int_gauge_with_registry,
};

/// Upper bounds of the duration's buckets, in seconds: what the cache answers, what the database does, what a client
/// notices, and what is a fault.
const BUCKETS: &[f64] = &[0.001, 0.005, 0.025, 0.1, 0.5, 2.5];

const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

/// Of requests.
const LABELS: &[&str] = &["route", "method", "status"];
/// Of durations, of whatever status: how often which came is counted beside.
const DURATION_LABELS: &[&str] = &["route", "method"];

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

/// The metrics of one route, each resolved when it is first needed: later requests look nothing up.
pub(crate) struct RouteMetrics {
    all: (IntCounterVec, HistogramVec),
    route: String,
    method: String,
    requests: [OnceLock<IntCounter>; CLASSES.len()],
    duration: OnceLock<Histogram>,
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
            DURATION_LABELS,
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
        all: (requests.clone(), durations.clone()),
        route: route.to_owned(),
        method: method.to_owned(),
        requests: Default::default(),
        duration: OnceLock::new(),
    }
}

impl RouteMetrics {
    pub(crate) fn observe(&self, status: u16, elapsed: Duration) {
        let class = usize::from(status / 100).clamp(1, CLASSES.len()) - 1;
        let (route, method) = (self.route.as_str(), self.method.as_str());
        let requests = || self.all.0.with_label_values(&[route, method, CLASSES[class]]);
        self.requests[class].get_or_init(requests).inc();
        let duration = || self.all.1.with_label_values(&[route, method]);
        self.duration.get_or_init(duration).observe(elapsed.as_secs_f64());
    }
}
