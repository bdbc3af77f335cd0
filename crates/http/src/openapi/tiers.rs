//! What each tier may see and how often it may ask, as this instance is set.

use std::fmt::Write as _;

use alpine_domain::{
    account::{Tier, Viewer},
    signal::Catalogue,
};

use crate::limit_settings::LimitSettings;

/// A table in Markdown.
pub(crate) fn table(catalogue: &Catalogue, limits: &LimitSettings) -> String {
    let mut text = String::from(
        "| tier | signals with a confidence | how late | rows of a list | requests a minute | an hour |\n\
         |---|---|---|---|---|---|\n",
    );
    let readers = [Viewer::Anonymous]
        .into_iter()
        .chain(Tier::ALL.iter().map(|tier| Viewer::Subscriber(*tier)));
    for viewer in readers {
        let view = catalogue.view(viewer);
        let below = view.below.map_or_else(|| "all".to_owned(), |below| format!("below {below} %"));
        let delay = match view.delay.as_secs() {
            0 => "at once".to_owned(),
            seconds if seconds % 60 == 0 => format!("{} min", seconds / 60),
            seconds => format!("{seconds} s"),
        };
        let rows = view.max_rows.map_or_else(|| "as asked".to_owned(), |rows| rows.to_string());
        let limit = |count: u32| {
            if limits.enabled && count > 0 { count.to_string() } else { "no limit".to_owned() }
        };
        let row = limits.row(viewer.name());
        let (minute, hour) =
            row.map_or_else(Default::default, |row| (limit(row.per_minute), limit(row.per_hour)));
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "| {} | {below} | {delay} | {rows} | {minute} | {hour} |",
            viewer.name()
        );
    }
    text
}
