//! How sums are stored.

use serde::{Deserialize, Serialize};

use super::{Mark, Missed, Segment, Trade};
use crate::{Result, Timestamp, error::Error, signal::PnlPercent};

/// A segment as it is stored. Few results are told one by one, which takes less room than what follows from them.
#[derive(Serialize, Deserialize)]
enum Stored {
    Each { published: i64, ended: i64, missed: [Missed; 3], trades: Vec<StoredTrade> },
    Sums(Box<Segment>),
}

/// A result: which it is, steps of percent, when its signal was made in microseconds, simulated, late.
#[derive(Serialize, Deserialize)]
struct StoredTrade(Mark, i64, i64, bool, bool);

impl StoredTrade {
    const fn of(trade: &Trade) -> Self {
        let Trade { mark, pnl, signalled_at, is_simulated, is_late } = *trade;
        Self(mark, pnl.steps(), signalled_at.micros(), is_simulated, is_late)
    }

    const fn trade(self) -> Trade {
        let Self(mark, steps, signalled_at, is_simulated, is_late) = self;
        Trade {
            mark,
            pnl: PnlPercent::from_steps(steps),
            signalled_at: Timestamp::from_micros(signalled_at),
            is_simulated,
            is_late,
        }
    }
}

impl Segment {
    /// What is stored: postcard, whose integers take as many bytes as they need.
    ///
    /// # Errors
    /// [`Error::Internal`] if it cannot be written, which no field here can cause.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let stored = match &self.trades {
            Some(trades) => Stored::Each {
                published: self.published,
                ended: self.ended,
                missed: [self.expired, self.recovered, self.backdated],
                trades: trades.iter().map(StoredTrade::of).collect(),
            },
            None => Stored::Sums(Box::new(self.clone())),
        };
        postcard::to_extend(&stored, Vec::new()).map_err(Error::internal)
    }

    /// Reads what is stored.
    ///
    /// # Errors
    /// [`Error::Internal`] for what [`to_bytes`](Self::to_bytes) did not write.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        match postcard::from_bytes(bytes).map_err(Error::internal)? {
            Stored::Each { published, ended, missed, trades } => {
                let [expired, recovered, backdated] = missed;
                let head =
                    Self { published, ended, expired, recovered, backdated, ..Self::default() };
                Ok(trades.into_iter().fold(head, |mut all, trade| {
                    all.append(&Self::of(&trade.trade()));
                    all
                }))
            }
            Stored::Sums(segment) => Ok(*segment),
        }
    }
}
