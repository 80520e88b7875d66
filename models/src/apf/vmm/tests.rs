//! The VMM's half by hand, step by step.

use crate::apf::host::{HostInput, VcpuView};
use crate::apf::item::UserStage;
use crate::apf::rules::{Rules, generation};
use crate::apf::vmm::{Abuse, Reading, Storer, VmmInput};
use crate::apf::{Apf, Decision, Defect, Defects, Effect, Effects, VmmEffect};
use crate::base::abi::{EN_ENABLED, EN_INTERRUPT};
use crate::base::ids::{Gfn, Gva, Hva, VcpuId};

const VCPU: VcpuId = VcpuId(0);

fn vm(name: &str, ring: u32) -> Apf {
    let rules = generation(name).expect("a known generation");
    Apf::new(1, Rules { ring, ..rules }, Defects::none())
}

fn host(apf: &mut Apf, input: HostInput) -> Effects {
    let mut effects = Effects::new();
    apf.host_step(input, &mut effects);
    effects
}

fn vmm(apf: &mut Apf, input: VmmInput) -> Effects {
    let mut effects = Effects::new();
    apf.vmm_step(input, &mut effects);
    effects
}

fn fault(apf: &mut Apf, gfn: u64) -> Effects {
    let (gva, hva) = (Gva(gfn << 12), Hva(gfn << 12));
    let (vcpu, view, gfn, failure) = (VCPU, VcpuView::USER, Gfn(gfn), None);
    host(apf, HostInput::UserFault { vcpu, view, gva, gfn, hva, failure })
}

fn advance(apf: &mut Apf) -> Effects {
    host(apf, HostInput::Advance { vcpu: VCPU, view: VcpuView::USER })
}

/// All stores of one side become visible in their order.
fn see_all(apf: &mut Apf, storer: Storer) -> Effects {
    let mut effects = Effects::new();
    while !apf.stores(VCPU, storer).is_empty() {
        effects.extend(vmm(apf, VmmInput::Visible { vcpu: VCPU, storer, index: 0 }));
    }
    effects
}

fn stage(apf: &Apf, gfn: u64) -> Option<UserStage> {
    let mut items = apf.host.items.iter();
    items.find(|(_, item)| item.gfn() == Some(Gfn(gfn))).and_then(|(_, item)| item.user)
}

/// The VMM's thread reads until it sleeps.
fn sleep(apf: &mut Apf) {
    while apf.may_read(VCPU) {
        vmm(apf, VmmInput::Read { vcpu: VCPU });
    }
    assert_eq!(apf.vmm(VCPU).reading, Reading::Sleep);
}

#[test]
fn a_fault_leaves_by_an_exit_and_is_answered_later() {
    let (mut apf, gfn) = (vm("user-exit", 2), Gfn(1));
    host(&mut apf, HostInput::WriteEn { vcpu: VCPU, value: EN_ENABLED | EN_INTERRUPT });
    fault(&mut apf, 1);
    assert_eq!(stage(&apf, 1), Some(UserStage::Pending));
    let exit = Effect::Vmm(VmmEffect::Exit { vcpu: VCPU, gfn, plain: false });
    assert!(advance(&mut apf).contains(&exit));
    vmm(&mut apf, VmmInput::Ask { vcpu: VCPU, gfn, plain: false });
    vmm(&mut apf, VmmInput::Accept { vcpu: VCPU, gfn });
    vmm(&mut apf, VmmInput::Run { vcpu: VCPU });
    assert_eq!(stage(&apf, 1), Some(UserStage::Accepted));
    vmm(&mut apf, VmmInput::Answer { vcpu: VCPU, index: 0, again: false });
    assert!(!apf.may_answer(VCPU, 0), "the bit is not seen clear yet");
    let cleared = Effect::Vmm(VmmEffect::BitCleared { gfn });
    assert!(see_all(&mut apf, Storer::Vmm).contains(&cleared));
    vmm(&mut apf, VmmInput::Answer { vcpu: VCPU, index: 0, again: false });
    assert_eq!(stage(&apf, 1), Some(UserStage::Completed));
    assert_eq!((apf.vcpu(VCPU).done.len(), apf.vmm(VCPU).requests.len()), (2, 0));
}

#[test]
fn what_is_not_accepted_is_over_when_the_vcpu_runs_again() {
    for (name, after) in
        [("user-exit", UserStage::Completed), ("user-exitless-march", UserStage::Pending)]
    {
        let mut apf = vm(name, 2);
        apf.vcpu_mut(VCPU).registered = false;
        fault(&mut apf, 1);
        advance(&mut apf);
        vmm(&mut apf, VmmInput::Run { vcpu: VCPU });
        assert_eq!(stage(&apf, 1), Some(after), "{name}");
        assert_eq!(apf.vcpu(VCPU).ready_request, after == UserStage::Completed, "{name}");
    }
}

#[test]
fn a_repeated_fault_halts_and_spends_a_token() {
    let mut apf = vm("user-exit", 2);
    fault(&mut apf, 1);
    advance(&mut apf);
    let before = apf.vcpu(VCPU).next_id;
    let effects = fault(&mut apf, 1);
    assert_eq!(effects.last(), Some(&Effect::Decide(Decision::Retry)));
    assert_eq!(apf.vcpu(VCPU).halt_request, Some(Gfn(1)));
    assert_ne!(apf.vcpu(VCPU).next_id, before);
}

#[test]
fn the_ring_tells_a_sleeping_vmm_once_it_is_visible() {
    let mut apf = vm("user-exitless", 2);
    sleep(&mut apf);
    assert!(apf.pages[0].armed);
    fault(&mut apf, 1);
    assert!(apf.waits_for_stores(VCPU) && apf.is_list_locked(VCPU));
    see_all(&mut apf, Storer::Kernel);
    advance(&mut apf);
    assert_eq!(stage(&apf, 1), Some(UserStage::Accepted));
    assert!(!apf.pages[0].armed && !apf.vmm(VCPU).signalled);
    advance(&mut apf);
    assert!(apf.vmm(VCPU).signalled);
}

#[test]
fn a_full_ring_falls_back_to_an_exit() {
    let mut apf = vm("user-exitless", 1);
    fault(&mut apf, 1);
    see_all(&mut apf, Storer::Kernel);
    advance(&mut apf);
    advance(&mut apf);
    let full = Effect::Vmm(VmmEffect::RingFull { vcpu: VCPU });
    assert!(fault(&mut apf, 2).contains(&full));
    assert_eq!(stage(&apf, 2), Some(UserStage::Pending));
}

#[test]
fn a_head_that_cannot_be_costs_the_vmm_its_answers_and_nobody_else() {
    let mut apf = vm("user-exitless", 2);
    fault(&mut apf, 1);
    see_all(&mut apf, Storer::Kernel);
    advance(&mut apf);
    advance(&mut apf);
    vmm(&mut apf, VmmInput::Abuse { vcpu: VCPU, how: Abuse::CompleteHeadFar });
    vmm(&mut apf, VmmInput::Abuse { vcpu: VCPU, how: Abuse::Signal });
    let dropped = Effect::Vmm(VmmEffect::BatchDropped { vcpu: VCPU });
    assert!(vmm(&mut apf, VmmInput::Complete { vcpu: VCPU }).contains(&dropped));
    assert!(apf.pages[0].complete.is_empty() && apf.vcpu(VCPU).done.is_empty());
}

#[test]
fn a_request_for_the_halt_looks_into_the_ring_of_answers() {
    let mut apf = vm("user-exitless", 2);
    fault(&mut apf, 1);
    see_all(&mut apf, Storer::Kernel);
    advance(&mut apf);
    // Notices are off: the vCPU is to be halted.
    advance(&mut apf);
    assert_eq!(apf.vcpu(VCPU).halt_request, Some(Gfn(1)));
    vmm(&mut apf, VmmInput::Read { vcpu: VCPU });
    for _ in 0..2 {
        vmm(&mut apf, VmmInput::Answer { vcpu: VCPU, index: 0, again: false });
    }
    see_all(&mut apf, Storer::Vmm);
    let effects = host(&mut apf, HostInput::Requests { vcpu: VCPU });
    assert!(effects.contains(&Effect::Scan) && !apf.is_halted(VCPU));
}

#[test]
fn two_threads_lose_an_answer() {
    let rules = generation("user-exitless").expect("known");
    let mut apf = Apf::new(1, rules, Defects::none().with(Defect::TwoProducers));
    for gfn in [1, 2] {
        fault(&mut apf, gfn);
        see_all(&mut apf, Storer::Kernel);
        advance(&mut apf);
        advance(&mut apf);
    }
    vmm(&mut apf, VmmInput::Read { vcpu: VCPU });
    for _ in 0..3 {
        for index in [0, 1] {
            vmm(&mut apf, VmmInput::Answer { vcpu: VCPU, index, again: false });
        }
    }
    let lost = |effect: &Effect| matches!(effect, Effect::Vmm(VmmEffect::Overwritten { .. }));
    assert!(see_all(&mut apf, Storer::Vmm).iter().any(lost));
}
