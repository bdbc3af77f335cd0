//! Types, rules, ports and use cases of Alpine, the backend of a trading-signal business.
//!
//! Nothing in this crate does I/O, and nothing names a framework, a database or a runtime: time and
//! randomness are parameters ([`time::Clock`], [`ports::secrets::Randomness`]), storage and
//! everything else that is slow stands behind a port. A value that exists is valid: it was parsed
//! once, at the edge.
//!
//! ```
//! use alpine_domain::signal::{Action, ExitPrice, Price, pnl_percent};
//!
//! let entry: Price = "100.00".parse()?;
//! let exit: ExitPrice = "97.5".parse()?;
//! // A short position earns when the price falls; exact decimals, in percent of the entry.
//! assert_eq!(pnl_percent(Action::Sell, &entry, &exit)?.to_string(), "2.5");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! | module | what it holds |
//! |---|---|
//! | [`signal`] | what a producer may say, who sees it and when, outcomes |
//! | [`statistics`] | what the closed signals prove |
//! | [`account`] | users, tiers, sessions, access and refresh tokens |
//! | [`plan`] | what can be subscribed to, and its price |
//! | [`billing`] | who pays, and what for |
//! | [`channel`] | who is in which channel of a messenger, and why |
//! | [`producer`] | who may push signals in |
//! | [`retention`] | what is deleted when, and how much at once |
//! | [`audit`] | who did what, to whom, when and from where |
//! | [`event`] | what one instance must tell the others |
//! | [`notification`] | what a user is told of: rows of one user, and signals that the user's tier may see |
//! | [`jobs`] | what has to be done after a commit, once, by any instance |
//! | [`text`] | why a text that people type is refused |
//! | [`use_cases`] | every use case over every store, built in one place |
//! | [`settings`] | how settings are written, and their defaults |
//! | [`ports`] | the traits that adapters implement, free of business |

pub mod account;
pub mod analytics;
pub mod audit;
pub mod billing;
pub mod channel;
pub mod error;
pub mod event;
pub mod idempotency;
pub mod jobs;
pub mod json;
mod memo;
pub mod notification;
pub mod page;
pub mod plan;
pub mod ports;
pub mod producer;
pub mod retention;
pub mod settings;
pub mod signal;
pub mod statistics;
pub mod text;
mod text_enum;
pub mod time;
pub mod use_cases;

pub use error::{Error, FieldError, Result};
pub use time::{AgreedTime, Clock, Timestamp};
