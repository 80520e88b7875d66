//! What a release changed, shown on both sides of it.

use super::bench::{Bench, EN, EN_INT, USER, VCPU, bench, enabled, rules, step};
use models::apf::rules::{Generation, Mechanism, MpStateWrite, generations, named_generation};
use models::apf::{Defects, Effect, HostInput, MmuMode, VcpuView};
use models::base::abi::{EN_NESTED_EXIT, EN_SEND_ALWAYS};
use models::base::ids::Gfn;
use models::base::invariant::InvariantId;

/// An address at which no guest has memory.
const NOWHERE: u64 = 1 << 60;
const KERNEL: VcpuView = VcpuView { cpl: 0, ..USER };

/// What the host is asked when its vCPU thread finds a halt.
fn block(b: &mut Bench) -> bool {
    let input = HostInput::Block { vcpu: VCPU, view: USER, interrupt: false };
    step(b, input).contains(&Effect::Blocked)
}

/// Until 6.14 a kick that meets no HLT ends every artificial halt; since 6.15 the next page ready
/// uses it up, also one that is not told.
#[test]
fn a_stray_kick_lasts_until_an_hlt_or_a_page_ready() {
    for (name, still) in [("v6.12", true), ("v6.15", false), ("v6.19", false), ("v7.3", false)] {
        for view in [USER, KERNEL] {
            let mut b = enabled(name);
            b.host(HostInput::PvKick { vcpu: VCPU });
            b.fault(view, 1);
            b.host(HostInput::Inject { vcpu: VCPU });
            b.work_all();
            assert!(b.apf.vcpu(VCPU).pv_kicked, "{name}: a worker uses no kick up");
            b.scan();
            assert_eq!(b.apf.vcpu(VCPU).pv_kicked, still, "{name}");
        }
    }
    // An HLT uses it up in all of them.
    for name in ["v6.12", "v7.3"] {
        let mut b = enabled(name);
        b.host(HostInput::PvKick { vcpu: VCPU });
        b.host(HostInput::Hlt { vcpu: VCPU });
        assert!(!block(&mut b) && !b.apf.vcpu(VCPU).pv_kicked, "{name}");
    }
}

/// The artificial halt for a page in flight ends at once while a kick is there, in all of them.
#[test]
fn a_stray_kick_ends_the_halt_for_the_page_in_flight() {
    for (name, second) in [("v6.12", false), ("v7.3", true)] {
        let mut b = enabled(name);
        b.host(HostInput::PvKick { vcpu: VCPU });
        let halt = |b: &mut Bench, gfn| {
            b.fault(KERNEL, gfn);
            b.host(HostInput::Requests { vcpu: VCPU });
            block(b)
        };
        assert!(!halt(&mut b, 1), "{name}: the kick is there");
        b.work_all();
        b.scan();
        assert_eq!(halt(&mut b, 2), second, "{name}");
    }
}

/// `kvm_vcpu_reset` clears neither what is not acknowledged nor requests.
#[test]
fn an_init_keeps_what_kernels_keep() {
    let mut b = enabled("v7.3");
    b.complete(USER, 1);
    b.scan();
    b.fault(USER, 2);
    b.host(HostInput::Hlt { vcpu: VCPU });
    b.host(HostInput::Reset { vcpu: VCPU });
    let state = b.apf.vcpu(VCPU);
    assert!(state.unacknowledged && state.lapic.requested.is_none());
    assert_eq!((state.en, state.vector), (0, 0xf3));
    assert!(!state.hlt && state.halted.is_none());
    // A kick until 6.14: what makes the vCPU runnable did not use it up then.
    for (name, kept) in [("v6.12", true), ("v6.15", false)] {
        let mut b = enabled(name);
        b.host(HostInput::PvKick { vcpu: VCPU });
        b.host(HostInput::Reset { vcpu: VCPU });
        assert_eq!(b.apf.vcpu(VCPU).pv_kicked, kept, "{name}");
    }
    // A request for a halt since there are halts.
    for (name, kept) in [("v7-2010", true), ("v7.3", true)] {
        let mut b = enabled(name);
        b.fault(KERNEL, 1);
        b.host(HostInput::Reset { vcpu: VCPU });
        assert_eq!(b.apf.vcpu(VCPU).halt_request.is_some(), kept, "{name}");
    }
}

/// No worker kicks a vCPU that had not acknowledged before its INIT, until the first page ready
/// after it is acknowledged.
#[test]
fn after_an_init_nobody_kicks_until_the_first_acknowledgement() {
    let kicks = |b: &mut Bench, gfn| {
        b.fault(USER, gfn);
        b.host(HostInput::Inject { vcpu: VCPU });
        let item = b.newest();
        b.fetch(item);
        let mut kicks = false;
        while b.apf.host.items.work(item).is_some() {
            kicks |= b.work(item).iter().any(|e| matches!(e, Effect::KickVcpu { .. }));
        }
        kicks
    };
    let mut b = enabled("v7.3");
    b.complete(USER, 1);
    b.scan();
    b.host(HostInput::Reset { vcpu: VCPU });
    b.host(HostInput::SetLapic { vcpu: VCPU, enabled: true });
    b.host(HostInput::SetPaging { vcpu: VCPU, on: true });
    b.apf.areas[0].token = models::base::ids::Token::NONE;
    b.enable(EN_INT);
    assert!(!kicks(&mut b, 2));
    b.scan();
    b.take_ready();
    assert!(kicks(&mut b, 3));
}

/// A write of EN that names no memory: the value is in force until 7.0, and in no kernel does the
/// host reach the area that it had before memory slots change.
#[test]
fn a_refused_write_of_en_spoils_the_area() {
    for (name, in_force) in [("v6.12", true), ("v6.19", true), ("v7.2", false), ("v7.3", false)] {
        let mut b = enabled(name);
        let effects = step(&mut b, HostInput::WriteEn { vcpu: VCPU, value: NOWHERE | EN_INT });
        assert!(effects.contains(&Effect::GpFault), "{name}");
        assert_eq!(b.apf.vcpu(VCPU).en == NOWHERE | EN_INT, in_force, "{name}");
        // Not present cannot be written, so that the vCPU is halted; page ready cannot be read.
        b.fault(USER, 1);
        assert!(b.apf.vcpu(VCPU).halt_request.is_some(), "{name}");
        b.work_all();
        b.scan();
        assert_eq!(b.apf.done_len(VCPU), 1, "{name}: stays in the list");
        b.host(HostInput::MemslotChange { moves: None });
        b.request_scan();
        assert_eq!(b.apf.done_len(VCPU), 0, "{name}: reached again");
    }
}

/// Nobody may be told because of a write that was refused.
#[test]
fn a_refused_write_of_en_says_not_whom_to_tell() {
    for (name, bits) in [("v6.19", 0), ("v7.2", 0)] {
        let mut b = enabled(name);
        let value = NOWHERE | EN_INT | EN_SEND_ALWAYS | EN_NESTED_EXIT;
        step(&mut b, HostInput::WriteEn { vcpu: VCPU, value });
        let state = b.apf.vcpu(VCPU);
        let told = u8::from(state.send_always()) + u8::from(state.nested_exit());
        assert_eq!(told, bits, "{name}");
    }
    // The fields of their own outlive notices, until 7.0.
    for (name, kept) in [("v6.19", true), ("v7.2", false)] {
        let mut b = enabled(name);
        b.enable(EN_INT | EN_SEND_ALWAYS);
        b.host(HostInput::WriteEn { vcpu: VCPU, value: 0 });
        assert_eq!(b.apf.vcpu(VCPU).send_always(), kept, "{name}");
    }
}

/// Registers have no place for the artificial halt, nor for a request for it.
#[test]
fn a_reset_by_the_vmm_keeps_the_artificial_halt() {
    for (name, rule) in [("v6.12", None), ("v7.3", None), ("v7.3", Some(MpStateWrite::EndsHalt))] {
        let mut rules = rules(name);
        rules.mp_state_write = rule.unwrap_or(rules.mp_state_write);
        let mut b = Bench::new(1, rules, Defects::none());
        b.enable(EN_INT);
        b.fault(KERNEL, 1);
        b.host(HostInput::Requests { vcpu: VCPU });
        assert!(block(&mut b) && b.apf.is_halted(VCPU));
        b.host(HostInput::VmmReset { vcpu: VCPU });
        let state = b.apf.vcpu(VCPU);
        assert_eq!((state.en, state.queued, state.blocked), (0, 0, false), "{name}");
        assert_eq!(b.apf.is_halted(VCPU), rule.is_none(), "{name}");
        assert_eq!(b.violates(InvariantId(16)), rule.is_none(), "{name}");
        // A fault whose halt is only asked for.
        b.host(HostInput::SetPaging { vcpu: VCPU, on: true });
        b.fault(KERNEL, 2);
        b.host(HostInput::VmmReset { vcpu: VCPU });
        assert_eq!(b.apf.vcpu(VCPU).halt_request.is_some(), rule.is_none(), "{name}");
    }
}

/// `kvm_pv_enable_async_pf` looks at nothing that `kvm_async_pf_wakeup_all` returns.
#[test]
fn notices_are_on_without_the_memory_for_a_wake_all() {
    for (memory, queued) in [(true, 1), (false, 0)] {
        let mut b = bench("v7.3");
        let value = EN_INT;
        b.host(match memory {
            true => HostInput::WriteEn { vcpu: VCPU, value },
            false => HostInput::WriteEnNoMemory { vcpu: VCPU, value },
        });
        assert!(b.apf.notices_on(VCPU));
        assert_eq!((b.apf.done_len(VCPU), b.apf.outstanding(VCPU)), (queued, queued as u32));
    }
}

/// `apf_put_user` of 2010 compares versions before it looks at its pointer.
#[test]
fn the_oldest_series_finds_its_area_again() {
    let mut b = enabled("v5-2010");
    for gfn in [1, 2] {
        b.fault(USER, gfn);
        b.scan();
        b.host(HostInput::Inject { vcpu: VCPU });
    }
    b.host(HostInput::MapWord { vcpu: VCPU, writable: false });
    b.work_all();
    b.scan();
    assert!(!b.apf.notices_on(VCPU), "page ready could not be written");
    b.host(HostInput::MapWord { vcpu: VCPU, writable: true });
    b.scan();
    assert!(b.apf.notices_on(VCPU), "page ready was written");
    assert_eq!(b.apf.vcpu(VCPU).pending.len(), 1);
    // Notices that the guest has switched off stay off.
    let mut b = enabled("v5-2010");
    b.host(HostInput::WriteEn { vcpu: VCPU, value: 0 });
    b.host(HostInput::MemslotChange { moves: None });
    assert!(!b.apf.notices_on(VCPU));
}

/// v7 of the series looks at the present mode only, so that the page of a fault under shadow paging
/// is mapped in whatever direct tables there are.
#[test]
fn v7_prefaults_whatever_is_direct_now() {
    for (name, prefaults) in [("v7-2010", true), ("v2.6.39", false)] {
        let mut b = bench(name);
        b.enable(EN);
        b.fault(VcpuView { mmu: MmuMode::Shadow { cr3: 7 }, ..USER }, 1);
        b.host(HostInput::Inject { vcpu: VCPU });
        b.work_all();
        let effects = b.scan_as(VcpuView { mmu: MmuMode::Direct, ..USER });
        let mapped = effects.iter().any(|e| matches!(e, Effect::Prefault { gfn: Gfn(1), .. }));
        assert_eq!(mapped, prefaults, "{name}");
    }
}

#[test]
fn long_term_trees_took_over_what_they_did() {
    let mut trees = 0;
    for generation in generations() {
        let mut rules = generation.rules();
        for backport in generation.backports {
            let mechanism = backport.new.mechanism();
            assert_ne!(rules.get(mechanism), backport.new, "{}: nothing new", backport.release);
            backport.new.apply(&mut rules);
            // What was taken over is what a newer kernel does.
            let is_newer = |newer: &&Generation| newer.date > generation.date;
            let newer = generations().iter().filter(is_newer);
            let has = |newer: &Generation| newer.rules().get(mechanism) == backport.new;
            // But for a mistake that a release between two generations had for itself.
            let alone = backport.release == "4.14";
            assert_ne!(newer.clone().any(has), alone, "{}: {mechanism:?}", backport.release);
            assert!(!backport.source.is_empty());
        }
        assert!(generation.backports.is_sorted_by_key(|one| numbers(one.release)));
        assert_eq!(rules.incompatible(), None, "{}", generation.name);
        trees += usize::from(!generation.backports.is_empty());
    }
    assert_eq!(trees, 5);
    let linux_6_12 = named_generation("v6.12").expect("known").backports;
    let paging = linux_6_12.iter().find(|b| b.new.mechanism() == Mechanism::PagingToggle);
    assert_eq!(paging.map(|backport| backport.release), Some("6.12.64"));
}

fn numbers(release: &str) -> Vec<u32> {
    release.split('.').filter_map(|number| number.parse().ok()).collect()
}
