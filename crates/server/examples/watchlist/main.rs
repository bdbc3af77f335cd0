//! A worked example: one use case from its migration to its route.
//!
//! Subscribers keep a list of instruments that they watch. In the project itself each part below would
//! be a file of the crate that its heading names; here they stand side by side, so that the whole way
//! can be read at once. Run it with `cargo run --example watchlist`: it signs a user up, watches two
//! instruments over HTTP and prints the answers.

use std::sync::Arc;

use alpine_server::{
    application::{Application, Core, Ports},
    config::{Sources, keep_generated_secrets, load},
};

/// 1. `migrations/sqlite/NNNN_watchlist/up.sql` and `down.sql`, and the same for PostgreSQL.
mod migration {
    pub(super) const UP: &str = "CREATE TABLE watchlist (
        user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
        symbol TEXT NOT NULL,
        created_at BIGINT NOT NULL,
        PRIMARY KEY (user_id, symbol))";
}

/// 2. `crates/domain/src/watchlist.rs`: the port and the use case. No SQL, no HTTP; time is a parameter.
mod domain {
    use std::sync::Arc;

    use alpine_domain::{Clock, Result, Timestamp, account::UserId, signal::Symbol};
    use async_trait::async_trait;

    /// Instruments that one user watches at most.
    const MAX_WATCHED: u32 = 100;

    #[async_trait]
    pub(super) trait WatchlistStore: Send + Sync {
        /// Adds the instrument, unless it is there or the user has `max` already.
        async fn add(&self, user: UserId, symbol: Symbol, now: Timestamp, max: u32) -> Result<()>;
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
    }
}

/// 3. `crates/persistence/src/watchlist.rs`, with the table in `schema.rs`: one unit of work a method.
mod persistence {
    use alpine_domain::{
        Error, Result, Timestamp, account::UserId, error::ConflictKind, signal::Symbol,
    };
    use alpine_persistence::Database;
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

    pub(super) struct Watchlists(pub(super) Database);

    #[async_trait]
    impl WatchlistStore for Watchlists {
        async fn add(&self, user: UserId, symbol: Symbol, now: Timestamp, max: u32) -> Result<()> {
            let add = move |unit: &mut alpine_persistence::Unit<'_>| {
                let of_user = watchlist::table.filter(watchlist::user_id.eq(user.to_string()));
                let watched: Vec<String> = of_user.select(watchlist::symbol).load(unit.conn)?;
                if watched.iter().any(|known| known == symbol.as_str()) {
                    return Ok(());
                }
                if watched.len() >= max as usize {
                    let detail = format!("at most {max} instruments can be watched");
                    return Err(Error::conflict(ConflictKind::LimitReached, detail).into());
                }
                diesel::insert_into(watchlist::table)
                    .values((
                        watchlist::user_id.eq(user.to_string()),
                        watchlist::symbol.eq(symbol.as_str()),
                        watchlist::created_at.eq(now.micros()),
                    ))
                    .execute(unit.conn)?;
                Ok(())
            };
            self.0.write("watchlist_add", add).await
        }

        async fn list(&self, user: UserId) -> Result<Vec<Symbol>> {
            let symbols: Vec<String> = self
                .0
                .read("watchlist_list", move |conn| {
                    let of_user = watchlist::table.filter(watchlist::user_id.eq(user.to_string()));
                    Ok(of_user.select(watchlist::symbol).order(watchlist::symbol).load(conn)?)
                })
                .await?;
            symbols.iter().map(|text| text.parse().map_err(Error::internal)).collect()
        }
    }
}

/// 4. `crates/http/src/api/watchlist/` and one line of `routes.rs`: who may call, how often, what answers.
mod http {
    use std::sync::Arc;

    use actix_web::http::Method;
    use alpine_http::{
        Route,
        endpoint::{Access, Limit},
    };

    use super::domain::Watchlist;

    pub(super) fn routes(watchlist: &Arc<Watchlist>) -> Vec<Route> {
        let watchlist = Arc::clone(watchlist);
        let watch = move |mut context: alpine_http::Context| {
            let watchlist = Arc::clone(&watchlist);
            async move {
                let user = context.user()?;
                let mut fields = context.json().await?;
                let symbol = fields.text("symbol");
                fields.finish()?;
                let symbol = symbol
                    .parse()
                    .map_err(|reason: &str| alpine_domain::Error::invalid("symbol", reason))?;
                context.ok(&watchlist.watch(user, symbol).await?)
            }
        };
        vec![Route::new(Method::POST, "watchlist", "watch", Access::Bearer, Limit::Caller, watch)]
    }
}

/// 5. `crates/server/src/application/core.rs`: the wiring.
fn routes(core: &Arc<Core>) -> Vec<alpine_http::Route> {
    let store = Arc::new(persistence::Watchlists(core.database.clone()));
    let watchlist = domain::Watchlist { store, clock: core.clock.clone() };
    http::routes(&Arc::new(watchlist))
}

#[actix_web::main]
async fn main() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let mut loaded = load(&Sources {
        arguments: vec![
            ("http.bind", "127.0.0.1:0".into(), "--bind"),
            ("data_dir", folder.path().display().to_string().into(), "--data-dir"),
        ],
        ..Sources::default()
    })?;
    keep_generated_secrets(&mut loaded.config, &mut loaded.layers)?;
    let (ports, registry) = (Ports::default(), prometheus::Registry::new());
    let application = Application::build_with(&loaded.config, &ports, routes, registry).await?;
    let migrate = |unit: &mut alpine_persistence::Unit<'_>| {
        use diesel::RunQueryDsl as _;
        diesel::sql_query(migration::UP).execute(unit.conn)?;
        Ok(())
    };
    application.core().database.write("watchlist_migrate", migrate).await?;

    let (base, stop) =
        (format!("http://{}/api/v1", application.address()), application.stop_handle());
    let serving = actix_web::rt::spawn(application.run());
    try_it(&base).await?;
    stop.stop();
    serving.await?
}

async fn try_it(base: &str) -> anyhow::Result<()> {
    let client = reqwest::Client::new();
    let account = serde_json::json!({
        "email": "ada@example.com", "password": "a quiet river at dawn", "full_name": "Ada"
    });
    let answer = client.post(format!("{base}/auth/signup")).json(&account).send().await?;
    let signed_in: serde_json::Value = answer.error_for_status()?.json().await?;
    let token = signed_in["access_token"].as_str().unwrap_or_default();
    for symbol in ["MSFT", "AAPL", "not a symbol"] {
        let body = serde_json::json!({ "symbol": symbol });
        let request = client.post(format!("{base}/watchlist")).bearer_auth(token).json(&body);
        let answer = request.send().await?;
        println!("POST watchlist {body} -> {} {}", answer.status(), answer.text().await?);
    }
    Ok(())
}
