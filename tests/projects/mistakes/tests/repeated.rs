//! One mistake, many tests.

use container_test::testcontainers::GenericImage;
use container_test::{container_test, sqlx::PgPool};

macro_rules! tests {
    ($($name:ident)* : $attribute:tt) => {
        $(#[container_test $attribute] async fn $name() {})*
    };
}

tests!(
    migration_1 migration_2 migration_3 migration_4 migration_5
    migration_6 migration_7 migration_8 migration_9 migration_10:
    (postgres, migrations = "wrong/slow")
);

// Other seeds, the same migrations.
#[container_test(postgres, migrations = "wrong/slow", seeds("misspelt"))]
async fn migration_with_seeds(_pool: PgPool) {}

tests!(
    image_1 image_2 image_3 image_4 image_5:
    (postgres(image = "127.0.0.1:1/postgres:none"))
);

tests!(
    container_1 container_2 container_3 container_4 container_5:
    (container(GenericImage::new("127.0.0.1:1/none", "1")))
);

tests!(
    server_1 server_2 server_3 server_4 server_5:
    (postgres(args = ["-c", "no_such_setting=1"]))
);
