//! What sweeps expand to, and what is said of wrong ones.

use std::fs;

use sim_core::SimDuration;

use super::*;
use crate::run::runner::RunOptions;
use crate::scenario::library;
use crate::scenario::resolve::ScenarioOverrides;

const GRID: &str = r#"{
  "format": 1,
  "name": "grid",
  "title": "A grid",
  "scenario": "smoke", // built in
  "set": { "duration": "60ms", "replications": 2 },
  "axes": [
    { "name": "latency", "fields": ["host.swap.device.read_latency", "host.swap.device.write_latency"],
      "from": "20us", "to": "2ms", "steps": 3 },
    { "field": "guest.hz", "values": [100, 1000] }
  ],
  "laws": { "compute": "200us" }
}"#;

const CHANGES: &str = r#"{
  "format": 1,
  "name": "changes",
  "title": "One at a time",
  "scenario": "smoke",
  "set": { "duration": "60ms" },
  "variations": [
    { "name": "slow guest clock", "set": { "guest.hz": 100 } },
    { "name": "other seed", "set": { "seed": 7 } },
    { "name": "NVMe", "set": { "host.swap.device": "nvme-tlc-gen3" } }
  ]
}"#;

fn read(text: &str) -> Result<Sweep, ScenarioError> {
    Sweep::from_str("s.json", text, &SweepOverrides::default())
}

fn valid(text: &str) -> Sweep {
    read(text).unwrap_or_else(|error| panic!("{}", error.render()))
}

#[test]
fn a_grid_has_every_combination_in_order() {
    let sweep = valid(GRID);
    let labels: Vec<_> = sweep.points.iter().map(|point| point.label.as_str()).collect();
    assert_eq!(
        labels,
        [
            "latency 20us, hz 100",
            "latency 20us, hz 1000",
            "latency 200us, hz 100",
            "latency 200us, hz 1000",
            "latency 2ms, hz 100",
            "latency 2ms, hz 1000",
        ]
    );
    assert_eq!(sweep.points[3].values, [1, 1]);
    assert_eq!(
        sweep.points[3].changes,
        [
            ("host.swap.device.read_latency", "\"200us\""),
            ("host.swap.device.write_latency", "\"200us\""),
            ("guest.hz", "1000"),
        ]
        .map(|(path, value)| (path.to_owned(), value.to_owned()))
    );
    assert_eq!(sweep.axes[0].kind, AxisKind::Time(vec![20e-6, 200e-6, 2e-3]));
    assert_eq!(sweep.axes[1].kind, AxisKind::Number(vec![100.0, 1000.0]));
    assert_eq!(sweep.laws, Some(Laws { compute: SimDuration::from_us(200) }));
    for (number, point) in (0..).zip(&sweep.points) {
        assert_eq!(point.number, number);
        assert_eq!(point.scenario.duration, SimDuration::from_ms(60));
        // What a point says of itself is a scenario by itself.
        let alone = crate::scenario::resolve::Scenario::from_str("point", &point.scenario.text)
            .expect("valid");
        assert_eq!(alone.hash(), point.scenario.hash());
    }
    let ticks: Vec<_> = sweep.points.iter().map(|p| p.scenario.machine.guest.tick).collect();
    assert_eq!(ticks[0], SimDuration::from_ms(10));
    assert_eq!(ticks[1], SimDuration::from_ms(1));
}

#[test]
fn variations_follow_the_unchanged_scenario() {
    let sweep = valid(CHANGES);
    let labels: Vec<_> = sweep.points.iter().map(|point| point.label.as_str()).collect();
    assert_eq!(labels, ["none", "slow guest clock", "other seed", "NVMe"]);
    assert!(sweep.axes.is_empty() && sweep.points[0].changes.is_empty());
    let seeds: Vec<_> = sweep.points.iter().map(|point| point.scenario.seed).collect();
    assert_eq!(seeds, [1, 1, 7, 1]);
    let mut hashes: Vec<_> = sweep.points.iter().map(|point| point.scenario.hash()).collect();
    hashes.dedup();
    // Base and clock differ; the seed is no part of the hash.
    assert_eq!(hashes.len(), 4);
    assert_eq!(hashes[0], hashes[2]);
}

#[test]
fn a_command_line_gives_way_to_a_point() {
    let overrides = SweepOverrides {
        set: vec!["host.cpus=5".into()],
        scenario: ScenarioOverrides {
            policies: vec!["halt".into()],
            seed: Some(99),
            replications: Some(3),
        },
        ..SweepOverrides::default()
    };
    let sweep = Sweep::from_str("s.json", CHANGES, &overrides).expect("valid");
    let seeds: Vec<_> = sweep.points.iter().map(|point| point.scenario.seed).collect();
    assert_eq!(seeds, [99, 99, 7, 99]);
    for point in &sweep.points {
        assert_eq!(point.scenario.replications, 3);
        assert_eq!(point.scenario.machine.host.cpus, 5);
        assert_eq!(point.scenario.baseline, "halt");
    }
}

#[test]
fn metrics_of_the_table_are_named() {
    let with = |list: &str| CHANGES.replacen('{', &format!("{{ \"metrics\": [{list}],"), 1);
    let none = SweepOverrides::default();
    let sweep = Sweep::from_str("s.json", &with("\"exits\", \"work_total\""), &none);
    assert_eq!(sweep.expect("valid").metrics, ["exits", "work_total"]);
    let typed = SweepOverrides { metrics: vec!["events".into()], ..SweepOverrides::default() };
    let sweep = Sweep::from_str("s.json", &with("\"exits\""), &typed);
    assert_eq!(sweep.expect("valid").metrics, ["events"]);
    let told = |text: &str, overrides: &SweepOverrides| {
        Sweep::from_str("s.json", text, overrides).map(|_| ()).expect_err("refused").to_string()
    };
    let error = told(&with("\"exit\""), &none);
    assert!(error.contains("in `metrics[0]`: there is no metric `exit`"), "{error}");
    assert!(error.contains("did you mean `exits`?"), "{error}");
    assert!(told(&with("\"exits\", \"exits\""), &none).contains("exits"));
    let typed = SweepOverrides { metrics: vec!["even".into()], ..SweepOverrides::default() };
    let error = told(CHANGES, &typed);
    assert!(error.contains("there is no metric `even`"), "{error}");
}

fn typed(axes: &[&str], set: &[&str]) -> Result<Sweep, ScenarioError> {
    let texts = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    let overrides =
        SweepOverrides { axes: texts(axes), set: texts(set), ..SweepOverrides::default() };
    Sweep::load("smoke", &overrides)
}

#[test]
fn typed_axes_can_be_named() {
    let reads = "reads:host.swap.device.read_latency,host.swap.device.write_latency=50us,5ms";
    let named = typed(&[reads, "my hz: guest.hz=100,250"], &[]).expect("valid");
    let names: Vec<&str> = named.axes.iter().map(|axis| axis.name.as_str()).collect();
    assert_eq!(names, ["reads", "my hz"]);
    assert_eq!(named.axes[0].fields.len(), 2);
    assert_eq!(named.points[3].label, "reads 5ms, my hz 250");
    // What stands before a colon is no name unless it is plain, and there is none before the first.
    for wrong in [":guest.hz=100", "guest.hz:guest.hz=100"] {
        assert!(typed(&[wrong], &[]).is_err(), "{wrong}");
    }
}

#[test]
fn axes_can_be_typed() {
    let axes = [
        "host.swap.device.read_latency,host.swap.device.write_latency=20us..2ms/3,5ms",
        "host.cpus=1..3/3 linear",
    ];
    let sweep = typed(&axes, &["duration=60ms"]).expect("valid");
    assert_eq!(sweep.axes[0].values, ["20us", "200us", "2ms", "5ms"]);
    assert_eq!(sweep.axes[1].values, ["1", "2", "3"]);
    assert_eq!(sweep.points.len(), 12);
    let device = r#"host.swap.device="nvme-tlc-gen3",{"kind": "constant", "read_latency": "1ms", "write_latency": "1ms"}"#;
    let sweep = typed(&[device, "guest.send_always=true,false"], &[]).expect("valid");
    assert_eq!(sweep.axes[0].values.len(), 2);
    assert_eq!(sweep.axes[0].kind, AxisKind::Other);
    assert_eq!(sweep.axes[1].values, ["true", "false"]);
}

#[track_caller]
fn told(result: Result<Sweep, ScenarioError>, expect: &str) {
    let error = result.expect_err("refused").render();
    assert!(error.contains(expect), "no `{expect}` in:\n{error}");
}

#[test]
fn what_is_typed_wrong_is_told_with_its_place() {
    told(typed(&[], &[]), "`smoke` is a scenario: nothing is varied");
    told(typed(&["host.cpus"], &[]), "--axis:1:1: there is no `=` in it");
    told(typed(&["host.cpsu=1,2"], &[]), "--axis:1:1: `host.cpsu` is no field of a scenario");
    told(
        typed(&["host.cpus=1,0"], &[]),
        "--axis:1:13: point 1 (cpus 0), `host.cpus`: 0 is out of range",
    );
    told(typed(&["host.cpus=1,,2"], &[]), "--axis:1:13: there is no value here");
    told(typed(&["host.cpus=3..1/3"], &[]), "the range does not rise");
    told(typed(&["host.swap.device={\"kind\": }"], &[]), "--axis:1:18: not valid JSON");
    told(
        typed(&["host.cpus=1"], &["duraton=5s"]),
        "--set:1:1: `duraton` is no field of a scenario",
    );
    told(typed(&["host.cpus=1"], &["duration=5"]), "`duration`: expected a time");
}

/// Applies one edit to a valid sweep and compares the first line of what is said of it.
#[track_caller]
fn edited(text: &str, from: &str, to: &str, expect: &str) {
    assert_eq!(text.matches(from).count(), 1, "`{from}` is not a place");
    let error = read(&text.replace(from, to)).expect_err("refused").to_string();
    assert_eq!(error.lines().next(), Some(expect));
}

#[test]
fn what_is_wrong_with_a_file_is_told_with_its_place() {
    edited(GRID, "\"axes\"", "\"axis\"", "s.json:7:3: in `axis`: unknown field `axis`");
    edited(
        GRID,
        "[100, 1000]",
        "[100, 0]",
        "s.json:10:44: in `axes[1].values[1]`: point 1 (latency 20us, hz 0), `guest.hz`: 0 is out of range",
    );
    edited(
        GRID,
        "\"guest.hz\"",
        "\"guest.hertz\"",
        "s.json:10:16: in `axes[1].field`: `guest.hertz` is no field of a scenario: `guest` has no `hertz`",
    );
    edited(GRID, "\"20us\"", "\"20s\"", "s.json:9:28: in `axes[0].to`: the range does not rise");
    edited(
        GRID,
        "\"60ms\"",
        "60",
        "s.json:6:24: in `set.duration`: every point, `duration`: expected a time with its unit, such as \"60s\", found the number 60",
    );
    edited(
        GRID,
        "\"smoke\"",
        "\"smoek\"",
        "s.json:5:15: in `scenario`: there is no scenario file `smoek` and no built-in one",
    );
    edited(
        GRID,
        "\"steps\": 3",
        "\"steps\": 1",
        "s.json:9:45: in `axes[0].steps`: 1 steps are out of range",
    );
    edited(
        GRID,
        "\"values\": [100, 1000]",
        "\"values\": [100, 100]",
        "s.json:10:44: in `axes[1].values[1]`: the value `100` is given twice",
    );
    edited(
        CHANGES,
        "\"guest.hz\": 100",
        "\"guest..hz\": 100",
        "s.json:8:44: in `variations[0].set.guest..hz`: `guest..hz` is not a path of fields",
    );
    edited(
        CHANGES,
        "\"other seed\"",
        "\"NVMe\"",
        "s.json:10:15: in `variations[2].name`: the name `NVMe` is given twice",
    );
}

#[test]
fn equal_values_are_refused_however_they_are_written() {
    for (axis, expect) in [
        ("guest.hz=100,1000,100", "--axis:1:19: the value `100` is given twice"),
        ("guest.hz=100,1e2", "--axis:1:14: the value `1e2` is the same as `100`"),
        ("duration=1s,40ms,1000ms", "the value `1000ms` is the same as `1s`"),
        ("host.memory_limit=24MiB,24576KiB", "the value `24576KiB` is the same as `24MiB`"),
        ("host.cpus=1..3/3 linear,2", "the value `2` is given twice"),
        ("guest.send_always=true,true", "the value `true` is given twice"),
        // One and the same machine, in other words.
        (
            "host.swap.device=nvme-tlc-gen3,{\"preset\": \"nvme-tlc-gen3\"}",
            "is the same as `nvme-tlc-gen3`",
        ),
    ] {
        told(typed(&[axis], &[]), expect);
    }
    // A seed of its own makes another experiment.
    typed(&["seed=1,2"], &[]).expect("valid");
}

#[test]
fn names_and_fields_that_collide_are_refused() {
    let hz = "guest.hz=100,1000";
    for (axes, set, expect) in [
        (&[hz, "guest.hz=250"][..], &[][..], "--axis:1:1: another axis is named `hz` already"),
        (
            &["workload.tasks[0].count=1,2", "workload.tasks[1].count=1,2"],
            &[],
            "another axis is named `count` already",
        ),
        (&["host.cpus,host.cpus=1,2"], &[], "--axis:1:11: this replaces the value of `host.cpus`"),
        (
            &["host.swap.device.read_latency=1ms", "host.swap.device=nvme-tlc-gen3"],
            &[],
            "--axis:1:1: this replaces the value of `host.swap.device.read_latency`",
        ),
        (&[hz], &["guest.hz=250"], "--set:1:1: `guest.hz` has no effect: the axis over `guest.hz`"),
        (
            &[hz],
            &["host.cpus=2", "host.cpus=3"],
            "--set:1:1: this replaces the value of `host.cpus`",
        ),
    ] {
        told(typed(axes, set), expect);
    }
    // The same element by number and by name.
    let axis = "workload.tasks[0].count,workload.tasks[faulter].count=1,2";
    told(typed(&[axis], &[]), "this replaces the value of `workload.tasks[0].count`");
    // An object before its own fields is no collision.
    typed(&["host.swap.device=nvme-tlc-gen3,hdd-7200", "host.swap.device.channels=1,2"], &[])
        .map(|_| ())
        .unwrap_or_else(|error| assert!(!error.to_string().contains("replaces"), "{error}"));
    let named = |name: &str| {
        GRID.replace(
            "\"field\": \"guest.hz\"",
            &format!("\"name\": \"{name}\", \"field\": \"guest.hz\""),
        )
    };
    told(read(&named("latency")), "another axis is named `latency` already");
    for name in
        ["policy", "point", "run_seed", "work_ratio", "exits", "exits_mean", "work_total_stderr"]
    {
        told(read(&named(name)), "results have such a column");
    }
    let twice = CHANGES.replace(
        "{ \"guest.hz\": 100 }",
        "{ \"workload.tasks[0].count\": 1, \"workload.tasks[faulter].count\": 2 }",
    );
    told(read(&twice), "this replaces the value of `workload.tasks[0].count`");
}

#[test]
fn what_does_not_go_together_is_told_of_the_scenario_and_the_point() {
    let error = typed(&["guest.memory=64MiB,16MiB"], &[]).expect_err("refused").to_string();
    assert!(error.starts_with("smoke:"), "{error}");
    assert!(error.contains("point 1 (memory 16MiB): "), "{error}");
}

#[test]
fn scenarios_are_looked_for_beside_the_sweep() {
    let folder = tempfile::tempdir().expect("a directory");
    let smoke = library::find("smoke").expect("built in").text;
    fs::write(folder.path().join("mine.json"), smoke.replace("\"cpus\": 6", "\"cpus\": 5"))
        .expect("written");
    let path = folder.path().join("sweep.json");
    fs::write(&path, GRID.replace("\"smoke\"", "\"mine.json\"")).expect("written");
    let path = path.to_str().expect("text");
    let sweep = Sweep::load(path, &SweepOverrides::default()).expect("valid");
    assert_eq!(sweep.points[0].scenario.machine.host.cpus, 5);
}

#[test]
fn built_in_sweeps_are_valid() {
    for entry in library::sweeps() {
        let sweep = Sweep::load(entry.name, &SweepOverrides::default());
        let sweep = sweep.unwrap_or_else(|error| panic!("{}", error.render()));
        assert_eq!((sweep.name.as_str(), sweep.title.as_str()), (entry.name, entry.title.as_str()));
    }
}

fn run(sweep: &Sweep, jobs: usize, out: Option<&std::path::Path>) -> SweepResult {
    let options = RunOptions { jobs, out: out.map(Into::into), ..RunOptions::default() };
    run_sweep(sweep, &options, &|_| {}).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn sweeps_are_the_same_on_any_number_of_threads_and_point_by_point() {
    let sweep = valid(GRID);
    let one = run(&sweep, 1, None);
    assert_eq!(one, run(&sweep, 2, None));
    assert_eq!(one, run(&sweep, 5, None));
    for (point, result) in sweep.points.iter().zip(&one.points) {
        let options = RunOptions::default();
        let mut alone = crate::run::runner::run_comparison(&point.scenario, &options, &|_| {})
            .expect("it runs");
        for policy in &mut alone.policies {
            policy.latency = sim_core::Histogram::new();
        }
        assert_eq!(alone, result.comparison);
    }
}

#[test]
fn an_interrupted_sweep_goes_on_where_it_stopped() {
    let sweep = valid(CHANGES);
    let folder = tempfile::tempdir().expect("a directory");
    let whole = run(&sweep, 2, Some(folder.path()));
    assert_eq!(whole, run(&sweep, 1, None));
    let path = folder.path().join(crate::run::folder::RUNS_FILE);
    let text = fs::read_to_string(&path).expect("written");
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    assert_eq!(lines.len(), 1 + 4 * 4 * 2);
    for kept in [0, 1, 2, 11, 32, 33] {
        let cut = format!("{}{}", lines[..kept].concat(), &lines.get(kept).map_or("", |l| &l[..9]));
        fs::write(&path, cut).expect("written");
        assert_eq!(run(&sweep, 2, Some(folder.path())), whole, "{kept} lines kept");
    }
    let other = valid(&CHANGES.replace("\"guest.hz\": 100", "\"guest.hz\": 200"));
    let options = RunOptions { out: Some(folder.path().into()), ..RunOptions::default() };
    let error = run_sweep(&other, &options, &|_| {}).expect_err("refused");
    assert!(matches!(error, crate::run::error::RunnerError::OtherRuns { .. }), "{error}");
}

#[test]
fn a_folder_belongs_to_one_process_at_a_time() {
    let sweep = valid(CHANGES);
    let folder = tempfile::tempdir().expect("a directory");
    run(&sweep, 2, Some(folder.path()));
    let file =
        fs::File::open(folder.path().join(crate::run::folder::RUNS_FILE)).expect("it is there");
    file.lock().expect("nobody else has it");
    let options = RunOptions { out: Some(folder.path().into()), ..RunOptions::default() };
    let error = run_sweep(&sweep, &options, &|_| {}).expect_err("refused");
    assert!(matches!(error, crate::run::error::RunnerError::InUse { .. }), "{error}");
    drop(file);
    run(&sweep, 2, Some(folder.path()));
}

#[test]
fn crossings_lie_between_points() {
    let sweep =
        valid(&GRID.replace(",\n    { \"field\": \"guest.hz\", \"values\": [100, 1000] }", ""));
    let mut result = run(&sweep, 2, None);
    assert_eq!(result.points.len(), 3);
    // Baseline 1, policy 1/10, 10, 10: even in the middle of the first two.
    for (point, value) in result.points.iter_mut().zip([0.1, 10.0, 10.0]) {
        for policy in &mut point.comparison.policies {
            let value = if policy.policy == "sync" { 1.0 } else { value };
            policy.metrics.iter_mut().for_each(|metric| metric.mean = value);
        }
    }
    let found = result.crossings("major_faults", "halt");
    assert_eq!(found.len(), 1);
    assert!((found[0] / (20e-6_f64 * 200e-6).sqrt() - 1.0).abs() < 1e-9, "{found:?}");
    assert!(result.crossings("major_faults", "sync").is_empty());
    assert!(result.crossings("nothing", "halt").is_empty());
}
