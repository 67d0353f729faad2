use container_test::container_test;

#[container_test(postgres, seeds("sessions"))]
async fn case() {}
