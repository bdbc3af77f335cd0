//! Signals as a file, streamed: rows are read from the store as fast as the client takes them.

use std::{collections::VecDeque, sync::Arc};

use actix_web::{
    HttpResponse,
    http::header::{ACCEPT, CONTENT_DISPOSITION},
};
use alpine_domain::{
    Error, Result,
    signal::{Catalogue, Export, Signal},
};
use bytes::Bytes;
use futures_util::stream;

use super::{file_format::FileFormat, parameters, views::SignalView};
use crate::{
    context::Context,
    extract::accept::accepts_media,
    problem::{self, Problem},
};

/// `GET signals/export`. The first rows are read before anything is answered, so that a store that is
/// away is a 503; one that goes away later breaks the connection off, and no file looks complete.
pub(crate) async fn export(context: Context) -> problem::Result<HttpResponse> {
    let ((format, days), _) = context.parameters(&parameters::export())?;
    check_accept(&context, format)?;
    let services = &context.state.services;
    let catalogue = Arc::clone(&services.use_cases.catalogue);
    let mut export = catalogue.export(context.viewer(), days);
    let first = catalogue.export_batch(&mut export).await?;
    let marks_simulated = catalogue.has_simulations().await?;
    let name = format!("signals_{}.{format}", services.clock.now().date_digits());
    let file = File {
        catalogue,
        export,
        format,
        marks_simulated,
        rows: 0,
        ready: VecDeque::from([Bytes::from_static(format.head(marks_simulated))]),
        next: Next::Batch(first),
    };
    Ok(HttpResponse::Ok()
        .insert_header((CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\"")))
        .content_type(format.content_type())
        .streaming(stream::try_unfold(file, File::step)))
}

fn check_accept(context: &Context, format: FileFormat) -> problem::Result<()> {
    let accept = context.request.headers().get(ACCEPT);
    if accept.is_none_or(|value| accepts_media(value.as_bytes(), format.media_type())) {
        return Ok(());
    }
    let detail = format!("format={format} answers with {}", format.media_type());
    Err(Problem::new(&problem::NOT_ACCEPTABLE, detail))
}

/// A file on its way: never more than one batch of rows in memory.
struct File {
    catalogue: Arc<Catalogue>,
    export: Export,
    format: FileFormat,
    marks_simulated: bool,
    rows: u64,
    ready: VecDeque<Bytes>,
    next: Next,
}

enum Next {
    Batch(Option<Vec<Signal>>),
    Ask,
    Nothing,
}

impl File {
    async fn step(mut self) -> Result<Option<(Bytes, Self)>, Error> {
        loop {
            while let Some(chunk) = self.ready.pop_front() {
                if !chunk.is_empty() {
                    return Ok(Some((chunk, self)));
                }
            }
            let batch = match std::mem::replace(&mut self.next, Next::Ask) {
                Next::Batch(batch) => batch,
                Next::Ask => self.catalogue.export_batch(&mut self.export).await?,
                Next::Nothing => return Ok(None),
            };
            let chunk = if let Some(signals) = batch {
                self.write(&signals)?
            } else {
                self.next = Next::Nothing;
                Bytes::from_static(self.format.tail())
            };
            self.ready.push_back(chunk);
        }
    }

    fn write(&mut self, signals: &[Signal]) -> Result<Bytes> {
        let mut out = Vec::with_capacity(signals.len() * 128);
        for signal in signals {
            match self.format {
                FileFormat::Csv => write_csv_row(&mut out, signal, self.marks_simulated),
                FileFormat::Json => {
                    if self.rows > 0 {
                        out.push(b',');
                    }
                    self.write_json(&mut out, signal)?;
                }
                FileFormat::Ndjson => {
                    self.write_json(&mut out, signal)?;
                    out.push(b'\n');
                }
            }
            self.rows += 1;
        }
        Ok(out.into())
    }

    fn write_json(&self, out: &mut Vec<u8>, signal: &Signal) -> Result<()> {
        serde_json::to_writer(out, &SignalView::new(signal, &self.catalogue))
            .map_err(Error::internal)
    }
}

fn write_csv_row(out: &mut Vec<u8>, signal: &Signal, marks_simulated: bool) {
    let content = &signal.content;
    let id = signal.id.to_string();
    // Numbers were checked to be numbers: they are written as they came.
    let cells = [
        (id.as_str(), false),
        (content.symbol.as_str(), true),
        (content.action.as_str(), false),
        (content.entry_price.as_str(), false),
        (content.confidence.as_str(), false),
        (&content.timestamp, true),
    ];
    for (position, (text, is_text)) in cells.into_iter().enumerate() {
        if position > 0 {
            out.push(b',');
        }
        if is_text {
            write_csv_text(out, text);
        } else {
            out.extend_from_slice(text.as_bytes());
        }
    }
    if marks_simulated {
        out.push(b',');
        out.extend_from_slice(content.is_simulated.to_string().as_bytes());
    }
    out.extend_from_slice(b"\r\n");
}

/// A cell of text (RFC 4180). One that a spreadsheet would take for a formula gets an apostrophe in
/// front (OWASP, CSV injection).
fn write_csv_text(out: &mut Vec<u8>, text: &str) {
    let is_formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let needs_quotes = text.contains([',', '"', '\r', '\n']);
    if needs_quotes {
        out.push(b'"');
    }
    if is_formula {
        out.push(b'\'');
    }
    for byte in text.bytes() {
        if byte == b'"' {
            out.push(b'"');
        }
        out.push(byte);
    }
    if needs_quotes {
        out.push(b'"');
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn cell(text: &str) -> String {
        let mut out = Vec::new();
        write_csv_text(&mut out, text);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn formulas_are_disarmed_and_other_text_is_not_touched() {
        assert_eq!(cell("=1+1"), "'=1+1");
        assert_eq!(cell("=cmd|'a',\"b\""), "\"'=cmd|'a',\"\"b\"\"\"");
        assert_eq!(cell("\tx"), "'\tx");
        assert_eq!(cell("BTC-USD"), "BTC-USD");
        assert_eq!(cell("2025-01-15T10:30:00+00:00"), "2025-01-15T10:30:00+00:00");
    }

    proptest! {
        /// Reading a cell back gives the text, and no cell starts like a formula.
        #[test]
        fn cells_read_back(text in any::<String>()) {
            let written = cell(&text);
            let inner = if let Some(rest) = written.strip_prefix('"') {
                rest.strip_suffix('"').unwrap().replace("\"\"", "\"")
            } else {
                let is_plain = !written.contains([',', '\r', '\n']);
                prop_assert!(is_plain);
                written
            };
            let is_formula = inner.starts_with(['=', '+', '-', '@', '\t', '\r']);
            prop_assert!(!is_formula);
            let original = match text.chars().next() {
                Some('=' | '+' | '-' | '@' | '\t' | '\r') => inner.strip_prefix('\'').unwrap(),
                _ => &inner,
            };
            prop_assert_eq!(original, text);
        }
    }
}
