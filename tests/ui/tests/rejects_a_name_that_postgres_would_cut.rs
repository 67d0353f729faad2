use container_test::container_test;

#[container_test(postgres(
    database = "very_very_very_very_very_very_very_very_very_very_very_very_very_long"
))]
async fn case() {}
