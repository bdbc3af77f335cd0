//! Rules that a single value cannot tell: each broken one names its key and the remedy.

use std::time::Duration;

use alpine_domain::{account::Secret, producer::ProducerName};
use alpine_infra::{SettingsError, mail, redis::RedisUrl};
use url::Url;

use super::{
    Billing, ByTier, Config, Discord, PaymentsBy, Secrets, Telegram, effective::is_postgres,
    weakness::weakness,
};

/// The remedy for every missing or weak secret.
const MAKE_ONE: &str = "make one with `openssl rand -hex 32`";

/// One sentence for each broken rule. What does not serve signs nothing, and needs no secret for that.
pub(super) fn problems(config: &Config, serves: bool) -> Vec<String> {
    let mut rules = Rules(Vec::new());
    rules.profile(config);
    rules.secrets(config, serves);
    rules.instances(config);
    rules.addresses(config);
    rules.mail(config);
    rules.database(config);
    rules.accounts(config);
    rules.billing(config);
    rules.telegram(&config.telegram);
    rules.discord(config);
    rules.limits(config);
    rules.times(config);
    rules.0
}

struct Rules(Vec<String>);

impl Rules {
    fn demand(&mut self, holds: bool, key: &str, remedy: &str) {
        if !holds {
            self.0.push(format!("`{key}`: {remedy}"));
        }
    }

    fn profile(&mut self, config: &Config) {
        if !config.is_development() {
            return;
        }
        let remedy = "the development profile listens on loopback addresses only; use 127.0.0.1, or \
                      set profile = \"production\" and give the secrets";
        self.demand(config.http.bind.ip().is_loopback(), "http.bind", remedy);
        let loopback = config.metrics_address().is_none_or(|bind| bind.ip().is_loopback());
        self.demand(loopback, "metrics.bind", remedy);
    }

    fn secrets(&mut self, config: &Config, serves: bool) {
        let must_be_strong = !config.is_development() || config.uses_postgres();
        match &config.secrets.jwt {
            None if must_be_strong && serves => self.0.push(format!(
                "`secrets.jwt` is missing: set JWT_SECRET (or ALPINE__SECRETS__JWT), the same on every \
                 instance; {MAKE_ONE}. Only the development profile on SQLite generates it"
            )),
            Some(secret) if must_be_strong => self.strong(secret, "secrets.jwt", "JWT_SECRET"),
            Some(secret) => self.demand(
                secret.reveal().len() >= 32,
                "secrets.jwt",
                &format!("is shorter than 32 bytes; {MAKE_ONE}"),
            ),
            None => {}
        }
        for secret in &config.secrets.accepted_jwt {
            self.strong(secret, "secrets.accepted_jwt", "the secret");
        }
        self.demand(
            config.secrets.accepted_jwt.len() <= Secrets::MOST_ACCEPTED,
            "secrets.accepted_jwt",
            "has more than 4 secrets: tokens of the oldest ended tokens.access_ttl after it last signed",
        );
        if let Some(secret) = &config.secrets.second_factor {
            self.strong(secret, "secrets.second_factor", "the secret");
        }
        for secret in &config.secrets.accepted_second_factor {
            self.strong(secret, "secrets.accepted_second_factor", "the secret");
        }
        self.demand(
            config.secrets.accepted_second_factor.len() <= Secrets::MOST_ACCEPTED,
            "secrets.accepted_second_factor",
            "has more than 4 secrets: run `alpine two-factor reseal`, then only secrets.second_factor is needed",
        );
        self.demand(
            config.secrets.accepted_second_factor.is_empty()
                || config.secrets.second_factor.is_some(),
            "secrets.accepted_second_factor",
            "opens nothing without secrets.second_factor, which seals",
        );
        for (name, key) in &config.producers.keys {
            let path = format!("producers.keys.{name}");
            if let Err(reason) = name.parse::<ProducerName>() {
                self.demand(false, &path, &format!("a producer's name {reason}"));
            }
            if must_be_strong {
                let variable = if name == "argo" { "ARGO_API_KEY" } else { "the key" };
                self.strong(key, &path, variable);
            }
        }
        if must_be_strong {
            self.one_purpose_each(config);
        }
    }

    /// A secret that is used twice leaks from the weaker place and is then good at the other one.
    fn one_purpose_each(&mut self, config: &Config) {
        let database_url = config.database_url();
        let redis_url = config.redis.url.as_ref().map(RedisUrl::secret);
        let keys = config.producers.keys.iter();
        let keys = keys.map(|(name, key)| (format!("producers.keys.{name}"), key));
        let jwt = config.secrets.jwt.iter().map(|secret| ("secrets.jwt".to_owned(), secret));
        let accepted = config.secrets.accepted_jwt.iter();
        let accepted = accepted.map(|secret| ("secrets.accepted_jwt".to_owned(), secret));
        let factor = config.secrets.second_factor.iter();
        let factor = factor.map(|secret| ("secrets.second_factor".to_owned(), secret));
        let opening = config.secrets.accepted_second_factor.iter();
        let opening = opening.map(|secret| ("secrets.accepted_second_factor".to_owned(), secret));
        let secrets: Vec<(String, &Secret)> =
            jwt.chain(accepted).chain(factor).chain(opening).chain(keys).collect();
        for (at, (key, secret)) in secrets.iter().enumerate() {
            for (other, _) in secrets[..at].iter().filter(|(_, other)| other == secret) {
                let remedy =
                    format!("is the same secret as `{other}`: give each its own; {MAKE_ONE}");
                self.demand(false, key, &remedy);
            }
            for (url, text) in [("database.url", Some(&database_url)), ("redis.url", redis_url)] {
                let is_in_url = text.is_some_and(|text| text.reveal().contains(secret.reveal()));
                let remedy =
                    format!("is the password in `{url}` as well: give each its own; {MAKE_ONE}");
                self.demand(!is_in_url || secret.reveal().is_empty(), key, &remedy);
            }
        }
    }

    fn strong(&mut self, secret: &Secret, key: &str, variable: &str) {
        if let Some(reason) = weakness(secret.reveal()) {
            self.0.push(format!("`{key}` is weak ({reason}): replace {variable}; {MAKE_ONE}"));
        }
    }

    fn instances(&mut self, config: &Config) {
        if config.instances > 1 {
            self.demand(
                config.redis.url.is_some() || config.allow_without_redis,
                "redis.url",
                "several instances share rate limits and cache through Redis: set REDIS_URL, or set \
                 allow_without_redis = true and let each instance count for itself",
            );
            self.demand(
                config.uses_postgres(),
                "database.url",
                "several instances need PostgreSQL: set DATABASE_URL=postgres://…, or instances = 1",
            );
        }
    }

    fn mail(&mut self, config: &Config) {
        for SettingsError { key, problem, remedy } in mail::problems(&config.mail) {
            self.0.push(format!("`{key}`: {problem}; {remedy}"));
        }
    }

    fn billing(&mut self, config: &Config) {
        let billing = &config.billing;
        match config.payments() {
            PaymentsBy::Nobody => return,
            PaymentsBy::Development => {
                let remedy =
                    "development payments give tiers away: in production set stripe, or off";
                return self.demand(config.is_development(), "billing.provider", remedy);
            }
            PaymentsBy::Stripe => {}
        }
        let remedy = "is missing: set STRIPE_SECRET_KEY, or billing.provider = \"off\"";
        self.demand(billing.stripe_key.is_some(), "billing.stripe_key", remedy);
        let count = billing.webhook_secrets.len();
        self.demand(
            (1..=Billing::MOST_WEBHOOK_SECRETS).contains(&count),
            "billing.webhook_secrets",
            "must have 1 to 4 secrets: set STRIPE_WEBHOOK_SECRET to the whsec_… of the endpoint that Stripe shows",
        );
        for secret in &billing.webhook_secrets {
            let remedy = "each begins with whsec_ and has 16 characters at least";
            let is_one = secret.reveal().starts_with("whsec_") && secret.reveal().len() >= 16;
            self.demand(is_one, "billing.webhook_secrets", remedy);
        }
        let remedy = "must be https://api.stripe.com, or a stand-in on this machine";
        self.demand(is_safe_base(&billing.stripe_url), "billing.stripe_url", remedy);
        let ByTier { starter, pro, elite } = &billing.monthly_prices;
        let yearly = &billing.yearly_prices;
        let sold = [starter, pro, elite, &yearly.starter, &yearly.pro, &yearly.elite];
        let sold: Vec<&String> = sold.into_iter().flatten().collect();
        let remedy = "none is given: set STRIPE_STARTER_PRICE_ID, STRIPE_PRO_PRICE_ID, STRIPE_ELITE_PRICE_ID";
        self.demand(!sold.is_empty(), "billing.monthly_prices", remedy);
        for (at, price) in sold.iter().enumerate() {
            let is_twice = sold[..at].contains(price) || billing.older_prices.contains_key(*price);
            let remedy = format!("{price} stands for two plans: give each its own");
            self.demand(!is_twice, "billing.monthly_prices", &remedy);
        }
    }

    fn discord(&mut self, config: &Config) {
        let Discord { bot_token, client_id, client_secret, guild, api_url, roles, .. } =
            &config.discord;
        let Some(token) = bot_token else { return };
        let is_token = token.reveal().bytes().all(|byte| byte.is_ascii_graphic());
        self.demand(
            is_token,
            "discord.bot_token",
            "must be what the page Bot of the application shows",
        );
        let remedy = "must be https://discord.com, or a stand-in on this machine";
        self.demand(is_safe_base(api_url), "discord.api_url", remedy);
        let remedy = "must be the application's id, a number";
        self.demand(is_snowflake(client_id), "discord.client_id", remedy);
        let remedy = "is missing: the page OAuth2 of the application shows it";
        self.demand(client_secret.is_some(), "discord.client_secret", remedy);
        self.demand(is_snowflake(guild), "discord.guild", "must be the server's id, a number");
        let mut given = roles.given().peekable();
        let has_roles = given.peek().is_some() && given.all(|(_, role)| is_snowflake(role));
        let remedy = "needs the id of a role, a number, for one tier at least";
        self.demand(has_roles, "discord.roles", remedy);
        let is_page = config.discord_redirect().is_some_and(|url| {
            Url::parse(&url).is_ok_and(|url| matches!(url.scheme(), "http" | "https"))
        });
        let remedy = "must be the website's page that Discord leads back to; without it, set http.frontend_url";
        self.demand(is_page, "discord.redirect_url", remedy);
    }

    fn telegram(&mut self, telegram: &Telegram) {
        if telegram.bot_token.is_none() {
            return;
        }
        let remedy = "must be https://api.telegram.org, or a stand-in on this machine";
        self.demand(is_safe_base(&telegram.api_url), "telegram.api_url", remedy);
        // core.telegram.org/bots/api#setwebhook, with a lower bound of ours.
        let is_secret = telegram.webhook_secret.as_ref().is_some_and(|secret| {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
            (16..=256).contains(&secret.reveal().len()) && secret.reveal().bytes().all(plain)
        });
        let remedy = "must have 16 to 256 letters, digits, '_' or '-': what setWebhook was given as secret_token";
        self.demand(is_secret, "telegram.webhook_secret", remedy);
        let chats: Vec<&String> = telegram.channels.given().map(|(_, chat)| chat).collect();
        let are_ids = chats.iter().all(|chat| chat.parse::<i64>().is_ok_and(|id| id < 0));
        let remedy = "needs the id of a channel or supergroup, -100…, for one tier at least";
        self.demand(are_ids && !chats.is_empty(), "telegram.channels", remedy);
    }

    fn addresses(&mut self, config: &Config) {
        let http = &config.http;
        if let Some(url) = &http.frontend_url {
            let web = Url::parse(url).is_ok_and(|url| {
                // Links of mails are made by adding to it.
                let is_bare = url.query().is_none() && url.fragment().is_none();
                matches!(url.scheme(), "http" | "https") && is_bare
            });
            let remedy = "must be the website's address without ? and #, https://www.example.com for example";
            self.demand(web, "http.frontend_url", remedy);
        }
        if let Some(domain) = &http.domain {
            let bare = is_origin(&format!("https://{domain}"));
            let remedy = "must be a bare host name in lower case, example.com for example";
            self.demand(bare, "http.domain", remedy);
        }
        for origin in &config.cors.origins {
            let remedy = format!(
                "`{origin}` must be an exact origin: scheme, host and port, without path; or `*`, \
                 which admits every page, and then never with credentials"
            );
            self.demand(is_origin(origin) || origin == "*", "cors.origins", &remedy);
        }
        let own_port =
            config.metrics_address().is_none_or(|bind| bind.port() == 0 || bind != http.bind);
        self.demand(
            own_port,
            "metrics.bind",
            "must differ from http.bind; write main to share that",
        );
        let prefix = &config.redis.key_prefix;
        let plain = (1..=64).contains(&prefix.len())
            && prefix.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.:".contains(&b));
        self.demand(
            plain,
            "redis.key_prefix",
            "must have 1 to 64 letters, digits, '-', '_', '.' or ':'",
        );
    }

    fn database(&mut self, config: &Config) {
        let url = config.database_url();
        let known = is_postgres(url.reveal())
            || url.reveal().strip_prefix("sqlite:").is_some_and(|path| !path.is_empty());
        self.demand(known, "database.url", "must start with sqlite:, postgres:// or postgresql://");
        let database = &config.database;
        self.demand(
            database.pool_kept <= database.pool_max,
            "database.pool_kept",
            "must not be above database.pool_max",
        );
    }

    fn accounts(&mut self, config: &Config) {
        let (accounts, tokens) = (&config.accounts, &config.tokens);
        self.demand(
            accounts.access_ttl >= Duration::from_secs(1)
                && accounts.access_ttl < accounts.refresh_ttl,
            "accounts.access_ttl",
            "must be at least 1s and shorter than accounts.refresh_ttl; revoked sessions are remembered \
             this long",
        );
        for (key, text) in
            [("tokens.issuer", &tokens.issuer), ("tokens.audience", &tokens.audience)]
        {
            self.demand(!text.trim().is_empty(), key, "must not be empty");
        }
    }

    fn limits(&mut self, config: &Config) {
        if config.rate_limits.enabled {
            for (name, limit) in config.rate_limits.rows() {
                let key = format!("rate_limits.{name}");
                self.demand(
                    limit.per_minute > 0 || limit.per_hour > 0,
                    &key,
                    "needs per_minute or per_hour; to limit nobody, set rate_limits.enabled = false",
                );
                self.demand(
                    limit.per_hour == 0 || limit.per_hour >= limit.per_minute,
                    &key,
                    "per_hour must not be below per_minute",
                );
            }
        }
        self.demand(config.rate_limits.capacity >= 1, "rate_limits.capacity", "must be at least 1");
        let (narrow, wide) = (config.rate_limits.ipv6_56, config.rate_limits.ipv6_48);
        self.demand(
            (1..=wide).contains(&narrow) && wide <= 65_536,
            "rate_limits.ipv6_56",
            "must be at least 1 and not above rate_limits.ipv6_48, and that at most 65536",
        );
        self.demand(
            config.rate_limits.minute >= Duration::from_millis(100)
                && config.rate_limits.minute < config.rate_limits.hour,
            "rate_limits.minute",
            "must be at least 100ms and shorter than rate_limits.hour",
        );
        let http = &config.http;
        self.demand(
            http.body_limit >= 1_024 && http.body_limit <= http.batch_body_limit,
            "http.body_limit",
            "must be at least 1KiB and not above http.batch_body_limit",
        );
        self.demand(
            http.batch_body_limit <= 1 << 30,
            "http.batch_body_limit",
            "must be at most 1GiB: a batch is held in memory",
        );
        self.demand(
            http.send_window >= Duration::from_secs(1),
            "http.send_window",
            "must be at least 1s",
        );
        let filter = tracing_subscriber::EnvFilter::builder().parse(&config.logging.filter);
        if let Err(error) = filter {
            let remedy = format!("{error}; write a level, info for example");
            self.demand(false, "logging.filter", &remedy);
        }
    }

    fn times(&mut self, config: &Config) {
        self.demand(
            config.mail.timeout < config.jobs.deadline,
            "mail.timeout",
            "must be shorter than jobs.deadline",
        );
        let events = &config.events;
        self.demand(
            events.max_staleness > events.poll_interval,
            "events.max_staleness",
            "must be longer than events.poll_interval, or every pause would be an outage",
        );
        self.demand(
            events.retention >= Duration::from_hours(1),
            "events.retention",
            "must be at least 1h",
        );
        self.demand(
            config.retention.sessions_after > config.accounts.access_ttl,
            "retention.sessions_after",
            "must be longer than accounts.access_ttl: the session of a token that is good can be ended",
        );
        self.demand(
            config.retention.audit_after >= Duration::from_hours(24 * 31),
            "retention.audit_after",
            "must be at least 31d: the database refuses to delete lines younger than 30 days",
        );
    }
}

/// Discord's ids are numbers of at most 64 bits.
fn is_snowflake(id: &str) -> bool {
    !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit()) && id.parse::<u64>().is_ok()
}

/// Whether a secret may travel there: encrypted, or to this machine.
fn is_safe_base(url: &str) -> bool {
    let is_safe = Url::parse(url).is_ok_and(|url| {
        let loopback = ["127.0.0.1", "localhost", "[::1]"];
        let is_here = url.host_str().is_some_and(|host| loopback.contains(&host));
        url.query().is_none() && (url.scheme() == "https" || (url.scheme() == "http" && is_here))
    });
    is_safe && !url.ends_with('/')
}

fn is_origin(text: &str) -> bool {
    Url::parse(text).is_ok_and(|url| {
        matches!(url.scheme(), "http" | "https") && url.origin().ascii_serialization() == text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_exact() {
        for good in ["https://example.com", "http://localhost:3000", "http://[::1]:80"] {
            assert_eq!(is_origin(good), good != "http://[::1]:80", "{good}");
        }
        for bad in ["*", "null", "example.com", "https://example.com/", "https://*.example.com/x"] {
            assert!(!is_origin(bad), "{bad}");
        }
    }
}
