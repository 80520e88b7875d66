//! State invariants of the host's half.

use super::finding::{Finding, in_between, in_delivery, in_setup};
use crate::apf::Apf;
use crate::apf::host::{CompleteStage, Life, Operation};
use crate::apf::item::{Item, UserStage, WorkStage};
use crate::apf::rules::{PageReady, RepeatedFault};
use crate::base::ids::{Gfn, ItemId, Token, VcpuId};

/// INV-01, which kernels promise that look a frame up.
pub(super) fn frames(apf: &Apf, vcpu: VcpuId) -> Finding {
    if apf.rules.repeated_fault == RepeatedFault::SecondItem {
        return Ok(());
    }
    let queue = &apf.vcpu(vcpu).queue;
    (0..queue.len()).try_for_each(|index| frame_is_alone(apf, vcpu, &queue[..=index]))?;
    hash(apf, vcpu)
}

/// INV-01, if it held before the newest item was linked.
pub(super) fn newest_frame(apf: &Apf, vcpu: VcpuId) -> Finding {
    if apf.rules.repeated_fault == RepeatedFault::SecondItem {
        return Ok(());
    }
    frame_is_alone(apf, vcpu, &apf.vcpu(vcpu).queue)?;
    hash(apf, vcpu)
}

/// No older item has the frame of the newest.
fn frame_is_alone(apf: &Apf, vcpu: VcpuId, queue: &[ItemId]) -> Finding {
    let Some((&newest, older)) = queue.split_last() else { return Ok(()) };
    let Some(gfn) = gfn_of(apf, newest) else { return Ok(()) };
    // Of two items one of which the VMM answers, INV-43 speaks.
    let of_vmm = |id: ItemId| apf.host.items.get(id).is_some_and(|item| item.user.is_some());
    let same =
        |&&other: &&ItemId| gfn_of(apf, other) == Some(gfn) && !of_vmm(other) && !of_vmm(newest);
    match older.iter().find(same) {
        Some(twin) => Err(format!("{vcpu}: {twin} and {newest} both stand for gfn {gfn}")),
        None => Ok(()),
    }
}

/// The hash finds what is linked, and holds no more. The item that is being set up may be linked
/// and not yet announced.
fn hash(apf: &Apf, vcpu: VcpuId) -> Finding {
    let state = apf.vcpu(vcpu);
    if state.operation == Some(Operation::Clear) {
        return Ok(());
    }
    let setup = in_setup(apf, vcpu);
    let mut expected = 0;
    for &id in &state.queue {
        let Some(gfn) = gfn_of(apf, id) else { continue };
        if state.gfns.contains(gfn) {
            expected += 1;
        } else if setup != Some(id) {
            return Err(format!("{vcpu}: the hash does not find gfn {gfn} of {id}"));
        }
    }
    let held = state.gfns.len();
    if held != expected {
        return Err(format!("{vcpu}: the hash holds {held} frames, {expected} are outstanding"));
    }
    Ok(())
}

fn gfn_of(apf: &Apf, id: ItemId) -> Option<Gfn> {
    apf.host.items.get(id).and_then(Item::gfn)
}

/// INV-02.
pub(super) fn tokens(apf: &Apf) -> Finding {
    apf.host.items.iter().try_for_each(|(id, _)| token_is_alone(apf, id))
}

/// INV-02 for one item.
pub(super) fn token_is_alone(apf: &Apf, id: ItemId) -> Finding {
    let Some(item) = apf.host.items.get(id).filter(|item| item.fault.is_some()) else {
        return Ok(());
    };
    let same = |&(other, that): &(ItemId, &Item)| {
        other != id && that.fault.is_some() && that.token == item.token
    };
    match apf.host.items.iter().find(same) {
        Some((twin, _)) => Err(format!("{id} and {twin} are both called {}", item.token)),
        None => Ok(()),
    }
}

/// INV-03.
pub(super) fn no_reserved_token(apf: &Apf) -> Finding {
    let mut items = apf.host.items.iter().filter(|(_, item)| item.fault.is_some());
    match items.find(|(_, item)| item.token == Token::WAKE_ALL) {
        Some((id, _)) => Err(format!("{id} is called like a wake-all")),
        None => Ok(()),
    }
}

/// INV-04.
pub(super) fn no_zero_token(apf: &Apf) -> Finding {
    if apf.rules.page_ready == PageReady::Exception {
        return Ok(());
    }
    match apf.host.items.iter().find(|(_, item)| item.token == Token::NONE) {
        Some((id, _)) => Err(format!("the token of {id} is what a free slot holds")),
        None => Ok(()),
    }
}

/// INV-24, for what workers run.
pub(super) fn no_helper_of_a_destroyed_vm(apf: &Apf) -> Finding {
    match apf.host.items.works().next() {
        Some((id, _)) if apf.host.life == Life::Destroyed => {
            Err(format!("the worker of {id} still runs, and the VM is gone"))
        }
        _ => Ok(()),
    }
}

/// INV-25.
pub(super) fn no_wait_for_itself(apf: &Apf) -> Finding {
    match apf.host.life {
        Life::Destroying(Some(id)) if apf.host.items.work(id).is_some() => {
            Err(format!("the worker of {id} takes the VM apart and waits for itself"))
        }
        _ => Ok(()),
    }
}

/// INV-05.
pub(super) fn count(apf: &Apf, vcpu: VcpuId) -> Finding {
    let state = apf.vcpu(vcpu);
    if state.operation == Some(Operation::Clear) {
        return Ok(());
    }
    let popped = in_delivery(apf, vcpu);
    let is_wake_all = |id: &&ItemId| apf.host.items.get(**id).is_some_and(|i| i.fault.is_none());
    let wake_alls = state.done.iter().chain(popped.as_ref()).filter(is_wake_all).count();
    let linked = state.queue.len() + wake_alls;
    let queued = state.queued as usize;
    if queued != linked {
        return Err(format!("{vcpu}: {queued} items are counted, {linked} are linked"));
    }
    let cap = apf.rules.cap as usize + wake_alls;
    if queued > cap {
        return Err(format!("{vcpu}: {queued} items are outstanding, {cap} are allowed"));
    }
    Ok(())
}

/// INV-06 from the lists' side: every link leads to an item of this vCPU, once.
pub(super) fn lists(apf: &Apf, vcpu: VcpuId) -> Finding {
    let state = apf.vcpu(vcpu);
    for list in [&state.queue, &state.done] {
        (0..list.len()).try_for_each(|index| linked_once(vcpu, &list[..=index]))?;
    }
    links(apf, vcpu)
}

/// The same, if it held before the newest item was linked.
pub(super) fn newest_link(apf: &Apf, vcpu: VcpuId) -> Finding {
    let state = apf.vcpu(vcpu);
    linked_once(vcpu, &state.queue)?;
    linked_once(vcpu, &state.done)?;
    links(apf, vcpu)
}

fn linked_once(vcpu: VcpuId, list: &[ItemId]) -> Finding {
    match list.split_last() {
        Some((newest, older)) if older.contains(newest) => {
            Err(format!("{vcpu}: a list links {newest} twice"))
        }
        _ => Ok(()),
    }
}

fn links(apf: &Apf, vcpu: VcpuId) -> Finding {
    let state = apf.vcpu(vcpu);
    let foreign = |id: &&ItemId| apf.host.items.get(**id).is_none_or(|item| item.vcpu != vcpu);
    match state.queue.iter().chain(&state.done).find(foreign) {
        Some(id) => Err(format!("{vcpu}: a list links {id}, which is not its own")),
        None => Ok(()),
    }
}

/// INV-06 from the items' side: every item is in the lists where it belongs. An item that is being
/// set up may be completed before it is linked, if the work is scheduled first.
pub(super) fn membership(apf: &Apf) -> Finding {
    for (id, item) in apf.host.items.iter() {
        let (vcpu, state) = (item.vcpu, apf.vcpu(item.vcpu));
        let between = in_setup(apf, vcpu) == Some(id) || in_between(apf, vcpu) == Some(id);
        if between || state.operation == Some(Operation::Clear) {
            continue;
        }
        let popped = in_delivery(apf, vcpu) == Some(id);
        if apf.host.life != Life::Used {
            continue;
        }
        let running = |stage| stage < WorkStage::Published;
        let runs = match item.user {
            None => apf.host.items.work(id).is_some_and(|work| running(work.stage)),
            Some(stage) => stage != UserStage::Completed,
        };
        let (queued, done) = (state.queue.contains(&id), state.done.contains(&id));
        if queued == item.fault.is_none() {
            let not = if queued { "is" } else { "is not" };
            return Err(format!("{vcpu}: {id} {not} in the queue"));
        }
        if done == (runs || popped) {
            let not = if done { "is" } else { "is not" };
            return Err(format!("{vcpu}: {id} {not} in the done list"));
        }
    }
    Ok(())
}

/// INV-11.
pub(super) fn one_pending(apf: &Apf, vcpu: VcpuId) -> Finding {
    match apf.vcpu(vcpu).pending.len() {
        0 | 1 => Ok(()),
        count => Err(format!("{vcpu}: {count} synthetic exceptions are pending")),
    }
}

/// INV-16, for a halt that was set while its item was there.
pub(super) fn halt(apf: &Apf, vcpu: VcpuId) -> Finding {
    let state = apf.vcpu(vcpu);
    let Some(halt) = state.halted.filter(|halt| !halt.outlived) else { return Ok(()) };
    // Nearly always it is in the queue. One that is being set up or delivered is not.
    let queued = || state.queue.iter().any(|&id| gfn_of(apf, id) == Some(halt.gfn));
    if !state.done.is_empty() || queued() || apf.host.items.has_frame(vcpu, halt.gfn) {
        return Ok(());
    }
    Err(format!("{vcpu} is halted for gfn {}, which is not outstanding", halt.gfn))
}

/// INV-16, for a halt whose item was delivered before the halt was set.
pub(super) fn late_halt(apf: &Apf, vcpu: VcpuId) -> Finding {
    let state = apf.vcpu(vcpu);
    match state.halted.filter(|halt| halt.outlived && state.done.is_empty()) {
        Some(halt) => Err(format!("{vcpu} is halted for gfn {}, which has come", halt.gfn)),
        None => Ok(()),
    }
}

/// The thread sleeps and the exception waits for an entry.
pub(super) fn asleep_with_pending(apf: &Apf, vcpu: VcpuId) -> Finding {
    let state = apf.vcpu(vcpu);
    if state.blocked && !state.pending.is_empty() {
        return Err(format!("{vcpu} sleeps with a synthetic exception pending"));
    }
    Ok(())
}

/// INV-17.
pub(super) fn sleep(apf: &Apf, vcpu: VcpuId) -> Finding {
    let state = apf.vcpu(vcpu);
    if !state.blocked || state.woken || state.done.is_empty() {
        return Ok(());
    }
    let mut works = apf.host.items.works();
    if works.any(|(_, work)| work.vcpu == vcpu && work.stage >= WorkStage::Published)
        || state.complete.stage != CompleteStage::Idle
    {
        return Ok(());
    }
    Err(format!("{vcpu} sleeps, {} items are completed and nobody wakes it", state.done.len()))
}
