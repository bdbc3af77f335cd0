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

/// Members of an answer that are no figures: a page's address.
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

#[cfg(test)]
mod tests {
    use alpine_domain::{
        signal::{ExportedRow, Record},
        statistics::LateOutcomes,
    };

    use super::*;

    /// Four signals, a day between each; the last one expired and got a late outcome.
    fn record() -> ExportedRecord {
        let mut record = ExportedRecord::default();
        for (day, symbol, strategy, producer, origin, pnl) in [
            (4, "MSFT", "", "argo", "live", ""),
            (3, "AAPL", "momentum", "argo", "live", "4"),
            (2, "AAPL", "value", "argo", "backfilled", "-2"),
            (1, "TSLA", "value", "zeus", "simulated", "1"),
        ] {
            let at = format!("2026-01-0{day}T12:00:00Z");
            let is_late = pnl.is_empty();
            let columns = [
                ("symbol", symbol),
                ("strategy", strategy),
                ("producer", producer),
                ("origin", origin),
                ("action", "BUY"),
                ("entry_price", "100"),
                ("confidence", "80"),
                ("timestamp", &at),
                ("received_at", &at),
                ("outcome_hash", "told elsewhere"),
                ("pnl_pct", pnl),
                ("closed_at", &at),
                ("outcome_received_at", &at),
                ("late_pnl_pct", if is_late { "8" } else { "" }),
                ("late_closed_at", if is_late { &at } else { "" }),
                ("late_received_at", if is_late { &at } else { "" }),
            ];
            let owned = columns.map(|(name, text)| (name.to_owned(), text.to_owned()));
            record.add(&owned.into_iter().collect::<ExportedRow>()).unwrap();
        }
        record
    }

    fn all() -> PerformanceRequest {
        PerformanceRequest {
            choice: Choice::default(),
            span: Span::Between(Period::default()),
            late: LateOutcomes::Exclude,
            record: Record::All,
        }
    }

    /// What an instance that has these signals alone would say.
    fn answer(request: &PerformanceRequest) -> Value {
        let PerformanceRequest { choice, span, late, record: part } = request;
        let Span::Between(period) = *span else { panic!("{span:?}") };
        let (choice, late, record_part) = (choice.clone(), *late, *part);
        let everything = PerformanceFilter::all(Released::all(Timestamp::MAX));
        let filter = PerformanceFilter { choice, period, late, record: record_part, ..everything };
        let told = Assumptions { loss_pct: 10.0, overdue: 0, tells_open: true };
        statistics_document(record().statistics(&filter, told), request).unwrap()
    }

    fn is_confirmed(answer: &Value) -> bool {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), answer.to_string()).unwrap();
        compare(file.path(), &record()).is_ok()
    }

    /// Who leaves a figure out, or has another one there, is not confirmed.
    #[test]
    fn each_figure_has_to_be_there_and_right() {
        for late in [LateOutcomes::Exclude, LateOutcomes::Include] {
            let right = answer(&PerformanceRequest { late, ..all() });
            assert!(is_confirmed(&right));
            let members = right.as_object().unwrap();
            assert!(members.len() > 40 && members.contains_key("win_rate"), "{members:?}");
            for name in members.keys().filter(|name| !NOT_COMPARED.contains(&name.as_str())) {
                let mut other = right.clone();
                other[name] = serde_json::json!("something else");
                assert!(!is_confirmed(&other), "another {name}");
                other.as_object_mut().unwrap().remove(name);
                assert!(!is_confirmed(&other), "without {name}");
            }
        }
    }

    /// The answer says what was asked, and is compared with that: each part of it chooses other trades.
    #[test]
    fn figures_are_compared_with_those_of_what_was_asked() {
        let of = |choice| PerformanceRequest { choice, ..all() };
        let between = |from: &str, to: &str| {
            let day = |text: &str| (!text.is_empty()).then(|| text.parse().unwrap());
            let period = Period { from: day(from), to: day(to) };
            PerformanceRequest { span: Span::Between(period), ..all() }
        };
        for (request, trades) in [
            (all(), 3),
            (PerformanceRequest { late: LateOutcomes::Include, ..all() }, 4),
            (PerformanceRequest { record: Record::Live, ..all() }, 1),
            (between("2026-01-02", ""), 2),
            (between("", "2026-01-01"), 1),
            (between("2026-01-02", "2026-01-02"), 1),
            (of(Choice { symbol: Some("AAPL".parse().unwrap()), ..Choice::default() }), 2),
            (of(Choice { strategy: Some("momentum".parse().unwrap()), ..Choice::default() }), 1),
            (of(Choice { producer: Some("zeus".parse().unwrap()), ..Choice::default() }), 1),
        ] {
            let right = answer(&request);
            assert_eq!(right["total_trades"], trades, "{request:?}");
            assert!(is_confirmed(&right), "{request:?}");
        }
    }
}
