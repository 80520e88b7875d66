//! `apfsim metrics` and its page.

use models::trace::metrics::{METRICS, MetricKind};

use crate::kit::program;

#[test]
fn the_page_is_current() {
    let page = include_str!("../../../docs/metrics.md");
    for MetricKind { name, unit, better, label, meaning, .. } in METRICS {
        let (unit, better) = (unit.word(), better.word());
        let row = format!("| `{name}` | {unit} | {better} | {label} | {meaning} |\n");
        assert!(page.contains(&row), "docs/metrics.md lacks this row:\n{row}");
    }
    assert_eq!(page.matches("\n| `").count(), METRICS.len());
}

#[test]
fn all_are_listed_for_people_and_programs() {
    let output = program().arg("metrics").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.lines().all(|line| line.chars().count() <= 78), "{text}");
    let firsts = text.lines().filter(|line| !line.starts_with(' '));
    let firsts = firsts.filter_map(|line| line.split_whitespace().next());
    let names = METRICS.iter().map(|kind| kind.name);
    assert!(firsts.eq(names.clone()), "{text}");

    let output = program().args(["metrics", "--format", "json"]).output().unwrap();
    let list: Vec<serde_json::Value> = serde_json::from_slice(&output.stdout).unwrap();
    assert!(list.iter().map(|line| line["name"].as_str().unwrap()).eq(names));
    assert_eq!(list[0]["better"], "more");
}
