//! What `config show` prints: every key, its effective value, and where it came from.

use std::fmt::Write as _;

use alpine_infra::redis::RedisUrl;
use toml::Value;

use super::Layers;

impl Layers {
    /// One line a key, in the file's notation; secrets are hidden.
    pub fn show(&self) -> String {
        let lines: Vec<(String, String)> = self
            .settings
            .iter()
            .map(|(key, setting)| {
                let value = shown(key, &setting.value);
                (format!("{key} = {value}"), setting.origin.to_string())
            })
            .collect();
        let width = lines
            .iter()
            .map(|(text, _)| text.chars().count())
            .filter(|width| *width <= 60)
            .max()
            .unwrap_or(0);
        let mut out = String::new();
        for (text, origin) in lines {
            // Writing to a String cannot fail.
            let _ = writeln!(out, "{text:<width$}  # {origin}");
        }
        for warning in &self.warnings {
            let _ = writeln!(out, "# {warning}");
        }
        out
    }
}

/// Secrets beside those whose keys say so.
const SECRETS: &[&str] = &[
    "mail.smtp",
    "billing.stripe_key",
    "billing.webhook_secrets",
    "telegram.bot_token",
    "telegram.webhook_secret",
    "discord.bot_token",
    "discord.client_secret",
];

fn shown(key: &str, value: &Value) -> String {
    let is_secret =
        key.starts_with("secrets.") || key.starts_with("producers.keys.") || SECRETS.contains(&key);
    if is_secret {
        let is_empty = match value {
            Value::String(text) => text.is_empty(),
            Value::Array(items) => items.is_empty(),
            _ => false,
        };
        let text = if is_empty { "(not set)" } else { "(hidden)" };
        return Value::String(text.to_owned()).to_string();
    }
    let Value::String(text) = value else {
        return value.to_string();
    };
    let text = match key {
        "database.url" if text.is_empty() => String::new(),
        "database.url" => alpine_persistence::shown_url(text),
        "redis.url" => redis_without_password(text),
        _ => text.clone(),
    };
    Value::String(text).to_string()
}

/// What the reader of addresses makes of it; an address that it refuses may hold a password anywhere.
fn redis_without_password(text: &str) -> String {
    if text.is_empty() {
        return String::new();
    }
    RedisUrl::parse(text).map_or_else(|_| "(hidden)".to_owned(), |url| url.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Sources, read_layers};

    #[test]
    fn the_hosts_of_redis_show_and_its_secrets_do_not() {
        for (url, shown) in [
            (
                "redis+sentinel://u:hunter2@a,b:1/m/3?sentinel_password=hunter2",
                "redis+sentinel://a:26379,b:1/m/3",
            ),
            ("rediss+cluster://:hunter2@a:1,b:2", "rediss+cluster://a:1,b:2"),
            ("redis+cluster://:hunter2@a:1,b:2/7", "(hidden)"),
            ("redis+cluster://:hunt/er2@a", "(hidden)"),
        ] {
            let sources = Sources {
                environment: [("REDIS_URL".to_owned(), url.to_owned())].into(),
                ..Sources::default()
            };
            let text = read_layers(&sources).show();
            assert!(text.contains(&format!("redis.url = \"{shown}\"")), "{text}");
            assert!(!text.contains("hunt"), "{text}");
        }
    }

    fn show(name: &str, url: &str) -> String {
        let environment = [(name.to_owned(), url.to_owned())].into();
        read_layers(&Sources { environment, ..Sources::default() }).show()
    }

    /// Passwords that are not escaped as they should be are read as a port, a database or a parameter
    /// by one reader or another; none of them is shown.
    #[test]
    fn passwords_that_break_an_address_do_not_show() {
        for password in
            ["12/hunt", "12?hunt", "12#hunt", "hunt/er", "hunt?er", "hunt#er", "1@hunt", "h%unt"]
        {
            for (name, key, url) in [
                ("DATABASE_URL", "database.url", format!("postgres://me:{password}@db/x")),
                ("REDIS_URL", "redis.url", format!("redis://me:{password}@cache:6379/0")),
                ("REDIS_URL", "redis.url", format!("redis://:{password}@cache")),
                ("REDIS_URL", "redis.url", format!("rediss+sentinel://me:{password}@a,b/m")),
            ] {
                let text = show(name, &url);
                let line = text.lines().find(|line| line.starts_with(key)).unwrap();
                assert!(!line.contains("hunt") && !line.contains("12"), "{url}: {line}");
            }
        }
    }

    #[test]
    fn secrets_never_show_and_origins_do() {
        let sources = Sources {
            environment: [
                ("JWT_SECRET", "hunter2-jwt"),
                ("ARGO_API_KEY", "hunter2-argo"),
                ("DATABASE_URL", "postgres://u:hunter2@db/alpine?password=hunter2&sslmode=require"),
                ("REDIS_PASSWORD", "hunter2"),
                ("REDIS_HOST", "cache"),
                ("STRIPE_SECRET_KEY", "hunter2-stripe"),
            ]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
            ..Sources::default()
        };
        let text = read_layers(&sources).show();
        assert!(!text.contains("hunter2"), "{text}");
        assert!(text.contains("sslmode=require"), "{text}");
        assert!(text.contains("# environment JWT_SECRET"), "{text}");
        assert!(text.contains("# environment STRIPE_SECRET_KEY"), "{text}");
        assert!(text.contains("http.workers = 0"), "{text}");
    }

    /// A text or a list of texts: who reads it could sign tokens.
    #[test]
    fn no_secret_shows_whatever_its_form() {
        let layers = Layers::defaults();
        let mut keys: Vec<&str> = layers
            .settings
            .keys()
            .map(String::as_str)
            .filter(|key| key.starts_with("secrets."))
            .collect();
        assert!(keys.contains(&"secrets.jwt") && keys.contains(&"secrets.accepted_jwt"));
        keys.extend(SECRETS);
        for key in keys {
            let variable = format!("ALPINE__{}", key.to_uppercase().replace('.', "__"));
            let mut sources = Sources::default();
            sources.environment.insert(variable, "hunter2-hunter2".to_owned());
            let text = read_layers(&sources).show();
            let line = text.lines().find(|line| line.starts_with(&format!("{key} ="))).unwrap();
            assert!(line.contains("\"(hidden)\"") && !text.contains("hunter2"), "{line}");
        }
    }
}
