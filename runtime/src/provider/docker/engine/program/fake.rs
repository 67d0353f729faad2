//! Programs that stand in for those of an engine.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use tempfile::TempDir;

use crate::config::Config;

/// Returns a machine whose only programs are these, and do this. Beside them, `arguments` has what
/// they were called with, `environment` and `input` what else they got.
pub(in super::super) fn machine(
    programs: &[&str],
    script: &str,
    variables: &[(&str, &str)],
) -> (TempDir, Config) {
    let directory = tempfile::tempdir().expect("a directory");
    let here = directory.path();
    let record = format!(
        "#!/bin/sh\ncd '{}'\necho \"$@\" >>arguments\nenv >environment\ncat >input\n{script}\n",
        here.display()
    );
    for program in programs {
        let file = here.join(program);
        fs::write(&file, &record).expect("a program");
        fs::set_permissions(&file, Permissions::from_mode(0o755)).expect("a program of ours");
        // A process that another test has forked at this moment may have it open for writing.
        while Command::new(&file).output().is_err() {}
        fs::remove_file(here.join("arguments")).expect("a record");
    }
    let settings = here.to_str().expect("a path in UTF-8");
    let mut config = Config::with(&[&[("DOCKER_CONFIG", settings)], variables].concat());
    config.search_path = here.into();
    (directory, config)
}
