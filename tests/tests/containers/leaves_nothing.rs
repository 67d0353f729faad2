//! Nothing is left of a container, however the process ends.

use std::time::Duration;

use crate::runs::User;

/// When nothing may be left after a process was killed.
const DEADLINE: Duration = Duration::from_secs(20);

#[test]
fn a_container_is_gone_after_its_test() {
    let user = User::new();
    let (passed, output) = user.run(&["own_one"]);
    assert!(passed, "{output}");
    user.gone_within(DEADLINE);
}

#[test]
fn a_container_without_a_shell_is_removed_with_its_test() {
    let user = User::new();
    let (passed, output) = user.run(&["no_shell_passes"]);
    assert!(passed, "{output}");
    assert_eq!(user.left(), [""; 0]);
    let failed_without_shell = user.created();
    let (passed, output) = user.run(&["no_shell_passes"]);
    assert!(passed, "{output}");
    assert_eq!(
        user.created(),
        failed_without_shell + 1,
        "that there is no shell is known"
    );
}

#[test]
fn a_killed_process_leaves_no_container() {
    let user = User::new();
    let run = user.start(&["hangs"], &[]);
    user.wait_for_bodies(1);
    // Longer than a container waits for its first lease.
    std::thread::sleep(Duration::from_secs(18));
    assert_ne!(user.left(), [""; 0], "it stays for as long as its process");
    run.kill();
    user.gone_within(DEADLINE);
}

#[test]
fn a_killed_process_leaves_no_shared_container() {
    let user = User::new();
    let run = user.start(&["shared_hangs"], &[("CONTAINER_TEST_IDLE", "3")]);
    user.wait_for_bodies(1);
    let other = user.start(&["shared_hangs"], &[("CONTAINER_TEST_IDLE", "3")]);
    user.wait_for_bodies(2);
    run.kill();
    std::thread::sleep(Duration::from_secs(6));
    assert_ne!(user.left(), [""; 0], "another process has a lease on it");
    other.kill();
    user.gone_within(DEADLINE);
    assert_eq!(user.created(), 1);
}

#[test]
fn a_process_that_was_killed_during_a_start_leaves_no_container() {
    for moment in ["start", "exec_start"] {
        let user = User::new();
        let run = user.start(&["never_ready"], &[]);
        user.wait_for(moment);
        run.kill();
        user.gone_within(Duration::from_secs(25));
    }
}

#[test]
fn the_next_start_removes_what_a_killed_process_left_without_a_shell() {
    let user = User::new();
    let run = user.start(&["no_shell_hangs"], &[]);
    let living = user.start(&["no_shell_hangs"], &[]);
    assert_eq!(user.wait_for_bodies(2), 2);
    run.kill();
    let containers = |user: &User| {
        let left = user.left();
        left.iter()
            .filter(|line| line.starts_with("container "))
            .count()
    };
    assert_eq!(containers(&user), 2);
    let (passed, output) = user.run(&["no_shell_passes"]);
    assert!(passed, "{output}");
    assert_eq!(containers(&user), 1, "that of a process that lives stays");
    living.kill();
    let (passed, output) = user.run(&["own_one"]);
    assert!(passed, "{output}");
    user.gone_within(DEADLINE);
}

#[test]
fn what_a_failed_test_had_stays_for_a_while_if_it_is_asked_for() {
    let user = User::new();
    let keep = [("CONTAINER_TEST_KEEP", "1"), ("CONTAINER_TEST_IDLE", "8")];
    let (passed, output) = user.start(&["fails_in_its_body"], &keep).finish();
    assert!(!passed, "{output}");
    assert!(
        output.contains("container-test: retained: docker logs "),
        "{output}"
    );
    assert!(
        output.contains("Ready to accept connections"),
        "its log: {output}"
    );
    std::thread::sleep(Duration::from_secs(4));
    assert_ne!(user.left(), [""; 0]);
    user.gone_within(DEADLINE);
}
