//! What is known of memory that a VMM write-protects; what its threads do is in `protection`.

use std::collections::{BTreeSet, VecDeque};

use sim_core::SimTime;

use crate::base::ids::{GuestPage, StoreId, ThreadId};
use crate::config::{MachineConfig, WriteProtection};
use crate::parts::memory::userfault::Message;

/// How far a protection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Its time has not come.
    Waits,
    /// The vCPUs are being stopped, for this thread.
    Stops(ThreadId),
    /// The memory is protected.
    Stands,
}

/// What is known of memory that is, or will be, protected.
#[derive(Clone, Debug)]
pub(in crate::machine) struct Protection {
    pub(super) what: WriteProtection,
    /// The device of its sink stands behind those of the stores.
    pub(super) sink: Option<StoreId>,
    pub(super) stage: Stage,
    /// Messages that nobody has read, the oldest first.
    pub(super) unread: VecDeque<Message>,
    /// Pages that are to be saved, and of which nobody has begun to: those of messages, and the others.
    pub(super) asked: VecDeque<GuestPage>,
    pub(super) left: BTreeSet<GuestPage>,
    /// Pages that are being saved.
    pub(super) saving: BTreeSet<GuestPage>,
    /// Pages that are saved, and those among them whose protection is to be lifted for it.
    pub(super) saved: BTreeSet<GuestPage>,
    pub(super) to_lift: VecDeque<GuestPage>,
    /// When a page may be saved again that nobody has asked for.
    pub(super) due: SimTime,
    /// Threads with nothing to do, and timers that are to wake some.
    pub(super) idle: Vec<ThreadId>,
    pub(super) timers: BTreeSet<(SimTime, ThreadId)>,
}

/// Those of a machine.
pub(super) fn protections(config: &MachineConfig) -> Vec<Protection> {
    let mut sinks = (config.host.stores.len() as u16..).map(StoreId);
    let all = config.host.memory_control.protections.iter();
    let protection = |what: &WriteProtection| Protection {
        sink: what.sink.as_ref().and_then(|_| sinks.next()),
        what: what.clone(),
        stage: Stage::Waits,
        unread: VecDeque::new(),
        asked: VecDeque::new(),
        left: BTreeSet::new(),
        saving: BTreeSet::new(),
        saved: BTreeSet::new(),
        to_lift: VecDeque::new(),
        due: SimTime::ZERO,
        idle: Vec::new(),
        timers: BTreeSet::new(),
    };
    all.map(protection).collect()
}

impl Protection {
    pub(super) fn has_room(&self) -> bool {
        self.saving.len() < self.what.depth as usize
    }

    /// Pages that the sink does not have yet.
    pub(super) fn missing(&self) -> u64 {
        (self.asked.len() + self.left.len() + self.saving.len()) as u64
    }

    /// Whether a thread finds something to do now.
    pub(super) fn has_work(&self, now: SimTime) -> bool {
        let saves = self.has_room()
            && (!self.asked.is_empty() || (!self.left.is_empty() && self.due <= now));
        !self.to_lift.is_empty() || !self.unread.is_empty() || saves
    }
}
