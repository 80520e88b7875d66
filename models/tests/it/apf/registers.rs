//! What the guest and the VMM write, and the ends of queues and of VMs: registers, reset, restore, workers that are
//! waited for.

use super::bench::{
    Bench, EN_INT, OTHER, READY, USER, VCPU, bench, enabled, msr_writes, rules, step,
};
use models::apf::rules::Rules;
use models::apf::{Apf, Defect, Defects, Effect, Effects, HostInput, VcpuView, invariants};
use models::base::abi::MSR_ASYNC_PF_ACK;
use models::base::ids::{Gfn, Gva, Hva, ItemId, VcpuId, WorkerId};
use models::base::invariant::InvariantId;

#[test]
fn a_vm_adopts_rules_for_each_vcpu() {
    let mut apf = Apf::new(3, Rules { cap: 2, ..rules("v5.8") }, Defects::none());
    assert_eq!(apf.vcpus(), 3);
    let defects = Defects::none().with(Defect::IgnoreCap);
    apf.adopt(rules("v6.19"), defects);
    assert_eq!((apf.rules, apf.defects), (rules("v6.19"), defects));
    for vcpu in 0..3 {
        assert_eq!(apf.vcpu(VcpuId(vcpu)).gfns.capacity(), 64, "vcpu{vcpu}");
    }
}

#[test]
#[should_panic(expected = "in the middle of something")]
fn a_vm_with_notices_on_adopts_nothing() {
    let mut b = enabled("v6.19");
    b.apf.adopt(rules("v6.12"), Defects::none());
}

#[test]
fn an_acknowledgement_is_a_one() {
    let mut b = enabled("v6.12");
    b.complete(USER, 1);
    b.scan();
    assert!(b.apf.vcpu(VCPU).unacknowledged);
    let effects = step(&mut b, HostInput::WriteAck { vcpu: VCPU, value: 0 });
    assert!(!effects.contains(&Effect::Scan) && b.apf.vcpu(VCPU).unacknowledged);
    assert_eq!(msr_writes(&effects, MSR_ASYNC_PF_ACK), [0]);
    let effects = step(&mut b, HostInput::WriteAck { vcpu: VCPU, value: 1 });
    assert!(effects.contains(&Effect::Scan) && !b.apf.vcpu(VCPU).unacknowledged);
    assert!(msr_writes(&effects, MSR_ASYNC_PF_ACK).is_empty(), "it is handled after the scan");
    let effects = step(&mut b, HostInput::CheckCompletion { vcpu: VCPU, view: USER });
    assert_eq!(msr_writes(&effects, MSR_ASYNC_PF_ACK), [1]);
}

#[test]
fn a_scan_on_request_acknowledges_nothing() {
    let mut b = enabled("v6.12");
    b.complete(USER, 1);
    let effects = b.scan();
    assert!(effects.iter().any(|effect| matches!(effect, Effect::Popped { .. })));
    assert!(msr_writes(&effects, MSR_ASYNC_PF_ACK).is_empty());
}

#[test]
fn paging_switched_on_looks_for_items_if_notices_are_on() {
    for (name, on, asks) in [("v6.19", true, true), ("v6.19", false, false), ("v6.12", true, false)]
    {
        let mut b = enabled(name);
        b.host(HostInput::SetPaging { vcpu: VCPU, on: !on });
        b.apf.host.vcpus[0].ready_request = false;
        b.host(HostInput::SetPaging { vcpu: VCPU, on });
        assert_eq!(b.apf.vcpu(VCPU).ready_request, asks, "{name} {on}");
    }
    let mut b = bench("v6.19");
    b.host(HostInput::SetPaging { vcpu: VCPU, on: false });
    b.host(HostInput::SetPaging { vcpu: VCPU, on: true });
    assert!(!b.apf.vcpu(VCPU).ready_request, "notices are off");
}

#[test]
fn a_reset_forgets_what_the_guest_set_up() {
    let mut b = enabled("v6.19");
    b.fault(USER, 1);
    b.host(HostInput::Inject { vcpu: VCPU });
    b.host(HostInput::Hlt { vcpu: VCPU });
    b.host(HostInput::PvKick { vcpu: VCPU });
    b.work_all();
    b.host(HostInput::Reset { vcpu: VCPU });
    let state = b.apf.vcpu(VCPU);
    assert_eq!((state.en, state.queued), (0, 0));
    assert!(state.queue.is_empty() && state.done.is_empty());
    assert!(!state.hlt && !state.pv_kicked && state.halted.is_none());
    assert!(!state.lapic.enabled && !state.paging && !state.smm);
    assert_eq!(b.apf.guest.cr2[0], None);
    assert!(!b.apf.notices_on(VCPU));
}

/// It is a wake event, as an NMI is: the guest does not sleep in its handler, where nothing wakes it.
#[test]
fn a_system_management_interrupt_ends_both_halts() {
    let mut b = enabled("v6.19");
    b.host(HostInput::Hlt { vcpu: VCPU });
    b.fault(VcpuView { cpl: 0, ..USER }, 1);
    b.host(HostInput::Requests { vcpu: VCPU });
    let halted = |b: &Bench| (b.apf.vcpu(VCPU).hlt, b.apf.vcpu(VCPU).halted.is_some());
    assert_eq!(halted(&b), (true, true));
    b.host(HostInput::EnterSmm { vcpu: VCPU });
    assert_eq!(halted(&b), (false, false));
}

#[test]
fn a_restored_vm_is_in_the_mode_that_it_was_saved_in() {
    for (smm, paging) in [(true, false), (false, false), (false, true)] {
        let mut b = enabled("v6.19");
        b.fault(USER, 1);
        if smm {
            b.host(HostInput::EnterSmm { vcpu: VCPU });
        } else if !paging {
            b.host(HostInput::SetPaging { vcpu: VCPU, on: false });
        }
        b.host(HostInput::Restore);
        let state = b.apf.vcpu(VCPU);
        assert_eq!((state.smm, state.paging), (smm, paging));
        assert_eq!((state.en, state.queued), (0, 0), "registers and items are not in it");
        assert_eq!(state.pending.len(), 1);
    }
}

/// Two vCPUs with notices on under 6.12, each with a fault whose worker has begun.
fn two_with_workers() -> (Apf, [ItemId; 2]) {
    let mut apf =
        Apf::new(2, Rules { wake_all_on_enable: false, ..rules("v6.12") }, Defects::none());
    let mut effects = Effects::new();
    for vcpu in [VCPU, OTHER] {
        apf.host_step(HostInput::WriteInt { vcpu, value: READY }, &mut effects);
        apf.host_step(HostInput::WriteEn { vcpu, value: EN_INT }, &mut effects);
        let (gva, gfn, hva) = (Gva(0x1000), Gfn(1), Hva(0x1000));
        let input = HostInput::Try { vcpu, view: USER, gva, gfn, hva, failure: None };
        apf.host_step(input, &mut effects);
        while apf.vcpu(vcpu).operation.is_some() {
            apf.host_step(HostInput::Advance { vcpu, view: USER }, &mut effects);
        }
    }
    let items = [apf.vcpu(VCPU).queue[0], apf.vcpu(OTHER).queue[0]];
    for item in items {
        apf.host_step(HostInput::WorkerStart { item, worker: WorkerId(0) }, &mut effects);
    }
    (apf, items)
}

#[test]
fn who_switches_notices_off_waits_for_its_own_workers_only() {
    let (mut apf, [own, other]) = two_with_workers();
    let mut effects = Effects::new();
    apf.host_step(HostInput::WriteEn { vcpu: VCPU, value: 0 }, &mut effects);
    let waits: Vec<ItemId> = effects
        .iter()
        .filter_map(|effect| match *effect {
            Effect::WaitWorker { item } => Some(item),
            _ => None,
        })
        .collect();
    assert_eq!(waits, [own]);
    apf.host_step(HostInput::WorkerFetched { item: own }, &mut effects);
    while apf.host.items.work(own).is_some() {
        apf.host_step(HostInput::WorkerAdvance { item: own }, &mut effects);
    }
    effects.clear();
    apf.host_step(HostInput::Advance { vcpu: VCPU, view: USER }, &mut effects);
    assert!(!effects.iter().any(|effect| matches!(effect, Effect::WaitWorker { .. })));
    assert!(apf.host.items.get(own).is_none() && apf.host.items.get(other).is_some());
}

#[test]
fn a_sleep_is_not_excused_by_another_vcpus_worker() {
    let (mut apf, [own, other]) = two_with_workers();
    let mut effects = Effects::new();
    apf.host_step(HostInput::WorkerFetched { item: own }, &mut effects);
    while apf.host.items.work(own).is_some() {
        apf.host_step(HostInput::WorkerAdvance { item: own }, &mut effects);
    }
    let sleeps = |apf: &Apf| invariants::violations(apf).iter().any(|v| v.id == InvariantId(17));
    assert!(!sleeps(&apf));
    apf.host.vcpus[0].blocked = true;
    assert!(sleeps(&apf));
    assert_eq!(invariants::check_vcpu(&apf, VCPU).map(|v| v.id), Some(InvariantId(17)));
    apf.host_step(HostInput::WorkerFetched { item: other }, &mut effects);
    apf.host_step(HostInput::WorkerAdvance { item: other }, &mut effects);
    assert!(sleeps(&apf), "the other's worker is about to wake somebody else");
}

#[test]
fn the_last_of_two_workers_takes_the_vm_apart() {
    let mut b = enabled("v2.6.39");
    for gfn in [1, 2] {
        b.fault(USER, gfn);
        b.host(HostInput::Inject { vcpu: VCPU });
    }
    let items: Vec<ItemId> = b.apf.host.items.works().map(|(item, _)| item).collect();
    for &item in &items {
        b.fetch(item);
    }
    b.host(HostInput::Destroy);
    use models::apf::host::Life;
    use models::apf::item::WorkStage;
    for &item in &items {
        while b.apf.host.items.work(item).is_some_and(|work| work.stage != WorkStage::Ending) {
            b.work(item);
        }
    }
    assert_eq!(b.apf.host.life, Life::Released);
    let effects = b.work(items[0]);
    assert!(effects.contains(&Effect::WorkerDone { item: items[0] }));
    assert_eq!(b.apf.host.life, Life::Released, "somebody else still holds it");
    b.work(items[1]);
    assert_eq!(b.apf.host.life, Life::Destroying(Some(items[1])));
}
