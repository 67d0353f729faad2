use container_test::container_test;

#[container_test(postgres(image = POSTGRES))]
async fn case() {}

const POSTGRES: u16 = 18;
