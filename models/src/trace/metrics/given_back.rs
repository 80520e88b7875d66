//! Memory that programs and guests give back.

use std::collections::BTreeMap;

use crate::base::ids::VmId;
use crate::base::record::{Event, TlbFlushReason};

/// What was given back in the measured phase.
#[derive(Clone, Debug, Default)]
pub(super) struct GivenBack {
    discarded: u64,
    shootdowns: u64,
    /// Frames and swap slots that VMMs gave back to the host.
    frames: u64,
    slots: u64,
    /// Pages in balloons, by virtual machine.
    balloons: BTreeMap<VmId, u64>,
    /// Whether any program ever gave anything back, and whether there is any balloon.
    any_discard: bool,
    any_balloon: bool,
    measuring: bool,
}

impl GivenBack {
    /// The measured phase begins.
    pub(super) fn begin(&mut self) {
        let before = std::mem::take(self);
        let Self { balloons, any_discard, any_balloon, .. } = before;
        *self = Self { balloons, any_discard, any_balloon, measuring: true, ..Self::default() };
    }

    pub(super) fn observe(&mut self, event: &Event) {
        let measuring = u64::from(self.measuring);
        match *event {
            Event::GuestDiscard { pages, .. } => {
                self.any_discard = true;
                self.discarded += pages * measuring;
            }
            Event::TlbFlush { reason: TlbFlushReason::SendIpi, .. } => self.shootdowns += measuring,
            Event::BalloonTarget { .. } => self.any_balloon = true,
            Event::BalloonSize { vm, pages } => {
                self.any_balloon = true;
                self.balloons.insert(vm, pages);
            }
            Event::MadviseDontneed { frames, slots, .. } => {
                self.any_balloon = true;
                self.frames += u64::from(frames) * measuring;
                self.slots += u64::from(slots) * measuring;
            }
            _ => {}
        }
    }

    /// Frames that VMMs gave back to the host; none where there is no balloon.
    pub(super) fn frames(&self) -> Option<f64> {
        self.any_balloon.then_some(self.frames as f64)
    }

    /// Swap slots that became free with them.
    pub(super) fn slots(&self) -> Option<f64> {
        self.any_balloon.then_some(self.slots as f64)
    }

    /// Pages in balloons at the end.
    pub(super) fn in_balloons(&self) -> Option<f64> {
        self.any_balloon.then(|| self.balloons.values().sum::<u64>() as f64)
    }

    /// Pages that programs gave back; none where no program does.
    pub(super) fn discarded(&self) -> Option<f64> {
        self.any_discard.then_some(self.discarded as f64)
    }

    /// Flushes for which other vCPUs were interrupted.
    pub(super) fn shootdowns(&self) -> Option<f64> {
        self.any_discard.then_some(self.shootdowns as f64)
    }
}
