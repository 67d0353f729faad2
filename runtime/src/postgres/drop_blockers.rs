//! What keeps a database from being dropped although no session is in it.

use std::time::Duration;

use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

use super::server::Server;
use super::sql::quoted;

/// Statements, to be run in the database, that end what keeps it: transactions that are prepared,
/// replication slots and who uses them, subscriptions without what they have on the other server.
const STATEMENTS: &str = "
    SELECT format('ROLLBACK PREPARED %L', gid)
    FROM pg_prepared_xacts WHERE database = current_database()
    UNION ALL
    SELECT unnest(ARRAY[format('SELECT pg_terminate_backend(%s)', coalesce(active_pid, 0)),
                        format('SELECT pg_drop_replication_slot(%L)', slot_name)])
    FROM pg_replication_slots WHERE database = current_database()
    UNION ALL
    SELECT unnest(ARRAY[format('ALTER SUBSCRIPTION %I DISABLE', subname),
                        format('ALTER SUBSCRIPTION %I SET (slot_name = NONE)', subname),
                        format('DROP SUBSCRIPTION %I', subname)])
    FROM pg_subscription s JOIN pg_database d ON d.oid = s.subdbid
    WHERE d.datname = current_database()";

/// How often it is tried: who uses a slot takes a moment to leave.
const ATTEMPTS: u32 = 20;

/// Removes them, as far as the role may.
pub(super) async fn remove(
    server: &Server,
    administrator: &mut PgConnection,
    database: &str,
) -> Result<(), sqlx::Error> {
    // A test may have made a template of it, or closed it.
    let open = format!(
        "ALTER DATABASE {} IS_TEMPLATE false ALLOW_CONNECTIONS true CONNECTION LIMIT -1",
        quoted(database)
    );
    administrator.execute(AssertSqlSafe(open)).await?;
    let mut connection = server
        .connect(&server.admin.clone().database(database))
        .await?;
    for _ in 0..ATTEMPTS {
        let statements: Vec<String> = sqlx::query_scalar(STATEMENTS)
            .fetch_all(&mut connection)
            .await?;
        if statements.is_empty() {
            break;
        }
        for statement in statements {
            // Those that fail are tried again.
            let _ = connection.execute(AssertSqlSafe(statement)).await;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    connection.close().await
}
