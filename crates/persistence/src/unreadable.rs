//! Rows that cannot be read back: an older release, an operator or a fault wrote them. They are left out of
//! lists, counted and logged, so that one of them never takes the others along.

use std::{
    collections::HashSet,
    fmt::Display,
    sync::{Mutex, PoisonError},
};

use alpine_domain::{Error, Result};
use prometheus::{IntCounterVec, Registry, register_int_counter_vec_with_registry};

/// Rows that are logged once each; further ones are only counted.
const MAX_LOGGED: usize = 1_000;

/// Counts and logs rows that cannot be read.
pub(crate) struct UnreadableRows {
    counter: IntCounterVec,
    logged: Mutex<HashSet<(&'static str, String)>>,
}

impl UnreadableRows {
    /// Registers `db_unreadable_rows_total`.
    pub(crate) fn register(registry: &Registry) -> Result<Self> {
        let counter = register_int_counter_vec_with_registry!(
            "db_unreadable_rows_total",
            "Times that a row was left out of an answer because it cannot be read back, by table.",
            &["table"],
            registry
        )
        .map_err(Error::internal)?;
        Ok(Self { counter, logged: Mutex::default() })
    }

    /// What the row stands for, or `None`, noted, when that cannot be told.
    pub(crate) fn leave_out<T>(
        &self,
        table: &'static str,
        id: impl Display,
        read: Result<T>,
    ) -> Option<T> {
        let error = match read {
            Ok(value) => return Some(value),
            Err(Error::Internal(error)) => error,
            Err(error) => error.into(),
        };
        self.counter.with_label_values(&[table]).inc();
        let row = (table, id.to_string());
        let mut logged = self.logged.lock().unwrap_or_else(PoisonError::into_inner);
        if logged.len() < MAX_LOGGED && !logged.contains(&row) {
            tracing::error!(table, id = row.1, %error, "a stored row cannot be read and is left out");
            logged.insert(row);
        }
        None
    }
}
