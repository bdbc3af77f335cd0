//! `name=value` pairs: query strings and forms (`application/x-www-form-urlencoded`), read strictly.

use alpine_domain::Error;

/// Pairs at most; more than any client of this API has a use for.
const MAX_PAIRS: usize = 64;

/// The pairs in their order.
///
/// # Errors
/// [`Error::Malformed`] on `part` for a broken `%` escape, text that is not UTF-8, or too many pairs.
pub(crate) fn parse(text: &[u8], part: &'static str) -> Result<Vec<(String, String)>, Error> {
    let mut pairs = Vec::new();
    for pair in text.split(|b| *b == b'&').filter(|pair| !pair.is_empty()) {
        if pairs.len() == MAX_PAIRS {
            return Err(Error::malformed(part, "has more than 64 parameters"));
        }
        let mut halves = pair.splitn(2, |b| *b == b'=');
        let mut half = || decode(halves.next().unwrap_or_default(), b' ');
        match (half(), half()) {
            (Some(name), Some(value)) => pairs.push((name, value)),
            _ => {
                return Err(Error::malformed(part, "has a broken % escape or is not UTF-8"));
            }
        }
    }
    Ok(pairs)
}

/// Replaces every `%` escape, and every `+` by `plus`: a space in forms and queries, itself in paths
/// (RFC 3986, section 2.1). `None` for a broken escape or text that is not UTF-8.
pub(crate) fn decode(text: &[u8], plus: u8) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.iter();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => plus,
            b'%' => {
                let mut digit = || char::from(*rest.next()?).to_digit(16);
                u8::try_from(digit()? * 16 + digit()?).ok()?
            }
            other => *other,
        });
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_decoded_strictly() {
        let read = |text: &str| parse(text.as_bytes(), "query").ok();
        assert_eq!(
            read("a=1&b=%2B+%C3%A4&c&=x&&a=b=c"),
            Some(
                [("a", "1"), ("b", "+ ä"), ("c", ""), ("", "x"), ("a", "b=c")]
                    .map(|(name, value)| (name.to_owned(), value.to_owned()))
                    .to_vec()
            )
        );
        for bad in ["a=%", "a=%4", "a=%zz", "a=%ff", "%c3=1"] {
            assert_eq!(read(bad), None, "{bad}");
        }
        assert!(read(&"a=1&".repeat(65)).is_none());
    }
}
