//! Users' notifications: the newest of each user, by two indexes.

pub(crate) mod rows;

use alpine_domain::{
    Result, Timestamp,
    account::UserId,
    notification::{
        KeptPage, KeptQuery, Notification, NotificationCursor, NotificationId, NotificationStore,
    },
};
use async_trait::async_trait;
use diesel::{
    BoolExpressionMethods as _, ExpressionMethods as _, QueryDsl as _, RunQueryDsl as _,
    Selectable, SelectableHelper as _, dsl::not, prelude::Queryable,
};

use crate::{
    AnyConnection, Database, Failure,
    rows::{instant, stored},
    schema::notifications,
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
            id: NotificationId::new(self.id),
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
        // The first condition bounds the range of the index; the other cuts off what shares its end.
        let at = created_at.micros();
        let is_older = notifications::created_at.lt(at).or(notifications::id.lt(id.get()));
        rows = rows.filter(notifications::created_at.le(at)).filter(is_older);
    }
    Ok(rows.load(conn)?)
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
                })
            })
            .await
    }

    async fn mark_read(&self, user: UserId, ids: &[NotificationId], now: Timestamp) -> Result<u32> {
        let ids: Vec<i64> = ids.iter().map(|id| id.get()).collect();
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

    async fn delete(&self, user: UserId, id: NotificationId) -> Result<bool> {
        self.0
            .write("notification_delete", move |unit| {
                let named = notifications::table
                    .filter(notifications::id.eq(id.get()))
                    .filter(notifications::user_id.eq(user.to_string()));
                Ok(diesel::delete(named).execute(unit.conn)? == 1)
            })
            .await
    }
}
