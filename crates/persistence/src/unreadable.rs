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
        let id = id.to_string();
        if self.is_new(table, &id) {
            tracing::error!(table, id, %error, "a stored row cannot be read and is left out");
        }
        None
    }

    /// Whether the row was not met before; no more than [`MAX_LOGGED`] are new.
    fn is_new(&self, table: &'static str, id: &str) -> bool {
        let mut logged = self.logged.lock().unwrap_or_else(PoisonError::into_inner);
        logged.len() < MAX_LOGGED && logged.insert((table, id.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_logged_once_and_a_thousand_at_most() {
        let rows = UnreadableRows::register(&Registry::new()).unwrap();
        let met = |table, id: usize| rows.is_new(table, &id.to_string());
        assert_eq!([met("signals", 0), met("signals", 0)], [true, false]);
        assert!(met("outcomes", 0), "another table");
        let new = (1..MAX_LOGGED + 10).filter(|id| met("signals", *id)).count();
        assert_eq!(new, MAX_LOGGED - 2);
    }

    #[test]
    fn what_can_be_read_is_neither_left_out_nor_counted() {
        let rows = UnreadableRows::register(&Registry::new()).unwrap();
        let counted = || rows.counter.with_label_values(&["signals"]).get();
        assert_eq!((rows.leave_out("signals", 1, Ok(7)), counted()), (Some(7), 0));
        for (number, error) in
            [Error::internal("broken"), Error::NotFound("x")].into_iter().enumerate()
        {
            assert_eq!(rows.leave_out::<u8>("signals", 1, Err(error)), None);
            assert_eq!(counted(), number as u64 + 1);
        }
    }
}
