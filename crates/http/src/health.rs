//! The probes, asked at most once a second however often somebody wants to know.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use actix_web::{http::StatusCode, rt::time::timeout};
use alpine_domain::{
    Clock, Timestamp,
    ports::health::{Condition, Probe, Report},
};
use futures_util::{future::join_all, lock::Mutex};
use serde::Serialize;
use utoipa::ToSchema;

/// How long a report is passed on before the probes are asked again.
const KEPT: Duration = Duration::from_secs(1);

/// How the whole is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Status {
    /// Everything works.
    Healthy,
    /// The job is done, in a lesser way.
    Degraded,
    /// Something essential is away.
    Unhealthy,
}

impl Status {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Degraded => "degraded",
            Self::Unhealthy => "unhealthy",
        }
    }

    pub(crate) const fn http(self) -> StatusCode {
        match self {
            Self::Healthy | Self::Degraded => StatusCode::OK,
            Self::Unhealthy => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

/// How one part is doing.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct Check {
    /// `healthy`, `degraded`, `unhealthy` or `not_configured`.
    status: &'static str,
    /// Whether the service cannot do its job without it.
    essential: bool,
    /// Why, or what an operator should change.
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
    /// Since when it is so, as far as somebody asked.
    #[schema(value_type = String, format = DateTime)]
    since: Timestamp,
}

impl Check {
    /// In one text: `healthy`, `not_configured`, or `unhealthy: ` and why.
    fn text(&self) -> String {
        let is_well = matches!(self.status, "healthy" | "not_configured");
        match self.detail.as_ref().filter(|_| !is_well) {
            Some(detail) => format!("{}: {detail}", self.status),
            None => self.status.to_owned(),
        }
    }
}

/// What the probes said.
#[derive(Debug, Clone)]
pub(crate) struct Overview {
    pub(crate) status: Status,
    /// Of each part in one text.
    pub(crate) checks: BTreeMap<&'static str, String>,
    pub(crate) details: BTreeMap<&'static str, Check>,
}

/// The probes, asked one round at a time.
pub(crate) struct Health {
    probes: Vec<Arc<dyn Probe>>,
    probe_timeout: Duration,
    started: Instant,
    last: Mutex<Option<(Instant, Overview)>>,
}

impl Health {
    pub(crate) fn new(probes: Vec<Arc<dyn Probe>>, probe_timeout: Duration) -> Self {
        Self { probes, probe_timeout, started: Instant::now(), last: Mutex::new(None) }
    }

    /// How long the process has run.
    pub(crate) fn uptime(&self) -> Duration {
        self.started.elapsed()
    }

    /// What the probes say, or said within the last second. Concurrent callers share one round.
    pub(crate) async fn check(&self, clock: &dyn Clock) -> Overview {
        let mut last = self.last.lock().await;
        if let Some((at, overview)) = last.as_ref()
            && at.elapsed() < KEPT
        {
            return overview.clone();
        }
        let reports = join_all(self.probes.iter().map(|probe| self.ask(probe.as_ref()))).await;
        let before = last.as_ref().map(|(_, overview)| &overview.details);
        let overview = summarise(reports, before, clock.now());
        *last = Some((Instant::now(), overview.clone()));
        overview
    }

    async fn ask(&self, probe: &dyn Probe) -> (&'static str, bool, Report) {
        let report = timeout(self.probe_timeout, probe.probe()).await.unwrap_or_else(|_| Report {
            condition: Condition::Down,
            detail: Some("did not answer in time".to_owned()),
        });
        (probe.name(), probe.is_essential(), report)
    }
}

fn summarise(
    reports: Vec<(&'static str, bool, Report)>,
    before: Option<&BTreeMap<&'static str, Check>>,
    now: Timestamp,
) -> Overview {
    let mut status = Status::Healthy;
    let mut details = BTreeMap::new();
    for (name, essential, report) in reports {
        let word = match report.condition {
            Condition::Up => "healthy",
            Condition::Down => "unhealthy",
            Condition::Degraded => "degraded",
            Condition::NotConfigured => "not_configured",
        };
        match (report.condition, essential) {
            (Condition::Down, true) => status = Status::Unhealthy,
            (Condition::Down | Condition::Degraded, _) if status == Status::Healthy => {
                status = Status::Degraded;
            }
            _ => {}
        }
        let known = before.and_then(|before| before.get(name)).filter(|it| it.status == word);
        let since = known.map_or(now, |known| known.since);
        details.insert(name, Check { status: word, essential, detail: report.detail, since });
    }
    let checks = details.iter().map(|(name, check)| (*name, check.text())).collect();
    Overview { status, checks, details }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_say_why_and_since_is_kept_while_it_is_so() {
        let report = |condition, detail: Option<&str>| Report {
            condition,
            detail: detail.map(str::to_owned),
        };
        let at = Timestamp::from_seconds;
        let reports = |redis| {
            vec![
                ("database", true, report(Condition::Up, Some("some advice"))),
                ("redis", false, report(redis, Some("it is away"))),
            ]
        };
        let first = summarise(reports(Condition::Down), None, at(1));
        assert_eq!(first.checks["database"], "healthy");
        assert_eq!(first.checks["redis"], "unhealthy: it is away");
        let second = summarise(reports(Condition::Down), Some(&first.details), at(2));
        assert_eq!(second.details["redis"].since, at(1));
        let third = summarise(reports(Condition::Up), Some(&second.details), at(3));
        assert_eq!((third.details["redis"].since, third.details["database"].since), (at(3), at(1)));
    }
}
