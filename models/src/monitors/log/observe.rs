//! All monitors of a log: each event goes to those that it concerns.

use std::collections::BTreeMap;

use super::clocks;
use super::completions::Completions;
use super::config::LogConfig;
use super::event::LogEvent;
use super::exceptions::Exceptions;
use super::ledger::LogFinding;
use super::processors::Processors;
use super::seen::{SeenInLog, rests_on_order};
use super::state::LogState;
use super::survey::LogSurvey;
use super::vcpu::VcpuLog;
use super::watch::Works;
use super::{
    announced, answers, begins, delivery, drained, early_readies, end_of_log, gaps, groups,
    halt_spins, pauses, requests, stalls_at_end, told, workers,
};
use crate::base::abi::{StoppedAt, stopped_at};
use crate::monitors::catalogue::{Family, INV_12, InvariantId};
use crate::trace::kernel::{KernelEvent, Thread};

/// vCPU threads that are followed; more are counted and left alone.
const MAX_VCPUS: usize = 8192;

/// All monitors of a log, and what they count on the way.
#[derive(Clone, Debug)]
pub struct LogMonitors {
    log: LogState,
    completions: Completions,
    exceptions: Exceptions,
    works: Works,
    processors: Processors,
    threads: Threads,
    first_ns: Option<u64>,
}

/// Which threads run vCPUs.
#[derive(Clone, Debug)]
struct Threads {
    by_pid: BTreeMap<u32, usize>,
    last: (u32, usize),
}

impl LogMonitors {
    /// Monitors at the beginning of a log.
    pub fn new(config: LogConfig) -> Self {
        Self {
            log: LogState::new(config),
            completions: Completions::default(),
            exceptions: Exceptions::default(),
            works: Works::default(),
            processors: Processors::default(),
            threads: Threads { by_pid: BTreeMap::new(), last: (0, usize::MAX) },
            first_ns: None,
        }
    }

    /// Reads the next event.
    pub fn observe(&mut self, event: LogEvent) {
        let Self { log, completions, works, processors, threads, first_ns, .. } = self;
        processors.observe(&event);
        log.seq += 1;
        let first = *first_ns.get_or_insert(event.ns);
        log.survey.course.begin(first);
        log.now = log.now.max(event.ns);
        match event.event {
            KernelEvent::Completed { gva, address, with_pfn } => {
                log.seen.with_pfn |= with_pfn;
                if !std::mem::replace(&mut log.seen.completed, true) {
                    begins::completions(log);
                }
                completions.completed(log, event, gva, address);
                return;
            }
            KernelEvent::SchedSwitch { prev, sleeps, .. } => {
                if let Some(at) = threads.known(prev)
                    && sleeps
                {
                    log.vcpus[at].slept = true;
                    log.vcpus[at].spin.useful();
                }
                return;
            }
            KernelEvent::BlockIssue { .. }
            | KernelEvent::BlockComplete { .. }
            | KernelEvent::QueueWork { .. }
            | KernelEvent::ExecuteStart { .. }
            | KernelEvent::ExecuteEnd { .. } => {
                let at = threads.known(event.thread.pid);
                workers::observe(log, works, at, event);
                return;
            }
            // That a page was there says nothing of the protocol.
            KernelEvent::Lookup { .. } => return,
            // Of another protocol.
            KernelEvent::PfaultInit { .. } | KernelEvent::PfaultDone { .. } => return,
            KernelEvent::Nested => {
                log.seen.nested = true;
                return;
            }
            // Whoever sends an interrupt prints these: no vCPU as a rule.
            KernelEvent::AcceptIrq { .. }
            | KernelEvent::AcceptPosted { .. }
            | KernelEvent::Eoi { .. }
                if threads.known(event.thread.pid).is_none() =>
            {
                return;
            }
            _ => {}
        }
        let Some(at) = threads.vcpu_of(log, event.thread) else { return };
        if let Some(since) = gaps::settle(log, at, event.ns) {
            self.lost(since);
        }
        if let Some(since) = pauses::settle(&mut self.log, at, &event) {
            self.lost(since);
        }
        let log = &mut self.log;
        log.vcpus[at].note(event, log.seq);
        self.step(at, event);
    }

    /// An event of a vCPU thread goes to those that it concerns.
    fn step(&mut self, at: usize, event: LogEvent) {
        let Self { log, completions, exceptions, works, .. } = self;
        match event.event {
            KernelEvent::Try { gva, gfn } => {
                early_readies::goes_on(log, at, event);
                announced::tried(log, at, event, gva, gfn);
            }
            KernelEvent::RepeatedFault { gfn, old_name, .. } => {
                log.seen.repeated |= !old_name;
                log.seen.old_name |= old_name;
                halt_spins::repeated(log, at, event, gfn);
            }
            KernelEvent::NotPresent { token, gva } => {
                announced::announced(log, completions, at, event, token, gva);
            }
            KernelEvent::Ready { token, gva } => {
                workers::ready(log, works, at, event, token);
                answers::ready(log, completions, at, event, token, gva);
            }
            KernelEvent::SendAsyncPf { token, gva, not_present } => {
                log.seen.series = true;
                if not_present {
                    announced::announced(log, completions, at, event, token, gva);
                } else {
                    answers::ready(log, completions, at, event, token, gva);
                }
            }
            KernelEvent::InjException { vector, error_code, reinjected } => {
                told::exceptions_are_recorded(log);
                delivery::exception(log, exceptions, at, event, (vector, error_code, reinjected));
            }
            KernelEvent::InjVirq { vector, reinjected } => {
                log.seen.interrupts = true;
                log.vcpus[at].interrupted_at = log.vcpus[at].entries;
                delivery::interrupt(log, at, vector, reinjected);
            }
            KernelEvent::AcceptIrq { vector } => {
                log.seen.accepts = true;
                log.vcpus[at].interrupted_at = log.vcpus[at].entries;
                delivery::accepted(log, at, event, vector);
            }
            KernelEvent::AcceptPosted { vector } => delivery::posted(log, at, vector),
            KernelEvent::Entry { vcpu } => {
                log.seen.entries = true;
                runs(log, completions, at, vcpu);
                early_readies::goes_on(log, at, event);
                delivery::entered(log, at, event);
            }
            KernelEvent::Exit { vcpu, reason } => {
                log.seen.exits = true;
                if let Some(vcpu) = vcpu {
                    runs(log, completions, at, vcpu);
                }
                delivery::left(log, at, event, reason);
            }
            KernelEvent::Msr { write, ecx, data, failed } => {
                if !std::mem::replace(&mut log.seen.msrs, true) {
                    begins::registers(log);
                }
                match (write, failed) {
                    (true, false) => {
                        log.seen.writes = true;
                        delivery::register(log, completions, at, event, ecx, data);
                    }
                    (true, true) => delivery::refused(log, at, event, ecx, data),
                    (false, _) => {}
                }
                drained::registers_are_recorded(log, at);
            }
            KernelEvent::PageFault { address, error_code } => {
                log.seen.page_faults = true;
                log.vcpus[at].table = None;
                match stopped_at(error_code) {
                    StoppedAt::Table => {
                        log.survey.table_faults += 1;
                        log.vcpus[at].table = Some(address);
                    }
                    StoppedAt::Page => log.survey.final_faults += 1,
                    StoppedAt::Unknown => {}
                }
                log.vcpus[at].watch.faulted(event, address, error_code);
            }
            KernelEvent::Hypercall { nr, target } => delivery::hypercall(log, event, nr, target),
            KernelEvent::VcpuWakeup { slept, .. } => {
                log.vcpus[at].slept = true;
                if slept {
                    log.vcpus[at].spin.useful();
                }
            }
            _ => {}
        }
    }

    /// The generation is known, as a log of ours says it in its head.
    pub fn set_config(&mut self, config: LogConfig) {
        self.log.config = config;
    }

    /// Times are ticks of an unknown length, no longer than a nanosecond and not shorter than an
    /// eighth of one.
    pub fn ticks_are_short(&mut self) {
        self.log.config.liveness_bound = self.log.config.liveness_bound.saturating_mul(8);
    }

    /// Events were lost: those of `cpu` since `since`, or of an unknown processor.
    pub fn lost(&mut self, since: u64) {
        let Self { log, completions, .. } = self;
        log.losses += 1;
        log.ledger.take_back(since);
        completions.settle_overdue(log, since);
        for own in &mut log.vcpus {
            own.resynchronise();
        }
        log.deferred.forget(since);
        completions.forget();
    }

    /// A line may be cut within its last word: takes back what was concluded at it.
    pub fn doubt(&mut self, line: u64) {
        self.log.ledger.doubt(line);
    }

    /// The family that the log shows, and whether it shows it.
    pub fn family(&self) -> (Family, bool) {
        self.log.family()
    }

    /// The kernels that print what the log has, in words.
    pub fn kernels(&self) -> &'static str {
        match self.log.family().0 {
            Family::V5 => "the series of 2010",
            Family::V7 if self.log.seen.with_pfn => "2.6.38 to 3.12",
            Family::V7 => "3.13 to 5.7",
            Family::Int if self.log.seen.repeated => "6.1 or later",
            Family::Int if self.log.seen.old_name => "5.8 to 6.2",
            Family::Int => "5.8 or later",
        }
    }

    /// Whether the log has any event of an asynchronous fault.
    pub fn has_faults(&self) -> bool {
        let SeenInLog { tries, repeated, old_name, announced, ready, completed, .. } =
            self.log.seen;
        tries || repeated || old_name || announced || ready || completed
    }

    /// Whether an invariant is broken so far.
    pub fn is_broken(&self, id: InvariantId) -> bool {
        self.log.ledger.is_broken(id)
    }

    /// Places in the log where events were lost.
    pub fn losses(&self) -> u64 {
        self.log.losses
    }

    /// The conclusions, by rising number, and what was counted.
    pub fn finish(mut self) -> (Vec<LogFinding>, LogSurvey) {
        for at in 0..self.log.vcpus.len() {
            if let Some(since) = gaps::settle(&mut self.log, at, u64::MAX) {
                self.lost(since);
            }
        }
        let Self { mut log, mut completions, mut exceptions, works, processors, first_ns, .. } =
            self;
        log.survey.ends_early = processors.ends_early(log.now);
        if let Some(cut) = log.survey.ends_early {
            end_of_log::cut(&mut log, &mut completions, cut.ns);
        }
        end_of_log::close(&mut log, &mut completions, &mut exceptions);
        halt_spins::settle_spins(&mut log);
        let vms = groups::vms(&log.vcpus);
        log.survey.course.finish(log.now);
        if log.survey.clocks.is_none() {
            log.survey.stalls = stalls_at_end::find(&log, &works, &processors, &vms);
        }
        let mut survey = std::mem::take(&mut log.survey);
        survey.span = log.now - first_ns.unwrap_or(log.now);
        survey.page_faults = log.seen.page_faults;
        survey.cap = log.config.cap;
        survey.exceptions = log.seen.exceptions;
        survey.finish(&log.vcpus, &vms);
        let family = log.family().0;
        if survey.clocks.is_some() {
            log.seen.clocks_differ = true;
            log.ledger.leave_open(clocks::DIFFER, rests_on_order);
        }
        let mut known = log.config.known.clone();
        if log.config.family.is_none() && family == Family::V7 {
            // All of them tell page ready of requests that were not told.
            known.push(INV_12);
        }
        let findings = log.ledger.findings(family, &known, log.seen);
        (findings, survey)
    }
}

impl Threads {
    /// The vCPU of a thread that runs one, as far as it is known.
    fn known(&self, pid: u32) -> Option<usize> {
        self.by_pid.get(&pid).copied()
    }

    /// The vCPU of a thread, which it runs as what it printed says.
    fn vcpu_of(&mut self, log: &mut LogState, thread: Thread) -> Option<usize> {
        if self.last.0 == thread.pid && self.last.1 < log.vcpus.len() {
            return Some(self.last.1);
        }
        let at = match self.known(thread.pid) {
            Some(at) => at,
            None if log.vcpus.len() >= MAX_VCPUS => {
                log.survey.threads_left_out += 1;
                return None;
            }
            None => {
                log.vcpus.push(VcpuLog::new(thread));
                self.by_pid.insert(thread.pid, log.vcpus.len() - 1);
                log.vcpus.len() - 1
            }
        };
        log.vcpus[at].tgid = log.vcpus[at].tgid.or(thread.tgid);
        self.last = (thread.pid, at);
        Some(at)
    }
}

/// A thread runs that vCPU. There are programs that run any of theirs in any thread.
fn runs(log: &mut LogState, completions: &mut Completions, at: usize, vcpu: u32) {
    if log.vcpus[at].id.is_some_and(|before| before != vcpu) {
        requests::becomes_another(log, completions, at);
    }
    log.vcpus[at].id = Some(vcpu);
}
