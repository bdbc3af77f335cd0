//! Configuration, wiring and lifecycle of Alpine. [`application::Application`] is the one composition
//! root; the binary `alpine`, the end-to-end tests and `cargo xtask` build the same one.
//!
//! ```
//! use alpine_server::{application::Application, config::{Sources, keep_generated_secrets, load}};
//!
//! # fn main() -> anyhow::Result<()> {
//! # let folder = tempfile::tempdir()?;
//! let mut loaded = load(&Sources {
//!     arguments: vec![
//!         ("http.bind", "127.0.0.1:0".into(), "--bind"),
//!         ("data_dir", folder.path().display().to_string().into(), "--data-dir"),
//!     ],
//!     ..Sources::default()
//! })?;
//! keep_generated_secrets(&mut loaded.config, &mut loaded.layers)?;
//!
//! let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
//! runtime.block_on(async {
//!     let application = Application::build(&loaded.config).await?;
//!     println!("http://{}/docs", application.address());
//!     application.stop_handle().stop();
//!     application.run().await
//! })
//! # }
//! ```
//!
//! | module | what it holds |
//! |---|---|
//! | [`config`] | layers of settings, where each value came from, rules |
//! | [`application`] | adapters chosen, use cases wired, servers bound; start and stop |
//! | [`cli`], [`commands`] | the command line and what each subcommand does |
//! | [`logging`] | log lines that never make a request wait |

pub mod application;
mod banner;
pub mod cli;
pub mod commands;
pub mod config;
mod connections;
mod demo;
pub mod logging;

/// The description of the API as `/openapi.json` serves it with default settings, as JSON.
///
/// # Errors
/// When it cannot be written as JSON, which would be a defect.
pub fn openapi_document() -> anyhow::Result<String> {
    Ok(alpine_http::api_description(&alpine_http::HttpSettings::default())?.to_string())
}
