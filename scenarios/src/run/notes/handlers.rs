//! What became of virtual machines whose handlers died.

use models::config::{Disturbance, DisturbanceKind};
use sim_core::SimDuration;

use crate::run::results::{Note, NoteKind, PolicyResult};
use crate::scenario::resolve::Scenario;

/// Notes of handlers that died for good, and of what was lost when their descriptors were closed.
pub(super) fn notes(scenario: &Scenario, results: &[PolicyResult]) -> Vec<Note> {
    let mut notes: Vec<Note> = results.iter().filter_map(lost).collect();
    notes.extend(results.iter().filter_map(ended));
    notes.extend(died(scenario));
    notes
}

fn lost(result: &PolicyResult) -> Option<Note> {
    let metric = result.metric("lost_pages")?;
    let text = format!(
        "the guest got zeros for {:.0} pages of a store, as the descriptor of their handler was closed: what was in \
         them is lost",
        metric.mean
    );
    Some(Note { kind: NoteKind::PagesLost, policy: Some(result.policy.clone()), text })
}

fn ended(result: &PolicyResult) -> Option<Note> {
    let lifetime = result.metric("vmm_lifetime")?;
    let text = format!(
        "a VMM ended {:.6} s after the start of the measured time, as its guest wanted a page that its store does not give \
         (SIGBUS at a poisoned page): nothing of that virtual machine runs any more, and invariants of what must happen in the \
         end are not judged for it",
        lifetime.mean
    );
    Some(Note { kind: NoteKind::VmmEnded, policy: Some(result.policy.clone()), text })
}

/// The handlers of a virtual machine that are dead at the end, with their descriptors open.
fn died(scenario: &Scenario) -> Option<Note> {
    let since = scenario.machine.vm_ids().find_map(|vm| dead_since(scenario, vm))?;
    let text = format!(
        "a handler is dead from {since} on, and its descriptor open: whoever misses one of its pages sleeps for ever, and \
         invariants of what must happen in the end are not judged for that virtual machine"
    );
    Some(Note { kind: NoteKind::HandlerDied, policy: None, text })
}

fn dead_since(scenario: &Scenario, vm: models::base::ids::VmId) -> Option<SimDuration> {
    let machine = &scenario.machine;
    let end = scenario.warmup + scenario.duration;
    let own = |one: &&Disturbance| machine.vcpus_of(vm).any(|vcpu| vcpu == one.vcpu);
    let all = machine.disturbances.iter().filter(own);
    let mut all: Vec<&Disturbance> = all.filter(|one| one.kind.is_of_handler()).collect();
    // The last time of each, those that are repeated included.
    let last = |one: &Disturbance| match one.every {
        Some(every) if !every.is_zero() => {
            let left = end.saturating_sub(one.at).as_ps() / every.as_ps();
            one.at + every.times(left)
        }
        _ => one.at,
    };
    if all.iter().any(|one| one.kind == DisturbanceKind::DescriptorCloses) {
        return None;
    }
    all.sort_by_key(|one| last(one));
    let dead = all.last().filter(|one| one.kind == DisturbanceKind::HandlerDies)?;
    Some(last(dead))
}
