//! The tables of docs/findings.md, disturbances alone and in pairs, against what exploring finds.

#![allow(clippy::expect_used, reason = "a test that cannot go on has failed")]

use std::collections::{BTreeMap, BTreeSet};

use models::apf::Defects;
use models::apf::rules::Generation;
use models::explore::{Bounds, Disturbance, Explored, Setup, explore};

/// Everything that is found under the newest rules where each of these may happen once.
fn explored(disturbances: &[Disturbance]) -> Explored {
    let setup = Setup::new(Generation::newest().rules(), Defects::none(), 2);
    let budget = disturbances.iter().fold(setup.budget, |budget, &which| budget.with(which, 1));
    let setup = Setup { budget, ..setup };
    let explored = explore(&setup, &Bounds::default(), None).expect("a world of sound size");
    assert_eq!(explored.limit, None, "{disturbances:?}");
    explored
}

/// The row of a disturbance in docs/findings.md.
fn row(disturbance: Disturbance) -> String {
    let explored = explored(&[disturbance]);
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

/// The invariants that are broken, or weak.
fn ids(disturbances: &[Disturbance]) -> BTreeSet<&'static str> {
    explored(disturbances).findings.iter().map(|finding| finding.kind.id).collect()
}

/// How the row of a pair begins in docs/findings.md: what the pair finds that neither of both finds.
fn row_of_pair(pair: [Disturbance; 2], alone: &BTreeMap<Disturbance, BTreeSet<&str>>) -> String {
    let [mut one, mut other] = pair;
    if one.name() > other.name() {
        (one, other) = (other, one);
    }
    let both = ids(&pair);
    let new: Vec<&str> =
        both.into_iter().filter(|id| pair.iter().all(|which| !alone[which].contains(id))).collect();
    match new.is_empty() {
        true => String::new(),
        false => format!("| `{one}`, `{other}` | {} |", new.join(" ")),
    }
}

/// Pairs of these disturbances with these others.
fn hold_pairs(ones: &[Disturbance], others: &[Disturbance]) -> usize {
    let all: BTreeSet<Disturbance> = ones.iter().chain(others).copied().collect();
    let alone: BTreeMap<_, _> = all.into_iter().map(|which| (which, ids(&[which]))).collect();
    let documented = documented();
    let rows = documented.lines().filter(|line| line.starts_with("| `") && line.contains("`, `"));
    let mut left: BTreeSet<&str> = rows.collect();
    let (mut missing, mut pairs) = (Vec::new(), 0);
    for (at, &one) in ones.iter().enumerate() {
        for &other in others.iter().skip(if std::ptr::eq(ones, others) { at + 1 } else { 0 }) {
            pairs += 1;
            let row = row_of_pair([one, other], &alone);
            if row.is_empty() {
                continue;
            }
            match left.iter().find(|line| line.starts_with(&row)).copied() {
                Some(found) => drop(left.remove(found)),
                None => {
                    eprintln!("{row}");
                    missing.push(row);
                }
            }
        }
    }
    assert!(missing.is_empty(), "docs/findings.md does not have these rows:\n{missing:#?}");
    if std::ptr::eq(ones, others) {
        assert!(left.is_empty(), "docs/findings.md has rows that are found no more:\n{left:#?}");
    }
    pairs
}

#[test]
fn documented_findings_of_some_pairs() {
    use Disturbance::{AllocFailure, EnqueueFailure, LapicOff, Migration, PvKick, ReadError};
    hold_pairs(&[LapicOff], &[Migration, PvKick]);
    hold_pairs(&[AllocFailure, EnqueueFailure], &[ReadError]);
}

#[test]
#[ignore = "takes half an hour: every pair of disturbances"]
fn documented_findings_of_every_pair() {
    let pairs = hold_pairs(Disturbance::ALL, Disturbance::ALL);
    let documented = documented();
    assert!(documented.contains(&format!("all {pairs} pairs")), "{pairs} pairs");
}
