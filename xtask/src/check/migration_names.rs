//! Migrations are numbered as `CONTRIBUTING.md` says: tables and triggers 00NN, indexes 01NN, the same
//! names for both back ends. Diesel applies and reverts by number.

use std::{collections::BTreeSet, path::Path};

use anyhow::{Context as _, Result, bail};

/// The folders, one a back end.
const BACK_ENDS: [&str; 2] = ["migrations/sqlite", "migrations/postgres"];

/// Proves it for both back ends.
///
/// # Errors
/// Every migration whose name or files are not as they should be.
pub(super) fn check() -> Result<String> {
    let [sqlite, postgres] = BACK_ENDS.map(|folder| names(&crate::workspace::root().join(folder)));
    let (sqlite, postgres) = (sqlite?, postgres?);
    let problems = problems(&sqlite, &postgres);
    if !problems.is_empty() {
        bail!("{}", problems.join("\n"));
    }
    Ok(format!("{} migrations", sqlite.len()))
}

fn names(folder: &Path) -> Result<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    for entry in std::fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        for file in ["up.sql", "down.sql"] {
            if !path.join(file).is_file() {
                bail!("{} lacks {file}", path.display());
            }
        }
        names.insert(path.file_name().unwrap_or_default().to_string_lossy().into_owned());
    }
    Ok(names)
}

fn problems(sqlite: &BTreeSet<String>, postgres: &BTreeSet<String>) -> Vec<String> {
    let mut problems: Vec<String> = sqlite
        .symmetric_difference(postgres)
        .map(|name| format!("{name} is there for one back end only"))
        .collect();
    let mut numbers = BTreeSet::new();
    for name in sqlite.union(postgres) {
        let (number, rest) = name.split_once('_').unwrap_or((name, ""));
        let wanted = if rest.starts_with("idx_") { "01" } else { "00" };
        let is_number = number.len() == 4 && number.bytes().all(|byte| byte.is_ascii_digit());
        if !is_number || !number.starts_with(wanted) {
            problems.push(format!("{name} must be numbered {wanted}NN: see CONTRIBUTING.md"));
        }
        if !numbers.insert(number) {
            problems.push(format!("{name}: the number {number} is taken"));
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_wrong_name_is_told() {
        let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let good: BTreeSet<String> = set(&["0001_accounts", "0101_idx_user"]);
        assert_eq!(problems(&good, &good), Vec::<String>::new());
        let bad: BTreeSet<String> =
            set(&["0001_accounts", "0001_signals", "0102_notes", "0003_idx_user", "4_x"]);
        assert_eq!(
            problems(&bad, &bad),
            [
                "0001_signals: the number 0001 is taken",
                "0003_idx_user must be numbered 01NN: see CONTRIBUTING.md",
                "0102_notes must be numbered 00NN: see CONTRIBUTING.md",
                "4_x must be numbered 00NN: see CONTRIBUTING.md",
            ]
        );
        assert_eq!(
            problems(&set(&["0001_accounts"]), &set(&[])),
            ["0001_accounts is there for one back end only"]
        );
    }
}
