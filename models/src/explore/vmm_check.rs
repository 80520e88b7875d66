//! What must not happen between a kernel and a VMM that answers faults.

use crate::apf::host::CompletedBy;
use crate::apf::item::UserStage;
use crate::apf::vmm::Storer;
use crate::apf::{Effect, VmmEffect};
use crate::base::ids::VcpuId;
use crate::base::invariant::InvariantId;

use super::check::{Kind, Log};
use super::world::{At, World};

const PENDING: Kind = Kind::violation(
    InvariantId(42),
    "the guest runs while a fault waits that the VMM has neither accepted nor answered",
);
const OVERWRITTEN: Kind =
    Kind::violation(InvariantId(45), "an entry of a ring is overwritten before it is read");
const UNWRITTEN: Kind =
    Kind::violation(InvariantId(45), "an entry of a ring is read before it is written");
const EARLY: Kind = Kind::violation(
    InvariantId(46),
    "a fault is completed while its frame is still one that the VMM answers for",
);
const REMOVED: Kind = Kind::violation(
    InvariantId(47),
    "the guest has all items dropped, and the rings of the VMM go with them",
);

/// Checks one step by its effects.
pub(super) fn step(world: &World, effects: &[Effect], log: &mut Log) {
    for of_vmm in effects {
        if let Effect::Vmm(of_vmm) = *of_vmm {
            effect(world, of_vmm, log);
        }
    }
}

fn effect(world: &World, effect: VmmEffect, log: &mut Log) {
    match effect {
        // The kernel's own entries are its own affair, whatever the VMM does to the page.
        VmmEffect::Overwritten { vcpu, by, gfn }
            if by == Storer::Kernel || !world.apf.vmm(vcpu).abused =>
        {
            log.find(OVERWRITTEN, || format!("{vcpu}: gfn {gfn}"));
        }
        VmmEffect::Unwritten { vcpu, number } if !world.apf.vmm(vcpu).abused => {
            log.find(UNWRITTEN, || format!("{vcpu}: entry {number}"));
        }
        VmmEffect::RingsRemoved { vcpu } => log.find(REMOVED, || format!("{vcpu}")),
        // A page that was taken back after its answer was written is not there either.
        VmmEffect::Completed { vcpu, gfn, by: CompletedBy::Vmm }
            if world.bits & (1 << gfn.0) != 0 && !world.taken_back =>
        {
            log.find(EARLY, || format!("{vcpu}: gfn {gfn}"));
        }
        _ => {}
    }
}

/// Checks a state.
pub(super) fn state(world: &World, log: &mut Log) {
    world.vcpus().for_each(|vcpu| vcpu_state(world, vcpu, log));
}

fn vcpu_state(world: &World, vcpu: VcpuId, log: &mut Log) {
    let items = world.apf.host.items.iter();
    let mut pending = items
        .filter(|(_, item)| item.vcpu == vcpu && item.user == Some(UserStage::Pending))
        .filter_map(|(_, item)| item.gfn());
    if world.cpu(vcpu).at == At::Guest
        && let Some(gfn) = pending.next()
    {
        log.find(PENDING, || format!("{vcpu}: gfn {gfn}"));
    }
}
