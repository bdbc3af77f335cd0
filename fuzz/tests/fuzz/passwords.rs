//! What is taken for a password, by libpq, by Redis' client or by whoever typed it, never changes anything
//! that is shown: with other letters in its place, the same is shown to the byte.

use std::{collections::BTreeMap, ops::Range};

use alpine_infra::redis::{RedisSettings, RedisUrl};
use alpine_persistence::{DatabaseSettings, fuzzing::libpq_url, shown_url};
use alpine_server::config::{Sources, load, read_layers};

use crate::libpq;

pub(crate) fn run(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    // Most of what is interesting has a scheme.
    let schemes = [
        "",
        "postgres://",
        "postgresql://",
        "redis://",
        "rediss://",
        "redis+sentinel://",
        "rediss+cluster://",
    ];
    let (scheme, rest) = match data.first() {
        Some(byte @ b'0'..=b'6') => (schemes[usize::from(byte - b'0')], &text[1..]),
        _ => ("", text),
    };
    let url = format!("{scheme}{rest}");
    is_read_as_libpq_reads_it(&url);
    // A file has no password.
    if url.starts_with("sqlite:") {
        return;
    }
    // Reading the settings takes a hundred times as long.
    let is_eighth =
        data.iter().fold(0_u8, |sum, byte| sum.wrapping_mul(31).wrapping_add(*byte)) < 32;
    let shows: [fn(&str) -> Shown; 3] = [shown_database, shown_redis, shown_configuration];
    for (digits, show) in [false, true]
        .into_iter()
        .flat_map(|digits| shows.map(|show| (digits, show)))
        .filter(|(_, show)| is_eighth || !std::ptr::fn_addr_eq(*show, shows[2]))
    {
        let other = with_other_secrets(&url, digits);
        if other == url {
            continue;
        }
        // Another port, or number of a database, may be refused.
        match (show(&url), show(&other)) {
            (Ok(one), Ok(two)) => assert_eq!(one, two, "{url} and {other}"),
            (Err(one), Err(two)) => {
                // The reasons may differ; what only one of them says must not be the secret.
                let is_told = |word: &str| one.contains(word) && !two.contains(word);
                for word in secrets(&url)
                    .into_iter()
                    .flat_map(|range| url[range].split(|c: char| !c.is_ascii_alphanumeric()))
                {
                    assert!(!is_unlike_ours(word) || !is_told(word), "{word} of {url} in {one}");
                }
            }
            _ => {}
        }
    }
}

/// Whether no refusal of ours has this word: they have none with digits and letters.
fn is_unlike_ours(word: &str) -> bool {
    word.len() >= 4
        && word.contains(|c: char| c.is_ascii_digit())
        && word.contains(|c: char| c.is_ascii_alphabetic())
}

/// Text, or the words of the refusal.
type Shown = Result<String, String>;

fn shown_database(url: &str) -> Shown {
    let shown = format!("{} {:?}", shown_url(url), DatabaseSettings::new(url));
    libpq_url(url).map(|_| shown).map_err(|error| format!("{error} {error:?}"))
}

fn shown_redis(url: &str) -> Shown {
    let settings = RedisSettings::new(url).map_err(|error| format!("{error} {error:?}"))?;
    let url: RedisUrl = url.parse().map_err(|error: String| error)?;
    Ok(format!("{url} {url:?} {} {settings:?}", settings.address()))
}

fn shown_configuration(url: &str) -> Shown {
    let name = if url.starts_with("postgres") { "DATABASE_URL" } else { "REDIS_URL" };
    let environment = BTreeMap::from([
        (name.to_owned(), url.to_owned()),
        ("JWT_SECRET".to_owned(), "3f1b0c9d7e5a4f2688b1d0c3e7a95f42aa17".to_owned()),
    ]);
    let sources = Sources { environment, ..Sources::default() };
    let shown = read_layers(&sources).show();
    load(&sources).map(|_| shown).map_err(|error| format!("{error} {error:?}"))
}

/// A URL that is accepted says to libpq, written anew, what it said before.
fn is_read_as_libpq_reads_it(url: &str) {
    let Ok(Some(written)) = libpq_url(url) else { return };
    let ours = libpq::parse(&written).expect("what is written for libpq is read by it");
    let Some(theirs) = libpq::parse(url) else { return };
    for (name, value) in theirs {
        let is_set = !value.is_empty() || ours.contains_key(&name);
        let says = ours.get(&name).map(|ours| plain(&name, ours));
        assert!(!is_set || says == Some(plain(&name, &value)), "{name} of {url} in {written}");
    }
}

/// The value; ports as numbers, since a sign and zeros may stand before them.
fn plain(name: &str, value: &[u8]) -> Vec<Vec<u8>> {
    let number = |port: &[u8]| -> Option<u32> { str::from_utf8(port).ok()?.parse().ok() };
    let digits =
        |port: &[u8]| number(port).map_or(port.to_vec(), |port| port.to_string().into_bytes());
    if name == "port" {
        value.split(|byte| *byte == b',').map(digits).collect()
    } else {
        vec![value.to_vec()]
    }
}

/// The same URL with other letters, and other digits if wanted, wherever a secret may stand.
fn with_other_secrets(url: &str, digits: bool) -> String {
    let secrets = secrets(url);
    let mut is_escape = 0_u8;
    let rotated = url.char_indices().map(|(at, c)| {
        let is_secret = secrets.iter().any(|range| range.contains(&at)) && is_escape == 0;
        is_escape = if c == '%' { 2 } else { is_escape.saturating_sub(1) };
        match c {
            'a'..='y' | 'A'..='Y' if is_secret => char::from(c as u8 + 1),
            'z' | 'Z' if is_secret => char::from(c as u8 - 25),
            '0'..='8' if is_secret && digits => char::from(c as u8 + 1),
            '9' if is_secret && digits => '0',
            c => c,
        }
    });
    rotated.collect()
}

/// Where secrets stand: from the first colon behind the scheme to the last `@`, as people see it, which
/// covers what libpq (to the first `@`) and the client of Redis take; and in parameters.
fn secrets(url: &str) -> Vec<Range<usize>> {
    // Parsers pass over controls and blanks, and over the case of a scheme.
    let read: String = url.chars().filter(|c| *c > ' ').take("redis+unix:".len()).collect();
    let read = read.to_ascii_lowercase();
    let is_unix = read.starts_with("unix:") || read == "redis+unix:";
    let start = url.find("://").map_or(0, |at| at + 3);
    // A question mark before the first `@` belongs to the password.
    let behind = url.find('@').unwrap_or(0);
    let query = url[behind..].find('?').map_or(url.len(), |at| behind + at + 1);
    let mut found = Vec::new();
    for pair in url[query..].split('&') {
        let (name, value) = pair.split_once('=').unwrap_or(("", ""));
        let is_ours = name == "pass" && is_unix;
        if is_ours || ["password", "secret", "scram"].iter().any(|part| name.contains(part)) {
            let at = value.as_ptr() as usize - url.as_ptr() as usize;
            found.push(at..at + value.len());
        }
    }
    // Before its parameters, the address of a Unix socket is a file's.
    if is_unix {
        return found;
    }
    let is_in_value = |at: &usize| found.iter().any(|range| range.contains(at));
    let end = url.rfind('@').filter(|at| !is_in_value(at));
    if let (Some(colon), Some(end)) = (url[start..].find(':'), end)
        && start + colon < end
    {
        found.push(start + colon + 1..end);
    }
    found
}
