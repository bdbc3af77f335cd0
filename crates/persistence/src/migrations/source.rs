//! The migrations themselves, inside the binary.

use diesel_migrations::{EmbeddedMigrations, embed_migrations};

pub(super) const POSTGRES: EmbeddedMigrations = embed_migrations!("../../migrations/postgres");
pub(super) const SQLITE: EmbeddedMigrations = embed_migrations!("../../migrations/sqlite");

/// What went wrong while migrating, in Diesel's own words.
pub(super) type Harness<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;
