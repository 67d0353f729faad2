"""Turns the runs into medians and ratios, a table, a chart and results.json."""

import datetime
import json
import math
import os
import platform
import statistics
import subprocess
from html import escape

# key: what it is, and what it should reach
RATIOS = {
    "ready_vs_sqlx_test": ("set-up to first answer, 1 thread: sqlx::test / ours", ">= 20"),
    "ready_vs_floor": ("the same: ours / floor", "<= 1.5"),
    "throughput8_vs_sqlx_test": ("tests per second, 8 threads: ours / sqlx::test", ">= 12"),
    "throughput8_vs_floor": ("the same: ours / floor", ">= 0.6"),
    "nextest_vs_sqlx_test": ("nextest, whole run: sqlx::test / ours", ">= 4"),
    "nextest_ms_over_empty": ("nextest, ms per test: ours - empty", "<= 25"),
    "suite_vs_container_per_test": ("100 tests from cold: container per test / ours", ">= 30"),
    "cold_vs_testcontainers": ("cold start to first answer: testcontainers / ours", ">= 2.5"),
    "growth_1000_vs_100": ("cost per test: big run / small run", "<= 1.2"),
    "databases_alive": ("most databases at once, 8 threads", "<= 24"),
    "redis_vs_floor": ("Redis, first answer: ours / bare connection", "<= 1.5"),
}
NAMES = {
    "floor": "bare connection (the floor)",
    "ours": "container-test",
    "clone_per_test": "a clone per test",
    "sqlx_test": "#[sqlx::test], same server",
    "sqlx_test_default_server": "#[sqlx::test], default server",
    "container_per_test": "a container per test",
    "empty": "an empty test",
    "redis_floor": "Redis: bare connection",
    "redis_ours": "Redis: container-test",
}


def machine():
    def line(path, key):
        with open(path) as lines:
            return next((line.split(":", 1)[1].strip() for line in lines if line.startswith(key)), "unknown")

    says = lambda *words: subprocess.run(words, capture_output=True, text=True).stdout.strip()
    return {
        "cpu": line("/proc/cpuinfo", "model name"),
        "cores": os.cpu_count(),
        "memory_gib": round(int(line("/proc/meminfo", "MemTotal").split()[0]) / 2**20, 1),
        "kernel": platform.release(),
        "rust": says("rustc", "--version"),
        "nextest": says("cargo", "nextest", "--version").partition("\n")[0],
    }


def medians(runs):
    """contender -> tests -> mode -> figure -> the median of all rounds"""
    groups = {}
    for run in runs:
        place = groups.setdefault(run["contender"], {}).setdefault(str(run["tests"]), {}).setdefault(run["mode"], {})
        for key, value in run.items():
            if key not in ("contender", "tests", "mode"):
                place.setdefault(key, []).append(value)
    for tests in groups.values():
        for modes in tests.values():
            for figures in modes.values():
                for key, values in figures.items():
                    figures[key] = statistics.median(values)
    return groups


def ratios(measured, figures):
    small, big = measured["plan"]["small"], measured["plan"]["big"]
    get = lambda contender, tests, mode, key: figures[contender][str(tests)][mode][key]
    ready = lambda contender: get(contender, small, "threads-1", "ready_ms")
    wall8 = lambda contender: get(contender, big, "threads-8", "wall_s")
    nextest = lambda contender: get(contender, small, "nextest", "wall_s")
    cost = lambda tests, mode: get("ours", tests, mode, "per_test_ms")
    cold, suite = measured["cold"], measured["suite"]
    docker = measured["provider"] == "docker"
    return {
        "ready_vs_sqlx_test": ready("sqlx_test") / ready("ours"),
        "ready_vs_floor": ready("ours") / ready("floor"),
        "throughput8_vs_sqlx_test": wall8("sqlx_test") / wall8("ours"),
        "throughput8_vs_floor": wall8("floor") / wall8("ours"),
        "nextest_vs_sqlx_test": nextest("sqlx_test") / nextest("ours"),
        "nextest_ms_over_empty": 1000 * (nextest("ours") - nextest("empty")) / small,
        "suite_vs_container_per_test": suite["container_per_test_s"] / suite["ours_s"] if docker else None,
        "cold_vs_testcontainers": statistics.median(cold["testcontainers_s"]) / statistics.median(cold["ours_s"]) if docker else None,
        # The worse of the two.
        "growth_1000_vs_100": max(cost(big, mode) / cost(small, mode) for mode in ("threads-1", "threads-8")),
        "databases_alive": measured["alive"]["databases"],
        "redis_vs_floor": ready("redis_ours") / ready("redis_floor"),
    }


def notes(measured, figures):
    plan, suite = measured["plan"], measured["suite"]
    small = str(plan["small"])
    over = figures["ours"][small]["nextest"]["process_ms"] - figures["empty"][small]["nextest"]["process_ms"]
    found = [
        f"nextest: a test's process takes {over:.0f} ms longer than an empty one (median; two run at a time on two cores).",
        f"The databases that were alive at once took {measured['alive']['bytes'] / 2**20:.0f} MiB.",
        "Cold starts of container-test, in order, s: " + ", ".join(f"{s:.2f}" for s in measured["cold"]["ours_s"])
        + " (data directories prepared by then).",
    ]
    if measured["quick"]:
        found.append(f"A quick run: {plan['small']} and {plan['big']} tests stand for 100 and 1,000.")
    if measured["provider"] != "docker":
        found.append("Without an engine nothing is compared with containers, nor with a default server.")
    elif suite["containers_run"] != suite["tests"]:
        found.append(f"A container per test: {suite['containers_run']} tests were run, extrapolated in proportion to {suite['tests']}.")
    if measured["load_before"] > measured["machine"]["cores"] / 2:
        found.append(f"The machine was busy before the run (load {measured['load_before']:.1f}): do not quote these figures.")
    return found


def table(measured, figures):
    small, big = str(measured["plan"]["small"]), str(measured["plan"]["big"])
    per_second = lambda tests: lambda run: f"{int(tests) / run['wall_s']:.0f}"
    seconds = lambda run: f"{run['wall_s']:.2f}"
    ready = lambda run: f"{run['ready_ms']:.2f}" if "ready_ms" in run else "-"
    columns = [("ready, ms", small, "threads-1", ready)]
    columns += [(f"{small}: {threads} thr., /s", small, f"threads-{threads}", per_second(small)) for threads in (1, 2, 8)]
    columns += [(f"nextest {small}, s", small, "nextest", seconds)]
    columns += [(f"{big}: {threads} thr., /s", big, f"threads-{threads}", per_second(big)) for threads in (1, 8)]
    columns += [(f"nextest {big}, s", big, "nextest", seconds)]
    rows = [[""] + [title for title, *_ in columns]]
    for contender, name in NAMES.items():
        if contender in figures:
            cells = [(figures[contender].get(tests, {}).get(mode), show) for _, tests, mode, show in columns]
            rows.append([name] + [show(run) if run else "-" for run, show in cells])
    return aligned(rows)


def ratio_table(found):
    rows = [["key", "figure", "measured", "to reach"]]
    for key, (meaning, goal) in RATIOS.items():
        value = found[key]
        rows.append([key, meaning, "-" if value is None else f"{value:.2f}".removesuffix(".00"), goal])
    return aligned(rows)


def client_table(clients):
    rows = [["client", "ours, ms", "bare connection, ms", "ratio, to reach <= 1.5"]]
    for name, times in clients.items():
        ours, floor = times["ours_ms"], times["floor_ms"]
        rows.append([name, f"{ours:.2f}", f"{floor:.2f}", f"{ours / floor:.2f}"])
    return aligned(rows)


def aligned(rows):
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths)) + " |" for row in rows]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)


def chart(measured, figures):
    """Bars on a logarithmic scale: what a test waits before its first answer."""
    small = str(measured["plan"]["small"])
    bars = [(NAMES[name], modes[small]["threads-1"]["ready_ms"], name == "ours") for name, modes in figures.items()
            if "ready_ms" in modes.get(small, {}).get("threads-1", {}) and not name.startswith("redis")]
    if measured["cold"]["testcontainers_s"]:
        bars.append((NAMES["container_per_test"], 1000 * statistics.median(measured["cold"]["testcontainers_s"]), False))
    bars.sort(key=lambda bar: bar[1])
    low = 10 ** math.floor(math.log10(bars[0][1] / 1.5))
    high = 10 ** math.ceil(math.log10(bars[-1][1]))
    left, width, step, top = 230, 480, 34, 64
    x = lambda value: left + width * math.log(value / low) / math.log(high / low)
    bottom = top + step * len(bars)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + width + 90}" height="{bottom + 50}" font-family="sans-serif" font-size="13">',
        '<rect width="100%" height="100%" fill="white"/>',
        '<text x="16" y="26" font-size="16" font-weight="bold">What a test waits before its first query is answered</text>',
        f'<text x="16" y="46" fill="#555">milliseconds, logarithmic, one thread, median; {escape(measured["machine"]["cpu"])}, {measured["machine"]["cores"]} cores</text>',
    ]
    tick = low
    while tick <= high:
        parts.append(f'<line x1="{x(tick):.1f}" x2="{x(tick):.1f}" y1="{top}" y2="{bottom}" stroke="#ddd"/>')
        parts.append(f'<text x="{x(tick):.1f}" y="{bottom + 18}" text-anchor="middle" fill="#555">{tick:g}</text>')
        tick *= 10
    for row, (name, value, ours) in enumerate(bars):
        y = top + step * row + 6
        parts.append(f'<text x="{left - 10}" y="{y + 15}" text-anchor="end">{escape(name)}</text>')
        parts.append(f'<rect x="{left}" y="{y}" width="{x(value) - left:.1f}" height="22" fill="{"#2a7f62" if ours else "#8899aa"}"/>')
        parts.append(f'<text x="{x(value) + 6:.1f}" y="{y + 15}">{value:,.0f}</text>' if value >= 100 else
                     f'<text x="{x(value) + 6:.1f}" y="{y + 15}">{value:.1f}</text>')
    return "\n".join(parts + ["</svg>", ""])


def write(measured, directory):
    measured["machine"] = machine()
    measured["date"] = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
    figures = medians(measured["runs"])
    found = ratios(measured, figures)
    said = notes(measured, figures)
    results = {key: value for key, value in measured.items() if key != "runs"}
    results |= dict(ratios=found, medians=figures, notes=said, runs=measured["runs"])
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    (directory / "chart.svg").write_text(chart(measured, figures))
    about = measured["machine"]
    print()
    print(table(measured, figures), ratio_table(found), client_table(measured["clients"]), sep="\n\n")
    print(f"\n{about['cpu']}, {about['cores']} cores, {about['memory_gib']} GiB, Linux {about['kernel']}, {about['rust']};",
          f"PostgreSQL {measured['postgres']}, {measured['image'] or 'programs of this machine'} (provider {measured['provider']}); {measured['date']}")
    print(*said, sep="\n")
    print(f"\n==> {measured['minutes']:.0f} minutes; written: target/bench/results.json, target/bench/chart.svg")
