//! What libpq takes for the password never stands in anything shown.

use proptest::prelude::*;

use super::*;

fn libpq(url: &str) -> String {
    PostgresUrl::parse(url).unwrap().to_libpq()
}

fn shown(url: &str) -> String {
    PostgresUrl::parse(url).unwrap().to_string()
}

#[test]
fn a_url_is_written_anew_as_libpq_reads_it() {
    for (given, written) in [
        ("postgres://", "postgresql://"),
        ("postgres:///db", "postgresql:///db"),
        ("postgresql://h/db", "postgresql://h/db"),
        ("postgres://me@h:5433/db", "postgresql://me@h:5433/db"),
        ("postgres://me:a%40b@h/db", "postgresql://me:a%40b@h/db"),
        // libpq takes both characters for part of the password.
        ("postgres://me:s3cr?et@db/x", "postgresql://me:s3cr%3Fet@db/x"),
        ("postgres://me:s3cr#et@db/x", "postgresql://me:s3cr%23et@db/x"),
        ("postgres://me:a:b@db/x", "postgresql://me:a%3Ab@db/x"),
        (
            "postgres://u@h1:1,h2,h3:3/db?sslmode=require",
            "postgresql://u@h1:1,h2,h3:3/db?sslmode=require",
        ),
        (
            "postgres://[::1]:5432,[fe80::1%25eth0]/db",
            "postgresql://[::1]:5432,[fe80::1%25eth0]/db",
        ),
        ("postgres://%2Fvar%2Frun/db", "postgresql://%2Fvar%2Frun/db"),
        (
            "postgres://h?user=me%40azure&password=p%2Fq",
            "postgresql://h?user=me%40azure&password=p%2Fq",
        ),
    ] {
        assert_eq!(libpq(given), written, "{given}");
        assert_eq!(libpq(written), written, "{written}");
    }
}

#[test]
fn what_libpq_would_read_as_something_else_is_refused_without_repeating_it() {
    for url in [
        "postgres://me:s3:cr@hunt@db/x",
        "postgres://me:hunt/er@db/x",
        "postgres://me:12/hunt@db/x",
        "postgres://me:12/hunt?a=b@db/x",
        "postgres://me:12/3#hunt@db/x",
        "postgres://me:hunt%zz@db/x",
        "postgres://me:hunt%@db/x",
        "postgres://me:hunt%00@db/x",
        "postgres://me:hunt",
        "postgres://db:hunt/x",
        "postgres://db:0/hunt",
        "postgres://db/x?hunt",
        "postgres://db/x?hunt=a=b",
        "postgres://db/x?Hunt2=a",
        "postgres://[::1/hunt",
        "postgres://[::1]hunt/x",
        "postgres://[]/hunt",
        "postgres://me:hunt\n@db/x",
        "postgres://me: hunt@db/x",
        "postgres://me:a hunt@db/x",
        "postgres://h, /hunt",
    ] {
        let Err(Error::Invalid(fields)) = PostgresUrl::parse(url).map(|_| ()) else {
            panic!("accepted: {url}");
        };
        let [refused] = &fields[..] else { panic!("{fields:?}") };
        assert_eq!(refused.field, "database.url", "{url}");
        assert!(!refused.message.to_lowercase().contains("hunt"), "{url}: {}", refused.message);
    }
}

#[test]
fn secrets_are_hidden_and_the_rest_shows() {
    assert_eq!(
        shown("postgres://me:a?b@[::1]:5433,h2/x?sslpassword=abc&sslmode=require&password=d"),
        "postgres://me:***@[::1]:5433,h2/x?sslpassword=***&sslmode=require&password=***"
    );
    assert_eq!(shown("postgres://:hunter2@h"), "postgres://:***@h");
    assert_eq!(
        shown("postgres://me@h/x?oauth_client_secret=a"),
        "postgres://me@h/x?oauth_client_secret=***"
    );
}

#[test]
fn own_parameters_win() {
    let url = PostgresUrl::parse("postgres://u:a?b@h/db?connect_timeout=3").unwrap();
    let url = url.with_default("connect_timeout", "9").with_default("application_name", "a b");
    assert_eq!(
        url.to_libpq(),
        "postgresql://u:a%3Fb@h/db?connect_timeout=3&application_name=a%20b"
    );
}

/// Characters that no other part of the tests' URLs has, and those that URLs give a meaning to.
fn password() -> impl Strategy<Value = String> {
    proptest::string::string_regex("[KQXZ7é@:/?#%&=,\\[\\] ]{4,24}").unwrap()
}

/// Whether two neighbouring characters of the password stand in `text`: no single one, because every
/// URL has an `@` or a `/`. The refusal's own words hold none of the letters.
fn repeats(text: &str, password: &str) -> bool {
    let letters: Vec<char> = password.chars().collect();
    letters.windows(2).any(|pair| {
        pair.iter().any(|c| "KQXZ7é".contains(*c))
            && text.contains(&pair.iter().collect::<String>())
    })
}

proptest! {
    /// Whatever stands between the first colon and the last `@` is somebody's password, however
    /// libpq reads the URL: the URL is refused or the password hidden, and neither repeats it.
    #[test]
    fn a_password_is_never_shown(password in password(), place in 0..3_u8) {
        let url = match place {
            0 => format!("postgres://me:{password}@host/base"),
            1 => format!("postgres://me:{}@host/base", escaped(password.as_bytes())),
            _ => format!("postgres://me@host/base?password={}", escaped(password.as_bytes())),
        };
        match PostgresUrl::parse(&url) {
            Ok(parsed) => {
                prop_assert!(!repeats(&parsed.to_string(), &password), "{url}: {parsed}");
                // What libpq gets is the same password, and nothing of it anywhere else.
                let written = parsed.to_libpq();
                prop_assert!(PostgresUrl::parse(&written).unwrap() == parsed);
                let meant: Vec<u8> = match place {
                    0 => percent_decode_str(&password).collect(),
                    _ => password.clone().into_bytes(),
                };
                prop_assert!(written.contains(&escaped(&meant)), "{url}: {written}");
            }
            Err(error) => {
                prop_assert!(place == 0, "an escaped password is accepted: {error}");
                prop_assert!(!repeats(&error.to_string(), &password), "{url}: {error}");
            }
        }
    }

    /// Nothing that is typed makes the reader panic, or is shown differently when read again.
    #[test]
    fn any_text_is_read_or_refused(text in "(postgres://)?[a-z0-9@:/?#%&=,\\[\\]é]{0,40}") {
        if let Ok(url) = PostgresUrl::parse(&text) {
            prop_assert!(PostgresUrl::parse(&url.to_libpq()).unwrap() == url, "{text}");
        }
    }
}
