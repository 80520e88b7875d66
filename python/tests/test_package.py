"""The package: what it gives is what the command line gives."""

import csv
import io
import json
import math
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import apfsim
import numpy
import pandas
import polars
import pytest

PROGRAM = os.environ.get("APFSIM")
SHORT = {"duration": "60ms"}


@pytest.fixture(scope="module")
def smoke():
    return apfsim.Scenario("smoke").set(SHORT)


@pytest.fixture(scope="module")
def compared(smoke):
    return smoke.compare()


@pytest.fixture(scope="module")
def swept(smoke):
    axes = {
        "host.swap.device.read_latency": ["50us", "5ms"],
        "guest.hz": [100, 1000],
    }
    return smoke.replace(policies=["sync", "halt", "apf-v7-2010"], replications=3).sweep(axes)


def test_a_scenario_is_changed_and_stays_what_it_was(smoke):
    plain = apfsim.Scenario("smoke")
    assert plain != smoke
    assert plain.set(SHORT) == smoke and hash(plain.set(SHORT)) == hash(smoke)
    assert smoke.set({"duration": "30ms"}).set(SHORT) == smoke
    few = smoke.replace(policies=["sync"], seed=9, replications=1)
    assert (few.policies, few.seed, few.replications) == (["sync"], 9, 1)
    assert few.set({"guest.hz": 100}).policies == ["sync"]
    assert smoke.policies[0] == "sync" and smoke.baseline == "sync"
    assert apfsim.Scenario.parse(smoke.text) == smoke
    tasks = smoke.set({"host.swap.device": {"preset": "hdd-7200"}, "host.thp": False})
    assert tasks.hash != smoke.hash


def test_a_mistake_is_answered_as_on_the_command_line(smoke):
    with pytest.raises(apfsim.Error, match="did you mean"):
        apfsim.Scenario("smokee")
    with pytest.raises(apfsim.Error, match="guest.hs"):
        smoke.set({"guest.hs": 100})
    with pytest.raises(apfsim.Error, match="there is no policy `snyc`"):
        smoke.replace(policies=["snyc"])
    with pytest.raises(apfsim.Error, match="out of range"):
        smoke.sweep({"guest.hz": [0]})
    assert issubclass(apfsim.Error, ValueError)


def test_runs_are_those_of_the_command_line(smoke, compared):
    assert compared.digest == smoke.compare(jobs=1).digest
    assert not compared.has_violation
    frame = compared.pandas()
    assert len(frame) == len(smoke.policies) * smoke.replications
    assert list(compared.polars().columns) == list(frame.columns)
    one = smoke.run("sync")
    assert len(one.pandas()) == 1 and one.digest == smoke.run("sync").digest
    assert smoke.run().pandas()["policy"].item() == smoke.policies[-1]
    assert str(compared) == compared.table()
    assert compared.to_dict()["digest"] == compared.digest
    if PROGRAM:
        command = [PROGRAM, "compare", "smoke", "--set", "duration=60ms", "-q"]
        assert subprocess.check_output(command, text=True) == compared.table()


def test_frames_have_the_rows_and_columns_of_runs_csv(tmp_path, swept):
    result = swept.run()
    files = {path.name: path for path in result.write(tmp_path)}
    with open(files["runs.csv"], newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 4 * 3 * 3
    for frame in (result.pandas().to_dict("records"), result.polars().to_dicts()):
        assert len(frame) == len(rows)
        for row, written in zip(frame, rows):
            # Metrics that no run defines come last.
            names, absent = list(row)[: len(written)], list(row)[len(written) :]
            assert names == list(written) and "work_total" in written and absent
            assert all(row[name] is None or math.isnan(row[name]) for name in absent)
            for name, text in written.items():
                value = row[name]
                if text == "":
                    assert value is None or math.isnan(value), name
                elif isinstance(value, str):
                    assert value == text, name
                else:
                    assert value == float(text) or str(value) == text, name
    frame = result.polars()
    assert frame.schema["run_seed"] == polars.UInt64
    assert frame.schema["work_total"] == polars.Float64
    assert frame.schema["policy"] == polars.String
    assert frame.schema["read_latency_s"] == polars.Float64
    assert set(frame["hz"]) == {100, 1000}
    read = pandas.read_csv(io.StringIO(files["runs.csv"].read_text()))
    pandas.testing.assert_frame_equal(read, result.pandas()[read.columns], check_dtype=False)


def test_metrics_that_no_run_defines_are_columns_without_values(smoke, compared):
    defined = apfsim.Scenario("smoke").set({"duration": "10ms"}).run("sync")
    assert set(defined.pandas().columns) == set(compared.pandas().columns)
    frame = compared.polars()
    assert frame.schema["request_latency_p99"] == polars.Float64
    assert frame["request_latency_p99"].null_count() == len(frame)
    assert compared.pandas()["request_latency_p99"].isna().all()


def test_paired_intervals_computed_from_the_frame_are_those_of_the_result(swept):
    result = swept.run()
    frame = result.pandas()
    # Student's factor for 95 % and two degrees of freedom, with the digits that printed tables have.
    factor = 4.3027
    compared = 0
    for point in result.to_dict():
        own = frame[frame["point"] == point["point"]].set_index(["policy", "replication"])
        for ratio in point["comparison"]["ratios"]:
            column = own[ratio["metric"]]
            pairs = column[ratio["policy"]] / column[ratio["baseline"]]
            pairs = pairs[pairs.notna()]
            if (pairs == 0).any():
                # Without a logarithm it is the mean of the ratios.
                assert pairs.mean() == pytest.approx(ratio["mean"], rel=1e-12)
                continue
            logs = numpy.log(pairs)
            assert math.exp(logs.mean()) == pytest.approx(ratio["mean"], rel=1e-12)
            if ratio["ci95"] is not None and len(logs) == 3:
                half = factor * logs.std(ddof=1) / math.sqrt(3)
                low, high = ratio["ci95"]
                assert low == pytest.approx(math.exp(logs.mean() - half), rel=1e-9)
                assert high == pytest.approx(math.exp(logs.mean() + half), rel=1e-9)
                compared += 1
    assert compared >= 4 * 2


def test_points_are_scenarios_of_their_own(swept):
    result = swept.run()
    assert len(swept) == 4 and swept.axes == ["read_latency", "hz"]
    digests = [one.compare().digest for one in swept.scenarios()]
    assert digests == [point["comparison"]["digest"] for point in result.to_dict()]
    assert len(set(digests)) == 4


def test_built_in_sweeps_are_loaded_by_name():
    sweep = apfsim.Sweep("device-latency", set=SHORT, policies=["sync"], replications=1)
    assert len(sweep.labels) == len(sweep) > 4
    with pytest.raises(apfsim.Error):
        apfsim.Sweep("device-latncy")
    assert "smoke" in dict(apfsim.scenarios())


def test_scenarios_go_to_other_processes(smoke):
    few = smoke.replace(policies=["sync"], replications=1)
    again = pickle.loads(pickle.dumps(few))
    assert again == few and again.policies == ["sync"]
    assert again.compare().digest == few.compare().digest


PRESET = """{ "name": "mine", "summary": "Of a test",
  "device": { "kind": "constant", "read_latency": "%s", "write_latency": "1ms" } }"""


def test_scenarios_go_to_other_processes_with_their_files(tmp_path, smoke, monkeypatch):
    here, there = tmp_path / "here", tmp_path / "there"
    for folder, latency in ((here, "100us"), (there, "9ms")):
        folder.mkdir()
        (folder / "mine.json").write_text(PRESET % latency)
    monkeypatch.chdir(here)
    device = smoke.set({"host.swap.device": "mine.json"})
    axes = {"host.swap.device": ["mine.json", "ram-disk"]}
    points = smoke.sweep(axes).scenarios()
    sent = pickle.dumps([device, *points])
    monkeypatch.chdir(there)
    again, *others = pickle.loads(sent)
    assert again == device and others == points
    assert again != smoke.set({"host.swap.device": "mine.json"})
    # What is changed here still means the files that were named there.
    assert device.set({"guest.hz": 100}) == again.set({"guest.hz": 100})
    assert pickle.loads(pickle.dumps(device)) == device


def test_a_replay_that_was_changed_is_refused_by_another_process(tmp_path, monkeypatch):
    text = apfsim.Scenario("smoke").set(SHORT).text
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    Path("addresses").write_text("1 w\n2\n")
    scenario = json.loads(text)
    scenario["workload"]["tasks"][0]["program"] = [
        {"op": "replay", "file": "addresses", "region": "array", "instruction": "1ns"}
    ]
    replay = apfsim.Scenario(scenario)
    sent = pickle.dumps(replay)
    monkeypatch.chdir(tmp_path)
    assert pickle.loads(sent) == replay
    (here / "addresses").write_text("3\n3\n4\n4 w\n")
    with pytest.raises(apfsim.Error, match="is another one here"):
        pickle.loads(sent)
    (here / "addresses").unlink()
    with pytest.raises(apfsim.Error, match="addresses"):
        pickle.loads(sent)


def test_scenarios_are_made_of_dictionaries_paths_and_numbers_of_numpy(tmp_path, smoke):
    made = json.loads(smoke.text)
    assert apfsim.Scenario(made) == smoke
    file = tmp_path / "mine.json"
    file.write_text(smoke.text)
    assert apfsim.Scenario(file) == smoke == apfsim.Scenario(str(file))
    made["guest"]["hz"] = numpy.int64(100)
    assert apfsim.Scenario(made) == smoke.set({"guest.hz": numpy.int32(100)}) == smoke.set({"guest.hz": 100})
    with pytest.raises(apfsim.Error, match="unknown field `hs`"):
        apfsim.Scenario(made | {"guest": {"hs": 1}})
    with pytest.raises(TypeError, match="not a value of type int"):
        apfsim.Scenario(3)
    with pytest.raises(TypeError, match="object"):
        smoke.set({"guest.hz": object()})
    axes = {"guest.hz": numpy.array([100, 1000])}
    assert smoke.sweep(axes).labels == smoke.sweep({"guest.hz": [100, 1000]}).labels
    assert smoke.replace(seed=numpy.uint64(9), replications=numpy.int64(1)).seed == 9


def test_sweeps_have_named_axes_and_are_read_from_text(smoke):
    axes = {
        "one: guest.hz": [100, 250],
        "two:host.swap.device.read_latency": "50us..5ms/2",
    }
    sweep = smoke.sweep(axes)
    assert sweep.axes == ["one", "two"] and sweep.labels[0] == "one 100, two 50us"
    text = """{ "format": 1, "name": "mine", "title": "Mine", "scenario": "smoke",
      "axes": [{ "field": "guest.hz", "values": [100, 250] }] }"""
    parsed = apfsim.Sweep.parse(text, set=SHORT, policies=["sync"], replications=1)
    assert parsed.labels == ["hz 100", "hz 250"]
    with pytest.raises(apfsim.Error, match="policies"):
        apfsim.Sweep("device-latency", policies=[])


def test_what_is_none_is_refused(smoke):
    with pytest.raises(apfsim.Error, match="`policies` is empty"):
        smoke.replace(policies=[])
    for jobs in (0, -2, 70000):
        with pytest.raises(apfsim.Error, match=f"jobs={jobs}"):
            smoke.compare(jobs=jobs)
    short = smoke.set({"duration": "5ms"})
    assert short.compare(jobs=-1).digest == short.compare().digest


def test_a_folder_has_the_files_of_the_command_line(tmp_path, smoke):
    short = smoke.set({"duration": "20ms"}).replace(seed=3)
    kept = tmp_path / "kept"
    result = short.compare(out=kept)
    there = {path.name for path in kept.iterdir()}
    assert {"report.html", "scenario.json", "summary.json", "series.csv", "throughput-over-time.svg"} <= there
    assert len(result.pandas("series")) > 0
    again = apfsim.Scenario(kept / "scenario.json")
    assert again.compare().digest == result.digest
    if PROGRAM:
        subprocess.check_call([PROGRAM, "report", kept, "-q"])
        command = [PROGRAM, "compare", "smoke", "--set", "duration=20ms", "--seed", "3", "-q"]
        subprocess.check_call([*command, "--out", tmp_path / "other"], stdout=subprocess.DEVNULL)
        assert there == {path.name for path in (tmp_path / "other").iterdir()}

    plain = short.compare()
    written = {path.name for path in plain.write(tmp_path / "written")}
    assert {"report.html", "scenario.json"} <= written
    left_out = {"series.csv", "throughput-over-time.svg", "throughput-over-time.png", "runs.jsonl"}
    assert there - written == left_out
    with pytest.raises(apfsim.Error, match="not followed over time\n.*`out`"):
        plain.pandas("series")
    sweep = short.replace(policies=["sync"]).sweep({"guest.hz": [100, 250]})
    swept = sweep.run(out=tmp_path / "swept")
    assert {"report.html", "scenario.json", "sweep.csv"} <= {it.name for it in (tmp_path / "swept").iterdir()}
    assert {"report.html", "scenario.json"} <= {path.name for path in swept.write(tmp_path / "again")}


def test_a_folder_of_other_results_is_refused_or_begun_anew(tmp_path, smoke):
    short = smoke.set({"duration": "20ms"}).replace(policies=["sync"], replications=1)
    one, other = short.compare(), short.replace(seed=5).compare()
    sweep = short.sweep({"guest.hz": [100, 250]}).run()
    one.write(tmp_path)
    one.write(tmp_path)
    short.compare(out=tmp_path)
    (tmp_path / "notes.txt").write_text("mine")
    for wrong in (other.write, sweep.write, lambda it: short.replace(seed=5).compare(out=it)):
        with pytest.raises(apfsim.Error, match="holds runs of"):
            wrong(tmp_path)
    written = {path.name for path in sweep.write(tmp_path, overwrite=True)}
    there = {path.name for path in tmp_path.iterdir()}
    assert there == written | {"notes.txt", "runs.jsonl"}
    short.compare(out=tmp_path, overwrite=True)
    assert not (tmp_path / "sweep.csv").exists() and (tmp_path / "notes.txt").exists()


def test_progress_is_told_and_its_exceptions_end_the_runs(tmp_path, smoke):
    told = []
    smoke.compare(progress=lambda done, total: told.append((done, total)))
    total = len(smoke.policies) * smoke.replications
    assert told == [(done, total) for done in range(total + 1)]

    class Enough(Exception):
        pass

    def stop(done, total):
        if done == 2:
            raise Enough

    with pytest.raises(Enough):
        smoke.compare(jobs=1, out=tmp_path, progress=stop)
    # What was finished is taken over.
    told.clear()
    again = smoke.compare(out=tmp_path, progress=lambda done, total: told.append(done))
    assert told[0] >= 2 and again.digest == smoke.compare().digest


def test_a_keyboard_interrupt_ends_a_run_in_the_middle():
    long = apfsim.Scenario("natapov-2010").set({"duration": "3600s"})
    begin = time.monotonic()
    timer = threading.Timer(0.5, lambda: os.kill(os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        long.run(replications=1)
    timer.join()
    assert time.monotonic() - begin < 20


def test_a_keyboard_interrupt_ends_a_run_in_which_next_to_nothing_happens():
    program = [{"op": "compute", "span": "100ns"}]
    scenario = json.loads(apfsim.Scenario("smoke").set(SHORT).text)
    scenario["workload"]["tasks"] = [
        {"name": "computes", "role": "worker", "count": 1, "program": program}
    ]
    long = apfsim.Scenario(scenario).set({"duration": "86400s"})
    timer = threading.Timer(0.5, lambda: os.kill(os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        long.run("sync")
    timer.join()


def test_the_interpreter_goes_on_while_runs_are_under_way():
    count = 0
    over = threading.Event()

    def counting():
        nonlocal count
        while not over.is_set():
            count += 1
            time.sleep(0.001)

    thread = threading.Thread(target=counting)
    thread.start()
    try:
        before = count
        # In one piece: no progress is told in between.
        apfsim.Scenario("smoke").set({"duration": "10s"}).run(jobs=1)
        during = count - before
    finally:
        over.set()
        thread.join()
    assert during > 20


@pytest.mark.skipif(PROGRAM is None, reason="APFSIM names no program")
def test_parts_that_ran_on_several_machines_are_merged(tmp_path):
    command = [PROGRAM, "sweep", "smoke", "--axis", "guest.hz=100,1000", "--set", "duration=60ms"]
    folders = [tmp_path / str(part) for part in (1, 2)]
    for part, folder in zip((1, 2), folders):
        subprocess.check_call([*command, "-q", "--shard", f"{part}/2", "--out", folder])
    try:
        merged = apfsim.merge(folders)
    except apfsim.Error as error:
        # The package and the program are two builds of the same sources.
        pytest.fail(str(error))
    axes = {"guest.hz": [100, 1000]}
    assert merged.digest == apfsim.Scenario("smoke").set(SHORT).sweep(axes).run().digest
    with pytest.raises(apfsim.Error, match="no folder of shard 2"):
        apfsim.merge(folders[:1])


def test_the_example_of_a_cluster_gives_what_one_machine_gives(tmp_path):
    example = Path(__file__).parents[1] / "examples" / "on_a_cluster.py"
    out = tmp_path / "runs.csv"
    subprocess.check_call([sys.executable, example, out])
    frame = pandas.read_csv(out)
    axes = {"host.swap.device.read_latency": ["50us", "500us", "5ms"]}
    whole = apfsim.Scenario("smoke").set({"duration": "100ms"}).sweep(axes).run().pandas()
    assert list(frame["work_total"]) == list(whole["work_total"])
    assert list(frame["policy"]) == list(whole["policy"])
