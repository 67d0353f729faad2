//! What the server knows of a database beside its contents: owner, rights, connection limit,
//! comment, settings. A clone has none of it by itself.

use std::collections::BTreeSet;

use sqlx::{AssertSqlSafe, Executor, PgConnection, Row};

use super::sql::{literal, quoted};

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

/// Settings of roles that are not tied to a database: each role with a setting, `name=value`. The
/// role without a name stands for all.
pub(super) type RoleSettings = BTreeSet<(String, String)>;

/// Reads the settings of roles that are not tied to a database.
pub(super) async fn role_settings(
    connection: &mut PgConnection,
) -> Result<RoleSettings, sqlx::Error> {
    let rows = sqlx::raw_sql(
        "SELECT CASE setrole WHEN 0 THEN '' ELSE pg_get_userbyid(setrole)::text END AS role,
             unnest(setconfig) AS setting
         FROM pg_db_role_setting WHERE setdatabase = 0",
    );
    let rows = rows.fetch_all(connection).await?;
    rows.iter()
        .map(|row| Ok((row.try_get("role")?, row.try_get("setting")?)))
        .collect()
}

/// Ties to one database what its migrations have set for roles: all others are as before. The
/// settings of a role belong to the server, where other tests would see them.
pub(super) async fn confine_role_settings(
    connection: &mut PgConnection,
    database: &str,
    before: &RoleSettings,
) -> Result<(), sqlx::Error> {
    let after = role_settings(connection).await?;
    let database = quoted(database);
    let of_all = |role: &str| match role {
        "" => "ROLE ALL".to_owned(),
        role => format!("ROLE {}", quoted(role)),
    };
    let mut statements = Vec::new();
    for (role, setting) in after.difference(before) {
        let (name, value) = setting.split_once('=').unwrap_or((setting, ""));
        let name = quoted(name);
        let value = value_of(&name, value);
        let of_database = match role.as_str() {
            "" => format!("DATABASE {database}"),
            role => format!("ROLE {} IN DATABASE {database}", quoted(role)),
        };
        statements.push(format!("ALTER {of_database} SET {name} = {value}"));
        statements.push(format!("ALTER {} RESET {name}", of_all(role)));
    }
    for (role, setting) in before.difference(&after) {
        let (name, value) = setting.split_once('=').unwrap_or((setting, ""));
        let name = quoted(name);
        let value = value_of(&name, value);
        statements.push(format!("ALTER {} SET {name} = {value}", of_all(role)));
    }
    if statements.is_empty() {
        return Ok(());
    }
    let script = statements.join("; ");
    connection.execute(AssertSqlSafe(script)).await.map(|_| ())
}

/// Settings whose values are lists: they are stored as they are written.
const LISTS: [&str; 5] = [
    "search_path",
    "temp_tablespaces",
    "session_preload_libraries",
    "local_preload_libraries",
    "datestyle",
];

fn value_of(quoted_name: &str, value: &str) -> String {
    let name = quoted_name.trim_matches('"').to_lowercase();
    // An empty list cannot be written without quotes.
    if LISTS.contains(&name.as_str()) && !value.trim().is_empty() {
        value.to_owned()
    } else {
        literal(value)
    }
}
