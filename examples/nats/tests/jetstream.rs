//! Tests whose account has streams.

use container_test::container_test;
use container_test_nats::NatsClient;
use container_test_nats::async_nats::jetstream::{self, stream};
use futures_util::TryStreamExt;

/// Fills a stream that each test has under the same name, and returns how many messages it has.
async fn fill(nats: &NatsClient) -> anyhow::Result<u64> {
    let streams = jetstream::new((**nats).clone());
    let names: Vec<String> = streams.stream_names().try_collect().await?;
    assert!(names.is_empty(), "streams of another test: {names:?}");
    let config = stream::Config {
        name: "orders".to_owned(),
        subjects: vec!["orders.*".to_owned()],
        ..stream::Config::default()
    };
    let orders = streams.create_stream(config).await?;
    for number in 0..10 {
        let text = format!("order {number}");
        streams.publish("orders.new", text.into()).await?.await?;
    }
    Ok(orders.get_info().await?.state.messages)
}

#[container_test(container_test_nats::Nats(jetstream = true))]
async fn a_stream_has_the_messages_of_its_test(nats: NatsClient) -> anyhow::Result<()> {
    assert_eq!(fill(&nats).await?, 10);
    Ok(())
}

/// Tests of one body, under these names.
macro_rules! one_after_another {
    ($($test:ident)*) => {$(
        #[container_test(container_test_nats::Nats(jetstream = true))]
        async fn $test(nats: NatsClient) -> anyhow::Result<()> {
            assert_eq!(fill(&nats).await?, 10);
            Ok(())
        }
    )*};
}

one_after_another! {
    a_stream_of_the_same_name_01 a_stream_of_the_same_name_02 a_stream_of_the_same_name_03
    a_stream_of_the_same_name_04 a_stream_of_the_same_name_05 a_stream_of_the_same_name_06
    a_stream_of_the_same_name_07 a_stream_of_the_same_name_08 a_stream_of_the_same_name_09
    a_stream_of_the_same_name_10 a_stream_of_the_same_name_11 a_stream_of_the_same_name_12
}

#[container_test(container_test_nats::Nats)]
async fn without_the_option_there_is_no_jetstream(nats: NatsClient) {
    let streams = jetstream::new((*nats).clone());
    streams.query_account().await.expect_err("no JetStream");
}
