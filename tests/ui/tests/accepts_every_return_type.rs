use std::process::ExitCode;

use container_test::container_test;

#[container_test(postgres)]
async fn nothing() {}

#[container_test(postgres)]
async fn unit() -> () {}

#[container_test(postgres)]
async fn result() -> Result<(), String> {
    Ok(())
}

#[container_test(postgres)]
async fn result_of_anyhow() -> anyhow::Result<()> {
    Ok(())
}

#[container_test(postgres)]
async fn result_of_this_crate() -> container_test::Result<()> {
    Ok(())
}

#[container_test(postgres)]
async fn exit_code() -> ExitCode {
    ExitCode::SUCCESS
}

#[container_test(postgres)]
async fn result_of_exit_code() -> Result<ExitCode, Box<dyn std::error::Error>> {
    Ok(ExitCode::SUCCESS)
}

#[container_test(postgres)]
async fn never() -> ! {
    std::process::exit(0)
}

#[container_test(postgres)]
#[should_panic = "as it should"]
async fn never_but_panics() -> ! {
    panic!("as it should")
}
