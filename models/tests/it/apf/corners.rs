//! Mistakes that no defect stands for: kernels that had them, and guests and VMMs that bring them
//! about.

use super::bench::{Bench, EN, EN_INT, READY};
use models::apf::rules::{Rules, generation};
use models::apf::{Defects, Effect, GuestInput, HostInput, VcpuView};
use models::base::ids::VcpuId;
use models::base::invariant::InvariantId;
use models::base::record::Event;

const VCPU: VcpuId = VcpuId(0);
const USER: VcpuView = VcpuView::USER;

fn rules(name: &str) -> Rules {
    generation(name).expect("a known generation")
}

#[test]
fn notices_can_always_be_switched_off_but_in_one_kernel() {
    for (name, refused) in [("v5.3", false), ("v5.8", true), ("v5.9", false), ("v6.19", false)] {
        let mut bench = Bench::new(1, rules(name), Defects::none());
        bench.host(HostInput::SetIrqchip { vcpu: VCPU, in_kernel: false });
        let effects = bench.host(HostInput::WriteEn { vcpu: VCPU, value: 0 });
        assert_eq!(effects.contains(&Effect::GpFault), refused, "{name}");
    }
}

#[test]
fn a_restored_guest_without_its_vector_is_never_woken() {
    let run = |with_vector: bool| {
        let mut b = Bench::new(1, rules("v6.12"), Defects::none());
        b.enable(EN_INT);
        b.fault(USER, 1);
        b.sleep(b.newest_token());
        b.host(HostInput::Restore);
        if with_vector {
            b.host(HostInput::WriteInt { vcpu: VCPU, value: READY });
        }
        b.host(HostInput::WriteEn { vcpu: VCPU, value: EN_INT });
        b.scan();
        if with_vector {
            b.take_ready();
        }
        (b.violates(InvariantId(13)), b.apf.guest.sleepers.len())
    };
    assert_eq!(run(false), (true, 1));
    assert_eq!(run(true), (false, 0));
}

#[test]
fn a_stray_kick_makes_every_artificial_halt_end_at_once() {
    for (name, spins) in [("v2.6.39", false), ("v6.12", true)] {
        let mut b = Bench::new(1, rules(name), Defects::none());
        b.host(HostInput::PvKick { vcpu: VCPU });
        b.fault(USER, 1);
        for _ in 0..3 {
            b.host(HostInput::Requests { vcpu: VCPU });
            assert!(b.apf.is_halted(VCPU));
            let block = HostInput::Block { vcpu: VCPU, view: USER, interrupt: false };
            assert_eq!(b.host(block).contains(&Effect::Runnable), spins, "{name}");
            if !spins {
                return;
            }
            b.fault(USER, 1);
        }
        b.host(HostInput::Hlt { vcpu: VCPU });
        b.host(HostInput::Block { vcpu: VCPU, view: USER, interrupt: true });
        assert!(!b.apf.vcpu(VCPU).pv_kicked, "leaving HLT uses the kick up");
    }
}

#[test]
fn a_moved_area_is_translated_anew_once_or_always() {
    for (name, each_time) in [("v5-2010", true), ("v7-2010", false)] {
        let mut b = Bench::new(1, rules(name), Defects::none());
        b.enable(EN);
        b.host(HostInput::MemslotChange { moves: None });
        let mut translations = 0;
        for gfn in 1..=4 {
            let mut effects = b.fault(USER, gfn);
            effects.extend(b.scan());
            b.host(HostInput::Inject { vcpu: VCPU });
            b.guest(GuestInput::PfEntry { vcpu: VCPU });
            let translated = Effect::Emit(Event::AreaTranslated { vcpu: VCPU });
            translations += effects.iter().filter(|&&e| e == translated).count();
        }
        assert_eq!(translations, if each_time { 4 } else { 1 }, "{name}");
    }
}
