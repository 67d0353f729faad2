//! Sessions that a process has for its next tests: a new one costs more than everything else that a
//! test pays.
//!
//! In a process that runs several tests, a test's first session is opened on the background thread's
//! runtime, whose sockets outlive the test. After the test it shows whether the database equals its
//! template; if so, and if it equals a new session itself, it stays in the database and goes to the
//! next test together with it.
//!
//! A pool takes no connection that it has not made. So it makes one to a port of ours, which gives
//! nothing but the greeting of a server, and that one is replaced by the session before the test
//! sees it. Every test gets a new pool: one that a test has stored somewhere cannot reach into the
//! next test's database.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sqlx::pool::PoolOptions;
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use sqlx::{AssertSqlSafe, Connection, PgConnection, PgPool, Postgres, Row};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

use super::memory::MEMORY;

/// Sessions that a process parks on a server: enough for the tests that run at the same time.
/// Tests of many templates would add up to more.
const MOST: usize = 16;

/// Databases of one template that are reset while other tests already run: one of them is that of
/// the test before, on which no test waits then.
const IN_WORK: usize = 2;

/// How long ago "just now" may be.
const MOMENT: Duration = Duration::from_millis(500);

/// The oldest version that shows whether a session equals a new one: see [`MEMORY`].
pub(in crate::postgres) const OLDEST: i32 = 160_000;

/// A session in a test's database that may serve several tests.
#[derive(Debug)]
pub(in crate::postgres) struct Session {
    pub(in crate::postgres) connection: PgConnection,
    pub(in crate::postgres) mark: Mark,
    /// The name that its database had when it was opened: the server's log goes on to use it.
    pub(in crate::postgres) opened_in: String,
}

/// What a session is known by that may serve several tests.
#[derive(Clone, Copy, Debug)]
pub(in crate::postgres) struct Mark {
    /// Its process on the server.
    pub(super) pid: i32,
    /// The memory that its settings took when it was new.
    pub(super) settings: i64,
}

impl Session {
    /// Opens a session on the runtime that this is called on; none if that is not possible now.
    pub(in crate::postgres) async fn open(options: &PgConnectOptions) -> Option<Self> {
        let mut connection = PgConnection::connect_with(options).await.ok()?;
        // Most sessions that are used at all load it sooner or later.
        let ask = format!(
            "LOAD 'plpgsql'; SELECT pg_backend_pid() AS pid, settings FROM ({}) memory",
            *MEMORY
        );
        let ask = sqlx::raw_sql(AssertSqlSafe(ask));
        let row = ask.fetch_one(&mut connection).await.ok()?;
        let mark = Mark {
            pid: row.try_get("pid").ok()?,
            settings: row.try_get("settings").ok()?,
        };
        Some(Self {
            connection,
            mark,
            opened_in: options.get_database()?.to_owned(),
        })
    }

    /// Returns whether this is the session of the mark.
    pub(in crate::postgres) async fn is(
        mark: Mark,
        connection: &mut PgConnection,
    ) -> Result<bool, sqlx::Error> {
        let pid = sqlx::raw_sql("SELECT pg_backend_pid()");
        let pid: i32 = pid.fetch_one(connection).await?.try_get(0)?;
        Ok(mark.pid == pid)
    }
}

/// A session for a test, in a database that is reset.
#[derive(Debug)]
pub(in crate::postgres) struct Taken {
    pub(in crate::postgres) database: String,
    pub(in crate::postgres) session: Session,
    /// Whether the database is claimed for the test already.
    pub(in crate::postgres) claimed: Claimed,
}

/// Whether a database is claimed for the test that takes it.
#[derive(Debug)]
pub(in crate::postgres) enum Claimed {
    No,
    Yes {
        /// When the statistics of the database were set to zero, if ever.
        stats_reset: Option<String>,
    },
}

/// A test that waits for a session.
#[derive(Debug)]
pub(in crate::postgres) struct Waiting {
    template: String,
    pub(in crate::postgres) test: String,
    /// Without an answer, the test looks again.
    pub(in crate::postgres) answer: oneshot::Sender<Taken>,
}

/// The sessions that a process has parked on one server.
#[derive(Debug, Default)]
pub(in crate::postgres) struct Sessions(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// By their databases; the latest comes last.
    parked: VecDeque<(String, Session)>,
    /// The templates of those whose databases are being reset.
    in_work: Vec<String>,
    /// The test that has waited for longest comes first.
    waiting: VecDeque<Waiting>,
}

impl State {
    fn in_work(&self, template: &str) -> usize {
        self.in_work.iter().filter(|of| *of == template).count()
    }
}

impl Sessions {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the latest one out whose database is cloned from the template; waits for one rather
    /// than have ever more of them in work.
    pub(in crate::postgres) async fn take(&self, template: &str, test: &str) -> Option<Taken> {
        loop {
            let answered = {
                let mut state = self.state();
                let parked = state.parked.iter();
                let mut parked = parked.map(|(database, _)| is_clone(database, template));
                if let Some(latest) = parked.rposition(|is_clone| is_clone) {
                    let (database, session) = state.parked.remove(latest)?;
                    return Some(Taken {
                        database,
                        session,
                        claimed: Claimed::No,
                    });
                }
                if state.in_work(template) < IN_WORK {
                    return None;
                }
                let (answer, answered) = oneshot::channel();
                state.waiting.push_back(Waiting {
                    template: template.to_owned(),
                    test: test.to_owned(),
                    answer,
                });
                answered
            };
            if let Ok(taken) = answered.await {
                return Some(taken);
            }
        }
    }

    /// Returns the test that has waited for longest for a session in a clone of the template.
    pub(in crate::postgres) fn next_waiting(&self, template: &str) -> Option<Waiting> {
        let waiting = &mut self.state().waiting;
        waiting.retain(|waiting| !waiting.answer.is_closed());
        let first = waiting.iter().position(|of| of.template == template)?;
        waiting.remove(first)
    }

    /// Notes that a database of the template is being reset.
    pub(in crate::postgres) fn begin(&self, template: &str) {
        self.state().in_work.push(template.to_owned());
    }

    /// Notes that one no longer is.
    pub(in crate::postgres) fn end(&self, template: &str) {
        let state = &mut *self.state();
        if let Some(one) = state.in_work.iter().position(|of| of == template) {
            state.in_work.swap_remove(one);
        }
        if state.in_work(template) < IN_WORK {
            state.waiting.retain(|of| of.template != template);
        }
    }

    /// Parks a session; returns the oldest one if there are too many.
    #[must_use]
    pub(in crate::postgres) fn put(
        &self,
        database: String,
        session: Session,
    ) -> Option<(String, Session)> {
        let State {
            parked, waiting, ..
        } = &mut *self.state();
        // A test that has begun to wait meanwhile looks again.
        let first = waiting
            .iter()
            .position(|of| is_clone(&database, &of.template));
        first.and_then(|first| waiting.remove(first));
        parked.push_back((database, session));
        (parked.len() > MOST).then(|| parked.pop_front()).flatten()
    }
}

/// Returns whether the database is cloned from the template.
fn is_clone(database: &str, template: &str) -> bool {
    let rest = database.strip_prefix(template);
    rest.is_some_and(|rest| rest.starts_with('_'))
}

/// Returns a pool whose first connection is that of a session; `made` counts the connections that it
/// makes. Without a port to greet at, the pool connects by itself, and the session is closed.
pub(in crate::postgres) async fn pool(
    session: PgConnection,
    settings: PoolOptions<Postgres>,
    options: PgConnectOptions,
    greeter: Option<PgConnectOptions>,
    made: Arc<AtomicUsize>,
) -> PgPool {
    let pool = match greeter {
        Some(greeter) => hand_over(session, settings.clone(), greeter, made)
            .await
            .ok(),
        None => None,
    };
    match pool {
        Some(pool) => {
            pool.set_connect_options(options);
            pool
        }
        None => settings.connect_lazy_with(options),
    }
}

async fn hand_over(
    session: PgConnection,
    settings: PoolOptions<Postgres>,
    greeter: PgConnectOptions,
    made: Arc<AtomicUsize>,
) -> Result<PgPool, sqlx::Error> {
    let session = Arc::new(Mutex::new(Some(session)));
    let answered_just_now = AtomicBool::new(true);
    settings
        // A pool looks whether a connection answers before it gives it out. The session has answered.
        .test_before_acquire(false)
        .before_acquire(move |connection, idle| {
            let answered =
                answered_just_now.swap(false, Ordering::Relaxed) && idle.idle_for < MOMENT;
            Box::pin(async move { Ok(answered || connection.ping().await.is_ok()) })
        })
        .after_connect(move |connection, _| {
            made.fetch_add(1, Ordering::Relaxed);
            let session = session
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take();
            if let Some(session) = session {
                *connection = session;
            }
            Box::pin(async { Ok(()) })
        })
        .connect_with(greeter)
        .await
}

/// Listens on a port of ours that greets as a server does, on the runtime that this is called on;
/// returns how to connect to it.
pub(in crate::postgres) async fn greeter() -> Option<PgConnectOptions> {
    let listener = TcpListener::bind("127.0.0.1:0").await.ok()?;
    let port = listener.local_addr().ok()?.port();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            tokio::spawn(async move {
                // A pool that is not greeted connects to the server instead.
                let _ = greet(client).await;
            });
        }
    });
    Some(
        PgConnectOptions::new_without_pgpass()
            .host("127.0.0.1")
            .port(port)
            .username("nobody")
            .ssl_mode(PgSslMode::Disable),
    )
}

/// Lets the client in and says that the session is ready: the shortest start of one in
/// PostgreSQL's protocol, version 3.
async fn greet(mut client: TcpStream) -> std::io::Result<()> {
    const GREETING: &[u8] = b"R\0\0\0\x08\0\0\0\0Z\0\0\0\x05I";
    client.set_nodelay(true)?;
    let length = client.read_u32().await?.saturating_sub(4).min(10_000);
    let mut startup = vec![0; usize::try_from(length).unwrap_or_default()];
    client.read_exact(&mut startup).await?;
    client.write_all(GREETING).await
}
