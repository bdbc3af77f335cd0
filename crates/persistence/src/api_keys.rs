//! Users' API keys.

use alpine_domain::{
    Error, Result, Timestamp,
    account::{ApiKey, ApiKeyId, ApiKeyStore, NewApiKey, UserId},
    audit::{Action, Entry},
    error::ConflictKind,
    event::Event,
};
use async_trait::async_trait;
use diesel::{
    BoolExpressionMethods as _, ExpressionMethods as _, NullableExpressionMethods as _,
    OptionalExtension as _, QueryDsl as _, RunQueryDsl as _,
    dsl::{exists, insert_into},
};

use crate::{
    Database,
    accounts::user_rows::held_user,
    connection::MultiBackend,
    dialect::held_everybody,
    rows::ApiKeyRow,
    schema::{api_keys, users},
};

/// The API keys of one database.
#[derive(Clone)]
pub struct ApiKeys(Database);

impl ApiKeys {
    /// The API keys kept in `database`.
    pub const fn new(database: Database) -> Self {
        Self(database)
    }
}

/// Whether a key is neither revoked nor expired.
#[diesel::dsl::auto_type]
pub(crate) fn not_ended(now: Timestamp) -> _ {
    let expires_later: diesel::dsl::Gt<api_keys::expires_at, i64> =
        api_keys::expires_at.gt(now.micros());
    api_keys::revoked_at.is_null().and(api_keys::expires_at.is_null().or(expires_later))
}

/// Keys that are neither revoked nor expired, and were not ended by a promotion.
fn live(now: Timestamp) -> api_keys::BoxedQuery<'static, MultiBackend> {
    let is_of_now = api_keys::generation
        .is_null()
        .or(api_keys::generation.ge(users::addresses_from.nullable()));
    let owner = users::table.filter(users::id.eq(api_keys::user_id)).filter(is_of_now);
    api_keys::table.filter(not_ended(now)).filter(exists(owner)).into_boxed()
}

#[async_trait]
impl ApiKeyStore for ApiKeys {
    async fn create(&self, key: NewApiKey, max: u32) -> Result<()> {
        self.0
            .write("api_key_create", move |unit| {
                let NewApiKey { key, key_hash, generation } = &key;
                let owner = key.owner.to_string();
                let everybody = held_everybody(unit.conn)?;
                // Held until the commit: two creations cannot both count the same number of keys.
                let user = held_user(unit.conn, &owner)?.ok_or(Error::NotFound("account"))?;
                if user.generation(everybody) != *generation {
                    return Err(Error::Unauthenticated("the account was signed out").into());
                }
                let count: i64 = live(key.created_at)
                    .filter(api_keys::user_id.eq(&owner))
                    .count()
                    .get_result(unit.conn)?;
                if count >= i64::from(max) {
                    let detail =
                        format!("your plan brings {max} API keys at a time; revoke one first");
                    return Err(Error::conflict(ConflictKind::LimitReached, detail).into());
                }
                insert_into(api_keys::table)
                    .values((
                        api_keys::id.eq(key.id.to_string()),
                        api_keys::user_id.eq(&owner),
                        api_keys::name.eq(key.name.as_str()),
                        api_keys::prefix.eq(&key.prefix),
                        api_keys::scopes.eq(key.scopes.words().join(" ")),
                        api_keys::key_hash.eq(key_hash),
                        api_keys::created_at.eq(key.created_at.micros()),
                        api_keys::expires_at.eq(key.expires_at.map(Timestamp::micros)),
                        api_keys::generation.eq(*generation),
                    ))
                    .execute(unit.conn)?;
                unit.audit(Entry::new(key.created_at, Action::ApiKeyCreated).on(key.id));
                unit.log(key.created_at, Event::ApiKeysChanged);
                Ok(())
            })
            .await
    }

    async fn list(&self, owner: UserId, now: Timestamp) -> Result<Vec<ApiKey>> {
        let unreadable = self.0.unreadable();
        self.0
            .read("api_key_list", move |conn| {
                let rows: Vec<ApiKeyRow> = live(now)
                    .filter(api_keys::user_id.eq(owner.to_string()))
                    .order((api_keys::created_at.desc(), api_keys::id.desc()))
                    .load(conn)?;
                let keys = rows
                    .into_iter()
                    .filter_map(|row| unreadable.leave_out("api_keys", row.id.clone(), row.key()));
                Ok(keys.collect())
            })
            .await
    }

    async fn revoke(&self, owner: UserId, key: ApiKeyId, now: Timestamp) -> Result<()> {
        self.0
            .write("api_key_revoke", move |unit| {
                let live = api_keys::table
                    .filter(api_keys::id.eq(key.to_string()))
                    .filter(api_keys::user_id.eq(owner.to_string()))
                    .filter(not_ended(now));
                let revoked = diesel::update(live)
                    .set(api_keys::revoked_at.eq(now.micros()))
                    .execute(unit.conn)?;
                if revoked == 0 {
                    return Err(Error::NotFound("API key").into());
                }
                unit.audit(Entry::new(now, Action::ApiKeyRevoked).on(key));
                unit.log(now, Event::ApiKeysChanged);
                Ok(())
            })
            .await
    }

    async fn by_hash(&self, key_hash: &str, now: Timestamp) -> Result<Option<ApiKey>> {
        let key_hash = key_hash.to_owned();
        self.0
            .read("api_key_by_hash", move |conn| {
                let row: Option<ApiKeyRow> =
                    live(now).filter(api_keys::key_hash.eq(&key_hash)).first(conn).optional()?;
                Ok(row.map(ApiKeyRow::key).transpose()?)
            })
            .await
    }
}
