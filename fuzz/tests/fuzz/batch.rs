//! The lines of a batch are told apart, bounded, and each is answered as if it had come alone.

use alpine_domain::signal::{LineOutcome, LineResult, MAX_BATCH};

use crate::producer::{fields_of, form, intake, now_or_next, producer, signed};

/// Bytes of a line at most.
const MAX_LINE: usize = 1_024;
/// Lines that are sent again alone.
const ALONE: usize = 16;

pub(crate) fn run(body: &[u8]) {
    submit(body);
    let lines: Vec<Vec<u8>> = body
        .split(|byte| *byte == b'\n')
        .enumerate()
        .map(|(number, line)| signed(line, form(number)).unwrap_or_else(|| line.to_vec()))
        .collect();
    submit(&lines.join(&b'\n'));
}

fn send(body: &[u8]) -> Option<(Vec<LineResult>, usize)> {
    let (intake, kept) = intake();
    match now_or_next(intake.submit_batch(&producer(), body, MAX_LINE)) {
        Ok(results) => Some((results, kept.take().len())),
        Err(error) => {
            assert_eq!(fields_of(&error), ["body"]);
            None
        }
    }
}

fn submit(body: &[u8]) {
    let Some((results, stored)) = send(body) else { return };
    assert!((1..=MAX_BATCH).contains(&results.len()));
    assert!(results.windows(2).all(|pair| pair[0].line < pair[1].line));
    let is_stored = |result: &&LineResult| matches!(result.outcome, LineOutcome::Stored(_));
    assert_eq!(results.iter().filter(is_stored).count(), stored);
    for result in &results {
        let id = result.external_id.as_deref().unwrap_or_default();
        assert!(id.chars().count() <= 255);
        if let LineOutcome::Refused(errors) = &result.outcome {
            assert!(!errors.is_empty(), "line {} is refused without a reason", result.line);
        }
    }
    if body.trim_ascii_start().starts_with(b"[") || body.starts_with(b"\xef\xbb\xbf") {
        return;
    }
    let lines: Vec<&[u8]> = body.split(|byte| *byte == b'\n').collect();
    let filled = lines.iter().filter(|line| !line.trim_ascii().is_empty()).count();
    assert_eq!(results.len(), filled);
    for result in results.into_iter().take(ALONE) {
        let line = lines[result.line - 1];
        // Alone, it would be taken for an array.
        if line.trim_ascii_start().starts_with(b"[") || line.starts_with(b"\xef\xbb\xbf") {
            continue;
        }
        let (alone, _) = send(line).expect("a line is a batch");
        assert_eq!(alone, [LineResult { line: 1, ..result }]);
    }
}
