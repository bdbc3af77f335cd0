//! Finds the server programs.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result};

/// Where PostgreSQL's programs are.
#[derive(Debug, Clone)]
pub struct PostgresPrograms {
    /// Makes a cluster.
    pub initdb: PathBuf,
    /// The server.
    pub postgres: PathBuf,
    /// The client.
    pub psql: PathBuf,
    /// Copies a running server's data.
    pub pg_basebackup: PathBuf,
    /// Writes one database to a file.
    pub pg_dump: PathBuf,
    /// Makes a database what such a file says.
    pub pg_restore: PathBuf,
}

/// Finds both servers.
///
/// # Errors
/// When one is missing; the error says how to install it.
pub fn find() -> Result<()> {
    postgres()?;
    redis()?;
    Ok(())
}

/// PostgreSQL's programs, or an error that says how to install them.
pub fn postgres() -> Result<PostgresPrograms> {
    let folders = search_path();
    let find = |program| {
        locate(program, &folders).with_context(|| remedy(&format!("PostgreSQL's {program}")))
    };
    Ok(PostgresPrograms {
        initdb: find("initdb")?,
        postgres: find("postgres")?,
        psql: find("psql")?,
        pg_basebackup: find("pg_basebackup")?,
        pg_dump: find("pg_dump")?,
        pg_restore: find("pg_restore")?,
    })
}

/// The Redis (or Valkey) server's program, or an error that says how to install it.
pub fn redis() -> Result<PathBuf> {
    let folders = search_path();
    locate("redis-server", &folders)
        .or_else(|| locate("valkey-server", &folders))
        .with_context(|| remedy("redis-server"))
}

/// PostgreSQL's client alone, or an error that says how to install it.
pub(crate) fn psql_program() -> Result<PathBuf> {
    locate("psql", &search_path()).with_context(|| remedy("PostgreSQL's psql"))
}

/// Runs SQL, all of it or nothing, and returns the rows as text: one a line, `|` between the columns.
pub(crate) fn psql(program: &Path, url: &str, sql: &str) -> Result<String> {
    let output = super::command::run(
        Command::new(program)
            .args(["--no-psqlrc", "--no-password", "--quiet", "--tuples-only", "--no-align"])
            .args(["--set", "ON_ERROR_STOP=1", "--dbname", url, "--command", sql])
            .env("PGCONNECT_TIMEOUT", "10"),
    )?;
    Ok(output.trim_end().to_owned())
}

/// PATH, then where Debian, Fedora, Homebrew and the installers keep servers, newest version first.
fn search_path() -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> = std::env::var_os("PATH")
        .map(|path| std::env::split_paths(&path).collect())
        .unwrap_or_default();
    // Debian wraps some programs in scripts that look for a cluster: its own folders come first.
    let mut found = Vec::new();
    for (root, rest) in
        [("/usr/lib/postgresql", "bin"), ("/opt/homebrew/opt", "bin"), ("/usr/local/opt", "bin")]
    {
        let Ok(entries) = std::fs::read_dir(root) else {
            continue;
        };
        for entry in entries.flatten() {
            let folder = entry.path().join(rest);
            if folder.join("initdb").exists() || folder.join("redis-server").exists() {
                found.push((version_of(&entry.path()), folder));
            }
        }
    }
    found.sort_by(|left, right| right.cmp(left));
    let mut ordered: Vec<PathBuf> = found.into_iter().map(|(_, folder)| folder).collect();
    ordered.append(&mut folders);
    ordered.extend(["/usr/local/sbin", "/usr/sbin", "/usr/pgsql/bin"].map(PathBuf::from));
    ordered
}

/// The last number in a folder's name: 15 for `/usr/lib/postgresql/15`.
fn version_of(folder: &Path) -> u32 {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    let digits: String = name.chars().filter(char::is_ascii_digit).collect();
    digits.parse().unwrap_or(0)
}

fn locate(program: &str, folders: &[PathBuf]) -> Option<PathBuf> {
    folders.iter().map(|folder| folder.join(program)).find(|path| path.is_file())
}

fn remedy(missing: &str) -> String {
    format!(
        "the tests need {missing}: the program only, no running server. Install with one of\n  \
         sudo apt-get install postgresql redis-server     (Debian, Ubuntu)\n  \
         sudo dnf install postgresql-server redis          (Fedora)\n  \
         brew install postgresql redis                     (macOS)\n\
         and run the same command again. As root on Debian, cargo xtask test does it for you."
    )
}

/// Whether this process is root.
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_order_by_number() {
        let version = |path: &str| version_of(Path::new(path));
        assert!(version("/usr/lib/postgresql/15") > version("/usr/lib/postgresql/9"));
        assert!(version("/opt/homebrew/opt/postgresql@17") > version("/opt/homebrew/opt/redis"));
    }
}
