//! Pictures of real faults: no text may leave the page or cover another.

use std::sync::LazyLock;

use models::trace::anatomy::Pick;
use scenarios::{AnatomyReport, Scenario, ScenarioOverrides, run_anatomy};
use sim_core::SimDuration;

use super::tests::check_texts;
use super::{Figure, anatomy, of_anatomy};

fn report(scenario: &str, policies: &[&str], duration: SimDuration) -> AnatomyReport {
    let policies = policies.iter().map(|&name| name.to_owned()).collect();
    let overrides = ScenarioOverrides { policies, ..ScenarioOverrides::default() };
    let mut scenario = Scenario::load(scenario).unwrap().with_overrides(&overrides).unwrap();
    scenario.duration = duration;
    run_anatomy(&scenario, &Pick::USUAL, &|_| {}).unwrap()
}

static SMOKE: LazyLock<AnatomyReport> = LazyLock::new(|| {
    report("smoke", &["sync", "halt", "apf-v7-2010", "apf-v2.6.39"], SimDuration::from_ms(200))
});

fn picture(report: &AnatomyReport, pick: Pick) -> Figure {
    let name = format!("anatomy-{}", pick.name());
    of_anatomy(report).into_iter().find(|figure| figure.name() == name).unwrap()
}

#[test]
fn texts_stay_on_the_page_and_apart() {
    let mut long = SMOKE.clone();
    long.scenario = "a-scenario-with-a-name-".repeat(9);
    for name in long.tasks.iter_mut().chain(long.policies.iter_mut().map(|p| &mut p.policy)) {
        *name = format!("{name}-with-a-name-longer-than-anybody-should-choose").repeat(4);
    }
    for pick in Pick::USUAL {
        check_texts(&format!("smoke, {}", pick.name()), &anatomy::scene(&SMOKE, pick));
        check_texts(&format!("long names, {}", pick.name()), &anatomy::scene(&long, pick));
    }
}

#[test]
fn long_waits_at_a_disk_fit_too() {
    let policies = ["sync", "halt", "apf-v7-2010"];
    let report = report("natapov-2010", &policies, SimDuration::from_ms(800));
    for pick in Pick::USUAL {
        check_texts(&format!("natapov-2010, {}", pick.name()), &anatomy::scene(&report, pick));
    }
}

#[test]
fn pictures_are_the_same_every_time_and_light() {
    let median = || picture(&SMOKE, Pick::Median);
    let svg = median().svg().unwrap();
    assert_eq!(svg, median().svg().unwrap());
    assert!(svg.starts_with(r#"<svg width="800" "#) && svg.trim_end().ends_with("</svg>"));
    assert!(!svg.contains("NaN") && !svg.contains("inf"));
    assert!(svg.contains("FFFFFF"));
    for policy in &SMOKE.policies {
        assert!(svg.contains(&policy.policy), "{} is not named", policy.policy);
    }
    assert_eq!(median().png().unwrap(), median().png().unwrap());
}

#[test]
fn a_policy_without_faults_is_left_out() {
    let mut report = SMOKE.clone();
    report.policies[0].picked.clear();
    let svg = picture(&report, Pick::Worst).svg().unwrap();
    assert!(!svg.contains("sync:") && svg.contains("halt:"));
}
