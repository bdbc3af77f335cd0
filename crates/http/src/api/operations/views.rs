//! How the service is doing, as operators and load balancers see it.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use crate::health::{Check, Status};

/// How the service is doing.
#[derive(Serialize, ToSchema)]
#[schema(as = Health)]
pub(crate) struct HealthView<'a> {
    pub status: Status,
    pub service: &'a str,
    pub version: &'a str,
    pub uptime_seconds: u64,
    /// Of each part (`database`, `redis` and others) in one text: `healthy`, `not_configured`, or `degraded: ` or
    /// `unhealthy: ` and why.
    pub checks: &'a BTreeMap<&'static str, String>,
    /// The same in members, and since when it is so.
    pub details: &'a BTreeMap<&'static str, Check>,
}

/// A word on how a process is doing.
#[derive(Serialize, ToSchema)]
pub(crate) struct StatusView {
    pub status: &'static str,
}
