//! The tables of docs/findings.md, disturbances alone and in pairs, against what exploring finds.

use std::collections::{BTreeMap, BTreeSet};

use models::apf::Defects;
use models::apf::rules::Generation;
use models::base::invariant::InvariantId;
use models::explore::{Bounds, Disturbance, Explored, Setup, explore};

/// Everything that is found under the newest rules where each of these may happen once.
fn explored(vcpus: u16, disturbances: &[Disturbance]) -> Explored {
    let setup = Setup::new(Generation::newest().rules(), Defects::none(), 2);
    let budget = disturbances.iter().fold(setup.budget, |budget, &which| budget.with(which, 1));
    let setup = Setup { vcpus, budget, ..setup };
    let explored = explore(&setup, &Bounds::default(), None).expect("a world of sound size");
    assert_eq!(explored.limit, None, "{disturbances:?}");
    explored
}

/// The row of a disturbance in docs/findings.md.
fn row(disturbance: Disturbance) -> String {
    let explored = explored(2, &[disturbance]);
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
    use Disturbance::{EnRewrite, EnqueueFailure, OtherException, PrivateMemory, PvKick, Reset};
    hold_table(&[EnRewrite, EnqueueFailure, OtherException, PrivateMemory, PvKick, Reset]);
}

#[test]
#[ignore = "minutes, every disturbance alone: cargo test --release -p models --test it explore::findings -- --ignored"]
fn documented_findings_of_every_disturbance() {
    hold_table(&of_kernels());
}

/// The invariants that are broken, or weak, in the world of one vCPU; of two where one vCPU of the
/// guest is left out.
fn ids(disturbances: &[Disturbance]) -> BTreeSet<InvariantId> {
    let vcpus = if disturbances.contains(&Disturbance::MigrationOneEnabled) { 2 } else { 1 };
    explored(vcpus, disturbances).findings.iter().map(|finding| finding.kind.id).collect()
}

/// A pair of names in the order of the table.
fn named([one, other]: [Disturbance; 2]) -> String {
    let (first, second) = (one.name().min(other.name()), one.name().max(other.name()));
    format!("`{first}`, `{second}`")
}

/// How the row of a pair begins in docs/findings.md, if the pair finds what neither of both finds.
fn row_of_pair(pair: [Disturbance; 2], alone: &[BTreeSet<InvariantId>; 2]) -> Option<String> {
    let both = ids(&pair);
    let new = both.into_iter().filter(|id| alone.iter().all(|one| !one.contains(id)));
    let new: Vec<String> = new.map(|id| id.to_string()).collect();
    (!new.is_empty()).then(|| format!("| {} | {} |", named(pair), new.join(" ")))
}

/// Holds the table of pairs against what these find.
fn hold_pairs(pairs: &[[Disturbance; 2]]) {
    let documented = documented();
    let mut alone: BTreeMap<Disturbance, BTreeSet<InvariantId>> = BTreeMap::new();
    let mut wrong = Vec::new();
    for &pair in pairs {
        let each = pair.map(|which| alone.entry(which).or_insert_with(|| ids(&[which])).clone());
        let begins = format!("| {} |", named(pair));
        let there = documented.lines().find(|line| line.starts_with(&begins));
        let found = row_of_pair(pair, &each);
        let as_documented = match (&found, there) {
            (None, None) => true,
            (Some(row), Some(line)) => line.starts_with(row),
            _ => false,
        };
        if !as_documented {
            wrong.push(found.unwrap_or_else(|| format!("{begins} nothing new |")));
        }
    }
    assert!(wrong.is_empty(), "docs/findings.md does not say so of these pairs:\n{wrong:#?}");
}

/// The disturbances that need no VMM which answers faults.
fn of_kernels() -> Vec<Disturbance> {
    Disturbance::ALL.iter().copied().filter(|which| !which.needs_vmm()).collect()
}

/// Every pair, each once.
fn every_pair() -> Vec<[Disturbance; 2]> {
    let all = of_kernels();
    let with = |at: usize| all[at + 1..].iter().map(|&other| [all[at], other]).collect::<Vec<_>>();
    (0..all.len()).flat_map(with).collect()
}

#[test]
fn documented_findings_of_some_pairs() {
    use Disturbance::{AllocFailure, EnqueueFailure, LapicOff, Migration, PvKick};
    hold_pairs(&[[LapicOff, Migration], [LapicOff, PvKick], [AllocFailure, EnqueueFailure]]);
    let number = format!("all {} pairs", every_pair().len());
    assert!(documented().contains(&number), "docs/findings.md does not say {number}");
}

/// `PAIRS_WITH=smi,reset` holds only the pairs of these with all others.
#[test]
#[ignore = "a quarter of an hour, every pair of disturbances: cargo test --release -p models --test it explore::findings -- --ignored"]
fn documented_findings_of_every_pair() {
    let wanted = std::env::var("PAIRS_WITH").ok();
    let is_wanted = |which: &Disturbance| {
        wanted.as_ref().is_none_or(|names| names.split(',').any(|name| name == which.name()))
    };
    let pairs = every_pair().into_iter().filter(|pair| pair.iter().any(is_wanted));
    hold_pairs(&pairs.collect::<Vec<_>>());
}
