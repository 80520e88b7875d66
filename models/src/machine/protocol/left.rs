//! What a step of the protocol left to be done, and what was found wrong after it.

use sim_core::EventQueue;

use crate::apf::Decision;
use crate::base::ids::{Gfn, Gva, ItemId, Token, VmId};
use crate::base::invariant::InvariantId;
use crate::base::record::ApfReason;
use crate::machine::world::{Cx, MachineEvent, StateViolation};

/// What a step left to be done; each input has its own type of answer, made of these.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Left {
    pub decision: Option<Decision>,
    pub fetch: Option<Gfn>,
    pub worker_done: bool,
    pub popped: bool,
    pub prefault: Option<(Gfn, Gva)>,
    pub drain_more: bool,
    pub halted: bool,
    pub blocked: bool,
    pub injected: Option<Token>,
    pub word: Option<ApfReason>,
    pub no_sleep: bool,
    pub sleep: bool,
    pub halt_guest: bool,
    pub scan: bool,
    pub wait_worker: Option<ItemId>,
    pub slot: Option<Token>,
    pub allocate_dummy: bool,
    pub queued: Option<ItemId>,
    /// The vCPU thread leaves the kernel; whether plainly.
    pub user_exit: Option<bool>,
    /// The VMM is to be signalled.
    pub signal: bool,
}

impl<Q: EventQueue<MachineEvent>> Cx<'_, Q> {
    /// An invariant does not hold.
    pub(in crate::machine) fn note(&mut self, vm: VmId, id: InvariantId, message: String) {
        let time = self.now();
        let broken = &mut self.w.protocol.of[vm.index()].broken;
        match broken.iter_mut().find(|known| known.id == id) {
            Some(known) => known.count += 1,
            None => {
                let story = self.w.trace.tail();
                broken.push(StateViolation { id, time, message, count: 1, story });
            }
        }
    }
}
