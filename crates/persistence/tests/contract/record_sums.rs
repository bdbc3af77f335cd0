//! The sums of the record: sealed or not, told early or late, they say what everything counted anew says.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use alpine_domain::{
    AgreedTime, Clock, Timestamp,
    account::{Tier, Viewer},
    producer::Producer,
    signal::{NewOutcome, NewSignal, Record, VisibilityPolicy},
    statistics::{
        Choice, Horizons, LateOutcomes, Performance, PerformanceRequest, Period, RecordSettings,
        Recount, Span, SumUpkeep,
    },
    time::ManualClock,
};

use crate::support::{Bed, DatabaseBed, at, on_every, outcome, signal};

on_every!(
    a_close_that_is_not_told_yet_changes_no_figure,
    a_young_strategy_is_told_by_day_however_old_the_others_are;
    databases:
    who_says_what_time_it_is_waits_for_no_agreement,
    figures_are_those_of_a_full_count_whenever_it_is_sealed,
    what_runs_at_once_adds_up,
    a_wrong_sum_is_found_and_corrected,
);

/// A small generator of numbers (SplitMix64): a seed gives the same run on every machine.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: i64) -> i64 {
        i64::try_from(self.next() % bound.unsigned_abs()).unwrap()
    }

    fn one_of<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        &choices[usize::try_from(self.below(i64::try_from(choices.len()).unwrap())).unwrap()]
    }
}

const HORIZON: Duration = Duration::from_hours(50);
const HOUR: i64 = 3_600;

fn horizons() -> Horizons {
    Horizons { default: HORIZON, ..Horizons::default() }
}

/// A signal of one of a few instruments, strategies and confidences.
fn random_signal(numbers: &mut Numbers, producers: &[Producer; 2], id: u32, now: i64) -> NewSignal {
    let producer = if numbers.below(6) == 0 { &producers[1] } else { &producers[0] };
    let mut new = signal(producer, &format!("S{id}"), now);
    new.symbol = numbers.one_of(&["AAPL", "MSFT", "NVDA"]).parse().unwrap();
    new.strategy =
        numbers.one_of(&[None, Some("momentum"), Some("value")]).map(|name| name.parse().unwrap());
    new.confidence = numbers.one_of(&["60", "86", "97"]).parse().unwrap();
    new.stop_price =
        numbers.one_of(&[None, Some("95"), Some("104")]).map(|stop| stop.parse().unwrap());
    // Some arrive as history.
    new.signalled_at = at(now - if numbers.below(5) == 0 { 30 * HOUR } else { 60 });
    new.origin = alpine_domain::signal::Origin::of_signal(
        producer.is_simulated,
        new.signalled_at,
        new.created_at,
        Duration::from_hours(24),
    );
    new
}

/// The same things happen to both; `seal` says whether anything is sealed.
async fn happen(
    beds: [&Bed; 2],
    numbers: &mut Numbers,
    begin: i64,
    steps: i64,
    first_id: u32,
) -> i64 {
    let mut producers = Vec::new();
    for bed in beds {
        let name = "zeus".parse().unwrap();
        let zeus = bed.producers.ensure(&name, "key of zeus", true, at(0)).await.unwrap();
        producers.push([bed.producer().await, zeus]);
    }
    let (mut now, mut known) = (begin, Vec::new());
    for id in (first_id..).take(usize::try_from(steps).unwrap()) {
        now += numbers.below(9 * HOUR);
        match numbers.below(10) {
            0..=4 => {
                let new = random_signal(numbers, &producers[0], id, now);
                for bed in beds {
                    bed.store(vec![new.clone()]).await;
                }
                known.push(new);
            }
            5..=7 if !known.is_empty() => {
                let of = numbers.one_of(&known).clone();
                let price = (95 + numbers.below(12)).to_string();
                // Some were received long before they are committed, some positions ended before that.
                let late = if numbers.below(4) == 0 { 20 * HOUR } else { 0 };
                let recorded_at = at(now - late).max(of.created_at);
                let ended = numbers.below(3) * HOUR;
                let closed = of.created_at.seconds() - at(0).seconds() - HOUR + ended;
                let report = NewOutcome { recorded_at, ..outcome(&of, &price, closed) };
                for bed in beds {
                    // One that has an outcome stays as it is; both say the same.
                    let _ = bed.signals.record_outcome(report.clone()).await;
                }
            }
            8 => {
                for bed in beds {
                    bed.signals.expire(at(now), HORIZON, &[], 3).await.unwrap();
                }
            }
            _ => {
                let until = at(now - numbers.below(30 * HOUR));
                let limit = u32::try_from(1 + numbers.below(5)).unwrap();
                for bed in beds {
                    bed.sums.seal(until, limit).await.unwrap();
                }
            }
        }
    }
    now
}

fn performance(bed: &Bed, now: Timestamp) -> Performance {
    let clock: Arc<dyn Clock> = Arc::new(ManualClock::starting_at(now));
    let (policy, settings) = (VisibilityPolicy::default(), RecordSettings::default());
    Performance::new(bed.signals.clone(), clock, policy, horizons(), settings)
}

/// Every reader, part and choice; some periods.
fn requests(now: i64) -> Vec<(Viewer, PerformanceRequest)> {
    let mut requests = Vec::new();
    let starter = Viewer::Subscriber(Tier::Starter);
    let choices = [
        Choice::default(),
        Choice { symbol: Some("AAPL".parse().unwrap()), ..Choice::default() },
        Choice { strategy: Some("value".parse().unwrap()), ..Choice::default() },
        Choice { producer: Some("argo".parse().unwrap()), ..Choice::default() },
    ];
    let today = alpine_domain::analytics::Day::of(at(now));
    let spans = [
        Span::Between(Period::default()),
        Span::Last(3),
        Span::Between(Period { from: Some(today.earlier(40)), to: Some(today.earlier(2)) }),
    ];
    for viewer in [Viewer::Anonymous, starter, Viewer::Admin] {
        for choice in &choices {
            for (record, late) in Record::ALL.iter().zip(LateOutcomes::ALL.iter().cycle()) {
                for span in spans {
                    let (choice, record, late) = (choice.clone(), *record, *late);
                    requests.push((viewer, PerformanceRequest { choice, span, late, record }));
                }
            }
        }
    }
    requests
}

/// Every `nth` question gets the same answer from both.
async fn agree(one: &Bed, other: &Bed, now: i64, (seed, nth): (u64, usize)) {
    let (one, other) = (performance(one, at(now)), performance(other, at(now)));
    let first = usize::try_from(seed).unwrap() % nth;
    for (viewer, request) in requests(now).into_iter().skip(first).step_by(nth) {
        let case = format!("seed {seed}, {viewer:?} {request:?}");
        let found = one.statistics(viewer, &request).await.unwrap();
        assert_eq!(found, other.statistics(viewer, &request).await.unwrap(), "{case}");
        for points in [500, 10] {
            let found = one.equity_curve(viewer, &request, points).await.unwrap();
            let expected = other.equity_curve(viewer, &request, points).await.unwrap();
            assert_eq!(found.answer.points, expected.answer.points, "{case}");
        }
        let found = one.symbols(viewer, request.record).await.unwrap();
        assert_eq!(found, other.symbols(viewer, request.record).await.unwrap(), "{case}");
    }
}

async fn recount_finds_nothing(bed: &Bed, now: i64) {
    while !bed.sums.seal(at(now), 1_000).await.unwrap().is_done {}
    let clock = Arc::new(ManualClock::starting_at(at(now)));
    let upkeep = SumUpkeep::new(bed.sums.clone(), clock, Duration::ZERO);
    let (count, differences) = upkeep.recount(false, |_, _| {}).await.unwrap();
    assert_eq!(count, 0, "{differences:#?}");
}

/// Signals are published, closed, expired, closed late, committed long after they were received, and sealed in
/// between at any instant: whatever is sealed, each reader is told what a store without sums counts.
async fn figures_are_those_of_a_full_count_whenever_it_is_sealed(bed: Bed) {
    const SEEDS: u64 = 50;
    let plain = Bed::memory();
    let mut now = 0;
    for seed in 1..=SEEDS {
        let first_id = u32::try_from(seed * 100).unwrap();
        now = happen([&bed, &plain], &mut Numbers(seed), now, 24, first_id).await;
        if seed % 10 == 0 {
            // What was committed late is added with the next step.
            bed.sums.seal(at(0), 1).await.unwrap();
            agree(&bed, &plain, now, (seed / 10, 5)).await;
        }
    }
    recount_finds_nothing(&bed, now).await;
    agree(&bed, &plain, now, (SEEDS, 4)).await;
}

/// Writers, expiry, sealing, rebuilding and a late reader at once, for fifty seeds; whenever they rest every sum is what a
/// count gives, and in the end every figure is what it is without sums.
async fn what_runs_at_once_adds_up(bed: DatabaseBed) {
    const SEEDS: u64 = 50;
    let bed = Arc::new(bed);
    for seed in 1..=SEEDS {
        let done = Arc::new(AtomicBool::new(false));
        let [upkeep, reader] = [
            tokio::spawn(sealing(bed.clone(), done.clone())),
            tokio::spawn(reading(bed.clone(), done.clone())),
        ];
        let writers: Vec<_> =
            (1..=4).map(|writer| tokio::spawn(writing(bed.clone(), seed * 10 + writer))).collect();
        for writer in writers {
            writer.await.unwrap();
        }
        done.store(true, Ordering::Relaxed);
        upkeep.await.unwrap();
        reader.await.unwrap();
        recount_finds_nothing(&bed, 100 * HOUR).await;
    }
    let told = async || {
        let (performance, mut told) = (performance(&bed, at(100 * HOUR)), Vec::new());
        for (viewer, request) in requests(100 * HOUR) {
            told.push(performance.statistics(viewer, &request).await.unwrap());
        }
        told
    };
    let of_sums = told().await;
    let published = SEEDS * 4 * STEPS;
    let all = crate::statistics::segment(&bed, &crate::statistics::everything()).await;
    assert_eq!(all.published, i64::try_from(published).unwrap());
    bed.execute("DELETE FROM record_sums").await.unwrap();
    bed.execute("UPDATE record_seal SET sealed_until = -62104060800000000, position = 0")
        .await
        .unwrap();
    assert_eq!(told().await, of_sums);
}

/// Signals of each writer in each round.
const STEPS: u64 = 3;

/// Seals and counts anew until everybody has written.
async fn sealing(bed: Arc<DatabaseBed>, done: Arc<AtomicBool>) {
    let clock = Arc::new(ManualClock::starting_at(at(100 * HOUR)));
    let upkeep = SumUpkeep::new(bed.sums.clone(), clock, Duration::ZERO);
    let mut rounds = 0_u32;
    while !done.load(Ordering::Relaxed) {
        // Up to what is written at this very moment.
        bed.sums.seal(at(i64::from(rounds % 14) * HOUR), 7).await.unwrap();
        if rounds.is_multiple_of(5) {
            upkeep.recount(true, |_, _| {}).await.unwrap();
        }
        rounds += 1;
    }
}

/// Asks as somebody who is late, who is told of no more ends than of signals.
async fn reading(bed: Arc<DatabaseBed>, done: Arc<AtomicBool>) {
    let request = PerformanceRequest {
        choice: Choice::default(),
        span: Span::Between(Period::default()),
        late: LateOutcomes::Include,
        record: Record::All,
    };
    while !done.load(Ordering::Relaxed) {
        let late = performance(&bed, at(8 * HOUR));
        let told = late.statistics(Viewer::Anonymous, &request).await.unwrap().answer.coverage;
        assert!(told.closed <= told.due && told.published >= Some(told.closed), "{told:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn writing(bed: Arc<DatabaseBed>, writer: u64) {
    let mut numbers = Numbers(writer);
    let argo = bed.producer().await;
    let producers = [argo.clone(), argo];
    for step in 0..STEPS {
        let id = u32::try_from(writer * 100 + step).unwrap();
        let now = i64::try_from(step).unwrap() * 2 * HOUR;
        let new = random_signal(&mut numbers, &producers, id, now);
        bed.signals.accept(vec![new.clone()]).await.unwrap();
        if numbers.below(2) == 0 {
            let report = outcome(&new, "101", now + HOUR);
            bed.signals.record_outcome(report).await.unwrap();
        } else if numbers.below(3) == 0 {
            bed.signals.expire(at(now), HORIZON, &[], 2).await.unwrap();
        }
    }
}

async fn a_wrong_sum_is_found_and_corrected(bed: DatabaseBed) {
    let plain = Bed::memory();
    let now = happen([&bed, &plain], &mut Numbers(7), 0, 60, 1).await;
    recount_finds_nothing(&bed, now).await;
    let clock = Arc::new(ManualClock::starting_at(at(now)));
    let upkeep = SumUpkeep::new(bed.sums.clone(), clock, Duration::ZERO);
    for (wrong, at_least) in [
        (
            "UPDATE record_sums SET segment = (SELECT total.segment FROM record_sums AS total \
             WHERE total.level = 'total' AND total.symbol = 'AAPL' LIMIT 1) WHERE level = 'day'",
            1,
        ),
        // Of no release of ours.
        ("UPDATE record_sums SET segment = substr(segment, 1, 1)", 10),
        ("DELETE FROM record_sums WHERE level = 'month' AND symbol = 'AAPL'", 1),
        ("DELETE FROM record_sums", 10),
        (
            "INSERT INTO record_sums SELECT level, record, late, strategy, producer, 'GONE', bucket, segment \
             FROM record_sums WHERE symbol = 'MSFT'",
            1,
        ),
        // Where a series says the same as its base, nothing is right; an empty row would hide the base.
        (
            "INSERT INTO record_sums SELECT level, 'all', 'include', strategy, producer, symbol, bucket, \
             segment FROM record_sums WHERE record = 'live' AND late = 'exclude' \
             ON CONFLICT DO NOTHING",
            1,
        ),
    ] {
        bed.execute(wrong).await.unwrap();
        let (found, _) = upkeep.recount(false, |_, _| {}).await.unwrap();
        assert!(found >= at_least, "{wrong}: {found}");
        let (corrected, _) = upkeep.recount(true, |_, _| {}).await.unwrap();
        assert!(corrected >= at_least, "{wrong}");
        let again = bed.sums.recount(Recount::Total, false).await.unwrap();
        assert_eq!(again, [], "{wrong}");
        recount_finds_nothing(&bed, now).await;
        // A step that shares no factor with the numbers of periods, parts and choices: questions of every sort.
        agree(&bed, &plain, now, (7, 11)).await;
    }
}

/// An overdue signal closes at its stop's better side: who is late is told the same, to the digit, until the delay is
/// over.
async fn a_close_that_is_not_told_yet_changes_no_figure(bed: Bed) {
    let argo = bed.producer().await;
    let stop_price = Some("95".parse().unwrap());
    let new = NewSignal { stop_price, ..signal(&argo, "overdue", 0) };
    bed.store(vec![new.clone()]).await;
    let now = 60 * HOUR;
    let request = PerformanceRequest {
        choice: Choice::default(),
        span: Span::Between(Period::default()),
        late: LateOutcomes::Exclude,
        record: Record::Live,
    };
    let told = async || {
        let told = performance(&bed, at(now)).statistics(Viewer::Anonymous, &request).await;
        told.unwrap().answer
    };
    let before = told().await;
    assert_eq!((before.coverage.overdue, before.cumulative_lower_pct), (Some(1), -5.0));
    bed.signals.record_outcome(outcome(&new, "101", now - 60)).await.unwrap();
    assert_eq!(told().await, before);
}

/// A curve tells a choice as finely as its own age allows.
async fn a_young_strategy_is_told_by_day_however_old_the_others_are(bed: Bed) {
    const DAY: i64 = 24 * HOUR;
    let argo = bed.producer().await;
    let old = signal(&argo, "old", 0);
    bed.store(vec![old.clone()]).await;
    bed.signals.record_outcome(outcome(&old, "101", HOUR)).await.unwrap();
    // Six on each of three days, which lie within five days of a month.
    for number in 0..18 {
        let now = 1_501 * DAY + number / 6 * DAY + number * 60;
        let strategy = Some("young".parse().unwrap());
        let new = NewSignal { strategy, ..signal(&argo, &format!("young{number}"), now) };
        bed.store(vec![new.clone()]).await;
        bed.signals.record_outcome(outcome(&new, "101", now + 60)).await.unwrap();
    }
    let now = at(1_510 * DAY);
    let points = async |strategy: Option<&str>| {
        let request = PerformanceRequest {
            choice: Choice {
                strategy: strategy.map(|name| name.parse().unwrap()),
                ..Choice::default()
            },
            span: Span::Between(Period::default()),
            late: LateOutcomes::Exclude,
            record: Record::All,
        };
        let curve = performance(&bed, now).equity_curve(Viewer::Admin, &request, 500).await;
        curve.unwrap().answer.points.len()
    };
    for _sealed in [false, true] {
        assert_eq!(points(Some("young")).await, 18);
        // Of all, told by month, those eighteen are the highest and last one; they only rise.
        assert!(points(None).await < 8);
        while !bed.sums.seal(now, 1_000).await.unwrap().is_done {}
    }
}

/// Clocks of which one never answers.
struct NeverAgreed;

impl AgreedTime for NeverAgreed {
    fn agreed_now(&self) -> Option<Timestamp> {
        None
    }
}

/// As a command does, which compares no clocks.
async fn who_says_what_time_it_is_waits_for_no_agreement(bed: DatabaseBed) {
    let argo = bed.producer().await;
    bed.store(vec![signal(&argo, "one", 0)]).await;
    let upkeep = SumUpkeep::new(bed.sums.clone(), Arc::new(NeverAgreed), Duration::ZERO);
    assert_eq!(upkeep.run_once().await.unwrap().entries, 0);
    let step = upkeep.step(at(HOUR)).await.unwrap();
    assert_eq!((step.entries, step.is_done), (1, true));
}
