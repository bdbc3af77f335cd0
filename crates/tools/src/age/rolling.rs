//! A second instance starts beside one that serves, as in a rolling deployment.

use std::time::{Duration, Instant};

use alpine_testing::balancer::{Balancer, Report};
use anyhow::{Result, ensure};

use super::side::{Instance, READER, Side};

/// Requests that each instance has to answer.
const SERVED: u64 = 500;
const PATIENCE: Duration = Duration::from_mins(1);

/// Sends signed-in requests while an instance starts, and for some time after it takes part.
pub(super) async fn start_beside(side: &Side) -> Result<Report> {
    let token = side.sign_in(READER).await?.access_token;
    let mut balancer = Balancer::start("/api/v1/signals/subscribed", token.reveal(), 4);
    balancer.add(side.address());
    until_served(&balancer, side.address()).await?;
    let new = Instance::start(&side.config).await?;
    balancer.add(new.address);
    until_served(&balancer, new.address).await?;
    let report = balancer.finish().await;
    new.stop().await?;
    Ok(report)
}

async fn until_served(balancer: &Balancer, address: std::net::SocketAddr) -> Result<()> {
    let started = Instant::now();
    while balancer.served(address) < SERVED {
        ensure!(started.elapsed() < PATIENCE, "{address} served nobody for {PATIENCE:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Ok(())
}
