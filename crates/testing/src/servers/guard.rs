//! Stops children and removes their folders, whatever becomes of this process.
//!
//! A small `sh` reads what it is responsible for from a pipe. When the pipe closes, because we are
//! done, panicked, were interrupted or killed, it stops everything on its list. There is no other
//! clean-up path, so the one that matters when things go wrong is the one that runs every time.

use std::{
    io::Write as _,
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
};

use anyhow::{Context as _, Result};

/// `kill ID` and `remove PATH` add to the list, `done ID` takes off it. SIGINT is a fast shutdown for
/// PostgreSQL, an orderly one for Redis and for cargo; who is still there after 10 s gets SIGKILL.
/// SIGCONT, since who was stopped by SIGSTOP would not notice the other one.
const SCRIPT: &str = r#"
trap '' INT TERM HUP
ids=
while read -r verb value; do
  case $verb in
    kill) ids="$ids $value";;
    done) kept=; for id in $ids; do [ "$id" = "$value" ] || kept="$kept $id"; done; ids=$kept;;
    remove) set -- "$@" "$value";;
  esac
done
for id in $ids; do kill -s INT -- "-$id" 2>/dev/null; kill -s CONT -- "-$id" 2>/dev/null; done
tries=0
for id in $ids; do
  while kill -s 0 -- "-$id" 2>/dev/null && [ $tries -lt 100 ]; do sleep 0.1; tries=$((tries + 1)); done
  kill -s KILL -- "-$id" 2>/dev/null
done
[ $# -eq 0 ] || rm -rf -- "$@"
"#;

/// Dropping it stops every registered process group and removes every registered folder.
pub struct Guard {
    shell: Child,
    orders: Option<ChildStdin>,
}

impl Guard {
    /// Starts the shell that cleans up.
    pub fn new() -> Result<Self> {
        let mut shell = Command::new("sh")
            .args(["-c", SCRIPT])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            // A group of its own: Ctrl-C in the terminal must not reach it.
            .process_group(0)
            .spawn()
            .context("cannot start sh")?;
        let orders = shell.stdin.take();
        Ok(Self { shell, orders })
    }

    /// Removes `folder`, and all in it, at the end.
    pub fn remove(&mut self, folder: &Path) -> Result<()> {
        self.order("remove", &folder.display().to_string())
    }

    /// Starts a command in a process group of its own, which is stopped at the end.
    pub fn spawn(&mut self, command: &mut Command) -> Result<Child> {
        let mut child = command
            .process_group(0)
            .spawn()
            .with_context(|| format!("cannot start {}", command.get_program().display()))?;
        if let Err(error) = self.adopt(child.id()) {
            child.kill()?;
            child.wait()?;
            return Err(error);
        }
        Ok(child)
    }

    /// A new folder, open to other users' servers, which is removed at the end.
    pub fn folder(&mut self) -> Result<PathBuf> {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::Builder::new().prefix("alpine-test-").tempdir()?.keep();
        self.remove(&folder)?;
        std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o755))
            .with_context(|| format!("cannot open {} to the server's user", folder.display()))?;
        Ok(folder)
    }

    /// Forgets a child that has ended and was waited for: its number may be given to another process.
    pub fn forget(&mut self, child: &Child) -> Result<()> {
        self.forget_id(child.id())
    }

    /// Takes on a process group that somebody else started.
    pub(super) fn adopt(&mut self, group: u32) -> Result<()> {
        self.order("kill", &group.to_string())
    }

    pub(super) fn forget_id(&mut self, group: u32) -> Result<()> {
        self.order("done", &group.to_string())
    }

    fn order(&mut self, verb: &str, value: &str) -> Result<()> {
        let pipe = self.orders.as_mut().context("the guard has ended")?;
        writeln!(pipe, "{verb} {value}").context("the guard is gone")
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        // Closing the pipe is the order to clean up.
        drop(self.orders.take());
        if let Err(error) = self.shell.wait() {
            eprintln!("cannot tell whether the test servers were stopped: {error}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn children_and_folder_are_gone_after_the_drop() {
        let folder = tempfile::tempdir().unwrap().keep();
        let mut guard = Guard::new().unwrap();
        guard.remove(&folder).unwrap();
        let mut child = guard.spawn(Command::new("sleep").arg("30")).unwrap();
        // Collects the child's status as soon as it ends, so that its group is gone by then.
        let waiting = std::thread::spawn(move || child.wait().unwrap());
        drop(guard);
        assert!(!waiting.join().unwrap().success(), "it was stopped by a signal");
        assert!(!folder.exists());
    }

    #[test]
    fn a_stubborn_child_is_killed() {
        let mut guard = Guard::new().unwrap();
        let script = "trap '' INT; for _ in $(seq 60); do sleep 0.5; done";
        let mut child = guard.spawn(Command::new("sh").args(["-c", script])).unwrap();
        let waiting = std::thread::spawn(move || child.wait().unwrap());
        std::thread::sleep(std::time::Duration::from_millis(200));
        drop(guard);
        assert!(!waiting.join().unwrap().success());
    }
}
