//! State invariants of faults that the VMM answers.

use super::finding::Finding;
use crate::apf::Apf;
use crate::apf::host::{Operation, UserSetup};
use crate::apf::item::{Item, UserStage};
use crate::apf::ring::{Ring, Store};
use crate::apf::vmm::Reading;
use crate::base::ids::{Gfn, ItemId, VcpuId};

/// INV-41. A VMM that abuses its page is promised nothing.
pub(super) fn accepted_is_known(apf: &Apf, vcpu: VcpuId) -> Finding {
    if !apf.rules.vmm_answers() || apf.vmm(vcpu).abused {
        return Ok(());
    }
    let accepted = |item: &&Item| item.vcpu == vcpu && item.user == Some(UserStage::Accepted);
    let mut items = apf.host.items.iter().map(|(_, item)| item).filter(accepted);
    match items.find_map(|item| item.gfn().filter(|&gfn| !is_known(apf, vcpu, gfn))) {
        Some(gfn) => Err(format!("{vcpu}: gfn {gfn} is accepted, and the VMM does not know of it")),
        None => Ok(()),
    }
}

/// Whether the fault is in the ring, or with the VMM, or its answer is on the way.
fn is_known(apf: &Apf, vcpu: VcpuId, gfn: Gfn) -> bool {
    let (page, vmm) = (&apf.pages[vcpu.index()], apf.vmm(vcpu));
    let written = |ring: &Ring| ring.entries.iter().flatten().any(|entry| entry.gfn == gfn);
    let stored = |store: Store| match store {
        Store::NotifyEntry(_, entry) | Store::CompleteEntry(_, entry) => entry.gfn == gfn,
        _ => false,
    };
    written(&page.notify)
        || written(&page.complete)
        || apf.vcpu(vcpu).stores.iter().chain(vmm.stores.iter()).any(stored)
        || vmm.requests.iter().any(|request| request.gfn == gfn)
}

/// INV-43.
pub(super) fn frame_has_one_item(apf: &Apf, vcpu: VcpuId) -> Finding {
    if !apf.rules.vmm_answers() {
        return Ok(());
    }
    let queue = &apf.vcpu(vcpu).queue;
    let of = |id: ItemId| apf.host.items.get(id).and_then(|item| Some((item.gfn()?, item.user)));
    for (index, &id) in queue.iter().enumerate() {
        let Some((gfn, user)) = of(id) else { continue };
        let twin = |&&other: &&ItemId| {
            of(other).is_some_and(|(same, other)| same == gfn && (user.or(other)).is_some())
        };
        if let Some(twin) = queue[..index].iter().find(twin) {
            return Err(format!("{vcpu}: {twin} and {id} both stand for gfn {gfn}"));
        }
    }
    Ok(())
}

/// INV-44. Nothing is under way any more that would wake the thread.
pub(super) fn sleeps_with_entry(apf: &Apf, vcpu: VcpuId) -> Finding {
    if !apf.rules.vmm_answers() {
        return Ok(());
    }
    let (vmm, state) = (apf.vmm(vcpu), apf.vcpu(vcpu));
    let asleep = vmm.alive && vmm.reading == Reading::Sleep && !vmm.signalled && !vmm.abused;
    let signals = matches!(
        state.operation,
        Some(Operation::UserSetup {
            next: UserSetup::TestArmed | UserSetup::Announce { signal: true },
            ..
        })
    );
    let visible = state.stores.is_empty() && vmm.stores.is_empty();
    let head = apf.pages[vcpu.index()].notify.head;
    if asleep && !signals && visible && head != vmm.tail {
        let count = head.wrapping_sub(vmm.tail);
        return Err(format!("{vcpu}: the VMM sleeps, and {count} faults are in the ring"));
    }
    Ok(())
}

/// INV-45, by the numbers. That no entry is overwritten is seen in the step that does it.
pub(super) fn rings_hold_what_fits(apf: &Apf, vcpu: VcpuId) -> Finding {
    if !apf.rules.vmm_answers() || apf.vmm(vcpu).abused {
        return Ok(());
    }
    let page = &apf.pages[vcpu.index()];
    for (ring, name) in [(&page.notify, "faults"), (&page.complete, "answers")] {
        if ring.len() > ring.size() {
            let (count, size) = (ring.len(), ring.size());
            return Err(format!(
                "{vcpu}: {count} entries in the ring of {name}, which holds {size}"
            ));
        }
    }
    Ok(())
}
