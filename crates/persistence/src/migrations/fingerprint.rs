//! What a database's schema looks like, as text that can be compared.

use std::fmt;

use diesel::{
    PgConnection, QueryResult, QueryableByName, RunQueryDsl as _, SqliteConnection, sql_types::Text,
};

use crate::AnyConnection;

/// A normalised description of tables, columns, constraints, indexes and triggers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SchemaFingerprint {
    /// `table.column Type`, by table and position, with Diesel's names of the types: the same on
    /// both back ends.
    pub columns: Vec<String>,
    /// Indexes, constraints, triggers and functions in the back end's own words, by name.
    pub objects: Vec<String>,
}

impl fmt::Display for SchemaFingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in self.columns.iter().chain(&self.objects) {
            writeln!(f, "{line}")?;
        }
        Ok(())
    }
}

#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = Text)]
    line: String,
}

const POSTGRES_COLUMNS: &str = "
SELECT c.table_name || '.' || c.column_name || ' ' || CASE c.is_nullable WHEN 'YES'
    THEN 'Nullable<' || t.name || '>' ELSE t.name END AS line
FROM information_schema.columns c
CROSS JOIN LATERAL (SELECT CASE c.data_type WHEN 'bigint' THEN 'BigInt' WHEN 'text' THEN 'Text' WHEN 'bytea' THEN 'Binary'
    WHEN 'boolean' THEN 'Bool' WHEN 'double precision' THEN 'Double' ELSE c.data_type END) t (name)
WHERE c.table_schema = current_schema() AND c.table_name <> '__diesel_schema_migrations'
ORDER BY c.table_name COLLATE \"C\", c.ordinal_position";

const POSTGRES_OBJECTS: &str = "
SELECT line FROM (
    SELECT pg_get_indexdef(i.indexrelid) || CASE WHEN i.indisvalid THEN '' ELSE ' INVALID' END
    FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid
    WHERE c.relnamespace = current_schema()::regnamespace AND c.relname <> '__diesel_schema_migrations'
    UNION ALL
    SELECT c.relname || ' ' || k.conname || ' ' || pg_get_constraintdef(k.oid)
    FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid
    WHERE c.relnamespace = current_schema()::regnamespace AND c.relname <> '__diesel_schema_migrations'
    UNION ALL
    SELECT pg_get_triggerdef(t.oid) FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
    WHERE NOT t.tgisinternal AND c.relnamespace = current_schema()::regnamespace
    UNION ALL
    SELECT pg_get_functiondef(p.oid) FROM pg_proc p
    WHERE p.pronamespace = current_schema()::regnamespace
    UNION ALL
    SELECT c.table_name || '.' || c.column_name || ' default ' || coalesce(c.column_default, 'none')
        || ' identity ' || coalesce(c.identity_generation, 'none')
    FROM information_schema.columns c
    WHERE c.table_schema = current_schema() AND c.table_name <> '__diesel_schema_migrations'
) objects (line) ORDER BY line COLLATE \"C\"";

// A key that SQLite numbers itself is spelled INTEGER and holds 64 bits like BIGINT.
const SQLITE_COLUMNS: &str = "
SELECT m.name || '.' || c.name || ' ' || CASE WHEN c.\"notnull\" OR c.pk > 0
    THEN t.name ELSE 'Nullable<' || t.name || '>' END AS line
FROM sqlite_master m JOIN pragma_table_info(m.name) c
JOIN (SELECT 'BIGINT' AS type, 'BigInt' AS name UNION ALL SELECT 'INTEGER', 'BigInt' UNION ALL SELECT 'BLOB', 'Binary'
    UNION ALL SELECT 'TEXT', 'Text' UNION ALL SELECT 'BOOLEAN', 'Bool'
    UNION ALL SELECT 'DOUBLE', 'Double') t ON t.type = c.type
WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%' AND m.name <> '__diesel_schema_migrations'
ORDER BY m.name, c.cid";

const SQLITE_OBJECTS: &str = "
SELECT type || ' ' || name || ' on ' || tbl_name || ': ' || coalesce(sql, 'implied') AS line
FROM sqlite_master
WHERE tbl_name NOT LIKE 'sqlite_%' AND tbl_name <> '__diesel_schema_migrations'
ORDER BY type, name";

impl SchemaFingerprint {
    pub(super) fn of(conn: &mut AnyConnection) -> QueryResult<Self> {
        let (columns, objects) = match conn {
            AnyConnection::Postgres(conn) => {
                (postgres_lines(conn, POSTGRES_COLUMNS)?, postgres_lines(conn, POSTGRES_OBJECTS)?)
            }
            AnyConnection::Sqlite(conn) => {
                (sqlite_lines(conn, SQLITE_COLUMNS)?, sqlite_lines(conn, SQLITE_OBJECTS)?)
            }
        };
        Ok(Self { columns, objects })
    }

    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.columns.is_empty() && self.objects.is_empty()
    }
}

fn postgres_lines(conn: &mut PgConnection, query: &str) -> QueryResult<Vec<String>> {
    let rows: Vec<Line> = diesel::sql_query(query).load(conn)?;
    Ok(rows.into_iter().map(|row| row.line).collect())
}

fn sqlite_lines(conn: &mut SqliteConnection, query: &str) -> QueryResult<Vec<String>> {
    let rows: Vec<Line> = diesel::sql_query(query).load(conn)?;
    Ok(rows.into_iter().map(|row| row.line).collect())
}
