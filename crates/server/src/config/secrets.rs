//! Secrets that the development profile generates and keeps.

use std::{
    fs,
    io::{self, Read as _, Write as _},
    path::Path,
};

use alpine_domain::account::Secret;
use anyhow::Context as _;

use super::{Config, Layers, Origin, Setting, display};

/// Fills in the secrets that are missing: reads them from `data_dir/secrets`, or generates them
/// there, readable by the owner only. Does nothing outside the development profile, whose rules have
/// refused a missing secret before.
///
/// # Errors
/// When the directory or a file cannot be made or read, or its content was tampered with.
pub fn keep_generated_secrets(config: &mut Config, layers: &mut Layers) -> anyhow::Result<()> {
    if !config.is_development() {
        return Ok(());
    }
    let data_dir = config.data_dir.clone();
    if config.secrets.jwt.is_none() {
        let lost = "everybody has to sign in again";
        config.secrets.jwt = Some(generated(&data_dir, "jwt", lost, layers)?);
    }
    // On a database that others may share, theirs would be another one.
    if config.secrets.second_factor.is_none() && !config.uses_postgres() {
        let lost = "authenticators' codes are good no more, backup codes are";
        config.secrets.second_factor = Some(generated(&data_dir, "second_factor", lost, layers)?);
    }
    Ok(())
}

/// Fills in, for a command that signs nothing, the secrets that are kept in `data_dir/secrets`. Makes nothing; where
/// there is none to sign with, one is made that ends with the process.
///
/// # Errors
/// When a file cannot be read, or its content was tampered with.
pub(crate) fn find_generated_secrets(config: &mut Config) -> anyhow::Result<()> {
    let kept_in = |name: &str| -> anyhow::Result<Option<Secret>> {
        let path = config.data_dir.join("secrets").join(name);
        let text = read_own(&path).with_context(|| display(&path))?;
        text.map(|text| kept(&text).with_context(|| display(&path))).transpose()
    };
    if config.is_development() && config.secrets.second_factor.is_none() && !config.uses_postgres()
    {
        config.secrets.second_factor = kept_in("second_factor")?;
    }
    if config.secrets.jwt.is_none() {
        config.secrets.jwt = Some(random_secret()?);
    }
    Ok(())
}

fn random_secret() -> anyhow::Result<Secret> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|error| anyhow::anyhow!("no randomness: {error}"))?;
    Ok(Secret::new(hex::encode(bytes)))
}

/// The secret `secrets.NAME`, kept in a file of that name; `lost`: what it means when there is another one.
fn generated(
    data_dir: &Path,
    name: &str,
    lost: &str,
    layers: &mut Layers,
) -> anyhow::Result<Secret> {
    let folder = data_dir.join("secrets");
    make_private_folder(data_dir)?;
    make_private_folder(&folder)?;
    let path = folder.join(name);
    let secret = read_or_generate(&path).with_context(|| {
        format!("the generated secret in {} (with another one {lost})", display(&path))
    })?;
    layers.settings.insert(
        format!("secrets.{name}"),
        Setting { value: toml::Value::String(String::new()), origin: Origin::Generated(path) },
    );
    Ok(secret)
}

/// Makes a directory that only its owner may enter; leaves an existing one as it is.
///
/// # Errors
/// When it cannot be made.
pub(crate) fn make_private_folder(path: &Path) -> anyhow::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder
        .create(path)
        .with_context(|| format!("cannot make the directory {}; see data_dir", display(path)))
}

fn read_or_generate(path: &Path) -> anyhow::Result<Secret> {
    if let Some(text) = read_own(path)? {
        return kept(&text);
    }
    let secret = random_secret()?;

    // Written beside its place and linked there: a second process that starts at the same time finds
    // the whole secret or none, and the first one stays.
    let draft = path.with_extension(format!("{}.tmp", std::process::id()));
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&draft).context("cannot be written")?;
    let written = file
        .write_all(secret.reveal().as_bytes())
        .and_then(|()| file.sync_all())
        .and_then(|()| fs::hard_link(&draft, path));
    let removed = fs::remove_file(&draft);
    match written {
        Ok(()) => removed.map(|()| secret).map_err(Into::into),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            kept(&read_own(path)?.context("was removed at the same time")?)
        }
        Err(error) => Err(error).context("cannot be written"),
    }
}

/// The text of a file that nobody else can have written or read; `None` if there is none.
fn read_own(path: &Path) -> anyhow::Result<Option<String>> {
    let mut options = fs::OpenOptions::new();
    options.read(true);
    // Through a link, the checks below would look at a file that stands elsewhere.
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(
        &mut options,
        (rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK).bits().cast_signed(),
    );
    let mut file = match options.open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).context("cannot be read"),
    };
    let found = file.metadata().context("cannot be read")?;
    anyhow::ensure!(found.is_file(), "is not a regular file; remove it");
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        may_be_trusted(found.uid(), found.mode(), rustix::process::geteuid().as_raw())?;
    }
    let mut text = String::new();
    file.read_to_string(&mut text).context("cannot be read")?;
    Ok(Some(text))
}

/// The rights of the group and of everybody else in a file's mode.
#[cfg(unix)]
const OTHERS: u32 = 0o077;

/// Whoever else could have written the secret knows it.
#[cfg(unix)]
fn may_be_trusted(owner: u32, mode: u32, user: u32) -> anyhow::Result<()> {
    anyhow::ensure!(
        owner == user,
        "belongs to another user (id {owner}); delete the file, and a new one is generated"
    );
    anyhow::ensure!(
        mode & OTHERS == 0,
        "may be read or written by others (mode {:o}); delete the file, and a new one is generated",
        mode & 0o777
    );
    Ok(())
}

fn kept(text: &str) -> anyhow::Result<Secret> {
    let text = text.trim();
    anyhow::ensure!(
        text.len() >= 32,
        "is shorter than 32 bytes; delete the file, and a new one is generated"
    );
    Ok(Secret::new(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Sources, load};

    fn config_in(folder: &Path) -> (Config, Layers) {
        let loaded = load(&Sources {
            arguments: vec![(
                "data_dir",
                toml::Value::String(folder.join("data").display().to_string()),
                "--data-dir",
            )],
            ..Sources::default()
        })
        .unwrap();
        (loaded.config, loaded.layers)
    }

    #[test]
    fn a_secret_is_generated_once_and_only_for_its_owner() {
        let folder = tempfile::tempdir().unwrap();
        let (mut first, mut layers) = config_in(folder.path());
        keep_generated_secrets(&mut first, &mut layers).unwrap();
        let (mut second, mut again) = config_in(folder.path());
        keep_generated_secrets(&mut second, &mut again).unwrap();

        let secret = first.secrets.jwt.unwrap();
        assert_eq!(secret.reveal().len(), 64);
        assert!(second.secrets.jwt == Some(secret.clone()), "kept across starts");
        let other = first.secrets.second_factor.unwrap();
        assert!(other != secret && second.secrets.second_factor == Some(other));
        for key in ["secrets.jwt", "secrets.second_factor"] {
            assert!(matches!(layers.settings[key].origin, Origin::Generated(_)), "{key}");
        }
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = |path: &str| {
                let path = folder.path().join("data").join(path);
                fs::metadata(path).unwrap().permissions().mode() & 0o777
            };
            assert_eq!(mode("secrets"), 0o700);
            assert_eq!(mode("secrets/jwt"), 0o600);
            assert_eq!(mode("secrets/second_factor"), 0o600);
        }
    }

    #[cfg(unix)]
    fn restrict(path: &Path, mode: u32) {
        use std::os::unix::fs::PermissionsExt as _;
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[cfg(unix)]
    #[test]
    fn a_planted_secret_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let (config, _) = config_in(folder.path());
        let secrets = config.data_dir.join("secrets");
        fs::create_dir_all(&secrets).unwrap();
        let path = secrets.join("jwt");
        let planted = "known to whoever planted it, and long enough";
        let refusal = || {
            let (mut config, mut layers) = config_in(folder.path());
            let refused = keep_generated_secrets(&mut config, &mut layers);
            assert!(config.secrets.jwt.is_none());
            format!("{:#}", refused.unwrap_err())
        };

        fs::write(&path, planted).unwrap();
        for mode in [0o644, 0o640, 0o620, 0o602] {
            restrict(&path, mode);
            let text = refusal();
            assert!(text.contains(&format!("(mode {mode:o})")), "{text}");
            assert!(text.contains("delete the file") && !text.contains(planted), "{text}");
        }

        let elsewhere = folder.path().join("elsewhere");
        fs::rename(&path, &elsewhere).unwrap();
        restrict(&elsewhere, 0o600);
        std::os::unix::fs::symlink(&elsewhere, &path).unwrap();
        assert!(refusal().contains("cannot be read"));

        // A file of another user can be made by root only, so the rule is asked itself.
        assert!(may_be_trusted(1000, 0o100_600, 1000).is_ok());
        let error = may_be_trusted(1000, 0o100_600, 1001).unwrap_err();
        assert!(error.to_string().contains("another user (id 1000)"), "{error}");
    }

    #[test]
    fn a_truncated_secret_is_refused_with_the_remedy() {
        let folder = tempfile::tempdir().unwrap();
        let (mut config, mut layers) = config_in(folder.path());
        let path = config.data_dir.join("secrets");
        fs::create_dir_all(&path).unwrap();
        fs::write(path.join("jwt"), "short").unwrap();
        #[cfg(unix)]
        restrict(&path.join("jwt"), 0o600);
        let error = keep_generated_secrets(&mut config, &mut layers).unwrap_err();
        assert!(format!("{error:#}").contains("delete the file"), "{error:#}");
    }
}
