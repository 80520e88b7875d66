"""Tables of `.ci/peers`: processor time of whole programs, the least of several rounds in which all take turns."""

import gzip
import json
import os
import resource
import shutil
import subprocess
import sys

program, folder = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
ROUNDS = 5


def cost(command):
    """Processor time of a program in seconds, and what it printed."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    output = subprocess.run(command, capture_output=True, text=True, cwd=folder, check=True).stdout
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, output


def turns(commands):
    """The least processor time of each command, and what it printed last."""
    best, printed = {}, {}
    for _ in range(ROUNDS):
        for name, command in commands.items():
            time, printed[name] = cost(command)
            best[name] = min(best.get(name, time), time)
    return best, printed


def has(tool):
    """Whether a tool can be run; says so when not."""
    found = shutil.which(tool) is not None
    if not found:
        print(f"\n({tool} is not installed: left out)")
    return found


def table(title, columns, rows):
    print(f"\n### {title}\n\n| {' | '.join(columns)} |\n| --- |{' ---: |' * (len(columns) - 1)}")
    for row in rows:
        print(f"| {' | '.join(row)} |")


def engines():
    """Hold model, exponential increments."""
    names = {"SimPy 4.1.2, bare callbacks": [f"{folder}/venv/bin/python", hold_py]}
    if os.path.exists(f"{folder}/hold"):
        for kind in ["Map", "Heap", "PriorityQueue", "Calendar"]:
            names[f"ns-3, {kind}Scheduler"] = [f"{folder}/hold", f"ns3::{kind}Scheduler"]
    else:
        print("\n(ns-3 is not installed: left out)")
    sizes = [16, 1000, 100000]
    rows = {name: [name] for name in names}
    for size in sizes:
        best = {}
        for _ in range(ROUNDS):
            for name, command in names.items():
                events = 100_000 if "SimPy" in name else 400_000
                printed = float(cost([*command, str(size), str(events)])[1])
                best[name] = min(best.get(name, printed), printed)
        for name in names:
            rows[name].append(f"{best[name]:.0f}")
    table("Engines, ns an event by pending events", ["engine", *map(str, sizes)], rows.values())


def world(name, duration):
    path = os.path.join(here, "..", "worlds", f"{name}.json")
    flags = ["-q", "-j", "1", "--format", "json", "--set", f"duration={duration}"]
    # So that an access takes what its operation says, and can be counted.
    flags += ["--set", "host.costs.stlb_hit=0 cycles"]
    return [program, "run", os.path.abspath(path), *flags]


def counted(text):
    """Accesses of a run in which each takes 20 ns and nothing else does."""
    tasks = json.loads(text)["policies"][0]["per_task"]
    return sum(task["user_time_s"] for task in tasks if task["role"] == "faulter") / 20e-9


def accesses():
    """What an access costs: long runs less short ones, so that start and prefill are not counted."""
    rows = []
    tools = {
        "valgrind --tool=cachegrind": ["--tool=cachegrind", "--cache-sim=yes", "--cachegrind-out-file=/dev/null"],
        "valgrind --tool=lackey": ["--tool=lackey"],
    }
    worlds = [("tlb-hits", 16), ("stlb-hits", 1024), ("walks", 262144)]
    valgrind = has("valgrind")
    figures = {name: [name] for name in ["apfsim", *tools]}
    for name, pages in worlds:
        commands = {("apfsim", long): world(name, f"{long}ms") for long in (50, 250)}
        if valgrind:
            for tool, flags in tools.items():
                for long in (1, 6):
                    run = ["valgrind", "-q", *flags, f"{folder}/accesses", str(pages), str(long * 1_000_000)]
                    commands[tool, long] = run
        best, printed = turns(commands)
        counts = [counted(printed["apfsim", long]) for long in (50, 250)]
        ours = (best["apfsim", 250] - best["apfsim", 50]) / (counts[1] - counts[0])
        figures["apfsim"].append(f"{ours * 1e9:.1f}")
        for tool in tools if valgrind else []:
            figures[tool].append(f"{(best[tool, 6] - best[tool, 1]) * 1e9 / 5e6:.0f}")
    rows = [row for row in figures.values() if len(row) > 1]
    table("Accesses, ns each by pages", ["simulator", *(str(pages) for _, pages in worlds)], rows)


def logs():
    """`check` and what prints a log, on one file."""
    path = f"{folder}/trace.dat"
    cost([program, "run", "natapov-2010", "--policy", "apf-v7-2010", "--replications", "1", "-q", "--trace", path])
    commands = {"apfsim check": [program, "check", path, "-q"]}
    if has("trace-cmd"):
        commands["trace-cmd report"] = ["trace-cmd", "report", path]
    best, printed = turns(commands)
    rows = [[name, f"{best[name]:.2f} s"] for name in commands]
    size = f"{os.path.getsize(path) / 1e6:.0f} MB"
    lines = printed.get("trace-cmd report", "").count("\n")
    table(f"One trace.dat of {size}, {lines} lines of text", ["program", "processor time"], rows)
    if not has("perf"):
        return
    path = f"{folder}/recorded.perf.data"
    with gzip.open(recorded) as packed, open(path, "wb") as file:
        shutil.copyfileobj(packed, file)
    # It is small, and most of the time is that of starting: so many times each.
    times = 50
    again = lambda command: ["sh", "-c", f"for n in $(seq {times}); do {command}; done"]
    commands = {
        "apfsim check": again(f"{program} check {path} -q > check.txt"),
        "perf script": again(f"perf script -i {path} > script.txt 2> errors.txt"),
    }
    best, _ = turns(commands)
    rows = [[name, f"{best[name] / times * 1e3:.1f} ms"] for name in commands]
    with open(f"{folder}/script.txt") as file:
        lines = sum(1 for _ in file)
    size = f"{os.path.getsize(path) / 1e3:.0f} kB"
    table(f"One perf.data of {size}, {lines} lines of text", ["program", "processor time"], rows)


here = os.path.dirname(os.path.abspath(__file__))
recorded = os.path.join(here, "..", "..", "tests", "data", "binary", "pv-2cpu-lost.perf.data.gz")
hold_py = os.path.join(here, "hold.py")
parts = {"engines": engines, "accesses": accesses, "logs": logs}
for name in sys.argv[3:] or parts:
    parts[name]()
