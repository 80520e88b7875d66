//! A setup that fails, in every way and under every MMU: the fault is resolved synchronously and
//! nothing of it stays behind.

use super::bench::Bench;
use models::apf::MmuMode;
use models::apf::rules::{Rules, generations};
use models::apf::{
    Apf, Decision, Defect, Defects, Effect, Effects, HostInput, SetupFailure, VcpuView,
};
use models::base::ids::{Gfn, Gva, Hva, VcpuId};

const VCPU: VcpuId = VcpuId(0);
const GFN: u64 = 7;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Failure {
    Cap,
    Allocation,
    BadAddress,
    Enqueue,
}

/// How the guest's memory is mapped, and what that asks of the vCPU.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Mode {
    Tdp,
    Shadow,
    Nonpaging,
}

impl Mode {
    fn view(self) -> VcpuView {
        let mmu = match self {
            Self::Tdp | Self::Nonpaging => MmuMode::Direct,
            Self::Shadow => MmuMode::Shadow { cr3: 0x1000 },
        };
        VcpuView { mmu, ..VcpuView::USER }
    }
}

/// All that a setup may touch, but for the counter of tokens, which goes on.
fn footprint(apf: &Apf) -> impl PartialEq + std::fmt::Debug + use<> {
    let vcpu = apf.vcpu(VCPU);
    let items: Vec<_> = apf.host.items.iter().map(|(id, item)| (id, *item)).collect();
    let works: Vec<_> = apf.host.items.works().map(|(id, work)| (id, *work)).collect();
    let gfns: Vec<_> = vcpu.gfns.slots().collect();
    let notices = (vcpu.pending.clone(), vcpu.halt_request, vcpu.deferred, apf.areas.clone());
    (items, works, gfns, (vcpu.queue.clone(), vcpu.done.clone(), vcpu.queued), notices)
}

fn ready(rules: Rules, mode: Mode, defects: Defects) -> Bench {
    let mut bench = Bench::new(1, rules, defects);
    bench.enable(bench.en());
    if mode == Mode::Nonpaging {
        bench.host(HostInput::SetPaging { vcpu: VCPU, on: false });
        // What looking again for completed items asks for.
        bench.scan();
    }
    bench
}

/// The whole fault, with the refusal of the work if that is the failure.
fn fault(bench: &mut Bench, mode: Mode, failure: Option<Failure>) -> Effects {
    let setup = match failure {
        Some(Failure::Allocation) => Some(SetupFailure::Allocation),
        Some(Failure::BadAddress) => Some(SetupFailure::BadAddress),
        Some(Failure::Cap | Failure::Enqueue) | None => None,
    };
    let (gva, gfn, hva) = (Gva(GFN << 12), Gfn(GFN), Hva(GFN << 12));
    let input = HostInput::Try { vcpu: VCPU, view: mode.view(), gva, gfn, hva, failure: setup };
    let mut effects = Effects::new();
    bench.apf.host_step(input, &mut effects);
    if failure == Some(Failure::Enqueue) {
        bench.apf.host_step(HostInput::RefuseWork { vcpu: VCPU }, &mut effects);
    }
    while effects.last() == Some(&Effect::Decide(Decision::Continue)) {
        let input = HostInput::Advance { vcpu: VCPU, view: mode.view() };
        bench.apf.host_step(input, &mut effects);
    }
    effects
}

/// Fails one setup; the decision, and whether all is as it was before.
fn fail(mut bench: Bench, mode: Mode, failure: Failure) -> (Bench, Option<Effect>, bool) {
    let cap = bench.apf.rules.cap;
    if failure == Failure::Cap {
        bench.apf.rules.cap = bench.apf.vcpu(VCPU).queued;
    }
    let before = footprint(&bench.apf);
    let decision = fault(&mut bench, mode, Some(failure)).last().copied();
    let same = footprint(&bench.apf) == before;
    bench.apf.rules.cap = cap;
    (bench, decision, same)
}

fn cases(rules: Rules) -> Vec<(Mode, Failure)> {
    let mut probe = ready(rules, Mode::Tdp, Defects::none());
    probe.try_only(VcpuView::USER, GFN);
    let refuses = probe.apf.can_refuse_work(VCPU);
    [Mode::Tdp, Mode::Shadow, Mode::Nonpaging]
        .into_iter()
        .flat_map(|mode| {
            [Failure::Cap, Failure::Allocation, Failure::BadAddress, Failure::Enqueue]
                .map(|failure| (mode, failure))
        })
        .filter(|&(_, failure)| failure != Failure::Enqueue || refuses)
        .collect()
}

#[test]
fn a_failed_setup_is_synchronous_and_leaves_nothing() {
    let mut enqueue = 0;
    for generation in generations() {
        for others in [0, 2] {
            for (mode, failure) in cases(generation.rules()) {
                let case = format!("{} {mode:?} {failure:?} {others}", generation.name);
                enqueue += u32::from(failure == Failure::Enqueue);
                let mut bench = ready(generation.rules(), mode, Defects::none());
                for other in 0..others {
                    bench.fault(mode.view(), 100 + other);
                    bench.host(HostInput::Inject { vcpu: VCPU });
                }
                let (mut bench, decision, same) = fail(bench, mode, failure);
                assert_eq!(decision, Some(Effect::Decide(Decision::Sync)), "{case}");
                assert!(same, "{case} leaves something behind");
                assert!(!bench.apf.must_block(VCPU) || others > 0, "{case}");

                // The frame is free again: the next fault on it is one like any other.
                let outstanding = bench.apf.outstanding(VCPU);
                let effects = fault(&mut bench, mode, None);
                assert_eq!(effects.last(), Some(&Effect::Decide(Decision::Retry)), "{case}");
                assert_eq!(bench.apf.outstanding(VCPU), outstanding + 1, "{case}");
                let free = generation.rules().cap - bench.apf.vcpu(VCPU).queued;
                assert_eq!(u64::from(free), u64::from(generation.rules().cap) - others - 1);
            }
        }
    }
    assert!(enqueue > 0, "no generation can refuse work");
}

/// The test above sees a fault that is retried for ever.
#[test]
fn a_fallback_that_is_missing_is_seen() {
    let rules = models::apf::rules::generation("v6.19").expect("a known generation");
    let defects = Defects::none().with(Defect::NoSyncFallback);
    let bench = ready(rules, Mode::Tdp, defects);
    let (_, decision, _) = fail(bench, Mode::Tdp, Failure::Allocation);
    assert_ne!(decision, Some(Effect::Decide(Decision::Sync)));
}
