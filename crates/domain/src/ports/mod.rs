//! The traits that adapters implement. They name no signal and no user: whoever needs a cache, a
//! limiter or a log anywhere could use them. Stores, which do know the business, stand beside their
//! capability ([`crate::signal::SignalStore`] and its like).

pub mod blacklist;
pub mod cache;
pub mod channels;
pub mod database_clock;
pub mod database_id;
pub mod events;
pub mod health;
pub mod mail;
pub mod payments;
pub mod rate_limit;
pub mod sealing;
pub mod secrets;
