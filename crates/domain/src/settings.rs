//! How settings are written, for every crate's own settings: durations and sizes with their units, and
//! the defaults, which stand in `config/default.toml` and nowhere else.

use std::{
    collections::BTreeMap,
    fmt,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    str::FromStr,
    sync::LazyLock,
    time::Duration,
};

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, Error},
};

/// The text of `config/default.toml`: every setting with its explanation and its default.
pub const DEFAULTS: &str = include_str!("../../../config/default.toml");

#[expect(clippy::expect_used, reason = "the text is part of the binary, and tests parse it")]
static TABLE: LazyLock<toml::Table> =
    LazyLock::new(|| DEFAULTS.parse().expect("the embedded defaults are TOML"));

/// The defaults of one section of `config/default.toml`, `cache` for example.
///
/// # Panics
/// When the section is missing, or its type has a field that the section has not. Both are defects of
/// the code, and the test of every section shows them.
#[expect(clippy::expect_used, reason = "see above: the input is part of the binary")]
pub fn defaults<T: DeserializeOwned>(section: &str) -> T {
    let found = TABLE.get(section).cloned().expect("the section stands in config/default.toml");
    found.try_into().expect("config/default.toml has every field of the section")
}

/// Reads a duration: a whole number and one of `ms`, `s`, `m`, `h`, `d`.
///
/// ```
/// use std::time::Duration;
/// use alpine_domain::settings::parse_duration;
/// assert_eq!(parse_duration("15m"), Ok(Duration::from_secs(900)));
/// assert!(parse_duration("15").is_err());
/// ```
///
/// # Errors
/// Says what would be accepted.
pub fn parse_duration(text: &str) -> Result<Duration, &'static str> {
    const REASON: &str =
        "must be a whole number with a unit: 250ms, 30s, 15m, 12h or 30d, at most 3650d";
    let (number, millis) = split_unit(text)
        .and_then(|(number, unit)| {
            let millis: u64 = match unit {
                "ms" => 1,
                "s" => 1_000,
                "m" => 60_000,
                "h" => 3_600_000,
                "d" => 86_400_000,
                _ => return None,
            };
            Some((number, millis))
        })
        .ok_or(REASON)?;
    let total = number.checked_mul(millis).ok_or(REASON)?;
    // Ten years: beyond it, sums of instants would have to be checked everywhere.
    if total > 3_650 * 86_400_000 {
        return Err(REASON);
    }
    Ok(Duration::from_millis(total))
}

/// Reads where to listen: an IP address and a port, 0 for a free one. `localhost` is 127.0.0.1, and so is what is
/// left out before a port: whoever wants to be reached from elsewhere says so.
///
/// ```
/// use alpine_domain::settings::parse_listen_address;
/// for text in ["8000", ":8000", "localhost:8000"] {
///     assert_eq!(parse_listen_address(text), Ok("127.0.0.1:8000".parse()?));
/// }
/// assert_eq!(parse_listen_address("[::]:8000"), Ok("[::]:8000".parse()?));
/// assert!(parse_listen_address("example.com:8000").is_err());
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
///
/// # Errors
/// Says what would be accepted.
pub fn parse_listen_address(text: &str) -> Result<SocketAddr, &'static str> {
    const REASON: &str = "must be an IP address and a port, 127.0.0.1:8000 for example, or a port alone for 127.0.0.1";
    let text = text.trim();
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    let (host, port) = text.rsplit_once(':').unwrap_or(("", text));
    let digits = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    match port.parse() {
        Ok(port) if digits && (host.is_empty() || host.eq_ignore_ascii_case("localhost")) => {
            Ok(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port))
        }
        _ => Err(REASON),
    }
}

/// For `#[serde(deserialize_with)]`: [`parse_listen_address`].
///
/// # Errors
/// As that.
pub fn listen_address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SocketAddr, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse_listen_address(&text).map_err(D::Error::custom)
}

/// Reads a size in bytes: a whole number and one of `B`, `KiB`, `MiB`, `GiB`.
///
/// ```
/// assert_eq!(alpine_domain::settings::parse_size("64KiB"), Ok(65_536));
/// ```
///
/// # Errors
/// Says what would be accepted.
pub fn parse_size(text: &str) -> Result<usize, &'static str> {
    const REASON: &str = "must be a whole number with a unit: 512B, 64KiB, 16MiB or 2GiB";
    let (number, unit) = split_unit(text).ok_or(REASON)?;
    let bytes: u64 = match unit {
        "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return Err(REASON),
    };
    number.checked_mul(bytes).and_then(|total| usize::try_from(total).ok()).ok_or(REASON)
}

fn split_unit(text: &str) -> Option<(u64, &str)> {
    let text = text.trim();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    Some((number.parse().ok()?, unit.trim_start()))
}

/// For `#[serde(deserialize_with)]`: [`parse_duration`], longer than nothing.
///
/// # Errors
/// As that, and for zero.
pub fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let span = duration_or_zero(deserializer)?;
    if span.is_zero() { Err(D::Error::custom("must be longer than 0s")) } else { Ok(span) }
}

/// For `#[serde(deserialize_with)]`: [`parse_duration`], where zero has a meaning of its own.
///
/// # Errors
/// As that.
pub fn duration_or_zero<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse_duration(&text).map_err(D::Error::custom)
}

/// For `#[serde(deserialize_with)]`: a whole number from `MIN` to `MAX`.
///
/// # Errors
/// Says which numbers are taken.
pub fn within<'de, T, D, const MIN: u64, const MAX: u64>(deserializer: D) -> Result<T, D::Error>
where
    T: TryFrom<u64>,
    D: Deserializer<'de>,
{
    let number = u64::deserialize(deserializer)?;
    let taken = Some(number).filter(|number| (MIN..=MAX).contains(number));
    let reason = || D::Error::custom(format!("must be between {MIN} and {MAX}"));
    taken.and_then(|number| T::try_from(number).ok()).ok_or_else(reason)
}

/// For `#[serde(deserialize_with)]`: a whole number, 1 or more.
///
/// # Errors
/// Says so.
pub fn at_least_one<'de, T, D>(deserializer: D) -> Result<T, D::Error>
where
    T: Deserialize<'de> + PartialOrd + From<u8>,
    D: Deserializer<'de>,
{
    let number = T::deserialize(deserializer)?;
    if number < T::from(1) { Err(D::Error::custom("must be at least 1")) } else { Ok(number) }
}

/// For `#[serde(deserialize_with)]`: [`parse_size`], one byte or more.
///
/// # Errors
/// As that, and for zero.
pub fn size<'de, T: TryFrom<usize>, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    let text = String::deserialize(deserializer)?;
    let bytes = parse_size(&text).map_err(D::Error::custom)?;
    if bytes == 0 {
        return Err(D::Error::custom("must be at least 1B"));
    }
    T::try_from(bytes).map_err(|_| D::Error::custom("is too large"))
}

/// For `#[serde(deserialize_with)]`: what [`FromStr`] reads, where an empty text means "not set".
///
/// # Errors
/// When it is no text, and what [`FromStr`] finds wrong.
pub fn optional<'de, T, D>(deserializer: D) -> Result<Option<T>, D::Error>
where
    T: FromStr<Err: fmt::Display>,
    D: Deserializer<'de>,
{
    let text = String::deserialize(deserializer)?;
    let text = text.trim();
    (!text.is_empty()).then(|| text.parse()).transpose().map_err(D::Error::custom)
}

/// For `#[serde(deserialize_with)]`: a table of durations, whose keys are read with [`FromStr`].
///
/// # Errors
/// As [`parse_duration`], or what is wrong with a key, which both are named by the entry.
pub fn durations<'de, K, D>(deserializer: D) -> Result<BTreeMap<K, Duration>, D::Error>
where
    K: FromStr<Err = &'static str> + Ord,
    D: Deserializer<'de>,
{
    let read = |(name, text): (String, String)| {
        let entry = || match parse_duration(&text)? {
            Duration::ZERO => Err("must be longer than 0s"),
            span => Ok((name.parse()?, span)),
        };
        entry().map_err(|reason: &str| D::Error::custom(format!("{name}: {reason}")))
    };
    BTreeMap::<String, String>::deserialize(deserializer)?.into_iter().map(read).collect()
}

#[cfg(test)]
mod tests {
    use serde::de::{
        IntoDeserializer as _,
        value::{Error, StrDeserializer, U64Deserializer},
    };

    use super::*;

    #[test]
    fn durations_need_a_unit_and_stay_in_range() {
        assert_eq!(parse_duration("0s"), Ok(Duration::ZERO));
        assert_eq!(parse_duration(" 25 ms "), Ok(Duration::from_millis(25)));
        assert_eq!(parse_duration("30d"), Ok(Duration::from_hours(30 * 24)));
        for bad in ["", "s", "5", "-1s", "1.5h", "1y", "99999999999999999999s", "3651d"] {
            assert!(parse_duration(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn each_unit_has_its_length() {
        for (text, millis) in [
            ("1ms", 1),
            ("1s", 1_000),
            ("1m", 60_000),
            ("1h", 3_600_000),
            ("1d", 86_400_000),
            ("3650d", 315_360_000_000),
        ] {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for (text, bytes) in
            [("1B", 1), ("3KiB", 3_072), ("16MiB", 16_777_216), ("2GiB", 2_147_483_648)]
        {
            assert_eq!(parse_size(text), Ok(bytes), "{text}");
        }
    }

    /// A table that has the key `a` alone.
    fn read_table(text: &str) -> Result<Vec<(String, Duration)>, String> {
        #[derive(PartialEq, Eq, PartialOrd, Ord)]
        struct OnlyA(String);

        impl FromStr for OnlyA {
            type Err = &'static str;

            fn from_str(text: &str) -> Result<Self, &'static str> {
                (text == "a").then(|| Self(text.to_owned())).ok_or("only a")
            }
        }

        let table = toml::Deserializer::parse(text).unwrap();
        let read = durations::<OnlyA, _>(table).map_err(|error| error.to_string())?;
        Ok(read.into_iter().map(|(key, span)| (key.0, span)).collect())
    }

    /// Each reader on both sides of its edge, and what it says.
    #[test]
    fn readers_take_what_they_say() {
        type Told<T> = Result<T, String>;
        fn text(text: &str) -> StrDeserializer<'_, Error> {
            text.into_deserializer()
        }
        fn number(number: u64) -> U64Deserializer<Error> {
            number.into_deserializer()
        }
        fn told<T>(result: Result<T, Error>) -> Told<T> {
            result.map_err(|error| error.to_string())
        }
        fn refused<T>(reason: &str) -> Told<T> {
            Err(reason.to_owned())
        }

        assert_eq!(told(duration(text("0s"))), refused("must be longer than 0s"));
        assert_eq!(told(duration(text("1ms"))), Ok(Duration::from_millis(1)));
        assert_eq!(told(duration_or_zero(text("0s"))), Ok(Duration::ZERO));
        assert_eq!(told(duration_or_zero(text("2s"))), Ok(Duration::from_secs(2)));

        let one = |n| told(at_least_one::<u64, _>(number(n)));
        assert_eq!(one(0), refused("must be at least 1"));
        assert_eq!([one(1), one(2)], [Ok(1), Ok(2)]);

        let bounded = |n| told(within::<u64, _, 2, 4>(number(n)));
        assert_eq!([bounded(2), bounded(4)], [Ok(2), Ok(4)]);
        for outside in [1, 5] {
            assert_eq!(bounded(outside), refused("must be between 2 and 4"));
        }

        let bytes = |size| told(super::size::<u16, _>(text(size)));
        assert_eq!(bytes("0B"), refused("must be at least 1B"));
        assert_eq!([bytes("1B"), bytes("65535B")], [Ok(1), Ok(65_535)]);
        assert_eq!(bytes("64KiB"), refused("is too large"));

        assert_eq!(read_table("a = '1s'"), Ok(vec![("a".to_owned(), Duration::from_secs(1))]));
        for (text, reason) in [
            ("a = '0s'", "a: must be longer than 0s"),
            ("b = '1s'", "b: only a"),
            ("a = '1'", "a: must be a whole number with a unit"),
        ] {
            let told = read_table(text).unwrap_err();
            assert!(told.contains(reason), "{text}: {told}");
        }

        let optional = |t| told(super::optional::<u8, _>(text(t)));
        assert_eq!(
            [optional(""), optional(" "), optional(" 7 ")],
            [Ok(None), Ok(None), Ok(Some(7))]
        );
        assert_eq!(optional("x"), refused("invalid digit found in string"));
    }

    #[test]
    fn sizes_need_a_unit() {
        for bad in ["", "64", "64kb", "64 KB", "-1B", "99999999999GiB"] {
            assert!(parse_size(bad).is_err(), "{bad}");
        }
    }
}
