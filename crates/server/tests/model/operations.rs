//! What can happen to Alpine, at random. Numbers name things by their place, modulo how many there are
//! when it happens, so that every list of operations makes sense and shrinks.

use alpine_domain::{
    account::{Role, Tier},
    signal::{Action, Record, SignalStatus},
};
use proptest::{prelude::*, sample::select};

use crate::alpine::{SHORT_LIVED, Wanted};

/// One thing that happens, on one of the instances.
#[derive(Debug, Clone)]
pub(crate) struct Operation {
    pub(crate) on: usize,
    pub(crate) what: What,
}

#[derive(Debug, Clone)]
pub(crate) enum What {
    Wait {
        minutes: u32,
    },
    SignUp,
    SignIn {
        account: usize,
        password_is_right: bool,
    },
    /// With the newest refresh token, or one that is so much older.
    Refresh {
        session: usize,
        older: usize,
    },
    SignOut(By),
    /// Perhaps with API keys.
    SignOutEverywhere(By, bool),
    SignOutEverybody,
    Grant {
        account: usize,
        tier: Tier,
        role: Role,
    },
    MakeKey {
        by: By,
        days: Option<u32>,
    },
    RevokeKey {
        by: By,
        key: usize,
    },
    DisableProducer(usize),
    Post {
        producer: usize,
        draft: RoughDraft,
    },
    /// A signal that was posted before, perhaps by another producer, perhaps with other content.
    PostAgain {
        producer: usize,
        signal: usize,
        is_changed: bool,
    },
    Report {
        by_another: bool,
        signal: usize,
        exit: i64,
        minutes: i64,
        status: Option<SignalStatus>,
    },
    Expire,
    /// Asks, and at once again with one condition of another question: its place among the conditions.
    Ask {
        by: By,
        question: Question,
        other: Wanted,
        condition: usize,
    },
    /// An instance stops and another one starts on the same database.
    Restart,
}

/// What is sent with a request.
#[derive(Debug, Clone, Copy)]
pub(crate) enum By {
    Nobody,
    /// The newest access token of a session, or one that is so much older.
    Token {
        session: usize,
        older: usize,
    },
    Key(usize),
}

/// A signal without its time.
#[derive(Debug, Clone)]
pub(crate) struct RoughDraft {
    pub(crate) symbol: &'static str,
    pub(crate) action: Action,
    pub(crate) confidence: f64,
    pub(crate) strategy: &'static str,
    pub(crate) has_limits: bool,
    /// How long ago it was signalled.
    pub(crate) minutes: u32,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Question {
    Profile,
    Latest(Wanted),
    Live(Wanted),
    Subscribed(Wanted),
    History(Wanted),
    Export(Wanted),
    Find(usize),
    Statistics(Wanted),
    Curve(Wanted),
    Symbols(Wanted),
}

impl Question {
    /// The same question with one condition of `other`; `None` if it has none.
    pub(crate) fn with(self, other: Wanted, condition: usize) -> Option<Self> {
        let (ask, mut wanted): (fn(Wanted) -> Self, Wanted) = match self {
            Self::Latest(wanted) => (Self::Latest, wanted),
            Self::Live(wanted) => (Self::Live, wanted),
            Self::Subscribed(wanted) => (Self::Subscribed, wanted),
            Self::History(wanted) => (Self::History, wanted),
            Self::Export(wanted) => (Self::Export, wanted),
            Self::Statistics(wanted) => (Self::Statistics, wanted),
            Self::Curve(wanted) => (Self::Curve, wanted),
            Self::Symbols(wanted) => (Self::Symbols, wanted),
            Self::Profile | Self::Find(_) => return None,
        };
        match condition % 12 {
            0 => wanted.limit = other.limit,
            1 => wanted.offset = other.offset,
            2 => wanted.after = other.after,
            3 => wanted.premium_only = other.premium_only,
            4 => wanted.symbol = other.symbol,
            5 => wanted.action = other.action,
            6 => wanted.min_confidence = other.min_confidence,
            7 => wanted.strategy = other.strategy,
            8 => wanted.days = other.days,
            9 => wanted.status = other.status,
            10 => wanted.late = other.late,
            _ => wanted.record = other.record,
        }
        Some(ask(wanted))
    }
}

const SYMBOLS: [&str; 2] = ["AAPL", "BTC-USD"];
const STRATEGIES: [&str; 2] = [SHORT_LIVED, "trend"];
const ACTIONS: [Action; 2] = [Action::Buy, Action::Sell];
/// Each bound of what tiers may see, and the step before it.
const CONFIDENCES: [f64; 6] = [70.0, 84.99, 85.0, 94.99, 95.0, 100.0];
const ANY: std::ops::Range<usize> = 0..1_000;

/// Some hundred operations, on one of so many instances each.
pub(crate) fn operations(instances: usize, most: usize) -> impl Strategy<Value = Vec<Operation>> {
    let one = (0..instances, what()).prop_map(|(on, what)| Operation { on, what });
    // Somebody who may do everything is there from the beginning.
    let elite = What::Grant { account: 0, tier: Tier::Elite, role: Role::User };
    let first = [What::SignUp, elite].map(|what| Operation { on: 0, what });
    proptest::collection::vec(one, most / 2..=most)
        .prop_map(move |rest| first.iter().cloned().chain(rest).collect())
}

fn what() -> impl Strategy<Value = What> {
    prop_oneof![
        12 => wait(),
        1 => Just(What::SignUp),
        2 => (ANY, prop::bool::weighted(0.8)).prop_map(|(account, password_is_right)| What::SignIn {
            account, password_is_right
        }),
        6 => (ANY, 0..4_usize).prop_map(|(session, older)| What::Refresh {
            session, older: older.saturating_sub(1)
        }),
        2 => by().prop_map(What::SignOut),
        1 => (by(), any::<bool>()).prop_map(|(by, and_keys)| What::SignOutEverywhere(by, and_keys)),
        1 => prop::bool::weighted(0.5).prop_map(|really| {
            if really { What::SignOutEverybody } else { What::SignUp }
        }),
        4 => (ANY, select(Tier::ALL), prop::bool::weighted(0.1)).prop_map(
            |(account, tier, is_admin)| What::Grant {
                account, tier, role: if is_admin { Role::Admin } else { Role::User }
            }
        ),
        8 => (by(), prop::option::of(1..4_u32)).prop_map(|(by, days)| What::MakeKey { by, days }),
        1 => (by(), ANY).prop_map(|(by, key)| What::RevokeKey { by, key }),
        1 => prop::bool::weighted(0.1).prop_flat_map(|really| ANY.prop_map(move |producer| {
            if really { What::DisableProducer(producer) } else { What::Expire }
        })),
        16 => (ANY, draft()).prop_map(|(producer, draft)| What::Post { producer, draft }),
        3 => (ANY, ANY, any::<bool>()).prop_map(|(producer, signal, is_changed)| What::PostAgain {
            producer, signal, is_changed
        }),
        8 => report(),
        3 => Just(What::Expire),
        30 => (by(), question(), wanted(), ANY).prop_map(|(by, question, other, condition)| What::Ask {
            by, question, other, condition
        }),
        1 => prop::bool::weighted(0.5).prop_map(|really| {
            if really { What::Restart } else { What::Expire }
        }),
    ]
}

/// Longer than a cached answer lives here: what falls out of the last days may stay in it for that long.
fn wait() -> impl Strategy<Value = What> {
    let minutes = prop_oneof![
        8 => select(vec![2_u32, 5, 13, 15, 17]),
        3 => select(vec![60, 24 * 60]),
        1 => select(vec![2 * 24 * 60, 7 * 24 * 60, 30 * 24 * 60]),
    ];
    minutes.prop_map(|minutes| What::Wait { minutes })
}

fn by() -> impl Strategy<Value = By> {
    prop_oneof![
        1 => Just(By::Nobody),
        8 => (ANY, 0..6_usize).prop_map(|(session, older)| By::Token {
            session, older: older.saturating_sub(4)
        }),
        3 => ANY.prop_map(By::Key),
    ]
}

fn draft() -> impl Strategy<Value = RoughDraft> {
    let minutes = prop_oneof![4 => Just(0_u32), 1 => 1..5_000_u32];
    let words = (select(&SYMBOLS[..]), select(&ACTIONS[..]), select(&STRATEGIES[..]));
    (words, select(&CONFIDENCES[..]), prop::bool::weighted(0.7), minutes).prop_map(
        |((symbol, action, strategy), confidence, has_limits, minutes)| RoughDraft {
            symbol,
            action,
            confidence,
            strategy,
            has_limits,
            minutes,
        },
    )
}

fn report() -> impl Strategy<Value = What> {
    use SignalStatus::{Closed, StopHit, TargetHit};
    let exit = select(vec![89_i64, 90, 91, 100, 109, 110, 111]);
    let minutes = prop_oneof![1 => Just(-1_i64), 6 => 0..3_i64];
    let status = prop::option::weighted(0.3, select(vec![Closed, StopHit, TargetHit]));
    (prop::bool::weighted(0.1), ANY, exit, minutes, status).prop_map(
        |(by_another, signal, exit, minutes, status)| What::Report {
            by_another,
            signal,
            exit,
            minutes,
            status,
        },
    )
}

fn question() -> impl Strategy<Value = Question> {
    prop_oneof![
        2 => Just(Question::Profile),
        3 => wanted().prop_map(Question::Latest),
        1 => wanted().prop_map(Question::Live),
        3 => wanted().prop_map(Question::Subscribed),
        4 => wanted().prop_map(Question::History),
        1 => wanted().prop_map(Question::Export),
        2 => ANY.prop_map(Question::Find),
        2 => wanted().prop_map(Question::Statistics),
        1 => wanted().prop_map(Question::Curve),
        1 => wanted().prop_map(Question::Symbols),
    ]
}

/// Every condition there is; each route takes those that it knows.
fn wanted() -> impl Strategy<Value = Wanted> {
    let some = prop::option::weighted::<proptest::sample::Select<&'static str>>;
    let slice = (select(vec![1_usize, 2, 12, 50]), 0..4_usize, prop::option::weighted(0.3, ANY));
    let content = (
        some(0.3, select(&SYMBOLS[..])),
        prop::option::weighted(0.3, select(&ACTIONS[..])),
        prop::option::weighted(0.3, select(&CONFIDENCES[..])),
        some(0.3, select(&STRATEGIES[..])),
    );
    let time = (
        prop::option::of(select(vec![1_u32, 2, 30])),
        prop::option::weighted(0.4, select(SignalStatus::ALL)),
        prop::option::of(select(Record::ALL)),
    );
    (slice, content, time, prop::bool::weighted(0.2), any::<bool>()).prop_map(
        |(
            (limit, offset, after),
            (symbol, action, min_confidence, strategy),
            (days, status, record),
            premium_only,
            late,
        )| Wanted {
            limit,
            offset,
            after,
            premium_only,
            symbol,
            action,
            min_confidence,
            strategy,
            days,
            status,
            late,
            record,
        },
    )
}
