//! `cargo xtask bench sign-in-timing`: whether the time of a refused log-in tells why it was refused.
//!
//! An address that nobody has, a wrong password and a disabled account (with its right password) are tried in turns,
//! in an order that chance decides for each round. Every two kinds are compared by ranks (Mann and Whitney, normal
//! approximation with ties). All addresses are strangers to all accounts, and limits are off.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    time::{Duration, Instant},
};

use alpine_domain::account::{Role, Tier};
use alpine_server::application::{Application, MoreRoutes, Ports};
use anyhow::{Context as _, Result, ensure};
use diesel::connection::SimpleConnection as _;
use prometheus::Registry;

use super::ranks::{ALARM, Coin, deviations, median};
use crate::fixture;

const PASSWORD: &str = "only for measuring A1!";
/// As long as [`PASSWORD`].
const WRONG: &str = "only for measuring B2?";

/// Whether the time of a refused log-in tells why it was refused.
///
/// Fails when an alarm is raised that an honest server raises once in a million comparisons.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Tries of each kind
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(50..=5_000))]
    tries: u32,
    /// What the order starts from
    #[arg(long, default_value_t = 16)]
    seed: u64,
    /// With this build, not with one as releases are
    #[arg(long)]
    as_built: bool,
}

/// Why it is refused; name, address, password. Addresses are of one length.
const KINDS: [(&str, &str, &str); 3] = [
    ("unknown", "nobody-a@example.com", WRONG),
    ("wrong", "somebody@example.com", WRONG),
    ("disabled", "disabled@example.com", PASSWORD),
];

/// Whether no alarm was raised.
pub(crate) fn run(arguments: &Arguments) -> Result<bool> {
    if cfg!(debug_assertions) && !arguments.as_built {
        return crate::workspace::built_as("dist");
    }
    let folder = tempfile::tempdir()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let mut config = fixture::config(folder.path(), 1)?;
    config.rate_limits.enabled = false;
    let application = runtime.block_on(async {
        let no_more: MoreRoutes = |_| Vec::new();
        let application =
            Application::build_with(&config, &Ports::default(), no_more, Registry::new()).await?;
        let core = application.core();
        for (_, email, _) in &KINDS[1..] {
            let accounts = &core.use_cases.accounts;
            accounts.create(email, PASSWORD, "Somebody", Tier::Free, Role::User).await?;
        }
        let disable = "UPDATE users SET is_active = 0 WHERE email = 'disabled@example.com'";
        core.database.write("bench", |unit| Ok(unit.conn.batch_execute(disable)?)).await?;
        anyhow::Ok(application)
    })?;
    let (address, stop) = (application.address(), application.stop_handle());
    let running = runtime.spawn(application.run());
    let mut times: [Vec<u64>; 3] = Default::default();
    let mut coin = Coin(arguments.seed);
    for round in 0..=arguments.tries {
        for kind in order(&mut coin) {
            let took = ask(address, KINDS[kind])?;
            // The first round warms up.
            if round > 0 {
                times[kind].push(took);
            }
        }
    }
    stop.force();
    runtime.block_on(running)??;
    runtime.shutdown_timeout(Duration::from_secs(1));
    Ok(report(&times))
}

/// The three kinds, in one of their six orders.
fn order(coin: &mut Coin) -> [usize; 3] {
    let mut order = [0, 1, 2];
    if coin.toss() {
        order.reverse();
    }
    let shift = usize::from(coin.toss()) + usize::from(coin.toss());
    order.rotate_left(shift);
    order
}

fn report(times: &[Vec<u64>; 3]) -> bool {
    for ((name, ..), times) in KINDS.iter().zip(times) {
        println!("{name}: {} tries, median {} µs", times.len(), median(times) / 1_000);
    }
    let mut is_quiet = true;
    for (a, b) in [(0, 1), (0, 2), (1, 2)] {
        let deviations = deviations(&times[a], &times[b]);
        let is_alike = deviations.abs() < ALARM;
        is_quiet &= is_alike;
        let verdict = if is_alike { "alike" } else { "TOLD APART" };
        println!(
            "{} and {}: {deviations:+.2} deviations, alarm at {ALARM}: {verdict}",
            KINDS[a].0, KINDS[b].0
        );
    }
    is_quiet
}

/// Tries to sign in on a connection of its own, which is open before the time is taken; nanoseconds.
fn ask(address: SocketAddr, (_, email, password): (&str, &str, &str)) -> Result<u64> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let body = format!(r#"{{"email": "{email}", "password": "{password}"}}"#);
    let request = format!(
        "POST /api/v1/auth/login HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    // The server has accepted it and waits for the request.
    std::thread::sleep(Duration::from_millis(1));
    let mut answer = [0; 2_048];
    let started = Instant::now();
    stream.write_all(request.as_bytes())?;
    let length = stream.read(&mut answer)?;
    let took = started.elapsed();
    let status = answer.get(..length.min(12)).context("no answer")?;
    ensure!(status == b"HTTP/1.1 401", "{}", String::from_utf8_lossy(&answer[..length]));
    Ok(u64::try_from(took.as_nanos())?)
}
