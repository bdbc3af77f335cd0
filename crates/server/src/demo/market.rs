//! A made-up market: prices on a random walk, and a trader who opens and closes positions on them.

use std::collections::VecDeque;

use alpine_domain::signal::hashed::HashedValue::{Number, Text};
use alpine_domain::{
    Timestamp,
    signal::{Action, HashForm, Signal, VerificationHash, canonical_text, hashed::HashedFields},
};

/// Instruments and where their walk starts, in cents.
const INSTRUMENTS: [(&str, &str, i64); 7] = [
    ("AAPL", "stock", 23_150),
    ("MSFT", "stock", 43_020),
    ("NVDA", "stock", 14_260),
    ("TSLA", "stock", 34_890),
    ("SPY", "stock", 59_310),
    ("BTC-USD", "crypto", 9_742_500),
    ("ETH-USD", "crypto", 345_180),
];
/// Open positions at most; the oldest one is closed at the market beyond that.
const MOST_OPEN: usize = 12;

/// What the trader says, as bodies for the API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Message {
    /// A new position.
    Signal(String),
    /// The end of one.
    Outcome(String),
}

struct Position {
    signal_id: String,
    instrument: usize,
    is_buy: bool,
    target: i64,
    stop: i64,
}

/// Prices, positions and the dice.
pub(super) struct Market {
    dice: u64,
    /// Tells the signals of this run from those of earlier ones.
    run: String,
    count: u64,
    prices: [i64; INSTRUMENTS.len()],
    open: VecDeque<Position>,
}

impl Market {
    pub(super) fn new(seed: u64, run: String) -> Self {
        Self {
            // The generator stands still at zero.
            dice: seed | 1,
            run,
            count: 0,
            prices: INSTRUMENTS.map(|(_, _, start)| start),
            open: VecDeque::new(),
        }
    }

    /// One step of every price; positions that reached their end are closed, and one is opened.
    pub(super) fn step(&mut self, now: Timestamp) -> Vec<Message> {
        for instrument in 0..self.prices.len() {
            // Up to 0.4 percent either way.
            let move_by = self.roll(81) - 40;
            self.prices[instrument] += self.prices[instrument] * move_by / 10_000;
        }
        let mut messages = Vec::new();
        let mut still_open = VecDeque::new();
        while let Some(position) = self.open.pop_front() {
            let price = self.prices[position.instrument];
            let (rise, fall) = (
                price >= position.target.max(position.stop),
                price <= position.target.min(position.stop),
            );
            if rise || fall {
                messages.push(outcome(&position, price, now));
            } else {
                still_open.push_back(position);
            }
        }
        self.open = still_open;
        if self.open.len() >= MOST_OPEN
            && let Some(oldest) = self.open.pop_front()
        {
            messages.push(outcome(&oldest, self.prices[oldest.instrument], now));
        }
        messages.push(self.signal(now));
        messages
    }

    /// Goes on where these signals stand, the newest first: their prices are the market's, and what is open is closed
    /// in time.
    pub(super) fn resume(&mut self, newest: &[Signal]) {
        let mut priced = [false; INSTRUMENTS.len()];
        for signal in newest {
            let content = &signal.content;
            let symbol = content.symbol.as_str();
            let Some(instrument) = INSTRUMENTS.iter().position(|(name, ..)| *name == symbol) else {
                continue;
            };
            if !std::mem::replace(&mut priced[instrument], true) {
                self.prices[instrument] = cents(content.entry_price.as_str());
            }
            let (Some(target), Some(stop)) = (&content.target_price, &content.stop_price) else {
                continue;
            };
            if signal.outcome.is_none() && self.open.len() < MOST_OPEN {
                self.open.push_front(Position {
                    signal_id: content.external_id.as_str().to_owned(),
                    instrument,
                    is_buy: content.action == Action::Buy,
                    target: cents(target.as_str()),
                    stop: cents(stop.as_str()),
                });
            }
        }
    }

    fn signal(&mut self, now: Timestamp) -> Message {
        let instrument = usize::try_from(self.roll(7)).unwrap_or_default();
        let (symbol, asset_type, _) = INSTRUMENTS[instrument];
        let is_buy = self.roll(2) == 0;
        let price = self.prices[instrument];
        // Target 1.2 percent away, stop 0.8 percent on the other side.
        let (gain, loss) = (price * 12 / 1_000, price * 8 / 1_000);
        let (target, stop) =
            if is_buy { (price + gain, price - loss) } else { (price - gain, price + loss) };
        // 60.0 to 98.9 percent, so that every tier has something to see.
        let tenths = 600 + self.roll(390);
        self.count += 1;
        let signal_id = format!("SIM-{}-{}", self.run, self.count);

        let action = if is_buy { "BUY" } else { "SELL" };
        let confidence = format!("{}.{}", tenths / 10, tenths % 10);
        let (entry, timestamp) = (decimal(price), now.to_string());
        let (target_text, stop_text) = (decimal(target), decimal(stop));
        let fields = HashedFields([
            ("action", Text(action)),
            ("confidence", Number(&confidence)),
            ("entry_price", Number(&entry)),
            ("signal_id", Text(&signal_id)),
            ("stop_price", Number(&stop_text)),
            ("strategy", Text("random_walk")),
            ("symbol", Text(symbol)),
            ("target_price", Number(&target_text)),
            ("timestamp", Text(&timestamp)),
        ]);
        let hash = VerificationHash::of(&canonical_text(&fields, HashForm::Full));
        let body = format!(
            r#"{{"signal_id":"{signal_id}","symbol":"{symbol}","action":"{action}","entry_price":{entry},"target_price":{target_text},"stop_price":{stop_text},"confidence":{confidence},"strategy":"random_walk","asset_type":"{asset_type}","data_source":"simulator","timestamp":"{timestamp}","reasoning":"Made up by the simulator: no advice","sha256":"{}"}}"#,
            hash.as_str()
        );
        self.open.push_back(Position { signal_id, instrument, is_buy, target, stop });
        Message::Signal(body)
    }

    /// A number from 0 to below `sides` (xorshift64*); fair enough for a made-up market.
    fn roll(&mut self, sides: u32) -> i64 {
        self.dice ^= self.dice >> 12;
        self.dice ^= self.dice << 25;
        self.dice ^= self.dice >> 27;
        let bits = self.dice.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33;
        i64::try_from(bits % u64::from(sides)).unwrap_or_default()
    }
}

fn outcome(position: &Position, price: i64, now: Timestamp) -> Message {
    let reached = |limit: i64, rising: bool| if rising { price >= limit } else { price <= limit };
    let status = if reached(position.target, position.is_buy) {
        "target_hit"
    } else if reached(position.stop, !position.is_buy) {
        "stop_hit"
    } else {
        "closed"
    };
    Message::Outcome(format!(
        r#"{{"signal_id":"{}","exit_price":{},"exit_timestamp":"{now}","status":"{status}"}}"#,
        position.signal_id,
        decimal(price)
    ))
}

/// A decimal number that this market wrote, in cents.
fn cents(decimal: &str) -> i64 {
    let (whole, part) = decimal.split_once('.').unwrap_or((decimal, "0"));
    let part: i64 = format!("{part:0<2}").get(..2).and_then(|part| part.parse().ok()).unwrap_or(0);
    whole.parse::<i64>().unwrap_or(0) * 100 + part
}

/// Cents as a decimal number.
fn decimal(cents: i64) -> String {
    format!("{}.{:02}", cents / 100, cents % 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_position_is_closed_once_and_prices_stay_positive() {
        let mut market = Market::new(42, "t".into());
        let (mut opened, mut closed) = (0, std::collections::BTreeSet::new());
        for second in 0..2_000 {
            for message in market.step(Timestamp::from_seconds(1_700_000_000 + second)) {
                match message {
                    Message::Signal(body) => {
                        let _: serde_json::Value = serde_json::from_str(&body).unwrap();
                        opened += 1;
                    }
                    Message::Outcome(body) => {
                        let body: serde_json::Value = serde_json::from_str(&body).unwrap();
                        let id = body["signal_id"].as_str().unwrap().to_owned();
                        assert!(closed.insert(id), "closed twice: {body}");
                    }
                }
            }
        }
        assert_eq!(opened, 2_000);
        assert_eq!(closed.len() + market.open.len(), opened);
        assert!(market.open.len() <= MOST_OPEN);
        assert!(market.prices.iter().all(|price| *price > 0));
    }

    #[test]
    fn cents_are_read_as_they_are_written() {
        for number in [1, 10, 99, 100, 123_456] {
            assert_eq!(cents(&decimal(number)), number);
        }
    }

    #[test]
    fn the_same_seed_makes_the_same_market() {
        let now = Timestamp::from_seconds(1_700_000_000);
        let run = || Market::new(7, "r".into()).step(now);
        assert_eq!(run(), run());
    }
}
