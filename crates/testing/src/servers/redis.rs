//! A throw-away Redis.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{Ipv4Addr, TcpStream},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Context as _, Result, bail};

use super::{guard::Guard, port, process::Process, programs};

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
    arguments: Vec<String>,
    process: Process,
}

impl Redis {
    /// Starts it and waits until it answers. Fails with the remedy if Redis is not installed.
    pub fn start(memory: Memory) -> Result<Self> {
        let append_only = if memory == Memory::Kept { "yes" } else { "no" };
        Self::start_with(|_| {
            // What was handed to the kernel outlives the process; the machine need not crash.
            let persistence = ["--save", "", "--appendonly", append_only, "--appendfsync", "no"];
            Ok(persistence.map(str::to_owned).into())
        })
    }

    /// Starts it with arguments of the caller's making, who is told the folder that it runs in.
    pub(super) fn start_with(arguments: impl Fn(&Path) -> Result<Vec<String>>) -> Result<Self> {
        let program = programs::redis()?;
        let mut guard = Guard::new()?;
        let folder = guard.folder()?;
        let mut process = Process::new(guard);
        let mut given = Vec::new();
        let port = port::with_free(|port| {
            given = arguments(&folder)?;
            launch(&program, &folder, port, &given, &mut process)
        })?;
        Ok(Self { program, folder, port, arguments: given, process })
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
        launch(&self.program, &self.folder, self.port, &self.arguments, &mut self.process)
    }

    /// Sends one command on a connection of its own and returns the answer as text: a bulk string's
    /// or an integer's value, `OK`, an empty text for nil, one line for each element of an array. For
    /// set-up and faults such as `CONFIG SET maxmemory 1` or `REPLICAOF 127.0.0.1 1`. An error reply
    /// is an error.
    pub fn command(&self, words: &[&str]) -> Result<String> {
        command(self.port, words)
    }
}

fn launch(
    program: &Path,
    folder: &Path,
    port: u16,
    arguments: &[String],
    process: &mut Process,
) -> Result<()> {
    let log = folder.join("redis.log");
    let mut command = Command::new(program);
    // A configuration file, if there is one, must come first.
    let (file, rest) = match arguments {
        [file, rest @ ..] if !file.starts_with('-') => (Some(file), rest),
        rest => (None, rest),
    };
    command
        .args(file)
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--daemonize", "no"])
        .args(rest)
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

    read_answer(&mut BufReader::new(stream)).with_context(|| words.join(" "))
}

fn read_answer(reader: &mut BufReader<TcpStream>) -> Result<String> {
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let line = line.strip_suffix("\r\n").context("Redis hung up")?;
    let (kind, rest) = line.split_at_checked(1).context("an empty answer")?;
    match kind {
        "+" | ":" => Ok(rest.to_owned()),
        "$" | "*" if rest == "-1" => Ok(String::new()),
        "$" => {
            let mut value = vec![0; rest.parse::<usize>()? + 2];
            reader.read_exact(&mut value)?;
            value.truncate(value.len() - 2);
            Ok(String::from_utf8(value)?)
        }
        "*" => {
            let elements: Result<Vec<_>> =
                (0..rest.parse::<usize>()?).map(|_| read_answer(reader)).collect();
            Ok(elements?.join("\n"))
        }
        "-" => bail!("Redis refuses: {rest}"),
        _ => bail!("an answer of an unknown kind: {line}"),
    }
}
