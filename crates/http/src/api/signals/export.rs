//! Signals as a file, streamed: rows are read from the store as fast as the client takes them, one batch ahead. While one
//! batch is written on a thread for such work, the next one is read; who does not read on has both in memory, and nothing
//! of the database.

use std::{collections::VecDeque, rc::Rc, sync::Arc, time::Duration};

use actix_web::{
    HttpResponse,
    http::header::{ACCEPT, CONTENT_DISPOSITION},
    rt::{spawn, task::JoinHandle, time::sleep},
    web,
};
use alpine_domain::{
    Error, Result,
    signal::{Catalogue, Export, ExportRequest, Signal},
};
use bytes::Bytes;
use futures_util::stream;

use super::{exported::ExportedView, file_format::FileFormat, parameters};
use crate::{
    concurrency::{ConcurrencyPermit, Holder},
    context::Context,
    extract::accept::accepts_media,
    metrics::OpenExport,
    problem::{self, Problem},
    request_info::RequestInfo,
    state::AppState,
};

/// When a caller who has as many exports as allowed may try again: nobody knows how long theirs take.
const TRY_AGAIN: Duration = Duration::from_secs(10);

/// Bytes that are handed to a connection at once: what it takes in one go, and keeps until its client reads them.
const PIECE: usize = 64 << 10;

/// How long the end of a broken file has to reach the client before the connection is broken off.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// `GET signals/export`. The first rows are read before anything is answered, so that a store that is
/// away is a 503; for one that goes away later see [`File::break_off`].
pub(crate) async fn export(context: Context) -> problem::Result<HttpResponse> {
    let (values, _) = context.parameters(&parameters::export())?;
    let (format, days, since, until, updated_after, record, after) = values;
    check_accept(&context, format)?;
    let permit = export_permit(&context)?;
    let services = &context.state.services;
    let catalogue = Arc::clone(&services.use_cases.catalogue);
    let request = ExportRequest { days, since, until, updated_after, record, after };
    let mut export = catalogue.export(context.viewer(), request).await?;
    let first = catalogue.export_batch(&mut export).await?;
    let next = first.map_or(Next::Nothing, |signals| Next::Batch(signals, export));
    let name = format!("signals_{}.{format}", services.clock.now().date_digits());
    let file = File {
        catalogue,
        format,
        rows: 0,
        ready: VecDeque::from([format.head().into()]),
        next,
        request: Request {
            state: Rc::clone(&context.state),
            info: Rc::clone(&context.info),
            path: context.request.path().to_owned(),
        },
        _permit: permit,
        _open: context.state.metrics.open_export(),
    };
    Ok(HttpResponse::Ok()
        .insert_header((CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\"")))
        .content_type(format.content_type())
        .streaming(stream::try_unfold(file, File::step)))
}

fn export_permit(context: &Context) -> problem::Result<ConcurrencyPermit<Holder>> {
    let exports = &context.state.exports;
    exports.take(Holder::of(&context.caller, context.address)).ok_or_else(|| {
        let most = exports.at_most();
        let detail = format!(
            "{most} exports at once are as many as one account may have; end one, or see Retry-After"
        );
        Problem::too_many_at_once(detail, TRY_AGAIN)
    })
}

fn check_accept(context: &Context, format: FileFormat) -> problem::Result<()> {
    let accept = context.request.headers().get(ACCEPT);
    if accept.is_none_or(|value| accepts_media(value.as_bytes(), format.media_type())) {
        return Ok(());
    }
    let detail = format!("format={format} answers with {}", format.media_type());
    Err(Problem::new(&problem::NOT_ACCEPTABLE, detail))
}

/// A file on its way: never more than two batches of rows in memory.
struct File {
    catalogue: Arc<Catalogue>,
    format: FileFormat,
    rows: u64,
    ready: VecDeque<Bytes>,
    next: Next,
    request: Request,
    /// Given back when the file ends or its client goes away: both drop this.
    _permit: ConcurrencyPermit<Holder>,
    _open: OpenExport,
}

/// What the end of a broken file tells of.
struct Request {
    state: Rc<web::Data<AppState>>,
    info: Rc<RequestInfo>,
    path: String,
}

enum Next {
    /// Rows that were read, and the export that goes on behind them.
    Batch(Vec<Signal>, Export),
    /// Rows that are being read.
    Reading(Reading),
    /// Every row was written.
    Nothing,
    /// All that stands behind the rows was written as well.
    End,
    /// The file's last words were said.
    Broken(Error),
}

/// A batch that is read while the one before is written; given up when its file is.
struct Reading(JoinHandle<Result<Option<Batch>>>);

/// Rows, and where the file goes on behind them.
type Batch = (Vec<Signal>, Export);

impl Reading {
    fn begin(catalogue: &Arc<Catalogue>, mut export: Export) -> Self {
        let catalogue = Arc::clone(catalogue);
        Self(spawn(async move {
            let batch = catalogue.export_batch(&mut export).await?;
            Ok(batch.map(|signals| (signals, export)))
        }))
    }

    async fn end(mut self) -> Result<Option<(Vec<Signal>, Export)>> {
        (&mut self.0).await.map_err(Error::internal)?
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl File {
    async fn step(mut self) -> Result<Option<(Bytes, Self)>, Error> {
        if let Next::Broken(_) = self.next {
            sleep(LAST_WORDS).await;
        }
        let chunk = match std::mem::replace(&mut self.next, Next::End) {
            Next::Broken(error) => return Err(error),
            next => match self.advance(next).await {
                Ok(chunk) => chunk,
                Err(error) => Some(self.break_off(error)),
            },
        };
        Ok(chunk.map(|chunk| (chunk, self)))
    }

    /// The next bytes that are not none, or the end.
    async fn advance(&mut self, mut next: Next) -> Result<Option<Bytes>> {
        loop {
            while let Some(chunk) = self.ready.pop_front() {
                if !chunk.is_empty() {
                    self.next = next;
                    return Ok(Some(chunk));
                }
            }
            next = match next {
                Next::Batch(signals, export) => {
                    let reading = Reading::begin(&self.catalogue, export);
                    self.write(signals).await?;
                    Next::Reading(reading)
                }
                Next::Reading(reading) => match reading.end().await? {
                    Some((signals, export)) => Next::Batch(signals, export),
                    None => Next::Nothing,
                },
                Next::Nothing => {
                    self.ready.push_back(Bytes::from_static(self.format.tail()));
                    Next::End
                }
                Next::End => return Ok(None),
                Next::Broken(error) => return Err(error),
            };
        }
    }

    /// A file that cannot go on says so in its last line, is counted and logged, and then breaks the
    /// transfer off: its chunks have no end, and its gzip neither. The last line matters where that is lost,
    /// behind a proxy that speaks HTTP/1.0 for example.
    fn break_off(&mut self, error: Error) -> Bytes {
        let (problem, request) = (Problem::from(error), &self.request);
        request.state.metrics.broken_exports.inc();
        tracing::warn!(
            request_id = request.info.request_id(),
            cause = problem.causes(),
            problem = problem.slug(),
            rows = self.rows,
            "an export broke off"
        );
        let document = problem.document(&request.path, request.info.request_id());
        self.next = Next::Broken(Error::internal("the export broke off"));
        self.format.broken_tail(self.rows, &document).into()
    }

    /// Writes rows on a thread where nobody waits for something else, and keeps them in pieces.
    async fn write(&mut self, signals: Vec<Signal>) -> Result<()> {
        let (format, catalogue, before) = (self.format, Arc::clone(&self.catalogue), self.rows);
        self.rows += signals.len() as u64;
        let written = web::block(move || written(format, &catalogue, &signals, before > 0));
        let mut rest = written.await.map_err(Error::internal)??;
        while rest.len() > PIECE {
            self.ready.push_back(rest.split_to(PIECE));
        }
        self.ready.push_back(rest);
        Ok(())
    }
}

/// The rows in this form; `are_more`: others stand in front of them.
fn written(
    format: FileFormat,
    catalogue: &Catalogue,
    signals: &[Signal],
    are_more: bool,
) -> Result<Bytes> {
    let mut out = Vec::with_capacity(signals.len() * 1_024);
    for (position, signal) in signals.iter().enumerate() {
        let row = ExportedView::new(signal, catalogue);
        match format {
            FileFormat::Csv => row.write_csv(&mut out),
            FileFormat::Json => {
                if are_more || position > 0 {
                    out.push(b',');
                }
                row.write_json(&mut out)?;
            }
            FileFormat::Ndjson => {
                row.write_json(&mut out)?;
                out.push(b'\n');
            }
        }
    }
    Ok(out.into())
}
