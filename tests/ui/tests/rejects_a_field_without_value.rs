use container_test::container_test;

#[container_test(Nats(jetstream))]
async fn case() {}

#[derive(Debug, Default)]
struct Nats {
    jetstream: bool,
}

container_test_ui::service!(Nats, "nats");
