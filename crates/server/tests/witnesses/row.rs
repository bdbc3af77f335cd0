//! A setting, another value for it, and what is seen with that value and not with the default.

use std::{panic::AssertUnwindSafe, time::Instant};

use futures_util::{FutureExt as _, StreamExt as _, future::LocalBoxFuture, stream};

use crate::stage::{On, Stage};

/// Rows that are tried at once, each with two applications.
const AT_ONCE: usize = 8;

/// What somebody sees of a running application.
pub type Sees = for<'a> fn(&'a Stage) -> LocalBoxFuture<'a, String>;

/// See [`setting`].
pub struct Row {
    pub key: String,
    value: &'static str,
    on: On,
    besides: Vec<(String, String)>,
    sees: Sees,
    expected: String,
}

/// With `value` for `key`, `sees` gives `expected`; with the default it gives something else. An application that
/// does not mind the setting fails one of both.
pub fn setting(
    key: impl Into<String>,
    value: &'static str,
    expected: impl Into<String>,
    sees: Sees,
) -> Row {
    let (key, expected) = (key.into(), expected.into());
    Row { key, value, on: On::Sqlite, besides: Vec::new(), sees, expected }
}

impl Row {
    #[must_use]
    pub fn on(self, on: On) -> Self {
        Self { on, ..self }
    }

    /// With other settings that have these values in both cases.
    #[must_use]
    pub fn besides(mut self, settings: &[(&str, &str)]) -> Self {
        let owned = settings.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        self.besides.extend(owned);
        self
    }

    /// What is wrong, if anything.
    async fn check(&self) -> Result<(), String> {
        let Self { key, value, on, besides, sees, expected } = self;
        let mut changed = besides.clone();
        changed.push((key.clone(), (*value).to_owned()));
        let (with, without) = tokio::join!(
            Self::seen(key, *on, &changed, *sees),
            Self::seen(key, *on, besides, *sees),
        );
        let (Some(with), Some(without)) = (with, without) else { return Ok(()) };
        if with != *expected {
            return Err(format!("`{key}` = {value}: {with:?} is seen, not {expected:?}"));
        }
        if without == *expected {
            return Err(format!("`{key}`: {expected:?} is seen without it as well"));
        }
        Ok(())
    }

    async fn seen(key: &str, on: On, settings: &[(String, String)], sees: Sees) -> Option<String> {
        let stage = Stage::start(key, on, settings).await?;
        Some(sees(&stage).await)
    }
}

/// Tries all rows, many at once, and tells of all that is wrong.
pub async fn check(rows: Vec<Row>) {
    assert!(!rows.is_empty());
    let checks = rows.into_iter().map(|row| async move {
        let started = Instant::now();
        let checked = AssertUnwindSafe(row.check()).catch_unwind().await;
        eprintln!("{:6.2} s {}", started.elapsed().as_secs_f64(), row.key);
        checked.unwrap_or_else(|_| Err(format!("`{}`: its witness panics", row.key))).err()
    });
    let wrong: Vec<_> = stream::iter(checks).buffer_unordered(AT_ONCE).collect().await;
    let wrong: Vec<_> = wrong.into_iter().flatten().collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
