//! Texts and numbers as Python's `json.dumps` writes them, since producers hash that text. The fuzz target `oracle`
//! compares both with a running interpreter.

/// A string with `ensure_ascii`, Python's default: everything beyond printable ASCII as `\uXXXX`, in UTF-16.
pub(super) fn push_string(text: &mut String, value: &str) {
    text.push('"');
    let is_plain = |byte: u8| matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\');
    // Most texts have nothing to escape, and are copied at once.
    let plain = value.bytes().position(|byte| !is_plain(byte)).unwrap_or(value.len());
    let (plain, rest) = value.split_at(plain);
    text.push_str(plain);
    for c in rest.chars() {
        match c {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '\t' => text.push_str("\\t"),
            '\u{8}' => text.push_str("\\b"),
            '\u{c}' => text.push_str("\\f"),
            ' '..='~' => text.push(c),
            _ => {
                let mut units = [0; 2];
                let escapes =
                    c.encode_utf16(&mut units).iter().map(|unit| format!("\\u{unit:04x}"));
                text.extend(escapes);
            }
        }
    }
    text.push('"');
}

/// Whether Python reads this JSON number as an `int`.
pub(super) fn is_integer(literal: &str) -> bool {
    !literal.contains(['.', 'e', 'E'])
}

/// A JSON number that Python read as an `int`, written again: there is no negative zero.
pub(super) fn push_integer(text: &mut String, literal: &str) {
    text.push_str(if literal == "-0" { "0" } else { literal });
}

/// A JSON number as `float`: what `float(int)` gives for an integer, which knows no negative zero.
pub(super) fn push_as_float(text: &mut String, literal: &str) {
    match literal.parse::<f64>() {
        Ok(value) if is_integer(literal) => push_float(text, value + 0.0),
        Ok(value) => push_float(text, value),
        // No number of a checked signal comes here; the text then matches no hash.
        Err(_) => text.push_str(literal),
    }
}

/// `repr(float)` of a finite number: the shortest digits that read back as it, scientific below 1e-4 and from
/// 1e16. Where two shortest decimals are equally near, Python takes the one with the even last
/// digit, as David Gay's `dtoa` does; so does `zmij`, while `std` rounds up.
pub(super) fn push_float(text: &mut String, value: f64) {
    if value.is_sign_negative() {
        text.push('-');
    }
    if value == 0.0 {
        text.push_str("0.0");
        return;
    }
    let mut buffer = zmij::Buffer::new();
    let (digits, exponent) = decimal(buffer.format(value.abs()));
    let (first, rest) = digits.split_at(1);
    match exponent {
        -4..=-1 => {
            let zeros = usize::try_from(-exponent - 1).unwrap_or(0);
            text.push_str("0.");
            text.extend(std::iter::repeat_n('0', zeros));
            text.push_str(&digits);
        }
        0..=15 => {
            let before = usize::try_from(exponent + 1).unwrap_or(0);
            let zeros = before.saturating_sub(digits.len());
            let (whole, fraction) = digits.split_at(before.min(digits.len()));
            text.push_str(whole);
            text.extend(std::iter::repeat_n('0', zeros));
            text.push('.');
            text.push_str(if fraction.is_empty() { "0" } else { fraction });
        }
        _ => {
            text.push_str(first);
            if !rest.is_empty() {
                text.push('.');
                text.push_str(rest);
            }
            let sign = if exponent < 0 { '-' } else { '+' };
            text.extend(['e', sign]);
            if exponent.unsigned_abs() < 10 {
                text.push('0');
            }
            text.push_str(&exponent.unsigned_abs().to_string());
        }
    }
}

/// The significant digits of a number above 0 and the power of ten of the first, whatever layout the number
/// is written in.
fn decimal(written: &str) -> (String, i32) {
    let (mantissa, exponent) = written.split_once('e').unwrap_or((written, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let all = format!("{whole}{fraction}");
    let digits = all.trim_start_matches('0');
    let leading_zeros = i32::try_from(all.len() - digits.len()).unwrap_or(0);
    let point = i32::try_from(whole.len()).unwrap_or(0);
    let exponent = exponent.parse::<i32>().unwrap_or(0) + point - 1 - leading_zeros;
    (digits.trim_end_matches('0').to_owned(), exponent)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn float(value: f64) -> String {
        let mut text = String::new();
        push_float(&mut text, value);
        text
    }

    #[test]
    fn strings_escape_as_in_python() {
        let mut text = String::new();
        push_string(&mut text, "\"\\\n\r\t\u{8}\u{c} ~\u{1}\u{7f}\u{e9}\u{1f600}/");
        assert_eq!(text, r#""\"\\\n\r\t\b\f ~\u0001\u007f\u00e9\ud83d\ude00/""#);
    }

    #[test]
    fn floats_print_as_in_python() {
        for (value, text) in [
            (1e-5, "1e-05"),
            (1e16, "1e+16"),
            (1e15, "1000000000000000.0"),
            (100.0, "100.0"),
            (0.0001, "0.0001"),
            (0.00012, "0.00012"),
            (0.1, "0.1"),
            (1e-7, "1e-07"),
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (-2.5, "-2.5"),
            (123_456_789.123_456_79, "123456789.12345679"),
            (9_007_199_254_740_993.0, "9007199254740992.0"),
            (1.5e300, "1.5e+300"),
            (5e-324, "5e-324"),
            (f64::MAX, "1.7976931348623157e+308"),
            (2.225_073_858_507_201_4e-308, "2.2250738585072014e-308"),
        ] {
            assert_eq!(float(value), text);
        }
    }

    /// Doubles that lie exactly between two shortest decimals, with Python's `repr`.
    #[test]
    fn ties_take_the_even_digit() {
        let golden = include_str!("../../tests/data/float-ties.txt");
        let mut lines = 0;
        for line in golden.lines() {
            let (bits, written) = line.split_once(' ').unwrap();
            let value = f64::from_bits(u64::from_str_radix(bits, 16).unwrap());
            assert_eq!(float(value), written, "{bits}");
            lines += 1;
        }
        assert_eq!(lines, 2_000);
    }

    #[test]
    fn integers_know_no_negative_zero() {
        let mut text = String::new();
        push_integer(&mut text, "-0");
        push_as_float(&mut text, "-0");
        push_as_float(&mut text, "-0.0");
        assert_eq!(text, "00.0-0.0");
    }

    #[test]
    fn strings_are_escaped_as_in_python() {
        let mut text = String::new();
        push_string(&mut text, "naïve \"μ\" \\ \t🚀\u{7f}");
        assert_eq!(text, r#""na\u00efve \"\u03bc\" \\ \t\ud83d\ude80\u007f""#);
    }
}
