//! What the client accepts (RFC 9110, section 12.5).

/// Whether an `Accept-Encoding` value admits gzip.
pub(crate) fn accepts_gzip(value: &[u8]) -> bool {
    let mut any = false;
    for (coding, weight) in items(value) {
        if coding.eq_ignore_ascii_case(b"gzip") || coding.eq_ignore_ascii_case(b"x-gzip") {
            return weight;
        }
        any |= coding == b"*" && weight;
    }
    any
}

/// Whether an `Accept` value admits a media type such as `application/json`.
pub(crate) fn accepts_media(value: &[u8], media_type: &str) -> bool {
    let family = media_type.split('/').next().unwrap_or_default();
    let mut best: Option<(u8, bool)> = None;
    for (range, weight) in items(value) {
        let precision = match range {
            exact if exact.eq_ignore_ascii_case(media_type.as_bytes()) => 3,
            b"*/*" | b"*" => 1,
            range => match range.strip_suffix(b"/*") {
                Some(prefix) if prefix.eq_ignore_ascii_case(family.as_bytes()) => 2,
                _ => continue,
            },
        };
        if best.is_none_or(|(known, _)| precision > known) {
            best = Some((precision, weight));
        }
    }
    best.is_some_and(|(_, weight)| weight)
}

/// The items of a list with whether their weight is above zero.
fn items(value: &[u8]) -> impl Iterator<Item = (&[u8], bool)> {
    value.split(|b| *b == b',').map(|item| {
        let mut parts = item.split(|b| *b == b';').map(<[u8]>::trim_ascii);
        let name = parts.next().unwrap_or_default();
        let is_zero = parts.any(|parameter| {
            let weight = parameter.strip_prefix(b"q=").or_else(|| parameter.strip_prefix(b"Q="));
            weight.is_some_and(|weight| {
                !weight.is_empty() && weight.iter().all(|b| *b == b'0' || *b == b'.')
            })
        });
        (name, !is_zero)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gzip_is_used_only_where_it_is_accepted() {
        for yes in ["gzip", "br, gzip;q=0.5", "*", "GZIP", "deflate, *;q=0.1"] {
            assert!(accepts_gzip(yes.as_bytes()), "{yes}");
        }
        for no in ["", "br", "gzip;q=0", "gzip; q=0.000, *", "*;q=0", "identity"] {
            assert!(!accepts_gzip(no.as_bytes()), "{no}");
        }
    }

    #[test]
    fn the_most_precise_media_range_decides() {
        let accepts = |value: &str| accepts_media(value.as_bytes(), "application/json");
        for yes in [
            "application/json",
            "*/*",
            "application/*;q=0.2",
            "text/html, */*;q=0.1",
            "application/json, */*;q=0",
        ] {
            assert!(accepts(yes), "{yes}");
        }
        for no in [
            "text/html",
            "application/xml, text/*",
            "application/json;q=0, */*",
            "application/*;q=0.0, */*",
        ] {
            assert!(!accepts(no), "{no}");
        }
    }
}
