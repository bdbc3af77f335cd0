//! The signals that ended last, as an Atom feed (RFC 4287).

use std::fmt::Write as _;

use alpine_domain::{
    Timestamp,
    signal::{ExitPrice, Outcome, PnlPercent, Record, Signal},
};

use crate::xml::Escaped;

/// Who answers for the names of entries where no domain is configured.
const NOBODY: &str = "alpine.invalid";

/// Where a feed is published.
#[derive(Debug, Clone)]
pub(super) struct Place {
    /// What stands in front of paths: `https://` and the domain, or nothing.
    base: String,
    /// The authority of tag URIs (RFC 4151), which names entries for ever.
    authority: String,
}

impl Place {
    /// Under this domain, where one is configured.
    pub(super) fn of(domain: Option<&str>) -> Self {
        let host = domain.map(|domain| domain.split(':').next().unwrap_or(domain));
        Self {
            base: domain.map(|domain| format!("https://{domain}")).unwrap_or_default(),
            authority: host.unwrap_or(NOBODY).to_owned(),
        }
    }
}

/// The feed.
pub(super) fn atom(place: &Place, record: Record, signals: &[Signal]) -> String {
    let ended = || signals.iter().filter_map(|signal| Some((signal, signal.outcome.as_ref()?)));
    let newest = ended().map(|(_, outcome)| outcome.recorded_at).max();
    let Place { base, authority } = place;
    let mut feed = format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<feed xmlns=\"http://www.w3.org/2005/Atom\">\n\
         <id>tag:{authority},2025:closed/{record}</id>\n<title>Closed signals{what}</title>\n\
         <updated>{updated}</updated>\n<author><name>Alpine</name></author>\n\
         <link rel=\"self\" type=\"application/atom+xml\" href=\"{base}/api/v1/performance/closed.atom?record={record}\"/>\n",
        authority = Escaped(authority),
        base = Escaped(base),
        what = of(record),
        // An empty feed has never changed.
        updated = newest.unwrap_or_else(|| Timestamp::from_seconds(0)),
    );
    for (signal, outcome) in ended() {
        entry(&mut feed, place, signal, outcome);
    }
    feed.push_str("</feed>\n");
    feed
}

const fn of(record: Record) -> &'static str {
    match record {
        Record::Live => "",
        Record::Backfilled => ", received as history",
        Record::Simulated => ", simulated",
        Record::All => ", whatever their origin",
    }
}

fn entry(feed: &mut String, Place { base, authority }: &Place, signal: &Signal, outcome: &Outcome) {
    let content = &signal.content;
    // Writing to a string does not fail.
    let _ = writeln!(
        feed,
        "<entry><id>tag:{authority},2025:signal/{id}/end</id><title>{title}</title>\
         <updated>{at}</updated><published>{at}</published><author><name>{producer}</name></author>\
         <link rel=\"alternate\" type=\"application/json\" href=\"{base}/api/v1/signals/{id}/verification\"/>\
         <category term=\"{symbol}\"/><summary>{summary}</summary></entry>",
        id = signal.id,
        authority = Escaped(authority),
        base = Escaped(base),
        title = Escaped(title(signal, outcome)),
        at = outcome.recorded_at,
        producer = Escaped(&content.producer_name),
        symbol = Escaped(&content.symbol),
        summary = Escaped(summary(signal, outcome)),
    );
}

fn title(signal: &Signal, outcome: &Outcome) -> String {
    let (symbol, action) = (&signal.content.symbol, signal.content.action);
    let mark = match signal.origin_of(outcome).as_str() {
        "live" => String::new(),
        other => format!(" ({other})"),
    };
    // Two digits of eight; the exact ones stand in the summary.
    let percent = outcome.pnl.map(PnlPercent::as_double);
    match percent {
        Some(percent) => {
            format!("{symbol} {action} closed: {} {percent:+.2} %{mark}", outcome.status)
        }
        None => format!("{symbol} {action} expired without a result{mark}"),
    }
}

fn summary(signal: &Signal, outcome: &Outcome) -> String {
    let content = &signal.content;
    let strategy = content.strategy.as_ref().map(|name| format!(", by {name}"));
    let exit = outcome.exit_price.as_ref().map_or("none", ExitPrice::as_str);
    let exact = outcome.pnl.map(|pnl| format!(", {pnl} %"));
    format!(
        "Received {}{}; entry {}, exit {exit}{}",
        content.created_at,
        strategy.unwrap_or_default(),
        content.entry_price.as_str(),
        exact.unwrap_or_default(),
    )
}
