//! tmp
pub mod config;
