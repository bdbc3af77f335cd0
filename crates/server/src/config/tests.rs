//! Tests of reading the configuration.

use std::collections::BTreeSet;

use super::*;

fn with_environment(pairs: &[(&str, &str)]) -> Result<Loaded, ConfigError> {
    load(&Sources {
        environment: pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
        ..Sources::default()
    })
}

fn with_file(text: &str) -> Result<Loaded, ConfigError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("alpine.toml");
    std::fs::write(&path, text).unwrap();
    load(&Sources { file: Some(path), ..Sources::default() })
}

const GOOD_SECRET: &str = "3f1b0c9d7e5a4f2688b1d0c3e7a95f42aa17";
const OTHER_SECRET: &str = "c07d6e41b82f93a5504e1b7f6ad2983c1f64";
const FOUR_SECRETS: &str = "1c0d6e41b82f93a5504e1b7f6ad2983c1f64,2d07ae41b82f93a5504e1b7f6ad2983c1f64,\
     3e07d641b82f93a5504e1b7f6ad2983c1f64,4f07d6e1b82f93a5504e1b7f6ad2983c1f64";
const FIVE_SECRETS: &str = "1c0d6e41b82f93a5504e1b7f6ad2983c1f64,2d07ae41b82f93a5504e1b7f6ad2983c1f64,\
     3e07d641b82f93a5504e1b7f6ad2983c1f64,4f07d6e1b82f93a5504e1b7f6ad2983c1f64,\
     5a17d6e41b82f93a5504e1b7f6ad2983c1f6";

#[test]
fn environment_beats_file_beats_default_and_origins_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.toml");
    std::fs::write(
        &path,
        "[http]\nbind = \"127.0.0.1:1\"\nworkers = 3\n[signals.expires_after_by_strategy]\nscalp = \"2h\"\n",
    )
    .unwrap();
    let loaded = load(&Sources {
        file: Some(path.clone()),
        environment: BTreeMap::from([("ALPINE__HTTP__BIND".to_owned(), "127.0.0.1:2".to_owned())]),
        arguments: Vec::new(),
    })
    .unwrap();
    assert_eq!(loaded.config.http.bind.port(), 2);
    assert_eq!(loaded.config.http.workers, 3);
    assert_eq!(
        loaded.config.signals.expires_after_by_strategy[&"scalp".parse().unwrap()],
        std::time::Duration::from_hours(2)
    );
    let origin = |key: &str| loaded.layers.settings[key].origin.clone();
    assert_eq!(origin("http.bind"), Origin::Environment("ALPINE__HTTP__BIND".into()));
    assert_eq!(origin("http.workers"), Origin::File(path));
    assert_eq!(origin("http.backlog"), Origin::Default);
}

#[test]
fn every_problem_is_told_at_once() {
    let ConfigError(problems) = with_file(
        "instances = \"two\"\nprofil = \"production\"\n[http]\nbind = \"example.com:80\"\nkeep_alive = \"1 year\"\n[accounts]\naccess_ttl = \"60d\"\n",
    )
    .unwrap_err();
    let text = problems.join("\n");
    for part in [
        "`instances` must be a whole number, not a text",
        "unknown key `profil`",
        "did you mean `profile`?",
        "`http.bind`: must be an IP address and a port, 127.0.0.1:8000 for example, or a port alone for 127.0.0.1",
        "`http.keep_alive`: must be a whole number with a unit",
        "`accounts.access_ttl`",
    ] {
        assert!(text.contains(part), "{part} is missing in:\n{text}");
    }
}

/// A line without a setting could be left out, and a setting without a line has no default.
#[test]
fn every_line_of_the_default_file_is_a_setting_and_every_setting_has_a_line() {
    let whole = Layers::defaults();
    let reads = |layers: &Layers| toml::Value::Table(layers.to_table()).try_into::<Config>();
    reads(&whole).expect("no setting lacks its line");
    assert!(whole.settings.len() > 100, "{}", whole.settings.len());
    for key in whole.settings.keys() {
        let mut layers = Layers::defaults();
        layers.settings.remove(key);
        let without = reads(&layers);
        assert!(without.is_err(), "`{key}` stands in config/default.toml and is no setting");
    }
}

/// What the guard counts under, and what routes name besides.
#[test]
fn every_limit_of_the_default_file_is_somebodys() {
    let config = load(&Sources::default()).unwrap().config;
    let surface = alpine_http::HttpSettings::default();
    let table = alpine_http::routes::table(&surface);
    // Several routes may name one.
    let named: BTreeSet<&str> = alpine_http::Policy::ALL
        .iter()
        .map(|policy| policy.name())
        .chain(table.iter().filter_map(|route| route.endpoint.extra_limit))
        .collect();
    let rows: Vec<&str> = config.rate_limits.rows().map(|(name, _)| name).collect();
    assert_eq!(rows.len(), named.len(), "{rows:?}");
    assert!(rows.iter().all(|row| named.contains(row)), "{rows:?} {named:?}");
}

#[test]
fn a_limit_without_its_row_is_told() {
    let mut layers = Layers::defaults();
    layers.settings.retain(|key, _| !key.starts_with("rate_limits.strangers."));
    let error = toml::Value::Table(layers.to_table()).try_into::<Config>().unwrap_err();
    assert!(error.to_string().contains("missing field `strangers`"), "{error}");
}

#[test]
fn a_wrong_limit_is_refused_under_its_key() {
    for (file, reason) in [
        ("[rate_limits.pro]\nper_minute = \"many\"", "`rate_limits.pro.per_minute` must be"),
        ("[rate_limits.pro]\nper_minut = 5", "unknown key `rate_limits.pro.per_minut`"),
        ("[rate_limits.mine]\nper_minute = 5", "unknown key `rate_limits.mine.per_minute`"),
        ("[rate_limits]\nminute = \"soon\"", "`rate_limits.minute`: must be"),
        ("[rate_limits]\ncapacity = -1", "`rate_limits.capacity`: invalid value"),
    ] {
        let error = with_file(file).unwrap_err().to_string();
        assert!(error.contains(reason), "{file}: {error}");
    }
}

#[test]
fn open_tables_name_the_bad_entry() {
    let error =
        with_file("[signals.expires_after_by_strategy]\nscalp = \"soon\"\nswing = \"3d\"\n")
            .unwrap_err();
    assert!(error.to_string().contains("scalp: must be"), "{error}");
}

#[test]
fn a_file_that_cannot_be_read_is_told_of_without_its_secrets() {
    for (text, told) in [
        ("profile = \"development\"\n[secrets]\njwt = \"hunter2\n", "is not TOML: line 3: "),
        ("[secrets]\njwt = hunter2\n", "is not TOML: line 2: "),
        (
            "[producers.keys]\nargo = 6700417\n",
            "`producers.keys.argo` must be a text, not a whole number",
        ),
        (
            "[producers.keys]\nargo = [\"hunter2\"]\n",
            "`producers.keys.argo` must be a text, not a list",
        ),
    ] {
        let error = with_file(text).unwrap_err().to_string();
        assert!(error.contains(told), "{error}");
        assert!(!error.contains("hunter2") && !error.contains("6700417"), "{error}");
    }
}

#[test]
fn a_price_that_cannot_be_charged_is_refused() {
    for price in ["0", "49", "100000000"] {
        let error = with_environment(&[("ALPINE__PLANS__PRO", price)]).unwrap_err().to_string();
        assert!(error.contains("plans.pro") && error.contains("US cents"), "{error}");
    }
    assert!(with_environment(&[("ALPINE__PLANS__PRO", "50")]).is_ok());
}

#[test]
fn a_value_beyond_its_bounds_is_refused_under_its_key() {
    for (key, value, reason) in [
        ("database.pool_max", "0", "must be between 1 and 1000"),
        ("database.pool_max", "1001", "must be between 1 and 1000"),
        ("database.busy_timeout", "0s", "must be longer than 0s"),
        ("http.send_floor", "0B", "must be at least 1B"),
        ("http.max_connections", "0", "must be at least 1"),
        ("passwords.memory_kib", "1024", "must be between 19456 and 4194304"),
        ("blacklist.capacity", "0", "must be at least 1"),
        ("instances", "0", "must be at least 1"),
    ] {
        let name = format!("ALPINE__{}", key.to_uppercase().replace('.', "__"));
        let error = with_environment(&[(&name, value)]).unwrap_err().to_string();
        assert!(error.contains(&format!("`{key}`: {reason}")), "{key} = {value}: {error}");
    }
    let no_delay = [("ALPINE__HTTP__HSTS", "0s"), ("ALPINE__CACHE_TTL__GRACE", "0s")];
    assert!(with_environment(&no_delay).is_ok());
}

#[test]
fn the_originals_names_work_and_ours_win() {
    let loaded = with_environment(&[
        ("DATABASE_URL", "postgresql://u:p@db/alpine"),
        ("JWT_SECRET", GOOD_SECRET),
        ("JWT_EXPIRATION_HOURS", "24"),
        ("ALPINE__ACCOUNTS__ACCESS_TTL", "5m"),
        ("ARGO_API_KEY", OTHER_SECRET),
    ])
    .unwrap();
    assert_eq!(loaded.config.accounts.access_ttl.as_secs(), 300);
    assert!(loaded.config.producers.keys.contains_key("argo"));
}

#[test]
fn production_refuses_missing_weak_and_well_known_secrets() {
    for secret in ["", "short", "your-secret-key-change-in-production-please", &"a".repeat(64)] {
        let error = with_environment(&[("ALPINE__PROFILE", "production"), ("JWT_SECRET", secret)])
            .unwrap_err()
            .to_string();
        assert!(error.contains("secrets.jwt"), "{secret}: {error}");
        assert!(error.contains("openssl rand -hex 32"), "{secret}: {error}");
    }
    assert!(
        with_environment(&[("ALPINE__PROFILE", "production"), ("JWT_SECRET", GOOD_SECRET)]).is_ok()
    );
}

#[test]
fn production_refuses_one_secret_for_two_purposes() {
    let production = ("ALPINE__PROFILE", "production");
    let url = format!("postgres://alpine:{GOOD_SECRET}@db/alpine");
    for (name, value, other) in [
        ("ARGO_API_KEY", GOOD_SECRET, "`secrets.jwt`"),
        ("DATABASE_URL", &url, "`database.url`"),
        ("REDIS_PASSWORD", GOOD_SECRET, "`redis.url`"),
    ] {
        let given =
            [production, ("JWT_SECRET", GOOD_SECRET), ("REDIS_HOST", "cache"), (name, value)];
        let ConfigError(problems) = with_environment(&given).unwrap_err();
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(problems[0].contains(other), "{problems:?}");
        assert!(problems[0].contains("give each its own"), "{problems:?}");
        assert!(!problems[0].contains(GOOD_SECRET), "{problems:?}");
    }
    let each = [production, ("JWT_SECRET", GOOD_SECRET), ("ARGO_API_KEY", OTHER_SECRET)];
    assert!(with_environment(&each).is_ok());
}

#[test]
fn production_serves_metrics_on_loopback_unless_told_otherwise() {
    let address = |profile, bind, http| {
        let given = [
            ("ALPINE__PROFILE", profile),
            ("ALPINE__METRICS__BIND", bind),
            ("ALPINE__HTTP__BIND", http),
            ("JWT_SECRET", GOOD_SECRET),
        ];
        let config = with_environment(&given).unwrap().config;
        config.metrics_address().map(|address| address.to_string())
    };
    let main = "127.0.0.1:8000";
    assert_eq!(address("production", "", main).as_deref(), Some("127.0.0.1:9464"));
    assert_eq!(address("production", "", "0.0.0.0:65000").as_deref(), Some("127.0.0.1:63536"));
    assert_eq!(address("production", "", "127.0.0.1:0").as_deref(), Some("127.0.0.1:0"));
    assert_eq!(address("production", "main", main), None);
    assert_eq!(address("production", "0.0.0.0:9100", main).as_deref(), Some("0.0.0.0:9100"));
    assert_eq!(address("development", "", main), None);
    assert_eq!(address("development", "127.0.0.1:1", main).as_deref(), Some("127.0.0.1:1"));
    let error = with_environment(&[("ALPINE__METRICS__BIND", "beside")]).unwrap_err();
    assert!(error.to_string().contains("`metrics.bind`: must be empty, `main`"), "{error}");
}

#[test]
fn development_stays_on_loopback_and_postgres_wants_a_secret() {
    let error = with_environment(&[
        ("ALPINE__HTTP__BIND", "0.0.0.0:8000"),
        ("DATABASE_URL", "postgres://u@db/alpine"),
    ])
    .unwrap_err()
    .to_string();
    assert!(error.contains("http.bind"), "{error}");
    assert!(error.contains("secrets.jwt"), "{error}");
}

#[test]
fn several_instances_want_redis_and_postgres() {
    let given = [
        ("ALPINE__PROFILE", "production"),
        ("JWT_SECRET", GOOD_SECRET),
        ("ALPINE__INSTANCES", "2"),
        ("DATABASE_URL", "postgres://u@db/alpine"),
    ];
    let error = with_environment(&given).unwrap_err().to_string();
    assert!(error.contains("redis.url"), "{error}");
    assert!(error.contains("allow_without_redis"), "{error}");
    for extra in [("REDIS_HOST", "cache"), ("ALPINE__ALLOW_WITHOUT_REDIS", "true")] {
        let mut all = given.to_vec();
        all.push(extra);
        assert!(with_environment(&all).is_ok(), "{extra:?}");
    }
    let mut sqlite = given.to_vec();
    sqlite[3] = ("REDIS_HOST", "cache");
    let error = with_environment(&sqlite).unwrap_err().to_string();
    assert!(error.contains("database.url"), "{error}");
}

#[test]
fn the_documented_production_file_passes_with_its_secrets() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config/production.toml");
    let loaded = load(&Sources {
        file: Some(path),
        environment: [
            ("DATABASE_URL", "postgres://alpine:pw@db.example.com/alpine"),
            ("REDIS_URL", "rediss://:pw@cache.example.com:6379/0"),
            ("JWT_SECRET", GOOD_SECRET),
            ("ARGO_API_KEY", OTHER_SECRET),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into(),
        arguments: Vec::new(),
    })
    .unwrap();
    assert_eq!(loaded.config.allowed_origins(), ["https://www.example.com", "https://example.com"]);
}

/// A setting, one value that is refused under its key and one beside it that is taken, each with what must
/// be given besides. No value is refused by two rules.
type Edge = (&'static str, &'static str, &'static str, &'static [(&'static str, &'static str)]);

#[rustfmt::skip]
const EDGES: &[Edge] = &[
    ("accounts.access_ttl", "999ms", "1s", &[]),
    ("accounts.access_ttl", "30d", "2591999s", &[]),
    ("billing.monthly_prices.pro", "", "price_1", &[("billing.stripe_key", "sk_test_1"), ("billing.webhook_secrets", "whsec_0123456789abcdef")]),
    ("billing.monthly_prices.pro", "price_1", "price_2", &[("billing.stripe_key", "sk_test_1"), ("billing.webhook_secrets", "whsec_0123456789abcdef"), ("billing.yearly_prices.pro", "price_1")]),
    ("billing.provider", "development", "off", &[("profile", "production"), ("secrets.jwt", GOOD_SECRET)]),
    ("billing.stripe_key", "", "sk_test_1", &[("billing.provider", "stripe"), ("billing.webhook_secrets", "whsec_0123456789abcdef"), ("billing.monthly_prices.pro", "price_1")]),
    ("billing.stripe_url", "http://stripe.example", "http://127.0.0.1:1", &[("billing.stripe_key", "sk_test_1"), ("billing.webhook_secrets", "whsec_0123456789abcdef"), ("billing.monthly_prices.pro", "price_1")]),
    ("billing.stripe_url", "https://stripe.example/", "https://stripe.example", &[("billing.stripe_key", "sk_test_1"), ("billing.webhook_secrets", "whsec_0123456789abcdef"), ("billing.monthly_prices.pro", "price_1")]),
    ("billing.webhook_secrets", "", "whsec_0123456789abcdef", &[("billing.stripe_key", "sk_test_1"), ("billing.monthly_prices.pro", "price_1")]),
    ("billing.webhook_secrets", "whsec_012345678", "whsec_0123456789", &[("billing.stripe_key", "sk_test_1"), ("billing.monthly_prices.pro", "price_1")]),
    ("billing.webhook_secrets", "sec_0123456789abcdef", "whsec_0123456789", &[("billing.stripe_key", "sk_test_1"), ("billing.monthly_prices.pro", "price_1")]),
    ("cors.origins", "https://a.example/", "https://a.example", &[]),
    ("cors.origins", "*.a.example", "*", &[]),
    ("database.pool_kept", "6", "5", &[("database.pool_max", "5")]),
    ("database.url", "mysql://u@db/alpine", "sqlite:/tmp/a", &[]),
    ("database.url", "sqlite:", "sqlite:/tmp/a", &[]),
    ("database.url", "sqlite:/tmp/a", "postgres://u@db/a", &[("instances", "2"), ("allow_without_redis", "true"), ("secrets.jwt", GOOD_SECRET)]),
    ("discord.api_url", "http://discord.example", "http://127.0.0.1:1", &[("discord.bot_token", "t"), ("discord.client_id", "1"), ("discord.client_secret", "s"), ("discord.guild", "2"), ("discord.roles.pro", "3"), ("discord.redirect_url", "https://a.example/d")]),
    ("discord.bot_token", "a b", "ab", &[("discord.client_id", "1"), ("discord.client_secret", "s"), ("discord.guild", "2"), ("discord.roles.pro", "3"), ("discord.redirect_url", "https://a.example/d")]),
    ("discord.client_id", "", "1", &[("discord.bot_token", "t"), ("discord.client_secret", "s"), ("discord.guild", "2"), ("discord.roles.pro", "3"), ("discord.redirect_url", "https://a.example/d")]),
    ("discord.client_secret", "", "s", &[("discord.bot_token", "t"), ("discord.client_id", "1"), ("discord.guild", "2"), ("discord.roles.pro", "3"), ("discord.redirect_url", "https://a.example/d")]),
    ("discord.guild", "x", "2", &[("discord.bot_token", "t"), ("discord.client_id", "1"), ("discord.client_secret", "s"), ("discord.roles.pro", "3"), ("discord.redirect_url", "https://a.example/d")]),
    ("discord.redirect_url", "", "https://a.example/d", &[("discord.bot_token", "t"), ("discord.client_id", "1"), ("discord.client_secret", "s"), ("discord.guild", "2"), ("discord.roles.pro", "3")]),
    ("discord.redirect_url", "ftp://a.example/d", "https://a.example/d", &[("discord.bot_token", "t"), ("discord.client_id", "1"), ("discord.client_secret", "s"), ("discord.guild", "2"), ("discord.roles.pro", "3")]),
    ("discord.roles.pro", "", "3", &[("discord.bot_token", "t"), ("discord.client_id", "1"), ("discord.client_secret", "s"), ("discord.guild", "2"), ("discord.redirect_url", "https://a.example/d")]),
    ("discord.roles.pro", "x", "3", &[("discord.bot_token", "t"), ("discord.client_id", "1"), ("discord.client_secret", "s"), ("discord.guild", "2"), ("discord.redirect_url", "https://a.example/d")]),
    ("events.max_staleness", "1s", "1001ms", &[]),
    ("events.retention", "3599s", "1h", &[]),
    ("http.batch_body_limit", "1048577KiB", "1GiB", &[]),
    ("http.bind", "0.0.0.0:8000", "127.0.0.1:8000", &[]),
    ("http.bind", "192.0.2.1:8000", "[::1]:8000", &[]),
    ("http.body_limit", "1023B", "1KiB", &[]),
    ("http.body_limit", "65KiB", "64KiB", &[("http.batch_body_limit", "64KiB")]),
    ("http.domain", "https://a.example", "a.example", &[]),
    ("http.frontend_url", "ftp://a.example", "https://a.example", &[]),
    ("http.send_window", "999ms", "1s", &[]),
    ("logging.filter", "info,=", "info,alpine_http=debug", &[]),
    ("http.frontend_url", "https://a.example/?lang=de", "https://a.example/app", &[]),
    ("http.frontend_url", "https://a.example/#/app", "https://a.example/", &[]),
    ("mail.from", "not@@an", "Alpine <alpine@a.example>", &[]),
    ("mail.smtp", "http://a.example", "smtp://a.example", &[]),
    ("mail.smtp", "smtp://u:p@a.example?tsl=required", "smtp://u:p@a.example?tls=required", &[]),
    ("mail.timeout", "1m", "59s", &[]),
    ("metrics.bind", "127.0.0.1:8000", "127.0.0.1:8001", &[("http.bind", "127.0.0.1:8000")]),
    ("metrics.bind", "192.0.2.1:9464", "127.0.0.1:9464", &[]),
    ("rate_limits.capacity", "0", "1", &[]),
    ("rate_limits.ipv6_48", "65537", "65536", &[]),
    ("rate_limits.ipv6_56", "0", "1", &[]),
    ("rate_limits.ipv6_56", "9", "8", &[("rate_limits.ipv6_48", "8")]),
    ("rate_limits.minute", "99ms", "100ms", &[]),
    ("rate_limits.minute", "1h", "3599s", &[]),
    ("rate_limits.pro.per_minute", "0", "1", &[("rate_limits.pro.per_hour", "0")]),
    ("rate_limits.pro.per_minute", "11", "10", &[("rate_limits.pro.per_hour", "10")]),
    ("redis.key_prefix", "", "a", &[]),
    ("redis.key_prefix", "a{b}", "a-b_c.d:e", &[]),
    ("redis.url", "", "redis://:pw@cache/0", &[("instances", "2"), ("database.url", "postgres://u@db/a"), ("secrets.jwt", GOOD_SECRET)]),
    ("retention.audit_after", "2678399s", "31d", &[]),
    ("retention.sessions_after", "15m", "901s", &[]),
    ("secrets.accepted_jwt", "3f1b0c9d7e5a4f2688b1d0c3e7a95f4", "3f1b0c9d7e5a4f2688b1d0c3e7a95f42", &[]),
    ("secrets.accepted_jwt", FIVE_SECRETS, FOUR_SECRETS, &[]),
    ("secrets.accepted_jwt", GOOD_SECRET, OTHER_SECRET, &[("profile", "production"), ("secrets.jwt", GOOD_SECRET)]),
    ("secrets.accepted_second_factor", "3f1b0c9d7e5a4f2688b1d0c3e7a95f4", "3f1b0c9d7e5a4f2688b1d0c3e7a95f42", &[("secrets.second_factor", OTHER_SECRET)]),
    ("secrets.accepted_second_factor", FIVE_SECRETS, FOUR_SECRETS, &[("secrets.second_factor", OTHER_SECRET)]),
    ("secrets.accepted_second_factor", OTHER_SECRET, "", &[]),
    ("secrets.second_factor", "3f1b0c9d7e5a4f2688b1d0c3e7a95f4", "3f1b0c9d7e5a4f2688b1d0c3e7a95f42", &[]),
    ("secrets.second_factor", GOOD_SECRET, OTHER_SECRET, &[("profile", "production"), ("secrets.jwt", GOOD_SECRET)]),
    ("secrets.jwt", "3f1b0c9d7e5a4f2688b1d0c3e7a95f4", "3f1b0c9d7e5a4f2688b1d0c3e7a95f42", &[]),
    ("secrets.jwt", "", GOOD_SECRET, &[("profile", "production")]),
    ("telegram.api_url", "http://telegram.example", "http://127.0.0.1:1", &[("telegram.bot_token", "1:x"), ("telegram.webhook_secret", "0123456789abcdef"), ("telegram.channels.pro", "-1001")]),
    ("telegram.channels.pro", "", "-1001", &[("telegram.bot_token", "1:x"), ("telegram.webhook_secret", "0123456789abcdef")]),
    ("telegram.channels.pro", "@signals", "-1001", &[("telegram.bot_token", "1:x"), ("telegram.webhook_secret", "0123456789abcdef")]),
    ("telegram.webhook_secret", "0123456789abcde", "0123456789abcdef", &[("telegram.bot_token", "1:x"), ("telegram.channels.pro", "-1001")]),
    ("telegram.webhook_secret", "0123456789abcdef.", "0123456789abcdef-", &[("telegram.bot_token", "1:x"), ("telegram.channels.pro", "-1001")]),
    ("tokens.audience", " ", "a", &[]),
    ("tokens.issuer", " ", "a", &[]),
];

/// The key under which some settings are told of.
fn told_as(key: &str) -> &str {
    match key {
        "billing.monthly_prices.pro" => "billing.monthly_prices",
        "discord.roles.pro" => "discord.roles",
        "telegram.channels.pro" => "telegram.channels",
        "rate_limits.ipv6_48" => "rate_limits.ipv6_56",
        "rate_limits.pro.per_minute" => "rate_limits.pro",
        key => key,
    }
}

#[test]
fn every_rule_has_an_edge_and_every_edge_is_where_the_rule_says() {
    let rules = include_str!("rules.rs").split("#[cfg(test)]").next().unwrap();
    let keys = Layers::defaults().settings;
    let ruled = rules.split('"').filter(|text| keys.contains_key(*text));
    for key in ruled {
        let has_edge = EDGES.iter().any(|(edge, ..)| told_as(edge) == key);
        assert!(has_edge, "`{key}`: rules.rs has a rule of which EDGES shows no edge");
    }
    for (key, refused, taken, besides) in EDGES {
        let with = |value: &str| {
            let mut settings = vec![(*key, value)];
            settings.extend_from_slice(besides);
            let named: Vec<_> = settings
                .into_iter()
                .map(|(key, value)| {
                    (format!("ALPINE__{}", key.to_uppercase().replace('.', "__")), value)
                })
                .collect();
            let named: Vec<_> = named.iter().map(|(name, value)| (name.as_str(), *value)).collect();
            with_environment(&named).map_err(|error| error.to_string())
        };
        let error = with(refused).map(|_| ()).expect_err(&format!("{key} = {refused} is taken"));
        assert!(error.contains(&format!("`{}`", told_as(key))), "{key} = {refused}: {error}");
        if let Err(error) = with(taken) {
            panic!("{key} = {taken}: {error}");
        }
    }
}

#[test]
fn variables_that_are_almost_settings_are_told_of() {
    let warnings = |variables: &[(&str, &str)]| {
        let mut sources = Sources::default();
        let owned = variables.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
        sources.environment.extend(owned);
        read_layers(&sources).warnings
    };
    let meant = "ALPINE_HTTP_BIND is not read; did you mean ALPINE__HTTP__BIND?";
    assert_eq!(warnings(&[("ALPINE_HTTP_BIND", "127.0.0.1:1")]), [meant]);
    let nested = "ALPINE_RATE_LIMITS_FREE_PER_MINUTE is not read; did you mean \
                  ALPINE__RATE_LIMITS__FREE__PER_MINUTE?";
    assert_eq!(warnings(&[("ALPINE_RATE_LIMITS_FREE_PER_MINUTE", "1")]), [nested]);
    assert_eq!(
        warnings(&[("PORT", "80")]),
        ["PORT is not read; set ALPINE__HTTP__BIND, or say --port"]
    );
    // Somebody else's, and those that are read.
    let read = [("ALPINE_CONFIG", "a.toml"), ("ALPINE_HOME", "/"), ("ALPINE__INSTANCES", "1")];
    assert_eq!(warnings(&read), Vec::<String>::new());
}

#[test]
fn the_command_line_wins_over_everything() {
    use clap::Parser as _;
    let bind = |line: &str| {
        let mut sources = Sources::default();
        sources.environment.insert("ALPINE__HTTP__BIND".to_owned(), "[::1]:1".to_owned());
        let arguments = crate::cli::Cli::parse_from(line.split(' ')).serve;
        let loaded = load(&arguments.over(sources)).unwrap();
        let origin = loaded.layers.settings["http.bind"].origin.to_string();
        (loaded.config.http.bind.to_string(), loaded.config.data_dir, origin)
    };
    let told = |bind: &str, folder: &str, origin: &str| {
        (bind.to_owned(), std::path::PathBuf::from(folder), origin.to_owned())
    };
    let variable = "environment ALPINE__HTTP__BIND";
    assert_eq!(bind("alpine"), told("[::1]:1", "./data", variable));
    assert_eq!(bind("alpine --bind 9"), told("127.0.0.1:9", "./data", "command line --bind"));
    assert_eq!(bind("alpine --port 9"), told("[::1]:9", "./data", "command line --port"));
    assert_eq!(bind("alpine --data-dir x"), told("[::1]:1", "x", variable));
}
