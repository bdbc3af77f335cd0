//! Users' notifications: the newest of each user, by two indexes.

pub(crate) mod rows;

use alpine_domain::{
    Error, Result, Timestamp,
    account::UserId,
    notification::{
        KeptPage, KeptQuery, MarkChange, MutedKinds, Notification, NotificationCursor,
        NotificationId, NotificationKind, NotificationStore, SignalMarks, UserState,
    },
};
use async_trait::async_trait;
use diesel::{
    BoolExpressionMethods as _, ExpressionMethods as _, NullableExpressionMethods as _,
    OptionalExtension as _, QueryDsl as _, RunQueryDsl as _, Selectable, SelectableHelper as _,
    dsl::{insert_into, not},
    prelude::Queryable,
};

use crate::{
    AnyConnection, Database, Failure,
    accounts::user_rows::{held_user, no_account},
    database::Unit,
    rows::{instant, read_back, stored},
    schema::{notification_marks, notification_preferences, notifications, users},
    unreadable::UnreadableRows,
};

/// The notifications of one database.
#[derive(Clone)]
pub struct UserNotifications(Database);

impl UserNotifications {
    /// Notifications kept in `database`.
    pub const fn new(database: Database) -> Self {
        Self(database)
    }
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = notifications)]
struct Row {
    id: i64,
    title: String,
    message: String,
    kind: String,
    created_at: i64,
    read_at: Option<i64>,
}

impl Row {
    fn notification(self) -> Result<Notification> {
        let read_at = self.read_at.map(|at| instant("notifications.read_at", at));
        Ok(Notification {
            id: NotificationId::Own(self.id),
            kind: stored("notifications.kind", &self.kind)?,
            title: self.title,
            message: self.message,
            created_at: instant("notifications.created_at", self.created_at)?,
            read_at: read_at.transpose()?,
        })
    }
}

/// How many of a user's there are, read or not, or unread alone. A user has few.
fn count(conn: &mut AnyConnection, user: &str, unread_only: bool) -> Result<u32, Failure> {
    let mut theirs = notifications::table.filter(notifications::user_id.eq(user)).into_boxed();
    if unread_only {
        theirs = theirs.filter(not(notifications::is_read));
    }
    let count: i64 = theirs.count().get_result(conn)?;
    Ok(u32::try_from(count).unwrap_or(u32::MAX))
}

fn rows(conn: &mut AnyConnection, user: &str, query: &KeptQuery) -> Result<Vec<Row>, Failure> {
    let KeptQuery { user: _, unread_only, after, limit } = query;
    let mut rows = notifications::table
        .filter(notifications::user_id.eq(user))
        .order((notifications::created_at.desc(), notifications::id.desc()))
        .limit((*limit).into())
        .select(Row::as_select())
        .into_boxed();
    if *unread_only {
        rows = rows.filter(not(notifications::is_read));
    }
    if let Some(NotificationCursor { created_at, id }) = after {
        // The first condition bounds the range of the index; the other cuts off what shares its end. What is no row
        // comes after all rows of its instant.
        let (at, row) = (created_at.micros(), id.row().unwrap_or(i64::MIN));
        let is_older = notifications::created_at.lt(at).or(notifications::id.lt(row));
        rows = rows.filter(notifications::created_at.le(at)).filter(is_older);
    }
    Ok(rows.load(conn)?)
}

/// The stored columns of marks.
type MarksRow = (Option<i64>, Option<i64>, String);

/// Marks that cannot be read are none: what they marked is unread again.
fn marks(user: &str, row: MarksRow, unreadable: &UnreadableRows) -> SignalMarks {
    let (until, at, text) = row;
    let read = || {
        let instants = until.zip(at).map(|(until, at)| {
            let until = instant("notification_marks.read_until", until)?;
            Ok::<_, Error>((until, instant("notification_marks.read_all_at", at)?))
        });
        let read = SignalMarks::from_stored(&text, instants.transpose()?);
        read_back("notification_marks.marks", read)
    };
    unreadable.leave_out("notification_marks", user, read()).unwrap_or_default()
}

const MARKS: (
    notification_marks::read_until,
    notification_marks::read_all_at,
    notification_marks::marks,
) = (notification_marks::read_until, notification_marks::read_all_at, notification_marks::marks);

fn state(
    conn: &mut AnyConnection,
    user: &str,
    unreadable: &UnreadableRows,
) -> Result<UserState, Failure> {
    let found: Option<(i64, Option<MarksRow>, Option<String>)> = users::table
        .left_join(notification_marks::table)
        .left_join(notification_preferences::table)
        .filter(users::id.eq(user))
        .select((users::created_at, MARKS.nullable(), notification_preferences::muted.nullable()))
        .first(conn)
        .optional()?;
    let (created_at, row, muted) = found.ok_or_else(no_account)?;
    let marks = row.map(|row| marks(user, row, unreadable)).unwrap_or_default();
    let muted = MutedKinds::from_stored(&muted.unwrap_or_default());
    Ok(UserState { since: instant("users.created_at", created_at)?, marks, muted })
}

/// The user's row is held meanwhile, so that two changes come one after the other.
fn choose(
    unit: &mut Unit<'_>,
    user: &str,
    choices: &[(NotificationKind, bool)],
) -> Result<MutedKinds, Failure> {
    held_user(unit.conn, user)?.ok_or_else(no_account)?;
    let mut muted = rows::muted(unit.conn, user)?;
    for (kind, is_told) in choices {
        muted.set(*kind, *is_told);
    }
    diesel::delete(notification_preferences::table.find(user)).execute(unit.conn)?;
    insert_into(notification_preferences::table)
        .values((
            notification_preferences::user_id.eq(user),
            notification_preferences::muted.eq(muted.to_stored()),
        ))
        .execute(unit.conn)?;
    Ok(muted)
}

/// The user's row is held meanwhile, so that two changes come one after the other.
fn mark_signals(
    unit: &mut Unit<'_>,
    user: &str,
    (change, now): (&MarkChange, Timestamp),
    unreadable: &UnreadableRows,
) -> Result<(), Failure> {
    held_user(unit.conn, user)?.ok_or_else(no_account)?;
    let mut marks = state(unit.conn, user, unreadable)?.marks;
    marks.apply(change, now);
    let (until, at) = marks.read_until.unzip();
    diesel::delete(notification_marks::table.find(user)).execute(unit.conn)?;
    insert_into(notification_marks::table)
        .values((
            notification_marks::user_id.eq(user),
            notification_marks::read_until.eq(until.map(Timestamp::micros)),
            notification_marks::read_all_at.eq(at.map(Timestamp::micros)),
            notification_marks::marks.eq(marks.to_stored()),
        ))
        .execute(unit.conn)?;
    Ok(())
}

#[async_trait]
impl NotificationStore for UserNotifications {
    async fn page(&self, query: KeptQuery) -> Result<KeptPage> {
        let unreadable = self.0.unreadable();
        self.0
            .read("notification_page", move |conn| {
                let user = query.user.to_string();
                let rows = rows(conn, &user, &query)?.into_iter();
                let readable = rows.filter_map(|row| {
                    unreadable.leave_out("notifications", row.id, row.notification())
                });
                Ok(KeptPage {
                    items: readable.collect(),
                    total: count(conn, &user, false)?,
                    unread: count(conn, &user, true)?,
                    state: state(conn, &user, &unreadable)?,
                })
            })
            .await
    }

    async fn state(&self, user: UserId) -> Result<UserState> {
        let unreadable = self.0.unreadable();
        self.0
            .read("notification_state", move |conn| state(conn, &user.to_string(), &unreadable))
            .await
    }

    async fn mark_read(&self, user: UserId, rows: &[i64], now: Timestamp) -> Result<u32> {
        let ids = rows.to_vec();
        self.0
            .write("notification_mark_read", move |unit| {
                let named = notifications::table
                    .filter(notifications::id.eq_any(&ids))
                    .filter(notifications::user_id.eq(user.to_string()))
                    .filter(not(notifications::is_read));
                let read =
                    (notifications::is_read.eq(true), notifications::read_at.eq(now.micros()));
                let marked = diesel::update(named).set(read).execute(unit.conn)?;
                Ok(u32::try_from(marked).unwrap_or(u32::MAX))
            })
            .await
    }

    async fn mark_all_read(&self, user: UserId, now: Timestamp) -> Result<u32> {
        self.0
            .write("notification_mark_all_read", move |unit| {
                let unread = notifications::table
                    .filter(notifications::user_id.eq(user.to_string()))
                    .filter(not(notifications::is_read));
                let read =
                    (notifications::is_read.eq(true), notifications::read_at.eq(now.micros()));
                let marked = diesel::update(unread).set(read).execute(unit.conn)?;
                Ok(u32::try_from(marked).unwrap_or(u32::MAX))
            })
            .await
    }

    async fn delete(&self, user: UserId, row: i64) -> Result<bool> {
        self.0
            .write("notification_delete", move |unit| {
                let named = notifications::table
                    .filter(notifications::id.eq(row))
                    .filter(notifications::user_id.eq(user.to_string()));
                Ok(diesel::delete(named).execute(unit.conn)? == 1)
            })
            .await
    }

    async fn mark_signals(&self, user: UserId, change: MarkChange, now: Timestamp) -> Result<()> {
        let unreadable = self.0.unreadable();
        self.0
            .write("notification_mark_signals", move |unit| {
                mark_signals(unit, &user.to_string(), (&change, now), &unreadable)
            })
            .await
    }

    async fn choose(
        &self,
        user: UserId,
        choices: Vec<(NotificationKind, bool)>,
    ) -> Result<MutedKinds> {
        self.0
            .write("notification_choose", move |unit| choose(unit, &user.to_string(), &choices))
            .await
    }
}
