use container_test::{GenericImage, TestContext, container_test, sqlx::PgPool};

macro_rules! tests {
    ($($name:ident: $argument:ident: $ty:ty, $seed:path, $time:literal, $output:ty = $body:block)*) => {
        $(
            #[container_test(postgres, seeds($seed), timeout = $time, migrations = [$time])]
            async fn $name($argument: $ty, cx: TestContext) -> $output {
                assert!(!cx.name().is_empty());
                $body
            }
        )*
    };
}

tests! {
    one: cx: PgPool, nothing, "3s", () = { drop(cx) }
    two: a0: PgPool, self::nothing, "30ms", anyhow::Result<()> = { drop(a0); Ok(()) }
}

macro_rules! services {
    ($($test:ident: $name:ident, $service:path, $field:ident = $value:expr, $image:expr)*) => {
        $(
            #[container_test(
                crate = ::container_test,
                $name = postgres(migrations = [$value]),
                other = postgres,
                $service($field = $value),
                again = $service,
                container($image),
            )]
            async fn $test(#[from($name)] pool: PgPool) {
                drop(pool);
            }
        )*
    };
}

services! {
    three: orders, Nats, subject = "a", GenericImage::new("mailhog/mailhog", "v1.0.1")
    four: billing, crate::Nats, subject = concat!("a", "b"), GenericImage::new("envoy", "v1")
}

#[derive(Debug, Default)]
struct Nats {
    subject: &'static str,
}

container_test_ui::service!(Nats, "nats");

async fn nothing() {
    std::future::ready(()).await;
}
