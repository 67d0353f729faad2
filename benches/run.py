"""Runs the contenders of the benchmark in turns and writes down how long they took.

Called by scripts/bench, which provides the engine, the images and a scratch directory, and
cleans up. See README.md for what is measured and how.
"""

import argparse
import json
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import time
from pathlib import Path

import report

HERE = Path(__file__).resolve().parent
MARK = "// Repeated by the benchmark from here on.\n"

# What is run how often: tests in the small and the big run, rounds of each, containers per test.
FULL = dict(small=100, big=1000, rounds=3, big_rounds=2, cold_rounds=5, containers=100, clients=60)
QUICK = dict(small=40, big=200, rounds=2, big_rounds=1, cold_rounds=2, containers=6, clients=20)

# name in the results: test binary
CONTENDERS = {
    "ours": "ours",
    "floor": "floor",
    "clone_per_test": "clone_per_test",
    "sqlx_test": "sqlx_test",
    "sqlx_test_default_server": "sqlx_test",
    "empty": "empty",
    "redis_ours": "redis_ours",
    "redis_floor": "redis_floor",
}
# mode of the small run: who takes part
SMALL = {
    "threads-1": ["floor", "ours", "clone_per_test", "sqlx_test", "sqlx_test_default_server", "redis_floor", "redis_ours"],
    "threads-2": ["floor", "ours", "clone_per_test", "sqlx_test"],
    "threads-8": ["floor", "ours", "clone_per_test", "sqlx_test", "sqlx_test_default_server"],
    "nextest": ["empty", "floor", "ours", "clone_per_test", "sqlx_test"],
}
# The same for the big run. `sqlx_test` takes minutes: once, and where a ratio needs it.
BIG = {
    "threads-1": ["floor", "ours", "clone_per_test"],
    "threads-8": ["floor", "ours", "clone_per_test", "sqlx_test"],
    "nextest": ["empty", "floor", "ours"],
}
ONCE = ["sqlx_test"]


def say(text):
    print(f"==> {text}", flush=True)


def fail(text):
    sys.exit(f"error: {text}")


class Bench:
    """The scaffolded project, its test binaries, and the servers that they use."""

    def __init__(self, options):
        self.provider = options.provider
        self.image = options.image
        self.run_id = options.run
        self.scratch = Path(options.scratch)
        self.project = self.scratch / "project"
        self.root = Path(options.root)
        self.plan = QUICK if options.quick else FULL
        self.runs = []
        self.keepers = []
        self.urls = {}
        self.binaries = {}
        # What each contender is told beside this; USER keeps our servers apart from others'.
        self.environment = {key: value for key, value in os.environ.items()
                            if key not in ("DATABASE_URL", "NEXTEST", "CONTAINER_TEST_POSTGRES_URL", "CONTAINER_TEST_REDIS_URL")}
        self.environment |= {
            "CARGO_TARGET_DIR": str(self.root / "target/bench/build"),
            "CONTAINER_TEST_PROVIDER": self.provider,
            "CONTAINER_TEST_CACHE_DIR": str(self.scratch / "cache"),
            "BENCH_TIMES": str(self.scratch / "times"),
            "BENCH_IMAGE": self.image,
            "BENCH_RUN": self.run_id,
            "USER": self.run_id,
        }

    # The project

    def scaffold(self):
        """Copies the projects out of the workspace and repeats each contender's test."""
        for name in ("project", "clients"):
            copy = self.scratch / name
            shutil.copytree(HERE / name, copy, ignore=shutil.ignore_patterns("target", "Cargo.lock"))
            manifest = copy / "Cargo.toml"
            manifest.write_text(manifest.read_text().replace('"../../runtime"', json.dumps(str(self.root / "runtime"))))
            shutil.copy(self.root / "Cargo.lock", copy)
        for source in (self.project / "tests").glob("*.rs"):
            head, mark, test = source.read_text().partition(MARK)
            if mark:
                source.write_text(head + self.module("small", test, 0, self.plan["small"])
                                  + self.module("rest", test, self.plan["small"], self.plan["big"]))

    @staticmethod
    def module(name, test, first, end):
        tests = "\n".join(test.replace("t0000", f"t{number:04}") for number in range(first, end))
        return f"mod {name} {{\n#[allow(unused_imports)]\nuse super::*;\n\n{tests}}}\n"

    def build(self):
        """Compiles the projects; finds the executables."""
        self.compile(["cargo", "test", "--no-run"], self.project)
        self.compile(["cargo", "build"], self.scratch / "clients")

    def compile(self, command, project):
        command = command + ["--message-format=json-render-diagnostics", "--quiet"]
        for offline in (["--offline"], []):
            built = subprocess.run(command + offline, cwd=project, env=self.environment,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            if built.returncode == 0:
                break
            if offline and not re.search(r"--offline|offline mode|no matching package", built.stderr):
                fail(f"the project does not compile:\n{built.stderr}")
        else:
            fail(f"the project does not compile:\n{built.stderr}")
        for line in built.stdout.splitlines():
            message = json.loads(line)
            if message.get("reason") == "compiler-artifact" and message.get("executable"):
                target = message["target"]
                if "test" in target["kind"] or not message["profile"]["test"]:
                    self.binaries[target["name"]] = message["executable"]

    # The servers

    def keep(self, user):
        """Starts this crate's servers for a user and keeps them; gives their URLs and versions."""
        address = self.scratch / f"address-{user}"
        self.execute("address", [], {"USER": user, "BENCH_ADDRESS": str(address)})
        postgres, redis = address.read_text().split()
        postgres = re.sub(r"/[^/?]*(\?.*)?$", r"/postgres\1", postgres)
        keeper = subprocess.Popen([self.binaries["keep"]], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                  env=self.environment | {"KEEP_POSTGRES": postgres, "KEEP_REDIS": redis, "DATABASE_URL": postgres})
        self.keepers.append(keeper)
        version = keeper.stdout.readline().strip() or fail("the servers do not answer")
        return keeper, postgres, redis, version

    @staticmethod
    def tell(keeper, word, answers=True):
        keeper.stdin.write(word + "\n")
        keeper.stdin.flush()
        return answers and (keeper.stdout.readline().strip() or fail(f"`{word}` failed on the server"))

    def start_default_server(self):
        """A container of the same image with its own settings; it ends after an hour at the latest."""
        name = f"{self.run_id}-default"
        docker = lambda *words: subprocess.run(["docker", *words], check=True, capture_output=True, text=True).stdout.strip()
        docker("run", "--detach", "--rm", "--name", name, "--label", f"container-test.bench={self.run_id}",
               "--env", "POSTGRES_PASSWORD=bench", "--publish", "127.0.0.1::5432",
               "--entrypoint", "timeout", self.image, "3600", "docker-entrypoint.sh", "postgres")
        port = docker("port", name, "5432/tcp").splitlines()[0].rpartition(":")[2]
        for _ in range(300):
            answer = subprocess.run(["docker", "exec", name, "pg_isready", "-h", "127.0.0.1", "-U", "postgres"], capture_output=True)
            if answer.returncode == 0:
                return f"postgres://postgres:bench@127.0.0.1:{port}/postgres?sslmode=disable"
            time.sleep(0.2)
        fail("the default server does not answer")

    def end(self):
        for keeper in self.keepers:
            keeper.stdin.close()
            keeper.wait()

    # The runs

    def environment_of(self, contender):
        default = contender == "sqlx_test_default_server"
        return {"DATABASE_URL": self.urls["default" if default else "tuned"], "REDIS_URL": self.urls["redis"]}

    def execute(self, binary, arguments, extra):
        return self.timed([self.binaries[binary], *arguments], extra)

    def timed(self, command, extra):
        """Runs a command; gives when it began, how long it took, its output and its tests' times."""
        times = self.scratch / "times"
        times.unlink(missing_ok=True)
        began, clock = time.time_ns(), time.perf_counter()
        done = subprocess.run(command, cwd=self.project, env=self.environment | extra, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        took = time.perf_counter() - clock
        if done.returncode:
            fail(f"{' '.join(map(str, command))} failed:\n{done.stdout[-6000:]}")
        lines = times.read_text().splitlines() if times.exists() else []
        return began, took, done.stdout, sorted([int(word) for word in line.split()] for line in lines)

    def measure(self, contender, tests, mode):
        """One run of a contender, written down."""
        binary, extra = CONTENDERS[contender], self.environment_of(contender)
        some = ["small::"] if tests == self.plan["small"] else []
        if mode == "nextest":
            command = ["cargo", "nextest", "run", "--offline", "--color=never", "--test", binary,
                       "--status-level=pass", "--final-status-level=none", *some]
            _, took, output, times = self.timed(command, extra)
        else:
            _, took, output, times = self.execute(binary, ["--test-threads", mode.split("-")[1], *some], extra)
        run = dict(contender=contender, tests=tests, mode=mode, wall_s=took)
        if mode == "nextest":
            run["process_ms"] = 1000 * statistics.median(float(s) for s in re.findall(r"PASS \[\s*([\d.]+)s\]", output))
        if contender != "empty" and len(times) != tests:
            fail(f"{contender} ran {len(times)} tests instead of {tests}")
        if len(times) > 1:
            run |= self.steady(times, single=mode == "threads-1")
        self.runs.append(run)

    @staticmethod
    def steady(times, single):
        """What a test costs once the first one is through; see README.md, "The clock"."""
        ends = sorted(end for _, _, end in times)
        steady = dict(per_test_ms=(ends[-1] - ends[0]) / (len(ends) - 1) / 1e6)
        if single:
            pairs = list(zip(times, times[1:]))
            steady["ready_ms"] = statistics.median(after[1] - before[2] for before, after in pairs) / 1e6
            steady["whole_ms"] = statistics.median(after[2] - before[2] for before, after in pairs) / 1e6
        return steady

    def cold(self, binary, arguments, number):
        """A run on a server that was not there before; seconds until the first answer, and in all."""
        extra = {"USER": f"{self.run_id}-cold-{number}", "CONTAINER_TEST_IDLE": "2"}
        began, took, _, times = self.execute(binary, arguments, extra)
        # Its server ends before the next contender is measured.
        time.sleep(4)
        return min(first for _, first, _ in times) / 1e9 - began / 1e9, took

    # The whole benchmark

    def warm(self):
        say("warming up")
        for contender in CONTENDERS:
            if contender != "sqlx_test_default_server" or self.urls["default"]:
                self.execute(CONTENDERS[contender], ["small::t000"], self.environment_of(contender))

    def turns(self, label, tests, modes, rounds):
        for number in range(rounds):
            for mode, contenders in modes.items():
                say(f"{label}, round {number + 1} of {rounds}: {mode}")
                for contender in contenders:
                    missing = contender == "sqlx_test_default_server" and not self.urls["default"]
                    if not missing and not (number and label == "big" and contender in ONCE):
                        self.measure(contender, tests, mode)

    def alive(self, keeper):
        """The most databases at once; a run of its own, since looking costs time as well."""
        say(f"counting databases while {self.plan['big']} tests run on 8 threads")
        self.tell(keeper, "watch", answers=False)
        self.execute("ours", ["--test-threads", "8"], {})
        most, size = map(int, self.tell(keeper, "report").split())
        return dict(databases=most, bytes=size)

    def clients(self):
        """What a test waits before the first answer of each client; median milliseconds."""
        say("every client: with this crate, and a bare connection")
        arguments = [str(self.plan["clients"])]
        output = self.execute("clients", arguments, {"DATABASE_URL": self.urls["tuned"], "REDIS_URL": self.urls["redis"]})[2]
        lines = [line.split() for line in output.splitlines()]
        return {name: dict(ours_ms=float(ours), floor_ms=float(floor)) for name, ours, floor in lines}

    def cold_starts(self):
        docker = self.provider == "docker"
        first = ["--test-threads", "1", "--exact", "small::t0000"]
        found = dict(ours_s=[], testcontainers_s=[])
        for number in range(self.plan["cold_rounds"]):
            say(f"cold start to the first test ready, round {number + 1} of {self.plan['cold_rounds']}")
            found["ours_s"].append(self.cold("ours", first, number)[0])
            if docker:
                found["testcontainers_s"].append(self.cold("container_per_test", first, number)[0])
        return found

    def suites(self):
        """A suite of 100 tests from cold, with as many threads as `cargo test` takes by itself."""
        suite = 100
        which = lambda number: [f"::t{n:04}" for n in range(number)]
        say(f"{suite} tests from cold: ours")
        found = dict(tests=suite, ours_s=self.cold("ours", which(suite), "suite")[1])
        if self.provider == "docker":
            containers = self.plan["containers"]
            say(f"{containers} tests with a container each" + (f", extrapolated to {suite}" if containers != suite else ""))
            took = self.cold("container_per_test", which(containers), "suite")[1]
            found |= dict(containers_run=containers, container_per_test_s=took * suite / containers)
        return found

    def main(self):
        say("scaffolding and compiling the contenders' project")
        self.scaffold()
        self.build()
        say(f"starting servers: one for this crate, one of the same kind for the others (provider {self.provider})")
        ours, _, _, version = self.keep(self.run_id)
        twin, self.urls["tuned"], self.urls["redis"], _ = self.keep(f"{self.run_id}-twin")
        self.tell(twin, "prepare")
        self.urls["default"] = None
        if self.provider == "docker":
            say("starting a server with the image's own settings")
            self.urls["default"] = self.start_default_server()
        self.warm()
        self.turns("small", self.plan["small"], SMALL, self.plan["rounds"])
        self.turns("big", self.plan["big"], BIG, self.plan["big_rounds"])
        alive, clients = self.alive(ours), self.clients()
        self.end()
        cold, suite = self.cold_starts(), self.suites()
        return dict(postgres=version, provider=self.provider, image=self.image, plan=self.plan, quick=self.plan is QUICK,
                    runs=self.runs, alive=alive, clients=clients, cold=cold, suite=suite)


def main():
    parser = argparse.ArgumentParser()
    for name in ("provider", "run", "scratch", "root"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--image", default="", help="of the containers; none without an engine")
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    # Before anything is compiled or started here.
    began, load_before = time.time(), os.getloadavg()[0]
    bench = Bench(options)
    try:
        measured = bench.main()
    finally:
        bench.end()
    measured |= dict(load_before=load_before, minutes=(time.time() - began) / 60)
    report.write(measured, Path(options.root) / "target/bench")


main()
