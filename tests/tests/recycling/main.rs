//! A recycled database cannot be told from a clone of its template, whatever was done to it.
// A test's helpers fail with it.
#![allow(clippy::unwrap_used)]

mod fingerprint;
mod harness;
mod kinds;
mod late;
mod processes;
mod sessions;

use std::collections::HashSet;
use std::fmt::Write;
use std::thread;
use std::time::Duration;

use container_test::TestContext;
use container_test::sqlx::pool::PoolConnection;
use container_test::sqlx::{Connection, PgPool, Postgres, raw_sql};
use container_test_tests::random::Random;

use self::fingerprint::{Fingerprint, difference, fingerprint, follow_up};
use self::harness::{Line, is_recycled, number, options, registry};
use self::kinds::{Fate, KINDS, Kind, Record};

/// What a clone is like, at first and after more was done to it.
struct Reference {
    first: Fingerprint,
    later: Fingerprint,
}

impl Reference {
    fn of(line: Line) -> Self {
        Self {
            first: line.test_on_a_clone(fingerprint),
            later: line.test_on_a_clone(follow_up),
        }
    }

    /// What became of the database that was used, and what is wrong with it.
    fn compare(&self, line: Line, used: &str) -> (Fate, Option<String>) {
        if !is_recycled(used) {
            return (Fate::Dropped, None);
        }
        let (first, later) = line.test_on(used, async |cx: TestContext| {
            // The session of the test before, where it was parked.
            let mut connection: PoolConnection<Postgres> = cx.get().await.unwrap();
            let first = fingerprint(&mut connection).await;
            let later = follow_up(&mut connection).await;
            (first, later)
        });
        let wrong = difference(&self.first, &first).or_else(|| difference(&self.later, &later));
        (Fate::Recycled, wrong)
    }
}

/// Does the kinds in one test, numbers filled in at random; tells what was done, and in which
/// database.
fn perform(line: Line, kinds: &[&Kind], random: &mut Random) -> (String, String) {
    let numbers = numbers(kinds, random);
    line.test(async |cx| act(&cx, kinds, &numbers).await)
}

fn numbers(kinds: &[&Kind], random: &mut Random) -> Vec<usize> {
    kinds.iter().map(|_| 1 + random.below(6)).collect()
}

async fn act(cx: &TestContext, kinds: &[&Kind], numbers: &[usize]) -> String {
    let options = options(cx).await;
    let database = options.get_database().unwrap();
    let mut done = String::new();
    for (kind, number) in kinds.iter().zip(numbers) {
        let _ = write!(done, "\n-- {}", kind.name);
        let mut record = Record {
            text: &mut done,
            number: *number,
            database,
        };
        if let Err(error) = kind.act.perform(cx, &mut record).await {
            record.error(&error);
        }
    }
    done
}

/// How often a kind is tried. One that should leave its database to the next test may lose it where
/// other work keeps sessions from ending in time, and a replication slot cannot be made while
/// another test has a transaction open.
const TRIES: usize = 3;

#[test]
fn each_kind_of_change_is_undone_or_ends_the_database() {
    let line = Line::new("kinds");
    let reference = Reference::of(line);
    let mut random = Random::new(1);
    let mut wrong = String::new();
    for kind in KINDS {
        let mut again = || {
            let (used, done) = perform(line, &[kind], &mut random);
            let (fate, difference) = reference.compare(line, &used);
            (fate, difference, done)
        };
        let (mut fate, mut difference, mut done) = again();
        for _ in 1..TRIES {
            let too_late = done.contains("due to statement timeout");
            if too_late || (fate, kind.fate) == (Fate::Dropped, Fate::Recycled) {
                (fate, difference, done) = again();
            }
        }
        if fate != kind.fate {
            let _ = write!(
                wrong,
                "\n{}: {fate:?}, not {:?}{done}",
                kind.name, kind.fate
            );
        }
        if let Some(difference) = difference {
            let _ = write!(wrong, "\n{}: {fate:?}, and {difference}", kind.name);
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn a_database_is_recycled_again_and_again() {
    let line = Line::new("again");
    let reference = Reference::of(line);
    let recycled: Vec<&Kind> = KINDS
        .iter()
        .filter(|kind| kind.fate == Fate::Recycled && !kind.name.ends_with("without being counted"))
        .collect();
    let mut random = Random::new(2);
    // Three kinds a test, many tests in a row in one database; where that is dropped, in another.
    let mut in_a_row = || {
        let (first, ()) = line.test(async |_| ());
        let mut all = String::new();
        for round in 0..60 {
            let kinds: Vec<&Kind> = (0..3)
                .map(|_| recycled[random.below(recycled.len())])
                .collect();
            let numbers = numbers(&kinds, &mut random);
            if is_recycled(&first) {
                let done = line.test_on(&first, async |cx| act(&cx, &kinds, &numbers).await);
                let _ = write!(all, "\n-- test {round}{done}");
            }
        }
        (reference.compare(line, &first), all)
    };
    let ((mut fate, mut difference), mut all) = in_a_row();
    for _ in 1..TRIES {
        if fate == Fate::Dropped {
            ((fate, difference), all) = in_a_row();
        }
    }
    assert_eq!((fate, difference), (Fate::Recycled, None), "after{all}");
}

/// Tables that the seeds have not touched are those of the template without seeds.
#[test]
fn rows_are_removed_from_a_database_whose_template_has_seeds() {
    let line = Line::new("seeded").with_seed();
    let reference = Reference::of(line);
    let mut random = Random::new(2);
    let rows = KINDS
        .iter()
        .filter(|kind| kind.name.starts_with("rows ") && kind.fate == Fate::Recycled);
    for kind in rows {
        let mut again = || {
            let (used, done) = perform(line, &[kind], &mut random);
            (reference.compare(line, &used), done)
        };
        let ((mut fate, mut difference), mut done) = again();
        for _ in 1..TRIES {
            if fate == Fate::Dropped {
                ((fate, difference), done) = again();
            }
        }
        assert_eq!((fate, difference), (Fate::Recycled, None), "after{done}");
    }
}

#[test]
fn no_list_of_changes_shows_in_the_next_test() {
    let seed = std::env::var("RECYCLING_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok());
    let (first, count) = seed.map_or((100, 40), |seed| (seed, 1));
    let line = Line::new("random");
    let reference = Reference::of(line);
    for seed in first..first + count {
        let mut random = Random::new(seed);
        let (mut used, mut done) = (String::new(), String::new());
        // Changes of several tests in a row, of which some leave the database as it was.
        for _ in 0..=random.below(2) {
            let kinds: Vec<&Kind> = (0..=random.below(5)).map(|_| pick(&mut random)).collect();
            let statements;
            (used, statements) = perform(line, &kinds, &mut random);
            done += &statements;
            done += "\n-- the next test";
        }
        if let (_, Some(difference)) = reference.compare(line, &used) {
            panic!("RECYCLING_SEED={seed}:{difference}\nafter{done}");
        }
    }
}

/// Mostly what can be undone: one thing that cannot ends the database. Work that is not counted is
/// left out: it is noticed on the last connection only, and here it may be another one.
fn pick(random: &mut Random) -> &'static Kind {
    loop {
        let kind = &KINDS[random.below(KINDS.len())];
        if kind.name.ends_with("without being counted") {
            continue;
        }
        if kind.fate == Fate::Recycled || random.below(6) == 0 {
            return kind;
        }
    }
}

#[test]
fn nothing_is_recycled_that_says_so() {
    let line = Line::new("never").without_recycling();
    let (first, ()) = line.test(async |_| ());
    let (second, ()) = line.test(async |_| ());
    assert_ne!(first, second);
}

#[test]
fn a_session_serves_the_next_test_if_it_equals_a_new_one() {
    let line = Line::new("session");
    let (database, ()) = line.test(async |_| ());
    // One test: the session that it got, and whether the server is one on which they are parked.
    let session = |statement: &'static str| -> (i32, bool) {
        assert!(is_recycled(&database));
        line.test_on(&database, async |cx| {
            let mut connection: PoolConnection<Postgres> = cx.get().await.unwrap();
            raw_sql(statement).execute(&mut *connection).await.unwrap();
            sqlx::query_as(
                "SELECT pg_backend_pid(), current_setting('server_version_num')::int >= 160000",
            )
            .fetch_one(&mut *connection)
            .await
            .unwrap()
        })
    };
    let (first, new_enough) = session("INSERT INTO letters VALUES (1, 'a')");
    // nextest's processes end with their only test.
    let can_be_parked = new_enough && std::env::var_os("NEXTEST").is_none();
    let (second, _) = session("SET work_mem = '5MB'; LISTEN news");
    assert_eq!(second == first, can_be_parked);
    let (third, _) = session("SET app.visitor = 'ada'");
    assert_eq!(third == second, can_be_parked);
    let (fourth, _) = session("INSERT INTO pages VALUES (5000, 'in a page among several')");
    assert_ne!(fourth, third, "it knew a setting that a new one does not");
    let (fifth, _) = session("SELECT");
    assert_ne!(
        fifth, fourth,
        "it knew where the table's last row had come to lie"
    );
}

#[test]
fn a_pool_that_a_test_has_stored_is_closed() {
    let line = Line::new("stale");
    let (_, pool) = line.test(async |cx: TestContext| {
        let pool: PgPool = cx.get().await.unwrap();
        raw_sql("SELECT").execute(&pool).await.unwrap();
        let options = pool.connect_options();
        assert_ne!(options.get_username(), "nobody");
        pool
    });
    line.test(async |_| {
        let refused = raw_sql("SELECT").execute(&pool).await.unwrap_err();
        assert!(matches!(refused, sqlx::Error::PoolClosed), "{refused}");
    });
}

#[test]
fn blocking_work_that_a_test_leaves_ends_the_database() {
    let line = Line::new("blocking");
    let (database, blocking) = line
        .test(async |_| tokio::task::spawn_blocking(|| std::thread::sleep(Duration::from_secs(2))));
    assert!(!is_recycled(&database), "it may still use the database");
    drop(blocking);
}

/// More tests at once than databases are reset at once: most of them wait for one.
#[test]
fn a_database_that_goes_to_a_waiting_test_is_claimed_for_it() {
    let line = Line::new("waiting");
    let look = async |cx: TestContext| {
        number(&cx).await;
        let name = options(&cx).await.get_database().unwrap().to_owned();
        let pool: PgPool = cx.get().await.unwrap();
        let rows: i64 = sqlx::query_scalar(
            "WITH mine AS (INSERT INTO users (name) VALUES ('mine')) SELECT count(*) FROM users",
        )
        .fetch_one(&pool)
        .await
        .unwrap();
        let mut registry = registry().await;
        let claims: Vec<bool> =
            sqlx::query_scalar("SELECT parked FROM claim WHERE database = first_name($1)")
                .bind(&name)
                .fetch_all(&mut registry)
                .await
                .unwrap();
        registry.close().await.unwrap();
        (name, rows, claims)
    };
    let (_, (_, rows, _)) = line.test(look);
    let in_a_row = || (0..25).map(|_| line.test(look).1).collect::<Vec<_>>();
    let all: Vec<_> = thread::scope(|scope| {
        let tests: Vec<_> = (0..6).map(|_| scope.spawn(in_a_row)).collect();
        let tests = tests.into_iter().map(|test| test.join().unwrap());
        tests.flatten().collect()
    });
    for (name, found, claims) in &all {
        assert_eq!(
            (*found, claims.as_slice()),
            (rows, [false].as_slice()),
            "{name}"
        );
    }
    let names: HashSet<&str> = all.iter().map(|(name, ..)| name.as_str()).collect();
    assert_eq!(
        names.len(),
        all.len(),
        "each test has an address of its own"
    );
}
