//! What each event of a log adds to its measures.

use models::base::abi::{CALLBACK, MSR_ASYNC_PF_ACK, MSR_TSC_DEADLINE, PAGE_FAULT};
use models::monitors::log::LogEvent;
use models::trace::kernel::{KernelEvent, KernelExit};

use super::exit::TIMER_VECTORS;
use super::measure::{Fault, MOST, Measure, SHORTEST_TICK};
use super::paths::PathId;
use crate::logs::check::checker::config_of;
use crate::logs::check::consumer::LogConsumer;
use crate::logs::check::handler::is_message;

/// The thread that runs when nobody does.
const IDLE: u32 = 0;
const LONGEST_TICK: u64 = 20_000_000;
/// Bits of a token that are all ones for wake-all.
const WAKE_ALL: u32 = u32::MAX;

impl LogConsumer for Measure {
    fn event(&mut self, event: LogEvent) {
        self.first.get_or_insert(event.ns);
        self.last = self.last.max(event.ns);
        self.whole_us &= event.ns.is_multiple_of(1000);
        if self.processors.len() < MOST {
            self.processors.entry(event.cpu).or_default();
        }
        self.observe(&event);
        self.monitors.observe(event);
    }

    fn other(&mut self, _line: u64, _thread: u32, _ns: u64, name: &[u8], fields: &[u8]) {
        self.counts.messages += u64::from(is_message(name, fields));
    }

    fn written_by(&mut self, rules: &str) -> bool {
        let Some(config) = config_of(rules) else { return false };
        self.monitors.set_config(config);
        true
    }

    /// What was under way may have ended among the lost.
    fn lost(&mut self, since: u64) {
        self.monitors.lost(since);
        self.counts.losses += 1;
        for vcpu in self.vcpus.values_mut() {
            (vcpu.exit, vcpu.entered, vcpu.thinking) = (None, None, None);
            vcpu.last_timer = None;
        }
        self.outstanding_now = 0;
        self.requests.clear();
        self.faults.clear();
        self.executing.clear();
        self.last_bare = None;
        for device in self.devices.values_mut() {
            device.in_flight = 0;
        }
    }

    fn ticks(&mut self) {
        self.ticks = true;
        self.monitors.ticks_are_short();
    }
}

impl Measure {
    fn observe(&mut self, e: &LogEvent) {
        let (ns, pid) = (e.ns, e.thread.pid);
        self.counts.kvm += u64::from(e.event.name().starts_with("kvm_"));
        match e.event {
            KernelEvent::Entry { vcpu } => self.enter(ns, pid, e.cpu, vcpu),
            KernelEvent::Exit { vcpu, reason } => self.leave(ns, pid, e.cpu, vcpu, reason),
            KernelEvent::Try { gva, .. } => self.tries(ns, pid, gva.0),
            KernelEvent::RepeatedFault { old_name, .. } => {
                self.counts.repeated += 1;
                self.counts.old_names += u64::from(old_name);
                self.in_exit(pid, |exit| exit.repeated = true);
            }
            KernelEvent::NotPresent { gva, .. } => self.announce(ns, pid, gva.0),
            KernelEvent::Ready { token, gva } if token.0 != WAKE_ALL => {
                self.ready(ns, pid, gva.0);
            }
            KernelEvent::Completed { gva, .. } => self.complete_item(ns, e.cpu, gva.0),
            KernelEvent::Ready { .. } => self.counts.wake_alls += 1,
            KernelEvent::InjException { vector, reinjected: false, .. } => {
                self.counts.injections += 1;
                if vector != PAGE_FAULT {
                    return;
                }
                self.counts.exceptions += 1;
                self.in_exit(pid, |exit| exit.told = true);
            }
            KernelEvent::AcceptIrq { vector } | KernelEvent::AcceptPosted { vector } => {
                self.counts.interrupts += 1;
                self.counts.ready_raised += u64::from(vector == CALLBACK);
            }
            KernelEvent::InjVirq { vector, reinjected: false } => {
                self.counts.interrupts += 1;
                self.counts.ready_interrupts += u64::from(vector == CALLBACK);
                self.in_exit(pid, |exit| exit.inject(vector));
            }
            KernelEvent::Msr { write: true, ecx, data, .. } => self.register(ns, pid, ecx, data),
            KernelEvent::SchedSwitch { prev, sleeps, next } => {
                if prev == IDLE && next != IDLE {
                    self.processors.entry(e.cpu).and_modify(|woken| *woken = Some(ns));
                }
                self.switch(ns, prev, sleeps);
            }
            KernelEvent::BlockIssue { read, at, sectors } => self.issue(e, read, at, sectors),
            KernelEvent::BlockComplete { at, .. } => self.done(ns, e.cpu, at),
            KernelEvent::ExecuteStart { .. } => {
                if self.executing.len() < MOST {
                    self.executing.insert(pid);
                }
                self.on_processor(e.cpu, |exit| {
                    exit.starts += 1;
                    exit.started.get_or_insert(ns);
                });
            }
            KernelEvent::ExecuteEnd { .. } => {
                self.executing.remove(&pid);
            }
            _ => {}
        }
    }

    fn tries(&mut self, ns: u64, pid: u32, gva: u64) {
        self.counts.tries += 1;
        let mut read = None;
        let mut spans = [None; 3];
        self.in_exit(pid, |exit| {
            exit.tried = Some(ns);
            read = exit.read;
            if exit.reason == KernelExit::NestedFault && exit.is_undisturbed() {
                spans = match exit.read {
                    Some((_, at)) => {
                        [Some(ns.saturating_sub(at)), Some(ns.saturating_sub(exit.ns)), None]
                    }
                    None => [None, None, Some(ns.saturating_sub(exit.ns))],
                };
            }
        });
        let paths = [PathId::ReadTry, PathId::FaultTry, PathId::FaultTryWithoutRead];
        for (path, span) in paths.into_iter().zip(spans) {
            if let Some(span) = span {
                self.span(path, span);
            }
        }
        if let Some((at, _)) = read {
            self.counts.reads_before_try += 1;
            if let Some(issued) = self.requests.get_mut(&at) {
                (issued.gva, issued.waiter) = (Some(gva), None);
            }
        }
    }

    fn announce(&mut self, ns: u64, pid: u32, gva: u64) {
        self.counts.announced += 1;
        self.in_exit(pid, |exit| exit.announced = true);
        if self.vcpu(pid, None).is_none() {
            return;
        }
        self.outstanding_now += 1;
        self.outstanding.record(self.outstanding_now);
        self.most_outstanding = self.most_outstanding.max(self.outstanding_now);
        if self.faults.len() < MOST {
            self.faults.insert(gva, Fault { announced: Some(ns), ..Fault::default() });
        }
    }

    fn complete_item(&mut self, ns: u64, cpu: u32, gva: u64) {
        let seen = self.seen;
        self.seen.1 += 1;
        self.on_processor(cpu, |exit| {
            exit.completed += 1;
            exit.completed_at = Some(ns);
        });
        let Some(fault) = self.faults.get_mut(&gva) else { return };
        fault.completed = Some(ns);
        let Fault { announced, done, .. } = *fault;
        if let Some(announced) = announced {
            self.span(PathId::NotPresentCompleted, ns.saturating_sub(announced));
        }
        // Nothing else was completed meanwhile: the worker had nobody to wait for.
        if let Some(done) = done.filter(|done| done.seen == seen) {
            let path = match self.was_idle(cpu, done.ns) {
                true => PathId::DoneCompletedIdle,
                false => PathId::DoneCompleted,
            };
            self.span(path, ns.saturating_sub(done.ns));
        }
    }

    fn ready(&mut self, ns: u64, pid: u32, gva: u64) {
        self.counts.ready += 1;
        self.outstanding_now = self.outstanding_now.saturating_sub(1);
        let fault = self.faults.remove(&gva);
        let mut path = None;
        self.in_exit(pid, |exit| {
            exit.ready += 1;
            exit.ready_at = Some(ns);
            let alone = exit.completed == 1 && exit.ready == 1;
            path = match exit.reason {
                _ if !alone || exit.completed_at.is_none() => None,
                KernelExit::Interrupt if exit.slept.is_none() => Some(PathId::CompletedReady),
                KernelExit::NestedFault if exit.slept.is_some() => {
                    Some(PathId::CompletedReadyHalted)
                }
                _ => None,
            };
        });
        let Some(fault) = fault else { return };
        if let (Some(path), Some(completed)) = (path, fault.completed) {
            self.span(path, ns.saturating_sub(completed));
        }
        if let Some(announced) = fault.announced {
            self.span(PathId::NotPresentReady, ns.saturating_sub(announced));
        }
    }

    fn register(&mut self, ns: u64, pid: u32, ecx: u32, data: u64) {
        if ecx == MSR_TSC_DEADLINE && data > 0 {
            self.counts.deadlines += 1;
            let before = self.vcpus.get_mut(&pid).and_then(|v| v.deadline.replace((ns, data)));
            if let Some((at, deadline)) = before
                && let (Some(span), Some(cycles)) = (ns.checked_sub(at), data.checked_sub(deadline))
                && (SHORTEST_TICK..LONGEST_TICK).contains(&span)
            {
                let khz = u128::from(cycles) * 1_000_000 / u128::from(span);
                self.khz.record(u64::try_from(khz).unwrap_or(u64::MAX));
            }
        }
        self.counts.acknowledged += u64::from(ecx == MSR_ASYNC_PF_ACK && data > 0);
        let mut handler = None;
        self.in_exit(pid, |exit| {
            exit.register = Some((ecx, ns));
            handler = exit.handler.filter(|_| ecx == MSR_ASYNC_PF_ACK || ecx == MSR_TSC_DEADLINE);
        });
        if let Some((vector, span)) = handler {
            if vector == CALLBACK && ecx == MSR_ASYNC_PF_ACK {
                self.span(PathId::GuestReady, span);
            } else if TIMER_VECTORS.contains(&vector) && ecx == MSR_TSC_DEADLINE {
                self.span(PathId::GuestTick, span);
            }
        }
    }

    fn switch(&mut self, ns: u64, prev: u32, sleeps: bool) {
        let mut path = None;
        self.in_exit(prev, |exit| {
            if sleeps {
                path = exit.sleeps(ns);
            }
            exit.switches += 1;
        });
        if let Some((path, span)) = path {
            self.span(path, span);
        }
    }
}
