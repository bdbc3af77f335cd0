//! Takes a batch apart: newline-delimited JSON, or one array.

use crate::{Error, Result, json::without_mark};

/// Lines of one batch at most.
pub const MAX_BATCH: usize = 10_000;

/// One line of a batch: its number, from 1, and what stands in it.
pub(super) type Line<'a> = (usize, &'a [u8]);

/// The lines of a batch; blank ones count but hold nothing. Never holds more than [`MAX_BATCH`], and
/// reads no further once there are more.
pub(super) fn split(body: &[u8]) -> Result<Vec<Line<'_>>> {
    let array = without_mark(body).trim_ascii_start();
    let lines = if let Some(array) = array.strip_prefix(b"[") {
        elements(array)?
    } else {
        let lines = body.split(|byte| *byte == b'\n').zip(1..).map(|(line, number)| (number, line));
        lines.filter(|(_, line)| !line.trim_ascii().is_empty()).take(MAX_BATCH + 1).collect()
    };
    if lines.is_empty() {
        return Err(Error::malformed("body", "holds no signal"));
    }
    if lines.len() > MAX_BATCH {
        return Err(too_many());
    }
    Ok(lines)
}

fn too_many() -> Error {
    Error::invalid(
        "body",
        format!("holds more than {MAX_BATCH} signals; send them in several batches"),
    )
}

/// The elements of an array whose bracket was read, as the texts that they came as. Only brackets, commas and
/// strings are looked at, so that an element which is no JSON (`NaN`, as Python writes it) is
/// refused by itself, as a line is.
fn elements(array: &[u8]) -> Result<Vec<Line<'_>>> {
    let mut found: Vec<Line<'_>> = Vec::new();
    let (mut depth, mut start) = (0_usize, 0);
    let (mut is_string, mut is_escaped) = (false, false);
    for (position, byte) in array.iter().enumerate() {
        if is_string {
            is_string = is_escaped || *byte != b'"';
            is_escaped = !is_escaped && *byte == b'\\';
            continue;
        }
        match byte {
            b'"' => is_string = true,
            b'[' | b'{' => depth += 1,
            b']' | b'}' if depth > 0 => depth -= 1,
            b',' | b']' if depth == 0 => {
                let element = array[start..position].trim_ascii();
                let is_end = *byte == b']';
                if !(is_end && found.is_empty() && element.is_empty()) {
                    found.push((found.len() + 1, element));
                }
                if is_end {
                    let rest = &array[position + 1..];
                    return if rest.trim_ascii().is_empty() { Ok(found) } else { Err(no_array()) };
                }
                if found.len() > MAX_BATCH {
                    return Ok(found);
                }
                start = position + 1;
            }
            _ => {}
        }
    }
    Err(no_array())
}

fn no_array() -> Error {
    Error::malformed("body", "is not a JSON array: it must end with one ] and nothing behind it")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_lines_or_an_array() {
        assert_eq!(split(b"{}\n\n{}\r\n").unwrap().len(), 2);
        assert_eq!(split(b"{}\n\n{}\n").unwrap()[1].0, 3);
        assert_eq!(split(b" [{}, {}]").unwrap().len(), 2);
        assert_eq!(split(b"\xef\xbb\xbf[{}]").unwrap(), [(1, &b"{}"[..])]);
        assert!(matches!(split(b"[]"), Err(Error::Malformed(_))));
        assert!(matches!(split(b"[{}"), Err(Error::Malformed(_))));
        assert!(matches!(split(b"[{}] x"), Err(Error::Malformed(_))));
        assert!(matches!(split(b" \n "), Err(Error::Malformed(_))));
    }

    #[test]
    fn an_element_that_is_no_json_spoils_only_itself() {
        let body = br#"[{"a": "],[\"\\"}, {"stop": NaN}, [{"b": [1, 2]}], , -Infinity]"#;
        let lines = split(body).unwrap();
        let texts: Vec<_> = lines.iter().map(|(_, text)| str::from_utf8(text).unwrap()).collect();
        let first = r#"{"a": "],[\"\\"}"#;
        assert_eq!(texts, [first, r#"{"stop": NaN}"#, r#"[{"b": [1, 2]}]"#, "", "-Infinity"]);
        let numbers: Vec<_> = lines.iter().map(|(number, _)| *number).collect();
        assert_eq!(numbers, [1, 2, 3, 4, 5]);
    }

    #[test]
    fn a_line_that_is_not_utf_8_spoils_only_itself() {
        assert_eq!(split(b"{}\n\xff\xfe\n{}").unwrap().len(), 3);
        assert_eq!(split(b"[{}, \"\xff\", {}]").unwrap().len(), 3);
    }

    #[test]
    fn reading_stops_when_there_are_too_many() {
        for many in ["x\n".repeat(MAX_BATCH + 5), format!("[{}", "1,".repeat(MAX_BATCH + 5))] {
            assert!(matches!(split(many.as_bytes()), Err(Error::Invalid(_))));
        }
    }
}
