//! Sends lines and waits when the server asks for it, within bounds.

use std::{
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use indicatif::ProgressBar;
use reqwest::{
    StatusCode,
    blocking::{RequestBuilder, Response},
    header::{CONTENT_TYPE, RETRY_AFTER},
};
use serde_json::Value;

use super::{
    answers::{Answer, BatchAnswer},
    lines::Line,
    summary::Summary,
};

/// Tries of one request, and the longest that all its pauses together may take. An hourly limit is not
/// waited for.
const TRIES: u32 = 10;
const PATIENCE: Duration = Duration::from_mins(3);

pub(super) struct Client {
    http: reqwest::blocking::Client,
    base: String,
    key: String,
}

impl Client {
    pub(super) fn new(url: &str, key: &str) -> Result<Self> {
        Ok(Self {
            http: reqwest::blocking::Client::builder().timeout(Duration::from_mins(1)).build()?,
            base: url.trim_end_matches('/').to_owned(),
            key: key.to_owned(),
        })
    }

    pub(super) fn send_one(&self, line: &Line, progress: &ProgressBar) -> Result<Answer> {
        let response = self.patiently(progress, || {
            self.post(line.route()).header(CONTENT_TYPE, "application/json").body(line.body.clone())
        })?;
        let status = response.status();
        let body = response.json().unwrap_or(Value::Null);
        refuse_key_problems(status, &body)?;
        Ok(Answer { status, body })
    }

    pub(super) fn send_batch(
        &self,
        lines: &[Line],
        progress: &ProgressBar,
        summary: &mut Summary,
    ) -> Result<()> {
        let body = lines.iter().map(|line| line.body.as_str()).collect::<Vec<_>>().join("\n");
        let route = lines.first().context("a batch holds lines")?.batch_route();
        let response = self.patiently(progress, || {
            self.post(route).header(CONTENT_TYPE, "application/x-ndjson").body(body.clone())
        })?;
        let status = response.status();
        let answer: Value = response.json().unwrap_or(Value::Null);
        refuse_key_problems(status, &answer)?;
        if !status.is_success() {
            bail!("the batch was refused with {status}: {answer}");
        }
        let answer: BatchAnswer =
            serde_json::from_value(answer).context("the answer to a batch")?;
        let answered = answer.results.len() + answer.refused_untold;
        if answered != lines.len() {
            bail!("{} lines were sent, {answered} answered", lines.len());
        }
        for result in &answer.results {
            let line = result
                .line
                .checked_sub(1)
                .and_then(|index| lines.get(index))
                .with_context(|| format!("an answer names line {}", result.line))?;
            summary.judge_batch_line(line, result);
        }
        summary.judge_untold(answer.refused_untold);
        Ok(())
    }

    fn post(&self, route: &str) -> RequestBuilder {
        self.http.post(format!("{}/api/v1/{route}", self.base)).header("X-API-Key", &self.key)
    }

    /// Repeats a request while the server says 429 or 503, or cannot be reached. A repeated write is
    /// harmless: the server stores each signal once.
    fn patiently(
        &self,
        progress: &ProgressBar,
        request: impl Fn() -> RequestBuilder,
    ) -> Result<Response> {
        let started = Instant::now();
        let mut pause = Duration::from_millis(200);
        for attempt in 1.. {
            let (why, asked) = match request().send() {
                Ok(response) if !is_temporary(response.status()) => return Ok(response),
                Ok(response) => (response.status().to_string(), retry_after(&response)),
                Err(error) => (format!("{:#}", anyhow::Error::from(error)), None),
            };
            let wait = asked.unwrap_or(pause);
            if attempt == TRIES || started.elapsed() + wait > PATIENCE {
                bail!("gave up on {} after {attempt} tries: {why}", self.base);
            }
            progress.set_message(format!("(waiting {} s: {why})", wait.as_secs_f32().ceil()));
            thread::sleep(wait);
            progress.set_message("");
            pause = (pause * 2).min(Duration::from_secs(10));
        }
        bail!("no attempt was made")
    }
}

/// Without a good key no further line can succeed.
fn refuse_key_problems(status: StatusCode, body: &Value) -> Result<()> {
    if status == StatusCode::UNAUTHORIZED || status == StatusCode::FORBIDDEN {
        let detail = body["detail"].as_str().unwrap_or("the key was refused");
        bail!("{status}: {detail}; make a key with `alpine producer create NAME`");
    }
    Ok(())
}

fn is_temporary(status: StatusCode) -> bool {
    matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE)
}

fn retry_after(response: &Response) -> Option<Duration> {
    let seconds = response.headers().get(RETRY_AFTER)?.to_str().ok()?;
    seconds.trim().parse().ok().map(Duration::from_secs)
}
