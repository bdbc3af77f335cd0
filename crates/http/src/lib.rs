//! The HTTP surface: from requests to use cases of [`alpine_domain`], and from results to responses.
//!
//! The whole route table stands in [`routes`]. Around every handler, outermost first: request id,
//! trace, compression, metrics and one log line; CORS; the body's announced size; a coarse limit by
//! address; authentication; the limit of the caller's class. Every error is a problem document
//! ([`problem`]).
//!
//! [`build`] makes the application from an [`AppState`]; the server and the tests run the very
//! same one:
//!
//! ```no_run
//! use actix_web::{HttpServer, web};
//! use alpine_http::{AppState, HttpSettings, Services, build, routes};
//!
//! async fn serve(services: Services) -> Result<(), Box<dyn std::error::Error>> {
//!     let registry = prometheus::Registry::new();
//!     let state = AppState::new(services, HttpSettings::default(), registry)?;
//!     let state = web::Data::new(state);
//!     let app = move || build(state.clone(), routes::table(&state.settings));
//!     HttpServer::new(app).bind("127.0.0.1:8000")?.run().await?;
//!     Ok(())
//! }
//! ```
//!
//! What the operator sets has defaults that can be used as they are:
//!
//! ```
//! let settings = alpine_http::HttpSettings::default();
//! let table = alpine_http::routes::table(&settings);
//! assert!(table.iter().any(|route| route.endpoint.canonical_path() == "/api/v1/signals/latest"));
//! ```

mod api;
mod app;
pub mod cached;
mod concurrency;
mod context;
pub mod doc;
mod edge;
pub mod endpoint;
pub mod extract;
mod health;
mod json;
mod limit;
mod limit_settings;
mod metrics;
pub mod openapi;
mod policies;
pub mod problem;
mod request_info;
mod route;
pub mod routes;
mod settings;
mod state;
#[cfg(test)]
mod tests;
mod xml;

pub use api::statistics::views::statistics_document;
pub use app::{api_description, build, check_limits};
pub use concurrency::{ConcurrencyLimit, ConcurrencyPermit};
pub use context::Context;
pub use limit_settings::{LimitRow, LimitSettings, Policy};
pub use request_info::RequestInfo;
pub use route::{Handler, Route};
pub use settings::{CacheTtl, CorsSettings, HealthSettings, HttpSection, HttpSettings};
pub use state::{AppState, Freshness, Services};
