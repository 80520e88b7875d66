//! Snapshots that were not complete when the run ended.

use crate::run::results::{Note, NoteKind, PolicyResult};
use crate::scenario::resolve::Scenario;

/// For each virtual machine whose snapshot was not complete in every run of a policy.
pub(super) fn notes(scenario: &Scenario, result: &PolicyResult) -> Vec<Note> {
    let machine = &scenario.machine;
    let sinks = machine.host.memory_control.protections.iter().filter(|it| it.sink.is_some());
    let note = |vm: usize| {
        let whose = machine.vms.get(vm).map(|vm| vm.name.as_str());
        let of = |metric: &str| match whose {
            Some(name) => result.metric(&format!("{metric}[{name}]")),
            None => result.metric(metric),
        };
        let complete = of("snapshot_time").map_or(0, |metric| metric.values.len());
        let runs = scenario.replications as usize;
        if complete >= runs {
            return None;
        }
        let saved = of("saved_pages").map_or(0.0, |metric| metric.mean);
        let of_vm = whose.map_or_else(String::new, |name| format!(" of {name}"));
        let text = format!(
            "the snapshot{of_vm} was not complete at the end of {} of {runs} runs: {saved:.0} pages had been saved on \
             average; measure longer, or save faster (`rate`, `depth`, `threads`)",
            runs - complete
        );
        Some(Note { kind: NoteKind::SnapshotIncomplete, policy: Some(result.policy.clone()), text })
    };
    sinks.filter_map(|it| note(it.vm.index())).collect()
}
