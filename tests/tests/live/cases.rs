//! Tables of cases.

use container_test::{TestContext, container_test};

#[container_test]
#[case(1, "one")]
#[case::larger(2, "two")]
async fn a_case_is_a_test_of_its_own(#[case] n: usize, cx: TestContext, #[case] name: &str) {
    let case = match n {
        1 => "case_1",
        _ => "case_2_larger",
    };
    assert_eq!(name, ["one", "two"][n - 1]);
    assert_eq!(
        cx.name(),
        format!("live::cases::a_case_is_a_test_of_its_own::{case}")
    );
}
