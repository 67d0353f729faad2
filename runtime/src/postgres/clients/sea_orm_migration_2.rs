//! Migrators of `sea-orm-migration` 2.

use std::any::type_name;

use sea_orm_2::{DatabaseConnection, DbErr, RuntimeErr, SqlxPostgresConnector};
use sea_orm_migration_2::MigratorTrait;
use sqlx::postgres::PgDatabaseError;

use super::errors::words::words;
use crate::postgres::code::Code;
use crate::postgres::database::Database;
use crate::postgres::failure::may_pass;
use crate::postgres::migrations::{IntoMigrations, Migrations};
use crate::{Error, Result};

/// The kind of a type that is a migrator.
#[derive(Debug)]
pub struct SeaOrm2;

impl<M: MigratorTrait + 'static> IntoMigrations<SeaOrm2> for M {
    fn migrations(&'static self) -> Migrations {
        Migrations::Code(Code::named(type_name::<M>(), None, migrate::<M>))
    }
}

/// Applies the migrations that are pending.
async fn migrate<M: MigratorTrait>(database: Database) -> Result<()> {
    let pool = database.pool().clone();
    let connection = SqlxPostgresConnector::from_sqlx_postgres_pool(pool);
    match M::up(&connection, None).await {
        Ok(()) => Ok(()),
        Err(error) => Err(failure::<M>(&connection, error).await),
    }
}

/// Returns the error of the migration that has failed, in the words of the server if they are its.
async fn failure<M: MigratorTrait>(connection: &DatabaseConnection, error: DbErr) -> Error {
    let failure = match failing::<M>(connection).await {
        Some(name) => Error::new(format!("apply the sea-orm migration {name}")),
        None => Error::new("apply the migrations of sea-orm"),
    };
    let (failure, passes) = if let Some(error) = of_server(&error) {
        let (message, code) = (error.message(), error.code());
        let cause = words(message, Some(code), error.detail(), error.hint());
        (failure.because(cause), may_pass(code))
    } else {
        let passes = matches!(error, DbErr::Conn(_) | DbErr::ConnectionAcquire(_));
        (failure.because(error), passes)
    };
    if passes { failure } else { failure.lasting() }
}

/// Returns the name of the migration that fails. Errors do not have it, so the migrations run once
/// more, one by one. The database is dropped anyway.
async fn failing<M: MigratorTrait>(connection: &DatabaseConnection) -> Option<String> {
    loop {
        let pending = M::get_pending_migrations(connection).await.ok()?;
        let next = pending.first()?.name().to_owned();
        if M::up(connection, Some(1)).await.is_err() {
            return Some(next);
        }
    }
}

/// Returns what the server has said.
fn of_server(error: &DbErr) -> Option<&PgDatabaseError> {
    match error {
        DbErr::Conn(RuntimeErr::SqlxError(error))
        | DbErr::Exec(RuntimeErr::SqlxError(error))
        | DbErr::Query(RuntimeErr::SqlxError(error)) => {
            error.as_database_error()?.try_downcast_ref()
        }
        _ => None,
    }
}
