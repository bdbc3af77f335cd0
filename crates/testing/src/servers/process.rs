//! One server process with everything it forked, and the signals that tests send to it.

use std::{
    path::Path,
    process::{Child, Command},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

use super::{guard::Guard, process_tree};

/// How long a server may take until it answers.
const START_TIMEOUT: Duration = Duration::from_mins(1);
/// How long a signal that cannot be caught may take to show.
const SIGNAL_TIMEOUT: Duration = Duration::from_secs(10);

/// A child with its own descendants. PostgreSQL's backends leave their parent's process group, so
/// a signal to the group alone would not reach them: the family is looked up by parentage.
pub(super) struct Process {
    guard: Guard,
    child: Option<Child>,
    /// Descendants that were stopped along with the child.
    stopped: Vec<u32>,
}

impl Process {
    pub(super) fn new(guard: Guard) -> Self {
        Self { guard, child: None, stopped: Vec::new() }
    }

    /// Starts the server and waits until it answers.
    pub(super) fn start(
        &mut self,
        command: &mut Command,
        log: &Path,
        answers: impl Fn() -> bool,
    ) -> Result<()> {
        let name = command.get_program().display().to_string();
        if self.child.is_some() {
            bail!("{name} is running already; kill it first");
        }
        let child = self.guard.spawn(command)?;
        let child = self.child.insert(child);
        let started = Instant::now();
        while started.elapsed() < START_TIMEOUT {
            if let Some(status) = child.try_wait()? {
                self.guard.forget(child)?;
                self.child = None;
                let text = std::fs::read_to_string(log).unwrap_or_default();
                bail!("{name} ended with {status}:\n{text}");
            }
            if answers() {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        bail!("{name} does not answer after {START_TIMEOUT:?}; see {}", log.display())
    }

    /// SIGKILL to the server and to everything it forked; returns when they are gone.
    pub(super) fn kill(&mut self) -> Result<()> {
        let Some(mut child) = self.child.take() else {
            return Ok(());
        };
        let leader = child.id();
        // While it stands still, no new member can appear between the look-up and the kill.
        signal(leader, Signal::STOP);
        until(|| !process_tree::is_running(leader)).context("the server does not stop")?;
        let members = process_tree::descendants(leader)?;
        for &member in members.iter().chain([&leader]) {
            signal(member, Signal::KILL);
        }
        child.wait()?;
        until(|| !members.iter().any(|&member| process_tree::exists(member)))
            .context("descendants of the server survive SIGKILL")?;
        self.guard.forget(&child)?;
        for member in self.stopped.drain(..) {
            self.guard.forget_id(member)?;
        }
        Ok(())
    }

    /// SIGSTOP to the server and to everything it forked; returns when all stand still.
    pub(super) fn stop(&mut self) -> Result<()> {
        let leader = self.child.as_ref().context("the server is not running")?.id();
        signal(leader, Signal::STOP);
        until(|| !process_tree::is_running(leader)).context("the server does not stop")?;
        for member in process_tree::descendants(leader)? {
            if !self.stopped.contains(&member) {
                // The guard must know it, since a stopped backend does not see its parent end.
                self.guard.adopt(member)?;
                self.stopped.push(member);
            }
            signal(member, Signal::STOP);
        }
        until(|| !self.stopped.iter().any(|&member| process_tree::is_running(member)))
            .context("descendants of the server do not stop")
    }

    /// SIGCONT to whatever [`stop`](Self::stop) stopped.
    pub(super) fn resume(&mut self) -> Result<()> {
        let leader = self.child.as_ref().context("the server is not running")?.id();
        for member in self.stopped.drain(..) {
            signal(member, Signal::CONT);
            self.guard.forget_id(member)?;
        }
        signal(leader, Signal::CONT);
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // The guard ends it, right after this. Collecting its status meanwhile leaves no zombie
            // behind for which the guard would wait.
            std::thread::spawn(move || child.wait());
        }
    }
}

/// A process that has gone meanwhile has what it was sent for.
fn signal(id: u32, signal: Signal) {
    if let Some(id) = i32::try_from(id).ok().and_then(Pid::from_raw) {
        let _gone = kill_process(id, signal);
    }
}

fn until(holds: impl Fn() -> bool) -> Result<()> {
    let started = Instant::now();
    while !holds() {
        if started.elapsed() > SIGNAL_TIMEOUT {
            bail!("not after {SIGNAL_TIMEOUT:?}");
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}
