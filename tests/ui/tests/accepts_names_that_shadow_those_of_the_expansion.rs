#![allow(non_camel_case_types, clippy::unused_async, dead_code, unused_macros)]

mod core {}
mod std {}
mod container_test {}

struct Option;
struct Result;
struct Declared;
struct Vec;
struct Duration;
struct ExitCode;
struct Seed;

trait Declares {}

macro_rules! vec {
    () => {};
}
macro_rules! concat {
    () => {};
}

#[::container_test::container_test(
    postgres(image = "postgres:18-alpine", startup_timeout = "3s"),
    seeds(Some, Ok),
    timeout = "3s",
    flavor = "multi_thread"
)]
async fn test(cx: ::container_test::TestContext, a0: ::container_test::sqlx::PgPool) {
    drop((cx, a0));
}

#[allow(non_snake_case)]
async fn Some() {}
#[allow(non_snake_case)]
async fn Ok() {}
