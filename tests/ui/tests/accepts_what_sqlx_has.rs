use container_test::{Database, IntoMigrations, Migrations, container_test};
use sqlx::migrate::Migrator;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

static MIGRATOR: Migrator = Migrator::DEFAULT;

#[container_test(postgres, migrator = "crate::MIGRATOR", fixtures("users"))]
async fn with_a_migrator(options: PgPoolOptions, connect: PgConnectOptions) -> sqlx::Result<()> {
    options.connect_with(connect).await.map(drop)
}

#[container_test(
    postgres(fixtures("users"), fixtures("./sql/more.sql")),
    migrations = MIGRATOR,
    fixtures(path = "fixtures", scripts("both")),
)]
async fn with_several_lists() {}

#[container_test(postgres, migrations = schema::migrate)]
async fn with_a_function() {}

#[container_test(postgres(migrations = schema::block))]
async fn with_a_plain_function() {}

#[container_test(postgres, migrations = schema::OWN)]
async fn with_a_type_of_ones_own() {}

mod schema {
    use super::{Database, IntoMigrations, Migrations};

    pub(super) async fn migrate(database: Database) -> Result<(), String> {
        database
            .row_count("users")
            .await
            .map(drop)
            .map_err(|error| error.to_string())
    }

    pub(super) fn block(database: Database) {
        drop(database);
    }

    pub(super) struct Own(u32);

    pub(super) static OWN: Own = Own(1);

    impl IntoMigrations<()> for Own {
        fn migrations(&'static self) -> Migrations {
            Migrations::versioned_function(self.0.to_string(), migrate)
        }
    }
}
