use std::process::Command;

use anyhow::Result;
use container_test::{Builder, Redis};
use fred::clients::{Client, Pool};
use fred::interfaces::KeysInterface;

crate::twice!(Client);

async fn counts_to_one(client: Client) -> Result<()> {
    counts(&client).await
}

async fn counts(client: &impl KeysInterface) -> Result<()> {
    let count: i64 = client.incr("visits").await?;
    assert_eq!(count, 1);
    let count: i64 = client.get("visits").await?;
    assert_eq!(count, 1);
    Ok(())
}

mod pool {
    use super::*;

    crate::twice!(Pool);

    async fn counts_to_one(pool: Pool) -> Result<()> {
        counts(&pool).await
    }
}

/// The client has room for 256 numbers of logical databases.
#[test]
fn many_tests_leave_numbers_that_the_client_has_room_for() -> Result<()> {
    for _ in 0..300 {
        let test =
            Builder::new("one_of_many", env!("CARGO_MANIFEST_DIR")).service(Redis::default());
        test.run(async |cx| {
            let client: Client = cx.get().await?;
            Ok(counts_to_one(client).await)
        })??;
    }
    // This process does not keep all to itself.
    let beside = Command::new(std::env::current_exe()?)
        .args(["--exact", "fred::a_first_test_counts_to_one"])
        .output()?;
    assert!(beside.status.success(), "{beside:#?}");
    Ok(())
}
