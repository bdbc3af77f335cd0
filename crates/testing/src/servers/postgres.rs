//! A throw-away PostgreSQL.

use std::{
    io::{Read as _, Write as _},
    net::{Ipv4Addr, TcpStream},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Result, bail};

use super::{certificate, command::run, guard::Guard, port, process::Process, programs};

/// A PostgreSQL on a port of its own, as long as the value lives. It offers TLS with a certificate
/// for `localhost` and `127.0.0.1`, and takes everybody from there for whom he says he is.
pub struct Postgres {
    programs: programs::PostgresPrograms,
    folder: PathBuf,
    authority: PathBuf,
    port: u16,
    process: Process,
}

impl Postgres {
    /// Makes a cluster, starts it and waits until it answers. Fails with the remedy if PostgreSQL is
    /// not installed.
    pub fn start() -> Result<Self> {
        let programs = programs::postgres()?;
        let mut guard = Guard::new()?;
        let folder = guard.folder()?;
        let authority = prepare(&programs, &folder)?;
        let mut process = Process::new(guard);
        let port = port::with_free(|port| launch(&programs, &folder, port, &mut process))?;
        Ok(Self { programs, folder, authority, port, process })
    }

    /// Starts a standby that follows this server, with a copy of its data, on a port of its own. It
    /// answers reads until [`promote`](Self::promote) makes it take writes.
    pub fn start_standby(&self) -> Result<Self> {
        let programs = programs::postgres()?;
        let mut guard = Guard::new()?;
        let folder = guard.folder()?;
        let files = certificate::make(&folder)?;
        if programs::is_root() {
            for path in [&folder, &files.key, &files.certificate] {
                run(Command::new("chown").arg("postgres").arg(path))?;
            }
        }
        run(as_server_user(&programs.pg_basebackup)
            .args(["--host=127.0.0.1", "--username=postgres", "--no-password"])
            .arg(format!("--port={}", self.port))
            .args([
                "--write-recovery-conf",
                "--wal-method=stream",
                "--checkpoint=fast",
                "--no-sync",
            ])
            .arg("--pgdata")
            .arg(folder.join("postgres"))
            .current_dir(&folder))?;
        let mut process = Process::new(guard);
        let port = port::with_free(|port| launch(&programs, &folder, port, &mut process))?;
        Ok(Self { programs, folder, authority: files.authority, port, process })
    }

    /// Makes a standby take writes; returns when it does.
    pub fn promote(&self) -> Result<()> {
        match self.execute("SELECT pg_promote(true, 30)")?.as_str() {
            "t" => Ok(()),
            _ => bail!("the standby is not promoted after 30 s"),
        }
    }

    /// The superuser's URL, to the database `postgres`; the same after a restart.
    pub fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// What the server writes down; anew after a restart.
    pub fn log(&self) -> PathBuf {
        log(&self.folder)
    }

    /// The file with the authority that vouches for the server's certificate, for `sslrootcert`.
    pub fn authority(&self) -> &Path {
        &self.authority
    }

    /// SIGKILL to all of it, as in a crash: open transactions are lost, what was acknowledged is
    /// not. Nothing to do if it is down.
    pub fn kill(&mut self) -> Result<()> {
        self.process.kill()
    }

    /// SIGSTOP to all of it, backends as well: connections are still accepted, by the kernel, but
    /// nothing is answered.
    pub fn stop(&mut self) -> Result<()> {
        self.process.stop()
    }

    /// SIGCONT: it goes on where it stood.
    pub fn resume(&mut self) -> Result<()> {
        self.process.resume()
    }

    /// Kills it if it runs, and starts it on the same port with the data it has.
    pub fn restart(&mut self) -> Result<()> {
        self.kill()?;
        launch(&self.programs, &self.folder, self.port, &mut self.process)
    }

    /// Runs SQL as superuser and returns the rows as text, one a line, `|` between the columns.
    pub fn execute(&self, sql: &str) -> Result<String> {
        programs::psql(&self.programs.psql, &self.url(), sql)
    }
}

/// Makes the cluster and its certificate; says where the authority's certificate is.
fn prepare(programs: &programs::PostgresPrograms, folder: &Path) -> Result<PathBuf> {
    let cluster = folder.join("postgres");
    std::fs::create_dir(&cluster)?;
    let files = certificate::make(folder)?;
    if programs::is_root() {
        for path in [&cluster, &files.key, &files.certificate] {
            run(Command::new("chown").arg("postgres").arg(path))?;
        }
    }
    run(as_server_user(&programs.initdb)
        .arg("--pgdata")
        .arg(&cluster)
        .args(["--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync"])
        .current_dir(folder))?;
    Ok(files.authority)
}

fn log(folder: &Path) -> PathBuf {
    folder.join("postgres.log")
}

fn launch(
    programs: &programs::PostgresPrograms,
    folder: &Path,
    port: u16,
    process: &mut Process,
) -> Result<()> {
    let log = log(folder);
    let shown = |name: &str| folder.join(name).display().to_string();
    let settings = [
        "listen_addresses=127.0.0.1".to_owned(),
        "unix_socket_directories=".to_owned(),
        "max_connections=300".to_owned(),
        // Nothing here has to survive a crash of the machine, only one of the server.
        "fsync=off".to_owned(),
        "synchronous_commit=on".to_owned(),
        "full_page_writes=off".to_owned(),
        "ssl=on".to_owned(),
        format!("ssl_cert_file={}", shown("server.pem")),
        format!("ssl_key_file={}", shown("server.key")),
    ];
    let mut command = as_server_user(&programs.postgres);
    command.arg("-D").arg(folder.join("postgres"));
    command.args(["-p", &port.to_string()]);
    for setting in &settings {
        command.args(["-c", setting]);
    }
    command
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(std::fs::File::create(&log)?);
    process.start(&mut command, &log, || answers(port).unwrap_or(false))
}

/// A server that is still starting, or shutting down, refuses the start-up packet with an error.
fn answers(port: u16) -> std::io::Result<bool> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    let parameters = b"user\0postgres\0database\0postgres\0\0";
    let length = u32::try_from(parameters.len() + 8).unwrap_or(u32::MAX);
    stream.write_all(&length.to_be_bytes())?;
    stream.write_all(&196_608_u32.to_be_bytes())?; // protocol 3.0
    stream.write_all(parameters)?;
    let mut kind = [0];
    stream.read_exact(&mut kind)?;
    Ok(kind == *b"R") // AuthenticationOk
}

/// PostgreSQL refuses to run as root; root lends it the user that its package made.
fn as_server_user(program: &Path) -> Command {
    if !programs::is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups", "--"]).arg(program);
    command
}
