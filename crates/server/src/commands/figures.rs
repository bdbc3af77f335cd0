//! `alpine verify --figures`: an answer of `performance/stats`, computed again from an export.

use std::path::Path;

use alpine_domain::{
    Timestamp,
    signal::Released,
    statistics::{
        Assumptions, Choice, ExportedRecord, PerformanceFilter, PerformanceRequest, Period, Span,
    },
};
use alpine_http::statistics_document;
use anyhow::{Context as _, Result, anyhow, bail};
use serde_json::Value;

use super::output::tell;

/// Figures that an export does not give: a page's address, and a median that is known to a part only.
const NOT_COMPARED: [&str; 1] = ["definitions"];

/// Reads a value of the answer; `None` for null.
fn read<T: std::str::FromStr>(answer: &Value, place: &str) -> Result<Option<T>> {
    match answer.pointer(place) {
        Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => {
            let value = text.parse().map_err(|_| anyhow!("{place} cannot be read: {text}"))?;
            Ok(Some(value))
        }
        _ => bail!("{place} is missing: this is no answer of performance/stats"),
    }
}

/// What the answer was asked for.
fn request(answer: &Value) -> Result<PerformanceRequest> {
    let needed = |name: &'static str| format!("/asked/{name}");
    let word = |name| anyhow!("{name} is null");
    Ok(PerformanceRequest {
        choice: Choice {
            strategy: read(answer, &needed("strategy"))?,
            producer: read(answer, &needed("producer"))?,
            symbol: read(answer, &needed("symbol"))?,
        },
        span: Span::Between(Period {
            from: read(answer, "/period/from")?,
            to: read(answer, "/period/to")?,
        }),
        late: read(answer, &needed("late"))?.ok_or_else(|| word("late"))?,
        record: read(answer, &needed("record"))?.ok_or_else(|| word("record"))?,
    })
}

/// Computes each figure of the answer in `path` again and says which differ. The export holds all signals that the
/// answer counts: all of those days, as far as its reader may see them.
pub(super) fn compare(path: &Path, record: &ExportedRecord) -> Result<()> {
    let name = || path.display().to_string();
    let text = std::fs::read_to_string(path).with_context(name)?;
    let answer: Value = serde_json::from_str(&text).with_context(name)?;
    let request = request(&answer).with_context(name)?;
    let Span::Between(period) = request.span else { bail!("a period is missing") };
    let filter = PerformanceFilter {
        choice: request.choice.clone(),
        period,
        late: request.late,
        record: request.record,
        ..PerformanceFilter::all(Released::all(Timestamp::MAX))
    };
    let told = Assumptions {
        loss_pct: answer["assumed_loss_pct"].as_f64().context("assumed_loss_pct is missing")?,
        overdue: answer["overdue"].as_u64().unwrap_or(0),
        tells_open: !answer["published"].is_null(),
    };
    let computed = statistics_document(record.statistics(&filter, told), &request)?;
    let computed = computed.as_object().context("figures are an object")?;
    let told = answer.as_object().context("the answer is an object")?;
    let mut differing = 0_u32;
    for (figure, value) in computed {
        let is_told = told.get(figure);
        if NOT_COMPARED.contains(&figure.as_str()) || is_told == Some(value) {
            continue;
        }
        differing += 1;
        let is_told = is_told.map_or_else(|| "nothing".to_owned(), Value::to_string);
        tell(&format!("{figure} says {is_told}, and the file gives {value}\n"))?;
    }
    tell(&format!(
        "{} figures, {differing} of them differ\n",
        computed.len() - NOT_COMPARED.len()
    ))?;
    if differing > 0 {
        bail!("the figures are not those of the file");
    }
    Ok(())
}
