use container_test::container_test;

#[container_test(postgres)]
#[should_panic]
async fn case() -> anyhow::Result<()> {
    Ok(())
}
