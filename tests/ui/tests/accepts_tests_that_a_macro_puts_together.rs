use container_test::{TestContext, container_test, sqlx::PgPool};

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

async fn nothing() {
    std::future::ready(()).await;
}
