//! The plans that PostgreSQL itself writes down, of what it ran, with the values that were sent.

use std::{
    fs::File,
    io::{Read as _, Seek as _, SeekFrom},
    path::PathBuf,
};

use alpine_testing::servers::Postgres;
use anyhow::{Context as _, Result};
use serde_json::Value;

/// The end of the line that a plan begins with.
const BEGIN: &str = " plan:";

/// A server's log, from where it was read to.
pub(super) struct Plans {
    log: PathBuf,
    position: u64,
}

impl Plans {
    /// Has the server write down the plan of each statement of this database, of connections that are made from now on.
    pub(super) fn of(postgres: &Postgres, database: &str) -> Result<Self> {
        for setting in [
            "session_preload_libraries = 'auto_explain'",
            "auto_explain.log_min_duration = 0",
            "auto_explain.log_analyze = on",
            "auto_explain.log_buffers = on",
            "auto_explain.log_timing = off",
            "auto_explain.log_nested_statements = on",
            "auto_explain.log_format = 'json'",
        ] {
            postgres.execute(&format!(
                "LOAD 'auto_explain'; ALTER DATABASE {database} SET {setting}"
            ))?;
        }
        Ok(Self { log: postgres.log(), position: 0 })
    }

    /// The text and the plan of each statement that ended since this was asked last.
    pub(super) fn take(&mut self) -> Result<Vec<(String, Value)>> {
        let mut file = File::open(&self.log).context("the server's log")?;
        file.seek(SeekFrom::Start(self.position))?;
        let mut bytes = Vec::new();
        self.position += u64::try_from(file.read_to_end(&mut bytes)?)?;
        parse(&String::from_utf8_lossy(&bytes))
    }
}

/// The plans of a part of a log. What follows the first line of an entry begins with a tab.
fn parse(log: &str) -> Result<Vec<(String, Value)>> {
    let mut plans = Vec::new();
    let mut lines = log.lines().peekable();
    while let Some(line) = lines.next() {
        if !line.ends_with(BEGIN) {
            continue;
        }
        let mut text = String::new();
        while let Some(part) = lines.next_if(|line| line.starts_with('\t')) {
            text.push_str(part);
        }
        let mut plan: Value =
            serde_json::from_str(&text).with_context(|| format!("a plan: {text}"))?;
        let statement = plan["Query Text"].as_str().unwrap_or_default().trim().to_owned();
        plans.push((statement, plan["Plan"].take()));
    }
    Ok(plans)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plans_are_found_among_other_lines() {
        let log = "LOG:  ready\nLOG:  duration: 0.05 ms  plan:\n\t{\n\t  \"Query Text\": \"SELECT 1\",\n\t  \
                   \"Plan\": {\"Node Type\": \"Result\"}\n\t}\nLOG:  other\n";
        let plans = parse(log).unwrap();
        assert_eq!(plans.len(), 1);
        assert_eq!(plans[0].0, "SELECT 1");
        assert_eq!(plans[0].1["Node Type"], "Result");
    }
}
