//! Who sees what, and when: by the tiers of `config/default.toml`.

use std::time::Duration;

use alpine_domain::{
    account::{Tier, Viewer},
    page::Slice,
    signal::{ExportRequest, HistoryRequest, ListRequest, Record, SignalStatus},
};

use crate::support::{MICROSECOND, Offer, Report, START, World, now, told};

const DELAY: Duration = Duration::from_mins(15);
const SECOND: Duration = Duration::from_secs(1);

/// Each viewer with the delay and with how many of the signals below they may ever see.
const VIEWERS: [(Viewer, Duration, usize); 6] = [
    (Viewer::Anonymous, DELAY, 1),
    (Viewer::Subscriber(Tier::Free), DELAY, 1),
    (Viewer::Subscriber(Tier::Starter), Duration::ZERO, 1),
    (Viewer::Subscriber(Tier::Pro), Duration::ZERO, 3),
    (Viewer::Subscriber(Tier::Elite), Duration::ZERO, 5),
    (Viewer::Admin, Duration::ZERO, 5),
];
const CONFIDENCES: [&str; 5] = ["84.99", "85.0", "94.99", "95.0", "100.0"];

fn history() -> HistoryRequest {
    HistoryRequest { limit: 50, days: 30, symbol: None, status: None, record: Record::All }
}

fn names(signals: &[alpine_domain::signal::Signal]) -> Vec<&str> {
    signals.iter().map(|signal| signal.content.external_id.as_str()).collect()
}

/// By every way that leads to a signal, one step before the delay is over and when it is.
#[test]
fn each_way_shows_a_signal_to_the_same_viewers_and_at_the_same_instant() {
    for (viewer, delay, count) in VIEWERS {
        let world = World::new();
        let argo = world.producer("argo", false);
        let ids = CONFIDENCES.map(|confidence| {
            let offer = Offer { confidence, ..Offer::named(confidence) };
            world.submit(&argo, &offer).unwrap().id
        });
        let mut expected = CONFIDENCES[..count].to_vec();
        expected.reverse();
        let steps = match delay {
            Duration::ZERO => vec![(Duration::ZERO, true)],
            delay => vec![(delay - MICROSECOND, false), (delay, true), (delay + SECOND, true)],
        };
        for (span, is_shown) in steps {
            world.at(span);
            let expected = if is_shown { expected.clone() } else { Vec::new() };
            let case = format!("{viewer:?} after {span:?}");
            let catalogue = &world.cases.catalogue;
            let latest = now(catalogue.latest(viewer, &ListRequest::newest(50))).unwrap();
            assert_eq!(names(&latest.signals), expected, "{case}");
            let (page, _) = now(catalogue.subscribed(viewer, &ListRequest::newest(50))).unwrap();
            assert_eq!(
                (names(&page.items), page.total as usize),
                (expected.clone(), expected.len())
            );
            let past = now(catalogue.history(viewer, &history())).unwrap();
            assert_eq!(names(&past.signals), expected, "{case}");
            let mut export = now(catalogue.export(viewer, ExportRequest::default())).unwrap();
            let exported = now(catalogue.export_batch(&mut export)).unwrap().unwrap_or_default();
            assert_eq!(names(&exported), expected, "{case}");
            for (id, name) in ids.iter().zip(CONFIDENCES) {
                let found = now(catalogue.find(viewer, *id));
                if expected.contains(&name) {
                    assert_eq!(found.unwrap().content.external_id.as_str(), name, "{case}");
                } else {
                    assert_eq!(told(found), "signal not found", "{case} {name}");
                }
            }
            let next = match (delay, is_shown) {
                (Duration::ZERO, _) => None,
                (_, false) => Some(START.later(DELAY)),
                // Nothing is on its way: what comes now is shown a delay later.
                (_, true) => Some(START.later(span + DELAY)),
            };
            assert_eq!([latest.expires_at, past.expires_at], [next; 2], "{case}");
        }
    }
}

/// A reader who is late learns of an end as late as of a beginning.
#[test]
fn an_end_is_shown_a_delay_after_it_was_recorded() {
    for (viewer, delay, _) in VIEWERS {
        let world = World::new();
        let argo = world.producer("argo", false);
        let id = world.submit(&argo, &Offer::named("SIG-1")).unwrap().id;
        let closed = Duration::from_hours(1);
        world.at(closed);
        world.report(&argo, &Report::of("SIG-1", "101.0")).unwrap();
        let steps = match delay {
            Duration::ZERO => vec![(closed, true)],
            delay => vec![(closed + delay - MICROSECOND, false), (closed + delay, true)],
        };
        for (span, is_closed) in steps {
            world.at(span);
            let case = format!("{viewer:?} after {span:?}");
            let catalogue = &world.cases.catalogue;
            let open = now(catalogue.latest(viewer, &ListRequest::newest(50))).unwrap();
            assert_eq!(open.signals.len(), usize::from(!is_closed), "{case}");
            let expected = if is_closed { SignalStatus::Closed } else { SignalStatus::Open };
            let past = now(catalogue.history(viewer, &history())).unwrap().signals;
            let found = now(catalogue.find(viewer, id)).unwrap();
            assert_eq!((past.len(), past[0].status()), (1, expected), "{case}");
            assert_eq!((found.status(), found.outcome.is_some()), (expected, is_closed), "{case}");
            if !is_closed {
                assert_eq!(open.expires_at, Some(START.later(closed + delay)), "{case}");
            }
        }
    }
}

#[test]
fn lists_end_where_the_tier_does() {
    for (viewer, delay, _) in VIEWERS {
        let world = World::new();
        let argo = world.producer("argo", false);
        for n in 0..12 {
            world.submit(&argo, &Offer::named(&format!("SIG-{n:02}"))).unwrap();
        }
        world.at(DELAY);
        let catalogue = &world.cases.catalogue;
        let rows = if delay.is_zero() { 12 } else { 10 };
        let newest: Vec<String> = (12 - rows..12).rev().map(|n| format!("SIG-{n:02}")).collect();
        for (limit, shown) in [(9, 9), (10, 10), (11, rows.min(11)), (50, rows)] {
            let latest = now(catalogue.latest(viewer, &ListRequest::newest(limit))).unwrap();
            assert_eq!(names(&latest.signals), newest[..shown], "{viewer:?} {limit}");
            let request = HistoryRequest { limit, ..history() };
            let past = now(catalogue.history(viewer, &request)).unwrap();
            assert_eq!(names(&past.signals), newest[..shown], "{viewer:?} {limit}");
        }
        let mut export = now(catalogue.export(viewer, ExportRequest::default())).unwrap();
        let exported = now(catalogue.export_batch(&mut export)).unwrap().unwrap();
        assert_eq!(names(&exported), newest, "{viewer:?}");
        assert_eq!(now(catalogue.export_batch(&mut export)).unwrap(), None);
        // No page leads past it, by a cursor or by an offset.
        let page = |offset, after| {
            let slice = Slice { limit: 4, offset, after };
            let request = ListRequest { slice, ..ListRequest::newest(4) };
            now(catalogue.subscribed(viewer, &request)).unwrap().0
        };
        let (mut by_cursor, mut by_offset, mut after) = (Vec::new(), Vec::new(), None);
        for number in 0..4 {
            if number == 0 || after.is_some() {
                let part = page(0, after);
                let found = (part.total as usize, part.total_capped, part.limit);
                assert_eq!(found, (rows, false, 4), "{viewer:?}");
                by_cursor.extend(names(&part.items).into_iter().map(str::to_owned));
                after = part.next;
            }
            by_offset.extend(names(&page(number * 4, None).items).into_iter().map(str::to_owned));
        }
        assert_eq!((&by_cursor, &by_offset), (&newest, &newest), "{viewer:?}");
        assert_eq!(after, None, "{viewer:?}");
    }
}
