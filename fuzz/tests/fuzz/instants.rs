//! What is read as an instant has the shape of RFC 3339 to the letter, and is the instant that it says.

use alpine_domain::Timestamp;

pub(crate) fn run(data: &[u8]) {
    if let Ok(number) = <[u8; 8]>::try_from(data) {
        stays_within(i64::from_le_bytes(number));
    }
    let Ok(text) = str::from_utf8(data) else { return };
    let read = Timestamp::parse_rfc3339(text).ok();
    assert_eq!(read.map(Timestamp::micros), micros(text), "{text:?}");
    let Some(instant) = read else { return };
    assert_eq!(Timestamp::parse_rfc3339(&instant.to_string()), Ok(instant));
    assert_eq!(instant.date_digits(), instant.to_string()[..10].replace('-', ""));
}

fn stays_within(micros: i64) {
    let instant = Timestamp::from_micros(micros);
    assert!((Timestamp::MIN..=Timestamp::MAX).contains(&instant));
    assert_eq!(Timestamp::parse_rfc3339(&instant.to_string()), Ok(instant));
    assert_eq!(Timestamp::try_from_micros(micros).is_ok(), instant.micros() == micros);
    let span = std::time::Duration::from_micros(micros.unsigned_abs());
    assert!(instant.earlier(span) <= instant && instant <= instant.later(span));
}

/// Microseconds since 1970 by the grammar of RFC 3339, section 5.6; `None` where it does not fit, or where
/// the year is not within 2 to 9999, as written or in UTC.
fn micros(text: &str) -> Option<i64> {
    let bytes = text.as_bytes();
    let number = |from: usize, to: usize| -> Option<i64> {
        let digits = bytes.get(from..to)?;
        digits.iter().all(u8::is_ascii_digit).then(|| text[from..to].parse().ok())?
    };
    let stands = |at: usize, any: &[u8]| bytes.get(at).is_some_and(|byte| any.contains(byte));
    let parted = [(4, &b"-"[..]), (7, b"-"), (10, b"Tt "), (13, b":"), (16, b":")];
    if !parted.iter().all(|(at, any)| stands(*at, any)) {
        return None;
    }
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    let mut at = 19;
    let mut fraction = 0;
    if stands(at, b".") {
        let digits = bytes[at + 1..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        let shown: String = text[at + 1..at + 1 + digits].chars().chain("000000".chars()).collect();
        fraction = (digits > 0).then(|| shown[..6].parse::<i64>().ok())??;
        at += 1 + digits;
    }
    let offset = if stands(at, b"Zz") {
        at += 1;
        0
    } else {
        let sign = if stands(at, b"+") { 1 } else { -1 };
        let is_offset = stands(at, b"+-") && stands(at + 3, b":");
        let (hours, minutes) =
            is_offset.then(|| Some((number(at + 1, at + 3)?, number(at + 4, at + 6)?)))??;
        at += 6;
        (hours <= 23 && minutes <= 59).then_some(sign * (hours * 60 + minutes))?
    };
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days_of = |month: i64| match month {
        2 => 28 + i64::from(is_leap),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    let is_date = (1..=12).contains(&month) && (1..=days_of(month)).contains(&day);
    // A leap second stands at the end of a month in UTC alone, and is read as the last moment before it.
    let is_leap_second = second == 60;
    let is_time = hour <= 23 && minute <= 59 && (second <= 59 || is_leap_second);
    if at != bytes.len() || !is_date || !is_time || year < 2 {
        return None;
    }
    let years = year - 1;
    let mut days = years * 365 + years / 4 - years / 100 + years / 400 - 719_162;
    days += (1..month).map(days_of).sum::<i64>() + day - 1;
    let (second, fraction) = if is_leap_second { (59, 999_999) } else { (second, fraction) };
    let seconds = ((days * 24 + hour) * 60 + minute - offset) * 60 + second;
    if is_leap_second {
        ends_a_month(seconds).then_some(())?;
    }
    let micros = seconds * 1_000_000 + fraction;
    (Timestamp::MIN.micros()..=Timestamp::MAX.micros()).contains(&micros).then_some(micros)
}

/// Whether this second is the last one of a month in UTC.
fn ends_a_month(seconds: i64) -> bool {
    let next = Timestamp::from_seconds(seconds + 1);
    // The second after the last year cannot be held.
    next == Timestamp::MAX || next.to_string().get(8..19) == Some("01T00:00:00")
}
