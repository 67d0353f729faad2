use anyhow::Result;
use container_test::{Builder, Postgres};
use deadpool_postgres::Pool;

crate::twice!(Pool);

async fn writes_the_first_note(pool: Pool) -> Result<()> {
    let client = pool.get().await?;
    let insert = "INSERT INTO notes (body) VALUES ('of deadpool') RETURNING id";
    let row = client.query_one(insert, &[]).await?;
    assert_eq!(row.get::<_, i64>(0), 1);
    let other = pool.get().await?;
    let row = other.query_one("SELECT body FROM notes", &[]).await?;
    assert_eq!(row.get::<_, &str>(0), "of deadpool");
    Ok(())
}

#[test]
fn the_pool_is_closed_when_its_test_ends() {
    let pool = Builder::new("leaves_its_pool", env!("CARGO_MANIFEST_DIR"))
        .service(Postgres::default())
        .run(async |cx| cx.get::<Pool>().await)
        .expect("a pool");
    assert!(pool.is_closed());
}
