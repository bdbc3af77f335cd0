//! A copy of the tree, in which mutants are built beside the tree's own target folder.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};

/// What a build of the tests does not need.
const LEFT_OUT: &[&str] = &["target", ".git", "data"];

/// Makes `to` equal to `from`, but for `changed` files, whose new text is given. A file that is equal
/// already keeps its time, so that cargo builds only what differs from the last run.
///
/// # Errors
/// When a file cannot be read or written.
pub(super) fn copy(from: &Path, to: &Path, changed: &BTreeMap<&str, String>) -> Result<()> {
    let mut files = BTreeSet::new();
    list(from, Path::new(""), &mut files)?;
    for file in &files {
        let text = changed.get(file.to_str().unwrap_or_default());
        let wanted = match text {
            Some(text) => text.as_bytes().to_vec(),
            None => fs::read(from.join(file)).with_context(|| file.display().to_string())?,
        };
        let target = to.join(file);
        if fs::read(&target).is_ok_and(|there| there == wanted) {
            continue;
        }
        let context = || target.display().to_string();
        if let Some(folder) = target.parent() {
            fs::create_dir_all(folder).with_context(context)?;
        }
        fs::write(&target, wanted).with_context(context)?;
    }
    let mut there = BTreeSet::new();
    list(to, Path::new(""), &mut there)?;
    for file in there.difference(&files) {
        fs::remove_file(to.join(file)).with_context(|| file.display().to_string())?;
    }
    Ok(())
}

fn list(root: &Path, folder: &Path, files: &mut BTreeSet<PathBuf>) -> Result<()> {
    let context = || root.join(folder).display().to_string();
    for entry in fs::read_dir(root.join(folder)).with_context(context)? {
        let entry = entry.with_context(context)?;
        let path = folder.join(entry.file_name());
        if folder == Path::new("") && LEFT_OUT.iter().any(|name| path == Path::new(name)) {
            continue;
        }
        if entry.file_type()?.is_dir() {
            list(root, &path, files)?;
        } else {
            files.insert(path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_follows_its_original() {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("from"), folder.path().join("to"));
        for file in ["a.rs", "b/c.rs", "target/d"] {
            fs::create_dir_all(from.join(file).parent().unwrap()).unwrap();
            fs::write(from.join(file), file).unwrap();
        }
        copy(&from, &to, &BTreeMap::from([("b/c.rs", "changed".to_owned())])).unwrap();
        let time = || fs::metadata(to.join("a.rs")).unwrap().modified().unwrap();
        assert_eq!(fs::read_to_string(to.join("b/c.rs")).unwrap(), "changed");
        assert!(!to.join("target").exists());

        let before = time();
        fs::remove_file(from.join("b/c.rs")).unwrap();
        copy(&from, &to, &BTreeMap::new()).unwrap();
        assert!(!to.join("b/c.rs").exists());
        assert_eq!(time(), before, "an equal file is not written again");
    }
}
