//! Mail as files, where no server is configured.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use alpine_domain::{
    Clock as _, Error, Result,
    ports::mail::{Mail, Mailer},
    time::SystemClock,
};
use async_trait::async_trait;
use lettre::message::Mailbox;
use tokio::task;

use super::{
    MailSettings,
    message::{message, sender},
};
use crate::{SettingsError, random_text};

/// Writes each mail into a folder, as a file that other programs open as a mail. Only the newest are kept.
pub struct Outbox {
    folder: PathBuf,
    from: Mailbox,
    files: usize,
}

impl Outbox {
    /// An outbox in this folder, which is made, for its owner only, when the first mail comes.
    ///
    /// # Errors
    /// `mail.from` that cannot be read.
    pub fn new(folder: PathBuf, settings: &MailSettings) -> Result<Self, SettingsError> {
        Ok(Self { folder, from: sender(&settings.from)?, files: settings.outbox_files })
    }
}

#[async_trait]
impl Mailer for Outbox {
    async fn send(&self, mail: &Mail) -> Result<()> {
        let bytes = message(&self.from, mail)?.formatted();
        let (folder, files) = (self.folder.clone(), self.files);
        let written = task::spawn_blocking(move || keep(&folder, &bytes, files)).await;
        let written = written.map_err(Error::internal)?;
        written.map_err(|error| Error::unavailable("the outbox", error))
    }
}

/// The name of a file that is not finished does not end so.
const FINISHED: &str = "eml";

/// Written beside its place and moved there, so that who looks finds whole mails.
fn keep(folder: &Path, bytes: &[u8], files: usize) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)?;
    // In the order of their names, mails are in the order of their times.
    let name = format!("{:017}-{}", SystemClock.now().micros(), random_text());
    let (unfinished, finished) = (folder.join(&name), folder.join(format!("{name}.{FINISHED}")));
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&unfinished)?;
    let written = io::Write::write_all(&mut file, bytes).and_then(|()| file.sync_all());
    if let Err(error) = written.and_then(|()| fs::rename(&unfinished, &finished)) {
        // What is half written is of no use to anybody.
        let _gone = fs::remove_file(&unfinished);
        return Err(error);
    }
    let mut kept = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == FINISHED) {
            kept.push(path);
        }
    }
    kept.sort_unstable();
    let surplus = kept.len().saturating_sub(files);
    for old in &kept[..surplus] {
        match fs::remove_file(old) {
            // Another mail was written at the same time.
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}
