//! Templates are chained: migrations run once, whatever the seeds.

use std::time::{Duration, Instant};

use container_test::sqlx::{self, PgPool};
use container_test::{Builder, Migrations, Postgres};

/// As many as a project has after some years.
const FILES: usize = 170;

/// Seeds of six kinds of tests.
const SEEDS: [&[&str]; 6] = [
    &["ada"],
    &["grace"],
    &["ada", "grace"],
    &["grace", "ada"],
    &["ada", "ada_again"],
    &["grace", "ada", "ada_again"],
];

/// Tables with an index each, and a number that is drawn whenever the migrations run. A function of
/// the user's hides that.
fn migrations() -> Migrations {
    let begin = "
        CREATE TABLE members (id int GENERATED ALWAYS AS IDENTITY, name text);
        CREATE TABLE draws (number float8);
        CREATE FUNCTION lot() RETURNS float8 LANGUAGE sql AS 'SELECT random()'";
    let tables = (2..FILES).map(|number| {
        format!(
            "CREATE TABLE table_{number} (id int PRIMARY KEY, name text);
             CREATE INDEX ON table_{number} (name)"
        )
    });
    let end = "INSERT INTO draws VALUES (lot())".to_owned();
    Migrations::inline([begin.to_owned()].into_iter().chain(tables).chain([end]))
}

/// Runs a test with these seeds; returns the number that it finds, and how long all took.
fn test(seeds: &[&str]) -> (f64, Duration) {
    let since = Instant::now();
    let mut postgres = Postgres::default();
    postgres.migrations = migrations();
    let mut test = Builder::new("chain", env!("CARGO_MANIFEST_DIR")).service(postgres);
    for seed in seeds {
        test = test.seed_file("postgres", format!("fixtures/{seed}.sql"));
    }
    let members = i64::try_from(seeds.len()).unwrap();
    let body = async |cx: container_test::TestContext| {
        let pool: PgPool = cx.get().await?;
        let found: (f64, i64) =
            sqlx::query_as("SELECT number, (SELECT count(*) FROM members) FROM draws")
                .fetch_one(&pool)
                .await
                .unwrap();
        Ok(found)
    };
    let (number, found) = test.run(body).unwrap();
    assert_eq!(found, members);
    (number, since.elapsed())
}

#[test]
fn a_large_schema_is_migrated_once_for_six_combinations_of_seeds() {
    let (number, took) = test(SEEDS[0]);
    println!("{FILES} migrations and {:?}: {took:.1?}", SEEDS[0]);
    for seeds in &SEEDS[1..] {
        let (again, took) = test(seeds);
        println!("{seeds:?}: {took:.1?}");
        assert_eq!(
            again.to_bits(),
            number.to_bits(),
            "migrated again for {seeds:?}"
        );
    }
}
