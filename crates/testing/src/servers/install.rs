//! Finds the server programs; on Debian, as root, installs those that are missing.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail};

/// Where PostgreSQL's programs are.
#[derive(Debug, Clone)]
pub struct PostgresPrograms {
    /// Makes a cluster.
    pub initdb: PathBuf,
    /// The server.
    pub postgres: PathBuf,
    /// The client.
    pub psql: PathBuf,
}

/// Finds both servers, installs what is missing where that may be done (Debian, as root), and says
/// what to do elsewhere.
pub fn find_or_install() -> Result<()> {
    let is_complete = || postgres().and_then(|_| redis()).map(|_| ());
    if is_complete().is_err() && can_install() {
        install()?;
    }
    is_complete()
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
pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn can_install() -> bool {
    Path::new("/etc/debian_version").exists()
        && locate("apt-get", &search_path()).is_some()
        && is_root()
}

/// Installs both servers so that nothing is started and no cluster is made.
fn install() -> Result<()> {
    println!("installing PostgreSQL and Redis with apt-get (programs only, nothing is started)");
    let _no_start = NoServiceStarts::new()?;
    apt(&["update"])?;
    apt(&["install", "-y", "--no-install-recommends", "postgresql-common"])?;

    // Without this, installing the package makes a cluster on port 5432. Needed only meanwhile.
    let folder = Path::new("/etc/postgresql-common/createcluster.d");
    let _no_cluster = TemporaryFile::new(
        &folder.join("alpine-tests.conf"),
        "create_main_cluster = false\n",
        0o644,
    )?;
    apt(&["install", "-y", "--no-install-recommends", "postgresql", "redis-server"])
}

fn apt(arguments: &[&str]) -> Result<()> {
    let status = Command::new("apt-get")
        .args(["-q", "-o", "Dpkg::Use-Pty=0", "-o", "DPkg::Lock::Timeout=120"])
        .args(arguments)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .stdin(std::process::Stdio::null())
        .status()
        .context("cannot run apt-get")?;
    if !status.success() {
        bail!("apt-get {} failed ({status})", arguments.join(" "));
    }
    Ok(())
}

/// Debian asks `/usr/sbin/policy-rc.d` before a package starts its service; 101 means "no".
struct NoServiceStarts {
    _file: Option<TemporaryFile>,
}

impl NoServiceStarts {
    fn new() -> Result<Self> {
        let path = Path::new("/usr/sbin/policy-rc.d");
        if path.exists() {
            // The machine has a policy of its own; a container's says 101 as well.
            return Ok(Self { _file: None });
        }
        let file = TemporaryFile::new(path, "#!/bin/sh\nexit 101\n", 0o755)?;
        Ok(Self { _file: Some(file) })
    }
}

/// A file that is removed when it goes out of scope.
struct TemporaryFile(PathBuf);

impl TemporaryFile {
    fn new(path: &Path, text: &str, mode: u32) -> Result<Self> {
        use std::os::unix::fs::PermissionsExt as _;
        let context = || format!("cannot write {}", path.display());
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).with_context(context)?;
        }
        std::fs::write(path, text).with_context(context)?;
        let file = Self(path.to_owned());
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))
            .with_context(context)?;
        Ok(file)
    }
}

impl Drop for TemporaryFile {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(&self.0) {
            eprintln!("cannot remove {}: {error}", self.0.display());
        }
    }
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

    #[test]
    fn a_temporary_file_goes_with_its_owner() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deeper/file");
        let file = TemporaryFile::new(&path, "x", 0o600).unwrap();
        assert!(path.exists());
        drop(file);
        assert!(!path.exists());
    }
}
