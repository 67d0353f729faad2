use anyhow::Result;
use diesel::sql_types::{BigInt, Text};
use diesel::{QueryableByName, sql_query};
use diesel_async::pooled_connection::{bb8, deadpool};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

#[derive(QueryableByName)]
struct Note {
    #[diesel(sql_type = BigInt)]
    id: i64,
    #[diesel(sql_type = Text)]
    body: String,
}

crate::twice!(AsyncPgConnection);

async fn writes_the_first_note(mut connection: AsyncPgConnection) -> Result<()> {
    writes(&mut connection).await
}

async fn writes(connection: &mut AsyncPgConnection) -> Result<()> {
    sql_query("INSERT INTO notes (body) VALUES ('of diesel-async')")
        .execute(connection)
        .await?;
    let notes: Vec<Note> = sql_query("SELECT id, body FROM notes")
        .load(connection)
        .await?;
    assert_eq!(notes.len(), 1);
    assert_eq!(
        (notes[0].id, notes[0].body.as_str()),
        (1, "of diesel-async")
    );
    Ok(())
}

mod deadpool_pool {
    use super::*;

    crate::twice!(deadpool::Pool<AsyncPgConnection>);

    async fn writes_the_first_note(pool: deadpool::Pool<AsyncPgConnection>) -> Result<()> {
        writes(&mut *pool.get().await?).await
    }
}

mod bb8_pool {
    use super::*;

    crate::twice!(bb8::Pool<AsyncPgConnection>);

    async fn writes_the_first_note(pool: bb8::Pool<AsyncPgConnection>) -> Result<()> {
        writes(&mut *pool.get().await?).await
    }
}
