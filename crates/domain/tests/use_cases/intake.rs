//! What producers may send.

use std::time::Duration;

use alpine_domain::{
    Error,
    account::Viewer,
    error::ConflictKind,
    signal::{LineOutcome, LineResult, MAX_BATCH, NewSignal, Origin, Signal, SignalId},
};

use crate::support::{MICROSECOND, Offer, Report, START, World, now, told, waits};

const HOUR: Duration = Duration::from_hours(1);

fn found(world: &World, id: SignalId) -> Signal {
    now(world.cases.catalogue.find(Viewer::Admin, id)).unwrap()
}

#[test]
fn a_signal_is_kept_as_it_was_sent() {
    for is_simulated in [false, true] {
        let world = World::new();
        let argo = world.producer("argo", is_simulated);
        world.at(Duration::from_secs(7));
        let offer = Offer {
            target: Some("110.5"),
            stop: Some("95.0"),
            strategy: Some("momentum"),
            ..Offer::named("SIG-1")
        };
        let submitted = world.submit(&argo, &offer).unwrap();
        assert_eq!(submitted.external_id.as_str(), "SIG-1");
        let signal = found(&world, submitted.id);
        let content_hash = signal.content.computed_content_hash();
        let content = NewSignal {
            producer: argo.id,
            producer_name: argo.name.clone(),
            is_simulated,
            origin: if is_simulated { Origin::Simulated } else { Origin::Live },
            external_id: "SIG-1".parse().unwrap(),
            symbol: "AAPL".parse().unwrap(),
            action: "BUY".parse().unwrap(),
            entry_price: "100.0".parse().unwrap(),
            target_price: Some("110.5".parse().unwrap()),
            stop_price: Some("95.0".parse().unwrap()),
            confidence: "70.0".parse().unwrap(),
            strategy: Some("momentum".parse().unwrap()),
            asset_type: "stock".parse().unwrap(),
            data_source: None,
            reasoning: None,
            regime: None,
            consensus_agreement: None,
            sources_count: None,
            timestamp: START.to_string(),
            signalled_at: START,
            hash: offer.hash(),
            content_hash,
            created_at: START.later(Duration::from_secs(7)),
        };
        let id = submitted.id;
        assert_eq!(signal, Signal { id, content, outcome: None, late_outcome: None });
    }
}

/// A target on the winning side, a stop on the other; neither at the entry itself.
#[test]
fn targets_and_stops_lie_on_their_sides() {
    let target_of = |side: &str, action: &str| {
        format!("invalid input: target_price: of a {action} must lie {side} its entry_price")
    };
    let stop_of = |side: &str, action: &str| {
        format!("invalid input: stop_price: of a {action} must lie {side} its entry_price")
    };
    for (action, target, stop, refusal) in [
        ("BUY", Some("100.01"), None, None),
        ("BUY", Some("100.0"), None, Some(target_of("above", "BUY"))),
        ("BUY", Some("99.99"), None, Some(target_of("above", "BUY"))),
        ("BUY", None, Some("99.99"), None),
        ("BUY", None, Some("100.0"), Some(stop_of("below", "BUY"))),
        ("BUY", None, Some("100.01"), Some(stop_of("below", "BUY"))),
        ("SELL", Some("99.99"), None, None),
        ("SELL", Some("100.0"), None, Some(target_of("below", "SELL"))),
        ("SELL", Some("100.01"), None, Some(target_of("below", "SELL"))),
        ("SELL", None, Some("100.01"), None),
        ("SELL", None, Some("100.0"), Some(stop_of("above", "SELL"))),
        ("SELL", None, Some("99.99"), Some(stop_of("above", "SELL"))),
    ] {
        let world = World::new();
        let argo = world.producer("argo", false);
        let offer = Offer { action, target, stop, ..Offer::named("SIG-1") };
        let submitted = world.submit(&argo, &offer);
        assert_eq!(submitted.err().map(|error| error.to_string()), refusal, "{offer:?}");
    }
}

#[test]
fn a_producers_clock_may_be_an_hour_ahead() {
    let world = World::new();
    let argo = world.producer("argo", false);
    let at = |id: &str, timestamp| Offer { timestamp, ..Offer::named(id) };
    world.submit(&argo, &at("early", START.earlier(1_000 * HOUR))).unwrap();
    world.submit(&argo, &at("just", START.later(HOUR))).unwrap();
    let beyond = START.later(HOUR + MICROSECOND);
    let refusal = "invalid input: timestamp: lies more than an hour in the future";
    assert_eq!(told(world.submit(&argo, &at("beyond", beyond))), refusal);
    let report = |exited_at| Report { exited_at, ..Report::of("early", "101.0") };
    let refusal = "invalid input: exit_timestamp: lies more than an hour in the future";
    assert_eq!(told(world.report(&argo, &report(beyond))), refusal);
    assert!(world.report(&argo, &report(START.later(HOUR))).unwrap().1);
}

#[test]
fn a_hash_is_taken_in_either_case_and_proves_the_content() {
    let world = World::new();
    let argo = world.producer("argo", false);
    let offer = Offer::named("SIG-1");
    let upper = offer.hashed(&offer.hash().as_str().to_uppercase());
    let submitted = now(world.cases.intake.submit(&argo, &upper)).unwrap();
    assert_eq!(found(&world, submitted.id).content.hash, offer.hash());
    let lower = now(world.cases.intake.submit(&argo, &offer.body()));
    assert!(matches!(lower, Err(Error::Conflict(c)) if c.kind == ConflictKind::DuplicateSignal));

    let other = Offer { entry: "100.01", ..Offer::named("SIG-2") };
    let forged = other.hashed(Offer::named("SIG-2").hash().as_str());
    let refused = now(world.cases.intake.submit(&argo, &forged));
    let Err(Error::Malformed(fields)) = refused else { panic!("{refused:?}") };
    assert_eq!(fields[0].field, "sha256");
}

#[test]
fn an_id_is_taken_for_its_producer_alone() {
    let world = World::new();
    let (argo, zeus) = (world.producer("argo", false), world.producer("zeus", false));
    let offer = Offer::named("SIG-1");
    let id = world.submit(&argo, &offer).unwrap().id;
    world.at(HOUR);
    for (again, kind) in [
        (offer.clone(), ConflictKind::DuplicateSignal),
        (Offer { confidence: "71.0", ..offer.clone() }, ConflictKind::SignalConflict),
        (Offer { action: "SELL", ..offer.clone() }, ConflictKind::SignalConflict),
    ] {
        let Err(Error::Conflict(conflict)) = world.submit(&argo, &again) else { panic!() };
        assert_eq!((conflict.kind, conflict.existing_signal), (kind, Some(id)), "{again:?}");
    }
    let theirs = world.submit(&zeus, &offer).unwrap().id;
    assert_ne!(theirs, id);
    assert_eq!(found(&world, id).content.created_at, START);
}

#[test]
fn each_line_of_a_batch_is_answered_in_its_place() {
    let world = World::new();
    let argo = world.producer("argo", true);
    let known = world.submit(&argo, &Offer::named("known")).unwrap().id;
    let lines: [Vec<u8>; 7] = [
        Offer::named("new").body(),
        Vec::new(),
        Offer::named("known").body(),
        b"no JSON".to_vec(),
        Offer { entry: "101.0", ..Offer::named("known") }.body(),
        Offer { entry: "0.0", ..Offer::named("bad") }.body(),
        Offer::named("new").body(),
    ];
    let body = lines.join(&b'\n');
    let results = now(world.cases.intake.submit_batch(&argo, &body, 1_000)).unwrap();
    let LineOutcome::Stored(new) = results[0].outcome else { panic!("{results:?}") };
    let refused = |line: usize| match &results[line].outcome {
        LineOutcome::Refused(fields) => fields[0].field,
        other => panic!("{other:?}"),
    };
    assert_eq!((refused(2), refused(4)), ("body", "entry_price"));
    let line = |line: usize, id: Option<&str>, outcome: LineOutcome| LineResult {
        line,
        external_id: id.map(str::to_owned),
        outcome,
        unknown: Vec::new(),
    };
    let expected = [
        line(1, Some("new"), LineOutcome::Stored(new)),
        line(3, Some("known"), LineOutcome::Duplicate(known)),
        line(4, None, results[2].outcome.clone()),
        line(5, Some("known"), LineOutcome::Conflict(known)),
        line(6, Some("bad"), results[4].outcome.clone()),
        line(7, Some("new"), LineOutcome::Duplicate(new)),
    ];
    assert_eq!(results, expected);
    assert!(found(&world, new).content.is_simulated);
}

#[test]
fn a_batch_has_ten_thousand_lines_at_most() {
    assert_eq!(MAX_BATCH, 10_000);
    let world = World::new();
    let argo = world.producer("argo", false);
    for count in [9_999, 10_000, 10_001] {
        for body in ["x\n".repeat(count), format!("[{}x]", "x,".repeat(count - 1))] {
            let answer = now(world.cases.intake.submit_batch(&argo, body.as_bytes(), 9));
            if count <= MAX_BATCH {
                let results = answer.unwrap();
                assert_eq!((results.len(), results.last().unwrap().line), (count, count));
            } else {
                let reason = "invalid input: body: holds more than 10000 signals; \
                              send them in several batches";
                assert_eq!(told(answer), reason);
            }
        }
    }
}

/// Work on a thread that serves others gives way after every 64 lines.
#[test]
fn a_batch_gives_way_to_others() {
    let world = World::new();
    let argo = world.producer("argo", false);
    for (lines, turns) in [(63, 0), (64, 1), (127, 1), (128, 2), (10_000, 156)] {
        let body = "x\n".repeat(lines);
        let answer = world.cases.intake.submit_batch(&argo, body.as_bytes(), 9);
        let (results, waits) = waits(answer);
        assert_eq!((results.unwrap().len(), waits), (lines, turns));
    }
}

#[test]
fn a_line_has_as_many_bytes_as_a_single_signal_may_have() {
    let world = World::new();
    let argo = world.producer("argo", false);
    for (id, spare, is_stored) in [("SIG-1", 1, true), ("SIG-2", 0, true), ("SIG-3", -1, false)] {
        let body = Offer::named(id).body();
        let max = body.len().checked_add_signed(spare).unwrap();
        let results = now(world.cases.intake.submit_batch(&argo, &body, max)).unwrap();
        let stored = matches!(results[0].outcome, LineOutcome::Stored(_));
        assert_eq!((results.len(), stored), (1, is_stored), "{results:?}");
    }
}
