//! What other users of the machine could see of a run.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use container_test_tests::ends::DEADLINE;
use container_test_tests::engine::Engine;
use container_test_tests::run::Runner;

use crate::project;

#[test]
fn the_arguments_of_programs_have_no_password() {
    let (project, engine) = (project(), Engine::connect());
    let directory = tempfile::tempdir().unwrap();
    let (programs, cache) = (directory.path().join("bin"), directory.path().join("cache"));
    let record = directory.path().join("arguments");
    let path = std::env::var("PATH").unwrap();
    fs::create_dir(&programs).unwrap();
    let recorder = programs.join("docker");
    let script = format!(
        "#!/bin/sh\nprintf '%s\\n' \"$@\" >>'{}'\nPATH='{path}'; export PATH; exec docker \"$@\"\n",
        record.display()
    );
    fs::write(&recorder, script).unwrap();
    fs::set_permissions(&recorder, Permissions::from_mode(0o755)).unwrap();

    let run = project
        .run(Runner::CargoTest, &engine)
        .with_cache_in(&cache)
        .env("PATH", &format!("{}:{path}", programs.display()))
        .env("CONTAINER_TEST_ENGINE", "docker")
        .args(&["--features", "integration", "--test", "ends", "passes"])
        .finish();
    assert!(run.status.success(), "{}", run.output);
    assert_eq!((run.servers("postgres"), run.servers("redis")), (1, 1));
    let arguments = fs::read_to_string(&record).unwrap();
    assert!(arguments.contains("CONTAINER_TEST_FILE_1\n"), "{arguments}");
    let files = fs::read_dir(&cache).unwrap().map(|entry| entry.unwrap());
    let addresses = files
        .filter(|file| file.file_name().to_string_lossy().ends_with(".address"))
        .map(|file| fs::read_to_string(file.path()).unwrap());
    let passwords: Vec<String> = addresses
        .map(|address| address.split_whitespace().nth(2).unwrap().to_owned())
        .collect();
    assert_eq!(passwords.len(), 2);
    for password in passwords {
        assert!(password.len() >= 16, "{password}");
        assert!(!arguments.contains(&password), "{arguments}");
    }
    assert_eq!(run.gone_within(DEADLINE).err(), None);
}
