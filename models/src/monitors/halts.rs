//! Sleeping vCPU threads: INV-16 and INV-17.

use sim_core::{SimDuration, SimTime};

use super::catalogue::{INV_16, INV_17};
use super::finding::{Breach, Context, Ledger};
use super::items::Items;
use crate::base::ids::{Gfn, VcpuId};
use crate::base::record::{BlockReason, Event, Record};

/// An artificial halt that is set.
#[derive(Clone, Copy, Debug)]
struct Halt {
    gfn: Gfn,
    since: SimTime,
    /// It was set after the item that it waits for was delivered.
    late: bool,
}

impl Halt {
    fn record(self, vcpu: VcpuId) -> Record {
        Record { time: self.since, event: Event::ApfHalt { vcpu, gfn: self.gfn } }
    }
}

/// The monitors of halts.
#[derive(Clone, Debug)]
pub(super) struct Halts {
    bound: SimDuration,
    vcpus: Vec<Option<Halt>>,
}

impl Halts {
    pub(super) fn new(vcpus: usize, bound: SimDuration) -> Self {
        Self { bound, vcpus: vec![None; vcpus] }
    }

    /// The same with another bound of liveness.
    pub(super) fn bounded(self, bound: SimDuration) -> Self {
        Self { bound, ..self }
    }

    pub(super) fn grow(&mut self, vcpus: usize) {
        self.vcpus.resize(vcpus, None);
    }

    pub(super) fn halt(
        &mut self,
        vcpu: VcpuId,
        gfn: Gfn,
        items: &Items,
        at: Context<'_>,
        ledger: &mut Ledger,
    ) {
        // The halt is decided in the fault and set at the next entry. An item that is delivered
        // in between leaves a halt that only an interrupt ends.
        let late = items.of(vcpu).freed_lately(gfn);
        let halt = Halt { gfn, since: at.now, late };
        self.vcpus[vcpu.index()] = Some(halt);
        expect_reason(vcpu, halt, items, at, ledger);
    }

    pub(super) fn unhalt(&mut self, vcpu: VcpuId) {
        self.vcpus[vcpu.index()] = None;
    }

    pub(super) fn block(
        &self,
        vcpu: VcpuId,
        reason: BlockReason,
        items: &Items,
        at: Context<'_>,
        ledger: &mut Ledger,
    ) {
        match reason {
            BlockReason::Hlt => {}
            BlockReason::ApfHalt => {
                if let Some(halt) = self.vcpus[vcpu.index()] {
                    // The halt itself was checked when it was set.
                    if !halt.late && items.of(vcpu).last_unlink() >= halt.since {
                        expect_reason(vcpu, halt, items, at, ledger);
                    }
                }
            }
            BlockReason::Fetch
            | BlockReason::Reclaim
            | BlockReason::MapLock
            | BlockReason::Throttle
            | BlockReason::High
            | BlockReason::Stopped => return,
        }
        let waiting = items.of(vcpu).done();
        if waiting > 0 {
            let message = || {
                format!("{vcpu} goes to sleep ({}) over {waiting} completed items", reason.name())
            };
            let history = Vec::new;
            ledger.breach(INV_17, at, Breach { vcpu, token: None, message, history });
        }
    }

    pub(super) fn finish(&self, items: &Items, at: Context<'_>, ledger: &mut Ledger) {
        for (halt, vcpu) in self.vcpus.iter().zip((0..=u16::MAX).map(VcpuId)) {
            let Some(halt) = *halt else { continue };
            let own = items.of(vcpu);
            // What should have ended the halt: a completion that waits, or one that is gone.
            let due = match (own.oldest_done(), own.by_gfn(halt.gfn)) {
                (Some(done), _) => done,
                (None, Some(_)) => continue,
                (None, None) => own.last_unlink(),
            };
            let waited = at.now.saturating_since(due.max(halt.since));
            if waited > self.bound {
                let message = || {
                    format!(
                        "{vcpu} is halted for frame {}, and what should have ended the halt came \
                         {waited} before the end",
                        halt.gfn
                    )
                };
                let history = || vec![halt.record(vcpu)];
                ledger.breach(INV_16, at, Breach { vcpu, token: None, message, history });
            }
        }
    }
}

fn expect_reason(vcpu: VcpuId, halt: Halt, items: &Items, at: Context<'_>, ledger: &mut Ledger) {
    let own = items.of(vcpu);
    if own.done() == 0 && own.by_gfn(halt.gfn).is_none() {
        let message = || {
            format!(
                "{vcpu} is halted for frame {}, for which no item is outstanding; none is \
                 completed either",
                halt.gfn
            )
        };
        let history = || vec![halt.record(vcpu)];
        let breach = Breach { vcpu, token: None, message, history };
        if halt.late {
            ledger.weakness(INV_16, at, breach);
        } else {
            ledger.breach(INV_16, at, breach);
        }
    }
}
