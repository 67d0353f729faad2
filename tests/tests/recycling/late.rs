//! What a test has left running does not reach the tests that come after it.

use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, channel};
use std::thread::{self, sleep};
use std::time::Duration;

use container_test::sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use container_test::sqlx::{self, Connection, PgConnection, PgPool, raw_sql};
use container_test::{Database, TestContext};

use crate::harness::{Line, is_recycled, options, wait};

/// How long after its begin the write comes: when its test is over.
const LATER: Duration = Duration::from_millis(500);

/// Tests at the same time that could be met: more than there are databases made ahead.
const OTHERS: usize = 6;

/// What is left running.
#[derive(Clone, Copy, Debug)]
enum Late {
    /// A thread that connects with the options that the test had as an argument.
    Options,
    /// The same with the URL.
    Url,
    /// A pool that the test has made by itself.
    OwnPool,
    /// The test's pool in a `static`.
    StaticPool,
    /// A runtime of the test's own, with a connection of the test's pool.
    OwnRuntime,
    /// A runtime of the test's own, with the session that the test began with.
    Session,
    /// Blocking work on the test's runtime.
    Blocking,
}

const ALL: [Late; 7] = [
    Late::Options,
    Late::Url,
    Late::OwnPool,
    Late::StaticPool,
    Late::OwnRuntime,
    Late::Session,
    Late::Blocking,
];

static POOL: OnceLock<PgPool> = OnceLock::new();

const WRITE: &str = "INSERT INTO letters VALUES (2, 'late')";

async fn connect_and_write(options: &PgConnectOptions) -> sqlx::Result<()> {
    let mut connection = PgConnection::connect_with(options).await?;
    raw_sql(WRITE).execute(&mut connection).await.map(|_| ())
}

/// Has a thread write later; says whether it could, once it has tried.
fn later(write: impl Future<Output = sqlx::Result<()>> + Send + 'static) -> Receiver<bool> {
    let (sender, written) = channel();
    thread::spawn(move || {
        sleep(LATER);
        let _ = sender.send(wait(write).is_ok());
    });
    written
}

impl Late {
    /// Begins to run in a test that has already written something.
    async fn begin(self, cx: &TestContext) -> Receiver<bool> {
        let pool: PgPool = cx.get().await.unwrap();
        raw_sql("INSERT INTO letters VALUES (1, 'in time')")
            .execute(&pool)
            .await
            .unwrap();
        match self {
            Self::Options => {
                let options: PgConnectOptions = cx.get().await.unwrap();
                later(async move { connect_and_write(&options).await })
            }
            Self::Url => {
                let url = cx.get::<Database>().await.unwrap().url().to_owned();
                later(async move { connect_and_write(&url.parse()?).await })
            }
            Self::OwnPool => {
                let settings: PgPoolOptions = cx.get().await.unwrap();
                let options: PgConnectOptions = cx.get().await.unwrap();
                later(async move {
                    let pool = settings.connect_lazy_with(options);
                    raw_sql(WRITE).execute(&pool).await.map(|_| ())
                })
            }
            Self::StaticPool => {
                POOL.set(pool).unwrap();
                later(async {
                    raw_sql(WRITE)
                        .execute(POOL.get().unwrap())
                        .await
                        .map(|_| ())
                })
            }
            Self::OwnRuntime => {
                let (sender, written) = channel();
                let (has_one, acquired) = channel();
                thread::spawn(move || {
                    wait(async {
                        let mut connection = pool.acquire().await.unwrap();
                        has_one.send(()).unwrap();
                        tokio::time::sleep(LATER).await;
                        let write = raw_sql(WRITE).execute(&mut *connection).await;
                        let _ = sender.send(write.is_ok());
                    });
                });
                acquired.recv().unwrap();
                written
            }
            Self::Session => {
                let mut session = pool.acquire().await.unwrap();
                drop(pool);
                later(async move { raw_sql(WRITE).execute(&mut *session).await.map(|_| ()) })
            }
            Self::Blocking => {
                let (sender, written) = channel();
                tokio::task::spawn_blocking(move || {
                    sleep(LATER);
                    let write = wait(async { raw_sql(WRITE).execute(&pool).await });
                    let _ = sender.send(write.is_ok());
                });
                written
            }
        }
    }
}

/// Holds a database until what may write has written, and longer; returns what it has found.
fn others(line: Line) -> i64 {
    let (_, found) = line.test(async |cx| {
        let pool: PgPool = cx.get().await.unwrap();
        tokio::time::sleep(LATER * 2).await;
        let found: i64 = sqlx::query_scalar("SELECT count(*) FROM letters")
            .fetch_one(&pool)
            .await
            .unwrap();
        found
    });
    found
}

#[test]
fn what_a_test_leaves_running_does_not_reach_the_next_tests() {
    let line = Line::new("late");
    let mut reached = Vec::new();
    for late in ALL {
        let (database, written) = line.test(async |cx| late.begin(&cx).await);
        let found: Vec<i64> = thread::scope(|scope| {
            let others: Vec<_> = (0..OTHERS).map(|_| scope.spawn(|| others(line))).collect();
            others
                .into_iter()
                .map(|other| other.join().unwrap())
                .collect()
        });
        // A runtime that has ended takes what it would have said with it.
        let written = written.recv_timeout(LATER * 10).unwrap_or(false);
        println!("{late:?} in {database}: written {written}");
        if found.iter().any(|found| *found > 0) {
            reached.push(format!("{late:?}: {found:?}"));
        }
    }
    assert!(reached.is_empty(), "{reached:?}");
}

#[test]
fn an_address_leads_nowhere_once_its_test_has_ended() {
    let line = Line::new("late");
    let (database, addresses) = line.test(async |cx| {
        let pool: PgPool = cx.get().await.unwrap();
        raw_sql("INSERT INTO letters VALUES (1, 'mine')")
            .execute(&pool)
            .await
            .unwrap();
        let url = cx.get::<Database>().await.unwrap().url().to_owned();
        let of_pool = (*pool.connect_options()).clone();
        [options(&cx).await, of_pool, url.parse().unwrap()]
    });
    assert!(is_recycled(&database));
    line.test_on(&database, async |_| {
        for address in &addresses {
            let refused = PgConnection::connect_with(address).await.unwrap_err();
            let refused = refused.as_database_error().unwrap();
            assert_eq!(refused.code().as_deref(), Some("3D000"), "{refused}");
        }
    });
}

#[test]
fn a_session_that_begins_while_a_test_ends_does_not_reach_the_next_test() {
    let line = Line::new("race");
    let mut recycled = 0;
    for _ in 0..40 {
        let (database, late) = line.test(async |cx| {
            let options = options(&cx).await;
            // A thread with a runtime of its own, which connects until the address leads nowhere.
            thread::spawn(move || {
                wait(async {
                    for _ in 0..500 {
                        let Ok(mut connection) = PgConnection::connect_with(&options).await else {
                            return true;
                        };
                        // The database may be dropped meanwhile.
                        let _ = raw_sql("INSERT INTO letters VALUES (2, 'late')")
                            .execute(&mut connection)
                            .await;
                        let _ = connection.close().await;
                    }
                    false
                })
            })
        });
        line.test(async |cx| {
            let pool: PgPool = cx.get().await.unwrap();
            let late: i64 = sqlx::query_scalar("SELECT count(*) FROM letters WHERE body = 'late'")
                .fetch_one(&pool)
                .await
                .unwrap();
            assert_eq!(late, 0);
        });
        assert!(late.join().unwrap(), "the address still leads there");
        recycled += u32::from(is_recycled(&database));
    }
    println!("{recycled} of 40 databases were recycled");
}

#[test]
fn a_session_of_a_task_ends_with_the_runtime_of_its_test() {
    let line = Line::new("task");
    let (database, ()) = line.test(async |cx| {
        let pool: PgPool = cx.get().await.unwrap();
        let write = async || raw_sql(WRITE).execute(&pool).await.unwrap();
        write().await;
        let mut connection: PgConnection = cx.get().await.unwrap();
        tokio::spawn(async move {
            loop {
                let _ = raw_sql(WRITE).execute(&mut connection).await;
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        });
        tokio::time::sleep(Duration::from_millis(20)).await;
    });
    assert!(is_recycled(&database));
    line.test_on(&database, async |cx| {
        let pool: PgPool = cx.get().await.unwrap();
        let letters = sqlx::query_scalar("SELECT count(*) FROM letters");
        let letters: i64 = letters.fetch_one(&pool).await.unwrap();
        assert_eq!(letters, 0);
    });
}
