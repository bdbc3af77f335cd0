//! The capability: each module below would be a file of the crate that its heading names.

use std::sync::Arc;

use alpine_http::Route;
use alpine_persistence::{Database, Unit};
use alpine_server::application::Core;

/// Step 1: `migrations/{sqlite,postgres}/NNNN_watchlist/{up,down}.sql`: four files.
mod migration {
    /// The key has two parts: a user watches an instrument once.
    pub(super) const UP: &str = "CREATE TABLE watchlist (
        user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
        symbol TEXT NOT NULL,
        created_at BIGINT NOT NULL,
        PRIMARY KEY (user_id, symbol))";
}

/// Step 2: `crates/domain/src/watchlist.rs`: the port and the use case. No SQL, no HTTP; time is a port.
mod domain {
    use std::sync::Arc;

    use alpine_domain::{Clock, Result, Timestamp, account::UserId, signal::Symbol};
    use async_trait::async_trait;

    /// Instruments that one user watches at most.
    const MAX_WATCHED: u32 = 100;

    #[async_trait]
    pub(super) trait WatchlistStore: Send + Sync {
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

    pub(super) struct Watchlist {
        pub(super) store: Arc<dyn WatchlistStore>,
        pub(super) clock: Arc<dyn Clock>,
    }

    impl Watchlist {
        /// Watches an instrument; says all that are watched.
        pub(super) async fn watch(&self, user: UserId, symbol: Symbol) -> Result<Vec<Symbol>> {
            self.store.add(user, symbol, self.clock.now(), MAX_WATCHED).await?;
            self.store.list(user).await
        }

        /// Watches an instrument no longer; says all that still are.
        pub(super) async fn unwatch(&self, user: UserId, symbol: Symbol) -> Result<Vec<Symbol>> {
            self.store.remove(user, symbol, self.clock.now()).await?;
            self.store.list(user).await
        }

        /// The instruments that a user watches.
        pub(super) async fn watched(&self, user: UserId) -> Result<Vec<Symbol>> {
            self.store.list(user).await
        }
    }
}

/// Step 3: `crates/persistence/src/watchlist.rs`: one unit of work for each method. The table stands in
/// `schema.rs`.
mod persistence {
    use alpine_domain::{
        Error, Result, Timestamp, account::UserId, error::ConflictKind, event::Event,
        signal::Symbol,
    };
    use alpine_persistence::{Database, Failure, Unit};
    use async_trait::async_trait;
    use diesel::prelude::*;

    use super::domain::WatchlistStore;

    diesel::table! {
        watchlist (user_id, symbol) {
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

    pub(super) struct Watchlists(pub(super) Database);

    /// Writes the owner's row as it is, and so holds it until the commit: of two requests at once the
    /// second one counts what the first one added.
    fn lock_owner(unit: &mut Unit<'_>, owner: &str) -> Result<(), Failure> {
        let locked = diesel::update(users::table.find(owner))
            .set(users::generation.eq(users::generation))
            .execute(unit.conn)?;
        if locked == 0 { Err(Error::NotFound("account").into()) } else { Ok(()) }
    }

    #[async_trait]
    impl WatchlistStore for Watchlists {
        async fn add(&self, user: UserId, symbol: Symbol, now: Timestamp, max: u32) -> Result<()> {
            let add = move |unit: &mut Unit<'_>| {
                let owner = user.to_string();
                lock_owner(unit, &owner)?;
                let of_owner = watchlist::table.filter(watchlist::user_id.eq(&owner));
                let watched: Vec<String> = of_owner.select(watchlist::symbol).load(unit.conn)?;
                let event = Event::AccountChanged { user };
                if watched.iter().any(|known| known == symbol.as_str()) {
                    // A repeated request: the event stands in the log already.
                    unit.confirm(event);
                    return Ok(());
                }
                if watched.len() >= max as usize {
                    let detail = format!("at most {max} instruments can be watched");
                    return Err(Error::conflict(ConflictKind::LimitReached, detail).into());
                }
                diesel::insert_into(watchlist::table)
                    .values((
                        watchlist::user_id.eq(&owner),
                        watchlist::symbol.eq(symbol.as_str()),
                        watchlist::created_at.eq(now.micros()),
                    ))
                    .execute(unit.conn)?;
                unit.log(now, event);
                Ok(())
            };
            self.0.write("watchlist_add", add).await
        }

        async fn remove(&self, user: UserId, symbol: Symbol, now: Timestamp) -> Result<()> {
            let remove = move |unit: &mut Unit<'_>| {
                let row = watchlist::table
                    .filter(watchlist::user_id.eq(user.to_string()))
                    .filter(watchlist::symbol.eq(symbol.as_str()));
                if diesel::delete(row).execute(unit.conn)? == 0 {
                    return Err(Error::NotFound("instrument").into());
                }
                unit.log(now, Event::AccountChanged { user });
                Ok(())
            };
            self.0.write("watchlist_remove", remove).await
        }

        async fn list(&self, user: UserId) -> Result<Vec<Symbol>> {
            let list = move |conn: &mut alpine_persistence::AnyConnection| {
                let of_owner = watchlist::table.filter(watchlist::user_id.eq(user.to_string()));
                Ok(of_owner.select(watchlist::symbol).load(conn)?)
            };
            let symbols: Vec<String> = self.0.read("watchlist_list", list).await?;
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

/// Step 4: `crates/http/src/api/watchlist/{handlers,views,docs}.rs` and three rows of `routes.rs`: who may
/// call, how often, what answers, what is said of it.
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

    use super::domain::Watchlist;

    /// The instruments that a user watches, by name.
    #[derive(Serialize, ToSchema)]
    #[schema(as = Watchlist)]
    struct WatchlistView {
        #[schema(value_type = Vec<String>)]
        items: Vec<Symbol>,
        total: usize,
    }

    impl From<Vec<Symbol>> for WatchlistView {
        fn from(items: Vec<Symbol>) -> Self {
            Self { total: items.len(), items }
        }
    }

    /// An instrument to be watched.
    #[derive(ToSchema)]
    #[expect(dead_code, reason = "only its schema is used")]
    struct WatchRequest {
        #[schema(min_length = 1, max_length = 64)]
        symbol: String,
    }

    /// `GET watchlist`, from the cache until the account changes.
    async fn watched(context: Context, watchlist: Arc<Watchlist>) -> Result<HttpResponse> {
        let user = context.user()?;
        let ttl = context.state.settings.cache.profile;
        let policy = context.cache_policy(ttl, [tags::account(user)]);
        let scope = Scope::Principal(user.to_string());
        let request = (user, watchlist);
        context
            .cached(policy, scope, String::new(), request, |_, (user, watchlist)| async move {
                loaded(&WatchlistView::from(watchlist.watched(user).await?), None)
            })
            .await
    }

    /// `POST watchlist`.
    async fn watch(mut context: Context, watchlist: Arc<Watchlist>) -> Result<HttpResponse> {
        let user = context.user()?;
        let mut fields = context.json().await?;
        let symbol = fields.parsed("symbol", str::parse::<Symbol>);
        let symbol = fields.finish_with(symbol)?;
        context.ok(&WatchlistView::from(watchlist.watch(user, symbol).await?))
    }

    /// `DELETE watchlist/{symbol}`; a slash in the symbol is sent as `%2F`.
    async fn unwatch(context: Context, watchlist: Arc<Watchlist>) -> Result<HttpResponse> {
        let symbol = context.segment("symbol", "instrument")?;
        let rest = watchlist.unwatch(context.user()?, symbol).await?;
        context.ok(&WatchlistView::from(rest))
    }

    fn doc(summary: &'static str) -> Doc {
        Doc::new("watchlist", summary, "What is watched.").gives::<WatchlistView>()
    }

    fn watched_doc() -> Doc {
        doc("The instruments that you watch").with(Extra::Validator)
    }

    fn watch_doc() -> Doc {
        doc("Watch an instrument")
            .takes::<WatchRequest>("application/json")
            .problems(&[&problem::LIMIT_REACHED])
    }

    fn unwatch_doc() -> Doc {
        doc("Watch an instrument no longer")
    }

    pub(super) fn routes(watchlist: &Arc<Watchlist>) -> Vec<Route> {
        let (list, add, remove) =
            (Arc::clone(watchlist), Arc::clone(watchlist), Arc::clone(watchlist));
        let (access, limit) = (Access::Bearer, Limit::Caller);
        vec![
            Route::new(Method::GET, "watchlist", "watched", access, limit, move |context| {
                watched(context, Arc::clone(&list))
            })
            .documented(watched_doc),
            Route::new(Method::POST, "watchlist", "watch", access, limit, move |context| {
                watch(context, Arc::clone(&add))
            })
            .documented(watch_doc),
            Route::new(
                Method::DELETE,
                "watchlist/{symbol}",
                "unwatch",
                access,
                limit,
                move |context| unwatch(context, Arc::clone(&remove)),
            )
            .documented(unwatch_doc),
        ]
    }
}

/// Step 5: a field of `Stores` and one of `UseCases` in `crates/domain/src/use_cases.rs`, and a line in `stores()`
/// of `crates/persistence/src/lib.rs`: the wiring.
pub(crate) fn routes(core: &Arc<Core>) -> Vec<Route> {
    let store = Arc::new(persistence::Watchlists(core.database.clone()));
    let watchlist = domain::Watchlist { store, clock: core.ports.clock.clone() };
    http::routes(&Arc::new(watchlist))
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
    database.write("watchlist_migrate", up).await
}
