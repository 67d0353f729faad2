//! What a container runs: the watchdog, and under it the image's program with its settings files.

use super::engine::Image;
use crate::lifecycle::watchdog;
use crate::provider::placeholders::Placeholders;
use crate::provider::request::Request;
use crate::service::ServerSpec;
use crate::{Error, Result};

/// Directory of the settings files.
const DIRECTORY: &str = "/tmp/container-test";

/// Beginning of the variables that hold the settings files; a number follows. Files that travel in
/// the environment take no call to the engine besides the container's creation, and are not among
/// the arguments, which others can read.
const FILE_VARIABLE: &str = "CONTAINER_TEST_FILE_";

/// Writes the settings files: `sh -c FILES files DIRECTORY COUNT name… program…`. Images drop
/// privileges, so every user of the container can read the files, and write to the directory.
const FILES: &str = r#"
    directory=$1 count=$2 number=0 mask=$(umask)
    shift 2
    umask 022
    mkdir -p "$directory" && chmod 1777 "$directory" || exit
    while [ "$number" -lt "$count" ]; do
        number=$((number + 1))
        eval "printf '%s' \"\$CONTAINER_TEST_FILE_$number\"" >"$directory/$1" || exit
        unset "CONTAINER_TEST_FILE_$number"
        shift
    done
    umask "$mask"
    exec "$@""#;

/// Ends a container that is started again: it has lost its data, and processes know it as it was. The
/// next one is another. The mark is in `/tmp` where the user of the image may not write to `/`, and
/// without either the guard is left out. It is written with `true`, since a shell ends if a redirection
/// of its special built-in `:` fails.
const ONCE: &str = r"
    for mark in /container-test-began /tmp/container-test-began; do
        [ ! -e $mark ] || { echo 'container-test-watchdog: started again' >&2; exit 1; }
    done
    { true >/container-test-began || true >/tmp/container-test-began; } 2>/dev/null
";

/// Returns what the words in a spec stand for in a container.
pub(super) fn placeholders(spec: &ServerSpec, password: &str) -> Placeholders {
    Placeholders {
        password: password.to_owned(),
        host: "0.0.0.0",
        port: spec.port,
        directory: DIRECTORY.to_owned(),
    }
}

/// Returns the arguments with which `sh` runs the watchdog; those of the server's program follow.
pub(super) fn watchdog(request: &Request) -> Vec<String> {
    let spec = &request.spec;
    vec![
        "-c".to_owned(),
        format!("{ONCE}{}", watchdog::SCRIPT),
        "container-test-watchdog".to_owned(),
        spec.port.to_string(),
        request.idle.as_secs().to_string(),
        spec.startup_timeout.as_secs().max(1).to_string(),
        spec.stop_signal.to_owned(),
        // The engine removes the container; there is no directory to remove.
        String::new(),
    ]
}

/// Returns the server's program and its arguments: the image's, or the spec's instead.
pub(super) fn program(
    spec: &ServerSpec,
    image: &Image,
    placeholders: &Placeholders,
) -> Result<Vec<String>> {
    let setup = &spec.container;
    let (entrypoint, image_command) = match &setup.entrypoint {
        Some(entrypoint) => (entrypoint, None),
        None => (&image.entrypoint, Some(&image.cmd)),
    };
    let command = setup.command.as_ref().or(image_command);
    let parts = [entrypoint].into_iter().chain(command).chain([&spec.args]);
    let program: Vec<String> = parts.flat_map(|part| placeholders.fill_all(part)).collect();
    if program.is_empty() {
        return Err(Error::new(format!("start the image {}", spec.image))
            .because("it has neither an entrypoint nor a command")
            .with_help("say what to run in it"));
    }
    let mut prelude = Vec::new();
    if uses_directory(spec) {
        let count = spec.files.len().to_string();
        prelude.extend(["sh", "-c", FILES, "files", DIRECTORY, &count].map(str::to_owned));
        prelude.extend(spec.files.iter().map(|(name, _)| name.clone()));
    }
    prelude.extend(program);
    Ok(prelude)
}

/// Returns the container's environment, in which the settings files travel. `remote` says whether
/// the way to the engine leaves this machine.
pub(super) fn environment(
    spec: &ServerSpec,
    placeholders: &Placeholders,
    remote: bool,
) -> Vec<(String, String)> {
    let files = placeholders.fill_pairs(&spec.files);
    let files = files
        .into_iter()
        .enumerate()
        .map(|(index, (_, text))| (format!("{FILE_VARIABLE}{}", index + 1), text));
    let mut environment = placeholders.fill_pairs(&spec.env);
    environment.extend(placeholders.fill_pairs(&spec.container.env));
    if remote {
        environment.extend(placeholders.fill_pairs(&spec.container.remote_env));
    }
    environment.extend(files);
    environment
}

/// Returns whether the directory of the settings files must exist.
fn uses_directory(spec: &ServerSpec) -> bool {
    let setup = &spec.container;
    let optional = setup.entrypoint.iter().chain(&setup.command).flatten();
    let pairs = spec.env.iter().chain(&setup.env);
    let mut texts = spec
        .args
        .iter()
        .chain(optional)
        .chain(pairs.map(|(_, text)| text));
    !spec.files.is_empty() || texts.any(|text| text.contains("{directory}"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "what goes wrong fails the test")]
mod tests {
    use std::fs;
    use std::process::Command;

    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    fn run_of(change: impl Fn(&mut ServerSpec)) -> Result<Vec<String>> {
        let mut spec = ServerSpec::new("nats", "nats:2-alpine", 4222);
        change(&mut spec);
        let image = Image {
            entrypoint: words("entrypoint.sh"),
            cmd: words("nats-server --jetstream"),
            ..Image::default()
        };
        program(&spec, &image, &placeholders(&spec, "secret"))
    }

    #[test]
    fn the_specs_entrypoint_and_command_replace_those_of_the_image() {
        let args = |spec: &mut ServerSpec| spec.args = words("-p {port}");
        let run = run_of(args).unwrap();
        assert_eq!(run, words("entrypoint.sh nats-server --jetstream -p 4222"));
        let run = run_of(|spec| spec.container.command = Some(words("other")));
        assert_eq!(run.unwrap(), words("entrypoint.sh other"));
        let run = run_of(|spec| spec.container.entrypoint = Some(words("other -a {host}")));
        assert_eq!(run.unwrap(), words("other -a 0.0.0.0"));
        run_of(|spec| spec.container.entrypoint = Some(Vec::new())).unwrap_err();
    }

    #[test]
    fn settings_files_are_written_before_the_program_runs() {
        let mut spec = ServerSpec::new("nats", "nats:2-alpine", 4222);
        spec.files = vec![
            ("one.conf".to_owned(), "password '{password}'\n".to_owned()),
            ("two.conf".to_owned(), "$(false) \"`\\".to_owned()),
        ];
        let check = "cat one.conf two.conf; env | grep -c CONTAINER_TEST_FILE_";
        spec.container.entrypoint = Some(["sh", "-c", check].map(str::to_owned).to_vec());
        let placeholders = placeholders(&spec, "secret");
        let mut run = program(&spec, &Image::default(), &placeholders).unwrap();

        let directory = tempfile::tempdir().unwrap();
        let settings = directory.path().join("settings");
        fs::create_dir(&settings).unwrap();
        let at = run.iter().position(|word| word == DIRECTORY).unwrap();
        run[at] = settings.display().to_string();
        let output = Command::new(&run[0])
            .args(&run[1..])
            .envs(environment(&spec, &placeholders, false))
            .current_dir(&settings)
            .output()
            .unwrap();
        let written = String::from_utf8(output.stdout).unwrap();
        assert_eq!(written, "password 'secret'\n$(false) \"`\\0\n");
    }

    #[test]
    fn without_settings_files_the_image_runs_as_it_is() {
        assert!(run_of(|_| {}).unwrap()[0].starts_with("entrypoint"));
        let run = run_of(|spec| spec.args = words("{directory}/data")).unwrap();
        assert_eq!(run[0], "sh");
    }
}
