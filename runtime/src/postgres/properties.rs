//! What the server knows of a database beside its contents: owner, rights, connection limit,
//! comment, settings. A clone has none of it by itself.

use sqlx::{AssertSqlSafe, Executor, PgConnection};

use super::sql::quoted;

/// What stands for the database's name in statements that are stored.
const NAME: &str = "\u{1}database\u{1}";

/// Statements that give a new clone what its template has; the name is quoted by the server.
const STATEMENTS: &str = "
    SELECT replace(statement, quote_ident(current_database()), $1) FROM (
        SELECT 1, format('ALTER DATABASE %I CONNECTION LIMIT %s', d.datname, d.datconnlimit) AS statement
        FROM pg_database d WHERE d.datname = current_database() AND d.datconnlimit <> -1
        UNION ALL
        SELECT 2, format('COMMENT ON DATABASE %I IS %L', d.datname, s.description)
        FROM pg_database d JOIN pg_shdescription s ON s.objoid = d.oid
        WHERE d.datname = current_database() AND s.classoid = 'pg_database'::regclass
        UNION ALL
        SELECT 3, format('SECURITY LABEL FOR %I ON DATABASE %I IS %L', s.provider, d.datname, s.label)
        FROM pg_database d JOIN pg_shseclabel s ON s.objoid = d.oid
        WHERE d.datname = current_database() AND s.classoid = 'pg_database'::regclass
        UNION ALL
        SELECT 4, format('REVOKE ALL ON DATABASE %I FROM PUBLIC, %I', d.datname, pg_get_userbyid(d.datdba))
        FROM pg_database d WHERE d.datname = current_database() AND d.datacl IS NOT NULL
        UNION ALL
        SELECT 5, format('GRANT %s ON DATABASE %I TO %s%s', a.privilege_type, d.datname,
                         CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END,
                         CASE WHEN a.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END)
        FROM pg_database d, aclexplode(d.datacl) a WHERE d.datname = current_database()
        UNION ALL
        SELECT 6, format('ALTER %s %s SET %I = %s',
                         CASE s.setrole WHEN 0 THEN 'DATABASE' ELSE 'ROLE' END,
                         CASE s.setrole WHEN 0 THEN quote_ident(d.datname)
                         ELSE format('%I IN DATABASE %I', pg_get_userbyid(s.setrole), d.datname) END,
                         split_part(setting, '=', 1),
                         -- The values of these are lists, as they are written.
                         CASE WHEN lower(split_part(setting, '=', 1)) IN
                             ('search_path', 'temp_tablespaces', 'session_preload_libraries',
                              'local_preload_libraries', 'datestyle')
                             AND setting NOT LIKE '%='
                         THEN substr(setting, strpos(setting, '=') + 1)
                         ELSE quote_literal(substr(setting, strpos(setting, '=') + 1)) END)
        FROM pg_database d JOIN pg_db_role_setting s ON s.setdatabase = d.oid, unnest(s.setconfig) setting
        WHERE d.datname = current_database()
    ) ordered (number, statement) ORDER BY number, statement";

/// Reads the statements that give a clone of the database what it has.
pub(super) async fn read(connection: &mut PgConnection) -> Result<Vec<String>, sqlx::Error> {
    sqlx::query_scalar(STATEMENTS)
        .bind(NAME)
        .fetch_all(connection)
        .await
}

/// Applies to a new clone what its template has.
pub(super) async fn apply(
    connection: &mut PgConnection,
    database: &str,
    statements: &[String],
) -> Result<(), sqlx::Error> {
    if statements.is_empty() {
        return Ok(());
    }
    let script = statements.join("; ").replace(NAME, &quoted(database));
    connection.execute(AssertSqlSafe(script)).await.map(|_| ())
}
