//! Memory that programs and guests give back.

use crate::base::record::{Event, TlbFlushReason};

/// What was given back in the measured phase.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct GivenBack {
    discarded: u64,
    shootdowns: u64,
    /// Whether any program ever gave anything back.
    any_discard: bool,
    measuring: bool,
}

impl GivenBack {
    /// The measured phase begins.
    pub(super) fn begin(&mut self) {
        *self = Self { any_discard: self.any_discard, measuring: true, ..Self::default() };
    }

    pub(super) fn observe(&mut self, event: &Event) {
        let measuring = u64::from(self.measuring);
        match *event {
            Event::GuestDiscard { pages, .. } => {
                self.any_discard = true;
                self.discarded += pages * measuring;
            }
            Event::TlbFlush { reason: TlbFlushReason::SendIpi, .. } => self.shootdowns += measuring,
            _ => {}
        }
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
