//! What tests do to their databases, kind by kind.

use std::fmt::{Display, Write};

use container_test::TestContext;
use container_test::sqlx::pool::PoolConnection;
use container_test::sqlx::postgres::{PgConnectOptions, PgConnection};
use container_test::sqlx::{AssertSqlSafe, Connection, Postgres, raw_sql};

/// What becomes of a database that one thing was done to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It must be recycled: a test that does no more is what recycling is for.
    Recycled,
    /// It cannot be what it was, or that is not worth finding out.
    Dropped,
}

use Fate::{Dropped, Recycled};

/// One kind of thing that tests do.
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    pub(crate) fate: Fate,
    pub(crate) act: Act,
}

/// How it is done.
pub(crate) enum Act {
    /// Statements on one connection of the pool; `{n}` stands for a small number,
    /// `{database}` for the database.
    Sql(&'static [&'static str]),
    /// Rows by `COPY`.
    Copy(&'static str),
    /// A connection of the pool that is never given back.
    ForgottenConnection,
    /// A connection of its own that stays open.
    OpenConnection,
    /// A connection of its own that is closed, after these statements.
    OwnConnection(&'static [&'static str]),
    /// These statements on one connection, while another one waits in the pool.
    TwoConnections(&'static [&'static str], &'static [&'static str]),
    /// Statements on a connection to another database of the server.
    Outside(&'static [&'static str]),
}

/// What a test did, written down while it does it.
pub(crate) struct Record<'a> {
    pub(crate) text: &'a mut String,
    pub(crate) number: usize,
    pub(crate) database: &'a str,
}

impl Record<'_> {
    /// The statement, filled in.
    fn statement(&mut self, statement: &str) -> String {
        let statement = statement
            .replace("{n}", &self.number.to_string())
            .replace("{database}", self.database);
        let _ = write!(self.text, "\n{statement};");
        statement
    }

    pub(crate) fn error(&mut self, error: &dyn Display) {
        let _ = write!(self.text, " -- {error}");
    }
}

impl Act {
    /// Does it. Statements may fail, as those of tests do, and connections, in databases that
    /// were closed before.
    pub(crate) async fn perform(
        &self,
        cx: &TestContext,
        record: &mut Record<'_>,
    ) -> container_test::Result<()> {
        match self {
            Self::Sql(statements) => {
                let mut connection: PoolConnection<Postgres> = cx.get().await?;
                execute(&mut connection, statements, record).await;
            }
            Self::Copy(statement) => {
                let mut connection: PoolConnection<Postgres> = cx.get().await?;
                execute(&mut connection, &[], record).await;
                if let Ok(mut copy) = connection.copy_in_raw(&record.statement(statement)).await {
                    let row = record.statement("50{n}\tcopied\n");
                    let _ = copy.send(row.as_bytes()).await;
                    let _ = copy.finish().await;
                }
            }
            Self::ForgottenConnection => {
                let connection: PoolConnection<Postgres> = cx.get().await?;
                std::mem::forget(connection);
            }
            Self::OpenConnection => {
                let connection: PgConnection = cx.get().await?;
                std::mem::forget(connection);
            }
            Self::OwnConnection(statements) => {
                let mut connection: PgConnection = cx.get().await?;
                execute(&mut connection, statements, record).await;
                drop(connection);
            }
            Self::TwoConnections(first, second) => {
                let mut one: PoolConnection<Postgres> = cx.get().await?;
                let mut other: PoolConnection<Postgres> = cx.get().await?;
                execute(&mut one, first, record).await;
                execute(&mut other, second, record).await;
            }
            Self::Outside(statements) => {
                let options: PgConnectOptions = cx.get().await?;
                let options = options.database("postgres");
                let mut connection = PgConnection::connect_with(&options).await.unwrap();
                execute(&mut connection, statements, record).await;
                connection.close().await.unwrap();
            }
        }
        Ok(())
    }
}

async fn execute(connection: &mut PgConnection, statements: &[&str], record: &mut Record<'_>) {
    // One that waits for another connection of the same test would wait for good.
    let patience = raw_sql("SET lock_timeout = '20ms'");
    let _ = patience.execute(&mut *connection).await;
    for statement in statements {
        let done = raw_sql(AssertSqlSafe(record.statement(statement)))
            .execute(&mut *connection)
            .await;
        if let Err(error) = done {
            assert!(error.as_database_error().is_some(), "{statement}: {error}");
            record.error(&error);
        }
    }
}

macro_rules! kinds {
    ($($name:literal $fate:ident $act:expr;)*) => {
        &[$(Kind { name: $name, fate: $fate, act: $act }),*]
    };
}

use Act::{Copy, ForgottenConnection, OpenConnection, Outside, OwnConnection, Sql, TwoConnections};

/// All of them.
pub(crate) const KINDS: &[Kind] = kinds! {
    "nothing" Recycled Sql(&[]);
    "reads" Recycled Sql(&["SELECT * FROM roles", "SELECT count(*) FROM users, pages", "SELECT * FROM tickets"]);

    // Rows of tables that the template has empty.
    "rows inserted" Recycled Sql(&["INSERT INTO users (name) VALUES ('ann{n}'), ('bob{n}')", "INSERT INTO orders (user_id, total) SELECT id, {n} FROM users"]);
    "rows inserted by a function" Recycled Sql(&["SELECT add_user('fay{n}')"]);
    "rows updated" Recycled Sql(&["INSERT INTO users (name) VALUES ('cid{n}')", "UPDATE users SET name = name || '{n}'"]);
    "rows updated in place" Recycled Sql(&["INSERT INTO users (name) SELECT 'u' || i || '-{n}' FROM generate_series(1, {n}0) i", "UPDATE users SET visits = visits + 1", "SELECT count(*) FROM users", "UPDATE users SET visits = visits + 1"]);
    "rows deleted" Recycled Sql(&["INSERT INTO users (name) VALUES ('dan{n}'), ('eve{n}')", "DELETE FROM users WHERE name = 'dan{n}'"]);
    "rows deleted by a cascade" Recycled Sql(&["INSERT INTO users (name) VALUES ('gus{n}')", "INSERT INTO orders (user_id, total) SELECT id, 1 FROM users", "UPDATE users SET id = id + 1000", "DELETE FROM users"]);
    "rows copied" Recycled Copy("COPY letters FROM STDIN");
    "rows copied into a table with rows" Recycled Copy("COPY roles (id, name) FROM STDIN");
    "rows rolled back" Recycled Sql(&["BEGIN", "INSERT INTO users (name) VALUES ('hal{n}')", "INSERT INTO roles VALUES (100{n}, 'none')", "ROLLBACK"]);
    "rows rolled back to a savepoint" Recycled Sql(&["BEGIN", "SAVEPOINT a", "INSERT INTO users (name) VALUES ('ian{n}')", "ROLLBACK TO a", "INSERT INTO users (name) VALUES ('joy{n}')", "UPDATE users SET visits = 1", "ROLLBACK TO a", "COMMIT"]);
    "rows of a failed statement" Recycled Sql(&["INSERT INTO users (name) VALUES ('kim{n}'), ('kim{n}')"]);
    "a transaction left open" Recycled Sql(&["BEGIN", "INSERT INTO users (name) VALUES ('lea{n}')", "LOCK TABLE roles"]);
    "a transaction left open on a second connection" Recycled TwoConnections(&["BEGIN", "INSERT INTO users (name) VALUES ('lee{n}')"], &["INSERT INTO letters VALUES (1, 'a')"]);
    "rows from two connections" Recycled TwoConnections(&["INSERT INTO users (name) VALUES ('mia{n}')"], &["INSERT INTO users (name) VALUES ('ned{n}')", "DELETE FROM users"]);
    "rows from a connection of its own" Recycled OwnConnection(&["INSERT INTO users (name) VALUES ('oda{n}')", "INSERT INTO roles VALUES (200{n}, 'own')"]);
    "rows of several pages" Recycled Sql(&["INSERT INTO letters SELECT i, repeat('l', 150) FROM generate_series(1, 120) i", "DELETE FROM letters WHERE id % 3 = {n} % 3"]);
    "rows out of line" Recycled Sql(&["INSERT INTO letters VALUES ({n}, repeat('long ', 4000))", "UPDATE letters SET body = body || 'er'"]);
    "rows of an unlogged table" Recycled Sql(&["INSERT INTO cache VALUES ('k{n}', 'fine')", "UPDATE cache SET mood = 'sad'"]);
    "rows of a table with an odd name" Recycled Sql(&[r#"INSERT INTO "Odd ""Schema"."Tab.le's" VALUES ({n}, 'x')"#]);
    "rows of another schema" Recycled Sql(&["INSERT INTO billing.invoices VALUES ({n}, '2024-01-01'), (9{n}, '2024-01-0{n}')"]);
    "rows of a partition" Recycled Sql(&["INSERT INTO events VALUES ('1999-01-01', 'old'), ('2024-01-0{n}', 'new')", "UPDATE events SET what = 'older' WHERE at < '2000-01-01'"]);
    "rows of a child" Recycled Sql(&["INSERT INTO dogs (name, breed) VALUES ('rex', 'p{n}')", "UPDATE animals SET name = 'max' WHERE name = 'rex'"]);
    "rows with a policy" Recycled Sql(&["INSERT INTO secrets VALUES ({n}, 'nobody')"]);
    "rows of a table that was emptied" Recycled Sql(&["INSERT INTO emptied VALUES ({n})"]);
    "rows merged" Recycled Sql(&["INSERT INTO users (name) VALUES ('zoe') ON CONFLICT (name) DO UPDATE SET visits = users.visits + 1", "INSERT INTO users (name) VALUES ('zoe') ON CONFLICT (name) DO UPDATE SET visits = users.visits + 1"]);

    // Rows of tables that the template has rows in.
    "rows added to others" Recycled Sql(&["INSERT INTO roles VALUES (300{n}, 'added {n}')", "INSERT INTO members VALUES (2, 'second'), (300{n}, 'third')"]);
    "rows added after gaps" Recycled Sql(&["INSERT INTO plans (name) VALUES ('plan {n}')"]);
    "rows added out of line" Recycled Sql(&["INSERT INTO documents (body) VALUES (repeat('more ', 9000))"]);
    "rows added to full pages" Recycled Sql(&["INSERT INTO pages SELECT 400{n} + i, repeat('y', 300) FROM generate_series(1, 20) i"]);
    "rows locked" Recycled Sql(&["BEGIN", "SELECT * FROM roles FOR UPDATE", "SELECT * FROM members FOR SHARE", "COMMIT"]);
    "rows of others updated" Dropped Sql(&["UPDATE roles SET name = 'changed' WHERE id = 1"]);
    "rows of others updated, rolled back" Dropped Sql(&["BEGIN", "UPDATE roles SET name = 'changed' WHERE id = 1", "ROLLBACK"]);
    "rows of others deleted" Dropped Sql(&["DELETE FROM pages WHERE id = {n}"]);
    "rows of others deleted and put back" Dropped Sql(&["WITH gone AS (DELETE FROM members RETURNING *) INSERT INTO members SELECT * FROM gone"]);
    "rows moved between partitions" Dropped Sql(&["UPDATE events SET at = '1999-01-0{n}'"]);
    "rows added and deleted again" Dropped Sql(&["INSERT INTO roles VALUES (500{n}, 'brief')", "DELETE FROM roles WHERE id = 500{n}"]);
    "rows beyond what is worth deleting" Dropped Sql(&["INSERT INTO letters SELECT i, repeat('m', 1000) FROM generate_series(1, 2000) i"]);
    "rows under a rule" Dropped Sql(&["INSERT INTO ruled VALUES ({n})"]);
    "rows under a trigger that always fires" Dropped Sql(&["INSERT INTO guarded VALUES ({n})"]);
    "a table with rows truncated" Dropped Sql(&["TRUNCATE roles CASCADE"]);
    "an empty table truncated" Dropped Sql(&["INSERT INTO letters VALUES (1, 'a')", "TRUNCATE letters"]);
    "a table truncated, rolled back" Dropped Sql(&["BEGIN", "TRUNCATE pages", "ROLLBACK"]);
    "tables truncated, identities restarted" Dropped Sql(&["TRUNCATE users, orders RESTART IDENTITY"]);
    "rows inserted without triggers" Recycled Sql(&["SET session_replication_role = replica", "INSERT INTO users (name) VALUES ('pat{n}')", "INSERT INTO orders (user_id) VALUES (99{n})"]);
    "rows deleted without triggers" Dropped Sql(&["SET session_replication_role = replica", "DELETE FROM roles WHERE id = 1"]);
    "rows copied, frozen" Dropped Sql(&["BEGIN", "TRUNCATE letters", "COPY letters FROM PROGRAM 'echo 1' WITH (FREEZE, FORMAT csv)", "COMMIT"]);

    // Sequences.
    "nextval" Recycled Sql(&["SELECT nextval('tickets'), nextval('descending'), nextval('later')"]);
    "nextval, many times" Recycled Sql(&["SELECT nextval('tickets'), nextval('descending') FROM generate_series(1, 5{n})"]);
    "nextval, rolled back" Recycled Sql(&["BEGIN", "SELECT nextval('users_id_seq')", "ROLLBACK"]);
    "setval" Recycled Sql(&["SELECT setval('tickets', 50{n}), setval('users_id_seq', 9{n})"]);
    "setval, not called" Recycled Sql(&["SELECT setval('tickets', 50{n}, false), setval('orders_id_seq', {n}, false), setval('later', 7, true)"]);
    "a sequence restarted" Dropped Sql(&["ALTER SEQUENCE tickets RESTART WITH {n}00"]);
    "an identity restarted" Dropped Sql(&["ALTER TABLE orders ALTER id RESTART WITH 7{n}"]);
    "a sequence altered" Dropped Sql(&["ALTER SEQUENCE tickets INCREMENT {n}0"]);
    "a sequence owned" Dropped Sql(&["ALTER SEQUENCE tickets OWNED BY users.id"]);

    // Definitions.
    "a table created" Dropped Sql(&["CREATE TABLE extra{n} (id int)"]);
    "a table created, rolled back" Dropped Sql(&["BEGIN", "CREATE TABLE extra{n} (id int)", "ROLLBACK"]);
    "a table created and dropped" Dropped Sql(&["CREATE TABLE extra{n} (id int)", "DROP TABLE extra{n}"]);
    "a table dropped" Dropped Sql(&["DROP TABLE letters"]);
    "a table renamed" Dropped Sql(&["ALTER TABLE letters RENAME TO renamed"]);
    "a table moved" Dropped Sql(&["ALTER TABLE letters SET SCHEMA billing"]);
    "a table set logged" Dropped Sql(&["ALTER TABLE cache SET LOGGED"]);
    "a table's options" Dropped Sql(&["ALTER TABLE letters SET (fillfactor = 5{n})"]);
    "a table's owner" Dropped Sql(&["ALTER TABLE letters OWNER TO pg_monitor"]);
    "a temporary table" Dropped Sql(&["CREATE TEMP TABLE brief (id int)", "INSERT INTO brief VALUES ({n})"]);
    "a table from a query" Dropped Sql(&["SELECT * INTO extra{n} FROM roles"]);
    "a partition attached" Dropped Sql(&["CREATE TABLE events_2025 PARTITION OF events FOR VALUES FROM ('2025-01-01') TO ('2026-01-01')"]);
    "a partition detached" Dropped Sql(&["ALTER TABLE events DETACH PARTITION events_other"]);
    "a column added" Dropped Sql(&["ALTER TABLE users ADD extra{n} int DEFAULT {n}"]);
    "a column dropped" Dropped Sql(&["ALTER TABLE users DROP shout"]);
    "a column renamed" Dropped Sql(&["ALTER TABLE users RENAME visits TO visit_count"]);
    "a column's type" Dropped Sql(&["ALTER TABLE letters ALTER id TYPE bigint"]);
    "a column's default" Dropped Sql(&["ALTER TABLE users ALTER visits SET DEFAULT {n}"]);
    "a column's statistics" Dropped Sql(&["ALTER TABLE users ALTER visits SET STATISTICS {n}0"]);
    "a column not null" Dropped Sql(&["ALTER TABLE letters ALTER id SET NOT NULL"]);
    "an index created" Dropped Sql(&["CREATE INDEX ON users (visits)"]);
    "an index created concurrently" Dropped Sql(&["CREATE INDEX CONCURRENTLY ON users (visits)"]);
    "an index dropped" Dropped Sql(&["DROP INDEX orders_of_user"]);
    "a constraint added" Dropped Sql(&["ALTER TABLE users ADD CHECK (visits >= 0)"]);
    "a constraint dropped" Dropped Sql(&["ALTER TABLE orders DROP CONSTRAINT orders_user_id_fkey"]);
    "a constraint deferrable" Dropped Sql(&["ALTER TABLE orders ALTER CONSTRAINT orders_user_id_fkey DEFERRABLE"]);
    "a function created" Dropped Sql(&["CREATE FUNCTION extra{n}() RETURNS int LANGUAGE sql AS 'SELECT 1'"]);
    "a function replaced" Dropped Sql(&["CREATE OR REPLACE FUNCTION add_user(name text) RETURNS int LANGUAGE sql AS 'SELECT {n}'"]);
    "a type created" Dropped Sql(&["CREATE TYPE pair{n} AS (a int, b int)", "CREATE DOMAIN positive AS int CHECK (VALUE > 0)"]);
    "an enum extended" Dropped Sql(&["ALTER TYPE mood ADD VALUE 'great{n}'"]);
    "a view created" Dropped Sql(&["CREATE VIEW extra{n} AS SELECT 1 AS one"]);
    "a view replaced" Dropped Sql(&["CREATE OR REPLACE VIEW role_view AS SELECT name FROM roles WHERE id > {n}"]);
    "a materialised view created" Dropped Sql(&["CREATE MATERIALIZED VIEW extra{n} AS SELECT 1 AS one"]);
    "a materialised view refreshed" Dropped Sql(&["INSERT INTO roles VALUES (600{n}, 'seen {n}')", "REFRESH MATERIALIZED VIEW role_names"]);
    "a materialised view refreshed concurrently" Dropped Sql(&["INSERT INTO roles VALUES (600{n}, 'seen {n}')", "REFRESH MATERIALIZED VIEW CONCURRENTLY role_names"]);
    "a trigger created" Dropped Sql(&["CREATE TRIGGER extra BEFORE INSERT ON letters FOR EACH ROW EXECUTE FUNCTION forbid()"]);
    "a trigger disabled" Dropped Sql(&["ALTER TABLE users DISABLE TRIGGER note_change"]);
    "a trigger dropped" Dropped Sql(&["DROP TRIGGER note_change ON users"]);
    "an event trigger" Dropped Sql(&["CREATE FUNCTION seen() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END'", "CREATE EVENT TRIGGER seen ON ddl_command_end EXECUTE FUNCTION seen()"]);
    "a rule created" Dropped Sql(&["CREATE RULE nothing AS ON DELETE TO letters DO INSTEAD NOTHING"]);
    "a policy created" Dropped Sql(&["CREATE POLICY everyone ON secrets USING (true)"]);
    "a policy altered" Dropped Sql(&["ALTER POLICY own ON secrets USING (false)"]);
    "row security enabled" Dropped Sql(&["ALTER TABLE letters ENABLE ROW LEVEL SECURITY"]);
    "rights granted" Dropped Sql(&["GRANT INSERT ON users TO pg_monitor"]);
    "rights to a column granted" Dropped Sql(&["GRANT UPDATE (name) ON users TO pg_monitor"]);
    "rights revoked" Dropped Sql(&["REVOKE ALL ON roles FROM pg_monitor"]);
    "rights by default" Dropped Sql(&["ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO pg_monitor"]);
    "a comment" Dropped Sql(&["COMMENT ON TABLE users IS 'people {n}'"]);
    "a comment removed" Dropped Sql(&["COMMENT ON TABLE users IS NULL"]);
    "an extension" Dropped Sql(&["DROP EXTENSION plpgsql CASCADE"]);
    "another extension" Dropped Sql(&["CREATE EXTENSION pg_trgm", "CREATE EXTENSION file_fdw"]);
    "a schema created" Dropped Sql(&["CREATE SCHEMA extra{n}"]);
    "a schema dropped" Dropped Sql(&["DROP SCHEMA billing CASCADE"]);
    "a foreign server" Dropped Sql(&["CREATE FOREIGN DATA WRAPPER other", "CREATE SERVER far FOREIGN DATA WRAPPER other"]);
    "a publication" Dropped Sql(&["CREATE PUBLICATION news FOR TABLE users"]);
    "a subscription" Dropped Sql(&["CREATE SUBSCRIPTION news CONNECTION 'host=localhost' PUBLICATION news WITH (connect = false)"]);
    "an aggregate, an operator, a cast" Dropped Sql(&["CREATE AGGREGATE total{n} (int) (SFUNC = int4pl, STYPE = int)", "CREATE OPERATOR ### (FUNCTION = int4pl, LEFTARG = int, RIGHTARG = int)", "CREATE CAST (mood AS int) WITH INOUT"]);
    "a collation, a text search configuration" Dropped Sql(&["CREATE COLLATION extra{n} FROM \"C\"", "CREATE TEXT SEARCH CONFIGURATION extra{n} (COPY = simple)"]);
    "extended statistics" Dropped Sql(&["CREATE STATISTICS extra ON name, visits FROM users"]);
    "the replica identity" Dropped Sql(&["ALTER TABLE letters REPLICA IDENTITY FULL"]);
    "a catalogue written to" Dropped Sql(&["UPDATE pg_class SET reltuples = 5{n} WHERE relname = 'letters'"]);
    "the information schema written to" Dropped Sql(&["INSERT INTO information_schema.sql_features (feature_id) VALUES ('{n}')"]);
    "dynamic definitions" Dropped Sql(&["DO $$ BEGIN EXECUTE 'CREATE TABLE dynamic (id int)'; RAISE EXCEPTION 'never mind'; EXCEPTION WHEN OTHERS THEN NULL; END $$"]);

    // Maintenance.
    "vacuum" Dropped Sql(&["VACUUM"]);
    "vacuum of one table" Dropped Sql(&["INSERT INTO letters VALUES ({n}, 'a')", "VACUUM letters"]);
    "vacuum, full" Dropped Sql(&["VACUUM FULL roles"]);
    "analyze" Dropped Sql(&["ANALYZE"]);
    "analyze of an empty table" Dropped Sql(&["ANALYZE letters"]);
    "cluster" Dropped Sql(&["CLUSTER roles USING roles_pkey"]);
    "reindex" Dropped Sql(&["REINDEX TABLE roles"]);

    // Large objects.
    "a large object created" Dropped Sql(&["SELECT lo_from_bytea(0, 'more')"]);
    "a large object written" Dropped Sql(&["SELECT lo_put(424242, {n}, 'x')"]);
    "a large object removed" Dropped Sql(&["SELECT lo_unlink(424242)"]);

    // The database as such.
    "a database's settings" Dropped Sql(&[r#"ALTER DATABASE "{database}" SET work_mem = '{n}MB'"#]);
    "a role's settings in a database" Dropped Sql(&[r#"ALTER ROLE postgres IN DATABASE "{database}" SET work_mem = '{n}MB'"#]);
    "a database's comment" Dropped Sql(&[r#"COMMENT ON DATABASE "{database}" IS 'mine {n}'"#]);
    "a database's rights" Dropped Sql(&[r#"GRANT CREATE ON DATABASE "{database}" TO pg_monitor"#]);
    "a database's connections" Dropped Sql(&[r#"ALTER DATABASE "{database}" CONNECTION LIMIT 2{n}"#]);
    "a database's owner" Dropped Sql(&[r#"ALTER DATABASE "{database}" OWNER TO pg_monitor"#]);
    "a database made a template" Dropped Sql(&[r#"ALTER DATABASE "{database}" IS_TEMPLATE true"#]);
    "a database closed" Dropped Outside(&[r#"ALTER DATABASE "{database}" ALLOW_CONNECTIONS false"#]);
    "a replication slot" Dropped Sql(&["SET lock_timeout = 0", "SET statement_timeout = '10s'", "SELECT pg_create_logical_replication_slot('{database}', 'pgoutput')", "RESET statement_timeout"]);
    "a transaction prepared" Dropped Sql(&["BEGIN", "INSERT INTO letters VALUES ({n}, 'later')", "PREPARE TRANSACTION '{database}'"]);
    "a transaction prepared that wrote nothing" Dropped Sql(&["BEGIN", "LOCK TABLE letters IN ACCESS SHARE MODE", "PREPARE TRANSACTION '{database}'"]);

    // Sessions.
    "a connection forgotten" Dropped ForgottenConnection;
    "a connection left open" Dropped OpenConnection;
    "settings of the session" Recycled Sql(&["SET search_path = billing", "SET work_mem = '{n}MB'", "SET default_transaction_read_only = on", "SET timezone = 'Asia/Tokyo'", "SET datestyle = 'German'"]);
    "a setting of its own" Recycled Sql(&["SET app.visitor = 'u{n}'"]);
    "a setting of its own, in a transaction" Recycled Sql(&["BEGIN", "SELECT set_config('app.visitor', 'u{n}', true)", "ROLLBACK"]);
    "a library loaded" Recycled Sql(&["LOAD 'auto_explain'", "SET auto_explain.log_min_duration = {n}"]);
    "a role" Recycled Sql(&["SET ROLE pg_monitor"]);
    "a user" Recycled Sql(&["INSERT INTO letters VALUES (1, 'a')", "SET SESSION AUTHORIZATION pg_monitor"]);
    "advisory locks" Recycled Sql(&["SELECT pg_advisory_lock({n})"]);
    "listen and notify" Recycled TwoConnections(&["LISTEN news"], &["NOTIFY news, '{n}'"]);
    "prepared statements and cursors" Recycled Sql(&["PREPARE p AS SELECT 1", "BEGIN", "DECLARE c CURSOR WITH HOLD FOR SELECT * FROM roles", "COMMIT"]);

    // The evidence itself.
    "rows updated without being counted" Dropped Sql(&["SET track_counts = off", "UPDATE roles SET name = 'hidden' WHERE id = 1"]);
    "rows added without being counted" Dropped Sql(&["SET track_counts = off", "INSERT INTO roles VALUES (700{n}, 'hidden')"]);
    "rows inserted without being counted" Dropped Sql(&["SET track_counts = off", "INSERT INTO letters VALUES ({n}, 'hidden')"]);
    "rows inserted by another session without being counted" Recycled OwnConnection(&["SET track_counts = off", "INSERT INTO letters VALUES ({n}, 'hidden')"]);
    "nextval without being counted" Dropped Sql(&["SET track_counts = off", "SELECT nextval('tickets')"]);
    "definitions without being counted" Dropped Sql(&["SET track_counts = off", "CREATE FUNCTION hidden() RETURNS int LANGUAGE sql AS 'SELECT 1'"]);
    "counters reset" Dropped Sql(&["UPDATE roles SET name = 'hidden'", "SELECT pg_stat_force_next_flush()", "SELECT pg_stat_reset()"]);
    "one table's counters reset" Dropped Sql(&["UPDATE roles SET name = 'hidden'", "SELECT pg_stat_force_next_flush()", "SELECT pg_stat_reset_single_table_counters('roles'::regclass)"]);
};
