use container_test::container_test;

#[container_test(events = Nats(jetstream = "yes"))]
async fn case() {}

#[derive(Debug, Default)]
struct Nats {
    jetstream: bool,
}

container_test_ui::service!(Nats, "nats");
