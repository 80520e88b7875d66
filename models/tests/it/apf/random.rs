//! Random inputs to every generation: nothing panics, and what a kernel promises of its own lists
//! holds, whatever guest and VMM do.

use super::bench::{Bench, EN, EN_INT, READY};
use models::apf::item::WorkStage;
use models::apf::rules::Drain;
use models::apf::rules::{TokenRule, generations};
use models::apf::{
    Defects, Effect, GuestInput, HostInput, MmuMode, SetupFailure, VcpuView, WaitContext,
    invariants,
};
use models::base::ids::{Gfn, Gva, Hva, ItemId, TaskId, VcpuId, WorkerId};
use models::base::invariant::InvariantId;
use proptest::prelude::*;

const VCPU: VcpuId = VcpuId(0);

/// Invariants that hold in every state of every generation, whatever the guest does. The others are
/// broken by what some generation is known for, or by guests and VMMs that misbehave.
const ALWAYS: [InvariantId; 3] = [InvariantId(5), InvariantId(17), InvariantId(26)];

fn view(choice: u8) -> VcpuView {
    let mmu = if choice & 16 == 0 { MmuMode::Direct } else { MmuMode::Shadow { cr3: 1 } };
    VcpuView {
        cpl: if choice & 1 == 0 { 3 } else { 0 },
        interrupts_on: choice & 6 != 6,
        reinjecting: choice & 56 == 56,
        exception: choice & 192 == 192,
        nested: choice & 12 == 12,
        hlt_exits: choice & 48 != 48,
        cpl_readable: choice & 96 != 96,
        mmu,
    }
}

/// What the vCPU thread, the guest or the VMM does next, as far as it can.
fn act(bench: &mut Bench, action: u8, choice: u8) {
    let view = view(choice);
    let idle = bench.apf.vcpu(VCPU).operation.is_none();
    if !idle {
        // Completed items are being looked for.
        bench.scan_as(view);
        return;
    }
    let gfn = Gfn(u64::from(choice % 5));
    if bench.apf.vcpu(VCPU).blocked && !(5..=8).contains(&(action % 24)) {
        // Its thread sleeps: nothing of it happens until it is woken.
        let interrupt = choice.is_multiple_of(3);
        bench.host(HostInput::Unblock { vcpu: VCPU, view, interrupt });
        return;
    }
    match action % 24 {
        0..=4 => {
            let failure = match choice % 11 {
                0 => Some(SetupFailure::Allocation),
                1 => Some(SetupFailure::BadAddress),
                _ => None,
            };
            let (gva, hva) = (Gva(gfn.0), Hva(gfn.0));
            let input = HostInput::Try { vcpu: VCPU, view, gva, gfn, hva, failure };
            bench.start(input, choice.is_multiple_of(13));
        }
        5..=8 => worker(bench, choice),
        9 | 10 => drop(bench.scan_as(view)),
        11 => enter(bench, view),
        12 => drop(bench.host(HostInput::Requests { vcpu: VCPU })),
        13 => {
            let value = [0, EN, EN_INT, EN | 2, EN_INT | 4, 1 << 4][usize::from(choice % 6)];
            bench.host(HostInput::WriteEn { vcpu: VCPU, value });
        }
        14 => {
            let value = if choice.is_multiple_of(7) { 1 << 9 } else { READY };
            bench.host(HostInput::WriteInt { vcpu: VCPU, value });
        }
        15 => drop(bench.host(HostInput::WriteAck { vcpu: VCPU, value: u64::from(choice % 2) })),
        16 => block(bench, view, choice),
        17 => drop(bench.host(HostInput::PvKick { vcpu: VCPU })),
        18 => {
            let writable = !choice.is_multiple_of(3);
            bench.host(HostInput::MapWord { vcpu: VCPU, writable });
            let moves = choice.is_multiple_of(2).then_some(VCPU);
            bench.host(HostInput::MemslotChange { moves });
        }
        19 => {
            let input = match bench.apf.vcpu(VCPU).smm {
                true => HostInput::LeaveSmm { vcpu: VCPU },
                false if choice.is_multiple_of(3) => HostInput::EnterSmm { vcpu: VCPU },
                false => HostInput::SetPaging { vcpu: VCPU, on: choice % 3 == 1 },
            };
            bench.host(input);
        }
        20 => {
            bench.host(HostInput::SetLapic { vcpu: VCPU, enabled: !choice.is_multiple_of(4) });
        }
        21 if choice < 40 => drop(bench.host(HostInput::Reset { vcpu: VCPU })),
        21 if choice < 60 => drop(bench.host(HostInput::Restore)),
        _ => guest(bench, choice),
    }
}

fn worker(bench: &mut Bench, choice: u8) {
    let works: Vec<(ItemId, WorkStage)> =
        bench.apf.host.items.works().map(|(id, work)| (id, work.stage)).collect();
    let Some(&(item, stage)) = works.get(usize::from(choice) % works.len().max(1)) else { return };
    let input = match stage {
        WorkStage::Queued => HostInput::WorkerStart { item, worker: WorkerId(1) },
        WorkStage::Fetching if choice.is_multiple_of(5) => HostInput::WorkerFailed { item },
        WorkStage::Fetching => HostInput::WorkerFetched { item },
        _ => HostInput::WorkerAdvance { item },
    };
    bench.host(input);
}

fn enter(bench: &mut Bench, view: VcpuView) {
    if bench.apf.pending_exception(VCPU).is_some() {
        bench.host(HostInput::Inject { vcpu: VCPU });
    } else if view.interrupts_on && bench.apf.ready_interrupt(VCPU).is_some() {
        bench.take_ready();
    }
}

fn block(bench: &mut Bench, view: VcpuView, choice: u8) {
    if choice.is_multiple_of(2) {
        bench.host(HostInput::Hlt { vcpu: VCPU });
    }
    let interrupt = choice.is_multiple_of(3);
    if bench.apf.must_block(VCPU) {
        bench.host(HostInput::Block { vcpu: VCPU, view, interrupt });
    }
}

fn guest(bench: &mut Bench, choice: u8) {
    let Some(notice) = bench.apf.guest.cr2[VCPU.index()] else { return };
    let (token, task) = (notice.token, TaskId(u32::from(choice)));
    let word = bench.guest(GuestInput::PfEntry { vcpu: VCPU });
    let ready =
        word.iter().any(|e| matches!(e, Effect::Word(models::base::record::ApfReason::Ready)));
    if ready {
        for effect in bench.guest(GuestInput::Wake { vcpu: VCPU, token }) {
            if effect == Effect::AllocateDummy {
                bench.guest(GuestInput::WakeInsert { vcpu: VCPU, token });
            }
        }
    } else {
        bench.guest(GuestInput::WaitLink { vcpu: VCPU, task, token });
        let ctx = WaitContext { user_mode: choice.is_multiple_of(2), ..WaitContext::USER };
        bench.guest(GuestInput::WaitTest { vcpu: VCPU, task, token, ctx });
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn no_generation_is_thrown_by_its_inputs(
        actions in prop::collection::vec((any::<u8>(), any::<u8>()), 1..300),
    ) {
        for generation in generations() {
            let mut rules = generation.rules();
            rules.cap = 3;
            rules.token = TokenRule { id_bits: 12, vcpu_bits: 4, first_vcpu: 0 };
            let mut bench = Bench::new(1, rules, Defects::none());
            for &(action, choice) in &actions {
                act(&mut bench, action, choice);
                let broken = invariants::violations(&bench.apf);
                let broken = broken.iter().find(|violation| ALWAYS.contains(&violation.id));
                prop_assert!(broken.is_none(), "{}: {broken:?}", generation.name);
            }
        }
    }

    #[test]
    fn every_item_is_freed_in_the_end(
        actions in prop::collection::vec((0_u8..13, any::<u8>()), 1..200),
    ) {
        for generation in generations() {
            let mut rules = generation.rules();
            rules.cap = 3;
            let mut bench = Bench::new(1, rules, Defects::none());
            bench.enable(bench.en());
            for &(action, choice) in &actions {
                act(&mut bench, action, choice);
            }
            while bench.apf.vcpu(VCPU).blocked {
                let (view, interrupt) = (VcpuView::USER, true);
                bench.host(HostInput::Unblock { vcpu: VCPU, view, interrupt });
            }
            if bench.apf.vcpu(VCPU).operation.is_some() {
                bench.scan();
            }
            bench.host(HostInput::WriteEn { vcpu: VCPU, value: 0 });
            bench.work_all();
            prop_assert_eq!(bench.apf.host.items.iter().count(), 0, "{}", generation.name);
            prop_assert_eq!(bench.apf.host.items.works().count(), 0, "{}", generation.name);
            prop_assert_eq!(bench.apf.outstanding(VCPU), 0, "{}", generation.name);
            let drain = bench.apf.rules.drain;
            prop_assert!(drain != Drain::OneAtEntry || bench.apf.vcpu(VCPU).deferred.is_none());
        }
    }
}
