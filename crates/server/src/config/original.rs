//! The environment names of the Python original, which keep working beside our own.

use std::collections::BTreeMap;

use toml::Value;
use url::Url;

/// Our key, its value, and the name that it came under.
type Translated = (&'static str, Value, &'static str);

/// Names that carry one value unchanged.
const PLAIN: &[(&str, &str)] = &[
    ("DATABASE_URL", "database.url"),
    ("REDIS_URL", "redis.url"),
    ("JWT_SECRET", "secrets.jwt"),
    ("FRONTEND_URL", "http.frontend_url"),
    ("DOMAIN", "http.domain"),
    ("ARGO_API_KEY", "producers.keys.argo"),
    ("STRIPE_SECRET_KEY", "billing.stripe_key"),
    ("STRIPE_STARTER_PRICE_ID", "billing.monthly_prices.starter"),
    ("STRIPE_PRO_PRICE_ID", "billing.monthly_prices.pro"),
    ("STRIPE_ELITE_PRICE_ID", "billing.monthly_prices.elite"),
];

/// What the original's names say in our keys, and problems. An empty variable counts
/// as absent, as compose files produce them.
pub(super) fn translate(variables: &BTreeMap<String, String>) -> (Vec<Translated>, Vec<String>) {
    let get =
        |name: &str| variables.get(name).map(|text| text.trim()).filter(|text| !text.is_empty());
    let mut found = Vec::new();
    let mut problems = Vec::new();

    match redis_url(&get) {
        Some(Ok(url)) if get("REDIS_URL").is_none() => {
            found.push(("redis.url", Value::String(url), "REDIS_HOST"));
        }
        Some(Err(problem)) => problems.push(problem),
        _ => {}
    }
    for &(name, key) in PLAIN {
        if let Some(text) = get(name) {
            found.push((key, Value::String(text.to_owned()), name));
        }
    }
    if let Some(hours) = get("JWT_EXPIRATION_HOURS") {
        match hours.parse::<u32>() {
            Ok(hours) => found.push((
                "accounts.access_ttl",
                Value::String(format!("{hours}h")),
                "JWT_EXPIRATION_HOURS",
            )),
            Err(_) => problems.push("JWT_EXPIRATION_HOURS must be a whole number of hours".into()),
        }
    }
    match get("DEBUG").map(str::to_lowercase).as_deref() {
        Some("true" | "1" | "yes" | "on") => {
            found.push(("logging.filter", Value::String("debug".into()), "DEBUG"));
        }
        None | Some("false" | "0" | "no" | "off") => {}
        Some(_) => problems.push("DEBUG must be true or false".into()),
    }
    if let Some(secret) = get("STRIPE_WEBHOOK_SECRET") {
        let secrets = secret.split(',').map(|one| Value::String(one.trim().to_owned()));
        let secrets = Value::Array(secrets.collect());
        found.push(("billing.webhook_secrets", secrets, "STRIPE_WEBHOOK_SECRET"));
    }
    (found, problems)
}

/// `REDIS_HOST` with its companions as one URL.
fn redis_url<'a>(get: &impl Fn(&str) -> Option<&'a str>) -> Option<Result<String, String>> {
    let host = get("REDIS_HOST")?;
    let port = get("REDIS_PORT").unwrap_or("6379");
    let database = get("REDIS_DB").unwrap_or("0");
    let build = || {
        port.parse::<u16>().ok()?;
        database.parse::<u16>().ok()?;
        let mut url = Url::parse(&format!("redis://{host}:{port}/{database}")).ok()?;
        url.set_password(get("REDIS_PASSWORD")).ok()?;
        Some(url.to_string())
    };
    Some(build().ok_or_else(|| {
        "REDIS_HOST, REDIS_PORT and REDIS_DB must be a host name, a port and a database number"
            .to_owned()
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn translated(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        let variables = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let (found, problems) = translate(&variables);
        assert!(problems.is_empty(), "{problems:?}");
        found
            .into_iter()
            .map(|(key, value, _)| (key.to_owned(), value.as_str().unwrap().to_owned()))
            .collect()
    }

    #[test]
    fn redis_parts_become_one_url_and_the_url_wins() {
        let parts = [("REDIS_HOST", "cache"), ("REDIS_PASSWORD", "p@ss/word"), ("REDIS_DB", "2")];
        let url = "redis://:p%40ss%2Fword@cache:6379/2".to_owned();
        assert_eq!(translated(&parts), [("redis.url".to_owned(), url)]);

        let both = [("REDIS_HOST", "cache"), ("REDIS_URL", "redis://other/0")];
        assert_eq!(translated(&both), [("redis.url".to_owned(), "redis://other/0".to_owned())]);
    }

    #[test]
    fn hours_and_debug_are_translated_and_empty_means_absent() {
        let pairs = [("JWT_EXPIRATION_HOURS", "24"), ("DEBUG", "True"), ("DOMAIN", "")];
        assert_eq!(
            translated(&pairs),
            [
                ("accounts.access_ttl".to_owned(), "24h".to_owned()),
                ("logging.filter".to_owned(), "debug".to_owned())
            ]
        );
    }

    #[test]
    fn nonsense_is_named() {
        let variables = BTreeMap::from([
            ("JWT_EXPIRATION_HOURS".to_owned(), "soon".to_owned()),
            ("DEBUG".to_owned(), "perhaps".to_owned()),
            ("REDIS_HOST".to_owned(), "cache".to_owned()),
            ("REDIS_PORT".to_owned(), "many".to_owned()),
        ]);
        let (_, problems) = translate(&variables);
        assert_eq!(problems.len(), 3, "{problems:?}");
    }
}
