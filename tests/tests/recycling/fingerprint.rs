//! All that a test could tell a database by.

use std::collections::BTreeMap;
use std::fmt::Write;

use container_test::sqlx::{AssertSqlSafe, PgConnection, Row, raw_sql};

/// What is in a database, by where it is.
pub(crate) type Fingerprint = BTreeMap<String, String>;

/// Queries that give one text: the database as such, its sessions, its statistics. The first of
/// all is that of the statistics, which the others change.
const WHOLE: &[(&str, &str)] = &[
    (
        "statistics",
        "SELECT string_agg(format('%s: %s', relid::regclass, concat_ws(' ', n_tup_ins, n_tup_upd, n_tup_del,
             n_tup_hot_upd, n_live_tup, n_dead_tup, n_mod_since_analyze, n_ins_since_vacuum, last_vacuum,
             last_analyze, vacuum_count, analyze_count)), e'\n' ORDER BY relid)
         FROM pg_stat_all_tables WHERE schemaname !~ '^pg_'",
    ),
    (
        "database",
        "SELECT concat_ws(' ', pg_get_userbyid(datdba), pg_encoding_to_char(encoding), datistemplate,
             datallowconn, datconnlimit, dattablespace, datcollate, datctype, datacl)
         FROM pg_database WHERE datname = current_database()",
    ),
    (
        "database's settings",
        "SELECT string_agg(s::text, e'\n') FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase
         WHERE datname = current_database()",
    ),
    (
        "database's comment",
        "SELECT concat_ws(' ', shobj_description(d.oid, 'pg_database'),
             (SELECT string_agg(s::text, ' ') FROM pg_shseclabel s WHERE s.objoid = d.oid))
         FROM pg_database d WHERE datname = current_database()",
    ),
    (
        "dependencies on shared objects",
        "SELECT string_agg(concat_ws(' ', classid, objid, objsubid, refclassid, refobjid, deptype), e'\n'
             ORDER BY classid, objid, objsubid, refclassid, refobjid, deptype)
         FROM pg_shdepend s JOIN pg_database d ON d.oid = s.dbid WHERE datname = current_database()",
    ),
    (
        "prepared transactions",
        "SELECT string_agg(gid, ' ') FROM pg_prepared_xacts WHERE database = current_database()",
    ),
    (
        "subscriptions and slots",
        "SELECT concat_ws(' ', (SELECT count(*) FROM pg_subscription s WHERE s.subdbid = d.oid),
             (SELECT count(*) FROM pg_replication_slots s WHERE s.database = d.datname))
         FROM pg_database d WHERE datname = current_database()",
    ),
    (
        "sessions and locks",
        "SELECT string_agg(state || ' ' || query, e'\n') FROM pg_stat_activity
         WHERE datname = current_database() AND pid <> pg_backend_pid()",
    ),
    (
        "the session's settings",
        "SELECT string_agg(name || ' = ' || setting, e'\n' ORDER BY name) FROM pg_settings",
    ),
    (
        "the session",
        "SELECT concat_ws(' ', session_user, current_user, pg_my_temp_schema(), txid_current_if_assigned(),
             (SELECT count(*) FROM pg_prepared_statements), (SELECT count(*) FROM pg_cursors WHERE is_holdable),
             (SELECT count(*) FROM pg_listening_channels()), (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'
             AND pid = pg_backend_pid()), coalesce(current_setting('app.visitor', true), 'undefined'))",
    ),
    (
        "relations",
        // Left out is what no query shows: the horizon of transactions, and the size of indexes,
        // which keep the pages that they once had.
        "SELECT string_agg(concat_ws(' ', ctid, xmin, (to_jsonb(c) - 'relfrozenxid' - 'relminmxid'
             - CASE relkind WHEN 'i' THEN 'relpages' ELSE '' END
             - CASE WHEN relname ~ '^pg_toast_.*index$' THEN 'reltuples' ELSE '' END)::text), e'\n')
         FROM pg_class c",
    ),
    (
        "sizes",
        "SELECT string_agg(concat_ws(' ', oid::regclass, pg_relation_size(oid), pg_relation_size(reltoastrelid)), e'\n'
             ORDER BY oid)
         FROM pg_class WHERE relkind IN ('r', 'm', 'S') AND oid >= 16384 AND NOT relisshared",
    ),
];

/// The relations whose rows are compared one by one: the catalogues, and all that is the user's.
const RELATIONS: &str = "
    SELECT oid::regclass::text, relkind = 'S', relnamespace::regnamespace::text LIKE 'pg\\_%'
    FROM pg_class WHERE relkind IN ('r', 'm', 'S') AND NOT relisshared AND relnamespace <> 'pg_toast'::regnamespace
        AND oid <> 'pg_class'::regclass
    ORDER BY oid";

/// Reads the whole database, as a test that looks everywhere would.
pub(crate) async fn fingerprint(connection: &mut PgConnection) -> Fingerprint {
    // Its settings show once it is loaded, as they are in a session that has called a function.
    let load = raw_sql("LOAD 'plpgsql'").execute(&mut *connection);
    load.await.unwrap();
    wait_until_alone(connection).await;
    let mut parts = Fingerprint::new();
    for (name, query) in WHOLE {
        parts.insert((*name).to_owned(), text(connection, query).await);
    }
    let relations = raw_sql(RELATIONS)
        .fetch_all(&mut *connection)
        .await
        .unwrap();
    let mut query = String::new();
    for row in relations {
        let (name, is_sequence, is_catalog): (String, bool, bool) =
            (row.get(0), row.get(1), row.get(2));
        let each = match (is_sequence, is_catalog) {
            (true, _) => "concat_ws(' ', last_value, log_cnt, is_called)",
            // Of catalogues the version of each row: nothing is written there without a trace.
            (false, true) => "md5(concat_ws(' ', ctid, xmin, t::text))",
            // In the order in which an unordered scan gives them, and where they lie.
            (false, false) => {
                "concat_ws(' ', ctid, CASE WHEN length(t::text) > 200 THEN md5(t::text) ELSE t::text END)"
            }
        };
        if !query.is_empty() {
            query.push_str(" UNION ALL ");
        }
        let all = if is_catalog {
            "md5(string_agg"
        } else {
            "(string_agg"
        };
        let label = name.replace('\'', "''");
        write!(
            query,
            "SELECT '{label}', {all}({each}, e'\\n')) FROM ONLY {name} t"
        )
        .unwrap();
    }
    let rows = raw_sql(AssertSqlSafe(query))
        .fetch_all(connection)
        .await
        .unwrap();
    for row in rows {
        parts.insert(
            row.get(0),
            row.get::<Option<String>, _>(1).unwrap_or_default(),
        );
    }
    parts
}

/// Sessions that were closed take a moment to end, and so may the last one of the test before.
async fn wait_until_alone(connection: &mut PgConnection) {
    for _ in 0..200 {
        let others = text(
            connection,
            "SELECT count(*)::text FROM pg_stat_activity
             WHERE datname = current_database() AND pid <> pg_backend_pid()",
        );
        if others.await == "0" {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
}

async fn text(connection: &mut PgConnection, query: &'static str) -> String {
    let row = raw_sql(query).fetch_one(connection).await.unwrap();
    row.get::<Option<String>, _>(0).unwrap_or_default()
}

/// What the next test does, with few rows to a page: when the server makes room in a page that is
/// full depends on what else it has to do.
const STATEMENTS: &[&str] = &[
    "INSERT INTO users (name) VALUES ('a'), ('b'), ('c')",
    "INSERT INTO orders (user_id, total) SELECT id, 10 FROM users",
    "UPDATE users SET visits = visits + 1 WHERE name <> 'b'",
    "SELECT count(*) FROM users",
    "UPDATE users SET visits = visits + 1 WHERE name = 'a'",
    "INSERT INTO users (name) VALUES ('d')",
    "INSERT INTO roles VALUES (7, 'seven')",
    "UPDATE roles SET name = name || '!' WHERE id IN (2, 7)",
    "INSERT INTO roles VALUES (8, 'eight')",
    "UPDATE roles SET name = name || '!' WHERE id IN (2, 8)",
    "INSERT INTO plans (name) VALUES ('new')",
    "UPDATE plans SET price = 1",
    "INSERT INTO members VALUES (7, 'last')",
    "INSERT INTO documents (body) VALUES ('short')",
    "INSERT INTO pages SELECT i, repeat('z', 400) FROM generate_series(1000, 1030) i",
    "DELETE FROM pages WHERE id BETWEEN 10 AND 20",
    "INSERT INTO letters SELECT i, repeat('w', 2 * i) FROM generate_series(1, 40) i",
    "UPDATE letters SET id = -id WHERE id % 2 = 0",
    "SELECT count(*) FROM letters",
    "UPDATE letters SET id = -id WHERE id % 3 = 0",
    "VACUUM letters, users, roles",
    "INSERT INTO letters SELECT i, 'late' FROM generate_series(100, 110) i",
    "INSERT INTO users (name) VALUES ('e'), ('f')",
    "INSERT INTO cache VALUES ('k', 'sad')",
    "INSERT INTO events VALUES ('2024-03-01', 'spring'), ('2030-01-01', 'far')",
    "INSERT INTO dogs (name, breed) VALUES ('rex', 'pug')",
    r#"INSERT INTO "Odd ""Schema"."Tab.le's" VALUES (1, 'x')"#,
    "INSERT INTO billing.invoices VALUES (1, '2024-01-01'), (2, '2024-01-02')",
    "INSERT INTO emptied VALUES (1)",
    "INSERT INTO secrets VALUES (1, 'me')",
    "SELECT nextval('tickets'), nextval('later'), nextval('descending')",
    "REFRESH MATERIALIZED VIEW role_names",
    "DELETE FROM users WHERE name = 'c'",
];

const TABLES: &[&str] = &[
    "users",
    "orders",
    "audit",
    "letters",
    "cache",
    "roles",
    "members",
    "plans",
    "documents",
    "pages",
    "emptied",
    "events",
    "animals",
    "secrets",
    "role_names",
    "billing.invoices",
    r#""Odd ""Schema"."Tab.le's""#,
];

const SEQUENCES: &[&str] = &[
    "tickets",
    "later",
    "descending",
    "users_id_seq",
    "orders_id_seq",
    "audit_id_seq",
    "plans_id_seq",
];

const PLANS: &[&str] = &[
    "SELECT * FROM users WHERE id = 1",
    "SELECT * FROM orders WHERE user_id = 1",
    "SELECT * FROM users JOIN orders ON user_id = users.id JOIN roles ON roles.id = users.visits WHERE users.name = 'a'",
    "SELECT * FROM letters, audit WHERE letters.id = audit.id",
    "SELECT * FROM billing.invoices, pages WHERE pages.id = invoices.id",
];

/// What a test would see that goes on from here: where rows come to lie, which numbers sequences
/// give, how queries are planned.
pub(crate) async fn follow_up(connection: &mut PgConnection) -> Fingerprint {
    let mut parts = Fingerprint::new();
    // Numbers that the session has drawn itself.
    for query in ["SELECT lastval()::text", "SELECT currval('tickets')::text"] {
        let value = lines(connection, query.to_owned()).await;
        parts.insert(query.to_owned(), value);
    }
    for (when, statements) in [("before", &[][..]), ("after", STATEMENTS)] {
        for statement in statements {
            if let Err(error) = raw_sql(*statement).execute(&mut *connection).await {
                parts.insert((*statement).to_owned(), error.to_string());
            }
            if statement.starts_with("VACUUM") {
                vacuum(connection, statement).await;
            }
        }
        for query in PLANS {
            let plan = lines(connection, format!("EXPLAIN (COSTS OFF) {query}")).await;
            parts.insert(format!("{when}: {query}"), plan);
        }
    }
    let rows = "concat_ws(' ', ctid, left(t::text, 60))";
    // How far ahead the server logs a sequence depends on its last checkpoint.
    let values = "concat_ws(' ', last_value, is_called)";
    let tables = TABLES.iter().map(|table| (table, rows));
    for (table, each) in tables.chain(SEQUENCES.iter().map(|sequence| (sequence, values))) {
        let found = lines(connection, format!("SELECT {each} FROM {table} t")).await;
        parts.insert((*table).to_owned(), found);
    }
    parts
}

/// Vacuums again until nothing is left to remove: a session that just starts, be it elsewhere, keeps
/// rows from being removed.
async fn vacuum(connection: &mut PgConnection, statement: &'static str) {
    const DEAD: &str = "SELECT sum(pg_stat_get_dead_tuples(oid))::text FROM pg_class
                        WHERE relname IN ('letters', 'users', 'roles')";
    for _ in 0..50 {
        let flush = raw_sql("SELECT pg_stat_force_next_flush()");
        flush.execute(&mut *connection).await.unwrap();
        if lines(connection, DEAD.to_owned()).await == "0" {
            break;
        }
        raw_sql(statement).execute(&mut *connection).await.unwrap();
    }
}

/// The result of a query of one column, or its error.
async fn lines(connection: &mut PgConnection, query: String) -> String {
    match raw_sql(AssertSqlSafe(query)).fetch_all(connection).await {
        Ok(rows) => rows
            .iter()
            .map(|row| row.get::<String, _>(0))
            .collect::<Vec<_>>()
            .join("\n"),
        Err(error) => error.to_string(),
    }
}

/// The parts that differ, for people.
pub(crate) fn difference(expected: &Fingerprint, found: &Fingerprint) -> Option<String> {
    let mut text = String::new();
    let names: std::collections::BTreeSet<_> = expected.keys().chain(found.keys()).collect();
    for name in names {
        let (expected, found) = (expected.get(name), found.get(name));
        if expected == found {
            continue;
        }
        let lines = |side: Option<&String>, other: Option<&String>| {
            let other: Vec<&str> = other.map_or("", String::as_str).lines().collect();
            let side = side.map_or("(nothing)", String::as_str).lines();
            let only: Vec<&str> = side.filter(|line| !other.contains(line)).take(5).collect();
            only.join("\n        ")
        };
        write!(
            text,
            "\n  {name}:\n    a clone has\n        {}\n    the next test found\n        {}",
            lines(expected, found),
            lines(found, expected)
        )
        .unwrap();
    }
    (!text.is_empty()).then_some(text)
}
