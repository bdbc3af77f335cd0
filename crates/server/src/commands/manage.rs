//! Administrators, producers, sessions, second factors and jobs, managed on the machine itself.

use std::{
    io::BufRead as _,
    time::{Duration, Instant},
};

use alpine_domain::{
    Error, Timestamp,
    account::{AddressProof, NewPassword},
    audit::{Action, Entry, Origin, Party, within},
    jobs::{Job, JobId, JobState, NewJob, StoredJob},
    ports::secrets::Randomness,
    producer,
};
use anyhow::{Context as _, Result};
use prometheus::Registry;

use crate::{
    application::{Core, Ports, explain},
    cli::{Admin, Jobs, Producer, Sessions, TwoFactor},
    config::Config,
};

pub(super) fn admin(config: &Config, action: Admin) -> Result<()> {
    let Admin::Create { email, full_name, promote, i_know_who_this_is, password_stdin } = action;
    let given = password_stdin.then(read_password).transpose()?;
    let proof = if i_know_who_this_is { AddressProof::Operator } else { AddressProof::Verified };
    with_core(config, async |core: Core| {
        let password = given.clone().unwrap_or_else(|| generate_password(&*core.ports.randomness));
        let account = if promote {
            core.use_cases.accounts.promote(&email, &password, proof).await.map_err(|error| {
                hint(error, |error| matches!(error, Error::Forbidden(_)), "--i-know-who-this-is")
            })?
        } else {
            core.use_cases.accounts.create_admin(&email, &password, &full_name).await.map_err(
                |error| hint(error, |error| matches!(error, Error::Conflict(_)), "--promote"),
            )?
        };
        println!("{} is an administrator now", account.email);
        if promote {
            println!("its sessions and API keys have ended");
        }
        if given.is_none() {
            println!("password, shown this once: {password}");
        }
        Ok(())
    })
}

/// The error, and which option says that it is meant all the same.
fn hint(error: Error, concerns: impl Fn(&Error) -> bool, option: &str) -> anyhow::Error {
    let text = concerns(&error).then(|| format!("{option} says that it is meant all the same"));
    let error = explain(error);
    match text {
        Some(text) => error.context(text),
        None => error,
    }
}

pub(super) fn producer(config: &Config, action: Producer) -> Result<()> {
    with_core(config, async |core: Core| {
        let producers = &core.use_cases.producers;
        match action {
            Producer::Create { name, simulated } => {
                let (producer, key) = producers.create(&name, simulated).await.map_err(explain)?;
                let simulated = if producer.is_simulated { "simulated " } else { "" };
                println!("made the {simulated}producer {}", producer.name);
                println!("key, shown this once: {}", key.reveal());
            }
            Producer::List => {
                let all = producers.overview().await.map_err(explain)?;
                for (producer, old_until) in &all {
                    println!("{}", producer_line(producer, *old_until));
                }
                if all.is_empty() {
                    println!("none yet; `alpine producer create NAME` makes one");
                }
            }
            Producer::Rotate { name, overlap_hours } => {
                let id = producers.named(&name).await.map_err(explain)?.id;
                let overlap = Duration::from_hours(overlap_hours);
                let (_, key, until) = producers.rotate(id, overlap).await.map_err(explain)?;
                println!("key, shown this once: {}", key.reveal());
                println!("the old key is good until {until}");
            }
            Producer::Disable { name } => {
                let id = producers.named(&name).await.map_err(explain)?.id;
                producers.disable(id).await.map_err(explain)?;
                println!("disabled {name}; instances refuse its keys within two seconds");
            }
            Producer::Enable { name } => {
                let id = producers.named(&name).await.map_err(explain)?.id;
                producers.enable(id).await.map_err(explain)?;
                println!("enabled {name}");
            }
        }
        Ok(())
    })
}

/// One line for a person.
fn producer_line(producer: &producer::Producer, old_until: Option<Timestamp>) -> String {
    let producer::Producer { name, is_simulated, is_active, created_at, .. } = producer;
    let state = if *is_active { "enabled" } else { "disabled" };
    let simulated = if *is_simulated { ", simulated" } else { "" };
    let old = old_until.map(|until| format!(", its old key is good until {until}"));
    format!("{name}: {state}{simulated}, made {created_at}{}", old.unwrap_or_default())
}

pub(super) fn sessions(config: &Config, action: Sessions) -> Result<()> {
    let Sessions::RevokeAll = action;
    with_core(config, async |core: Core| {
        core.use_cases.accounts.sign_out_everybody().await.map_err(explain)?;
        println!("signed everybody out; instances refuse their tokens within two seconds");
        Ok(())
    })
}

pub(super) fn two_factor(config: &Config, action: TwoFactor) -> Result<()> {
    with_core(config, async |core: Core| {
        let accounts = &core.use_cases.accounts;
        match action {
            TwoFactor::Off { email } => {
                let was_on = accounts.remove_factor(&email).await.map_err(explain)?;
                let state = if was_on { "is off now" } else { "was off" };
                println!("two-factor sign-in of {} {state}", email.escape_debug());
            }
            TwoFactor::Reseal => {
                let resealed = accounts.reseal_factors().await.map_err(explain)?;
                println!("sealed {resealed} secrets anew");
            }
        }
        Ok(())
    })
}

pub(super) fn jobs(config: &Config, action: Jobs) -> Result<()> {
    with_core(config, async |core: Core| match action {
        Jobs::List { pending, limit, offset } => {
            let state = if pending { JobState::Pending } else { JobState::Failed };
            for job in core.stores.jobs.list(state, limit, offset).await.map_err(explain)? {
                println!("{}", line(&job));
            }
            let counts = core.stores.jobs.counts().await.map_err(explain)?;
            println!("{} pending, {} failed", counts.pending, counts.failed);
            Ok(())
        }
        Jobs::Retry { id } => {
            let (id, now) = (JobId::new(id), core.ports.clock.now());
            match core.stores.jobs.retry_failed(id, now).await.map_err(explain)? {
                pending if pending == id => println!("job {id} is due"),
                pending => {
                    println!("job {pending} is pending for the same, and stands for job {id}");
                }
            }
            Ok(())
        }
        Jobs::Check => check_jobs(config, &core).await,
    })
}

/// One line for a person.
fn line(job: &StoredJob) -> String {
    let StoredJob { id, kind, created_at, due_at, attempts, failed_at, last_error } = job;
    let state = match failed_at {
        Some(at) => format!("failed {at}"),
        None => format!("due {due_at}"),
    };
    let error = last_error.as_deref().map(|error| format!(": {}", error.escape_debug()));
    let error = error.unwrap_or_default();
    format!("{id} {kind}, asked for {created_at}, {state}, {attempts} attempts{error}")
}

/// How long a check waits besides `jobs.interval`, by which instances learn of it.
const CHECK_PATIENCE: Duration = Duration::from_secs(10);

async fn check_jobs(config: &Config, core: &Core) -> Result<()> {
    let started = Instant::now();
    let job = NewJob::new(Job::Check, core.ports.clock.now()).once_for("check");
    let added = core.stores.jobs.add(job).await.map_err(explain)?;
    let id = added.context("a check that was asked for before has not been done yet")?;
    let entry = Entry::new(core.ports.clock.now(), Action::JobsChecked).on(id);
    core.stores.audit.append(vec![entry.line(&Origin::current())]).await.map_err(explain)?;
    while started.elapsed() < config.jobs.interval + CHECK_PATIENCE {
        if core.stores.jobs.find(id).await.map_err(explain)?.is_none() {
            println!("an instance did job {id} after {:.1} s", started.elapsed().as_secs_f64());
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    anyhow::bail!("no instance did job {id} within {:.0} s", started.elapsed().as_secs_f64())
}

/// Runs a use case on the database, beside a server that may be running.
pub(super) fn with_core(config: &Config, work: impl AsyncFnOnce(Core) -> Result<()>) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let core = Core::wire(config, &Ports::default(), &Registry::new())?;
        core.require_schema(config).await?;
        let origin = Origin { actor: Party::Operator, ..Origin::default() };
        within(origin, work(core)).await
    })
}

pub(super) fn read_password() -> Result<String> {
    let mut line = String::new();
    // A little above what is allowed, so that a longer one is refused rather than cut.
    let most = u64::try_from(NewPassword::MAX_TYPED_BYTES + 2)?;
    std::io::Read::take(std::io::stdin().lock(), most)
        .read_line(&mut line)
        .context("reading the password from standard input")?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

/// 128 random bits.
pub(super) fn generate_password(randomness: &dyn Randomness) -> String {
    let mut bytes = [0; 16];
    randomness.fill(&mut bytes);
    hex::encode(bytes)
}
