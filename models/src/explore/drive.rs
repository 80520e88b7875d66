//! One schedule of a single vCPU, given step by step: for orders that no guest of a small world
//! brings about by itself.

use crate::apf::{Apf, Effects, HostInput, Input, invariants};
use crate::base::ids::VcpuId;

use super::actor::Actor;
use super::check::{Kind, Log};
use super::setup::{Setup, SetupError};
use super::trace::{Line, Trace, show, words};
use super::world::World;
use super::{Explored, Finding};

/// Whether a step is what somebody looks for: the protocol before it, the input, what it did.
pub type Shows = fn(&Apf, &Input, &Effects) -> bool;

/// The vCPU of a schedule.
const VCPU: VcpuId = VcpuId(0);

/// Carries out these steps one after the other, and checks each of them and each state. An
/// `Advance` for which nothing is under way is left out, so that a schedule fits kernels that do in
/// one section what others do in two. Also says whether a step `shows` what is looked for.
///
/// # Errors
///
/// When the world is empty or too large.
///
/// # Panics
///
/// When a step cannot happen where it stands, as in [`Apf::step`].
pub fn drive(setup: &Setup, steps: &[Input], shows: Shows) -> Result<(Explored, bool), SetupError> {
    setup.check()?;
    let mut world = World::new(setup);
    let mut way = Trace::default();
    let mut findings: Vec<Finding> = Vec::new();
    let mut shown = false;
    for &input in steps {
        let advances = matches!(input, Input::Host(HostInput::Advance { .. }));
        if advances && world.apf.vcpu(VCPU).operation.is_none() {
            continue;
        }
        let mut log = Log { steps: Some(Vec::new()), ..Log::default() };
        let before = world.apf.clone();
        let effects = world.input(VCPU, input, &mut log);
        shown |= shows(&before, &input, &effects);
        for violation in invariants::violations(&world.apf) {
            log.find(Kind::violation(violation.id, violation.sentence), || violation.detail);
        }
        way.moves += 1;
        log.steps.iter().flatten().for_each(|step| show(step, &mut way.events));
        way.lines.push(Line { actor: actor(&input), text: said(&log, &input) });
        for found in log.found {
            if findings.iter().all(|finding| finding.kind != found.kind) {
                let (kind, detail, trace) = (found.kind, found.detail, way.clone());
                findings.push(Finding { kind, detail, trace });
            }
        }
    }
    findings.sort_by_key(|finding| finding.kind);
    let steps = way.moves as u64;
    let explored = Explored {
        states: steps + 1,
        product: None,
        transitions: steps,
        depth: way.moves as u32,
        limit: None,
        findings,
    };
    Ok((explored, shown))
}

fn said(log: &Log, input: &Input) -> String {
    let words: Vec<String> = log.steps.iter().flatten().flat_map(words).collect();
    if words.is_empty() { name(input) } else { words.join("; ") }
}

/// The name of an input, for one of which nothing is told.
fn name(input: &Input) -> String {
    let text = match input {
        Input::Host(input) => format!("{input:?}"),
        Input::Guest(input) => format!("{input:?}"),
        Input::Vmm(input) => format!("{input:?}"),
    };
    text.split(' ').next().unwrap_or_default().to_owned()
}

fn actor(input: &Input) -> Actor {
    match input {
        Input::Guest(_) => Actor::Guest(VCPU),
        Input::Vmm(_) => Actor::Vmm(VCPU),
        Input::Host(
            HostInput::WorkerStart { .. }
            | HostInput::WorkerFetched { .. }
            | HostInput::WorkerFailed { .. }
            | HostInput::WorkerAdvance { .. },
        ) => Actor::Worker,
        Input::Host(HostInput::Restore | HostInput::Destroy | HostInput::MapWord { .. }) => {
            Actor::Outside
        }
        Input::Host(_) => Actor::Thread(VCPU),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::apf::rules::generation;
    use crate::apf::{Defect, Defects, Effect, GuestInput};
    use crate::base::ids::{TaskId, Token};
    use crate::base::invariant::InvariantId;

    fn wake_then_wait() -> [Input; 3] {
        let (vcpu, token) = (VCPU, Token(9));
        [
            Input::Guest(GuestInput::Wake { vcpu, token }),
            Input::Guest(GuestInput::WaitLink { vcpu, task: TaskId(0), token }),
            Input::Guest(GuestInput::WakeInsert { vcpu, token }),
        ]
    }

    #[test]
    fn a_schedule_is_checked_and_told() {
        let rules = generation("v6.19").expect("a known generation");
        let linked: Shows = |_, _, effects| effects.contains(&Effect::Linked);
        for (defects, found) in
            [(Defects::none(), 0), (Defects::none().with(Defect::DummyWithoutSecondLook), 1)]
        {
            let setup = Setup { vcpus: 1, ..Setup::new(rules, defects, 2) };
            let (explored, shown) = drive(&setup, &wake_then_wait(), linked).expect("small");
            assert!(shown);
            assert_eq!(explored.findings.len(), found);
            for finding in &explored.findings {
                assert_eq!(finding.kind.id, InvariantId(26));
                assert_eq!(finding.trace.lines.len(), 3);
            }
        }
    }

    #[test]
    fn what_does_not_happen_is_not_shown() {
        let rules = generation("v6.19").expect("a known generation");
        let setup = Setup { vcpus: 1, ..Setup::new(rules, Defects::none(), 2) };
        let halted: Shows = |_, _, effects| effects.contains(&Effect::Halted);
        let (_, shown) = drive(&setup, &wake_then_wait(), halted).expect("small");
        assert!(!shown);
    }
}
