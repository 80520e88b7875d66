//! Mistakes and mended kernels one by one: a short schedule in which a defect, or a generation that
//! had the mistake, shows what its invariant forbids, and one that has it not does not.

use super::bench::{Bench, EN_INT, READY};
use models::apf::rules::{Rules, generation};
use models::apf::{
    Decision, Defect, Defects, Effect, GuestInput, HostInput, MmuMode, Takeover, VcpuView,
    WaitContext,
};
use models::base::ids::{TaskId, Token, VcpuId};
use models::base::invariant::InvariantId;
use models::base::record::ApfReason;

const VCPU: VcpuId = VcpuId(0);
const USER: VcpuView = VcpuView::USER;
const KERNEL: VcpuView = VcpuView { cpl: 0, ..USER };

/// Whether a schedule shows the mistake.
type Shows = fn(&mut Bench) -> bool;

/// A mistake: in which generation the defect shows it, which generations have it themselves, and
/// which do not.
struct Case {
    defect: Defect,
    base: &'static str,
    had_by: &'static [&'static str],
    free: &'static [&'static str],
    shows: Shows,
}

const CASES: &[Case] = &[
    Case {
        defect: Defect::TokenZero,
        base: "v5.17",
        had_by: &["v5.8", "v5.9", "v5.13"],
        free: &["v5.17", "v6.12", "v6.19"],
        shows: |b| {
            b.enable(EN_INT);
            // Token 0 in the slot looks like a free slot; the next token is written over it.
            b.complete(USER, 1);
            b.complete(USER, 2);
            let zero = b.violates(InvariantId(4));
            b.scan();
            zero && b.apf.areas[0].token != Token(0) && b.apf.done_len(VCPU) == 0
        },
    },
    Case {
        defect: Defect::DropOnPagingToggle,
        base: "v6.19",
        had_by: &["v2.6.39", "v4.13", "v5.3", "v5.8", "v5.17", "v6.12"],
        free: &["v7-2010", "v6.19"],
        shows: |b| {
            let en = b.en();
            b.enable(en);
            b.fault(USER, 1);
            b.sleep(b.newest_token());
            b.work_all();
            b.host(HostInput::EnterSmm { vcpu: VCPU });
            b.host(HostInput::LeaveSmm { vcpu: VCPU });
            b.violates(InvariantId(13))
        },
    },
    Case {
        defect: Defect::IgnoreLapicState,
        base: "v5.13",
        had_by: &["v5.8", "v5.9"],
        free: &["v5.13", "v6.19"],
        shows: |b| {
            b.host(HostInput::SetLapic { vcpu: VCPU, enabled: false });
            b.host(HostInput::WriteInt { vcpu: VCPU, value: READY });
            b.host(HostInput::WriteEn { vcpu: VCPU, value: EN_INT });
            b.scan().iter().any(|e| matches!(e, Effect::InterruptRefused { .. }))
        },
    },
    Case {
        defect: Defect::NoScanOnLapicEnable,
        base: "v5.13",
        had_by: &[],
        free: &["v5.13", "v6.12"],
        shows: |b| {
            b.host(HostInput::SetLapic { vcpu: VCPU, enabled: false });
            b.host(HostInput::WriteInt { vcpu: VCPU, value: READY });
            b.host(HostInput::WriteEn { vcpu: VCPU, value: EN_INT });
            b.scan();
            b.host(HostInput::SetLapic { vcpu: VCPU, enabled: true });
            b.scan();
            b.apf.done_len(VCPU) > 0
        },
    },
    Case {
        defect: Defect::ReadyWithoutNotPresent,
        base: "v5.9",
        had_by: &["v7-2010", "v2.6.39", "v5.3", "v5.8"],
        free: &["v5.9", "v6.19"],
        shows: |b| {
            let en = b.en();
            b.enable(en);
            b.fault(KERNEL, 1);
            let token = b.newest_token();
            b.work_all();
            b.scan();
            b.apf.areas[0].token == token && token != Token(0)
                || b.apf.pending_exception(VCPU).is_some()
                || b.apf.ready_interrupt(VCPU).is_some()
        },
    },
    Case {
        defect: Defect::OverlookPendingException,
        base: "v5.3",
        had_by: &[],
        free: &["v7-2010", "v5.3", "v6.12"],
        shows: |b| {
            let en = b.en();
            b.enable(en);
            b.fault(VcpuView { exception: true, ..USER }, 1)
                .iter()
                .any(|e| matches!(e, Effect::DoubleFault { .. }))
        },
    },
    Case {
        defect: Defect::WorkKeepsVm,
        base: "v6.12",
        had_by: &["v5-2010", "v7-2010", "v2.6.39"],
        free: &["v4.13", "v6.12", "v6.19"],
        shows: |b| {
            b.last_reference_in_a_worker();
            b.violates(InvariantId(25))
        },
    },
    Case {
        defect: Defect::ClearSkipsPublished,
        base: "v6.12",
        had_by: &["v4.13", "v5.3", "v5.8", "v5.17"],
        free: &["v6.12", "v6.19"],
        shows: |b| {
            b.last_reference_in_a_worker();
            b.violates(InvariantId(24))
        },
    },
    Case {
        defect: Defect::UseAfterPublish,
        base: "v5.9",
        had_by: &[],
        free: &["v7-2010", "v5.9"],
        shows: |b| {
            b.fault(USER, 1);
            let item = b.newest();
            b.fetch(item);
            b.work(item);
            // The vCPU frees it before the worker traces.
            b.host(HostInput::Requests { vcpu: VCPU });
            b.request_scan();
            let mut all = b.work(item);
            all.extend(b.work(item));
            all.iter().any(|e| matches!(e, Effect::UseAfterFree { .. }))
        },
    },
    Case {
        defect: Defect::SkipLapicTest,
        base: "v5.9",
        had_by: &[],
        free: &["v5.8", "v5.9", "v6.19"],
        shows: |b| {
            b.host(HostInput::SetIrqchip { vcpu: VCPU, in_kernel: false });
            b.host(HostInput::WriteEn { vcpu: VCPU, value: EN_INT });
            b.scan().iter().any(|e| matches!(e, Effect::NullLapic { .. }))
        },
    },
    Case {
        defect: Defect::CommitBeforeValidation,
        base: "v7.2",
        had_by: &["v7-2010", "v5.8", "v6.12", "v6.19"],
        free: &["v7.2", "v7.3"],
        shows: |b| {
            let before = b.apf.vcpu(VCPU).en;
            b.host(HostInput::MapWord { vcpu: VCPU, writable: false });
            let effects = b.host(HostInput::WriteEn { vcpu: VCPU, value: b.en() });
            effects.contains(&Effect::GpFault) && b.apf.vcpu(VCPU).en != before
        },
    },
    Case {
        defect: Defect::StalePendingRead,
        base: "v6.12",
        had_by: &[],
        free: &["v5.8", "v6.12", "v6.19"],
        shows: |b| {
            b.enable(EN_INT);
            b.complete(USER, 1);
            b.scan();
            b.fault(USER, 2);
            let item = b.newest();
            b.fetch(item);
            // Now the guest takes page ready, acknowledges, and runs on.
            b.take_ready();
            b.work(item);
            b.work(item);
            let effects = b.work(item);
            let kicked = effects.iter().any(|e| matches!(e, Effect::KickVcpu { .. }));
            b.apf.vcpu(VCPU).ready_request && !kicked && !b.apf.vcpu(VCPU).unacknowledged
        },
    },
    Case {
        defect: Defect::KeepHashOnClear,
        base: "v2.6.39",
        had_by: &[],
        free: &["v2.6.39", "v5.8", "v6.12"],
        shows: |b| {
            b.fault(USER, 1);
            b.host(HostInput::WriteEn { vcpu: VCPU, value: 0 });
            b.violates(InvariantId(1))
        },
    },
    Case {
        defect: Defect::PrefaultAnyMode,
        base: "v2.6.39",
        had_by: &[],
        free: &["v5-2010", "v7-2010", "v2.6.39", "v6.12"],
        shows: |b| {
            b.enable(b.en());
            let (then, now) = (MmuMode::Shadow { cr3: 1 }, MmuMode::Shadow { cr3: 2 });
            b.fault(VcpuView { mmu: then, ..USER }, 1);
            b.host(HostInput::Inject { vcpu: VCPU });
            b.work_all();
            let wrong = |e: &Effect| matches!(*e, Effect::Prefault { mmu, .. } if mmu != then);
            b.scan_as(VcpuView { mmu: now, ..USER }).iter().any(wrong)
        },
    },
    Case {
        defect: Defect::UnlockedWakeAll,
        base: "v2.6.39",
        had_by: &["v5-2010", "v7-2010"],
        free: &["v2.6.39", "v6.12"],
        shows: |b| {
            b.enable_without_wake_all(b.en());
            b.fault(USER, 1);
            b.host(HostInput::Inject { vcpu: VCPU });
            let item = b.newest();
            b.fetch(item);
            let mut effects = Vec::new();
            b.apf.host_step(HostInput::WriteEn { vcpu: VCPU, value: b.en() }, &mut effects);
            b.work(item);
            b.finish(&effects);
            while b.apf.host.items.work(item).is_some() {
                b.work(item);
            }
            b.violates(InvariantId(6))
        },
    },
    Case {
        defect: Defect::UnboundedProbe,
        base: "v2.6.39",
        had_by: &[],
        free: &["v7-2010", "v2.6.39"],
        shows: |b| {
            (1..=64).for_each(|gfn| drop(b.fault(USER, gfn)));
            b.try_only(USER, 65).iter().any(|e| matches!(e, Effect::HostSpins { .. }))
        },
    },
    Case {
        defect: Defect::GarbagePage,
        base: "v2.6.39",
        had_by: &["v5-2010"],
        free: &["v7-2010", "v2.6.39", "v6.12"],
        shows: |b| {
            b.enable(b.en());
            b.fault(USER, 1);
            b.scan();
            b.host(HostInput::Inject { vcpu: VCPU });
            let item = b.newest();
            b.fail(item);
            b.work_on(item);
            b.scan().iter().any(|e| matches!(e, Effect::GarbagePage { .. }))
        },
    },
    Case {
        defect: Defect::StaleTranslation,
        base: "v6.12",
        had_by: &[],
        free: &["v5-2010", "v7-2010", "v6.12"],
        shows: |b| {
            b.enable(b.en());
            b.host(HostInput::MemslotChange { moves: Some(VCPU) });
            let mut effects = b.fault(USER, 1);
            effects.extend(b.scan());
            effects.iter().any(|e| matches!(e, Effect::StaleWrite { .. }))
        },
    },
    Case {
        defect: Defect::IgnoreNested,
        base: "v5.8",
        had_by: &["v5-2010", "v7-2010", "v2.6.39"],
        free: &["v4.13", "v5.3", "v5.8", "v6.19"],
        shows: |b| {
            b.enable(b.en());
            let mut effects = b.fault(VcpuView { nested: true, ..USER }, 1);
            effects.extend(b.scan_as(VcpuView { nested: true, ..USER }));
            effects.iter().any(|e| matches!(e, Effect::ReachesNested { .. }))
        },
    },
    Case {
        defect: Defect::RefuseAck,
        base: "v5.9",
        had_by: &[],
        free: &["v5.8", "v5.9", "v6.19"],
        shows: |b| {
            b.enable(EN_INT);
            b.complete(USER, 1);
            b.host(HostInput::WriteAck { vcpu: VCPU, value: 1 }).contains(&Effect::GpFault)
        },
    },
    Case {
        defect: Defect::HaltInMpState,
        base: "v7-2010",
        had_by: &[],
        free: &["v7-2010", "v6.12"],
        shows: |b| {
            b.fault(KERNEL, 1);
            b.host(HostInput::Requests { vcpu: VCPU });
            b.host(HostInput::Restore);
            b.apf.must_block(VCPU)
        },
    },
    Case {
        defect: Defect::NoEoi,
        base: "v5.17",
        had_by: &[],
        free: &["v5.17", "v6.19"],
        shows: |b| {
            b.enable(EN_INT);
            b.complete(USER, 1);
            b.complete(USER, 2);
            b.scan();
            b.take_ready();
            b.apf.vcpu(VCPU).unacknowledged && b.apf.ready_interrupt(VCPU).is_none()
        },
    },
    Case {
        defect: Defect::StackNodeIsDummy,
        base: "v6.19",
        had_by: &["v5-2010", "v7-2010", "v5.9", "v6.12"],
        free: &["v6.19"],
        shows: |b| {
            let link = |task| GuestInput::WaitLink { vcpu: VCPU, task, token: Token(9) };
            b.guest(link(TaskId(1)));
            let effects = b.guest(link(TaskId(2)));
            effects.contains(&Effect::StackNodeFreed { task: TaskId(1) })
        },
    },
    Case {
        defect: Defect::DummyWithoutSecondLook,
        base: "v6.12",
        had_by: &[],
        free: &["v6.12", "v6.19"],
        shows: |b| {
            let token = Token(9);
            b.guest(GuestInput::Wake { vcpu: VCPU, token });
            b.guest(GuestInput::WaitLink { vcpu: VCPU, task: TaskId(1), token });
            b.guest(GuestInput::WakeInsert { vcpu: VCPU, token });
            b.violates(InvariantId(26))
        },
    },
    Case {
        defect: Defect::WindowBeforeHlt,
        base: "v7-2010",
        had_by: &["v5-2010"],
        free: &["v7-2010", "v2.6.39", "v5.3"],
        shows: |b| {
            let (token, task) = (Token(9), TaskId(1));
            let ctx = WaitContext { idle: true, user_mode: false, ..WaitContext::USER };
            b.guest(GuestInput::WaitLink { vcpu: VCPU, task, token });
            let effects = b.guest(GuestInput::WaitTest { vcpu: VCPU, task, token, ctx });
            if !effects.contains(&Effect::OpenWindow) {
                return false;
            }
            b.guest(GuestInput::Wake { vcpu: VCPU, token });
            let effects = b.guest(GuestInput::WaitHlt { vcpu: VCPU, task, token });
            effects.iter().any(|e| matches!(e, Effect::WakeUpLost { .. }))
        },
    },
    Case {
        defect: Defect::ScheduleInRcuReader,
        base: "v5.3",
        had_by: &["v7-2010", "v2.6.39", "v4.13"],
        free: &["v5.3", "v5.8"],
        shows: |b| {
            b.sleeps_in(WaitContext { rcu_reader: true, user_mode: false, ..WaitContext::USER })
        },
    },
    Case {
        defect: Defect::ScheduleInAtomic,
        base: "v5.3",
        had_by: &[],
        free: &["v5-2010", "v7-2010", "v5.3", "v5.8"],
        shows: |b| {
            b.sleeps_in(WaitContext { preempt_count: 1, user_mode: false, ..WaitContext::USER })
        },
    },
    Case {
        defect: Defect::KeepBootProcessor,
        base: "v5.13",
        had_by: &["v7-2010", "v5.8", "v5.9"],
        free: &["v5.13", "v6.19"],
        shows: |b| {
            b.enable(b.en());
            b.fault(USER, 1);
            b.host(HostInput::Inject { vcpu: VCPU });
            let takeover = Takeover::Hibernation;
            for effect in b.guest(GuestInput::Teardown { vcpu: VCPU, takeover }) {
                if let Effect::WritesEn { value } = effect {
                    b.host(HostInput::WriteEn { vcpu: VCPU, value });
                }
            }
            b.guest(GuestInput::Restart);
            b.work_all();
            b.scan().iter().any(|e| matches!(e, Effect::ForeignWrite { .. }))
        },
    },
    Case {
        defect: Defect::NmiTakesWord,
        base: "v7.3",
        had_by: &["v2.6.39", "v5.9", "v6.12", "v7.2"],
        free: &["v7.3"],
        shows: |b| {
            b.enable(b.en());
            b.fault(USER, 1);
            b.host(HostInput::Inject { vcpu: VCPU });
            b.guest(GuestInput::NmiFault { vcpu: VCPU }).contains(&Effect::WordTaken { vcpu: VCPU })
        },
    },
    Case {
        defect: Defect::LateCr2Read,
        base: "v2.6.39",
        had_by: &[],
        free: &["v2.6.39", "v6.12"],
        shows: |b| {
            b.enable(b.en());
            b.fault(USER, 1);
            let token = b.newest_token();
            b.host(HostInput::Inject { vcpu: VCPU });
            b.guest(GuestInput::TracerFault { vcpu: VCPU, address: Token(0xdead) });
            !b.guest(GuestInput::PfEntry { vcpu: VCPU }).contains(&Effect::Cr2(token))
        },
    },
    Case {
        defect: Defect::SleepingLookup,
        base: "v6.12",
        had_by: &[],
        free: &["v5-2010", "v2.6.39", "v6.12", "user-uffd"],
        shows: |b| {
            b.enable(b.en());
            let effects = b.fault(USER, 1);
            effects.contains(&Effect::Decide(Decision::Sync)) && b.apf.vcpu(VCPU).queue.is_empty()
        },
    },
    Case {
        defect: Defect::EncryptedWord,
        base: "v6.12",
        had_by: &[],
        free: &["v5-2010", "v4.13", "v6.12"],
        shows: |b| {
            b.enable(b.en());
            b.fault(USER, 1);
            // Where not present waits for the entry.
            if b.apf.vcpu(VCPU).deferred.is_some() {
                b.scan();
            }
            b.host(HostInput::Inject { vcpu: VCPU });
            let effects = b.guest(GuestInput::PfEntry { vcpu: VCPU });
            effects.contains(&Effect::Word(ApfReason::None))
        },
    },
];

fn rules(name: &str) -> Rules {
    generation(name).expect("a known generation")
}

fn shows(case: &Case, generation: &str, defects: Defects) -> bool {
    (case.shows)(&mut Bench::new(1, rules(generation), defects))
}

#[test]
fn every_defect_shows_and_only_the_defect() {
    let mut wrong = Vec::new();
    for case in CASES {
        for (defects, expected) in
            [(Defects::none().with(case.defect), true), (Defects::none(), false)]
        {
            if shows(case, case.base, defects) != expected {
                wrong.push(format!("{} in {}: not {expected}", case.defect, case.base));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn generations_show_the_mistakes_of_their_time() {
    let mut wrong = Vec::new();
    for case in CASES {
        for (names, expected) in [(case.had_by, true), (case.free, false)] {
            for name in names {
                if shows(case, name, Defects::none()) != expected {
                    wrong.push(format!("{} in {name}: not {expected}", case.defect));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_defect_is_shown_here_or_explored() {
    let explored = Defect::ALL.iter().position(|&d| d == Defect::BlindDummy);
    let first = explored.expect("it is declared") + 1;
    for &defect in &Defect::ALL[first..] {
        // A mistake of who drives the protocol, which `apfsim zoo G15` shows.
        if defect == Defect::EnableWithInterruptsOn {
            continue;
        }
        // Those between kernel and VMM are in the zoo, V01 to V10, and those of protected memory are explored
        // (explore::protect).
        if defect.expected_invariant() >= InvariantId(41) || defect >= Defect::SaveAfterLift {
            continue;
        }
        assert!(CASES.iter().any(|case| case.defect == defect), "{defect} is shown nowhere");
    }
}
