//! A PostgreSQL URL, cut into the parts that libpq takes it for.
//!
//! libpq (`conninfo_uri_parse` in `fe-connect.c`, version 18) ends the credentials at the first `@`
//! that stands before any `/`, and takes everything else literally. A URL whose password holds a bare
//! `@`, `/` or `%` is therefore read as something else, and libpq's errors repeat pieces of it. Such a
//! URL is refused here, without repeating any of it; one that is accepted is written anew with every
//! part escaped, so that libpq and this page cannot read it differently.

use std::{fmt, fmt::Write as _};

use alpine_domain::{Error, Result};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, percent_encode};

/// Everything but the characters that RFC 3986 calls unreserved.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The colons of an IPv6 address stay readable.
const ESCAPED_IN_BRACKETS: &AsciiSet = &ESCAPED.remove(b':');

const REMEDY: &str = "write @ : / ? # % in a user, password or database name as %40 %3A %2F %3F %23 \
                      %25; the form is postgres://[user[:password]@][host[:port],…][/database]\
                      [?name=value&…]";

/// A URL's parts, unescaped: bytes, because a password may be in any encoding.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct PostgresUrl {
    user: Option<Vec<u8>>,
    password: Option<Vec<u8>>,
    hosts: Vec<Host>,
    database: Option<Vec<u8>>,
    parameters: Vec<(String, Vec<u8>)>,
}

#[derive(Clone, PartialEq, Eq)]
struct Host {
    /// A name, an address or a socket's folder; empty for libpq's default.
    name: Vec<u8>,
    port: Option<u16>,
}

/// What is wrong with a URL, without any part of it.
fn wrong(problem: &str) -> Error {
    Error::invalid("database.url", format!("{problem}; {REMEDY}"))
}

impl PostgresUrl {
    /// Whether the scheme is PostgreSQL's.
    pub(super) fn is_meant(url: &str) -> bool {
        without_scheme(url).is_some()
    }

    /// Reads a URL.
    ///
    /// # Errors
    /// [`Error::Invalid`] naming `database.url`; no part of the URL is repeated.
    pub(super) fn parse(url: &str) -> Result<Self> {
        let rest = without_scheme(url).ok_or_else(|| wrong("the scheme is not postgres://"))?;
        // libpq passes over spaces around a part, and refuses those inside, repeating the part.
        if rest.contains(|c: char| c.is_control() || c == ' ') {
            return Err(wrong("it holds a control character, or a space that is not written %20"));
        }
        let (credentials, rest) = match rest.find(['@', '/']) {
            Some(at) if rest[at..].starts_with('@') => (Some(&rest[..at]), &rest[at + 1..]),
            _ => (None, rest),
        };
        if rest.contains('@') {
            return Err(wrong("it holds an @ that does not end user and password"));
        }
        let (user, password) =
            match credentials.map(|text| text.split_once(':').unwrap_or((text, ""))) {
                Some((user, password)) => (unescaped(user)?, unescaped(password)?),
                None => (Vec::new(), Vec::new()),
            };
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (hosts, database) = rest.split_once('/').unwrap_or((rest, ""));
        let database = unescaped(database)?;
        Ok(Self {
            user: Some(user).filter(|text| !text.is_empty()),
            password: Some(password).filter(|text| !text.is_empty()),
            hosts: hosts.split(',').map(Host::parse).collect::<Result<_>>()?,
            database: Some(database).filter(|text| !text.is_empty()),
            parameters: query
                .split('&')
                .filter(|p| !p.is_empty())
                .map(parameter)
                .collect::<Result<_>>()?,
        })
    }

    /// Whether what is sent may be read on the way: the server is not on this machine, and TLS is not demanded.
    fn is_exposed(&self) -> bool {
        let is_here = |host: &Host| {
            let name = String::from_utf8_lossy(&host.name);
            matches!(&*name, "" | "localhost" | "::1")
                || name.starts_with(['/', '@'])
                || name.starts_with("127.")
        };
        let mode = self.parameters.iter().find(|(name, _)| name == "sslmode").map(|(_, mode)| mode);
        let is_demanded =
            mode.is_some_and(|mode| matches!(&**mode, b"require" | b"verify-ca" | b"verify-full"));
        !is_demanded && !self.hosts.iter().all(is_here)
    }

    /// Whether the parameter is set.
    pub(super) fn has(&self, name: &str) -> bool {
        self.parameters.iter().any(|(known, _)| known == name)
    }

    /// The same URL with the parameter, unless it is set already.
    pub(super) fn with_default(mut self, name: &str, value: &str) -> Self {
        if !self.has(name) {
            self.parameters.push((name.to_owned(), value.as_bytes().to_vec()));
        }
        self
    }

    /// The URL for libpq: every part escaped, the password in it.
    pub(super) fn to_libpq(&self) -> String {
        let mut url = String::from("postgresql://");
        if self.user.is_some() || self.password.is_some() {
            url.push_str(&escaped(self.user.as_deref().unwrap_or_default()));
            if let Some(password) = &self.password {
                url.push(':');
                url.push_str(&escaped(password));
            }
            url.push('@');
        }
        self.write_rest(&mut url, |_| false);
        url
    }

    /// Hosts, database and those parameters that are not `hidden`.
    fn write_rest(&self, url: &mut String, hidden: impl Fn(&str) -> bool) {
        let hosts: Vec<String> = self.hosts.iter().map(Host::to_string).collect();
        url.push_str(&hosts.join(","));
        if let Some(database) = &self.database {
            url.push('/');
            url.push_str(&escaped(database));
        }
        for (index, (name, value)) in self.parameters.iter().enumerate() {
            let value = if hidden(name) { "***".to_owned() } else { escaped(value) };
            // Writing to a String cannot fail.
            let _ = write!(url, "{}{name}={value}", if index == 0 { '?' } else { '&' });
        }
    }
}

/// For logs and errors: `***` stands for the password and for every parameter that is a secret.
impl fmt::Display for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut url = String::from("postgres://");
        if self.user.is_some() || self.password.is_some() {
            url.push_str(&escaped(self.user.as_deref().unwrap_or_default()));
            url.push_str(if self.password.is_some() { ":***@" } else { "@" });
        }
        self.write_rest(&mut url, is_secret);
        f.write_str(&url)
    }
}

impl Host {
    fn parse(text: &str) -> Result<Self> {
        let (name, port) = match text.strip_prefix('[').map(|rest| rest.split_once(']')) {
            Some(Some((name, rest))) if !name.is_empty() => match rest.strip_prefix(':') {
                Some(port) => (name, port),
                None if rest.is_empty() => (name, ""),
                None => return Err(wrong("something other than a port follows an IPv6 address")),
            },
            Some(_) => return Err(wrong("an IPv6 address is empty or has no closing bracket")),
            None => text.split_once(':').unwrap_or((text, "")),
        };
        let port = match port {
            "" => None,
            port => Some(
                port.parse()
                    .ok()
                    .filter(|port| *port > 0)
                    .ok_or_else(|| wrong("a port is not a number from 1 to 65535"))?,
            ),
        };
        Ok(Self { name: unescaped(name)?, port })
    }
}

/// As libpq reads it: an IPv6 address in brackets.
impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.name.contains(&b':') {
            write!(f, "[{}]", percent_encode(&self.name, ESCAPED_IN_BRACKETS))?;
        } else {
            f.write_str(&escaped(&self.name))?;
        }
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

/// The URL as it may be shown in logs and errors: without passwords, and without anything at all when
/// it cannot be read, because then a password may stand anywhere.
pub fn shown_url(url: &str) -> String {
    if url.starts_with("sqlite:") {
        return url.to_owned();
    }
    PostgresUrl::parse(url).map_or_else(|_| "(hidden)".to_owned(), |url| url.to_string())
}

/// Whether a URL leads to a PostgreSQL beyond this machine without demanding TLS.
pub fn is_exposed(url: &str) -> bool {
    PostgresUrl::is_meant(url) && PostgresUrl::parse(url).is_ok_and(|url| url.is_exposed())
}

/// What follows the scheme. Python names the driver in it (`postgresql+asyncpg://`), which says nothing here.
fn without_scheme(url: &str) -> Option<&str> {
    let (scheme, rest) = url.split_once("://")?;
    let scheme = scheme.split_once('+').map_or(scheme, |(scheme, _driver)| scheme);
    matches!(scheme, "postgres" | "postgresql").then_some(rest)
}

fn parameter(pair: &str) -> Result<(String, Vec<u8>)> {
    let (name, value) = pair.split_once('=').ok_or_else(|| wrong("a parameter has no value"))?;
    if value.contains('=') {
        return Err(wrong("a parameter holds a second = (write %3D)"));
    }
    if name.is_empty() || !name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_') {
        return Err(wrong("a parameter's name has lower-case letters and _ only"));
    }
    Ok((name.to_owned(), unescaped(value)?))
}

/// Parameters of libpq whose value is a secret.
fn is_secret(name: &str) -> bool {
    ["password", "secret", "scram"].iter().any(|part| name.contains(part))
}

fn escaped(bytes: &[u8]) -> String {
    percent_encode(bytes, ESCAPED).to_string()
}

fn unescaped(text: &str) -> Result<Vec<u8>> {
    let is_escape = |rest: &str| {
        let digits = rest.as_bytes().get(..2);
        digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit) && digits != b"00")
    };
    if !text.split('%').skip(1).all(is_escape) {
        return Err(wrong("a % is not followed by two hexadecimal digits other than 00"));
    }
    Ok(percent_decode_str(text).collect())
}

#[cfg(test)]
mod tests;
