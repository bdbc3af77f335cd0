//! `alpine serve --demo`: something that moves. A simulated producer, marked as simulated wherever it
//! shows, and one account per tier.

mod market;

use std::{fmt::Write as _, net::SocketAddr, sync::Arc, time::Duration};

use alpine_domain::{
    Clock as _, Error,
    account::{Role, Secret, Tier, digest},
    error::ConflictKind,
    page::Slice,
    ports::secrets::HashPriority,
    producer::Producer,
    signal::SignalQuery,
    time::{ManualClock, SystemClock},
};
use prometheus::Registry;

use crate::{
    application::{Core, Ports, TimeSource, explain},
    config::Config,
};
use market::{Market, Message};

/// The producer's name.
const PRODUCER: &str = "simulator";
/// The pause between two steps.
const PACE: Duration = Duration::from_secs(3);
/// How far the past of a new demonstration goes back, and the pause between its steps: what is shown late, and over days,
/// is there at once.
const PAST: Duration = Duration::from_hours(6 * 24);
const PAST_PACE: Duration = Duration::from_mins(30);
/// Signals that are looked at to go on where an earlier run ended.
const RESUMED: u32 = 100;
/// The name of each account, its tier and role; the address is `demo-NAME@example.com`.
const ACCOUNTS: [(&str, Tier, Role); 5] = [
    ("free", Tier::Free, Role::User),
    ("starter", Tier::Starter, Role::User),
    ("pro", Tier::Pro, Role::User),
    ("elite", Tier::Elite, Role::User),
    ("admin", Tier::Elite, Role::Admin),
];

/// Makes the accounts, prints how to sign in and how commands of `program` reach its database, and lets the simulator trade until it is dropped.
pub(crate) async fn run(core: Arc<Core>, config: &Config, address: SocketAddr, program: &str) {
    let credentials = match prepare(&core, config).await {
        Ok(credentials) => credentials,
        Err(error) => {
            tracing::error!(error = format!("{error:#}"), "the demonstration cannot start");
            return;
        }
    };
    println!("{}", instructions(&credentials));
    print_watch_command(&core, &credentials, address).await;
    println!(
        "  commands       DATABASE_URL={} {program} user list\n",
        quoted(&config.database.url)
    );
    if let Err(error) = trade(&core, config).await {
        tracing::error!(%error, "the simulator stopped");
    }
}

/// Makes the accounts that are missing; says address and password of each.
async fn prepare(core: &Core, config: &Config) -> anyhow::Result<Vec<(String, String)>> {
    let mut credentials = Vec::new();
    for (name, tier, role) in ACCOUNTS {
        let email = format!("demo-{name}@example.com");
        let password = derived(config, &email);
        let full_name = format!("Demo {name}");
        match core.use_cases.accounts.create(&email, &password, &full_name, tier, role).await {
            Ok(_) => {}
            // From an earlier run; the password comes from the same secret.
            Err(Error::Conflict(conflict)) if conflict.kind == ConflictKind::EmailTaken => {}
            Err(error) => return Err(explain(error)),
        }
        credentials.push((email, password));
    }
    Ok(credentials)
}

/// Gives a new demonstration some days of past, by the same use cases and another clock. One that has any signals is left
/// as it is.
pub(crate) async fn past(config: &Config) -> anyhow::Result<()> {
    let begin = SystemClock.now().earlier(PAST);
    let clock = Arc::new(ManualClock::starting_at(begin));
    let ports = Ports { time: TimeSource::Manual(clock.clone()), ..Ports::default() };
    let core = Core::wire(config, &ports, &Registry::new())?;
    core.prepare_schema(config).await?;
    let query = SignalQuery::all(SystemClock.now());
    if core.stores.signal_reader.count(&query, 1).await.map_err(explain)? > 0 {
        return Ok(());
    }
    let (producer, mut market) = begin_trading(&core, config).await.map_err(explain)?;
    while clock.now() < SystemClock.now().earlier(PAST_PACE) {
        for message in market.step(clock.now()) {
            send(&core, &producer, &message).await.map_err(explain)?;
        }
        clock.advance(PAST_PACE);
    }
    Ok(())
}

/// The producer, and a market that goes on where the last signals stand.
async fn begin_trading(core: &Core, config: &Config) -> alpine_domain::Result<(Producer, Market)> {
    let key = Secret::new(derived(config, PRODUCER));
    let producer = core.use_cases.producers.ensure(PRODUCER, &key, true).await?;
    let mut seed = [0; 8];
    core.ports.randomness.fill(&mut seed);
    let now = core.ports.clock.now();
    let mut market = Market::new(u64::from_le_bytes(seed), now.seconds().to_string());
    let last =
        core.stores.signal_reader.list(&SignalQuery::all(now), Slice::first(RESUMED)).await?;
    let own: Vec<_> =
        { last.into_iter() }.filter(|it| it.content.producer == producer.id).collect();
    market.resume(&own);
    Ok((producer, market))
}

async fn trade(core: &Core, config: &Config) -> alpine_domain::Result<()> {
    let (producer, mut market) = begin_trading(core, config).await?;
    loop {
        tokio::time::sleep(PACE).await;
        for message in market.step(core.ports.clock.now()) {
            match send(core, &producer, &message).await {
                // A signal that was lost while the database was away has no outcome to report.
                Ok(()) | Err(Error::NotFound(_)) => {}
                Err(error @ Error::Unavailable { .. }) => {
                    tracing::warn!(%error, "the simulator waits");
                    tokio::time::sleep(PACE).await;
                }
                Err(error) => return Err(error),
            }
        }
    }
}

async fn send(core: &Core, producer: &Producer, message: &Message) -> alpine_domain::Result<()> {
    match message {
        Message::Signal(body) => {
            core.use_cases.intake.submit(producer, body.as_bytes()).await?;
        }
        Message::Outcome(body) => {
            core.use_cases.intake.report_outcome(producer, body.as_bytes()).await?;
        }
    }
    Ok(())
}

/// The same secret on every start of this installation, which nobody else can compute: nothing has to
/// be stored to print it again.
fn derived(config: &Config, purpose: &str) -> String {
    let secret = config.secrets.jwt.as_ref().map_or("", Secret::reveal);
    let mut text = digest(&format!("demo:{purpose}:{secret}"));
    text.truncate(32);
    text
}

fn instructions(credentials: &[(String, String)]) -> String {
    let mut text = String::from(
        "  demonstration: simulated signals every few seconds; accounts, one per tier:\n",
    );
    for (email, password) in credentials {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "    {email:<26} {password}");
    }
    text
}

/// A word as a shell takes it for one.
fn quoted(word: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"./_-:".contains(&byte);
    if word.bytes().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// One command that shows something move: with a token of the tier that sees everything at once.
async fn print_watch_command(core: &Core, credentials: &[(String, String)], address: SocketAddr) {
    let elite = credentials.iter().find(|(email, _)| email.contains("elite"));
    let Some((email, password)) = elite else { return };
    match core.use_cases.accounts.sign_in(None, HashPriority::Known, email, password).await {
        Ok(signed_in) => println!(
            "  watch          curl -s 'http://{address}/api/v1/signals/latest?limit=3' -H 'Authorization: Bearer {}'\n",
            signed_in.access_token.reveal()
        ),
        Err(error) => tracing::warn!(%error, "the demonstration's elite account cannot sign in"),
    }
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn a_word_stays_one_in_a_shell() {
        assert_eq!(quoted("sqlite:./data/demo.db"), "sqlite:./data/demo.db");
        assert_eq!(quoted("sqlite:My data/it's.db"), r"'sqlite:My data/it'\''s.db'");
    }
}
