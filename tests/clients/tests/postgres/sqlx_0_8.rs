use anyhow::Result;
use container_test::{Builder, Postgres};
use sqlx_core_0_8::connection::Connection;
use sqlx_core_0_8::pool::PoolConnection;
use sqlx_core_0_8::query_scalar::query_scalar;
use sqlx_postgres_0_8::{PgConnectOptions, PgConnection, PgPool, PgPoolOptions, Postgres as Sqlx};

crate::twice!(PgPool);

async fn writes_the_first_note(pool: PgPool) -> Result<()> {
    writes(&mut *pool.acquire().await?).await
}

async fn writes(connection: &mut PgConnection) -> Result<()> {
    let id: i64 = query_scalar("INSERT INTO notes (body) VALUES ($1) RETURNING id")
        .bind("of sqlx 0.8")
        .fetch_one(&mut *connection)
        .await?;
    assert_eq!(id, 1);
    let body: String = query_scalar("SELECT body FROM notes")
        .fetch_one(connection)
        .await?;
    assert_eq!(body, "of sqlx 0.8");
    Ok(())
}

mod pooled {
    use super::*;

    crate::twice!(PoolConnection<Sqlx>);

    async fn writes_the_first_note(mut connection: PoolConnection<Sqlx>) -> Result<()> {
        writes(&mut connection).await
    }
}

mod connection {
    use super::*;

    crate::twice!(PgConnection);

    async fn writes_the_first_note(mut connection: PgConnection) -> Result<()> {
        writes(&mut connection).await
    }
}

mod options {
    use super::*;

    crate::twice!(PgConnectOptions);

    async fn writes_the_first_note(options: PgConnectOptions) -> Result<()> {
        writes(&mut PgConnection::connect_with(&options).await?).await
    }
}

/// Two tests, each with a pool of its own.
#[container_test::container_test(postgres)]
#[case(1)]
#[case(2)]
async fn a_test_makes_a_pool_of_its_own(
    #[case] size: u32,
    settings: PgPoolOptions,
    options: PgConnectOptions,
) -> Result<()> {
    let pool = settings.max_connections(size).connect_with(options).await?;
    assert_eq!(pool.options().get_max_connections(), size);
    writes_the_first_note(pool).await
}

#[test]
fn the_pool_is_closed_when_its_test_ends() {
    let pool = Builder::new("leaves_its_pool", env!("CARGO_MANIFEST_DIR"))
        .service(Postgres::default())
        .run(async |cx| cx.get::<PgPool>().await)
        .expect("a pool");
    assert!(pool.is_closed());
}
