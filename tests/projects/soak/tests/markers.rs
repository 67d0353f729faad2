//! Every test marks its data, and looks until its end whether it sees its own marker and no other.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::{Duration, Instant};

use anyhow::Context;
// The dependency has another name in this crate.
use database_tests::redis::AsyncCommands;
use database_tests::redis::aio::ConnectionManager;
use database_tests::sqlx::{self, Connection, PgConnection, PgPool};
use database_tests::{Database, Keyspace, container_test};

/// How often a test looks.
const POLL: Duration = Duration::from_millis(100);

/// Returns what a test sees in its database and in its keyspace.
async fn seen(pool: &PgPool, redis: &mut ConnectionManager) -> anyhow::Result<(Vec<(i64, String)>, Vec<String>)> {
    let rows = sqlx::query_as("SELECT id, marker FROM markers ORDER BY id").fetch_all(pool).await?;
    let mut keys: Vec<String> = redis.keys("*").await?;
    keys.sort();
    Ok((rows, keys))
}

async fn sees_only_its_own(number: u64, database: &Database, pool: PgPool, keyspace: &Keyspace, mut redis: ConnectionManager) -> anyhow::Result<()> {
    let marker = format!("{} {number}", std::env::var("SOAK_RUN")?);
    let mut hash = DefaultHasher::new();
    marker.hash(&mut hash);
    let end = Instant::now() + Duration::from_millis(200 + hash.finish() % 800);

    let of_migration = (1, "of the migration".to_owned());
    let found = seen(&pool, &mut redis).await?;
    anyhow::ensure!(found == (vec![of_migration.clone()], vec![]), "FOREIGN MARKER at the start of {marker}: {found:?}");
    sqlx::query("INSERT INTO markers (marker) VALUES ($1)").bind(&marker).execute(&pool).await?;
    let () = redis.set(&marker, &marker).await?;
    // Databases that can be reset and such that cannot be.
    match number % 5 {
        1 => {
            sqlx::raw_sql("CREATE TABLE more (id int)").execute(&pool).await?;
        }
        2 => {
            let mut other = PgConnection::connect(database.url()).await?;
            sqlx::raw_sql("BEGIN; DELETE FROM markers").execute(&mut other).await?;
        }
        3 => {
            let mut never_given_back = pool.acquire().await?;
            sqlx::raw_sql("BEGIN; LOCK TABLE markers IN SHARE MODE").execute(&mut *never_given_back).await?;
            std::mem::forget(never_given_back);
        }
        4 => {
            let one = async || sqlx::query("SELECT pg_sleep(0.1)").execute(&pool).await;
            let _ = tokio::try_join!(one(), one(), one())?;
        }
        _ => {}
    }
    let expected = (vec![of_migration, (2, marker.clone())], vec![marker.clone()]);
    loop {
        let found = seen(&pool, &mut redis).await.with_context(|| format!("look for {marker}"))?;
        anyhow::ensure!(found == expected, "FOREIGN MARKER in {marker}: {found:?}");
        let value: String = redis.get(&marker).await?;
        anyhow::ensure!(value == marker && keyspace.key_count().await? == 1, "FOREIGN MARKER in {marker}: {value}");
        if Instant::now() > end {
            return Ok(());
        }
        tokio::time::sleep(POLL).await;
    }
}

macro_rules! tests {
    ($($name:ident $number:literal)*) => {$(
        #[container_test(postgres, redis, crate = database_tests)]
        async fn $name(database: Database, pool: PgPool, keyspace: Keyspace, redis: ConnectionManager) -> anyhow::Result<()> {
            sees_only_its_own($number, &database, pool, &keyspace, redis).await
        }
    )*};
}

tests! {
    test_1 1 test_2 2 test_3 3 test_4 4 test_5 5 test_6 6 test_7 7 test_8 8 test_9 9 test_10 10
    test_11 11 test_12 12 test_13 13 test_14 14 test_15 15 test_16 16 test_17 17 test_18 18
    test_19 19 test_20 20
}
