//! The figures of `docs/predictions.md`, by shorter runs of the same scenarios: a helper that touches less makes no
//! other ratio.

use scenarios::scenario::library;
use scenarios::{Comparison, RunOptions, Scenario, run_comparison};

const PAGE: &str = include_str!("../../../docs/predictions.md");

/// The rows of the table under a heading, cell by cell.
fn rows(heading: &str) -> Vec<Vec<String>> {
    let below = PAGE.split(heading).nth(1).expect("the heading is there");
    let table = below.lines().skip_while(|line| !line.starts_with('|'));
    let table = table.take_while(|line| line.starts_with('|')).skip(2);
    let cell = |cell: &str| cell.trim().trim_matches('`').to_owned();
    table.map(|line| line.trim_matches('|').split('|').map(cell).collect()).collect()
}

fn quick(changes: &[(&str, &str)]) -> Comparison {
    let mut text = library::find("vmm-answered").expect("built in").text.to_owned();
    for (from, to) in [("\"passes\": 32768", "\"passes\": 8192"), ("== 32768", "== 8192")] {
        text = text.replace(from, to);
    }
    for (from, to) in changes {
        assert!(text.contains(from), "{from}");
        text = text.replace(from, to);
    }
    let scenario =
        Scenario::from_str("vmm-answered", &text.replace("\"3s\"", "\"700ms\"")).expect("valid");
    run_comparison(&scenario, &RunOptions::default(), &|_| {}).expect("it runs")
}

/// How long the helper takes, to `sync`.
fn ratio(comparison: &Comparison, policy: &str) -> f64 {
    let of = |name: &str| {
        let policy =
            comparison.policies.iter().find(|policy| policy.policy == name).expect("it is there");
        let metrics = policy.metrics.iter();
        metrics.clone().find(|metric| metric.name == "completion_time").expect("it ends").mean
    };
    of(policy) / of("sync")
}

#[track_caller]
fn holds(told: &str, found: f64, what: &str) {
    let told: f64 = told.parse().expect("a ratio");
    assert!((found / told - 1.0).abs() < 0.01, "{what}: {found:.3}, and the page says {told}");
}

#[test]
fn the_helper_takes_as_long_as_predicted() {
    let four = quick(&[]);
    let one = quick(&[("\"vcpus\": 4", "\"vcpus\": 1"), ("\"count\": 3", "\"count\": 1")]);
    for row in rows("### Time to touch 128 MiB") {
        holds(&row[2], ratio(&four, &row[0]), &row[0]);
        if row[0] != "apf-v6.15" {
            holds(&row[5], ratio(&one, &row[0]), &row[0]);
        }
    }
}

#[test]
fn they_hang_on_what_the_page_says() {
    for (change, set) in [
        (
            "`vmm_signal`, `vmm_tell` to a third",
            r#""vmm_signal": "533 cycles", "vmm_tell": "800 cycles""#,
        ),
        ("pages filled by a copy, 3.33 us", r#""vmm_copy": "3.33us""#),
        ("threads wake at once (`host_wake_latency` 0)", r#""host_wake_latency": "0ns""#),
    ] {
        let costs =
            format!("\"kernel\": \"linux-6.12\", \"costs\": {{ {set} }}\n  }},\n  \"guest\"");
        let changed = quick(&[("\"kernel\": \"linux-6.12\"\n  },\n  \"guest\"", &costs)]);
        let row = rows("### What they hang on")
            .into_iter()
            .find(|row| row[0] == change.trim_matches('`'));
        let row = row.expect("the row is there");
        for (cell, policy) in
            row[1..].iter().zip(["sync-user-exit", "apf-user-exit", "apf-user-exitless"])
        {
            holds(cell, ratio(&changed, policy), change);
        }
    }
}
