//! The id of the database.

use alpine_domain::{
    Error, Result,
    ports::database_id::{DatabaseId, DatabaseIdentity},
};
use async_trait::async_trait;
use diesel::{QueryDsl as _, RunQueryDsl as _};

use crate::{Database, schema::database_identity};

#[async_trait]
impl DatabaseIdentity for Database {
    async fn database_id(&self) -> Result<DatabaseId> {
        let text: String = self
            .read("database_id", |conn| {
                Ok(database_identity::table.select(database_identity::id).first(conn)?)
            })
            .await?;
        DatabaseId::parse(&text).ok_or_else(|| Error::internal("the id of the database is no id"))
    }
}
