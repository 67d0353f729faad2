//! What migrations set for a role (`ALTER ROLE … SET`). It belongs to the server, where sessions of
//! all tests would have it: it is tied to the database of the migrations instead.

use std::collections::BTreeSet;

use sqlx::{AssertSqlSafe, Executor, PgConnection, Row};

use super::scan;
use super::script::DEFAULTS;
use super::sql::literal;

/// Settings of roles that are not tied to a database: each role with a setting, `name=value`. The
/// role without a name stands for all.
pub(super) type RoleSettings = BTreeSet<(String, String)>;

/// The settings of roles that are not tied to a database.
const SETTINGS: &str = "
    SELECT CASE setrole WHEN 0 THEN '' ELSE pg_get_userbyid(setrole)::text END AS role,
           unnest(setconfig) AS setting
    FROM pg_db_role_setting WHERE setdatabase = 0";

/// Ties the settings that `$before` does not have to `$database`, and sets for the roles again what
/// they had before. Lists are stored as they are written, all other values are not.
const CONFINE: &str = r"DO $container_test$
DECLARE
    change text;
BEGIN
    FOR change IN
        WITH before AS (
            SELECT b.role, b.setting FROM unnest($before) b (role, setting)
        ), after AS (
            $settings
        ), differing AS (
            SELECT true AS new, d.* FROM (SELECT * FROM after EXCEPT SELECT * FROM before) d
            UNION ALL
            SELECT false, d.* FROM (SELECT * FROM before EXCEPT SELECT * FROM after) d
        ), written AS (
            SELECT d.new, d.role, quote_ident(n.name) AS name,
                   CASE WHEN v.value <> '' AND lower(n.name) IN
                       ('search_path', 'temp_tablespaces', 'session_preload_libraries',
                        'local_preload_libraries', 'datestyle')
                   THEN v.value ELSE quote_literal(v.value) END AS value
            FROM differing d, split_part(d.setting, '=', 1) n (name),
                 substr(d.setting, strpos(d.setting, '=') + 1) v (value)
        )
        SELECT statement FROM (
            SELECT 1 AS number, CASE w.role
                WHEN '' THEN format('ALTER DATABASE %I SET %s = %s', $database, w.name, w.value)
                ELSE format('ALTER ROLE %I IN DATABASE %I SET %s = %s', w.role, $database, w.name, w.value)
                END AS statement
            FROM written w WHERE w.new
            UNION ALL
            SELECT 2, format('ALTER ROLE %s RESET %s',
                             CASE w.role WHEN '' THEN 'ALL' ELSE quote_ident(w.role) END, w.name)
            FROM written w WHERE w.new
            UNION ALL
            SELECT 3, format('ALTER ROLE %s SET %s = %s',
                             CASE w.role WHEN '' THEN 'ALL' ELSE quote_ident(w.role) END, w.name, w.value)
            FROM written w WHERE NOT w.new
        ) statements ORDER BY number
    LOOP
        EXECUTE change;
    END LOOP;
$otherwise
END $container_test$";

/// Has a script go on whatever the role that runs it may not do: it is done afterwards.
const OTHERWISE: &str = "EXCEPTION WHEN OTHERS THEN NULL;";

/// Reads the settings of roles that are not tied to a database.
pub(super) async fn read(connection: &mut PgConnection) -> Result<RoleSettings, sqlx::Error> {
    let rows = sqlx::raw_sql(SETTINGS).fetch_all(connection).await?;
    rows.iter()
        .map(|row| Ok((row.try_get("role")?, row.try_get("setting")?)))
        .collect()
}

/// Ties to one database what its migrations have set for roles: all others are as before.
pub(super) async fn confine(
    connection: &mut PgConnection,
    database: &str,
    before: &RoleSettings,
) -> Result<(), sqlx::Error> {
    if read(connection).await? == *before {
        return Ok(());
    }
    let confine = confining(&literal(database), before, "");
    connection.execute(AssertSqlSafe(confine)).await.map(|_| ())
}

/// Returns what a script ends with that may set something for a role: it is tied to the script's
/// database in the same transaction, so that no other session ever has it.
pub(super) fn end_of(script: &str, before: &RoleSettings) -> Option<String> {
    alters_role(script).then(|| {
        let confine = confining("current_database()", before, OTHERWISE);
        format!("\n;{DEFAULTS};{confine}")
    })
}

fn confining(database: &str, before: &RoleSettings, otherwise: &str) -> String {
    let list = |of: &dyn Fn(&(String, String)) -> String| {
        let items: Vec<String> = before.iter().map(of).collect();
        format!("ARRAY[{}]::text[]", items.join(","))
    };
    let roles = list(&|(role, _)| literal(role));
    let settings = list(&|(_, setting)| literal(setting));
    CONFINE
        .replace("$settings", SETTINGS)
        .replace("$otherwise", otherwise)
        .replace("$database", database)
        .replace("$before", &format!("{roles}, {settings}"))
}

/// Returns whether a script alters a role, itself or in a block of code.
fn alters_role(script: &str) -> bool {
    scan::statements(script).into_iter().any(|range| {
        let words: Vec<&str> = scan::words(&script[range]).collect();
        let is = |word: &str, known: &str| word.eq_ignore_ascii_case(known);
        // The body of a function is another thing.
        !words.first().is_some_and(|first| is(first, "create"))
            && words
                .windows(2)
                .any(|pair| is(pair[0], "alter") && (is(pair[1], "role") || is(pair[1], "user")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_that_alter_a_role_have_another_end() {
        for script in [
            "ALTER ROLE CURRENT_USER SET search_path = shop",
            "SELECT 1; alter /* one */ user shop RESET ALL;",
            "DO $$ BEGIN EXECUTE format('ALTER ROLE %I SET work_mem = 1', CURRENT_USER); END $$",
        ] {
            assert!(end_of(script, &RoleSettings::new()).is_some(), "{script}");
        }
        for script in [
            "CREATE FUNCTION f() RETURNS void LANGUAGE sql AS 'ALTER ROLE shop SET work_mem = 1'",
            "ALTER TABLE role ADD COLUMN name text",
            "-- ALTER ROLE shop SET work_mem = 1\nSELECT 1",
        ] {
            assert_eq!(end_of(script, &RoleSettings::new()), None, "{script}");
        }
    }

    #[test]
    fn what_was_set_before_is_written_as_constants() {
        let before = [("it's", "a=b"), ("", "c=$database")];
        let before = before.map(|(role, setting)| (role.to_owned(), setting.to_owned()));
        let end = end_of("ALTER ROLE x SET y = 1", &RoleSettings::from(before));
        let list = "unnest(ARRAY['','it''s']::text[], ARRAY['c=$database','a=b']::text[])";
        assert!(
            end.as_deref().is_some_and(|end| end.contains(list)),
            "{end:?}"
        );
    }
}
