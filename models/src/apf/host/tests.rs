//! The life of an item as a reader of a trace sees it, and the corners of the host's half.

use crate::apf::effect::{Decision, Effect, Effects};
use crate::apf::host::{FaultMemory, HostInput, MmuMode, VcpuView};
use crate::apf::rules::{Prefault, Rules, WordWriteFailure, generation, generations};
use crate::apf::{Apf, Defects, GuestInput, Input};
use crate::base::ids::{Gfn, Gva, Hva, ItemId, Token, VcpuId, WorkerId};
use crate::base::record::{ApfReason, Event};

const VCPU: VcpuId = VcpuId(0);
const ITEM: ItemId = ItemId(0);
const USER: VcpuView = VcpuView::USER;

fn rules() -> Rules {
    generation("v7-2010").expect("a known generation")
}

fn apf(rules: Rules, en: u64) -> Apf {
    let mut apf = Apf::new(1, Rules { wake_all_on_enable: false, ..rules }, Defects::none());
    host(&mut apf, HostInput::WriteEn { vcpu: VCPU, value: en });
    apf
}

fn host(apf: &mut Apf, input: HostInput) -> Effects {
    let mut effects = Effects::new();
    apf.step(Input::Host(input), &mut effects);
    effects
}

fn fault(apf: &mut Apf, view: VcpuView, gfn: u64) -> (Decision, Effects) {
    let (gva, gfn, hva) = (Gva(gfn << 12), Gfn(gfn), Hva(gfn << 12));
    let mut all = host(apf, HostInput::Try { vcpu: VCPU, view, gva, gfn, hva, failure: None });
    while all.last() == Some(&Effect::Decide(Decision::Continue)) {
        all.extend(host(apf, HostInput::Advance { vcpu: VCPU, view }));
    }
    match all.last() {
        Some(&Effect::Decide(decision)) => (decision, all),
        other => panic!("the fault path ends with {other:?}"),
    }
}

fn work(apf: &mut Apf, item: ItemId) -> Effects {
    let mut all = host(apf, HostInput::WorkerStart { item, worker: WorkerId(7) });
    all.extend(host(apf, HostInput::WorkerFetched { item }));
    while !all.contains(&Effect::WorkerDone { item }) {
        all.extend(host(apf, HostInput::WorkerAdvance { item }));
    }
    all
}

fn deliver(apf: &mut Apf, view: VcpuView) -> Effects {
    let mut all = host(apf, HostInput::CheckCompletion { vcpu: VCPU, view });
    if !all.contains(&Effect::NothingToDeliver) {
        all.extend(host(apf, HostInput::Deliver { vcpu: VCPU, view }));
    }
    all
}

fn names(effects: &Effects) -> Vec<&'static str> {
    let name = |effect: &Effect| match effect {
        Effect::Emit(event) => Some(event.name()),
        _ => None,
    };
    effects.iter().filter_map(name).collect()
}

#[test]
fn a_told_fault_from_gate_to_page_ready() {
    let mut apf = apf(rules(), 1);
    let (decision, effects) = fault(&mut apf, USER, 5);
    assert_eq!(decision, Decision::Retry);
    assert_eq!(
        names(&effects),
        [
            "kvm_try_async_get_page",
            "workqueue_queue_work",
            "item_link",
            "kvm_async_pf_not_present",
            "shared_word_write",
            "not_present_queued",
        ]
    );
    let injected = Effect::Injected { vcpu: VCPU, token: Token(0), reason: ApfReason::NotPresent };
    assert!(host(&mut apf, HostInput::Inject { vcpu: VCPU }).contains(&injected));
    let effects = work(&mut apf, ITEM);
    assert_eq!(names(&effects), ["item_done", "kvm_async_pf_completed"]);
    let effects = deliver(&mut apf, USER);
    assert!(effects.contains(&Effect::Prefault { item: ITEM, gfn: Gfn(5), mmu: MmuMode::Direct }));
    assert!(effects.contains(&Effect::ItemFreed { item: ITEM, gfn: Some(Gfn(5)) }));
    assert_eq!(
        names(&effects),
        ["kvm_async_pf_ready", "shared_word_write", "page_ready_queued", "item_unlink"]
    );
    assert_eq!(apf.pending_exception(VCPU).map(|n| n.reason), Some(ApfReason::Ready));
    assert_eq!((apf.outstanding(VCPU), apf.done_len(VCPU)), (0, 0));
}

#[test]
fn a_guest_that_is_not_told_is_halted() {
    for (en, cpl) in [(0, 3), (1, 0)] {
        let mut apf = apf(rules(), en);
        let (decision, effects) = fault(&mut apf, VcpuView { cpl, ..USER }, 5);
        assert_eq!(decision, Decision::Retry);
        assert!(names(&effects).contains(&"kvm_async_pf_not_present"));
        assert_eq!(apf.pending_exception(VCPU), None);
        let effects = host(&mut apf, HostInput::Requests { vcpu: VCPU });
        assert!(effects.contains(&Effect::Halted) && apf.is_halted(VCPU));

        let block = HostInput::Block { vcpu: VCPU, view: USER, interrupt: false };
        assert_eq!(host(&mut apf, block), [Effect::Blocked]);
        assert!(work(&mut apf, ITEM).contains(&Effect::WakeVcpu { vcpu: VCPU }));
        let unblock = HostInput::Unblock { vcpu: VCPU, view: USER, interrupt: false };
        assert!(host(&mut apf, unblock).contains(&Effect::Runnable));
        assert!(!apf.must_block(VCPU));
    }
}

#[test]
fn send_always_tells_the_kernel_too() {
    let mut apf = apf(rules(), 3);
    let (_, effects) = fault(&mut apf, VcpuView { cpl: 0, ..USER }, 5);
    let told = |e: &Effect| {
        matches!(e, Effect::Emit(Event::NotPresentQueued { cpl: 0, send_always: true, .. }))
    };
    assert!(effects.iter().any(told));
}

#[test]
fn a_closed_gate_makes_the_fault_synchronous() {
    for view in [VcpuView { interrupts_on: false, ..USER }, VcpuView { reinjecting: true, ..USER }]
    {
        let mut apf = apf(rules(), 1);
        let (decision, effects) = fault(&mut apf, view, 5);
        assert_eq!((decision, names(&effects)), (Decision::Sync, vec![]));
    }
}

#[test]
fn the_cap_makes_the_fault_synchronous_and_uses_a_token() {
    let mut apf = apf(Rules { cap: 1, ..rules() }, 0);
    fault(&mut apf, USER, 5);
    let (decision, effects) = fault(&mut apf, USER, 6);
    assert_eq!((decision, names(&effects)), (Decision::Sync, vec!["kvm_try_async_get_page"]));
    assert_eq!(apf.vcpu(VCPU).next_id, 2);
}

#[test]
fn a_repeated_fault_halts() {
    let mut apf = apf(rules(), 1);
    fault(&mut apf, USER, 5);
    host(&mut apf, HostInput::Inject { vcpu: VCPU });
    let (decision, effects) = fault(&mut apf, USER, 5);
    assert_eq!(decision, Decision::Retry);
    assert_eq!(names(&effects), ["kvm_try_async_get_page", "kvm_async_pf_doublefault"]);
    assert_eq!(apf.vcpu(VCPU).halt_request, Some(Gfn(5)));
    assert_eq!(apf.outstanding(VCPU), 1);
}

#[test]
fn an_interrupt_ends_the_artificial_halt() {
    let mut apf = apf(rules(), 0);
    fault(&mut apf, USER, 5);
    host(&mut apf, HostInput::Requests { vcpu: VCPU });
    host(&mut apf, HostInput::Block { vcpu: VCPU, view: USER, interrupt: false });
    let effects = host(&mut apf, HostInput::Unblock { vcpu: VCPU, view: USER, interrupt: true });
    assert_eq!(names(&effects), ["apf_unhalt"]);
    assert!(!apf.is_halted(VCPU) && apf.outstanding(VCPU) == 1);
}

#[test]
fn page_ready_waits_for_interrupts_and_for_the_pending_exception() {
    let mut apf = apf(rules(), 1);
    fault(&mut apf, USER, 5);
    work(&mut apf, ITEM);
    assert_eq!(deliver(&mut apf, USER), [Effect::NothingToDeliver]);
    host(&mut apf, HostInput::Inject { vcpu: VCPU });
    let closed = VcpuView { interrupts_on: false, ..USER };
    assert_eq!(deliver(&mut apf, closed), [Effect::NothingToDeliver]);
    assert!(apf.may_check_completion(VCPU));
    assert!(names(&deliver(&mut apf, USER)).contains(&"page_ready_queued"));
}

#[test]
fn the_drain_rule_asks_for_more() {
    for (name, more) in [("v7-2010", false), ("v2.6.39", true)] {
        let mut apf = apf(generation(name).expect("a known generation"), 0);
        fault(&mut apf, USER, 5);
        work(&mut apf, ITEM);
        assert_eq!(deliver(&mut apf, USER).contains(&Effect::DrainMore), more, "{name}");
    }
}

#[test]
fn a_prefault_needs_the_mode_of_the_fault() {
    let (one, other) = (MmuMode::Shadow { cr3: 1 }, MmuMode::Shadow { cr3: 2 });
    for (rule, then, now, expected) in [
        (Prefault::DirectNow, MmuMode::Direct, MmuMode::Direct, true),
        (Prefault::DirectNow, one, MmuMode::Direct, true),
        (Prefault::DirectNow, one, one, false),
        (Prefault::DirectOrSameCr3, one, one, true),
        (Prefault::DirectOrSameCr3, one, other, false),
        (Prefault::DirectOrSameCr3, MmuMode::Direct, one, false),
        (Prefault::None, MmuMode::Direct, MmuMode::Direct, false),
    ] {
        let mut apf = apf(Rules { prefault: rule, ..rules() }, 0);
        fault(&mut apf, VcpuView { mmu: then, ..USER }, 5);
        work(&mut apf, ITEM);
        let effects = deliver(&mut apf, VcpuView { mmu: now, ..USER });
        let prefaults = effects.iter().any(|e| matches!(e, Effect::Prefault { .. }));
        assert_eq!(prefaults, expected, "{rule} {then:?} {now:?}");
    }
}

#[test]
fn a_word_out_of_reach_follows_its_rule() {
    for (rule, halts) in [(WordWriteFailure::Ignored, false), (WordWriteFailure::Halt, true)] {
        let mut apf = apf(Rules { word_write_failure: rule, ..rules() }, 1);
        host(&mut apf, HostInput::MapWord { vcpu: VCPU, writable: false });
        fault(&mut apf, USER, 5);
        assert_eq!(apf.pending_exception(VCPU), None);
        assert_eq!(apf.vcpu(VCPU).halt_request.is_some(), halts, "{rule}");
    }
}

#[test]
fn reserved_bits_are_refused_and_change_nothing() {
    let mut apf = apf(rules(), 1);
    let before = apf.clone();
    let effects = host(&mut apf, HostInput::WriteEn { vcpu: VCPU, value: 1 << 4 });
    assert!(effects.contains(&Effect::GpFault));
    assert_eq!(apf, before);
}

#[test]
fn enabling_wakes_everybody() {
    let mut apf = Apf::new(1, rules(), Defects::none());
    host(&mut apf, HostInput::WriteEn { vcpu: VCPU, value: 1 });
    assert_eq!((apf.outstanding(VCPU), apf.done_len(VCPU)), (0, 0), "appended in two sections");
    host(&mut apf, HostInput::Advance { vcpu: VCPU, view: USER });
    assert_eq!((apf.outstanding(VCPU), apf.done_len(VCPU)), (1, 1));
    deliver(&mut apf, USER);
    assert_eq!(apf.pending_exception(VCPU).map(|notice| notice.token), Some(Token::WAKE_ALL));
    assert_eq!(apf.outstanding(VCPU), 0);
}

#[test]
fn disabling_waits_for_the_worker_and_drops_the_rest() {
    let mut apf = apf(rules(), 1);
    for gfn in [5, 6] {
        fault(&mut apf, USER, gfn);
        host(&mut apf, HostInput::Inject { vcpu: VCPU });
    }
    let (running, queued) = (ItemId(0), ItemId(1));
    host(&mut apf, HostInput::WorkerStart { item: running, worker: WorkerId(0) });
    let effects = host(&mut apf, HostInput::WriteEn { vcpu: VCPU, value: 0 });
    assert!(effects.contains(&Effect::CancelWork { item: queued }));
    assert!(effects.contains(&Effect::WaitWorker { item: running }));
    host(&mut apf, HostInput::WorkerFetched { item: running });
    for _ in 0..3 {
        host(&mut apf, HostInput::WorkerAdvance { item: running });
    }
    let effects = host(&mut apf, HostInput::Advance { vcpu: VCPU, view: USER });
    assert!(effects.contains(&Effect::Decide(Decision::Retry)));
    assert_eq!((apf.outstanding(VCPU), apf.done_len(VCPU)), (0, 0));
    assert!(apf.vcpu(VCPU).gfns.is_empty() && apf.host.items.iter().next().is_none());
}

#[test]
fn an_item_is_not_reused_before_its_worker_is_through() {
    let mut apf = apf(rules(), 0);
    fault(&mut apf, USER, 5);
    host(&mut apf, HostInput::WorkerStart { item: ITEM, worker: WorkerId(0) });
    host(&mut apf, HostInput::WorkerFetched { item: ITEM });
    host(&mut apf, HostInput::WorkerAdvance { item: ITEM });
    deliver(&mut apf, USER);
    let (_, effects) = fault(&mut apf, USER, 6);
    assert!(effects.contains(&Effect::QueueWork { item: ItemId(1) }));
    let effects = host(&mut apf, HostInput::WorkerAdvance { item: ITEM });
    assert_eq!(names(&effects), ["kvm_async_pf_completed"]);
    host(&mut apf, HostInput::WorkerAdvance { item: ITEM });
    let (_, effects) = fault(&mut apf, USER, 7);
    assert!(effects.contains(&Effect::QueueWork { item: ITEM }));
}

#[test]
fn the_host_writes_over_an_unread_word() {
    let mut apf = apf(rules(), 1);
    fault(&mut apf, USER, 5);
    host(&mut apf, HostInput::Inject { vcpu: VCPU });
    work(&mut apf, ITEM);
    let effects = deliver(&mut apf, USER);
    let (old, reason) = (ApfReason::NotPresent, ApfReason::Ready);
    let write = Effect::Emit(Event::SharedWordWrite { vcpu: VCPU, old, reason });
    assert!(effects.contains(&write));
    let mut effects = Effects::new();
    apf.step(Input::Guest(GuestInput::PfEntry { vcpu: VCPU }), &mut effects);
    assert!(effects.contains(&Effect::Word(ApfReason::Ready)));
}

/// guest_memfd came with 6.8, and slots that it alone backs with 6.18.
#[test]
fn faults_on_guest_memfd_are_served_before_the_gate() {
    let served = |name: &str, memory: FaultMemory| {
        apf(generation(name).expect("a known generation"), 0).is_served_from_guest_memfd(memory)
    };
    for generation in generations() {
        assert!(!served(generation.name, FaultMemory::Vmm), "{}", generation.name);
    }
    for name in ["v6.12", "v6.15", "v6.19", "v7.3"] {
        assert!(served(name, FaultMemory::Private), "{name}");
    }
    for name in ["v6.19", "v7.2", "v7.3"] {
        assert!(served(name, FaultMemory::GuestMemfdOnly), "{name}");
    }
}

#[test]
#[should_panic(expected = "v6.1 has no memory of this kind: Private")]
fn a_kernel_without_guest_memfd_has_no_private_faults() {
    let old = apf(generation("v6.1").expect("a known generation"), 0);
    old.is_served_from_guest_memfd(FaultMemory::Private);
}
