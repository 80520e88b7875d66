//! Searches on a small scenario.

use super::*;

fn question() -> CrossoverQuestion {
    CrossoverQuestion {
        scenario: "faulting-pair".into(),
        fields: "host.swap.device.read_latency,host.swap.device.write_latency".into(),
        from: "2us".into(),
        to: "2ms".into(),
        policy: Some("apf-v7-2010".into()),
        against: Some("sync".into()),
        metric: Some("lost_time_per_fault".into()),
        tolerance: 0.05,
        set: vec!["duration=100ms".into(), "workload.regions[field].size=16MiB".into()],
        seed: None,
        replications: Some(2),
    }
}

fn search(question: &CrossoverQuestion) -> Result<Crossover, CrossoverError> {
    find_crossover(question, &RunOptions::default(), &|_| {})
}

fn found(question: &CrossoverQuestion) -> Crossover {
    search(question).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn the_crossing_lies_in_the_bracket_and_the_bracket_is_narrow() {
    let found = found(&question());
    let CrossoverAnswer::Crossing { amount, bracket, below, .. } = &found.answer else {
        panic!("no crossing: {:?}", found.answer);
    };
    let at = |text: &str| {
        let step = found.steps.iter().find(|step| step.value == text).expect("it was tried");
        (step.amount, step.larger)
    };
    let ((low, larger_low), (high, larger_high)) = (at(&bracket.0), at(&bracket.1));
    assert!(low < *amount && *amount < high, "{:?}", found.answer);
    assert!(high / low < 1.06, "{bracket:?}");
    assert_eq!(
        (*below, larger_low, larger_high),
        (Larger::Policy, Larger::Policy, Larger::Against)
    );
    assert!((2e-6..50e-6).contains(amount), "{amount}");
    assert_eq!(found.unit, "s");
    assert!(!found.violation);
}

#[test]
fn stored_runs_are_taken_over_by_another_search() {
    let folder = tempfile::tempdir().expect("a directory");
    let options = RunOptions { out: Some(folder.path().into()), ..RunOptions::default() };
    let count = |question: &CrossoverQuestion| {
        let finished = std::sync::atomic::AtomicU32::new(0);
        let result = find_crossover(question, &options, &|event| {
            if matches!(event, Progress::Finished { .. }) {
                finished.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            }
        });
        let result = result.unwrap_or_else(|error| panic!("{error}"));
        (result, finished.into_inner())
    };
    let (first, runs) = count(&question());
    assert_eq!(runs as usize, first.steps.len() * 4);
    let (again, runs) = count(&question());
    assert_eq!((again, runs), (first.clone(), 0));
    // Narrower: goes on where the first one ended.
    let (narrow, runs) = count(&CrossoverQuestion { tolerance: 0.01, ..question() });
    assert_eq!(runs as usize, (narrow.steps.len() - first.steps.len()) * 4);
    assert!(runs > 0);
}

#[test]
fn a_range_without_crossing_says_who_wins() {
    let question = CrossoverQuestion { from: "500us".into(), ..question() };
    let found = found(&question);
    assert_eq!(found.answer, CrossoverAnswer::None { larger: Larger::Against });
    assert_eq!(found.steps.len(), 2);
}

#[test]
fn equal_policies_are_not_told_apart() {
    // The reads are all that policies differ in; with the memory large enough there are none.
    let question = CrossoverQuestion {
        metric: Some("swap_reads_pages".into()),
        policy: Some("halt".into()),
        set: vec![
            "duration=10ms".into(),
            "workload.regions[field].size=16MiB".into(),
            "host.memory_limit=32MiB".into(),
        ],
        ..question()
    };
    assert_eq!(found(&question).answer, CrossoverAnswer::Unclear);
}

#[test]
fn what_is_not_named_is_as_the_scenario_has_it() {
    let base = Base::load("far-memory-latency").expect("a built-in scenario");
    let (scenario, _) = base.with(&[], "the scenario").expect("it is right");
    let sides = |policy: Option<&str>, against: Option<&str>| {
        let (policy, against) = (policy.map(str::to_owned), against.map(str::to_owned));
        let question = CrossoverQuestion { policy, against, metric: None, ..question() };
        let sides = Sides::of(&question, &scenario).expect("two policies");
        (sides.policy, sides.against, sides.metric)
    };
    let said = |policy: &str, against: &str| (policy.into(), against.into(), "request_rate".into());
    assert_eq!(sides(None, None), said("apf-v6.12", "sync"));
    assert_eq!(sides(Some("halt"), None), said("halt", "sync"));
    assert_eq!(sides(Some("sync"), None), said("sync", "apf-v6.12"));
    assert_eq!(sides(None, Some("apf-v6.12")), said("halt-v6.12", "apf-v6.12"));
    let alone = Scenario { policies: scenario.policies[..1].to_vec(), ..scenario.clone() };
    let question = CrossoverQuestion { policy: None, against: None, ..question() };
    let error = Sides::of(&question, &alone).err().expect("one policy is not two").to_string();
    assert!(error.contains("`sync` is the only policy"), "{error}");
}

#[test]
fn wrong_questions_are_told() {
    let check = |question: CrossoverQuestion, expect: &str| {
        let error = search(&question).expect_err(expect).to_string();
        assert!(error.contains(expect), "no `{expect}` in:\n{error}");
    };
    let metric = CrossoverQuestion { metric: Some("lost_tim".into()), ..question() };
    check(metric, "did you mean `lost_time_per_fault`?");
    check(CrossoverQuestion { from: "3ms".into(), ..question() }, "the range does not rise");
    check(CrossoverQuestion { from: "2".into(), ..question() }, "of different kinds");
    check(CrossoverQuestion { policy: Some("sync".into()), ..question() }, "`sync` is given twice");
    check(
        CrossoverQuestion { policy: Some("apf".into()), ..question() },
        "there is no policy `apf`",
    );
    let fields = CrossoverQuestion { fields: "host.swap.device.latency".into(), ..question() };
    check(fields, "unknown field `latency`");
    let hz = CrossoverQuestion { fields: "guest.hz".into(), ..question() };
    check(hz, "at 2us, `guest.hz`: expected");
}
