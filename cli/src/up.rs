//! `up`: the services of a package, for a command or until they are interrupted.

use std::ffi::OsString;
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitCode, ExitStatus, Stdio};

use container_test::{Builder, Database, Error, Keyspace, Result, Services};
use serde_json::{Value, json};
use tokio::process::{Child, Command};

use crate::command::{Client, Up};
use crate::environment::{EnvironmentFile, Variables};
use crate::output::{say, say_json};
use crate::package::{Declared, Package};
use crate::servers;
use crate::signals::Signals;

/// Starts the services, and runs the command or waits.
pub(crate) async fn run(up: Up) -> Result<ExitCode> {
    let package = Package::find(up.of.manifest_path.as_deref())?;
    let services = package.services(&up.services)?;
    let mut signals = Signals::take()?;
    let Some(started) = start(&package, services, &up.seeds, &mut signals).await? else {
        return Ok(interrupted());
    };
    let done = hold(&started.variables, &up, &mut signals).await;
    started.services.stop().await;
    done
}

/// Runs the command, or prints the variables and waits for a signal.
async fn hold(variables: &Variables, up: &Up, signals: &mut Signals) -> Result<ExitCode> {
    let file = up.env.as_deref();
    let file = file.map(|path| EnvironmentFile::write(path, variables));
    let _file = file.transpose()?;
    if !up.command.is_empty() {
        return run_command(variables, &up.command, signals).await;
    }
    print(variables, up.json)?;
    eprintln!("container-test: the services run until Ctrl-C");
    signals.next().await;
    Ok(ExitCode::SUCCESS)
}

/// Prints the variables.
fn print(variables: &Variables, as_json: bool) -> Result<()> {
    if as_json {
        let urls = variables.iter();
        let urls = urls.map(|(name, url)| ((*name).to_owned(), Value::from(url.as_str())));
        say_json(&json!({ "urls": Value::Object(urls.collect()) }))?;
    } else {
        for (name, value) in variables {
            say(&format!("{name}={value}\n"))?;
        }
    }
    Ok(())
}

/// Runs psql in a database of the package.
pub(crate) async fn psql(client: Client) -> Result<ExitCode> {
    with_client(client, "postgres", |url| vec!["psql".into(), url.into()]).await
}

/// Runs redis-cli in a keyspace.
pub(crate) async fn redis_cli(client: Client) -> Result<ExitCode> {
    let command = |url: &str| vec!["redis-cli".into(), "-u".into(), url.into()];
    with_client(client, "redis", command).await
}

async fn with_client(
    client: Client,
    service: &str,
    command: impl FnOnce(&str) -> Vec<OsString>,
) -> Result<ExitCode> {
    let mut signals = Signals::take()?;
    if let Some(test) = &client.test {
        let found = servers::of_test(service, test).await?;
        if client.json {
            say_json(&servers::test_json(&found))?;
            return Ok(ExitCode::SUCCESS);
        }
        let mut command = command(&found.url);
        command.extend(client.arguments);
        return run_command(&Variables::new(), &command, &mut signals).await;
    }
    let package = Package::find(client.of.manifest_path.as_deref())?;
    let services = package.services(&[service.to_owned()])?;
    let Some(started) = start(&package, services, &client.seeds, &mut signals).await? else {
        return Ok(interrupted());
    };
    let mut command = command(&started.variables[0].1);
    command.extend(client.arguments);
    let done = run_command(&started.variables, &command, &mut signals).await;
    started.services.stop().await;
    done
}

/// Services that run, and how they are reached.
struct Started {
    services: Services,
    variables: Variables,
}

/// Starts the services; nothing if that was interrupted.
async fn start(
    package: &Package,
    declared: Vec<Declared>,
    seeds: &[String],
    signals: &mut Signals,
) -> Result<Option<Started>> {
    let directory = package.directory.display().to_string();
    let mut builder = Builder::new("cargo container-test", directory);
    let mut names = Vec::new();
    for service in declared {
        builder = match service {
            Declared::Postgres(postgres) => {
                names.push("postgres");
                builder.service(postgres)
            }
            Declared::Redis(redis) => {
                names.push("redis");
                builder.service(redis)
            }
        };
    }
    for seed in seeds {
        let (service, path) = package.seed(seed)?;
        if !names.contains(&service) {
            return Err(Error::new(format!("apply the seed {seed}"))
                .because(format!("it is for {service}, which is not started"))
                .with_help(format!("add `{service}` to `--services`")));
        }
        builder = builder.seed_file(service, path);
    }
    let services = tokio::select! {
        services = builder.start() => services?,
        _ = signals.next() => return Ok(None),
    };
    let mut variables = Variables::new();
    if names.contains(&"postgres") {
        let database: Database = services.get().await?;
        variables.push(("DATABASE_URL", database.url().to_owned()));
    }
    if names.contains(&"redis") {
        let keyspace: Keyspace = services.get().await?;
        variables.push(("REDIS_URL", keyspace.url().to_owned()));
    }
    Ok(Some(Started {
        services,
        variables,
    }))
}

/// Runs the command with the variables.
async fn run_command(
    variables: &Variables,
    command: &[OsString],
    signals: &mut Signals,
) -> Result<ExitCode> {
    let Some((program, arguments)) = command.split_first() else {
        return Ok(ExitCode::SUCCESS);
    };
    let child = Command::new(program)
        .args(arguments)
        .envs(variables.iter().map(|(name, value)| (name, value)))
        .spawn();
    let failed = || Error::new(format!("run {}", program.to_string_lossy()));
    let mut child = child.map_err(|error| failed().because(error))?;
    loop {
        tokio::select! {
            status = child.wait() => {
                return Ok(code(status.map_err(|error| failed().because(error))?));
            }
            // A terminal sends it to the command as well. It decides what to do, and when to end.
            to_group = signals.next() => if !to_group {
                pass_on(&child).await;
            },
        }
    }
}

/// Asks the command to end, as this process was asked.
async fn pass_on(child: &Child) {
    if let Some(id) = child.id() {
        let kill = Command::new("kill")
            .args(["-TERM", &id.to_string()])
            .stderr(Stdio::null())
            .status();
        // It may have ended.
        let _ = kill.await;
    }
}

/// Returns the exit code of a command, as a shell passes it on.
fn code(status: ExitStatus) -> ExitCode {
    let of_signal = || status.signal().map(|signal| 128 + signal);
    let code = status.code().or_else(of_signal).unwrap_or(1);
    ExitCode::from(u8::try_from(code).unwrap_or(1))
}

/// The exit code of what a user has interrupted.
fn interrupted() -> ExitCode {
    ExitCode::from(130)
}
