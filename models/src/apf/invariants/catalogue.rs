//! The state invariants by number, and the checks that are cheap enough for every step.

use super::finding::Finding;
use super::{guest, host, vmm};
use crate::apf::Apf;
use crate::base::ids::{ItemId, Token, VcpuId};
use crate::base::invariant::InvariantId;

/// A property of one state.
#[derive(Clone, Copy, Debug)]
pub struct StateInvariant {
    /// Its number.
    pub id: InvariantId,
    /// What must hold.
    pub sentence: &'static str,
    /// Whether it does.
    pub check: fn(&Apf) -> Finding,
}

/// An invariant that does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Its number.
    pub id: InvariantId,
    /// What must hold.
    pub sentence: &'static str,
    /// What is wrong.
    pub detail: String,
}

/// All state invariants, by number.
pub const fn all() -> &'static [StateInvariant] {
    INVARIANTS
}

const INVARIANTS: &[StateInvariant] = &[
    StateInvariant {
        id: InvariantId(1),
        sentence: "no two outstanding items of a vCPU have the same frame, and the frame hash \
                   finds exactly the frames of its announced items",
        check: |apf| each_vcpu(apf, host::frames),
    },
    StateInvariant {
        id: InvariantId(2),
        sentence: "no two outstanding items of the VM have equal tokens",
        check: host::tokens,
    },
    StateInvariant {
        id: InvariantId(3),
        sentence: "no item but a wake-all has the token that is reserved for wake-all",
        check: host::no_reserved_token,
    },
    StateInvariant {
        id: InvariantId(4),
        sentence: "where page ready has a token slot, no token is zero",
        check: host::no_zero_token,
    },
    StateInvariant {
        id: InvariantId(5),
        sentence: "the count of outstanding items is within the cap, one more for a wake-all, and \
                   equals the items linked in the queue and the wake-alls not yet delivered",
        check: |apf| each_vcpu(apf, host::count),
    },
    StateInvariant {
        id: InvariantId(6),
        sentence: "an item is in the queue while it runs, in queue and done list when it is \
                   completed, only in the done list if it is a wake-all, and nowhere once freed",
        check: |apf| each_vcpu(apf, host::lists).and_then(|()| host::membership(apf)),
    },
    StateInvariant {
        id: InvariantId(11),
        sentence: "at most one synthetic exception is pending on a vCPU",
        check: |apf| each_vcpu(apf, host::one_pending),
    },
    StateInvariant {
        id: InvariantId(13),
        sentence: "a sleeper can still be woken: its item is outstanding, or its page ready or a \
                   wake-all is on the way",
        check: guest::sleepers_have_hope,
    },
    StateInvariant {
        id: InvariantId(16),
        sentence: "a vCPU in the artificial halt has an outstanding item with the frame that it \
                   waits for, or a completed item",
        check: |apf| each_vcpu(apf, host::halt),
    },
    StateInvariant {
        id: InvariantId(17),
        sentence: "a vCPU thread does not sleep while an item is completed, except for the moment \
                   until the worker that published it wakes the thread",
        check: |apf| each_vcpu(apf, host::sleep),
    },
    StateInvariant {
        id: InvariantId(24),
        sentence: "no worker runs when its VM is gone",
        check: host::no_helper_of_a_destroyed_vm,
    },
    StateInvariant {
        id: InvariantId(25),
        sentence: "the context that destroys a VM does not wait for itself",
        check: host::no_wait_for_itself,
    },
    StateInvariant {
        id: InvariantId(26),
        sentence: "the guest's table holds at most one entry for a token",
        check: guest::one_entry_per_token,
    },
    StateInvariant {
        id: InvariantId(41),
        sentence: "a fault that the VMM has accepted is in the ring, or with the VMM, or its answer \
                   is on the way",
        check: |apf| each_vcpu(apf, vmm::accepted_is_known),
    },
    StateInvariant {
        id: InvariantId(43),
        sentence: "a frame has at most one item on a vCPU, whoever answers it",
        check: |apf| each_vcpu(apf, vmm::frame_has_one_item),
    },
    StateInvariant {
        id: InvariantId(44),
        sentence: "the VMM does not sleep while a fault is in the ring that it has not read, unless \
                   a signal is on the way",
        check: |apf| each_vcpu(apf, vmm::sleeps_with_entry),
    },
    StateInvariant {
        id: InvariantId(45),
        sentence: "a ring holds no more entries than it has places, and none is overwritten before \
                   it is read",
        check: |apf| each_vcpu(apf, vmm::rings_hold_what_fits),
    },
];

/// Corners that kernels really have: liveness that hangs on an interrupt. They are reported and do
/// not fail.
pub const fn weaknesses() -> &'static [StateInvariant] {
    WEAKNESSES
}

const WEAKNESSES: &[StateInvariant] = &[
    StateInvariant {
        id: InvariantId(16),
        sentence: "the artificial halt is not set after the item that it waits for was delivered",
        check: |apf| each_vcpu(apf, host::late_halt),
    },
    StateInvariant {
        id: InvariantId(13),
        sentence: "a vCPU thread does not sleep in HLT while a synthetic exception is pending",
        check: |apf| each_vcpu(apf, host::asleep_with_pending),
    },
];

/// The first invariant that does not hold.
pub fn check_all(apf: &Apf) -> Option<Violation> {
    INVARIANTS.iter().find_map(|invariant| violation(invariant, apf))
}

/// All invariants that do not hold.
pub fn violations(apf: &Apf) -> Vec<Violation> {
    INVARIANTS.iter().filter_map(|invariant| violation(invariant, apf)).collect()
}

/// The weaknesses that a state shows.
pub fn weaknesses_of(apf: &Apf) -> Vec<Violation> {
    WEAKNESSES.iter().filter_map(|invariant| violation(invariant, apf)).collect()
}

fn violation(invariant: &StateInvariant, apf: &Apf) -> Option<Violation> {
    let detail = (invariant.check)(apf).err()?;
    Some(Violation { id: invariant.id, sentence: invariant.sentence, detail })
}

fn violation_of(id: InvariantId, detail: String) -> Violation {
    let invariant = INVARIANTS.iter().find(|invariant| invariant.id == id);
    let invariant = invariant.expect("checks are made under the number of an invariant");
    Violation { id: invariant.id, sentence: invariant.sentence, detail }
}

/// The invariants of one vCPU, cheap enough for every step: those that look at nothing else. It
/// takes for granted that they held before the newest item was linked.
pub fn check_vcpu(apf: &Apf, vcpu: VcpuId) -> Option<Violation> {
    type Check = fn(&Apf, VcpuId) -> Finding;
    const CHECKS: [(InvariantId, Check); 6] = [
        (InvariantId(1), host::newest_frame),
        (InvariantId(5), host::count),
        (InvariantId(6), host::newest_link),
        (InvariantId(11), host::one_pending),
        (InvariantId(16), host::halt),
        (InvariantId(17), host::sleep),
    ];
    let failed =
        |&(id, check): &(InvariantId, Check)| Some(violation_of(id, check(apf, vcpu).err()?));
    CHECKS.iter().find_map(failed)
}

/// INV-02 for one item: enough when it is done for every item at its `ItemLink`. It looks at all items.
pub fn check_token(apf: &Apf, item: ItemId) -> Option<Violation> {
    Some(violation_of(InvariantId(2), host::token_is_alone(apf, item).err()?))
}

/// INV-26 for one token: enough when it is done for every token that a step of the guest enters, at its
/// `ApfWait` or `ApfDummy`.
pub fn check_entry(apf: &Apf, token: Token) -> Option<Violation> {
    Some(violation_of(InvariantId(26), guest::entry_is_alone(apf, token).err()?))
}

fn each_vcpu(apf: &Apf, check: fn(&Apf, VcpuId) -> Finding) -> Finding {
    apf.vcpu_ids().try_for_each(|vcpu| check(apf, vcpu))
}
