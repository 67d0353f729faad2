//! A stranger's sessions in the databases of tests.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use container_test_tests::servers::Postgres;
use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection, PgConnection};

/// How long a session stays.
const STAY: Duration = Duration::from_millis(300);

/// How often is looked for databases: a template is filled in less time than a session stays.
const POLL: Duration = Duration::from_millis(10);

/// Every database of tests and of their registry that can be entered.
const OPEN: &str = "SELECT datname::text FROM pg_database
                    WHERE datallowconn AND datname ~ '^(ct|container_test)_'";

/// A superuser, whose sessions the role of tests may not end, enters every database again and again.
pub(crate) struct ForeignSessions {
    ended: Arc<AtomicBool>,
    thread: JoinHandle<Visits>,
}

/// How many sessions there were in each database.
pub(crate) type Visits = BTreeMap<String, usize>;

impl ForeignSessions {
    /// Begins to enter databases.
    pub(crate) fn open(postgres: &Postgres) -> Self {
        let ended = Arc::new(AtomicBool::new(false));
        let (until, port) = (Arc::clone(&ended), postgres.port());
        let socket: PathBuf = postgres.socket_directory().to_owned();
        let thread = thread::spawn(move || {
            let options = PgConnectOptions::new_without_pgpass()
                .socket(socket)
                .port(port)
                .username("postgres")
                .application_name("a stranger");
            let runtime = tokio::runtime::Runtime::new().unwrap();
            runtime.block_on(enter_all(options, &until))
        });
        Self { ended, thread }
    }

    /// Ends it, and returns which sessions there were.
    pub(crate) fn end(self) -> Visits {
        self.ended.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}

async fn enter_all(options: PgConnectOptions, ended: &AtomicBool) -> Visits {
    let visits: Arc<Mutex<Visits>> = Arc::default();
    let inside: Arc<Mutex<BTreeSet<String>>> = Arc::default();
    let mut looks = PgConnection::connect_with(&options.clone().database("postgres"))
        .await
        .unwrap();
    while !ended.load(Ordering::Relaxed) {
        let names: Vec<String> = sqlx::query_scalar(OPEN)
            .fetch_all(&mut looks)
            .await
            .unwrap();
        for name in names {
            if !inside.lock().unwrap().insert(name.clone()) {
                continue;
            }
            let options = options.clone().database(&name);
            let (visits, inside) = (Arc::clone(&visits), Arc::clone(&inside));
            tokio::spawn(async move {
                // It may have been dropped or closed meanwhile.
                if let Ok(session) = PgConnection::connect_with(&options).await {
                    *visits.lock().unwrap().entry(name.clone()).or_default() += 1;
                    tokio::time::sleep(STAY).await;
                    let _ = session.close().await;
                }
                inside.lock().unwrap().remove(&name);
            });
        }
        tokio::time::sleep(POLL).await;
    }
    looks.close().await.unwrap();
    std::mem::take(&mut visits.lock().unwrap())
}
