//! The protocol's decisions one by one, each on both sides of every condition.

#![allow(clippy::expect_used, reason = "a test that cannot go on has failed")]

mod apf_bench;

use apf_bench::{Bench, EN, EN_INT, READY};
use models::apf::defect::UnknownDefect;
use models::apf::host::{
    EN_ENABLED, EN_INTERRUPT, EN_NESTED_EXIT, EN_SEND_ALWAYS, MSR_ACK, MSR_EN,
};
use models::apf::rules::{FetchFailure, Mechanism, Rules, Side, generation, generations};
use models::apf::token::TokenRule;
use models::apf::{
    Apf, Decision, Defect, Defects, Effect, Effects, GuestInput, HostInput, Input, VcpuView,
    WaitContext, invariants,
};
use models::ids::{Gfn, Gva, Hva, ItemId, TaskId, Token, VcpuId, WorkerId};
use models::trace::{ApfReason, Event};

const VCPU: VcpuId = VcpuId(0);
const OTHER: VcpuId = VcpuId(1);
const USER: VcpuView = VcpuView::USER;
const CLOSED: VcpuView = VcpuView { interrupts_on: false, ..USER };

fn rules(name: &str) -> Rules {
    generation(name).expect("a known generation")
}

fn bench(name: &str) -> Bench {
    Bench::new(1, rules(name), Defects::none())
}

fn with(name: &str, defect: Defect) -> Bench {
    Bench::new(1, rules(name), Defects::none().with(defect))
}

/// Notices on, as a guest of these rules switches them on.
fn enabled(name: &str) -> Bench {
    let mut b = bench(name);
    b.enable(b.en());
    b
}

/// One input and what it does, without what would follow of itself.
fn step(b: &mut Bench, input: HostInput) -> Effects {
    let mut effects = Effects::new();
    b.apf.step(Input::Host(input), &mut effects);
    effects
}

fn goes_async(effects: &Effects) -> bool {
    effects.contains(&Effect::Decide(Decision::Continue))
}

fn msr_writes(effects: &Effects, register: u32) -> Vec<u64> {
    let write = |effect: &Effect| match *effect {
        Effect::Emit(Event::KvmMsrWrite { ecx, data, .. }) if ecx == register => Some(data),
        _ => None,
    };
    effects.iter().filter_map(write).collect()
}

/// Whether a user fault is told to the guest rather than ending in a halt.
fn is_told(b: &mut Bench, view: VcpuView) -> bool {
    b.fault(view, 1);
    !b.apf.vcpu(VCPU).pending.is_empty()
}

#[test]
fn bits_and_names() {
    assert_eq!((EN_ENABLED, EN_SEND_ALWAYS, EN_NESTED_EXIT, EN_INTERRUPT), (1, 2, 4, 8));
    let mut state = bench("v6.12").apf.vcpu(VCPU).clone();
    for en in 0..16 {
        state.en = en;
        assert_eq!(state.nested_exit(), en & 4 != 0);
        assert_eq!(state.interrupt_asked(), en & 8 != 0);
    }
    assert_eq!(Defect::IgnoreCap.to_string(), "ignore-cap");
    assert!(UnknownDefect("x-y".into()).to_string().contains("x-y"));
    let twice = Defects::none().with(Defect::IgnoreCap).with(Defect::IgnoreCap);
    assert!(twice.has(Defect::IgnoreCap));
    assert_eq!((Side::Host.name(), Side::Guest.name()), ("host", "guest"));
    let layout = TokenRule { id_bits: 20, vcpu_bits: 12, first_vcpu: 0 };
    assert_eq!(layout.to_string(), "id:20 vcpu:12");
    // The number of the vCPU lies over the counter, and does not cancel it.
    assert_eq!(layout.token(1, VcpuId(4096)), Token(0x1000));
}

#[test]
fn generations_say_where_their_values_come_from() {
    assert!(generations().len() >= 12);
    let named = |name: &str| generations().iter().find(|g| g.name == name).expect("known");
    let applied = named("v5.17").applied();
    assert!(applied.iter().any(|a| a.mechanism == Mechanism::TokenZero && a.old != a.new));
    let newest = named("v6.19");
    assert_eq!(newest.origins().len(), Mechanism::ALL.len());
    assert_eq!(newest.origin(Mechanism::TokenZero).since, "v5.17");
    let root = named("v5-2010");
    let sources: Vec<&str> = root.origins().iter().map(|origin| origin.source).collect();
    assert!(sources.iter().all(|&source| source != "unknown" && !source.is_empty()));
    assert_ne!(
        root.origin(Mechanism::MmapLock).source,
        root.origin(Mechanism::Drain).source,
        "each has its own"
    );
}

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
fn notices_are_on_with_all_their_bits_only() {
    for (name, en, on) in [
        ("v5.3", EN, true),
        ("v5.3", 0, false),
        ("v6.12", EN, false),
        ("v6.12", EN_INTERRUPT, false),
        ("v6.12", EN_INT, true),
    ] {
        let mut b = bench(name);
        let effects = b.host(HostInput::WriteEn { vcpu: VCPU, value: en });
        assert_eq!(b.apf.notices_on(VCPU), on, "{name} {en}");
        assert_eq!(msr_writes(&effects, MSR_EN), [en]);
    }
}

#[test]
fn the_gate_of_a_fault() {
    let nested = VcpuView { nested: true, ..USER };
    for name in ["v4.13", "v6.12"] {
        assert!(goes_async(&enabled(name).try_only(USER, 1)), "{name}");
        assert!(!goes_async(&enabled(name).try_only(CLOSED, 1)), "{name}");
    }
    assert!(!goes_async(&enabled("v4.13").try_only(nested, 1)));
    let mut b = enabled("v4.13");
    b.host(HostInput::SetIrqchip { vcpu: VCPU, in_kernel: false });
    assert!(!goes_async(&b.try_only(USER, 1)));
}

#[test]
fn who_can_be_told() {
    // A CPL that cannot be read counts as that of the kernel, by the newest rules.
    let hidden = VcpuView { cpl_readable: false, ..USER };
    for (name, told) in [("v5.3", true), ("v5.8", true), ("v6.12", true), ("v6.19", true)] {
        assert_eq!(is_told(&mut enabled(name), USER), told, "{name}");
    }
    let readable = |name: &str| is_told(&mut enabled(name), hidden);
    assert!(readable("v5.3") && readable("v5.8"));
    assert!(!readable("v6.19"));
    // Paging off: told before 5.8, halted since.
    for (name, told) in [("v4.13", true), ("v5.3", true), ("v5.8", false), ("v6.19", false)] {
        let mut b = enabled(name);
        b.host(HostInput::SetPaging { vcpu: VCPU, on: false });
        assert_eq!(is_told(&mut b, USER), told, "{name}");
    }
}

#[test]
fn the_gate_of_page_ready() {
    let pops = |name: &str, view: VcpuView| {
        let mut b = enabled(name);
        b.fault(USER, 1);
        if b.apf.vcpu(VCPU).deferred.is_some() {
            b.scan();
        }
        b.sleep(b.newest_token());
        b.work_all();
        let effects = step(&mut b, HostInput::CheckCompletion { vcpu: VCPU, view });
        effects.iter().any(|effect| matches!(effect, Effect::Popped { .. }))
    };
    for name in ["v5-2010", "v7-2010", "v2.6.39", "v4.13", "v5.3"] {
        assert!(pops(name, USER), "{name}");
        assert!(!pops(name, CLOSED), "{name}: interrupts are off");
        assert!(!pops(name, VcpuView { reinjecting: true, ..USER }), "{name}: something waits");
        assert!(!pops(name, VcpuView { exception: true, ..USER }), "{name}: an exception waits");
    }
}

#[test]
fn a_moved_slot_map_is_looked_up_again() {
    let mut b = enabled("v6.12");
    b.fault(USER, 1);
    b.sleep(b.newest_token());
    b.host(HostInput::MemslotChange { moves: None });
    b.work_all();
    assert!(b.scan().iter().any(|effect| matches!(effect, Effect::Popped { .. })));
}

#[test]
fn what_was_popped_is_told_whatever_the_gate_says_then() {
    let delivers = |mut b: Bench, view: VcpuView| {
        b.enable(b.en());
        b.complete(USER, 1);
        step(&mut b, HostInput::CheckCompletion { vcpu: VCPU, view: USER });
        step(&mut b, HostInput::Deliver { vcpu: VCPU, view });
        !b.apf.vcpu(VCPU).pending.is_empty()
    };
    assert!(delivers(bench("v2.6.39"), USER) && delivers(bench("v2.6.39"), CLOSED));
    let drops = || with("v2.6.39", Defect::DropReadyOnGateClosed);
    assert!(delivers(drops(), USER) && !delivers(drops(), CLOSED));
}

#[test]
fn two_exceptions_at_one_entry_are_a_double_fault() {
    let mut b = with("v2.6.39", Defect::ReadyOverPendingException);
    b.enable(b.en());
    b.fault(USER, 1);
    b.work_all();
    b.scan();
    assert_eq!(b.apf.vcpu(VCPU).pending.len(), 2);
    let effects = step(&mut b, HostInput::Inject { vcpu: VCPU });
    assert!(effects.contains(&Effect::DoubleFault { vcpu: VCPU }));
    let mut b = enabled("v2.6.39");
    b.fault(USER, 1);
    let effects = step(&mut b, HostInput::Inject { vcpu: VCPU });
    assert!(!effects.contains(&Effect::DoubleFault { vcpu: VCPU }));
    assert!(effects.iter().any(|effect| matches!(effect, Effect::Injected { .. })));
}

#[test]
fn who_looks_for_completed_items_at_an_entry() {
    let mut b = enabled("v5-2010");
    assert!(!b.apf.may_check_completion(VCPU));
    b.fault(USER, 1);
    assert!(b.apf.may_check_completion(VCPU), "not present waits for the entry");
    b.scan();
    assert!(!b.apf.may_check_completion(VCPU));
    b.work_all();
    assert!(b.apf.may_check_completion(VCPU), "an item is completed");
}

#[test]
fn what_ends_a_halt() {
    let runnable = |b: &Bench, view: &VcpuView| b.apf.runnable(VCPU, view, false);
    let excepted = VcpuView { exception: true, ..USER };
    for (name, more) in [("v5-2010", false), ("v6.12", true)] {
        assert!(!runnable(&enabled(name), &USER), "{name}");
        assert_eq!(runnable(&enabled(name), &excepted), more, "{name}: an exception");
        let mut b = enabled(name);
        assert!(b.apf.runnable(VCPU, &USER, true), "{name}: an interrupt");
        let effects = b.host(HostInput::PvKick { vcpu: VCPU });
        assert_eq!((b.apf.vcpu(VCPU).pv_kicked, effects.len()), (more, 0), "{name}");
        assert_eq!(runnable(&b, &USER), more, "{name}: a kick");
    }
    let mut b = enabled("v6.12");
    b.fault(USER, 1);
    assert!(runnable(&b, &USER), "a notice waits");
    let mut b = enabled("v6.12");
    b.host(HostInput::Hlt { vcpu: VCPU });
    b.host(HostInput::Block { vcpu: VCPU, view: USER, interrupt: false });
    let effects = b.host(HostInput::PvKick { vcpu: VCPU });
    assert!(effects.contains(&Effect::WakeVcpu { vcpu: VCPU }));
}

#[test]
fn a_sleeping_thread_is_woken_once() {
    let mut b = enabled("v2.6.39");
    for gfn in [1, 2] {
        b.fault(USER, gfn);
        b.host(HostInput::Inject { vcpu: VCPU });
        b.guest(GuestInput::PfEntry { vcpu: VCPU });
    }
    b.host(HostInput::Hlt { vcpu: VCPU });
    b.host(HostInput::Block { vcpu: VCPU, view: USER, interrupt: false });
    let items: Vec<ItemId> = b.apf.host.items.works().map(|(item, _)| item).collect();
    let mut wakes = 0;
    for item in items {
        b.fetch(item);
        while b.apf.host.items.work(item).is_some() {
            let effects = b.work(item);
            wakes += effects.iter().filter(|e| matches!(e, Effect::WakeVcpu { .. })).count();
        }
    }
    assert_eq!(wakes, 1);
    // Who does not sleep is not woken.
    let mut b = enabled("v2.6.39");
    b.fault(USER, 1);
    let item = b.newest();
    b.fetch(item);
    while b.apf.host.items.work(item).is_some() {
        assert!(!b.work(item).contains(&Effect::WakeVcpu { vcpu: VCPU }));
    }
}

#[test]
fn an_acknowledgement_is_a_one() {
    let mut b = enabled("v6.12");
    b.complete(USER, 1);
    b.scan();
    assert!(b.apf.vcpu(VCPU).unacknowledged);
    let effects = step(&mut b, HostInput::WriteAck { vcpu: VCPU, value: 0 });
    assert!(!effects.contains(&Effect::Scan) && b.apf.vcpu(VCPU).unacknowledged);
    assert_eq!(msr_writes(&effects, MSR_ACK), [0]);
    let effects = step(&mut b, HostInput::WriteAck { vcpu: VCPU, value: 1 });
    assert!(effects.contains(&Effect::Scan) && !b.apf.vcpu(VCPU).unacknowledged);
    assert!(msr_writes(&effects, MSR_ACK).is_empty(), "it is handled after the scan");
    let effects = step(&mut b, HostInput::CheckCompletion { vcpu: VCPU, view: USER });
    assert_eq!(msr_writes(&effects, MSR_ACK), [1]);
}

#[test]
fn a_scan_on_request_acknowledges_nothing() {
    let mut b = enabled("v6.12");
    b.complete(USER, 1);
    let effects = b.scan();
    assert!(effects.iter().any(|effect| matches!(effect, Effect::Popped { .. })));
    assert!(msr_writes(&effects, MSR_ACK).is_empty());
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
    assert_eq!((state.en, state.vector, state.queued), (0, 0, 0));
    assert!(!state.area.valid && state.queue.is_empty() && state.done.is_empty());
    assert!(!state.hlt && !state.pv_kicked && !state.ready_request && !state.unacknowledged);
    assert!(!state.lapic.enabled && !state.paging && !state.smm);
    assert_eq!(b.apf.guest.cr2[0], None);
    assert!(!b.apf.notices_on(VCPU));
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
    let sleeps = |apf: &Apf| invariants::violations(apf).iter().any(|v| v.id == "INV-17");
    assert!(!sleeps(&apf));
    apf.host.vcpus[0].blocked = true;
    assert!(sleeps(&apf));
    assert_eq!(invariants::check_vcpu(&apf, VCPU).map(|v| v.id), Some("INV-17"));
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

#[test]
fn a_failed_fetch_is_told_by_the_next_fault_on_its_frame() {
    let noting = Rules { fetch_failure: FetchFailure::NextFaultSynchronous, ..rules("v6.19") };
    let fail = |rules: Rules, gfns: &[u64]| {
        let mut b = Bench::new(1, rules, Defects::none());
        b.enable(EN_INT);
        for &gfn in gfns {
            b.fault(USER, gfn);
            let item = b.newest();
            b.sleep(b.newest_token());
            b.fail(item);
            b.work_on(item);
            b.scan();
            b.take_ready();
        }
        b
    };
    let mut b = fail(noting, &[1, 2]);
    assert_eq!(b.apf.vcpu(VCPU).error_gfns, [Gfn(1), Gfn(2)]);
    assert!(goes_async(&b.try_only(USER, 3)), "another frame");
    let mut b = fail(noting, &[1, 2]);
    assert!(!goes_async(&b.try_only(USER, 1)), "once synchronous");
    assert_eq!(b.apf.vcpu(VCPU).error_gfns, [Gfn(2)]);
    assert!(goes_async(&b.try_only(USER, 1)), "then as any other");
    let mut b = fail(rules("v6.19"), &[1]);
    assert!(b.apf.vcpu(VCPU).error_gfns.is_empty() && goes_async(&b.try_only(USER, 1)));
    // What was fetched is not noted.
    let mut b = Bench::new(1, noting, Defects::none());
    b.enable(EN_INT);
    b.fault(USER, 1);
    b.work_all();
    assert!(b.apf.vcpu(VCPU).error_gfns.is_empty());
}

#[test]
fn an_unbounded_probe_needs_a_full_table_and_a_frame_that_is_not_there() {
    let rules = Rules { cap: 2, ..rules("v6.12") };
    let mut b = Bench::new(1, rules, Defects::none().with(Defect::UnboundedProbe));
    b.enable(EN_INT);
    let spins = |effects: &Effects| effects.iter().any(|e| matches!(e, Effect::HostSpins { .. }));
    for gfn in [1, 2] {
        assert!(!spins(&b.fault(USER, gfn)));
        b.sleep(b.newest_token());
    }
    assert!(!spins(&b.try_only(USER, 2)), "the frame is there");
    assert!(spins(&b.try_only(USER, 3)));
}

#[test]
fn a_kernel_that_does_not_count_waits_in_hlt_outside_user_mode() {
    let halts = |ctx: WaitContext| {
        let mut b = bench("v5.3");
        let (token, task) = (Token(9), TaskId(1));
        b.guest(GuestInput::WaitLink { vcpu: VCPU, task, token });
        let effects = b.guest(GuestInput::WaitTest { vcpu: VCPU, task, token, ctx });
        assert_ne!(effects.contains(&Effect::HaltGuest), effects.contains(&Effect::Sleep));
        effects.contains(&Effect::HaltGuest)
    };
    let uncounted = WaitContext { counts_atomic: false, ..WaitContext::USER };
    assert!(!halts(uncounted));
    assert!(halts(WaitContext { user_mode: false, ..uncounted }));
    assert!(halts(WaitContext { idle: true, ..uncounted }));
    assert!(!halts(WaitContext { user_mode: false, ..WaitContext::USER }));
    assert!(halts(WaitContext { idle: true, ..WaitContext::USER }));
    assert!(halts(WaitContext { preempt_count: 1, ..WaitContext::USER }));
    assert!(halts(WaitContext { rcu_reader: true, ..WaitContext::USER }));
}

#[test]
fn a_task_waits_by_its_own_entry() {
    let mut b = bench("v6.19");
    let test = |b: &mut Bench, task, token| {
        let ctx = WaitContext::USER;
        b.guest(GuestInput::WaitTest { vcpu: VCPU, task: TaskId(task), token: Token(token), ctx })
    };
    b.guest(GuestInput::WaitLink { vcpu: VCPU, task: TaskId(0), token: Token(4) });
    assert!(test(&mut b, 0, 4).contains(&Effect::Sleep));
    assert!(test(&mut b, 1, 4).contains(&Effect::WaitDone), "another task's");
    assert!(test(&mut b, 0, 8).contains(&Effect::WaitDone), "another token's");
}

#[test]
fn without_memory_for_a_dummy_the_wake_is_tried_again() {
    for name in ["v2.6.39", "v6.19"] {
        let mut b = bench(name);
        let token = Token(4);
        let effects = b.guest(GuestInput::WakeNoMemory { vcpu: VCPU, token });
        assert!(effects.contains(&Effect::WakeAgain), "{name}");
        assert!(b.apf.guest.sleepers.is_empty());
        b.guest(GuestInput::WaitLink { vcpu: VCPU, task: TaskId(0), token });
        let effects = b.guest(GuestInput::WakeNoMemory { vcpu: VCPU, token });
        assert!(!effects.contains(&Effect::WakeAgain), "{name}: none is needed");
        assert!(b.apf.guest.sleepers.is_empty());
    }
}

#[test]
fn the_handler_tells_what_it_read() {
    let read = |effects: &Effects| {
        effects.iter().find_map(|effect| match *effect {
            Effect::Emit(Event::SharedWordRead { reason, .. }) => Some(reason),
            _ => None,
        })
    };
    let mut b = enabled("v2.6.39");
    assert_eq!(read(&b.guest(GuestInput::PfEntry { vcpu: VCPU })), None, "an ordinary fault");
    b.fault(USER, 1);
    b.host(HostInput::Inject { vcpu: VCPU });
    let effects = b.guest(GuestInput::PfEntry { vcpu: VCPU });
    assert_eq!(read(&effects), Some(ApfReason::NotPresent));
}

#[test]
fn another_kernel_finds_the_memory_where_it_was() {
    let mut b = enabled("v6.19");
    b.host(HostInput::MemslotChange { moves: Some(VCPU) });
    b.host(HostInput::MapWord { vcpu: VCPU, writable: false });
    let before = b.apf.words[0];
    b.guest(GuestInput::Restart);
    let after = b.apf.words[0];
    assert_eq!((after.writable, after.place), (before.writable, before.place));
    assert!(!after.writable && after.foreign && after.token == Token::NONE);
}

#[test]
fn the_checks_of_single_steps_find_what_all_checks_find() {
    let id = |found: Option<invariants::Violation>| found.map(|violation| violation.id);
    let mut b = with("v6.12", Defect::SkipGfnLookup);
    b.enable(EN_INT);
    assert_eq!(id(invariants::check_all(&b.apf)), None);
    assert_eq!(id(invariants::check_vcpu(&b.apf, VCPU)), None);
    for _ in 0..2 {
        b.fault(USER, 1);
        b.sleep(b.newest_token());
    }
    assert_eq!(id(invariants::check_all(&b.apf)), Some("INV-01"));
    let found = invariants::check_vcpu(&b.apf, VCPU).expect("two items for one frame");
    assert_eq!(found.id, "INV-01");
    let all = invariants::violations(&b.apf);
    assert!(all.iter().any(|v| v.id == "INV-01" && v.sentence == found.sentence));

    let mut b = with("v2.6.39", Defect::ReusedToken);
    b.enable(EN);
    b.fault(USER, 1);
    assert_eq!(id(invariants::check_token(&b.apf, b.newest())), None);
    b.sleep(b.newest_token());
    b.fault(USER, 2);
    assert_eq!(id(invariants::check_token(&b.apf, b.newest())), Some("INV-02"));

    let mut b = with("v6.12", Defect::BlindDummy);
    let token = Token(4);
    b.guest(GuestInput::WaitLink { vcpu: VCPU, task: TaskId(0), token });
    assert_eq!(id(invariants::check_guest(&b.apf)), None);
    b.guest(GuestInput::WakeInsert { vcpu: VCPU, token });
    assert_eq!(id(invariants::check_guest(&b.apf)), Some("INV-26"));
}

/// A sleeper for a token of which no item is left.
fn forgotten(name: &str) -> Bench {
    let mut b = enabled(name);
    b.guest(GuestInput::WaitLink { vcpu: VCPU, task: TaskId(0), token: Token(0x5000) });
    b
}

#[test]
fn what_gives_a_sleeper_hope() {
    use models::apf::Notice;
    let hopeless = |b: &Bench| b.violates("INV-13");
    assert!(hopeless(&forgotten("v2.6.39")));
    let mut b = forgotten("v2.6.39");
    b.fault(USER, 1);
    b.sleep(b.newest_token());
    assert!(hopeless(&b), "another token is outstanding");
    for (token, reason, hope) in [
        (Token(0x5000), ApfReason::Ready, true),
        (Token(0x5000), ApfReason::NotPresent, false),
        (Token(0x6000), ApfReason::Ready, false),
        (Token::WAKE_ALL, ApfReason::Ready, true),
        (Token::WAKE_ALL, ApfReason::NotPresent, false),
    ] {
        let notice = Notice { token, reason };
        let mut b = forgotten("v2.6.39");
        b.apf.host.vcpus[0].pending.push(notice);
        assert_eq!(!hopeless(&b), hope, "pending {notice:?}");
        let mut b = forgotten("v2.6.39");
        b.apf.guest.cr2[0] = Some(notice);
        assert_eq!(!hopeless(&b), hope, "in the handler {notice:?}");
    }
    for (token, raised, hope) in [
        (Token(0x5000), true, true),
        (Token(0x5000), false, false),
        (Token(0x6000), true, false),
        (Token::WAKE_ALL, true, true),
    ] {
        let mut b = forgotten("v6.12");
        b.apf.words[0].token = token;
        b.apf.host.vcpus[0].lapic.requested = raised.then_some(0xf3);
        assert_eq!(!hopeless(&b), hope, "{token} in the slot, raised {raised}");
    }
    let mut b = forgotten("v6.12");
    b.apf.words[0].token = Token(0x5000);
    b.apf.guest.in_handler[0] = true;
    assert!(!hopeless(&b), "the handler is about to read it");
}

#[test]
fn states_that_look_alike_and_are_not() {
    use models::apf::host::{Halt, Life};
    // Who took the VM apart is through.
    let mut b = enabled("v2.6.39");
    b.apf.host.life = Life::Destroying(Some(ItemId(5)));
    assert!(!b.violates("INV-25"));
    // A list that links an item twice.
    let mut b = enabled("v6.12");
    b.complete(USER, 1);
    assert!(!b.violates("INV-06"));
    let item = b.newest();
    b.apf.host.vcpus[0].done.push(item);
    assert!(b.violates("INV-06"));
    // A halt that came after its item is a weakness while nothing else is completed.
    let late = |b: &Bench| invariants::weaknesses_of(&b.apf).iter().any(|w| w.id == "INV-16");
    for (outlived, done, found) in
        [(true, false, true), (true, true, false), (false, false, false), (false, true, false)]
    {
        let mut b = enabled("v6.12");
        b.fault(USER, 1);
        b.sleep(b.newest_token());
        if done {
            b.work_all();
        }
        b.apf.host.vcpus[0].halted = Some(Halt { gfn: Gfn(1), outlived });
        assert_eq!(late(&b), found, "outlived {outlived}, done {done}");
    }
}
