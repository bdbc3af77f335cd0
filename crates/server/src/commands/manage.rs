//! Administrators, producers and sessions, managed on the machine itself.

use std::io::BufRead as _;

use alpine_domain::{
    Error,
    account::{AddressProof, NewPassword},
    ports::secrets::Randomness,
};
use anyhow::{Context as _, Result};
use prometheus::Registry;

use crate::{
    application::{Core, Ports, explain},
    cli::{Admin, Producer, Sessions},
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
    let Producer::Create { name, simulated } = action;
    with_core(config, async |core: Core| {
        let (producer, key) =
            core.use_cases.producers.create(&name, simulated).await.map_err(explain)?;
        let simulated = if producer.is_simulated { "simulated " } else { "" };
        println!("made the {simulated}producer {}", producer.name);
        println!("key, shown this once: {}", key.reveal());
        Ok(())
    })
}

pub(super) fn sessions(config: &Config, action: Sessions) -> Result<()> {
    let Sessions::RevokeAll = action;
    with_core(config, async |core: Core| {
        core.use_cases.accounts.sign_out_everybody().await.map_err(explain)?;
        println!("signed everybody out; instances refuse their tokens within two seconds");
        Ok(())
    })
}

/// Runs a use case on the database, beside a server that may be running.
fn with_core(config: &Config, work: impl AsyncFnOnce(Core) -> Result<()>) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        if config.database.url.trim().is_empty() {
            crate::config::make_private_folder(&config.data_dir)?;
        }
        let core = Core::wire(config, &Ports::default(), &Registry::new())?;
        core.prepare_schema(config).await?;
        work(core).await
    })
}

fn read_password() -> Result<String> {
    let mut line = String::new();
    // A little above what is allowed, so that a longer one is refused rather than cut.
    let most = u64::try_from(NewPassword::MAX_TYPED_BYTES + 2)?;
    std::io::Read::take(std::io::stdin().lock(), most)
        .read_line(&mut line)
        .context("reading the password from standard input")?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

/// 128 random bits.
fn generate_password(randomness: &dyn Randomness) -> String {
    let mut bytes = [0; 16];
    randomness.fill(&mut bytes);
    hex::encode(bytes)
}
