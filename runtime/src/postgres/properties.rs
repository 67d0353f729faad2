//! What the server knows of a database beside its contents: owner, rights, connection limit,
//! comment, settings. A clone has none of it by itself.

use sqlx::{AssertSqlSafe, Executor, PgConnection};

use super::sql::quoted;

/// What stands for the database's name in statements that are stored.
const NAME: &str = "\u{1}database\u{1}";

const OWNER: &str = "SELECT pg_get_userbyid(datdba)::text FROM pg_database WHERE datname = $1";

/// Statements that give a new clone what its template has; the name is quoted by the server.
const STATEMENTS: &str = "
    SELECT replace(statement, quote_ident($2), $1) FROM (
        SELECT 1, format('ALTER DATABASE %I CONNECTION LIMIT %s', d.datname, d.datconnlimit) AS statement
        FROM pg_database d WHERE d.datname = $2 AND d.datconnlimit <> -1
        UNION ALL
        SELECT 2, format('COMMENT ON DATABASE %I IS %L', d.datname, s.description)
        FROM pg_database d JOIN pg_shdescription s ON s.objoid = d.oid
        WHERE d.datname = $2 AND s.classoid = 'pg_database'::regclass
        UNION ALL
        SELECT 3, format('SECURITY LABEL FOR %I ON DATABASE %I IS %L', s.provider, d.datname, s.label)
        FROM pg_database d JOIN pg_shseclabel s ON s.objoid = d.oid
        WHERE d.datname = $2 AND s.classoid = 'pg_database'::regclass
        UNION ALL
        SELECT 4, format('REVOKE ALL ON DATABASE %I FROM PUBLIC, %I', d.datname, pg_get_userbyid(d.datdba))
        FROM pg_database d WHERE d.datname = $2 AND d.datacl IS NOT NULL
        UNION ALL
        SELECT 5, format('GRANT %s ON DATABASE %I TO %s%s', a.privilege_type, d.datname,
                         CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END,
                         CASE WHEN a.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END)
        FROM pg_database d, aclexplode(d.datacl) a WHERE d.datname = $2
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
        WHERE d.datname = $2
    ) ordered (number, statement) ORDER BY number, statement";

/// What the server knows of a database beside its contents.
#[derive(Debug)]
pub(super) struct Properties {
    pub(super) owner: String,
    /// Statements that give a clone of the database the rest.
    pub(super) statements: Vec<String>,
}

/// Reads what the server knows of a database.
pub(super) async fn read(
    registry: &mut PgConnection,
    database: &str,
) -> Result<Properties, sqlx::Error> {
    Ok(Properties {
        owner: sqlx::query_scalar(OWNER)
            .bind(database)
            .fetch_one(&mut *registry)
            .await?,
        statements: sqlx::query_scalar(STATEMENTS)
            .bind(NAME)
            .bind(database)
            .fetch_all(registry)
            .await?,
    })
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
