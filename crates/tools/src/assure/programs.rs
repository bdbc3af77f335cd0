//! The programs: installed below `target`, in the versions that the folder `assure` names.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use alpine_testing::servers::programs::is_root;
use anyhow::{Context as _, Result, bail};

/// Where they are.
pub(super) struct Programs {
    folder: PathBuf,
}

impl Programs {
    /// The programs, installed if they are not.
    ///
    /// # Errors
    /// When one cannot be installed; the error says what is missing.
    pub(super) fn installed() -> Result<Self> {
        let folder = crate::workspace::root().join("target/tools/assure");
        fs::create_dir_all(&folder)?;
        let programs = Self { folder };
        programs.install("requirements.txt", Self::install_python)?;
        programs.install("package.json", Self::install_spectral)?;
        if !programs.own_promtool().exists() && !is_there("promtool") {
            println!("installing promtool");
            programs.install_promtool()?;
        }
        Ok(programs)
    }

    /// Installs what a file of `assure` names, unless that was done for the same content of it.
    fn install(&self, list: &str, install: fn(&Self, &Path) -> Result<()>) -> Result<()> {
        let list = configuration().join(list);
        let wanted = fs::read(&list).with_context(|| list.display().to_string())?;
        let done = self.folder.join(list.file_name().unwrap_or_default());
        if fs::read(&done).is_ok_and(|installed| installed == wanted) {
            return Ok(());
        }
        println!("installing what {} names", list.display());
        install(self, &list)?;
        Ok(fs::write(done, wanted)?)
    }

    fn install_python(&self, list: &Path) -> Result<()> {
        let venv = self.folder.join("venv");
        let mut make = Command::new("python3");
        run(make.args(["-m", "venv", "--clear"]).arg(&venv)).context(
            "Python 3 and its module venv are needed (on Debian: apt-get install python3-venv)",
        )?;
        let mut pip = Command::new(venv.join("bin/pip"));
        run(pip.args(["install", "--quiet", "--disable-pip-version-check", "-r"]).arg(list))
    }

    fn install_spectral(&self, list: &Path) -> Result<()> {
        let node = self.folder.join("node");
        fs::create_dir_all(&node)?;
        fs::copy(list, node.join("package.json"))?;
        let mut npm = Command::new("npm");
        npm.args(["install", "--silent", "--no-audit", "--no-fund", "--no-package-lock"]);
        run(npm.current_dir(&node))
            .context("Node.js and npm are needed (on Debian: apt-get install npm)")
    }

    /// From Debian's package of Prometheus, whose server is not installed.
    fn install_promtool(&self) -> Result<()> {
        let folder = self.folder.join("promtool");
        fs::create_dir_all(&folder)?;
        let download = || {
            run(Command::new("apt-get").args(["-q", "download", "prometheus"]).current_dir(&folder))
        };
        if download().is_err() {
            if !is_root() {
                bail!("promtool is needed (it is part of Prometheus)");
            }
            run(Command::new("apt-get").args(["-q", "update"]))?;
            download().context("promtool is needed (it is part of Prometheus)")?;
        }
        for entry in fs::read_dir(&folder)? {
            let path = entry?.path();
            if path.extension().is_some_and(|end| end == "deb") {
                run(Command::new("dpkg-deb").arg("-x").arg(&path).arg(folder.join("package")))?;
            }
        }
        Ok(())
    }

    fn own_promtool(&self) -> PathBuf {
        self.folder.join("promtool/package/usr/bin/promtool")
    }

    /// Schemathesis with its configuration.
    pub(super) fn schemathesis(&self) -> Command {
        let mut command = Command::new(self.folder.join("venv/bin/st"));
        command.arg("--config-file").arg(configuration().join("schemathesis.toml"));
        // Where its hooks are.
        command.env("PYTHONPATH", configuration()).env("PYTHONDONTWRITEBYTECODE", "1");
        command
    }

    /// openapi-python-client, which makes a client in `folder` of the description in `file`, and warns of what it leaves
    /// out.
    pub(super) fn generator(&self, file: &Path, folder: &Path) -> Command {
        let mut command = Command::new(self.folder.join("venv/bin/openapi-python-client"));
        command.args(["generate", "--meta", "none", "--overwrite", "--path"]).arg(file);
        command.arg("--config").arg(configuration().join("client.yaml"));
        command.arg("--output-path").arg(folder);
        command
    }

    /// The journey with the client in `folder`, of the description in `file`.
    pub(super) fn journey(&self, file: &Path, folder: &Path) -> Command {
        let mut command = Command::new(self.folder.join("venv/bin/python"));
        command.arg(configuration().join("journey.py")).arg(file).arg(folder);
        command.env("PYTHONDONTWRITEBYTECODE", "1");
        command
    }

    /// The comparison of an answer with a file of signals.
    pub(super) fn figures(&self, file: &Path, answer: &Path) -> Command {
        let mut command = Command::new(self.folder.join("venv/bin/python"));
        command.arg(configuration().join("figures.py")).arg(file).arg(answer);
        command
    }

    /// Spectral on this file; a warning counts as an error does.
    pub(super) fn spectral(&self, file: &Path) -> Result<Command> {
        let node = self.folder.join("node");
        // Its rules are found beside it alone.
        fs::copy(configuration().join("spectral.yaml"), node.join("spectral.yaml"))?;
        let mut command = Command::new(node.join("node_modules/.bin/spectral"));
        command.current_dir(&node).args(["lint", "--ruleset", "spectral.yaml"]);
        command.args(["--fail-severity", "hint", "--format", "text"]).arg(file);
        Ok(command)
    }

    /// promtool, which reads metrics on its standard input.
    pub(super) fn promtool(&self) -> Command {
        let own = self.own_promtool();
        let mut command = Command::new(if own.exists() { own } else { "promtool".into() });
        command.args(["check", "metrics"]);
        command
    }
}

fn configuration() -> PathBuf {
    crate::workspace::root().join("assure")
}

fn is_there(program: &str) -> bool {
    let mut command = Command::new(program);
    command.arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok()
}

fn run(command: &mut Command) -> Result<()> {
    let name = command.get_program().display().to_string();
    let status =
        command.stdin(Stdio::null()).status().with_context(|| format!("cannot start {name}"))?;
    if !status.success() {
        bail!("{name} failed ({status})");
    }
    Ok(())
}

/// Runs a program on this terminal.
pub(super) fn succeeds(mut command: Command) -> Result<bool> {
    let name = Path::new(command.get_program()).display().to_string();
    Ok(command.status().with_context(|| format!("cannot start {name}"))?.success())
}
