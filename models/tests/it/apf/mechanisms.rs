//! Mechanisms of generations after and before the measured series, one by one.

use super::bench::{Bench, EN, EN_INT, READY};
use models::apf::rules::{EnBits, generation};
use models::apf::{Decision, Defects, Effect, HostInput, SetupFailure, VcpuView};
use models::base::ids::{Gfn, Gva, Hva, Token, VcpuId, WorkerId};
use models::base::invariant::InvariantId;
use models::base::record::{ApfReason, Event};

const VCPU: VcpuId = VcpuId(0);
const USER: VcpuView = VcpuView::USER;
const KERNEL: VcpuView = VcpuView { cpl: 0, ..USER };

fn bench(name: &str) -> Bench {
    Bench::new(1, generation(name).expect("a known generation"), Defects::none())
}

#[test]
fn the_oldest_series_announces_at_the_entry_unless_the_page_is_there() {
    for early in [true, false] {
        let mut b = bench("v5-2010");
        b.enable(EN);
        b.fault(USER, 1);
        assert_eq!(b.apf.pending_exception(VCPU), None);
        if early {
            b.work_all();
        }
        let effects = b.scan();
        let told = b.apf.pending_exception(VCPU).is_some();
        assert_eq!((told, effects.contains(&Effect::NothingToDeliver)), (!early, !early));
        assert_eq!(b.apf.outstanding(VCPU), u32::from(!early));
    }
}

#[test]
fn the_oldest_series_sets_up_a_second_item_for_a_frame() {
    let mut b = bench("v5-2010");
    b.enable(EN);
    for _ in 0..2 {
        b.fault(USER, 1);
        b.scan();
        b.host(HostInput::Inject { vcpu: VCPU });
    }
    assert_eq!(b.apf.outstanding(VCPU), 2);
    assert!(!b.violates(InvariantId(1)), "which it does not promise");
}

#[test]
fn only_the_oldest_series_makes_kernel_faults_synchronous() {
    for (name, expected) in
        [("v5-2010", Decision::Sync), ("v7-2010", Decision::Retry), ("v6.12", Decision::Retry)]
    {
        let mut b = bench(name);
        b.enable(b.en());
        let effects = b.fault(KERNEL, 1);
        assert_eq!(effects.last(), Some(&Effect::Decide(expected)), "{name}");
        assert_eq!(b.apf.vcpu(VCPU).halt_request.is_some(), expected == Decision::Retry);
    }
}

#[test]
fn one_page_ready_is_under_way_and_the_acknowledgement_brings_the_next() {
    let mut b = bench("v6.12");
    b.enable(EN_INT);
    for gfn in 1..=3 {
        b.complete(USER, gfn);
    }
    let ready = |effects: &[Effect]| {
        let is = |e: &&Effect| matches!(e, Effect::Emit(Event::PageReadyQueued { .. }));
        effects.iter().filter(is).count()
    };
    assert_eq!(ready(&b.scan()), 1);
    assert_eq!((b.apf.done_len(VCPU), b.apf.areas[0].token), (2, Token(0x1000)));
    b.take_ready();
    assert_eq!((b.apf.done_len(VCPU), b.apf.areas[0].token), (1, Token(0x2000)));
    b.take_ready();
    b.take_ready();
    assert_eq!((b.apf.outstanding(VCPU), b.apf.areas[0].token), (0, Token::NONE));
    assert!(!b.apf.vcpu(VCPU).unacknowledged);
}

#[test]
fn a_worker_kicks_only_for_the_first_item_and_nothing_unacknowledged() {
    let mut b = bench("v6.12");
    b.enable(EN_INT);
    for gfn in 1..=3 {
        b.fault(USER, gfn);
        b.host(HostInput::Inject { vcpu: VCPU });
    }
    let items = b.apf.vcpu(VCPU).queue.clone();
    let kicks = |b: &mut Bench, item| {
        b.fetch(item);
        let mut kicks = 0;
        while b.apf.host.items.work(item).is_some() {
            let effects = b.work(item);
            kicks += effects.iter().filter(|e| matches!(e, Effect::KickVcpu { .. })).count();
        }
        kicks
    };
    assert_eq!(kicks(&mut b, items[0]), 1);
    assert_eq!(kicks(&mut b, items[1]), 0, "the list was not empty");
    b.scan();
    b.take_ready();
    assert_eq!(kicks(&mut b, items[2]), 0, "page ready is not acknowledged");
}

#[test]
fn a_host_only_completion_raises_no_interrupt_since_5_9() {
    for (name, raised) in [("v5.8", true), ("v5.9", false), ("v6.19", false)] {
        let mut b = bench(name);
        b.enable(EN_INT);
        b.fault(KERNEL, 1);
        b.work_all();
        let effects = b.scan();
        let found = effects.iter().any(|e| matches!(e, Effect::Raised { .. }));
        assert_eq!(found, raised, "{name}");
    }
}

#[test]
fn paging_off_keeps_notices_away_and_paging_on_looks_again() {
    let mut b = bench("v6.19");
    b.enable(EN_INT);
    b.host(HostInput::SetPaging { vcpu: VCPU, on: false });
    b.fault(USER, 1);
    assert_eq!(b.apf.pending_exception(VCPU), None);
    assert!(b.apf.vcpu(VCPU).halt_request.is_some());
    b.host(HostInput::SetPaging { vcpu: VCPU, on: true });
    assert!(b.apf.vcpu(VCPU).ready_request && b.apf.outstanding(VCPU) == 1);
}

#[test]
fn registers_refuse_what_they_do_not_know() {
    for (bits, value, refused) in [
        (EnBits::SendAlways, 1 << 2, true),
        (EnBits::NestedExit, 1 << 2, false),
        (EnBits::NestedExit, 1 << 3, true),
        (EnBits::Interrupt, 1 << 3, false),
        (EnBits::Interrupt, 1 << 4, true),
    ] {
        assert_eq!(value & bits.reserved() != 0, refused, "{bits}");
    }
    let mut b = bench("v6.12");
    for (input, refused) in [
        (HostInput::WriteInt { vcpu: VCPU, value: READY }, false),
        (HostInput::WriteInt { vcpu: VCPU, value: 1 << 8 }, true),
        (HostInput::WriteAck { vcpu: VCPU, value: 0 }, false),
    ] {
        assert_eq!(b.host(input).contains(&Effect::GpFault), refused, "{input:?}");
    }
    let mut b = bench("v5.3");
    for input in [
        HostInput::WriteInt { vcpu: VCPU, value: READY },
        HostInput::WriteAck { vcpu: VCPU, value: 1 },
    ] {
        assert!(b.host(input).contains(&Effect::GpFault), "{input:?}");
    }
}

#[test]
fn a_setup_that_fails_leaves_nothing_and_uses_a_token() {
    for failure in [SetupFailure::Allocation, SetupFailure::BadAddress] {
        let mut b = bench("v7-2010");
        let (gva, gfn, hva) = (Gva(0), Gfn(1), Hva(0));
        let failure = Some(failure);
        let input = HostInput::Try { vcpu: VCPU, view: USER, gva, gfn, hva, failure };
        assert_eq!(b.host(input).last(), Some(&Effect::Decide(Decision::Sync)));
        assert_eq!((b.apf.outstanding(VCPU), b.apf.vcpu(VCPU).next_id), (0, 1));
    }
}

#[test]
fn a_pool_can_refuse_work_until_it_is_scheduled_last() {
    for (name, can) in [("v5-2010", true), ("v5.8", true), ("v5.9", false)] {
        let mut b = bench(name);
        b.enable(b.en());
        b.try_only(USER, 1);
        assert_eq!(b.apf.can_refuse_work(VCPU), can, "{name}");
        if can {
            let effects = b.host(HostInput::RefuseWork { vcpu: VCPU });
            assert_eq!(effects.last(), Some(&Effect::Decide(Decision::Sync)));
            assert_eq!(b.apf.host.items.iter().count(), 0);
        }
    }
}

#[test]
fn helpers_hold_the_memory_map_until_3_18() {
    for (name, readers) in [("v7-2010", 1), ("v4.13", 0)] {
        let mut b = bench(name);
        b.fault(USER, 1);
        let item = b.newest();
        b.host(HostInput::WorkerStart { item, worker: WorkerId(0) });
        assert_eq!(b.apf.mmap_lock_readers(), readers, "{name}");
        b.host(HostInput::WorkerFetched { item });
        assert_eq!(b.apf.mmap_lock_readers(), 0, "{name}");
    }
}

#[test]
fn a_failed_write_follows_its_generation() {
    for (name, notices, halts) in
        [("v5-2010", false, false), ("v7-2010", true, false), ("v5.3", true, true)]
    {
        let mut b = bench(name);
        b.enable(EN);
        b.host(HostInput::MapWord { vcpu: VCPU, writable: false });
        b.fault(USER, 1);
        b.scan();
        assert_eq!(b.apf.pending_exception(VCPU), None, "{name}");
        assert_eq!(b.apf.notices_on(VCPU), notices, "{name}");
        assert_eq!(b.apf.vcpu(VCPU).halt_request.is_some(), halts, "{name}");
        assert_eq!(b.apf.areas[0].word, ApfReason::None, "{name}");
    }
}

#[test]
fn an_item_is_freed_after_its_worker_since_6_9() {
    for (name, waits) in [("v5.17", false), ("v6.12", true)] {
        let mut b = bench(name);
        b.enable(EN_INT);
        b.fault(USER, 1);
        b.host(HostInput::Inject { vcpu: VCPU });
        let item = b.newest();
        b.fetch(item);
        for _ in 0..2 {
            b.work(item);
        }
        let effects = b.scan();
        let waited = effects.contains(&Effect::WaitWorker { item });
        assert_eq!(waited, waits, "{name}");
        b.work_on(item);
        assert_eq!(b.apf.host.items.iter().count(), 0, "{name}");
    }
}
