#!/usr/bin/env python3
"""Measures what each feature of the crate adds to a cold debug build of a project that has its client.

    benches/build.py [--jobs N]

A project that has all that this crate brings is compiled once, in a temporary directory. As rustc's and
cc's wrapper, this program writes down the processor time of each call. A feature adds the crates that
`cargo tree` lists with it and not without it; its seconds are the sum of theirs. Not counted: what a
feature switches on in crates that the project has already, the file that this crate has for each further
client, build scripts as they run, and linking. Needs no network once the crates are downloaded. Prints a
table.
"""

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TOKIO = 'tokio = { version = "1", features = ["full"] }'
SQLX = 'sqlx = { version = "0.9", default-features = false, features = ["runtime-tokio", "postgres", "macros", "migrate"] }'
REDIS = 'redis = { version = "1", default-features = false, features = ["tokio-comp", "connection-manager"] }'
TOKIO_POSTGRES = 'tokio-postgres = "0.7"'
DIESEL = 'diesel = { version = "2.3", default-features = false, features = ["postgres", "r2d2"] }'
SQLX_0_8 = ('sqlx-core-0_8 = { package = "sqlx-core", version = "0.8", features = ["_rt-tokio", "migrate"] }\n'
            'sqlx-postgres-0_8 = { package = "sqlx-postgres", version = "0.8", features = ["migrate"] }')
SEA_ORM_1 = ('sea-orm-1 = { package = "sea-orm", version = "1.1", default-features = false, '
             'features = ["macros", "runtime-tokio", "sqlx-postgres"] }')
SEA_ORM_2 = ('sea-orm-2 = { package = "sea-orm", version = "2", default-features = false, '
             'features = ["macros", "runtime-tokio", "sqlx-postgres"] }')
# Features, and what a project that turns them on has already, beside tokio.
FEATURES = [
    ("postgres", [SQLX]),
    ("redis", [REDIS]),
    ("postgres redis", [SQLX, REDIS]),
    ("postgres redis testcontainers", [SQLX, REDIS]),
    ("sqlx-0_8", [SQLX_0_8]),
    ("sea-orm-2", [SEA_ORM_2]),
    ("sea-orm-1", [SEA_ORM_1]),
    ("tokio-postgres", [TOKIO_POSTGRES]),
    ("deadpool-postgres", ['deadpool-postgres = "0.14"', TOKIO_POSTGRES]),
    ("bb8-postgres", ['bb8-postgres = "0.9"', 'bb8 = "0.9"', TOKIO_POSTGRES]),
    ("diesel", [DIESEL]),
    ("diesel-async", ['diesel-async = { version = "0.9", features = ["bb8", "deadpool", "postgres"] }', DIESEL]),
    ("diesel-migrations", [DIESEL, 'diesel_migrations = "2.3"']),
    ("refinery", ['refinery = { version = "0.10", default-features = false, features = ["tokio-postgres"] }', TOKIO_POSTGRES]),
    ("sea-orm-migration-2", [SEA_ORM_2, 'sea-orm-migration-2 = { package = "sea-orm-migration", version = "2", default-features = false }']),
    ("sea-orm-migration-1", [SEA_ORM_1, 'sea-orm-migration-1 = { package = "sea-orm-migration", version = "1.1", default-features = false }']),
    ("redis-0_32", ['redis-0_32 = { package = "redis", version = "0.32", default-features = false, features = ["connection-manager", "tokio-comp"] }']),
    ("deadpool-redis", ['deadpool-redis = { version = "0.23", default-features = false, features = ["rt_tokio_1"] }']),
    ("bb8-redis", ['bb8-redis = { version = "0.26", default-features = false }', 'bb8 = "0.9"']),
    ("fred", ['fred = { version = "10", default-features = false, features = ["i-keys"] }']),
    ("postgres redis tls", [SQLX, REDIS]),
    ("postgres redis tracing", [SQLX, REDIS, 'tracing = "0.1"']),
]
# What is compiled: this brings every crate that any of the features adds.
ALL = ("postgres redis testcontainers tls tracing", [SQLX, REDIS])
OURS = ("container-test", "container-test-macros")


def as_wrapper(command):
    """Runs a compiler, and writes down what it took for which crate."""
    # The descriptors of the jobserver go with it.
    status = subprocess.run(command, close_fds=False).returncode
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    crate = [os.environ.get("CARGO_PKG_NAME"), os.environ.get("CARGO_PKG_VERSION")]
    if all(crate):
        line = json.dumps([*crate, used.ru_utime + used.ru_stime]) + "\n"
        log = os.open(os.environ["BUILD_LOG"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(log, line.encode())
    return status


def manifest(directory, features, clients):
    """Writes a project that has the clients, and this crate with the features if there are any."""
    (directory / "src").mkdir(parents=True, exist_ok=True)
    (directory / "src/lib.rs").write_text("")
    ours = (f"container-test = {{ path = '{ROOT}/runtime', default-features = false, "
            f"features = {json.dumps(features)} }}\n" if features else "")
    lines = "\n".join(dict.fromkeys(client for text in [TOKIO, *clients] for client in text.split("\n")))
    (directory / "Cargo.toml").write_text(
        f'[package]\nname = "measured"\nversion = "0.0.0"\nedition = "2024"\n\n[workspace]\n\n[dependencies]\n{ours}{lines}\n')
    shutil.copy(ROOT / "Cargo.lock", directory / "Cargo.lock")


def cargo(directory, *arguments, **more):
    command = ["cargo", *arguments]
    done = subprocess.run(command, cwd=directory, text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, **more)
    if done.returncode != 0:
        sys.exit(f"error: {' '.join(command)} failed in {directory}")
    return done.stdout


def crates(directory, features, clients):
    """Returns the crates of a project, each as name and version."""
    manifest(directory, features, clients)
    text = cargo(directory, "tree", "--offline", "--edges", "normal,build", "--prefix", "none", "--format", "{p}",
                 stderr=subprocess.PIPE)
    found = {tuple(line.split()[:2]) for line in text.splitlines() if line}
    return {(name, version.removeprefix("v")) for name, version in found if name != "measured"}


def compile_all(directory, jobs):
    """Compiles everything; returns the seconds of each crate."""
    wrapper, log = directory / "wrapper", directory / "log"
    wrapper.mkdir()
    for name in ["rustc", "cc"]:
        (wrapper / name).symlink_to(Path(__file__).resolve())
    features, clients = ALL
    manifest(directory / "all", features.split(), clients)
    environment = dict(os.environ, BUILD_LOG=str(log), RUSTC_WRAPPER=str(wrapper / "rustc"), CC=str(wrapper / "cc"),
                       CARGO_TARGET_DIR=str(directory / "target"), CARGO_INCREMENTAL="0")
    cargo(directory / "all", "build", "--offline", "--quiet", "--jobs", str(jobs), env=environment)
    seconds = {}
    for line in log.read_text().splitlines():
        name, version, used = json.loads(line)
        seconds[name, version] = seconds.get((name, version), 0) + used
    return seconds


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="container-test-build-") as name:
        directory = Path(name)
        added = []
        for text, clients in FEATURES:
            before = crates(directory / "tree", [], clients)
            added.append((text, before, crates(directory / "tree", text.split(), clients)))
        seconds = compile_all(directory, options.jobs)
    print("| feature | crates | seconds |\n|---|---|---|")
    for text, before, after in added:
        new = after - before
        if unknown := [name for name, _ in new if name not in {crate for crate, _ in seconds}]:
            sys.exit(f"error: `{text}` adds {unknown}, which the project does not have: see ALL")
        print(f"| `{text}` | {len(new)} | {sum(seconds[crate] for crate in new):.1f} |")
    own = sum(used for (name, _), used in seconds.items() if name in OURS)
    before = added[[text for text, *_ in added].index("postgres redis")][1]
    print(f"\nthis crate itself and its macro: {own:.1f} s; sqlx, redis and tokio: {len(before)} crates, "
          f"{sum(seconds[crate] for crate in before):.1f} s; all {len(seconds)} crates: {sum(seconds.values()):.1f} s")


if __name__ == "__main__":
    called = Path(sys.argv[0]).name
    if called == "rustc":
        sys.exit(as_wrapper(sys.argv[1:]))
    if called == "cc":
        sys.exit(as_wrapper([os.environ.get("REAL_CC", "cc"), *sys.argv[1:]]))
    main()
