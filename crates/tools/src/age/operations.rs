//! What is measured on both databases.

use std::time::{Duration, Instant};

use alpine_domain::{
    Timestamp,
    account::SignOut,
    retention::{Due, Positions},
};
use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use super::{
    seed::{BUSY_USER, expiry_of, log_pace},
    side::{Instance, Side, UNCACHED},
};
use crate::fixture;

/// Signals that one call expires.
const EXPIRED: u32 = 20;
/// Sessions that one call deletes.
const DELETED: i64 = 10;
/// Events that one call prunes.
const PRUNED: i64 = 200;

/// Who reads a list.
#[derive(Debug, Clone, Copy)]
pub(super) enum Reader {
    /// Somebody without an account.
    Anybody,
    /// A subscriber whose tier has no bounds.
    Elite,
    /// The user with many ended API keys.
    KeyUser,
}

/// One thing that Alpine does.
#[derive(Debug, Clone, Copy)]
pub(super) enum Operation {
    Start,
    SignIn,
    /// The same with a hasher that takes no time.
    SignInUnhashed,
    Refresh,
    SignOut,
    SignOutEverywhere,
    SignOutEverywhereBusy,
    SignOutEverybody,
    Prune,
    Delete,
    Expire,
    Accept,
    Report,
    /// A path below [`UNCACHED`], read to its end.
    Get(&'static str, Reader),
    /// The page of open signals behind the first four fifths.
    DeepPage,
    /// One signal by its number.
    Find,
}

use Reader::{Anybody, Elite, KeyUser};

/// In the order in which they are measured: what changes the lists comes after them, and what signs everybody
/// out comes last.
pub(super) const ALL: &[Operation] = &[
    Operation::Start,
    Operation::Get("signals/latest", Anybody),
    Operation::Get("signals/latest?limit=100", Elite),
    Operation::Get("signals/latest?symbol=AAPL", Elite),
    Operation::Get("signals/subscribed", Elite),
    Operation::Get("signals/subscribed?action=SELL", Elite),
    Operation::Get("signals/subscribed?min_confidence=90", Elite),
    Operation::DeepPage,
    Operation::Get("signals/live", Elite),
    Operation::Get("signals/history", Elite),
    Operation::Get("signals/history?days=365&limit=500", Elite),
    Operation::Get("signals/history?symbol=AAPL", Elite),
    Operation::Get("signals/history?status=open", Elite),
    Operation::Get("signals/history?status=target_hit", Elite),
    Operation::Get("signals/history?status=expired", Elite),
    Operation::Find,
    Operation::Get("signals/export?days=1", Elite),
    Operation::Get("signals/export?days=1&format=json", Elite),
    Operation::Get("performance/stats", Anybody),
    Operation::Get("performance/stats?late=include", Anybody),
    Operation::Get("performance/stats?symbol=AAPL", Anybody),
    Operation::Get("performance/stats?days=1", Anybody),
    Operation::Get("performance/equity-curve", Anybody),
    Operation::Get("symbols", Anybody),
    Operation::Get("users/api-keys", KeyUser),
    Operation::Get("users/profile", Elite),
    Operation::SignIn,
    Operation::SignInUnhashed,
    Operation::Refresh,
    Operation::SignOut,
    Operation::SignOutEverywhere,
    Operation::SignOutEverywhereBusy,
    Operation::Accept,
    Operation::Report,
    Operation::Expire,
    Operation::Prune,
    Operation::Delete,
    Operation::SignOutEverybody,
];

impl Operation {
    /// As it stands in the table.
    pub(super) fn label(self) -> String {
        match self {
            Self::Start => "start until ready".to_owned(),
            Self::SignIn => "log-in".to_owned(),
            Self::SignInUnhashed => "log-in, without hashing".to_owned(),
            Self::Refresh => "refresh".to_owned(),
            Self::SignOut => "logout".to_owned(),
            Self::SignOutEverywhere => "logout-all".to_owned(),
            Self::SignOutEverywhereBusy => "logout-all, very many sessions".to_owned(),
            Self::SignOutEverybody => "`sessions revoke-all`".to_owned(),
            Self::Prune => "pruning, for each event".to_owned(),
            Self::Delete => "retention, for each row".to_owned(),
            Self::Expire => "expiry, for each signal".to_owned(),
            Self::Accept => "a signal is stored".to_owned(),
            Self::Report => "an outcome is stored".to_owned(),
            Self::Get(path, _) => format!("`{path}`"),
            Self::DeepPage => "`signals/subscribed`, far behind a cursor".to_owned(),
            Self::Find => "`signals/{id}`".to_owned(),
        }
    }

    /// How long it takes once; of what works on many rows, for each row.
    ///
    /// # Errors
    /// When it does not do what it should.
    pub(super) async fn run(self, side: &Side) -> Result<Duration> {
        match self {
            Self::Start => start(side).await,
            Self::SignIn => {
                let user = side.another_user();
                timed(side.sign_in_by(&side.core.use_cases.accounts, user)).await
            }
            Self::SignInUnhashed => {
                let user = side.another_user();
                timed(side.sign_in(user)).await
            }
            Self::Refresh => {
                let signed_in = side.sign_in(side.another_user()).await?;
                let token = signed_in.refresh_token.reveal();
                let refresh = side.accounts.refresh(Some(&side.address), token);
                timed(async { Ok(refresh.await?) }).await
            }
            Self::SignOut => {
                let session = side.sign_in(side.another_user()).await?.session;
                timed(async { Ok(side.accounts.sign_out(session).await?) }).await
            }
            Self::SignOutEverywhere => sign_out_everywhere(side, side.another_user()).await,
            Self::SignOutEverywhereBusy => sign_out_everywhere(side, BUSY_USER).await,
            Self::SignOutEverybody => {
                timed(async { Ok(side.accounts.sign_out_everybody().await?) }).await
            }
            Self::Prune => prune(side).await,
            Self::Delete => delete(side).await,
            Self::Expire => expire(side).await,
            Self::Accept => accept(side).await,
            Self::Report => report(side).await,
            Self::Get(path, reader) => timed(read(side, path, reader)).await,
            Self::DeepPage => {
                let offset = side.sizes.open * 8 / 10;
                let path = format!("signals/subscribed?offset={offset}");
                let before = read_json(side, &path, Elite).await?;
                let cursor = before["next_cursor"].as_str().context("no next page")?;
                let path = format!("signals/subscribed?cursor={cursor}");
                timed(read(side, &path, Elite)).await
            }
            Self::Find => {
                let newest = read_json(side, "signals/latest", Elite).await?;
                let id = newest[0]["id"].to_string();
                let path = format!("signals/{}", id.trim_matches('"'));
                timed(read(side, &path, Elite)).await
            }
        }
    }
}

async fn timed<T>(work: impl Future<Output = Result<T>>) -> Result<Duration> {
    let started = Instant::now();
    work.await?;
    Ok(started.elapsed())
}

/// Another instance beside the one that runs.
async fn start(side: &Side) -> Result<Duration> {
    let instance = Instance::start(&side.config).await?;
    let took = instance.until_ready(&side.http).await?;
    instance.stop().await?;
    Ok(took)
}

async fn sign_out_everywhere(side: &Side, user: i64) -> Result<Duration> {
    let account = side.sign_in(user).await?.account;
    timed(async { Ok(side.accounts.sign_out_everywhere(account.id, SignOut::Sessions).await?) })
        .await
}

/// Takes the oldest rows off the log. Each call finds as many that are old.
async fn prune(side: &Side) -> Result<Duration> {
    let (start, step) = log_pace(&side.sizes, side.seeded_at);
    let before = start + (side.pruned() + PRUNED) * step + 1;
    let started = Instant::now();
    let before = Timestamp::from_micros(before);
    let (pruned, _) = side.core.stores.events.prune_chunk(before, 0).await?;
    let took = started.elapsed();
    ensure!(pruned == PRUNED.unsigned_abs(), "{pruned} events were pruned");
    side.note_pruned(PRUNED);
    Ok(took / u32::try_from(PRUNED)?)
}

/// The oldest sessions with their refresh tokens. Each call finds as many that are due.
async fn delete(side: &Side) -> Result<Duration> {
    let due = Due {
        sessions: Timestamp::from_micros(expiry_of(
            &side.sizes,
            side.seeded_at,
            side.sessions_deleted() + DELETED,
        )),
        api_keys: Timestamp::MIN,
        failed_jobs: Timestamp::MIN,
        audit: Timestamp::MIN,
        notifications: Timestamp::MIN,
        now: side.core.ports.clock.now(),
        from: Positions::default(),
    };
    let started = Instant::now();
    let (deleted, _) = side.core.stores.retention.delete_chunk(due).await?;
    let took = started.elapsed();
    ensure!(deleted.sessions == DELETED.unsigned_abs(), "{deleted:?}");
    side.note_sessions_deleted(DELETED);
    Ok(took / u32::try_from(deleted.rows())?)
}

/// The oldest open signals, by a horizon that all of them have passed.
async fn expire(side: &Side) -> Result<Duration> {
    let now = side.core.ports.clock.now();
    let started = Instant::now();
    let expired = side.core.stores.signals.expire(now, Duration::ZERO, &[], EXPIRED).await?;
    let took = started.elapsed();
    ensure!(expired.len() == EXPIRED as usize, "{} signals expired", expired.len());
    Ok(took / EXPIRED)
}

async fn accept(side: &Side) -> Result<Duration> {
    let bodies = fixture::signals()?;
    let at = usize::try_from(side.turn())? % bodies.len();
    let body = bodies.get(at).context("no signal")?;
    timed(async { Ok(side.core.use_cases.intake.submit(&side.producer, body.as_bytes()).await?) })
        .await
}

/// Of the open ones, the newest that is left.
async fn report(side: &Side) -> Result<Duration> {
    let newest = side.sizes.signals - side.sizes.signals % 2;
    let outcome = json!({
        "signal_id": format!("AGE-{}", newest - 2 * side.reported()),
        "exit_price": 500.0,
        "exit_timestamp": side.core.ports.clock.now(),
    });
    let body = outcome.to_string();
    let intake = &side.core.use_cases.intake;
    timed(async {
        let (_, is_new) = intake.report_outcome(&side.producer, body.as_bytes()).await?;
        ensure!(is_new, "the signal had an outcome");
        Ok(())
    })
    .await
}

fn token(side: &Side, reader: Reader) -> Option<&str> {
    match reader {
        Anybody => None,
        Elite => Some(&side.reader),
        KeyUser => Some(&side.key_user),
    }
}

/// The whole answer.
async fn read(side: &Side, path: &str, reader: Reader) -> Result<String> {
    let request = side.get(&format!("{UNCACHED}{path}"), token(side, reader));
    let answer = request.send().await?;
    let status = answer.status();
    let text = answer.text().await?;
    ensure!(status.is_success(), "{status}: {text}");
    ensure!(text.len() > 2, "an empty answer: {text}");
    Ok(text)
}

async fn read_json(side: &Side, path: &str, reader: Reader) -> Result<Value> {
    Ok(serde_json::from_str(&read(side, path, reader).await?)?)
}
