//! `alpine healthcheck`: what an orchestrator asks, from the same image.

use std::{
    io::{Read as _, Write as _},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream},
    time::Duration,
};

use anyhow::{Context as _, Result, bail};

use super::output::tell;
use crate::config::Config;

/// How long connecting, asking and each piece of the answer may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// Bytes of the answer that are read at most.
const ANSWER: u64 = 16 * 1024;

/// Asks at the address of `http.bind`, on `port` if one is given.
pub(super) fn run(config: &Config, port: Option<u16>) -> Result<()> {
    let mut address = here(config.http.bind);
    let mut named = "`http.bind`";
    if let Some(port) = port {
        address.set_port(port);
        named = "`--port`";
    }
    let answer = ask(address).with_context(|| format!("no answer from {address} ({named})"))?;
    let mut lines = answer.lines();
    let status = lines.next().unwrap_or_default();
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    if status.split(' ').nth(1) != Some("200") {
        bail!("{address} is not ready: {status}: {body}");
    }
    tell(&format!("{body}\n"))
}

/// Where this machine reaches what listens there.
const fn here(bind: SocketAddr) -> SocketAddr {
    let ip = match bind.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, bind.port())
}

fn ask(address: SocketAddr) -> Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    write!(
        stream,
        "GET /health/readiness HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"
    )?;
    let mut answer = String::new();
    stream.take(ANSWER).read_to_string(&mut answer)?;
    Ok(answer)
}
