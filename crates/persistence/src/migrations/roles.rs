//! Two roles on PostgreSQL: one owns the tables and migrates, one serves and owns nothing.

use diesel::{
    Connection as _, PgConnection, QueryResult, QueryableByName, RunQueryDsl as _,
    connection::SimpleConnection as _, sql_types::Text,
};

/// Tables whose rows a trigger keeps from being deleted: the immutable ones.
const IMMUTABLE: &str = "SELECT format('%I.%I', n.nspname, c.relname) AS name \
    FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_proc p ON p.oid = t.tgfoid \
    JOIN pg_namespace n ON n.oid = c.relnamespace \
    WHERE c.relnamespace = current_schema()::regnamespace AND p.proname = 'refuse_change' \
    AND t.tgtype & 8 <> 0 ORDER BY c.relname";

#[derive(QueryableByName)]
struct Name {
    #[diesel(sql_type = Text)]
    name: String,
}

/// Gives `role` what the service needs, and takes everything else from it, all or nothing.
pub(super) fn grant(conn: &mut PgConnection, role: &str) -> QueryResult<()> {
    conn.transaction(|conn| {
        let quoted: Name = diesel::sql_query("SELECT format('%I', $1::text) AS name")
            .bind::<Text, _>(role)
            .get_result(conn)?;
        let role = quoted.name;
        let schema: Name =
            diesel::sql_query("SELECT format('%I', current_schema()) AS name").get_result(conn)?;
        let schema = schema.name;
        conn.batch_execute(&format!(
            "REVOKE ALL ON ALL TABLES IN SCHEMA {schema} FROM {role}; \
             REVOKE ALL ON ALL SEQUENCES IN SCHEMA {schema} FROM {role}; \
             REVOKE CREATE ON SCHEMA {schema} FROM {role}; \
             GRANT USAGE ON SCHEMA {schema} TO {role}; \
             GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO {role}; \
             REVOKE INSERT, UPDATE, DELETE ON {schema}.__diesel_schema_migrations FROM {role}"
        ))?;
        for table in diesel::sql_query(IMMUTABLE).load::<Name>(conn)? {
            conn.batch_execute(&format!("REVOKE UPDATE, DELETE ON {} FROM {role}", table.name))?;
        }
        // The one change that is allowed: a signal closes.
        conn.batch_execute(&format!("GRANT UPDATE (is_active) ON {schema}.signals TO {role}"))
    })
}
