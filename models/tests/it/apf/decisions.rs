//! The decisions of the fault path and of delivery one by one, each on both sides of every condition.

use super::bench::{
    Bench, CLOSED, EN, EN_INT, READY, USER, VCPU, bench, enabled, goes_async, is_told, msr_writes,
    rules, step, with,
};
use models::apf::rules::{FetchFailure, Rules};
use models::apf::{Defect, Defects, Effect, Effects, GuestInput, HostInput, VcpuView};
use models::base::abi::{EN_INTERRUPT, MSR_ASYNC_PF_EN};
use models::base::ids::{Gfn, ItemId};
use models::base::record::{ApfReason, Event};

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
        assert_eq!(msr_writes(&effects, MSR_ASYNC_PF_EN), [en]);
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
    // A CPL that cannot be read counts as that of the kernel since 6.15.
    let hidden = VcpuView { cpl_readable: false, ..USER };
    for (name, told) in [("v5.3", true), ("v5.8", true), ("v6.12", true), ("v6.19", true)] {
        assert_eq!(is_told(&mut enabled(name), USER), told, "{name}");
    }
    let readable = |name: &str| is_told(&mut enabled(name), hidden);
    assert!(readable("v5.3") && readable("v5.8") && readable("v6.12"));
    assert!(!readable("v6.15"));
    // Paging off: told before 5.18, halted since.
    for (name, told) in [("v5.3", true), ("v5.8", true), ("v5.17", true), ("v5.18", false)] {
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
fn a_free_slot_is_not_overwritten() {
    let mut b = enabled("v6.19");
    b.complete(USER, 1);
    let effects = b.scan();
    let vcpu = VCPU;
    let free = Event::SharedWordWrite { vcpu, old: ApfReason::None, reason: ApfReason::Ready };
    assert!(effects.contains(&Effect::Emit(free)));
    assert!(!effects.contains(&Effect::SlotOverwritten { vcpu }));
}

#[test]
fn a_snapshot_has_what_the_local_apic_was_asked_for() {
    let mut b = enabled("v6.19");
    b.complete(USER, 1);
    b.scan();
    assert_eq!(b.apf.vcpu(VCPU).lapic.requested, u8::try_from(READY).ok());
    b.host(HostInput::Restore);
    assert_eq!(b.apf.vcpu(VCPU).lapic.requested, u8::try_from(READY).ok());
}
