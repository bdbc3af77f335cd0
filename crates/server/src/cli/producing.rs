//! What the commands for producers take.

use std::{num::NonZeroU32, path::PathBuf};

use clap::Args;

/// Of `sign`.
///
/// Signals with the hash that Alpine expects in `sha256`, one a line, every other member to the letter. What Alpine would
/// refuse is named, and the command then ends with 1.
#[derive(Debug, Args, Clone)]
pub struct SignArgs {
    /// Signals, one JSON object a line, or one object alone; `-` is standard input
    pub file: PathBuf,
    /// Print the texts that are hashed instead, one a line
    #[arg(long)]
    pub text: bool,
}

/// Of `feed`.
///
/// Each line is recognised by its content: a signal, an outcome (`exit_price`), an edge case
/// (`{form, body}`), or a body to be refused (`{field, why, body}`), whose refusal must name that field.
/// Lines travel to the letter, numbers are never rewritten. Feeding a file twice changes nothing.
/// 429 and 503 are retried after `Retry-After`. Fails when something is refused that should not be.
#[derive(Debug, Args, Clone)]
pub struct FeedArgs {
    /// The file, one JSON object a line; `-` is standard input
    pub file: PathBuf,
    /// Where the server is
    #[arg(long, default_value = "http://127.0.0.1:8000")]
    pub url: String,
    /// The producer's key, from `alpine producer create`; others see what is said on a command line, so the variable is
    /// better
    #[arg(long, env = "ARGO_API_KEY", hide_env_values = true)]
    pub key: String,
    /// Lines a second, one request each; without it, lines are sent in batches, as fast as they are taken
    #[arg(long, value_name = "N", value_parser = per_second)]
    pub rate: Option<NonZeroU32>,
    /// Lines in one batch
    #[arg(long, value_name = "N", default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub batch: u32,
}

fn per_second(text: &str) -> Result<NonZeroU32, String> {
    let number = text.strip_suffix("/s").unwrap_or(text);
    number.parse().map_err(|_| "must be lines a second: 50 or 50/s".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_may_name_their_unit() {
        assert_eq!(per_second("50/s"), Ok(NonZeroU32::new(50).unwrap()));
        assert_eq!(per_second("7"), Ok(NonZeroU32::new(7).unwrap()));
        assert!(per_second("0").is_err());
        assert!(per_second("fast").is_err());
    }
}
