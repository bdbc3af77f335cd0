//! What `mail.smtp` may say.

use std::net::IpAddr;

use url::Url;

use crate::SettingsError;

/// What would be accepted.
pub(super) const REMEDY: &str = "write smtps://user:password@host, smtp://user:password@host:587?tls=required, or \
                      smtp://host for a server that takes mail without TLS";

/// Finds out whether the text names a server, and one to which a password travels encrypted.
///
/// # Errors
/// What is wrong; the text is not repeated, since it holds the password.
pub(super) fn check(text: &str) -> Result<(), SettingsError> {
    let wrong = |problem: &str| Err(SettingsError::new("mail.smtp", problem, REMEDY));
    let Ok(url) = Url::parse(text) else { return wrong("cannot be read") };
    let is_wrapped = match url.scheme() {
        "smtps" => true,
        "smtp" => false,
        _ => return wrong("begins with another scheme than smtp or smtps"),
    };
    let Some(host) = url.host_str().filter(|host| !host.is_empty()) else {
        return wrong("names no host");
    };
    let mut is_encrypted = is_wrapped;
    for (key, value) in url.query_pairs() {
        match (&*key, &*value) {
            ("tls", "required") => is_encrypted = true,
            ("tls", "opportunistic") => {}
            // Ignored, it would send the password in the clear.
            _ => {
                return wrong(
                    "has something after ? that is neither tls=required nor tls=opportunistic",
                );
            }
        }
    }
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    let is_here = host.eq_ignore_ascii_case("localhost")
        || address.is_ok_and(|address| address.is_loopback());
    let has_credentials = !url.username().is_empty() || url.password().is_some();
    if has_credentials && !is_encrypted && !is_here {
        return wrong("would send the password without TLS");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_travels_encrypted_or_not_at_all() {
        for good in [
            "smtps://u:p@mail.example.com",
            "smtp://u:p@mail.example.com:587?tls=required",
            "smtp://mail.example.com",
            "smtp://mail.example.com?tls=opportunistic",
            "smtp://u:p@localhost:2525",
            "smtp://u:p@127.0.0.1",
            "smtp://u:p@[::1]",
        ] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        for (bad, problem) in [
            ("smtp://u:hunter2@mail.example.com", "would send the password without TLS"),
            ("smtp://u:hunter2@mail.example.com?tls=opportunistic", "would send the password"),
            ("smtp://u:hunter2@mail.example.com?tsl=required", "has something after ?"),
            ("smtps://u:hunter2@mail.example.com?tls=none", "has something after ?"),
            ("http://u:hunter2@mail.example.com", "begins with another scheme"),
            ("smtp://", "names no host"),
            ("mail.example.com:hunter2", "begins with another scheme"),
            ("", "cannot be read"),
        ] {
            let told = check(bad).unwrap_err().to_string();
            assert!(told.starts_with(&format!("mail.smtp: {problem}")), "{bad}: {told}");
            assert!(!told.contains("hunter2"), "{told}");
        }
    }
}
