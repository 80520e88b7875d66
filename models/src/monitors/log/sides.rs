//! On which side of the guest's edge a vCPU thread is, as its lines say, and how often they say what cannot
//! be.

use crate::trace::kernel::{KernelEvent, KernelExit};

/// Of so many steps one may be wrong: more of them are no pauses but a filter, or a kind that is recorded
/// on some processors only. An assumption; a log that nobody paused has none.
const STEPS: u64 = 20;

/// The first may be wrong after so many that were right.
const FEW: u64 = 5;

/// Where a vCPU thread is, as its last lines say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Side {
    /// The log has not said it yet.
    #[default]
    Unknown,
    /// In the guest.
    Guest,
    /// It has left the guest.
    Left(KernelExit),
    /// In the host, which handles what the guest was left for.
    Host,
}

/// Steps of all vCPUs that were as they should be, and that were not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Steps {
    right: u64,
    wrong: u64,
}

impl Steps {
    /// Counts a step. Says whether it shows that lines are missing.
    pub(super) fn is_pause(&mut self, right: bool) -> bool {
        *(if right { &mut self.right } else { &mut self.wrong }) += 1;
        !right && self.wrong.saturating_mul(STEPS) <= self.right.saturating_add(STEPS - FEW)
    }
}

/// The steps of a log: entries and exits, exceptions, page readies, acknowledgements.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Pauses {
    pub(super) sides: Steps,
    pub(super) told: Steps,
    pub(super) readied: Steps,
    pub(super) acks: Steps,
}

/// Where a thread is after an event, and whether it could be there, if that says something.
pub(super) fn step(side: Side, event: &KernelEvent) -> (Side, Option<bool>) {
    match (side, event) {
        (Side::Unknown, KernelEvent::Entry { .. }) => (Side::Guest, None),
        (_, KernelEvent::Entry { .. }) => (Side::Guest, Some(side != Side::Guest)),
        (Side::Unknown, KernelEvent::Exit { reason, .. }) => (Side::Left(*reason), None),
        (_, KernelEvent::Exit { reason, .. }) => (Side::Left(*reason), leaves(side)),
        (Side::Guest, event) if is_hosts(event) => (Side::Host, Some(false)),
        (Side::Left(_) | Side::Host, event) if is_hosts(event) => (Side::Host, None),
        _ => (side, None),
    }
}

/// Whether a thread could leave the guest. What is handled with interrupts off (fast paths) may enter it
/// again without a line; faults and halts do not.
fn leaves(side: Side) -> Option<bool> {
    match side {
        Side::Guest => Some(true),
        Side::Host | Side::Left(KernelExit::NestedFault | KernelExit::PageFault) => Some(false),
        Side::Unknown | Side::Left(_) => None,
    }
}

/// What a vCPU thread prints only between an exit and the next entry.
const fn is_hosts(event: &KernelEvent) -> bool {
    matches!(
        event,
        KernelEvent::Try { .. }
            | KernelEvent::RepeatedFault { .. }
            | KernelEvent::NotPresent { .. }
            | KernelEvent::Ready { .. }
            | KernelEvent::SendAsyncPf { .. }
            | KernelEvent::InjException { .. }
            | KernelEvent::PageFault { .. }
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_often_is_no_pause() {
        let mut steps = Steps::default();
        assert!(!steps.is_pause(false));
        for _ in 0..100 {
            assert!(!steps.is_pause(true));
        }
        let pauses = (0..10).filter(|_| steps.is_pause(false)).count();
        assert_eq!(pauses, 4, "of 11 wrong and 100 right ones");
    }

    #[test]
    fn a_fast_path_may_enter_again_without_a_line() {
        let exit = |reason| KernelEvent::Exit { vcpu: Some(0), reason };
        let entry = KernelEvent::Entry { vcpu: 0 };
        let mut side = Side::Unknown;
        let mut go = |event: KernelEvent| {
            let (next, right) = step(side, &event);
            side = next;
            right
        };
        assert_eq!(go(entry), None);
        assert_eq!(go(exit(KernelExit::Msr)), Some(true));
        assert_eq!(go(exit(KernelExit::Msr)), None);
        assert_eq!(go(exit(KernelExit::NestedFault)), None);
        assert_eq!(go(exit(KernelExit::Interrupt)), Some(false));
        assert_eq!(go(entry), Some(true));
        assert_eq!(go(entry), Some(false));
        assert_eq!(
            go(KernelEvent::PageFault { address: Default::default(), error_code: 0 }),
            Some(false)
        );
    }
}
