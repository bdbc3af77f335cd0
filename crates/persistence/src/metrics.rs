//! What is measured of the database.

use alpine_domain::{Error, Result};
use prometheus::{
    HistogramVec, IntGauge, Registry,
    core::{Collector, Desc},
    proto::MetricFamily,
    register_histogram_vec_with_registry,
};

use crate::pool::Pool;

/// Registers the metrics of one pool; says where durations go.
pub(crate) fn register(registry: &Registry, pool: &Pool) -> Result<HistogramVec> {
    let buckets = vec![0.001, 0.005, 0.025, 0.1, 0.5, 2.5];
    let durations = register_histogram_vec_with_registry!(
        "db_query_duration_seconds",
        "How long units of work took, waiting for a connection included, by operation.",
        &["operation"],
        buckets,
        registry
    )
    .map_err(Error::internal)?;
    let gauge = |name, help| IntGauge::new(name, help).map_err(Error::internal);
    let usage = Usage {
        pool: pool.clone(),
        active: gauge("db_connections_active", "Database connections in use.")?,
        idle: gauge("db_connections_idle", "Database connections open and idle.")?,
    };
    registry.register(Box::new(usage)).map_err(Error::internal)?;
    Ok(durations)
}

/// Asks the pool when it is asked itself.
struct Usage {
    pool: Pool,
    active: IntGauge,
    idle: IntGauge,
}

impl Collector for Usage {
    fn desc(&self) -> Vec<&Desc> {
        let mut all = self.active.desc();
        all.extend(self.idle.desc());
        all
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let (active, idle) = self.pool.usage();
        self.active.set(active.into());
        self.idle.set(idle.into());
        let mut all = self.active.collect();
        all.extend(self.idle.collect());
        all
    }
}
