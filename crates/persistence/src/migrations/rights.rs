//! What the role of this connection may do on PostgreSQL, looked at before it serves.

use std::fmt;

use diesel::{
    Connection as _, PgConnection, QueryResult, QueryableByName, RunQueryDsl as _,
    connection::SimpleConnection as _,
    result::Error as DieselError,
    sql_types::{Array, Bool, Text},
};

use crate::schema::{MIGRATIONS_TABLE, TABLES};

/// Tables of Alpine with rights that the service needs and this role lacks: what `alpine migrate grant`
/// gives, in the order of the names. `CASE`, since the column must not be asked for of another table.
const MISSING: &str = "\
    WITH alpine AS ( \
        SELECT c.oid, c.relname, format('%I.%I', n.nspname, c.relname) AS name, \
            EXISTS (SELECT FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid \
                WHERE t.tgrelid = c.oid AND p.proname = 'refuse_change' AND t.tgtype & 8 <> 0) AS is_immutable \
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
        WHERE n.nspname = current_schema() AND c.relkind IN ('r', 'p') AND c.relname = ANY ($1)) \
    SELECT name, string_agg(privilege, ', ' ORDER BY place) AS privileges FROM ( \
        SELECT name, privilege, place FROM alpine, \
            (VALUES (1, 'SELECT'), (2, 'INSERT'), (3, 'UPDATE'), (4, 'DELETE')) AS needed (place, privilege) \
        WHERE (place = 1 OR relname <> $2) AND (place <= 2 OR NOT is_immutable) \
            AND NOT has_table_privilege(oid, privilege) \
        UNION ALL \
        SELECT name, 'UPDATE (is_active)', 5 FROM alpine \
        WHERE CASE relname WHEN 'signals' THEN NOT has_column_privilege(oid, 'is_active', 'UPDATE') \
            ELSE false END \
    ) AS lacking GROUP BY name ORDER BY name";

/// Who this is, whether there are tables, and whether their owner is this role or one that it may become.
const WHO: &str = "\
    SELECT format('%I', current_user) AS role, current_schema() IS NOT NULL AS has_schema, \
        EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
            WHERE n.nspname = current_schema() AND c.relname = ANY ($1) \
            AND pg_has_role(current_user, c.relowner, 'MEMBER')) AS is_owner";

/// Tables that are named in an error at most.
const MAX_NAMED: usize = 10;

#[derive(QueryableByName)]
struct Who {
    #[diesel(sql_type = Text)]
    role: String,
    #[diesel(sql_type = Bool)]
    has_schema: bool,
    #[diesel(sql_type = Bool)]
    is_owner: bool,
}

#[derive(QueryableByName)]
struct Lacking {
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Text)]
    privileges: String,
}

/// What a role of PostgreSQL may and may not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleRights {
    /// The role, quoted where SQL needs it.
    pub role: String,
    /// Whether it may use a schema of its search path.
    pub has_schema: bool,
    /// Each table with the rights that it lacks, `("public.users", "SELECT, INSERT")` for example.
    pub lacking: Vec<(String, String)>,
    /// Whether it owns tables, or may become the role that does.
    pub is_owner: bool,
    /// Whether it may switch triggers off for its session.
    pub can_silence_triggers: bool,
}

impl RoleRights {
    /// The rights of who is connected.
    pub(super) fn of(conn: &mut PgConnection) -> QueryResult<Self> {
        let names: Vec<&str> =
            TABLES.iter().map(|(name, _)| *name).chain([MIGRATIONS_TABLE]).collect();
        let Who { role, has_schema, is_owner } =
            diesel::sql_query(WHO).bind::<Array<Text>, _>(&names).get_result(conn)?;
        let lacking: Vec<Lacking> = diesel::sql_query(MISSING)
            .bind::<Array<Text>, _>(&names)
            .bind::<Text, _>(MIGRATIONS_TABLE)
            .load(conn)?;
        let lacking = lacking.into_iter().map(|it| (it.name, it.privileges)).collect();
        let can_silence_triggers = can_silence_triggers(conn)?;
        Ok(Self { role, has_schema, lacking, is_owner, can_silence_triggers })
    }

    /// Whether the service can do its work.
    pub const fn suffice(&self) -> bool {
        self.has_schema && self.lacking.is_empty()
    }

    /// What the role could do to signals that were published, which a role that serves should not.
    pub fn excess(&self) -> Option<&'static str> {
        match (self.is_owner, self.can_silence_triggers) {
            (false, false) => None,
            (true, false) => Some("owns the tables"),
            (false, true) => Some("may switch triggers off"),
            (true, true) => Some("owns the tables and may switch triggers off"),
        }
    }
}

/// Which rights are missing, and the command that grants them.
impl fmt::Display for RoleRights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { role, has_schema, lacking, .. } = self;
        if !has_schema {
            return write!(
                f,
                "the role {role} may use no schema; its owner grants that with \
                 `GRANT USAGE ON SCHEMA public TO {role}`"
            );
        }
        write!(f, "the role {role} lacks ")?;
        for (place, (table, privileges)) in lacking.iter().take(MAX_NAMED).enumerate() {
            let comma = if place > 0 { "; " } else { "" };
            write!(f, "{comma}{privileges} on {table}")?;
        }
        if let Some(more @ 1..) = lacking.len().checked_sub(MAX_NAMED) {
            write!(f, "; and rights on {more} more tables")?;
        }
        let role = role.trim_matches('"').replace("\"\"", "\"");
        write!(f, "; the tables' owner grants them with `alpine migrate grant '{role}'`")
    }
}

/// Tries it, and takes it back.
fn can_silence_triggers(conn: &mut PgConnection) -> QueryResult<bool> {
    let mut can = false;
    let tried = conn.transaction(|conn| {
        conn.batch_execute("SET LOCAL session_replication_role = replica")?;
        can = true;
        Err::<(), _>(DieselError::RollbackTransaction)
    });
    match tried {
        Ok(()) | Err(DieselError::RollbackTransaction) => Ok(can),
        // It is refused: SQLSTATE 42501 has no kind of its own here.
        Err(DieselError::DatabaseError(..)) => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_told_with_the_command_and_bounded() {
        let mut rights = RoleRights {
            role: "\"alpine app\"".to_owned(),
            has_schema: true,
            lacking: vec![
                ("public.events".to_owned(), "DELETE".to_owned()),
                ("public.users".to_owned(), "SELECT, INSERT".to_owned()),
            ],
            is_owner: false,
            can_silence_triggers: false,
        };
        assert_eq!(
            rights.to_string(),
            "the role \"alpine app\" lacks DELETE on public.events; SELECT, INSERT on public.users; \
             the tables' owner grants them with `alpine migrate grant 'alpine app'`"
        );
        rights.lacking = vec![("t".to_owned(), "SELECT".to_owned()); 12];
        assert!(rights.to_string().contains("; and rights on 2 more tables; the tables'"));
        rights.has_schema = false;
        assert!(rights.to_string().contains("GRANT USAGE ON SCHEMA public TO \"alpine app\""));
    }
}
