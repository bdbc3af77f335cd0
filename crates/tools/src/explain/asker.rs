//! Makes the requests, and says which statements each of them sent.

use anyhow::{Context as _, Result};
use reqwest::Method;
use serde_json::{Value, json};

use super::{
    asks::{Ask, Body},
    sent::{self, Sent},
};
use crate::{fixture, stage::Stage};

/// How often each request is made: a server may plan a statement otherwise from the sixth time on.
const TIMES: usize = 7;

/// An application that is asked.
pub(super) struct Asker {
    pub(super) stage: Stage,
    /// Signals that were sent, and those that have ended.
    turns: [usize; 2],
}

impl Asker {
    pub(super) const fn new(stage: Stage) -> Self {
        Self { stage, turns: [0; 2] }
    }

    /// Makes the request some times; says which statements that sent, and the first answer that was none.
    pub(super) async fn ask(&mut self, ask: &Ask) -> Result<(Sent, Option<String>)> {
        sent::take();
        for _ in 0..TIMES {
            let path = ask.path.replace("<signal>", &self.stage.signal);
            let request = match self.body(ask.body)? {
                None => self.stage.request(Method::GET, ask.by, &path),
                Some(body) => self
                    .stage
                    .request(Method::POST, ask.by, &path)
                    .header("content-type", "application/json")
                    .body(body),
            };
            let answer = request.send().await?;
            let status = answer.status();
            let text = answer.text().await?;
            if !status.is_success() {
                return Ok((sent::take(), Some(format!("{status} {text}"))));
            }
        }
        Ok((sent::take(), None))
    }

    fn body(&mut self, body: Body) -> Result<Option<String>> {
        let [signals, outcomes] = &mut self.turns;
        Ok(match body {
            Body::None => None,
            Body::Signal => {
                *signals += 1;
                fixture::signals()?.get(*signals - 1).cloned()
            }
            Body::Outcome => {
                *outcomes += 1;
                let all = fixture::signals()?;
                let signal: Value =
                    serde_json::from_str(all.get(*outcomes - 1).context("no signal")?)?;
                let said = json!({"signal_id": signal["signal_id"], "exit_price": signal["entry_price"],
                    "exit_timestamp": "2025-12-31T10:30:00Z", "status": "closed"});
                Some(said.to_string())
            }
        })
    }
}
