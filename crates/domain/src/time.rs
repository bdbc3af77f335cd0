//! Instants in UTC, and the clock as a parameter.

use std::{
    fmt,
    time::{Duration, SystemTime},
};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use time::{OffsetDateTime, UtcOffset, format_description::well_known::Rfc3339, macros::datetime};

/// An instant of the years 2 to 9999 in UTC: whole microseconds since 1970-01-01T00:00:00Z. Both databases
/// keep it as an integer. RFC 3339 writes four digits of a year, and year 1 is what .NET and Go
/// send for a time that was never set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

/// Why a text, or a number, is not an instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTimestamp {
    /// Not RFC 3339.
    #[error("must be an RFC 3339 date and time with an offset, 2025-01-15T10:30:00Z for example")]
    Unreadable,
    /// Outside of the years that can be held.
    #[error(
        "must lie in the years 2 to 9999, in UTC as well as in the offset that it is written in"
    )]
    OutOfRange,
}

impl Timestamp {
    /// The first instant that can be held, 0002-01-01T00:00:00Z.
    pub const MIN: Self = Self(datetime!(0002-01-01 00:00 UTC).unix_timestamp() * 1_000_000);
    /// The last one, a microsecond before the year 10000.
    pub const MAX: Self =
        Self(datetime!(9999-12-31 23:59:59 UTC).unix_timestamp() * 1_000_000 + 999_999);

    /// The instant `micros` microseconds after the Unix epoch, or the nearest one that can be held. For
    /// numbers of our own; what comes from outside goes through
    /// [`try_from_micros`](Self::try_from_micros).
    pub const fn from_micros(micros: i64) -> Self {
        match Self::try_from_micros(micros) {
            Ok(instant) => instant,
            Err(_) if micros.is_negative() => Self::MIN,
            Err(_) => Self::MAX,
        }
    }

    /// The instant `micros` microseconds after the Unix epoch.
    ///
    /// # Errors
    /// [`InvalidTimestamp::OutOfRange`].
    pub const fn try_from_micros(micros: i64) -> Result<Self, InvalidTimestamp> {
        if Self::MIN.0 <= micros && micros <= Self::MAX.0 {
            Ok(Self(micros))
        } else {
            Err(InvalidTimestamp::OutOfRange)
        }
    }

    /// The instant `seconds` seconds after the Unix epoch, or the nearest one that can be held.
    pub const fn from_seconds(seconds: i64) -> Self {
        Self::from_micros(seconds.saturating_mul(1_000_000))
    }

    /// Microseconds since the Unix epoch.
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// Whole seconds since the Unix epoch, rounded down.
    pub const fn seconds(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }

    /// Reads RFC 3339 with an offset; `T` may be lower case or a space, as the RFC's section 5.6 allows.
    ///
    /// # Errors
    /// [`InvalidTimestamp`]; the year counts in UTC as well as in the written offset.
    pub fn parse_rfc3339(text: &str) -> Result<Self, InvalidTimestamp> {
        // The parser takes any byte between date and time.
        if !matches!(text.as_bytes().get(10), Some(b'T' | b't' | b' ')) {
            return Err(InvalidTimestamp::Unreadable);
        }
        let written =
            OffsetDateTime::parse(text, &Rfc3339).map_err(|_| InvalidTimestamp::Unreadable)?;
        let micros = i64::try_from(written.unix_timestamp_nanos().div_euclid(1_000))
            .map_err(|_| InvalidTimestamp::OutOfRange)?;
        if written.year() < Self::MIN.to_date_time().year() {
            return Err(InvalidTimestamp::OutOfRange);
        }
        Self::try_from_micros(micros)
    }

    /// This instant, `span` earlier; stops at [`MIN`](Self::MIN).
    #[must_use]
    pub fn earlier(self, span: Duration) -> Self {
        Self::from_micros(self.0.saturating_sub(micros_of(span)))
    }

    /// This instant, `span` later; stops at [`MAX`](Self::MAX).
    #[must_use]
    pub fn later(self, span: Duration) -> Self {
        Self::from_micros(self.0.saturating_add(micros_of(span)))
    }

    /// The first instant after this one; the last one of all is its own.
    #[must_use]
    pub const fn next(self) -> Self {
        Self::from_micros(self.0.saturating_add(1))
    }

    /// How long after `earlier` this is; zero if it is not after it.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// Which day of its month the UTC date is, 1 to 31.
    pub fn day_of_month(self) -> u8 {
        self.to_date_time().day()
    }

    /// The UTC date as `YYYYMMDD`, for file names.
    pub fn date_digits(self) -> String {
        let date = self.to_date_time().date();
        format!("{:04}{:02}{:02}", date.year(), u8::from(date.month()), date.day())
    }

    fn to_date_time(self) -> OffsetDateTime {
        // Every instant that can be held is in the library's range too.
        OffsetDateTime::from_unix_timestamp_nanos(i128::from(self.0) * 1_000)
            .unwrap_or(OffsetDateTime::UNIX_EPOCH)
            .to_offset(UtcOffset::UTC)
    }
}

/// So many days of 24 hours.
pub(crate) const fn days(count: u32) -> Duration {
    Duration::from_secs(count as u64 * 86_400)
}

/// Microseconds, at most [`i64::MAX`].
fn micros_of(span: Duration) -> i64 {
    i64::try_from(span.as_micros()).unwrap_or(i64::MAX)
}

const DAY_MICROS: i64 = 86_400_000_000;

/// The year, the month and the day, so many days after 1970-01-01, in the proleptic Gregorian calendar: Howard Hinnant's
/// `civil_from_days`, which counts years from March on, so that a leap day is the last of its year.
const fn date_of(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year + era * 400;
    (if month <= 2 { year + 1 } else { year }, month, day)
}

/// The last digits of a number that is not negative, as many as there is room for.
fn write_digits(into: &mut [u8], mut number: i64) {
    for digit in into.iter_mut().rev() {
        // A remainder of ten fits a byte.
        *digit = b'0' + u8::try_from(number % 10).unwrap_or(0);
        number /= 10;
    }
}

/// RFC 3339 in UTC, ending in `Z`.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // By hand: a file of signals has five of them in each row.
        let (days, micros) = (self.0.div_euclid(DAY_MICROS), self.0.rem_euclid(DAY_MICROS));
        let (year, month, day) = date_of(days);
        let (seconds, mut fraction) = (micros / 1_000_000, micros % 1_000_000);
        let mut text = *b"0000-00-00T00:00:00.000000Z";
        let parts = [(0, 4, year), (5, 2, month), (8, 2, day)];
        let times = [(11, 2, seconds / 3_600), (14, 2, seconds / 60 % 60), (17, 2, seconds % 60)];
        for (at, width, number) in parts.into_iter().chain(times) {
            write_digits(&mut text[at..at + width], number);
        }
        let end = if fraction == 0 {
            19
        } else {
            let mut width = 6;
            while fraction % 10 == 0 {
                (fraction, width) = (fraction / 10, width - 1);
            }
            write_digits(&mut text[20..20 + width], fraction);
            20 + width
        };
        text[end] = b'Z';
        f.write_str(std::str::from_utf8(&text[..=end]).map_err(|_| fmt::Error)?)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Self::parse_rfc3339(&text).map_err(serde::de::Error::custom)
    }
}

/// Says what time it is. A port, because windows of an hour do not fit a test.
pub trait Clock: Send + Sync {
    /// The present instant, in UTC.
    fn now(&self) -> Timestamp;
}

/// The time for what ends things for ever: expiry, deletion.
pub trait AgreedTime: Send + Sync {
    /// The present instant, in UTC, while all clocks that can be asked agree on it; `None` while they
    /// differ, or one that should answer does not. Whoever gets `None` does nothing and asks again at its
    /// next run.
    fn agreed_now(&self) -> Option<Timestamp>;
}

/// The machine's own clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        // Asked several times in each request, so without a calendar and without 128 bits.
        match SystemTime::now().duration_since(SystemTime::UNIX_EPOCH) {
            Ok(since) => Timestamp(0).later(since),
            Err(before) => Timestamp(0).earlier(before.duration()),
        }
    }
}

/// A clock that stands still until it is moved; for tests and simulations.
#[derive(Debug)]
pub struct ManualClock(std::sync::atomic::AtomicI64);

impl ManualClock {
    /// A clock that shows `start`.
    pub fn starting_at(start: Timestamp) -> Self {
        Self(std::sync::atomic::AtomicI64::new(start.0))
    }

    /// Moves the clock forward.
    pub fn advance(&self, span: Duration) {
        self.0.fetch_add(micros_of(span), std::sync::atomic::Ordering::SeqCst);
    }

    /// Sets the clock back by `span`.
    pub fn set_back(&self, span: Duration) {
        self.0.fetch_sub(micros_of(span), std::sync::atomic::Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0.load(std::sync::atomic::Ordering::SeqCst))
    }
}

/// It is the only clock where it is used.
impl AgreedTime for ManualClock {
    fn agreed_now(&self) -> Option<Timestamp> {
        Some(self.now())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_offsets_and_writes_utc() {
        let instant = Timestamp::parse_rfc3339("2025-01-15T05:30:00.123456-05:00").unwrap();
        assert_eq!(instant.to_string(), "2025-01-15T10:30:00.123456Z");
        assert_eq!(instant.date_digits(), "20250115");
    }

    proptest::proptest! {
        /// The library writes the same.
        #[test]
        fn an_instant_is_written_as_rfc_3339_says(
            micros in Timestamp::MIN.0..=Timestamp::MAX.0,
            zeros in 0_u32..8,
        ) {
            let step = 10_i64.pow(zeros);
            for micros in [micros, micros / step * step] {
                let instant = Timestamp::from_micros(micros);
                let expected = instant.to_date_time().format(&Rfc3339).unwrap();
                proptest::prop_assert_eq!(instant.to_string(), expected);
            }
        }
    }

    #[test]
    fn the_ends_of_time_are_written() {
        for instant in [Timestamp::MIN, Timestamp::MAX, Timestamp(0), Timestamp(-1)] {
            let expected = instant.to_date_time().format(&Rfc3339).unwrap();
            assert_eq!(instant.to_string(), expected);
        }
    }

    #[test]
    fn numbers_beyond_both_ends_are_the_ends() {
        let micros = |instant: Timestamp| Timestamp::from_micros(instant.micros());
        for instant in [Timestamp::MIN, Timestamp::from_seconds(0), Timestamp::MAX] {
            assert_eq!(micros(instant), instant);
        }
        for (beyond, end) in [
            (i64::MIN, Timestamp::MIN),
            (Timestamp::MIN.micros() - 1, Timestamp::MIN),
            (Timestamp::MAX.micros() + 1, Timestamp::MAX),
            (i64::MAX, Timestamp::MAX),
        ] {
            assert_eq!(Timestamp::from_micros(beyond), end, "{beyond}");
            assert!(Timestamp::try_from_micros(beyond).is_err(), "{beyond}");
        }
    }

    #[test]
    fn refuses_what_names_no_instant() {
        for text in [
            "NaT",
            "",
            "2025-01-15T10:30:00",
            "2025-02-30T10:30:00Z",
            "2025-01-15",
            "2025-01-15\u{0}10:30:00Z",
            "2025-01-15\n10:30:00Z",
            "2025-01-15_10:30:00Z",
            "2025-01-15\u{202e}10:30:00Z",
            "10000-01-01T00:00:00Z",
            "-001-01-01T00:00:00Z",
        ] {
            let refused = Err(InvalidTimestamp::Unreadable);
            assert_eq!(Timestamp::parse_rfc3339(text), refused, "{text:?}");
        }
    }

    #[test]
    fn date_and_time_are_parted_by_t_or_a_space() {
        let parted = |by: &str| Timestamp::parse_rfc3339(&format!("2025-01-15{by}10:30:00z"));
        let expected = Ok(Timestamp::from_seconds(1_736_937_000));
        assert_eq!([parted("T"), parted("t"), parted(" ")], [expected; 3]);
    }

    #[test]
    fn years_are_bounded_in_utc_and_as_written() {
        for text in [
            "0000-01-01T00:00:00+01:00",
            "0000-06-01T00:00:00Z",
            "0001-01-01T00:00:00Z",
            "0001-12-31T23:59:59Z",
            "0001-12-31T23:59:59-01:00",
            "0002-01-01T00:00:00+01:00",
            "9999-12-31T23:59:59-05:00",
        ] {
            let refused = Err(InvalidTimestamp::OutOfRange);
            assert_eq!(Timestamp::parse_rfc3339(text), refused, "{text}");
        }
        for (text, instant) in [
            ("0002-01-01T00:00:00Z", Timestamp::MIN),
            ("9999-12-31T23:59:59.999999Z", Timestamp::MAX),
        ] {
            assert_eq!(Timestamp::parse_rfc3339(text), Ok(instant));
            assert_eq!(instant.to_string(), text);
        }
    }

    #[test]
    fn what_cannot_be_written_cannot_be_held() {
        let (first, last) = (Timestamp::MIN.micros(), Timestamp::MAX.micros());
        for micros in [first - 1, last + 1, i64::MIN, i64::MAX] {
            assert_eq!(Timestamp::try_from_micros(micros), Err(InvalidTimestamp::OutOfRange));
        }
        assert_eq!(Timestamp::from_micros(i64::MIN), Timestamp::MIN);
        assert_eq!(Timestamp::from_seconds(i64::MAX), Timestamp::MAX);
        assert_eq!(Timestamp::MIN.earlier(Duration::from_micros(1)), Timestamp::MIN);
        let clock = ManualClock::starting_at(Timestamp::MAX);
        clock.advance(Duration::from_secs(1));
        assert_eq!(clock.now(), Timestamp::MAX);
    }

    #[test]
    fn a_manual_clock_moves_by_hand_and_agrees_with_itself() {
        let clock = ManualClock::starting_at(Timestamp::from_seconds(10));
        clock.advance(Duration::from_secs(5));
        assert_eq!(clock.now(), Timestamp::from_seconds(15));
        clock.set_back(Duration::from_secs(7));
        assert_eq!(clock.now(), Timestamp::from_seconds(8));
        assert_eq!(clock.agreed_now(), Some(Timestamp::from_seconds(8)));
    }

    #[test]
    fn whole_seconds_are_rounded_down() {
        for (micros, seconds) in
            [(0, 0), (999_999, 0), (1_000_000, 1), (-1, -1), (-1_000_000, -1), (-1_000_001, -2)]
        {
            assert_eq!(Timestamp::from_micros(micros).seconds(), seconds, "{micros}");
        }
    }

    #[test]
    fn spans_never_wrap() {
        let last = Timestamp::from_micros(i64::MAX);
        assert_eq!(last.later(Duration::MAX), last);
        assert_eq!(Timestamp::from_seconds(1).since(Timestamp::from_seconds(5)), Duration::ZERO);
    }
}
