//! Ports on which a server can die and come back.

use std::net::{Ipv4Addr, TcpListener};

use anyhow::{Result, bail};

/// Below every system's range for outgoing connections: while the server is down, no client is given
/// its port, and none that knocks there can connect to itself.
const FIRST: u32 = 15_000;
const COUNT: u32 = 17_000;

/// A port of the loopback interface on which nobody listens at this moment.
pub(super) fn free() -> Result<u16> {
    for _ in 0..1_000 {
        let port = u16::try_from(FIRST + getrandom::u32()? % COUNT)?;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok(port);
        }
    }
    bail!("no free port among {FIRST}..{}", FIRST + COUNT)
}

/// Starts on a free port. It can be taken by somebody else before the server binds it: another one
/// is tried then.
pub(super) fn with_free(mut start: impl FnMut(u16) -> Result<()>) -> Result<u16> {
    let mut tries = 0;
    loop {
        let port = free()?;
        match start(port) {
            Ok(()) => return Ok(port),
            Err(error) if tries == 2 => return Err(error),
            Err(_) => tries += 1,
        }
    }
}
