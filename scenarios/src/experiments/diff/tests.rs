//! Two runs side by side.

use sim_core::QueueKind;

use super::*;
use crate::scenario::resolve::Scenario;
use crate::scenario::resolve::ScenarioOverrides;

/// A side of the smoke scenario, made short.
fn side(policy: &str, settings: &[&str]) -> Side {
    let mut settings: Vec<String> = settings.iter().map(|it| (*it).to_owned()).collect();
    if settings.iter().all(|setting| !setting.starts_with("duration=")) {
        settings.push("duration=50ms".to_owned());
    }
    let scenario = Scenario::load_with("smoke", &settings).expect("a scenario");
    let overrides = ScenarioOverrides { policies: vec![policy.to_owned()], ..Default::default() };
    let scenario = scenario.with_overrides(&overrides).expect("a policy");
    Side { scenario, replication: 0, queue: QueueKind::default(), skip: true }
}

const OPTIONS: DiffOptions = DiffOptions { history: 4, more: 3 };

#[track_caller]
fn difference(a: Side, b: Side) -> DiffReport {
    find_difference(&[a, b], OPTIONS, &|_| {}).expect("both run")
}

/// All records of a run.
fn records(side: &Side) -> Vec<Record> {
    let mut all = Vec::new();
    let mut keep = |records: &[Record]| {
        all.extend_from_slice(records);
        ControlFlow::Continue(())
    };
    lockstep::all_records(side, &mut keep).expect("it runs");
    all
}

#[test]
fn equal_runs_have_the_digest_of_a_run() {
    let one = side("apf-v7-2010", &[]);
    let mut stepped = one.clone();
    (stepped.skip, stepped.queue) = (false, QueueKind::Reference);
    let found = difference(one.clone(), stepped);
    assert_eq!((found.parting, &found.settings[..]), (None, &[][..]));
    let settings = models::machine::RunSettings {
        duration: one.scenario.duration,
        warmup: one.scenario.warmup,
        ..Default::default()
    };
    let prefix =
        models::machine::prefill(&one.scenario.machine, one.seed(), &settings).expect("fits");
    let run = models::machine::run(&prefix, one.policy(), &settings).expect("it runs");
    assert_eq!(found.digest, run.digest);
    assert_eq!(found.common, records(&one).len() as u64);
}

/// The place that is told is where whole lists of records part, and what is told of it stands there.
#[test]
fn the_first_difference_is_the_first() {
    let changed = [
        (side("sync", &[]), side("sync", &["host.swap.read_ahead=1"])),
        (side("halt", &[]), side("apf-v7-2010", &[])),
        (side("sync", &[]), side("sync", &["duration=40ms"])),
        (side("sync", &[]), Side { replication: 3, ..side("sync", &[]) }),
    ];
    for (a, b) in changed {
        let (one, other) = (records(&a), records(&b));
        let first = one.iter().zip(&other).take_while(|(a, b)| a == b).count();
        let found = difference(a, b);
        assert_eq!(found.common, first as u64);
        assert!(!found.settings.is_empty());
        let parting = found.parting.expect("they differ");
        let lines = |records: &[Record]| -> Vec<String> {
            records[first..].iter().take(OPTIONS.more + 1).map(line).collect()
        };
        assert_eq!(parting.rest, [lines(&one), lines(&other)]);
        for step in &parting.history {
            let at = usize::try_from(step.number).expect("small");
            assert!(at < first && step.record == line(&one[at]), "{step:?}");
            assert!(step.subjects.iter().all(|subject| parting.subjects.contains(subject)));
        }
        // Of each subject the last ones, by looking through all of them.
        let vcpus = 4;
        for subject in &parting.subjects {
            let all =
                (0..first).rev().filter(|at| subjects(&one[*at].event, vcpus).contains(subject));
            let expected: BTreeSet<u64> = all.take(OPTIONS.history).map(|at| at as u64).collect();
            let told = parting.history.iter().filter(|step| step.subjects.contains(subject));
            let told: BTreeSet<u64> = told.map(|step| step.number).collect();
            assert!(told.is_superset(&expected), "{subject:?}: {told:?} {expected:?}");
        }
    }
}

/// What is not kept any more is found by running again.
#[test]
fn history_does_not_depend_on_what_is_kept() {
    let sides = [side("halt", &[]), side("halt", &["host.swap.read_ahead=4"])];
    let many = find_keeping(&sides, OPTIONS, 1 << 20, &|_| {}).expect("both run");
    let few = find_keeping(&sides, OPTIONS, 1, &|_| {}).expect("both run");
    assert_eq!(many, few);
    assert!(many.parting.is_some_and(|parting| parting.history.len() > 1));
}

#[test]
fn no_history_is_none_at_all() {
    let sides = [side("halt", &[]), side("halt", &["host.swap.read_ahead=4"])];
    let none = DiffOptions { history: 0, ..OPTIONS };
    let report = find_difference(&sides, none, &|_| {}).expect("both run");
    assert!(report.parting.is_some_and(|parting| parting.history.is_empty()));
}

#[test]
fn a_run_that_fails_is_an_error() {
    // A machine that cannot hold its workload is refused when it is built.
    let mut wrong = side("sync", &[]);
    wrong.scenario.machine.guest.memory_pages = 1;
    assert!(find_difference(&[side("sync", &[]), wrong], OPTIONS, &|_| {}).is_err());
}
