use anyhow::Result;
use diesel::r2d2::{ConnectionManager, Pool};
use diesel::sql_types::{BigInt, Text};
use diesel::{PgConnection, QueryableByName, RunQueryDsl, sql_query};

#[derive(QueryableByName)]
struct Note {
    #[diesel(sql_type = BigInt)]
    id: i64,
    #[diesel(sql_type = Text)]
    body: String,
}

crate::twice!(fn PgConnection);

fn writes_the_first_note(mut connection: PgConnection) -> Result<()> {
    writes(&mut connection)
}

fn writes(connection: &mut PgConnection) -> Result<()> {
    sql_query("INSERT INTO notes (body) VALUES ('of diesel')").execute(connection)?;
    let notes: Vec<Note> = sql_query("SELECT id, body FROM notes").load(connection)?;
    assert_eq!(notes.len(), 1);
    assert_eq!((notes[0].id, notes[0].body.as_str()), (1, "of diesel"));
    Ok(())
}

mod pool {
    use super::*;

    crate::twice!(fn Pool<ConnectionManager<PgConnection>>);

    #[allow(clippy::needless_pass_by_value, reason = "as a test takes it")]
    fn writes_the_first_note(pool: Pool<ConnectionManager<PgConnection>>) -> Result<()> {
        writes(&mut *pool.get()?)
    }
}
