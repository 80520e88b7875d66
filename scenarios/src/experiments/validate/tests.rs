//! Files of experiments: what is built in, and what is refused.

use super::*;
use crate::syntax::error::ScenarioError;

#[test]
fn every_file_of_the_folder_is_built_in_and_valid() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/validation");
    let files = std::fs::read_dir(folder).expect("the folder is part of the crate");
    let mut names: Vec<String> = files
        .map(|file| file.expect("readable").path())
        .map(|path| path.file_stem().expect("named").to_string_lossy().into_owned())
        .collect();
    names.sort();
    let mut built_in: Vec<&str> = library::all().iter().map(|entry| entry.name).collect();
    built_in.sort_unstable();
    assert_eq!(names, built_in);
    for entry in library::all() {
        let experiment = Experiment::load(entry.name);
        let experiment = experiment.unwrap_or_else(|error| panic!("{}", error.render()));
        assert_eq!(experiment.name, entry.name);
        assert_eq!(experiment.title, entry.title);
        assert!(entry.text.starts_with("// "), "{} says nothing of itself", entry.name);
    }
}

/// One setup, and a row that is measured in it.
fn text(change: impl Fn(&str) -> String) -> String {
    change(
        r#"{ "format": 1, "name": "x", "title": "t", "sources": ["s"],
  "parameters": [{ "what": "w", "value": "1", "basis": "given" }],
  "setups": [{ "name": "a", "scenario": "smoke", "set": { "duration": "20ms" } }],
  "rows": [{ "label": "r", "published": 1, "measure": "work_total@a/halt / work_total@a/sync" }] }"#,
    )
}

fn refused(from: &str, to: &str) -> String {
    let with = text(|it| {
        assert!(it.contains(from), "{from}");
        it.replace(from, to)
    });
    match Experiment::from_str("f", &with) {
        Err(ScenarioError::Invalid(diagnostic)) => {
            format!("{}: {}", diagnostic.field, diagnostic.message)
        }
        other => panic!("{from} -> {to}: {other:?}"),
    }
}

#[test]
fn mistakes_are_told_at_their_places() {
    for (from, to, told) in [
        (r#""sources": ["s"]"#, r#""sources": []"#, "sources: there is no source"),
        (r#""basis": "given""#, r#""basis": "calibrated""#, "parameters[0]: this parameter"),
        (
            r#""basis": "given""#,
            r#""basis": "calibrated", "row": "r""#,
            "parameters[0].row: there is no row `r` with role",
        ),
        (r#""basis": "given""#, r#""basis": "assumption""#, "parameters[0]: this parameter"),
        (r#""scenario": "smoke""#, r#""scenario": "smok""#, "setups[0].scenario: there is no"),
        (r#""scenario": "smoke""#, r#""scenario": 1"#, "setups[0].scenario: "),
        (r#"{ "duration": "20ms" }"#, r#"{ "durtion": "20ms" }"#, "setups[0].set.durtion: "),
        (r#"{ "duration": "20ms" }"#, r#"{ "duration": "0s" }"#, "setups[0].set.duration: "),
        ("work_total@a/halt", "work_total@b/halt", "rows[0].measure: there is no setup `b`"),
        (r#""published": 1,"#, "", "rows[0]: this row has no number"),
        (r#""published": 1,"#, r#""published": 1, "tolerance": 30,"#, "rows[0].tolerance: 30"),
        (r#""label": "r","#, "", "rows[0]: this row has no label"),
        (
            r#""label": "r", "published": 1, "measure": "work_total@a/halt / work_total@a/sync""#,
            r#""published_of": "a""#,
            "rows[0]: the scenario of `a` has no such published value",
        ),
        (
            r#""sources""#,
            r#""not_modelled": "no", "sources""#,
            "not_modelled: an experiment with setups is run",
        ),
    ] {
        let message = refused(from, to);
        assert!(message.starts_with(told), "{from} -> {to}\n  {message}\n  {told}");
    }
}

#[test]
fn setups_are_made_of_scenarios_in_place_and_of_earlier_ones() {
    let smoke = crate::scenario::library::find("smoke").expect("built in").text;
    let with = text(|it| {
        let it = it.replace(r#""scenario": "smoke""#, &format!("\"scenario\": {smoke}"));
        it.replace(
            r#"{ "duration": "20ms" } }]"#,
            r#"{ "duration": "20ms" } }, { "name": "b", "scenario": "a", "set": { "seed": 7 } }]"#,
        )
    });
    let experiment = Experiment::from_str("f", &with);
    let experiment = experiment.unwrap_or_else(|error| panic!("{}", error.render()));
    let [a, b] = experiment.setups.as_slice() else { panic!("{experiment:?}") };
    assert_eq!(a.scenario.duration, b.scenario.duration);
    assert_eq!(b.scenario.seed, 7);
}

#[test]
fn results_do_not_depend_on_jobs() {
    use crate::run::runner::RunOptions;
    let run = |jobs| {
        let experiment = Experiment::from_str("f", &text(str::to_owned));
        let experiment = experiment.unwrap_or_else(|error| panic!("{}", error.render()));
        let options = RunOptions { jobs, ..RunOptions::default() };
        run_experiments(vec![experiment], &options, &|_| {})
            .unwrap_or_else(|error| panic!("{error}"))
    };
    let (one, two) = (run(1), run(2));
    assert_eq!(one, two);
    assert!(one[0].rows[0].simulated.is_some_and(|ratio| ratio > 0.5));
}
