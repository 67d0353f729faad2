//! Which tests have which container.

use crate::runs::User;

#[test]
fn each_test_has_a_container_of_its_own() {
    let user = User::new();
    let (passed, output) = user.run(&["own_one", "own_other"]);
    assert!(passed, "{output}");
    assert_eq!(user.wait_for_bodies(2), 2);
    assert_eq!(user.created(), 2);
}

#[test]
fn a_shared_container_is_one_for_all_tests_of_all_processes() {
    let user = User::new();
    let runs = [(); 2].map(|()| user.start(&["shared_one", "shared_other"], &[]));
    for run in runs {
        let (passed, output) = run.finish();
        assert!(passed, "{output}");
    }
    assert_eq!(user.wait_for_bodies(2), 1);
    assert_eq!(user.created(), 1);
    let (passed, output) = user.run(&["shared_other", "shared_unequal"]);
    assert!(passed, "{output}");
    assert_eq!(
        user.wait_for_bodies(4),
        2,
        "requests that differ share none"
    );
    assert_eq!(user.created(), 2);
}

#[test]
fn a_shared_container_whose_creator_died_before_it_was_ready_is_replaced() {
    let user = User::new();
    let run = user.start(&["shared_never_ready"], &[]);
    user.wait_for("exec_start");
    run.kill();
    let (passed, output) = user.run(&["shared_never_ready"]);
    assert!(!passed, "{output}");
    assert!(output.contains("it was not ready within 20s"), "{output}");
    assert_eq!(user.created(), 2);
}
