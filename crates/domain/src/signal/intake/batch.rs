//! Takes a batch apart: newline-delimited JSON, or one array.

use serde::de::{DeserializeSeed, Deserializer, Error as _, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::{Error, Result};

/// Lines of one batch at most.
pub const MAX_BATCH: usize = 10_000;

/// One line of a batch: its number, from 1, and what stands in it.
pub(super) type Line<'a> = (usize, &'a [u8]);

/// The lines of a batch; blank ones count but hold nothing. Never holds more than [`MAX_BATCH`], and
/// reads no further once there are more.
pub(super) fn split(body: &[u8]) -> Result<Vec<Line<'_>>> {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    let lines = if body.trim_ascii_start().starts_with(b"[") {
        elements(body)?
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

fn elements(body: &[u8]) -> Result<Vec<Line<'_>>> {
    let mut found = Vec::new();
    let mut parser = serde_json::Deserializer::from_slice(body);
    let read = Elements(&mut found).deserialize(&mut parser).and_then(|()| parser.end());
    match read {
        Ok(()) => Ok(found),
        Err(_) if found.len() > MAX_BATCH => Err(too_many()),
        Err(error) => {
            let (line, column) = (error.line(), error.column());
            let reason = format!("is not a JSON array in UTF-8: line {line}, column {column}");
            Err(Error::malformed("body", reason))
        }
    }
}

/// Collects the elements of an array as the texts that they came as, until there are too many.
struct Elements<'f, 'a>(&'f mut Vec<Line<'a>>);

impl<'a> DeserializeSeed<'a> for Elements<'_, 'a> {
    type Value = ();

    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'a> Visitor<'a> for Elements<'_, 'a> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'a>>(self, mut array: A) -> Result<(), A::Error> {
        while let Some(element) = array.next_element::<&'a RawValue>()? {
            self.0.push((self.0.len() + 1, element.get().as_bytes()));
            if self.0.len() > MAX_BATCH {
                return Err(A::Error::custom("too many"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_lines_or_an_array() {
        assert_eq!(split(b"{}\n\n{}\r\n").unwrap().len(), 2);
        assert_eq!(split(b"{}\n\n{}\n").unwrap()[1].0, 3);
        assert_eq!(split(b" [{}, {}]").unwrap().len(), 2);
        assert_eq!(split(b"\xef\xbb\xbf{}").unwrap(), [(1, &b"{}"[..])]);
        assert!(matches!(split(b"[{}"), Err(Error::Malformed(_))));
        assert!(matches!(split(b"[{}] x"), Err(Error::Malformed(_))));
        assert!(matches!(split(b" \n "), Err(Error::Malformed(_))));
    }

    #[test]
    fn a_line_that_is_not_utf_8_spoils_only_itself() {
        assert_eq!(split(b"{}\n\xff\xfe\n{}").unwrap().len(), 3);
        assert!(matches!(split(b"[\"\xff\"]"), Err(Error::Malformed(_))));
    }

    #[test]
    fn reading_stops_when_there_are_too_many() {
        for many in ["x\n".repeat(MAX_BATCH + 5), format!("[{}", "1,".repeat(MAX_BATCH + 5))] {
            assert!(matches!(split(many.as_bytes()), Err(Error::Invalid(_))));
        }
    }
}
