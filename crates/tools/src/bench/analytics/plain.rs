//! The same figures without sums: one statement that adds everything up, and eight that count.

use alpine_domain::{
    Timestamp,
    account::Tier,
    analytics::{ACTIVE_DAYS, Day, Figures, Periods, RATE_DAYS, Revenue},
};
use alpine_persistence::{AnyConnection, Failure};
use diesel::{QueryableByName, RunQueryDsl as _, sql_types::BigInt};

const DAY: i64 = 86_400_000_000;

/// Where the periods of an instant begin.
#[derive(Debug, Clone, Copy)]
pub(super) struct Begins {
    today: Day,
}

impl Begins {
    pub(super) const fn of(instant: Timestamp) -> Self {
        Self { today: Day::of(instant) }
    }

    /// Microseconds of today, this week and this month.
    fn periods(self) -> [i64; 3] {
        let day = self.today;
        [day, day.week_begin(), day.month_begin()].map(|day| day.number() * DAY)
    }

    const fn active(self) -> i64 {
        self.today.earlier(ACTIVE_DAYS - 1).number()
    }

    const fn rates(self) -> i64 {
        self.today.earlier(RATE_DAYS - 1).number() * DAY
    }
}

/// A column for each figure: `c0`, `c1` and so on.
#[derive(Debug, QueryableByName)]
pub(super) struct Row {
    #[diesel(sql_type = BigInt)]
    c0: i64,
    #[diesel(sql_type = BigInt)]
    c1: i64,
    #[diesel(sql_type = BigInt)]
    c2: i64,
    #[diesel(sql_type = BigInt)]
    c3: i64,
    #[diesel(sql_type = BigInt)]
    c4: i64,
    #[diesel(sql_type = BigInt)]
    c5: i64,
    #[diesel(sql_type = BigInt)]
    c6: i64,
    #[diesel(sql_type = BigInt)]
    c7: i64,
    #[diesel(sql_type = BigInt)]
    c8: i64,
    #[diesel(sql_type = BigInt)]
    c9: i64,
    #[diesel(sql_type = BigInt)]
    c10: i64,
}

impl Row {
    /// What it says, in order.
    pub(super) const fn figures(&self) -> [i64; 11] {
        [
            self.c0, self.c1, self.c2, self.c3, self.c4, self.c5, self.c6, self.c7, self.c8,
            self.c9, self.c10,
        ]
    }
}

const fn whole(figure: u64) -> i64 {
    #[expect(clippy::cast_possible_wrap, reason = "counts of rows and cents, far below 2^63")]
    let figure = figure as i64;
    figure
}

const fn three(periods: &Periods) -> [i64; 3] {
    [whole(periods.today), whole(periods.this_week), whole(periods.this_month)]
}

/// What [`aggregate`] gives, as the sums say it.
pub(super) fn of_figures(figures: &Figures) -> [i64; 11] {
    let of = |tier| {
        let found = figures.users_by_tier.iter().find(|(one, _)| *one == tier);
        found.map_or(0, |(_, users)| whole(*users))
    };
    let [t0, w0, m0] = three(&figures.new_users);
    let [t1, w1, m1] = three(&figures.signals);
    let [a, b, c, d] = [Tier::Free, Tier::Starter, Tier::Pro, Tier::Elite].map(of);
    [a, b, c, d, t0, w0, m0, t1, w1, m1, whole(figures.active_users)]
}

/// What [`revenue`] gives, as the sums say it.
pub(super) fn of_revenue(revenue: &Revenue) -> [i64; 11] {
    const SOLD: [Tier; 3] = [Tier::Starter, Tier::Pro, Tier::Elite];
    let of = |tiers: &[(Tier, u64)], tier| {
        tiers.iter().find(|(one, _)| *one == tier).map_or(0, |(_, value)| whole(*value))
    };
    let [starter, pro, elite] = SOLD.map(|tier| of(&revenue.by_tier, tier));
    let payers = SOLD.map(|tier| of(&revenue.subscribers, tier));
    let [today, week, month] = three(&revenue.cents);
    let (monthly, sign_ups) = (whole(revenue.monthly_cents), whole(revenue.sign_ups));
    let [on_starter, on_pro, on_elite] = payers;
    [starter, pro, elite, today, week, month, on_starter, on_pro, on_elite, monthly, sign_ups]
}

/// Users by tier, those of each period, signals of each period, and who was active: one statement.
pub(super) fn aggregate(conn: &mut AnyConnection, begins: Begins) -> Result<Row, Failure> {
    let [today, week, month] = begins.periods();
    let since = |first: i64| format!("COUNT(*) FILTER (WHERE created_at >= {first})");
    let statement = format!(
        "SELECT * FROM \
         (SELECT COUNT(*) FILTER (WHERE tier = 'free') AS c0, COUNT(*) FILTER (WHERE tier = 'starter') AS c1, \
         COUNT(*) FILTER (WHERE tier = 'pro') AS c2, COUNT(*) FILTER (WHERE tier = 'elite') AS c3, \
         {t} AS c4, {w} AS c5, {m} AS c6 FROM users WHERE email <> id || '@deleted.invalid') AS u, \
         (SELECT {t} AS c7, {w} AS c8, {m} AS c9 FROM signals WHERE NOT is_simulated) AS s, \
         (SELECT COUNT(*) AS c10 FROM user_activity WHERE last_day >= {active}) AS a",
        t = since(today),
        w = since(week),
        m = since(month),
        active = begins.active(),
    );
    Ok(diesel::sql_query(statement).get_result(conn)?)
}

/// Revenue by tier and in each period, who pays by tier, what they pay in a month, and who signed up: one statement.
pub(super) fn revenue(conn: &mut AnyConnection, begins: Begins) -> Result<Row, Failure> {
    let [today, week, month] = begins.periods();
    let sum = |which: String| {
        format!(
            "CAST(COALESCE(SUM(paid_cents - refunded_cents) FILTER (WHERE {which}), 0) AS BIGINT)"
        )
    };
    let tier = |tier: &str| sum(format!("tier = '{tier}'"));
    let since = |first: i64| sum(format!("paid_at >= {first}"));
    let given = |tier: &str| format!("COUNT(*) FILTER (WHERE given = '{tier}')");
    let statement = format!(
        "SELECT * FROM \
         (SELECT {} AS c0, {} AS c1, {} AS c2, {} AS c3, {} AS c4, {} AS c5 FROM invoices \
         WHERE paid_at IS NOT NULL AND currency = 'usd' AND NOT is_disputed) AS i, \
         (SELECT {} AS c6, {} AS c7, {} AS c8, CAST(COALESCE(SUM(CASE WHEN paid_every = 'year' \
         THEN (cents + 6) / 12 ELSE cents END), 0) AS BIGINT) AS c9 FROM subscriptions \
         WHERE given IS NOT NULL) AS s, \
         (SELECT COUNT(*) AS c10 FROM users WHERE created_at >= {}) AS u",
        tier("starter"),
        tier("pro"),
        tier("elite"),
        since(today),
        since(week),
        since(month),
        given("starter"),
        given("pro"),
        given("elite"),
        begins.rates(),
    );
    Ok(diesel::sql_query(statement).get_result(conn)?)
}

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    count: i64,
}

/// Users, active ones, and users and signals of each period: eight statements. In this order.
pub(super) fn eight_counts(conn: &mut AnyConnection, begins: Begins) -> Result<[i64; 8], Failure> {
    let [today, week, month] = begins.periods();
    let live = |first: i64| format!("signals WHERE NOT is_simulated AND created_at >= {first}");
    let new = |first: i64| format!("users WHERE created_at >= {first}");
    let mut counts = [0; 8];
    let of = [
        "users WHERE email <> id || '@deleted.invalid'".to_owned(),
        format!("user_activity WHERE last_day >= {}", begins.active()),
        new(today),
        new(week),
        new(month),
        live(today),
        live(week),
        live(month),
    ];
    for (count, of) in counts.iter_mut().zip(of) {
        let statement = format!("SELECT COUNT(*) AS count FROM {of}");
        *count = diesel::sql_query(statement).get_result::<Count>(conn)?.count;
    }
    Ok(counts)
}

/// What [`eight_counts`] gives, as the sums say it.
pub(super) fn of_counts(figures: &Figures) -> [i64; 8] {
    let [t0, w0, m0] = three(&figures.new_users);
    let [t1, w1, m1] = three(&figures.signals);
    [whole(figures.total_users), whole(figures.active_users), t0, w0, m0, t1, w1, m1]
}
