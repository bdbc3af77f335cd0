//! The capability: each module below would be a file of the crate that its heading names.

use std::sync::Arc;

use alpine_http::Route;
use alpine_persistence::{Database, Unit};
use alpine_server::application::Core;

/// Step 1: `migrations/{sqlite,postgres}/NNNN_bookmarks/{up,down}.sql`: four files.
mod migration {
    /// The key has two parts: a user bookmarks an instrument once.
    pub(super) const UP: &str = "CREATE TABLE bookmarks (
        user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
        symbol TEXT NOT NULL,
        created_at BIGINT NOT NULL,
        PRIMARY KEY (user_id, symbol))";
}

/// Step 2: `crates/domain/src/bookmarks.rs`: the port and the use case. No SQL, no HTTP; time is a port.
mod domain {
    use std::sync::Arc;

    use alpine_domain::{Clock, Result, Timestamp, account::UserId, signal::Symbol};
    use async_trait::async_trait;

    /// Bookmarks of one user at most.
    const MAX_BOOKMARKS: u32 = 100;

    #[async_trait]
    pub(super) trait BookmarkStore: Send + Sync {
        /// Adds the instrument, unless it is there, and logs `AccountChanged` in the same transaction.
        ///
        /// # Errors
        /// `Conflict` when the user has `max` already, however many requests come at once.
        async fn add(&self, user: UserId, symbol: Symbol, now: Timestamp, max: u32) -> Result<()>;

        /// Removes the instrument and logs `AccountChanged` in the same transaction.
        ///
        /// # Errors
        /// `NotFound` when it is not there.
        async fn remove(&self, user: UserId, symbol: Symbol, now: Timestamp) -> Result<()>;

        /// The user's instruments by name.
        async fn list(&self, user: UserId) -> Result<Vec<Symbol>>;
    }

    pub(super) struct Bookmarks {
        pub(super) store: Arc<dyn BookmarkStore>,
        pub(super) clock: Arc<dyn Clock>,
    }

    impl Bookmarks {
        /// Bookmarks an instrument; says all bookmarks.
        pub(super) async fn add(&self, user: UserId, symbol: Symbol) -> Result<Vec<Symbol>> {
            self.store.add(user, symbol, self.clock.now(), MAX_BOOKMARKS).await?;
            self.store.list(user).await
        }

        /// Removes a bookmark; says those that are left.
        pub(super) async fn remove(&self, user: UserId, symbol: Symbol) -> Result<Vec<Symbol>> {
            self.store.remove(user, symbol, self.clock.now()).await?;
            self.store.list(user).await
        }

        /// The instruments that a user bookmarked.
        pub(super) async fn list(&self, user: UserId) -> Result<Vec<Symbol>> {
            self.store.list(user).await
        }
    }
}

/// Step 3: `crates/persistence/src/bookmarks.rs`: one unit of work for each method. The table stands in
/// `schema.rs`.
mod persistence {
    use alpine_domain::{
        Error, Result, Timestamp, account::UserId, error::ConflictKind, event::Event,
        signal::Symbol,
    };
    use alpine_persistence::{Database, Failure, Unit};
    use async_trait::async_trait;
    use diesel::prelude::*;

    use super::domain::BookmarkStore;

    diesel::table! {
        bookmarks (user_id, symbol) {
            user_id -> Text,
            symbol -> Text,
            created_at -> BigInt,
        }
    }

    // Only what is needed here of a table that `schema.rs` has already.
    diesel::table! {
        users (id) {
            id -> Text,
            generation -> BigInt,
        }
    }

    pub(super) struct StoredBookmarks(pub(super) Database);

    /// Writes the owner's row as it is, and so holds it until the commit: of two requests at once the
    /// second one counts what the first one added. In the project, `accounts::user_rows::held_user` does.
    fn lock_owner(unit: &mut Unit<'_>, owner: &str) -> Result<(), Failure> {
        let locked = diesel::update(users::table.find(owner))
            .set(users::generation.eq(users::generation))
            .execute(unit.conn)?;
        if locked == 0 { Err(Error::NotFound("account").into()) } else { Ok(()) }
    }

    #[async_trait]
    impl BookmarkStore for StoredBookmarks {
        async fn add(&self, user: UserId, symbol: Symbol, now: Timestamp, max: u32) -> Result<()> {
            let add = move |unit: &mut Unit<'_>| {
                let owner = user.to_string();
                lock_owner(unit, &owner)?;
                let of_owner = bookmarks::table.filter(bookmarks::user_id.eq(&owner));
                let known: Vec<String> = of_owner.select(bookmarks::symbol).load(unit.conn)?;
                let event = Event::AccountChanged { user };
                if known.iter().any(|known| known == symbol.as_str()) {
                    // A repeated request: the event stands in the log already.
                    unit.confirm(event);
                    return Ok(());
                }
                if known.len() >= max as usize {
                    let detail = format!("at most {max} instruments can be bookmarked");
                    return Err(Error::conflict(ConflictKind::LimitReached, detail).into());
                }
                diesel::insert_into(bookmarks::table)
                    .values((
                        bookmarks::user_id.eq(&owner),
                        bookmarks::symbol.eq(symbol.as_str()),
                        bookmarks::created_at.eq(now.micros()),
                    ))
                    .execute(unit.conn)?;
                unit.log(now, event);
                Ok(())
            };
            self.0.write("bookmarks_add", add).await
        }

        async fn remove(&self, user: UserId, symbol: Symbol, now: Timestamp) -> Result<()> {
            let remove = move |unit: &mut Unit<'_>| {
                let row = bookmarks::table
                    .filter(bookmarks::user_id.eq(user.to_string()))
                    .filter(bookmarks::symbol.eq(symbol.as_str()));
                if diesel::delete(row).execute(unit.conn)? == 0 {
                    return Err(Error::NotFound("instrument").into());
                }
                unit.log(now, Event::AccountChanged { user });
                Ok(())
            };
            self.0.write("bookmarks_remove", remove).await
        }

        async fn list(&self, user: UserId) -> Result<Vec<Symbol>> {
            let list = move |conn: &mut alpine_persistence::AnyConnection| {
                let of_owner = bookmarks::table.filter(bookmarks::user_id.eq(user.to_string()));
                Ok(of_owner.select(bookmarks::symbol).load(conn)?)
            };
            // In the project, `unreadable().leave_out` keeps a row that cannot be read from failing the list.
            let symbols: Vec<String> = self.0.read("bookmarks_list", list).await?;
            let mut symbols = symbols
                .iter()
                .map(|text| text.parse().map_err(Error::internal))
                .collect::<Result<Vec<Symbol>>>()?;
            // Databases disagree on the order of texts.
            symbols.sort_unstable();
            Ok(symbols)
        }
    }
}

/// Step 4: `crates/http/src/api/bookmarks.rs` and three rows of `routes.rs`: who may call, how often, what
/// answers, what is said of it. A larger capability is a folder of handlers, views and documentation.
mod http {
    use std::sync::Arc;

    use actix_web::{HttpResponse, http::Method};
    use alpine_domain::{event::tags, ports::cache::Scope, signal::Symbol};
    use alpine_http::{
        Context, Route,
        cached::loaded,
        doc::{Doc, Extra},
        endpoint::{Access, Limit},
        problem::{self, Result},
    };
    use serde::Serialize;
    use utoipa::ToSchema;

    use super::domain::Bookmarks;

    /// The instruments that a user bookmarked, by name.
    #[derive(Serialize, ToSchema)]
    #[schema(as = Bookmarks)]
    struct BookmarksView {
        #[schema(value_type = Vec<String>)]
        items: Vec<Symbol>,
        total: usize,
    }

    impl From<Vec<Symbol>> for BookmarksView {
        fn from(items: Vec<Symbol>) -> Self {
            Self { total: items.len(), items }
        }
    }

    /// An instrument to be bookmarked.
    #[derive(ToSchema)]
    #[expect(dead_code, reason = "only its schema is used")]
    struct BookmarkRequest {
        #[schema(min_length = 1, max_length = 64)]
        symbol: String,
    }

    /// `GET bookmarks`, from the cache until the account changes.
    async fn list(context: Context, bookmarks: Arc<Bookmarks>) -> Result<HttpResponse> {
        let user = context.user()?;
        let ttl = context.state.settings.cache.profile;
        let policy = context.cache_policy(ttl, [tags::account(user)]);
        let scope = Scope::Principal(user.to_string());
        let request = (user, bookmarks);
        context
            .cached(policy, scope, String::new(), request, |_, (user, bookmarks)| async move {
                loaded(&BookmarksView::from(bookmarks.list(user).await?), None)
            })
            .await
    }

    /// `POST bookmarks`.
    async fn add(mut context: Context, bookmarks: Arc<Bookmarks>) -> Result<HttpResponse> {
        let user = context.user()?;
        let mut fields = context.json().await?;
        let symbol = fields.parsed("symbol", str::parse::<Symbol>);
        let symbol = fields.finish_with(symbol)?;
        context.ok(&BookmarksView::from(bookmarks.add(user, symbol).await?))
    }

    /// `DELETE bookmarks/{symbol}`; a slash in the symbol is sent as `%2F`.
    async fn remove(context: Context, bookmarks: Arc<Bookmarks>) -> Result<HttpResponse> {
        let symbol = context.segment("symbol", "instrument")?;
        let rest = bookmarks.remove(context.user()?, symbol).await?;
        context.ok(&BookmarksView::from(rest))
    }

    fn doc(summary: &'static str) -> Doc {
        Doc::new("bookmarks", summary, "What you bookmarked.").gives::<BookmarksView>()
    }

    fn list_doc() -> Doc {
        doc("Your bookmarks").with(Extra::Validator)
    }

    fn add_doc() -> Doc {
        doc("Bookmark an instrument")
            .takes::<BookmarkRequest>("application/json")
            .problems(&[&problem::LIMIT_REACHED])
    }

    fn remove_doc() -> Doc {
        doc("Remove a bookmark")
    }

    pub(super) fn routes(bookmarks: &Arc<Bookmarks>) -> Vec<Route> {
        let [listed, added, removed] = [bookmarks; 3].map(Arc::clone);
        let (access, limit) = (Access::Bearer, Limit::Caller);
        vec![
            Route::new(Method::GET, "bookmarks", "bookmarks", access, limit, move |context| {
                list(context, Arc::clone(&listed))
            })
            .documented(list_doc),
            Route::new(Method::POST, "bookmarks", "add_bookmark", access, limit, move |context| {
                add(context, Arc::clone(&added))
            })
            .documented(add_doc),
            Route::new(
                Method::DELETE,
                "bookmarks/{symbol}",
                "remove_bookmark",
                access,
                limit,
                move |context| remove(context, Arc::clone(&removed)),
            )
            .documented(remove_doc),
        ]
    }
}

/// Step 5: a field of `Stores` and one of `UseCases` in `crates/domain/src/use_cases.rs`, and a line in `stores()`
/// of `crates/persistence/src/lib.rs`: the wiring.
pub(crate) fn routes(core: &Arc<Core>) -> Vec<Route> {
    let store = Arc::new(persistence::StoredBookmarks(core.database.clone()));
    let bookmarks = domain::Bookmarks { store, clock: core.ports.clock.clone() };
    http::routes(&Arc::new(bookmarks))
}

/// Makes the table; in the project, `alpine migrate run` does.
///
/// # Errors
/// When the database is away or has the table already.
pub(crate) async fn migrate(database: &Database) -> alpine_domain::Result<()> {
    let up = |unit: &mut Unit<'_>| {
        use diesel::RunQueryDsl as _;
        diesel::sql_query(migration::UP).execute(unit.conn)?;
        Ok(())
    };
    database.write("bookmarks_migrate", up).await
}
