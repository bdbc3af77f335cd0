//! What was meant by a command that there is not.

use clap::error::{ContextKind, ContextValue, ErrorKind};

/// Words of other programs, and what does that here. Words that are only misspelt are found by clap.
const MEANT: &[(&str, &[&str])] = &[
    ("serve", &["start", "run", "up", "server", "launch", "restart", "daemon", "web", "api"]),
    ("serve --demo", &["demo", "try", "simulate"]),
    (
        "migrate",
        &["migration", "migrations", "init", "setup", "upgrade", "schema", "db", "database"],
    ),
    ("user", &["users", "account", "accounts", "usr"]),
    ("user set-tier", &["tier", "set-tier", "upgrade-user"]),
    ("user reset-password", &["password", "passwd", "reset-password"]),
    ("admin", &["admins", "administrator", "createsuperuser"]),
    ("producer", &["producers", "key", "keys", "apikey", "token"]),
    ("backup", &["dump", "snapshot", "copy", "save"]),
    ("restore", &["load", "recover", "rollback"]),
    ("healthcheck", &["health", "status", "ping", "ready", "healthz"]),
    ("config check", &["check", "doctor", "validate", "test"]),
    ("config show", &["settings", "show", "env", "configuration"]),
    ("sessions revoke-all", &["logout", "logout-all", "sign-out", "revoke-all"]),
    ("sign", &["hash", "signature"]),
    ("feed", &["push", "send", "replay", "publish", "upload"]),
    ("jobs", &["queue", "worker", "job"]),
    ("import users", &["import-users"]),
    ("completions", &["completion", "complete"]),
    ("man", &["manual", "docs"]),
];
/// The same below a subcommand.
const MEANT_BELOW: &[(&str, &[&str])] = &[
    ("list", &["ls", "all", "index"]),
    ("create", &["add", "new", "make"]),
    ("disable", &["delete", "remove", "rm", "ban", "deactivate", "block"]),
    ("enable", &["activate", "unblock", "restore"]),
    ("rotate", &["rekey", "renew", "new-key", "reset"]),
    ("show", &["get", "info", "find", "view"]),
    ("run", &["up", "apply", "upgrade", "migrate", "latest"]),
    ("revert", &["down", "rollback", "undo", "downgrade"]),
    ("status", &["list", "pending", "show"]),
];

/// The error, with the command that was meant, where the words are known.
#[must_use]
pub fn with_suggestions(mut error: clap::Error) -> clap::Error {
    if error.kind() != ErrorKind::InvalidSubcommand {
        return error;
    }
    let Some(ContextValue::String(said)) = error.get(ContextKind::InvalidSubcommand) else {
        return error;
    };
    // `Usage: alpine [OPTIONS]`: no subcommand was understood before.
    let usage = error.get(ContextKind::Usage).map(ToString::to_string).unwrap_or_default();
    let is_top = usage.contains("alpine [");
    let commands = if is_top { MEANT } else { MEANT_BELOW };
    let said = said.to_lowercase();
    let meant: Vec<String> = { commands.iter() }
        .filter(|(_, words)| words.contains(&said.as_str()))
        .map(|(command, _)| (*command).to_owned())
        .filter(|command| is_top || exists(&usage, command))
        .collect();
    if !meant.is_empty() {
        error.insert(ContextKind::SuggestedSubcommand, ContextValue::Strings(meant));
    }
    error
}

/// Whether the subcommand that the usage names has one of this name.
fn exists(usage: &str, command: &str) -> bool {
    use clap::CommandFactory as _;
    let root = super::Cli::command();
    { root.get_subcommands() }
        .filter(|parent| usage.contains(&format!("alpine {} ", parent.get_name())))
        .any(|parent| parent.find_subcommand(command).is_some())
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory as _, Parser as _};

    use super::*;
    use crate::cli::Cli;

    fn told(line: &str) -> String {
        let error = Cli::try_parse_from(line.split(' ')).expect_err(line);
        with_suggestions(error).to_string()
    }

    #[test]
    fn what_was_meant_is_named() {
        for (line, meant) in [
            ("alpine start", "'serve'"),
            ("alpine users", "'user'"),
            ("alpine demo", "'serve --demo'"),
            ("alpine dump", "'backup'"),
            ("alpine restor", "'restore'"),
            ("alpine status", "'healthcheck'"),
            ("alpine doctor", "'config check'"),
            ("alpine user ls", "'list'"),
            ("alpine producer delete", "'disable'"),
            ("alpine migrate down", "'revert'"),
        ] {
            let told = told(line);
            assert!(told.contains(meant), "{line}: {told}");
            assert!(meant.contains("serve") || !told.contains("'serve'"), "{line}: {told}");
        }
        // There is no such thing below `import`.
        assert!(!told("alpine import down").contains("'revert'"));
    }

    #[test]
    fn every_command_that_is_named_is_there() {
        for (meant, words) in MEANT {
            let command = meant.split(' ').take_while(|word| !word.starts_with('-'));
            let mut at = Cli::command();
            for word in command {
                at = at.find_subcommand(word).unwrap_or_else(|| panic!("{meant}")).clone();
            }
            for word in *words {
                assert!(Cli::command().find_subcommand(word).is_none(), "{word} is a command");
            }
        }
    }
}
