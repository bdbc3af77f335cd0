//! A throw-away Redis.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{Ipv4Addr, TcpStream},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Context as _, Result, bail};

use super::{guard::Guard, install, port, process::Process};

/// What a Redis knows after it was killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Memory {
    /// Nothing: it comes back empty.
    Lost,
    /// Every write it had acknowledged (an append-only file, written before the answer).
    Kept,
}

/// A Redis on a port of its own, as long as the value lives.
pub struct Redis {
    program: PathBuf,
    folder: PathBuf,
    port: u16,
    memory: Memory,
    process: Process,
}

impl Redis {
    /// Starts it and waits until it answers. Fails with the remedy if Redis is not installed.
    pub fn start(memory: Memory) -> Result<Self> {
        let program = install::redis()?;
        let mut guard = Guard::new()?;
        let folder = guard.folder()?;
        let mut process = Process::new(guard);
        let port = port::with_free(|port| launch(&program, &folder, port, memory, &mut process))?;
        Ok(Self { program, folder, port, memory, process })
    }

    /// `redis://127.0.0.1:PORT/`; the same after a restart.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/", self.port)
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// SIGKILL; returns when it is gone and connections are refused. Nothing to do if it is down.
    pub fn kill(&mut self) -> Result<()> {
        self.process.kill()
    }

    /// SIGSTOP: connections are still accepted, by the kernel, but nothing is answered.
    pub fn stop(&mut self) -> Result<()> {
        self.process.stop()
    }

    /// SIGCONT: it answers again, first what was asked meanwhile.
    pub fn resume(&mut self) -> Result<()> {
        self.process.resume()
    }

    /// Kills it if it runs, and starts it on the same port; empty or not as said at the start.
    pub fn restart(&mut self) -> Result<()> {
        self.kill()?;
        launch(&self.program, &self.folder, self.port, self.memory, &mut self.process)
    }

    /// Sends one command on a connection of its own and returns the answer as text: a bulk string's
    /// or an integer's value, `OK`, an empty text for nil. For set-up and faults such as
    /// `CONFIG SET maxmemory 1` or `REPLICAOF 127.0.0.1 1`. An error reply is an error.
    pub fn command(&self, words: &[&str]) -> Result<String> {
        command(self.port, words)
    }
}

fn launch(
    program: &Path,
    folder: &Path,
    port: u16,
    memory: Memory,
    process: &mut Process,
) -> Result<()> {
    let log = folder.join("redis.log");
    let append_only = if memory == Memory::Kept { "yes" } else { "no" };
    let mut command = Command::new(program);
    command
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--daemonize", "no"])
        // What was handed to the kernel outlives the process; the machine need not crash.
        .args(["--save", "", "--appendonly", append_only, "--appendfsync", "no"])
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(std::fs::File::create(&log)?)
        .stderr(Stdio::inherit());
    let answers = || self::command(port, &["PING"]).is_ok_and(|answer| answer == "PONG");
    process.start(&mut command, &log, answers)
}

fn command(port: u16, words: &[&str]) -> Result<String> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    write!(stream, "*{}\r\n", words.len())?;
    for word in words {
        write!(stream, "${}\r\n{word}\r\n", word.len())?;
    }

    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let line = line.strip_suffix("\r\n").context("Redis hung up")?;
    let (kind, rest) = line.split_at_checked(1).context("an empty answer")?;
    match kind {
        "+" | ":" => Ok(rest.to_owned()),
        "$" if rest == "-1" => Ok(String::new()),
        "$" => {
            let mut value = vec![0; rest.parse()?];
            reader.read_exact(&mut value)?;
            Ok(String::from_utf8(value)?)
        }
        "-" => bail!("Redis refuses {}: {rest}", words.join(" ")),
        _ => bail!("{} answers with an array; ask for a single value", words.join(" ")),
    }
}
