//! What fuzz targets reach of this module: the URLs of PostgreSQL.

use alpine_domain::Result;

use super::url::Target;
use crate::DatabaseSettings;

/// What libpq is given for `url`; `None` for another back end.
///
/// # Errors
/// As the start of the service refuses it.
pub fn libpq_url(url: &str) -> Result<Option<String>> {
    Ok(match Target::parse(&DatabaseSettings::new(url))? {
        Target::Postgres(target) => Some(target.any),
        Target::Sqlite(_) => None,
    })
}
