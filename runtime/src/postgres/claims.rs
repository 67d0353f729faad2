//! Claims: a database for one test.

use std::sync::Arc;

use sqlx::{AssertSqlSafe, Connection, Executor, Row};

use super::address;
use super::broken::Broken;
use super::clones::{self, top_up};
use super::failure::failed;
use super::fill;
use super::options::Postgres;
use super::reuse::session::{self, Claimed, Session};
use super::roles::Before;
use super::schema::Target;
use super::schemas;
use super::server::Server;
use super::slot::{Origin, Reuse, TestDatabase};
use super::sql::{literal, quoted};
use super::sweep::{free_parked, sweep};
use super::template::{self, Template};
use crate::record::{self, Step};
use crate::service::SlotRequest;
use crate::{Result, report};

/// How a server's system says that its disk is full.
const NO_ROOM: &str = "No space left on device";

/// Claims a database for one test.
pub(super) async fn claim(
    options: &Postgres,
    server: Arc<Server>,
    request: SlotRequest,
) -> Result<TestDatabase> {
    let claimed = if request.exclusive {
        claim_on_own_server(options, &server, &request).await
    } else {
        claim_on_shared_server(options, &server, &request).await
    };
    claimed.map_err(|error| {
        if error.report().contains(NO_ROOM) {
            error.with_help(
                "make room where the server has its data; a local server's can be elsewhere: \
                 CONTAINER_TEST_DATA_DIR",
            )
        } else {
            error
        }
    })
}

async fn claim_on_shared_server(
    options: &Postgres,
    server: &Arc<Server>,
    request: &SlotRequest,
) -> Result<TestDatabase> {
    server.watch_lease().await;
    if server.endpoint.outlives_tests() {
        let server = Arc::clone(server);
        tokio::spawn(async move { sweep(&server).await });
    }
    let (schema, seeded) = schemas::schema(options, request).await?;
    let label = options.database.as_deref().unwrap_or(&request.package);
    let user = server.user(options.user.as_deref());
    let template = Template::new(schema, user.clone(), label);
    let name = template.name.clone();
    // Clones are prewarmed only where they go with the server.
    let prewarmed = !server.endpoint.outlives_tests();
    let recycle = options.recycle && server.can_recycle() && server.is_administrator(&user);
    let taken = if recycle {
        server.sessions.take(&name, &request.test).await
    } else {
        None
    };
    let (own, parked, claimed) = match taken {
        Some(taken) => (Some(taken.database), Some(taken.session), taken.claimed),
        None => (None, None, Claimed::No),
    };
    let mut ready = None;
    if let (Claimed::Yes { stats_reset }, Some(own)) = (claimed, &own) {
        ready = Some((own.clone(), stats_reset));
    } else if prewarmed {
        ready = claim_ready(server, &name, &request.test, own.as_deref()).await?;
        if ready.is_none() && free_parked(server).await? {
            ready = claim_ready(server, &name, &request.test, None).await?;
        }
    }
    let (database, stats_reset) = if let Some(ready) = ready {
        ready
    } else {
        let broken = Broken::known_to(request, options)?;
        template::ensure(server, &template, &broken).await?;
        let clone = clones::make(server, &name, &request.test, options.pool_size());
        let database = record::step(Step::Clone, "", Box::pin(clone)).await?;
        if prewarmed {
            top_up(server, name.clone());
        }
        (database, None)
    };
    let parked = parked.filter(|_| own.as_ref() == Some(&database));
    let connect = server.plain.clone().username(&user).database(&database);
    let parkable = server.info.version_number >= session::OLDEST && !request.one_test_per_process;
    let (reuse, session) = match (parked, recycle) {
        (Some(session), _) => (Reuse::Session, Some(session)),
        (None, true) if parkable => match Session::open(&connect).await {
            Some(session) => (Reuse::Session, Some(session)),
            None => (Reuse::Database, None),
        },
        (None, true) => (Reuse::Database, None),
        (None, false) => (Reuse::Nothing, None),
    };
    if reuse == Reuse::Database && request.one_test_per_process {
        let (server, template) = (Arc::clone(server), name.clone());
        // The end of the test asks for it otherwise.
        tokio::spawn(async move { template::snapshot(&server, &template).await });
    }
    let origin = Origin::Clone {
        template: name,
        prewarmed,
        reuse,
        stats_reset,
    };
    let claimed = TestDatabase::new(server, database, user, options, origin, seeded);
    Ok(claimed.with_session(session).await)
}

/// Makes the database on a server that no other test uses: migrations run in it by themselves.
async fn claim_on_own_server(
    options: &Postgres,
    server: &Arc<Server>,
    request: &SlotRequest,
) -> Result<TestDatabase> {
    let (schema, seeded) = schemas::schema(options, request).await?;
    let database = options.database.as_deref().unwrap_or(&request.package);
    let user = server.user(options.user.as_deref());
    let broken = Broken::known_to(request, options)?;
    let content = schema.hash(&user);
    if let Some(error) = broken.recall(&content) {
        return Err(error);
    }
    server.ensure_user(&user).await?;
    let step = || failed(format!("create the database {database}"));
    let mut connection = server.work.acquire().await.map_err(step())?;
    let name = literal(database);
    let exists = format!("SELECT EXISTS (SELECT FROM pg_database WHERE datname = {name})");
    let row = connection.fetch_one(AssertSqlSafe(exists)).await;
    let exists: bool = row.and_then(|row| row.try_get(0)).map_err(step())?;
    let make = if exists {
        format!(
            "ALTER DATABASE {} OWNER TO {}",
            quoted(database),
            quoted(&user)
        )
    } else {
        format!(
            "CREATE DATABASE {} OWNER {}",
            quoted(database),
            quoted(&user)
        )
    };
    connection
        .execute(AssertSqlSafe(make))
        .await
        .map_err(step())?;
    let prepared = fill::prepare(server, &schema, database, &user).await;
    prepared.map_err(step())??;
    let connect = server.plain.clone().username(&user).database(database);
    let connect = address::writable(connect);
    let mut connection = server.connect(&connect).await.map_err(step())?;
    let target = Target {
        options: connect,
        url: address::url(&server.endpoint, &user, database),
    };
    let applying = || format!("applying migrations in the database {database}");
    let before = Before::default();
    let apply = schema.apply(target, &mut connection, 0, &before);
    let applied = report::waiting(applying, apply).await;
    applied.inspect_err(|error| broken.remember(&content, error))?;
    // What is not closed properly is closed by the server.
    let _ = connection.close().await;
    let database = database.to_owned();
    Ok(TestDatabase::new(
        server,
        database,
        user,
        options,
        Origin::OwnServer,
        seeded,
    ))
}

/// Claims a clone that is ready, the process's own before all others; returns its name, and when
/// its statistics were set to zero.
async fn claim_ready(
    server: &Arc<Server>,
    template: &str,
    test: &str,
    own: Option<&str>,
) -> Result<Option<(String, Option<String>)>> {
    let step = "claim a database";
    // In one message, and so in one round trip: a process may run one test only.
    let claim = format!(
        "SELECT * FROM claim_ready({}, {}, {}, {})",
        literal(template),
        server.info.number,
        literal(test),
        own.map_or_else(|| "NULL".to_owned(), literal)
    );
    let row = server.ask(&claim).await.map_err(failed(step))?;
    let claimed: Option<String> = row.try_get("claimed").map_err(failed(step))?;
    let left: Option<i64> = row.try_get("ready_left").map_err(failed(step))?;
    // Recycled databases come back: as long as one is left, there are enough.
    if claimed.is_some() && left == Some(0) {
        top_up(server, template.to_owned());
    }
    let stats_reset = row.try_get("stats_reset").map_err(failed(step))?;
    Ok(claimed.map(|name| (name, stats_reset)))
}
