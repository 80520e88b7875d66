//! Entries into the guest and exits from it: the paths that end with them.

use models::base::abi::MSR_ASYNC_PF_ACK;
use models::trace::kernel::KernelExit;

use super::exit::{Entered, Exit, TIMER_VECTORS};
use super::measure::{Measure, SHORTEST_TICK, Vcpu};
use super::paths::PathId;

impl Measure {
    /// The vCPU of a thread enters the guest.
    pub(super) fn enter(&mut self, ns: u64, pid: u32, cpu: u32, number: u32) {
        self.counts.entries += 1;
        let by_ready = self.counts.injections == 0 && self.told() > 0;
        self.overlaps |= self.vcpus.iter().any(|(&other, vcpu)| {
            other != pid && vcpu.number == Some(number) && vcpu.entered.is_some()
        });
        let faults = |vcpu: &Vcpu| vcpu.exit.as_ref().is_some_and(Exit::needs_io);
        self.beside_faults += u64::from(
            self.vcpus
                .iter()
                .any(|(&other, vcpu)| other != pid && vcpu.number == Some(number) && faults(vcpu)),
        );
        let Some(vcpu) = self.vcpu(pid, Some(number)) else { return };
        let Vcpu { mut exit, last_timer, .. } = vcpu.clone();
        let mut entered = Entered { ns, told: false, vector: None, acknowledged: false };
        vcpu.exit = None;
        if let Some(exit) = exit.as_mut().filter(|_| by_ready) {
            // It goes on with its page missing: it must have been told.
            exit.told |= exit.announced && exit.slept.is_none() && exit.ready == 0;
        }
        let Some(exit) = exit else {
            vcpu.entered = Some(entered);
            return;
        };
        entered.told = exit.told && exit.injected.1 == 0;
        let ack = exit.register.is_some_and(|(ecx, _)| ecx == MSR_ASYNC_PF_ACK);
        entered.acknowledged = ack && exit.injected.1 == 0;
        entered.vector = exit.injected.0.filter(|_| exit.injected.1 == 1);
        vcpu.entered = Some(entered);
        if exit.needs_io() {
            vcpu.thinking = Some(0);
        }
        let timer = exit.injected.0.is_some_and(|vector| TIMER_VECTORS.contains(&vector));
        if timer {
            vcpu.last_timer = Some(exit.ns);
        }
        for (path, span) in exit.paths(ns).into_iter().flatten() {
            // Another thread had the processor when the read was done.
            if path == PathId::DoneEntry && !self.was_idle(cpu, ns.saturating_sub(span)) {
                continue;
            }
            self.span(path, span);
            if path == PathId::BareInterrupt {
                self.bare_interrupt(exit.ns);
            }
        }
        if exit.slept.is_none() && exit.reason != KernelExit::Hlt {
            self.awake = self.awake.saturating_add(ns.saturating_sub(exit.ns));
        }
        if let Some(span) = exit.worker_start() {
            self.span(PathId::TryWorker, span);
        }
        if let Some(thought) = exit.thought.filter(|_| exit.needs_io()) {
            self.thinks.record(thought);
        }
        if exit.read.is_some() && exit.tried.is_none() {
            self.counts.synchronous += 1;
            self.counts.polled += u64::from(exit.switches == 0 && exit.read_done.is_some());
        }
        if let Some(last) = last_timer.filter(|_| timer) {
            self.guest_tick.record(exit.ns.saturating_sub(last));
        }
    }

    /// Interrupts of the host that are for nothing that is seen: mostly its tick.
    fn bare_interrupt(&mut self, ns: u64) {
        if let Some(last) = self.last_bare
            && ns.saturating_sub(last) >= SHORTEST_TICK
        {
            self.host_tick.record(ns.saturating_sub(last));
        }
        self.last_bare = Some(ns);
    }

    /// The vCPU of a thread leaves the guest.
    pub(super) fn leave(
        &mut self,
        ns: u64,
        pid: u32,
        cpu: u32,
        number: Option<u32>,
        reason: KernelExit,
    ) {
        self.counts.exits += 1;
        self.counts.hlt += u64::from(reason == KernelExit::Hlt);
        let Some(vcpu) = self.vcpu(pid, number) else { return };
        let mut exit = Exit::new(ns, cpu, reason);
        let entered = vcpu.entered.take();
        let mut next = None;
        if let Some(entered) = entered {
            let span = ns.saturating_sub(entered.ns);
            exit.handler = entered.vector.map(|vector| (vector, span));
            let path = match (entered.told, entered.acknowledged) {
                _ if reason != KernelExit::NestedFault => None,
                (true, _) => Some(PathId::GuestNext),
                (false, true) => Some(PathId::GuestNextWoken),
                (false, false) => None,
            };
            next = path.map(|path| (path, span));
            vcpu.thinking = vcpu.thinking.map(|so_far| so_far.saturating_add(span));
            exit.thought = vcpu.thinking;
        }
        vcpu.exit = Some(exit);
        if let Some((path, span)) = next {
            self.span(path, span);
        }
    }
}
