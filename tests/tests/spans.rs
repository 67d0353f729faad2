//! With the feature `tracing`, every step of a test's life has a span.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use container_test::sqlx::{PgConnection, PgPool, raw_sql};
use container_test::{Builder, Isolation, Migrations, Postgres, Result};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

static SEEN: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());

/// Writes down the names of this crate's spans.
struct Names;

impl Subscriber for Names {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "container_test"
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let mut seen = SEEN.lock().unwrap_or_else(PoisonError::into_inner);
        seen.insert(span.metadata().name());
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, _: &Event<'_>) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

fn seen() -> BTreeSet<&'static str> {
    let seen = SEEN.lock().unwrap_or_else(PoisonError::into_inner);
    seen.clone()
}

#[test]
fn every_step_has_a_span() -> Result<()> {
    tracing::subscriber::set_global_default(Names).expect("no other subscriber");
    // A schema that no server has a template of.
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let schema = format!("CREATE TABLE a (b int) -- {now:?}");
    // A database that differs from its template is dropped, and no test resets it.
    let changed = [false, true, false];
    let isolations = [Isolation::Shared, Isolation::Shared, Isolation::Server];
    for (isolation, changed) in isolations.into_iter().zip(changed) {
        let mut postgres = Postgres::default();
        postgres.migrations = Migrations::inline([schema.clone()]);
        postgres.isolation = isolation;
        let seed = async |pool: PgPool| pool.acquire().await.map(drop);
        Builder::new("spans", env!("CARGO_MANIFEST_DIR"))
            .service(postgres)
            .seed("nothing", seed)
            .run(async |cx| {
                if changed {
                    let mut connection: PgConnection = cx.get().await?;
                    let dropped = raw_sql("DROP TABLE a").execute(&mut connection).await;
                    dropped.expect("the table of the template");
                }
                Ok(())
            })?;
    }
    let steps = [
        "body", "claim", "clone", "drop", "provider", "reset", "seeds", "server", "template",
    ];
    let since = Instant::now();
    // A database is reset, or dropped, in the background.
    while seen() != BTreeSet::from(steps) && since.elapsed() < Duration::from_secs(10) {
        sleep(Duration::from_millis(20));
    }
    assert_eq!(seen(), BTreeSet::from(steps));
    Ok(())
}
