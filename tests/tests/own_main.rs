//! A suite with a `main` of its own, as custom harnesses and cucumber have: its services are
//! provided once, for all of its cases.
// A test's helpers fail with it.
#![allow(clippy::unwrap_used)]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

use container_test::redis::AsyncCommands;
use container_test::redis::aio::ConnectionManager;
use container_test::sqlx::{self, PgPool};
use container_test::{Builder, Migrations, Postgres, Redis, Services};

/// The cases, which share the services and build on each other.
const CASES: [&str; 3] = ["signs_up", "signs_in", "has_one_server_for_all"];

async fn case(name: &str, services: &Services) {
    let pool: PgPool = services.get().await.unwrap();
    let mut redis: ConnectionManager = services.get().await.unwrap();
    match name {
        "signs_up" => {
            let id: i32 =
                sqlx::query_scalar("INSERT INTO users (name) VALUES ('grace') RETURNING id")
                    .fetch_one(&pool)
                    .await
                    .unwrap();
            // The seed came first.
            assert_eq!(id, 2);
        }
        "signs_in" => {
            let name: String = sqlx::query_scalar("SELECT name FROM users WHERE id = 2")
                .fetch_one(&pool)
                .await
                .unwrap();
            let () = redis.set("session", name).await.unwrap();
        }
        _ => {
            let session: String = redis.get("session").await.unwrap();
            assert_eq!(session, "grace");
        }
    }
}

async fn add_ada(pool: PgPool) -> sqlx::Result<()> {
    sqlx::query("INSERT INTO users (name) VALUES ('ada')")
        .execute(&pool)
        .await
        .map(|_| ())
}

fn main() -> ExitCode {
    // What nextest asks every test binary.
    if std::env::args().any(|argument| argument == "--list") {
        if !std::env::args().any(|argument| argument == "--ignored") {
            println!("all_cases_share_one_start: test");
        }
        return ExitCode::SUCCESS;
    }
    let mut postgres = Postgres::default();
    postgres.migrations =
        Migrations::inline(["CREATE TABLE users (id serial PRIMARY KEY, name text)"]);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let services = runtime.block_on(
        Builder::new("own_main", env!("CARGO_MANIFEST_DIR"))
            .service(postgres)
            .service(Redis::default())
            .seed("add_ada", add_ada)
            .start(),
    );
    let services = match services {
        Ok(services) => services,
        Err(error) => {
            eprintln!("{}", error.report());
            return ExitCode::FAILURE;
        }
    };
    let mut failed = 0;
    for name in CASES {
        let ran = catch_unwind(AssertUnwindSafe(|| {
            runtime.block_on(case(name, &services));
        }));
        let outcome = if ran.is_ok() { "ok" } else { "FAILED" };
        println!("case {name} ... {outcome}");
        failed += usize::from(ran.is_err());
    }
    runtime.block_on(services.stop());
    println!("{} passed, {failed} failed", CASES.len() - failed);
    ExitCode::from(u8::from(failed > 0))
}
