//! Balloons that do not get what they are to hold.

use crate::run::results::{Note, NoteKind, PolicyResult};
use crate::scenario::resolve::Scenario;

/// What balloons were to hold at the end, and do not.
pub(super) fn note(scenario: &Scenario, result: &PolicyResult) -> Option<Note> {
    let balloons = &scenario.machine.host.memory_control.balloons;
    let wanted = balloons.iter().filter_map(|balloon| balloon.targets.last());
    let wanted: u64 = wanted.map(|target| target.pages).sum();
    let held = result.metric("balloon_pages")?.mean;
    // No simulated number comes from this comparison.
    if held >= wanted as f64 {
        return None;
    }
    let text = format!(
        "balloons held {held:.0} of {wanted} pages at the end: the guest had no more free, or there was no time"
    );
    Some(Note { kind: NoteKind::BalloonShort, policy: Some(result.policy.clone()), text })
}
