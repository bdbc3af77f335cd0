//! The descendants of a process and their states, from `/proc`, or from `ps` where there is none.

use std::{path::Path, process::Command};

use anyhow::{Context as _, Result};

/// One line of the process table.
struct Entry {
    id: u32,
    parent: u32,
    /// The first letter of the state: `T` and `t` stopped, `Z` and `X` dead.
    state: char,
}

/// Children, their children and so on, without `leader` itself.
pub(super) fn descendants(leader: u32) -> Result<Vec<u32>> {
    let table = table()?;
    let mut found = vec![leader];
    let mut next = 0;
    while let Some(&parent) = found.get(next) {
        found.extend(table.iter().filter(|entry| entry.parent == parent).map(|entry| entry.id));
        next += 1;
    }
    found.remove(0);
    Ok(found)
}

/// Whether the process is there and not a zombie.
pub(super) fn exists(id: u32) -> bool {
    state(id).is_some_and(|state| !matches!(state, 'Z' | 'X'))
}

/// Whether the process is there, neither stopped nor dead.
pub(super) fn is_running(id: u32) -> bool {
    state(id).is_some_and(|state| !matches!(state, 'T' | 't' | 'Z' | 'X'))
}

fn state(id: u32) -> Option<char> {
    if has_proc() {
        return read_stat(id).map(|entry| entry.state);
    }
    ps(&["-p", &id.to_string()]).ok()?.first().map(|entry| entry.state)
}

fn table() -> Result<Vec<Entry>> {
    if !has_proc() {
        return ps(&["-A"]);
    }
    let folders = std::fs::read_dir("/proc").context("cannot list /proc")?;
    let ids = folders.flatten().filter_map(|folder| folder.file_name().to_str()?.parse().ok());
    Ok(ids.filter_map(read_stat).collect())
}

fn has_proc() -> bool {
    Path::new("/proc/self/stat").exists()
}

/// `ID (NAME) STATE PARENT …`, where the name may hold anything.
fn read_stat(id: u32) -> Option<Entry> {
    let text = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    let (_, rest) = text.rsplit_once(')')?;
    let mut fields = rest.split_whitespace();
    let state = fields.next()?.chars().next()?;
    Some(Entry { id, parent: fields.next()?.parse().ok()?, state })
}

fn ps(selection: &[&str]) -> Result<Vec<Entry>> {
    let output = Command::new("ps")
        .args(selection)
        .args(["-o", "pid=", "-o", "ppid=", "-o", "state="])
        .output()
        .context("cannot run ps")?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let read = |line: &str| {
        let mut fields = line.split_whitespace();
        let id = fields.next()?.parse().ok()?;
        let parent = fields.next()?.parse().ok()?;
        Some(Entry { id, parent, state: fields.next()?.chars().next()? })
    };
    Ok(text.lines().filter_map(read).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_descends_from_us_until_it_ends() {
        let mut child = Command::new("sleep").arg("600").spawn().unwrap();
        assert!(descendants(std::process::id()).unwrap().contains(&child.id()));
        assert!(exists(child.id()) && is_running(child.id()));
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(!exists(child.id()));
        assert!(!descendants(std::process::id()).unwrap().contains(&child.id()));
    }
}
