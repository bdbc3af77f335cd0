//! What a proxy does at this moment.

use std::{net::SocketAddr, sync::Arc, time::Duration};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    Pass,
    Delay { to_server: Duration, to_client: Duration },
    Throttle { bytes_per_second: u32 },
    CutAfter { bytes: u64 },
    BlackHole,
    Refuse,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    ToServer,
    ToClient,
}

/// The fault, since when, and where new connections go.
pub(super) struct State {
    target: SocketAddr,
    fault: Fault,
    changes: u64,
    epoch: Arc<()>,
}

impl State {
    pub(super) fn new(target: SocketAddr) -> Self {
        Self { target, fault: Fault::Pass, changes: 0, epoch: Arc::new(()) }
    }

    pub(super) fn set(&mut self, fault: Fault) {
        self.fault = fault;
        self.changes += 1;
    }

    /// Ends the connections of the present epoch, which is returned.
    pub(super) fn begin_epoch(&mut self) -> Arc<()> {
        self.changes += 1;
        std::mem::replace(&mut self.epoch, Arc::new(()))
    }

    pub(super) fn target(&self) -> SocketAddr {
        self.target
    }

    pub(super) fn redirect(&mut self, target: SocketAddr) {
        self.target = target;
        self.changes += 1;
    }

    pub(super) fn fault(&self) -> Fault {
        self.fault
    }

    /// How often a fault was set, or connections were cut.
    pub(super) fn changes(&self) -> u64 {
        self.changes
    }

    pub(super) fn epoch(&self) -> &Arc<()> {
        &self.epoch
    }

    pub(super) fn delay(&self, direction: Direction) -> Duration {
        match (self.fault, direction) {
            (Fault::Delay { to_server, .. }, Direction::ToServer) => to_server,
            (Fault::Delay { to_client, .. }, Direction::ToClient) => to_client,
            _ => Duration::ZERO,
        }
    }
}

/// How many bytes of answers still pass before the cut.
#[derive(Default)]
pub(super) struct CutBudget {
    changes: u64,
    left: Option<u64>,
}

impl CutBudget {
    /// Begins anew when the fault was set anew.
    pub(super) fn left(&mut self, changes: u64, bytes: u64) -> u64 {
        if self.changes != changes {
            (self.changes, self.left) = (changes, None);
        }
        *self.left.get_or_insert(bytes)
    }

    /// Whether nothing is left. A direction that was never given a budget has none to spend.
    pub(super) fn spend(&mut self, bytes: usize) -> bool {
        let Some(left) = &mut self.left else {
            return false;
        };
        *left = left.saturating_sub(u64::try_from(bytes).unwrap_or(u64::MAX));
        *left == 0
    }
}
