//! One test's life: the only place that panics.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};
use std::process::{ExitCode, Termination};
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};

use crate::declaration::{Flavor, PostgresOptions, Test};
use crate::migrations::Schema;
use crate::provider::Wanted;
use crate::provision::postgres::Finished;
use crate::provision::{keyspace, postgres};
use crate::seeds::{self, Seed};
use crate::{Error, Result, TestContext, config, report, services};

/// How long blocking work that a test left behind may take before it is left alone.
const LEFT_BEHIND: Duration = Duration::from_millis(500);

/// Runs one annotated test: provides what it declares, seeds, calls the body, cleans up, and
/// passes the outcome on.
#[track_caller]
#[allow(clippy::large_types_passed_by_value)] // once per test, and expansions read better
pub fn run<D: 'static, R, B>(test: Test, seeds: Vec<Seed<D>>, body: B) -> ExitCode
where
    R: Termination,
    B: AsyncFnOnce(TestContext<D>) -> Result<R>,
{
    let runtime = match runtime(test.flavor) {
        Ok(runtime) => runtime,
        Err(error) => return fail(&test, &error),
    };
    let (provided, servers) = match runtime.block_on(provide::<D>(&test, &seeds)) {
        Ok(provided) => provided,
        Err(error) => return fail(&test, &error),
    };

    let cx = provided.clone();
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        runtime.block_on(async {
            seeds::run(&cx, &seeds).await?;
            limited(test.timeout, body(cx)).await
        })
    }));
    drop(seeds);

    let outcome = outcome.map(|result| result.map(Termination::report));
    let failed = !matches!(outcome, Ok(Ok(ExitCode::SUCCESS)));
    let kept = failed && config::keep_failed();
    let finished = runtime.block_on(async {
        if failed {
            report_failure(&provided, kept).await;
        }
        if kept { None } else { provided.finish().await }
    });
    runtime.shutdown_timeout(LEFT_BEHIND);
    if !kept {
        provided.release(finished);
    }
    servers.forget();
    match outcome {
        Ok(Ok(code)) => code,
        Ok(Err(error)) => fail(&test, &error),
        Err(panic) => resume_unwind(panic),
    }
}

/// Fails the test with an error of ours.
#[track_caller]
fn fail(test: &Test, error: &Error) -> ExitCode {
    let text = format!(
        "the test {} could not run\n\n{}\n",
        test.name,
        error.report()
    );
    // A test that should panic must not pass because of a server that could not be had.
    if test.should_panic {
        eprintln!("{text}");
        return ExitCode::FAILURE;
    }
    panic!("{text}");
}

fn runtime(flavor: Flavor) -> Result<Runtime> {
    let mut builder = match flavor {
        Flavor::CurrentThread => Builder::new_current_thread(),
        Flavor::MultiThread { worker_threads } => {
            let mut builder = Builder::new_multi_thread();
            worker_threads.map(|number| builder.worker_threads(number));
            builder
        }
    };
    builder
        .enable_all()
        .build()
        .map_err(|error| Error::new("start the test's tokio runtime").because(error))
}

async fn limited<R>(timeout: Option<Duration>, body: impl Future<Output = Result<R>>) -> Result<R> {
    let Some(limit) = timeout else {
        return body.await;
    };
    tokio::time::timeout(limit, body).await.unwrap_or_else(|_| {
        Err(Error::new("finish the test's body")
            .because(format!("it took longer than its timeout of {limit:?}"))
            .with_help("give it more time with `timeout = \"…\"`, or see what it waits for"))
    })
}

/// Claims what the test declares; servers are found or started at the same time.
async fn provide<D>(test: &Test, seeds: &[Seed<D>]) -> Result<(TestContext<D>, Servers)> {
    let directory = config::crate_directory(test.manifest_dir);
    let servers = Servers::of(test)?;
    let static_seeds = seeds::leading_scripts(&directory, seeds);
    let database = async {
        match (&test.postgres, &servers.postgres) {
            (Some(options), Some(wanted)) => {
                // On the heap: a test without PostgreSQL need not carry it along.
                Box::pin(claim_database(
                    test,
                    options,
                    wanted,
                    &directory,
                    &static_seeds,
                ))
                .await
                .map(Some)
            }
            _ => Ok(None),
        }
    };
    let server = async {
        match &servers.redis {
            Some(wanted) => keyspace::server(wanted).await.map(Some),
            None => Ok(None),
        }
    };
    let (database, server) = tokio::join!(database, server);
    // Always in this order: where both are scarce, two tests that wait for each other's would
    // wait for ever.
    let keyspace = match (&database, server, &servers.redis) {
        (Ok(_), Ok(Some(server)), Some(wanted)) => keyspace::claim(wanted, server).await.map(Some),
        (_, server, _) => server.map(|_| None),
    };
    let (database, keyspace) = match (database, keyspace) {
        (Ok(database), Ok(keyspace)) => (database, keyspace),
        (database, keyspace) => {
            // What the other one has claimed already goes back.
            let (database, first) = split(database);
            let (_, second) = split(keyspace);
            if let Some(database) = database {
                database.release(Finished::Used);
            }
            servers.forget();
            return Err(first
                .or(second)
                .unwrap_or_else(|| Error::new("provide the services")));
        }
    };
    Ok((
        TestContext::new(test.name, directory, database, keyspace),
        servers,
    ))
}

fn split<T>(result: Result<Option<T>>) -> (Option<T>, Option<Error>) {
    match result {
        Ok(value) => (value, None),
        Err(error) => (None, Some(error)),
    }
}

async fn claim_database(
    test: &Test,
    options: &PostgresOptions,
    wanted: &Wanted,
    directory: &Path,
    seeds: &[PathBuf],
) -> Result<postgres::Claim> {
    let request = async {
        let package = Path::new(test.manifest_dir)
            .file_name()
            .and_then(|name| name.to_str());
        Ok(postgres::Request {
            test: test.name.to_owned(),
            schema: Schema::of(directory, test.migrations, seeds.to_vec()).await?,
            user: options.user.map(str::to_owned),
            label: options.database.or(package).unwrap_or_default().to_owned(),
            name: options
                .database
                .filter(|_| wanted.only_for.is_some())
                .map(str::to_owned),
            recycle: options.recycle && wanted.only_for.is_none(),
        })
    };
    postgres::claim(wanted, request).await
}

/// The servers that a test wants.
struct Servers {
    postgres: Option<Wanted>,
    redis: Option<Wanted>,
}

impl Servers {
    fn of(test: &Test) -> Result<Self> {
        Ok(Self {
            postgres: test
                .postgres
                .as_ref()
                .map(services::postgres::wanted)
                .transpose()?,
            redis: test
                .redis
                .as_ref()
                .map(services::redis::wanted)
                .transpose()?,
        })
    }

    /// Lets go of servers that only this test used.
    fn forget(&self) {
        for wanted in self
            .postgres
            .iter()
            .filter(|wanted| wanted.only_for.is_some())
        {
            postgres::forget(wanted);
        }
        for wanted in self.redis.iter().filter(|wanted| wanted.only_for.is_some()) {
            keyspace::forget(wanted);
        }
    }
}

/// Says what a failed test ran on, and keeps it if the environment asks for that.
async fn report_failure<D>(cx: &TestContext<D>, keep: bool) {
    let kept = if keep { cx.keep().await } else { Vec::new() };
    report::failure(&cx.places(), &kept, &cx.server_log().await);
}
