//! What the VMM does about a page that it has: it is asked, one of its threads reads that, gets the contents, and
//! installs the page.

use crate::base::ids::{Gfn, ThreadId};
use crate::base::record::Event;

/// What the VMM does about the page of a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum VmmState {
    /// It was asked for the page.
    Asked,
    /// One of its threads has read that.
    Reads,
    /// One of its threads installs the page; then who waited for it wakes up.
    Installs,
}

/// Follows what the VMM does about one page.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked {
    gfn: Gfn,
    state: Option<VmmState>,
}

impl Asked {
    pub(super) fn new(gfn: Gfn) -> Self {
        Self { gfn, state: None }
    }

    pub(super) fn state(self) -> Option<VmmState> {
        self.state
    }

    /// Takes in a record; `is_own` tells threads that want the page for the fault.
    pub(super) fn observe(&mut self, event: Event, is_own: impl Fn(ThreadId) -> bool) {
        let next = match event {
            Event::UffdMessage { thread, page } if page.gfn() == self.gfn && is_own(thread) => {
                VmmState::Asked
            }
            Event::KvmUserspaceExit { vcpu, gfn, .. }
            | Event::KvmAsyncPfExitlessNotify { vcpu, gfn }
                if gfn == self.gfn && is_own(ThreadId(vcpu.0.into())) =>
            {
                VmmState::Asked
            }
            Event::UffdRead { page, .. } if page.gfn() == self.gfn => VmmState::Reads,
            Event::UffdCopy { page, .. } | Event::UffdPoisoned { page, .. }
                if page.gfn() == self.gfn =>
            {
                VmmState::Installs
            }
            _ => return,
        };
        // What is done for a page that nobody has asked for yet is not done for the fault.
        if self.state.is_some() || next == VmmState::Asked {
            self.state = Some(next);
        }
    }

    /// The thread that waited is on a processor again: that the page is installed is over.
    pub(super) fn back(&mut self) {
        if self.state == Some(VmmState::Installs) {
            self.over();
        }
    }

    /// Nobody waits for the VMM any more.
    pub(super) fn over(&mut self) {
        self.state = None;
    }
}
