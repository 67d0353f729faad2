//! Nothing at all: what a test costs by itself.

// Repeated by the benchmark from here on.
#[tokio::test]
async fn t0000() {}
