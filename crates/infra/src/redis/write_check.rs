//! The probe of a Redis: a script that writes.
//!
//! `PING` proves nothing about writes: a server that is out of memory, a replica or a user without
//! rights answers it. So the probe runs every command that Alpine needs, on keys of its own.

use redis::{Cmd, ErrorKind, RedisResult, Script, ServerErrorKind, Value, cmd};

use super::{connection::Connection, slots};

/// How long the probe's keys live, milliseconds.
const KEY_LIFE: u32 = 60_000;
const TEXT: &str = include_str!("write_check.lua");

/// The probe's keys and script. The keys of each instance are its own.
pub(super) struct WriteCheck {
    script: Script,
    /// One on a single server, one in each 32nd of the slots of a cluster.
    prefixes: Vec<String>,
}

impl WriteCheck {
    /// `name` is this instance's own, without braces.
    pub(super) fn new(name: &str, is_cluster: bool) -> Self {
        let prefixes = if is_cluster { slots::spread(name) } else { vec![format!("{name}:{{0}}")] };
        Self { script: Script::new(TEXT), prefixes }
    }

    /// Writes `value`.
    pub(super) async fn run(&self, connection: &mut Connection, value: &str) -> RedisResult<()> {
        let calls: Vec<_> = self.prefixes.iter().map(|prefix| self.call(prefix, value)).collect();
        match connection.query_all::<Value>(&calls).await {
            Err(error) if lacks_script(&error) => {
                connection.load_script(TEXT).await?;
                connection.query_all::<Value>(&calls).await.map(|_| ())
            }
            other => other.map(|_| ()),
        }
    }

    /// The commands that read the value back, one for each part of the slots.
    pub(super) fn read_backs(&self) -> impl Iterator<Item = Cmd> {
        self.prefixes.iter().map(|prefix| {
            let mut read = cmd("XREVRANGE");
            read.arg(format!("{prefix}:stream")).arg(&["+", "-", "COUNT", "1"]);
            read
        })
    }

    fn call(&self, prefix: &str, value: &str) -> Cmd {
        let mut call = cmd("EVALSHA");
        call.arg(self.script.get_hash()).arg(3);
        for key in ["value", "hash", "stream"] {
            call.arg(format!("{prefix}:{key}"));
        }
        call.arg(value).arg(KEY_LIFE);
        call
    }
}

/// The value in the answer to a command of [`WriteCheck::read_backs`]; `None` if none was written there.
pub(super) fn value_of(answer: Vec<(String, Vec<String>)>) -> Option<String> {
    answer.into_iter().next()?.1.pop()
}

fn lacks_script(error: &redis::RedisError) -> bool {
    const NO_SCRIPT: ErrorKind = ErrorKind::Server(ServerErrorKind::NoScript);
    error.kind() == NO_SCRIPT
        || error.clone().into_server_errors().is_some_and(|replies| {
            replies.iter().any(|(_, reply)| reply.kind() == Some(ServerErrorKind::NoScript))
        })
}
