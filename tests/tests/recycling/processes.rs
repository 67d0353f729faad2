//! What processes leave to each other, and how much one of them keeps.

use std::process::{Command, abort};
use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use container_test::TestContext;
use container_test::sqlx::{AssertSqlSafe, Connection, PgConnection, PgPool, Row, raw_sql};

use crate::TRIES;
use crate::harness::{Line, is_recycled, name_of, number, registry, wait};

/// Says what a process of its own does.
const ROLE: &str = "RECYCLING_ROLE";
/// Says which database is to be dropped.
const DIRTY: &str = "RECYCLING_DIRTY";
/// Says whose databases they are.
const LINE: &str = "RECYCLING_LINE";

/// Sessions that a process parks.
const PARKED: i64 = 16;

/// Runs [`role`] in a process of its own, one that runs many tests; gives what it says.
fn in_a_process(role: &str, line: Line, dirty: &str) -> String {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "processes::role", "--ignored", "--nocapture"])
        .envs([(ROLE, role), (LINE, line.name()), (DIRTY, dirty)])
        .env_remove("NEXTEST")
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (said, errors) = (text(&output.stdout), text(&output.stderr));
    let Some((_, said)) = said.split_once("SAID ") else {
        panic!("{role} says nothing:\n{said}\n{errors}");
    };
    said.lines().next().unwrap().to_owned()
}

#[test]
#[ignore = "run by other tests, in a process of its own"]
fn role() {
    match std::env::var(ROLE).unwrap().as_str() {
        "leave" => leave(),
        "take" => take(),
        "crowd" => crowd(),
        "halfway" => halfway(),
        other => panic!("{other} is no role"),
    }
}

/// The line of a test and of the processes that it starts: no other test gets its databases, nor
/// does this test when it is run again on the same server.
fn line() -> Line {
    let name = std::env::var(LINE).unwrap_or_else(|_| format!("processes_{}", std::process::id()));
    Line::new(name.leak())
}

/// Ends at once in the middle of a test, after another test whose database has been reset.
fn leave() {
    line().test(async |cx: TestContext| -> () {
        let in_use = number(&cx).await;
        let other = thread::spawn(|| {
            let (reset, ()) = line().test(async |_| ());
            assert!(is_recycled(&reset));
            reset
        });
        println!("SAID {in_use} {}", other.join().unwrap());
        abort()
    });
}

/// Says which database a test gets, and stays until the one that is to be dropped is gone, or for
/// some seconds.
fn take() {
    let dirty = std::env::var(DIRTY).unwrap();
    line().test(async |cx| {
        println!("SAID {}", number(&cx).await);
        let mut connection = registry().await;
        for _ in 0..500 {
            if name_of(&mut connection, &dirty).await.is_none() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
}

/// Takes a lease that lasts as long as the connection.
async fn lease(connection: &mut PgConnection) -> i32 {
    let lease: i32 = sqlx::query_scalar("SELECT nextval('lease_number')::integer")
        .fetch_one(&mut *connection)
        .await
        .unwrap();
    sqlx::query(
        "WITH lease AS (INSERT INTO lease VALUES ($1, 'a test')) SELECT pg_advisory_lock(1, $1)",
    )
    .bind(lease)
    .execute(&mut *connection)
    .await
    .unwrap();
    lease
}

/// Claims all that is ready for tests of the template, for as long as the connection lives; not the
/// database of this name, which is another test's to take.
async fn claim_all(connection: &mut PgConnection, template: &str, except: Option<&str>) {
    let lease = lease(connection).await;
    // Clones may still be on their way, and one may be about to be begun.
    let mut quiet = 0;
    while quiet < 2 {
        let being_made: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM pg_stat_activity
             WHERE state = 'active' AND query LIKE 'CREATE DATABASE %'",
        )
        .fetch_one(&mut *connection)
        .await
        .unwrap();
        let claimed = sqlx::query(
            "INSERT INTO claim (database, template, lease, test)
             SELECT first_name(ready), $1, $2, '' FROM ready($1) WHERE ready IS DISTINCT FROM $3
             ON CONFLICT DO NOTHING",
        );
        let claimed = claimed.bind(template).bind(lease).bind(except);
        let claimed = claimed
            .execute(&mut *connection)
            .await
            .unwrap()
            .rows_affected();
        if being_made > 0 || claimed > 0 {
            quiet = 0;
        } else {
            quiet += 1;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

#[test]
fn the_reset_databases_of_a_killed_process_go_to_the_next_and_the_rest_is_dropped() {
    let line = line();
    let (mine, ()) = line.test(async |_| ());
    let said = in_a_process("leave", line, "");
    let (dirty, reset) = said.split_once(' ').unwrap();
    wait(async {
        let mut connection = registry().await;
        let name = name_of(&mut connection, reset).await.unwrap();
        let (template, _) = name.rsplit_once('_').unwrap();
        // A reset database is parked for its process only where sessions are parked.
        let theirs = is_parked(&mut connection, reset).await;
        let ours = is_parked(&mut connection, &mine).await;
        // Any process on the server may free it, once it sees that its holder is dead.
        let left = theirs.then_some(name.as_str());
        claim_all(&mut connection, template, left).await;
        has_ended(&mut connection, dirty).await;
        let taken = in_a_process("take", line, dirty);
        assert_eq!(taken == reset, theirs, "{taken}");
        if name_of(&mut connection, dirty).await.is_some() {
            // Another process has freed what was reset, and has ended before the rest was dropped.
            claim_all(&mut connection, template, None).await;
            in_a_process("take", line, dirty);
        }
        assert_eq!(name_of(&mut connection, dirty).await, None);
        assert_eq!(is_parked(&mut connection, &mine).await, ours);
        connection.close().await.unwrap();
    });
}

/// Waits until the server has seen that the process which has claimed a database has ended.
async fn has_ended(connection: &mut PgConnection, database: &str) {
    let held = "SELECT EXISTS (SELECT FROM claim c JOIN pg_database d ON first_name(d.datname) = c.database
                               WHERE d.oid = $1::text::oid
                                 AND c.lease IN (SELECT held_leases()))";
    for _ in 0..1_000 {
        let held: bool = sqlx::query_scalar(held)
            .bind(database)
            .fetch_one(&mut *connection)
            .await
            .unwrap();
        if !held {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the process that has claimed {database} still has a session");
}

async fn is_parked(connection: &mut PgConnection, database: &str) -> bool {
    let parked = "SELECT EXISTS (SELECT FROM claim c JOIN pg_database d ON first_name(d.datname) = c.database
                                 WHERE c.parked AND d.oid = $1::text::oid)";
    sqlx::query_scalar(parked)
        .bind(database)
        .fetch_one(connection)
        .await
        .unwrap()
}

/// Runs more tests at once than sessions are parked.
fn crowd() {
    const TESTS: usize = 24;
    let at_once = Barrier::new(TESTS);
    let line = Line::new("crowd");
    let test = || {
        line.test(async |cx: TestContext| {
            let pool: PgPool = cx.get().await.unwrap();
            raw_sql("SELECT").execute(&pool).await.unwrap();
            at_once.wait();
        })
    };
    let databases = thread::scope(|scope| {
        let tests: Vec<_> = (0..TESTS).map(|_| scope.spawn(test)).collect();
        tests
            .into_iter()
            .map(|test| test.join().unwrap().0)
            .collect::<Vec<_>>()
    });
    let parked = wait(async {
        let mut connection = registry().await;
        let name = name_of(&mut connection, &databases[0]).await.unwrap();
        let (template, _) = name.rsplit_once('_').unwrap();
        let mut round = 0;
        loop {
            let (in_use, idle, sessions): (i64, i64, i64) = sqlx::query_as(
                "SELECT count(*) FILTER (WHERE NOT parked), count(*) FILTER (WHERE parked),
                        (SELECT count(*) FROM pg_stat_activity WHERE starts_with(datname, $1 || '_'))
                 FROM claim WHERE template = $1 AND lease IN (SELECT live_leases())",
            )
            .bind(template)
            .fetch_one(&mut connection)
            .await
            .unwrap();
            // The oldest goes only after the latest has come.
            if in_use == 0 && idle == sessions && (idle <= PARKED || round > 1_000) {
                return idle;
            }
            round += 1;
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    println!("SAID {parked}");
}

#[test]
fn a_process_parks_a_limited_number_of_sessions() {
    let line = line();
    let (_, version) = line.test(async |cx: TestContext| {
        let pool: PgPool = cx.get().await.unwrap();
        let version = "SELECT current_setting('server_version_num')::integer";
        let version: i32 = sqlx::query_scalar(version).fetch_one(&pool).await.unwrap();
        version
    });
    // Older ones do not show whether a session equals a new one.
    let parked = if version < 160_000 { 0 } else { PARKED };
    let mut most = 0;
    for _ in 0..TRIES {
        most = most.max(in_a_process("crowd", line, "").parse().unwrap());
        if most >= parked {
            break;
        }
    }
    assert_eq!(most, parked);
}

/// A setting that a clone gets once it has been created.
const WITH_SETTING: &str = "
    DO $$ BEGIN
        EXECUTE format('ALTER DATABASE %I SET work_mem = ''3MB''', current_database());
    END $$";

/// Says how many clones are ready while the next one has no setting yet. One test at a time has clones
/// made in a process.
fn halfway() {
    // What it locks, others wait for.
    let line = line().apart().with_schema(WITH_SETTING);
    let (first, ()) = line.test(async |_| ());
    wait(async {
        let mut connection = registry().await;
        let name = name_of(&mut connection, &first).await.unwrap();
        let (template, _) = name.rsplit_once('_').unwrap();
        claim_all(&mut connection, template, None).await;
        // A test that takes the last one has the next ones made.
        let free = "DELETE FROM claim WHERE database IN
                        (SELECT database FROM claim WHERE template = $1 AND test = '' LIMIT 1)";
        let free = sqlx::query(free).bind(template);
        assert_eq!(
            free.execute(&mut connection).await.unwrap().rows_affected(),
            1
        );
        raw_sql("BEGIN; LOCK TABLE pg_db_role_setting IN EXCLUSIVE MODE")
            .execute(&mut connection)
            .await
            .unwrap();
        let test = thread::spawn(move || line.without_recycling().test(async |_| ()));
        let (mut halfway, mut ready) = (false, 0_i64);
        for _ in 0..1_000 {
            // In a transaction, what other sessions do is seen as it was at the first look.
            raw_sql("SELECT pg_stat_clear_snapshot()")
                .execute(&mut connection)
                .await
                .unwrap();
            (halfway, ready) = sqlx::query_as(
                "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock'
                                    AND query LIKE 'ALTER DATABASE %' || $1 || '%'),
                        (SELECT count(*) FROM ready($1))",
            )
            .bind(template)
            .fetch_one(&mut connection)
            .await
            .unwrap();
            if halfway {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        raw_sql("COMMIT").execute(&mut connection).await.unwrap();
        assert!(halfway, "no clone gets its setting");
        test.join().unwrap();
        println!("SAID {ready}");
        connection.close().await.unwrap();
    });
}

#[test]
fn a_clone_is_ready_once_it_has_all_that_its_template_has() {
    let line = line();
    assert_eq!(in_a_process("halfway", line, ""), "0");
}

#[test]
fn a_database_that_is_renamed_while_it_is_dropped_is_not_forgotten() {
    line().test(async |cx| {
        number(&cx).await;
        let mut connection = registry().await;
        let text = async |connection: &mut PgConnection, query: String| -> Option<String> {
            let row = raw_sql(AssertSqlSafe(query)).fetch_one(connection).await;
            row.unwrap().get(0)
        };
        let lease = lease(&mut connection).await;
        let claim = format!("SELECT claim_new('ct_renamed', {lease}, 'a test', NULL, NULL)");
        let name = text(&mut connection, claim).await.unwrap();
        let renamed = format!("{name}r1");
        let execute = [
            format!("CREATE DATABASE {name}"),
            format!("UPDATE pg_database SET datname = '{renamed}' WHERE datname = '{name}'"),
        ];
        for statement in execute {
            let statement = raw_sql(AssertSqlSafe(statement));
            statement.execute(&mut connection).await.unwrap();
        }
        let dropped = format!("SELECT dropped('{name}')");
        let left = text(&mut connection, dropped.clone()).await;
        let begun = format!("SELECT begin_drop('{name}', {lease})");
        let begun = text(&mut connection, begun).await;
        let drop = raw_sql(AssertSqlSafe(format!("DROP DATABASE {renamed}")));
        drop.execute(&mut connection).await.unwrap();
        assert_eq!(left.as_ref(), Some(&renamed));
        assert_eq!(begun, Some(renamed));
        assert_eq!(text(&mut connection, dropped).await, None);
        let claims = format!("SELECT count(*)::text FROM claim WHERE database = '{name}'");
        assert_eq!(text(&mut connection, claims).await.unwrap(), "0");
        connection.close().await.unwrap();
    });
}
