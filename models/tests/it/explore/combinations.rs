//! What is not refused as incompatible can be driven: each generation with each single mechanism set
//! to each of its values goes through every schedule of a small world, and of the same world with
//! each disturbance: `cargo test --release -p models --test it explore::combinations -- --ignored`.

use std::panic::catch_unwind;

use models::apf::Defects;
use models::apf::rules::{Mechanism, Rules, generations};
use models::explore::{Bounds, Disturbance, Setup, explore};

/// Every combination one step away from a kernel, refused ones left out.
fn combinations() -> Vec<(String, Rules)> {
    let mut found = Vec::new();
    for generation in generations() {
        for mechanism in Mechanism::ALL {
            for setting in mechanism.values() {
                let mut rules = generation.rules();
                if rules.get(*mechanism) == setting {
                    continue;
                }
                setting.apply(&mut rules);
                if rules.incompatible().is_none() {
                    let name = format!("{} {}={setting}", generation.name, mechanism.name());
                    found.push((name, rules));
                }
            }
        }
    }
    found
}

/// Searches a small world under all combinations, and tells those in which a step panicked.
fn drive(disturbance: Option<Disturbance>) {
    let mut broken = Vec::new();
    let combinations = combinations();
    assert!(combinations.len() > 300, "only {}", combinations.len());
    for (name, rules) in combinations {
        let setup = Setup { vcpus: 1, tasks: 2, pages: 1, ..Setup::new(rules, Defects::none(), 2) };
        let budget = disturbance.map_or(setup.budget, |which| setup.budget.with(which, 1));
        let setup = Setup { budget, ..setup };
        match catch_unwind(|| explore(&setup, &Bounds::default(), None)) {
            Ok(explored) => {
                assert_eq!(explored.expect("a world of legal size").limit, None, "{name}");
            }
            Err(_) => broken.push(name),
        }
    }
    assert!(broken.is_empty(), "{disturbance:?}: {broken:#?}");
}

#[test]
fn whatever_is_not_refused_can_be_driven() {
    drive(None);
}

#[test]
#[ignore = "far more than ten minutes, each combination with each disturbance: cargo test --release -p models --test it explore::combinations -- --ignored"]
fn whatever_is_not_refused_can_be_disturbed() {
    for &disturbance in Disturbance::ALL {
        drive(Some(disturbance));
    }
}
