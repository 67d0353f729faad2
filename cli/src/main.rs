//! `cargo container-test`: the servers of a crate's tests, from the command line.

mod command;
mod doctor;
mod environment;
mod output;
mod package;
mod servers;
mod signals;
mod timeline;
mod up;

use std::process::ExitCode;

use clap::Parser;

use self::command::{Arguments, Command};

fn main() -> ExitCode {
    let Arguments { command } = Arguments::parse_from(command::arguments(std::env::args_os()));
    let done = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .map_err(container_test::Error::failed_to("start a tokio runtime"))
        .and_then(|runtime| runtime.block_on(run(command)));
    done.unwrap_or_else(|error| {
        eprintln!("error: {}", error.report());
        ExitCode::FAILURE
    })
}

async fn run(command: Command) -> container_test::Result<ExitCode> {
    match command {
        Command::Up(up) => up::run(up).await,
        Command::Psql(client) => up::psql(client).await,
        Command::RedisCli(client) => up::redis_cli(client).await,
        Command::Ps(ps) => servers::ps(&ps).await,
        Command::Logs(logs) => servers::logs(&logs).await,
        Command::Down(down) => servers::down(&down).await,
        Command::Doctor(doctor) => doctor::run(&doctor).await,
        Command::Timeline(timeline) => timeline::run(&timeline),
    }
}
