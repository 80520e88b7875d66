//! The table of docs/findings.md, each disturbance alone, against what exploring finds.

#![allow(clippy::expect_used, reason = "a test that cannot go on has failed")]

use models::apf::Defects;
use models::apf::rules::Generation;
use models::explore::{Bounds, Disturbance, Explored, Setup, explore};

/// The row of a disturbance in docs/findings.md.
fn row(disturbance: Disturbance) -> String {
    let rules = Generation::newest().rules();
    let setup = Setup::new(rules, Defects::none(), 2);
    let setup = Setup { budget: setup.budget.with(disturbance, 1), ..setup };
    let explored = explore(&setup, &Bounds::default(), None).expect("a world of sound size");
    assert_eq!(explored.limit, None, "{disturbance}");
    let mut ids: Vec<String> = explored
        .findings
        .iter()
        .map(|finding| {
            let (id, severity) = (finding.kind.id, finding.kind.severity.name());
            format!("{id} ({severity}, {} moves)", finding.trace.moves)
        })
        .collect();
    ids.dedup();
    let found = if ids.is_empty() { "nothing found".to_owned() } else { ids.join(", ") };
    let vm = explored.product.map_or("-".to_owned(), |product| product.states.to_string());
    let Explored { states, depth, .. } = explored;
    format!("| `{disturbance}` | {states} | {vm} | {depth} | {found} |")
}

fn documented() -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/findings.md");
    std::fs::read_to_string(path).expect("docs/findings.md")
}

fn hold_table(disturbances: &[Disturbance]) {
    let documented = documented();
    let rows: Vec<String> = disturbances.iter().map(|&which| row(which)).collect();
    let missing: Vec<&String> = rows.iter().filter(|row| !documented.contains(*row)).collect();
    assert!(missing.is_empty(), "docs/findings.md does not have these rows:\n{missing:#?}");
}

#[test]
fn documented_findings_of_some_disturbances() {
    use Disturbance::{EnRewrite, EnqueueFailure, OtherException, PvKick, Reset};
    hold_table(&[EnRewrite, EnqueueFailure, OtherException, PvKick, Reset]);
}

#[test]
#[ignore = "takes minutes: every disturbance alone"]
fn documented_findings_of_every_disturbance() {
    hold_table(Disturbance::ALL);
}
