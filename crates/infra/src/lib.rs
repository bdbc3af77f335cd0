//! The reusable part of Alpine: cache, rate limiter, token blacklist, event bus and follower,
//! password hashing and tokens. Nothing here names a signal or a user; every type implements a port
//! of [`alpine_domain::ports`] and would serve any other service as well.
//!
//! Each capability has a bounded in-memory adapter, which works with nothing else installed, and one
//! on Redis, which falls back to the first while Redis is away. Both pass the same contract suite.
//! Nothing durable lives here: a revocation is written to the database first, by a use case.
//!
//! ```
//! use std::{sync::Arc, time::Duration};
//!
//! use alpine_domain::{ports::rate_limit::{RateLimiter, RatePolicy, Window}, time::SystemClock};
//! use alpine_infra::{InfraMetrics, rate_limit::MemoryRateLimiter};
//!
//! let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
//! runtime.block_on(async {
//!     let metrics = InfraMetrics::register(&prometheus::Registry::new())?;
//!     let limiter = MemoryRateLimiter::new(100_000, Arc::new(SystemClock), metrics);
//!     let policy = RatePolicy {
//!         name: "anonymous",
//!         windows: vec![Window { length: Duration::from_mins(1), limit: 2 }],
//!         is_coarse: false,
//!     };
//!     assert!(limiter.admit(&policy, "203.0.113.7").await.allowed);
//!     assert!(limiter.admit(&policy, "203.0.113.7").await.allowed);
//!     let refused = limiter.admit(&policy, "203.0.113.7").await;
//!     assert!(!refused.allowed && refused.retry_after.is_some());
//!     assert!(limiter.admit(&policy, "203.0.113.8").await.allowed);
//!     Ok::<(), Box<dyn std::error::Error>>(())
//! })
//! # ?; Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! | module | port | adapters |
//! |---|---|---|
//! | [`cache`] | `ResponseCache` | [`cache::BodyCache`], in memory or with Redis behind it |
//! | [`rate_limit`] | `RateLimiter` | [`rate_limit::MemoryRateLimiter`], [`rate_limit::RedisRateLimiter`] |
//! | [`blacklist`] | `TokenBlacklist` | [`blacklist::MemoryBlacklist`], [`blacklist::RedisBlacklist`], [`blacklist::MirroredBlacklist`] |
//! | [`events`] | `EventBus` | [`events::NoWakeBus`], [`events::RedisWakeBus`]; [`events::Follower`] reads the log |
//! | [`clock`] | `Clock`, `AgreedTime`, `Probe` | [`clock::DisciplinedClock`] over a [`clock::MonotonicClock`] |
//! | [`secrets`] | `PasswordHasher`, `AccessTokens`, `Randomness` | [`secrets::Argon2Hasher`], [`secrets::SignedTokens`], [`secrets::OsRandomness`] |
//! | [`payments`] | `PaymentProvider` | [`payments::StripePayments`], [`payments::DevelopmentPayments`] |
//! | [`channels`] | `ChannelPlatform` | [`channels::TelegramChannels`], [`channels::DiscordChannels`] |
//! | [`mail`] | `Mailer` | [`mail::SmtpMailer`], [`mail::Outbox`] |
//! | [`redis`] | `Probe` | [`redis::RedisProbe`], over the one connection, [`redis::RedisHandle`] |

pub mod blacklist;
pub mod cache;
pub mod channels;
pub mod clock;
pub mod events;
pub mod mail;
mod metrics;
mod outgoing;
pub mod payments;
pub mod rate_limit;
pub mod redis;
pub mod secrets;
mod settings;
mod sync;
mod throttle;

pub use clock::MonotonicClock;
pub use metrics::InfraMetrics;
pub use settings::SettingsError;

/// 64 random bits in hexadecimal digits.
fn random_text() -> String {
    use alpine_domain::ports::secrets::Randomness as _;

    let mut bytes = [0; 8];
    secrets::OsRandomness.fill(&mut bytes);
    hex::encode(bytes)
}

/// A code over what it is fed, by this key.
fn keyed(key: &[u8]) -> hmac::Hmac<sha2::Sha256> {
    use hmac::KeyInit as _;

    #[expect(clippy::expect_used, reason = "HMAC takes keys of every length")]
    hmac::Hmac::new_from_slice(key).expect("HMAC takes keys of every length")
}
