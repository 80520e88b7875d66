//! The records of a run as the text that tracefs of the simulated host would show.
//!
//! A record that no kernel has prints nothing. Where a kernel prints an event that our records
//! hold in another form, it is derived: `kvm_vcpu_wakeup` from the end of a halt,
//! `kvm_apic_accept_irq` from a page ready that is raised as interrupt, and from the injection of
//! other interrupts. What our records do not
//! hold is made up, always alike: the guest's instruction pointer, process numbers, the addresses
//! of work items. Who hit an event follows from the event, or, where it does not say (requests to
//! the device and the queueing of work), from who was last seen at work.

use std::collections::BTreeMap;

use sim_core::SimTime;

use self::lines::Lines;
use self::made_up::{
    KERNEL_RIP, MMU_LOCK, UFFD_LOCKS, USER_RIP, address_of, nested_error, sector_of,
};
use super::event::{KernelEvent, KernelExit};
use super::probes::{Handlers, Probe};
use super::text::Details;
use super::threads::{Context, Threads, thread_of};
use crate::base::abi::{CALLBACK, PAGE_FAULT};
use crate::base::ids::{
    Gva, PAGE_SECTORS, PcpuId, RequestId, SwapSlot, ThreadId, VcpuId, WorkerId,
};
use crate::base::record::{BlockReason, Event, ExitReason, IoKind, Record};

/// The first line of a trace in tracefs.
const TRACER: &str = "# tracer: nop\n";

/// What else precedes the events there.
const HEADER: &str = "\
#
#                                _-----=> irqs-off/BH-disabled
#                               / _----=> need-resched
#                              | / _---=> hardirq/softirq
#                              || / _--=> preempt-depth
#                              ||| / _-=> migrate-disable
#                              |||| /     delay
#           TASK-PID     CPU#  |||||  TIMESTAMP  FUNCTION
#              | |         |   |||||     |         |
";

#[derive(Clone, Copy, Debug, Default)]
struct Vcpu {
    in_kernel: bool,
    /// In a halt, or waiting for a page, since then.
    asleep: Option<(BlockReason, SimTime)>,
    /// It has given up its processor since: a halt that was polled through has not.
    switched: bool,
    /// Its thread has ended.
    exited: bool,
}

/// What a worker is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Work {
    /// Nothing.
    #[default]
    Idle,
    /// An item whose page is not there yet.
    Waits,
    /// An item that goes on.
    Goes,
}

/// What a writer is told of the machine at its beginning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// vCPUs of the guest.
    pub vcpus: u16,
    /// Threads of VMMs that bring pages.
    pub handlers: u16,
    /// Who has each processor of the host.
    pub running: Vec<Option<ThreadId>>,
    /// Page ready is an interrupt, and no exception.
    pub ready_by_interrupt: bool,
}

/// Turns records into lines. Holds what is needed to say who hit an event, and no line.
#[derive(Clone, Debug)]
pub struct KernelWriter {
    lines: Lines,
    /// Page ready is an interrupt, and no exception.
    ready_by_interrupt: bool,
    vcpus: Vec<Vcpu>,
    workers: BTreeMap<WorkerId, Work>,
    requests: BTreeMap<RequestId, (IoKind, SwapSlot, u32)>,
    /// The lock of a descriptor that each thread spins for.
    uffd_locks: BTreeMap<ThreadId, &'static str>,
    /// Who was last seen at work.
    actor: Context,
    /// A fault whose address the next record tells.
    fault: Option<(SimTime, VcpuId, KernelExit)>,
    /// What the VMM's threads are at.
    handlers: Handlers,
}

impl KernelWriter {
    /// A writer that begins in the middle of a run.
    pub fn new(setting: Setting) -> Self {
        Self {
            vcpus: vec![Vcpu::default(); usize::from(setting.vcpus)],
            workers: BTreeMap::new(),
            requests: BTreeMap::new(),
            uffd_locks: BTreeMap::new(),
            actor: Context::Thread(ThreadId(0)),
            fault: None,
            handlers: Handlers::default(),
            ready_by_interrupt: setting.ready_by_interrupt,
            lines: Lines {
                threads: Threads::new(setting.vcpus, setting.handlers, setting.running),
                nanoseconds: false,
            },
        }
    }

    /// Prints times in nanoseconds instead of microseconds.
    #[must_use]
    pub fn in_nanoseconds(mut self) -> Self {
        self.lines.nanoseconds = true;
        self
    }

    /// Appends what precedes the events: the line by which programs know a trace, a remark of the
    /// caller's, then the columns.
    pub fn header(&self, remark: &str, out: &mut Vec<u8>) {
        out.extend_from_slice(format!("{TRACER}# {remark}\n{HEADER}").as_bytes());
    }

    /// Appends the lines of a record: none, one, or two.
    pub fn record(&mut self, record: &Record, out: &mut Vec<u8>) {
        let time = record.time;
        if let Some((since, vcpu, reason)) = self.fault.take() {
            let info = match record.event {
                Event::KvmPageFault { vcpu: own, address, error_code, cpl } if own == vcpu => {
                    self.vcpus[vcpu.index()].in_kernel = cpl == 0;
                    [nested_error(error_code), address.0]
                }
                Event::ShadowFault { vcpu: own, address, error_code, cpl } if own == vcpu => {
                    self.vcpus[vcpu.index()].in_kernel = cpl == 0;
                    [error_code, address.0]
                }
                _ => [0, 0],
            };
            let exit = KernelEvent::Exit { vcpu: Some(vcpu.0.into()), reason };
            let context = Context::Off(thread_of(vcpu));
            self.lines.line(since, context, &exit, &Details { info, ..self.details(vcpu) }, out);
        }
        if let Some((since, probe)) = self.handlers.read_before(record) {
            self.lines.probe(since, &probe, out);
        }
        if let Some((since, probe)) = self.handlers.copied_before(record) {
            self.lines.probe(since, &probe, out);
        }
        if let Event::UffdPoisoned { thread, .. } = record.event {
            self.handlers.marks(thread);
        }
        match Probe::of(&record.event) {
            Some(probe) => self.vmm(time, probe, out),
            None => self.event(time, &record.event, out),
        }
    }

    fn event(&mut self, time: SimTime, event: &Event, out: &mut Vec<u8>) {
        use KernelEvent as E;
        match *event {
            Event::KvmEntry { vcpu } => {
                let entry = E::Entry { vcpu: vcpu.0.into() };
                self.of_vcpu(time, vcpu, true, &entry, out);
            }
            Event::KvmExit { vcpu, reason } => self.exit(time, vcpu, reason, out),
            Event::KvmPageFault { vcpu, address, error_code, .. } => {
                let error_code = nested_error(error_code);
                let fault = E::PageFault { address: Gva(address.0), error_code };
                self.of_vcpu(time, vcpu, false, &fault, out);
            }
            Event::ShadowFault { vcpu, address, error_code, .. } => {
                let fault = E::PageFault { address, error_code };
                self.of_vcpu(time, vcpu, false, &fault, out);
            }
            Event::KvmTryAsyncGetPage { vcpu, gva, gfn } => {
                self.of_vcpu(time, vcpu, false, &E::Try { gva, gfn }, out);
            }
            Event::LookupFound { vcpu, pfn } => {
                self.of_vcpu(time, vcpu, false, &E::Lookup { pfn: pfn.0 }, out);
            }
            Event::KvmAsyncPfDoublefault { vcpu, gva, gfn } => {
                let repeated = E::RepeatedFault { gva, gfn, old_name: false };
                self.of_vcpu(time, vcpu, false, &repeated, out);
            }
            Event::KvmAsyncPfNotPresent { vcpu, token, gva } => {
                self.of_vcpu(time, vcpu, false, &E::NotPresent { token, gva }, out);
            }
            Event::KvmAsyncPfReady { vcpu, token, gva } => {
                self.of_vcpu(time, vcpu, false, &E::Ready { token, gva }, out);
            }
            Event::PageReadyQueued { vcpu, .. } if self.ready_by_interrupt => {
                self.of_vcpu(time, vcpu, false, &E::AcceptIrq { vector: CALLBACK }, out);
            }
            Event::KvmAsyncPfCompleted { worker, vcpu, gva, address } => {
                let completed = E::Completed { gva, address, with_pfn: false };
                let context = self.lines.threads.context_of(worker, vcpu);
                self.at_work(worker, Work::Goes);
                self.lines.line(time, context, &completed, &self.details(vcpu), out);
            }
            Event::KvmInjException { vcpu, vector, error_code, .. } => {
                let error_code = Some(error_code);
                let injected = E::InjException { vector, error_code, reinjected: false };
                self.of_vcpu(time, vcpu, false, &injected, out);
            }
            Event::KvmInjVirq { vcpu, vector } => {
                // The page ready interrupt was accepted when it was raised.
                if vector != CALLBACK {
                    self.of_vcpu(time, vcpu, false, &E::AcceptIrq { vector }, out);
                }
                let injected = E::InjVirq { vector, reinjected: false };
                self.of_vcpu(time, vcpu, false, &injected, out);
            }
            Event::KvmReinject { vcpu, vector } => {
                let again = match vector {
                    PAGE_FAULT => E::InjException { vector, error_code: Some(0), reinjected: true },
                    _ => E::InjVirq { vector, reinjected: true },
                };
                self.of_vcpu(time, vcpu, false, &again, out);
            }
            Event::KvmMsrWrite { vcpu, ecx, data } => {
                let write = E::Msr { write: true, ecx, data, failed: false };
                self.of_vcpu(time, vcpu, false, &write, out);
            }
            _ => self.host_event(time, event, out),
        }
    }

    /// An event of the host's scheduler, work queues, device and locks.
    fn host_event(&mut self, time: SimTime, event: &Event, out: &mut Vec<u8>) {
        use KernelEvent as E;
        match *event {
            Event::VcpuBlock { vcpu, reason } => {
                self.vcpus[vcpu.index()].asleep = Some((reason, time));
                self.vcpus[vcpu.index()].switched = false;
            }
            Event::VcpuUnblock { vcpu, reason } => self.wakeup(time, vcpu, reason, out),
            Event::HostSchedSwitch { pcpu, prev, next } => self.switch(time, pcpu, prev, next, out),
            Event::WorkqueueQueueWork { item } => {
                let work = E::QueueWork { work: address_of(item.0) };
                let context = match self.actor {
                    Context::Thread(thread) => Context::Off(thread),
                    other => other,
                };
                self.lines.line(time, context, &work, &Details::default(), out);
            }
            Event::WorkqueueExecuteStart { worker, item } => {
                self.at_work(worker, Work::Waits);
                let start = E::ExecuteStart { work: address_of(item.0) };
                self.of_worker(time, worker, &start, out);
            }
            Event::WorkqueueExecuteEnd { worker, item } => {
                self.at_work(worker, Work::Idle);
                let end = E::ExecuteEnd { work: address_of(item.0) };
                self.of_worker(time, worker, &end, out);
            }
            Event::MemcgReclaimBegin { thread } | Event::MemcgReclaimEnd { thread, .. } => {
                self.actor = Context::Thread(thread);
            }
            Event::BlockRqIssue { request, op, slot, pages } => {
                self.requests.insert(request, (op, slot, pages));
                let sectors = pages.saturating_mul(PAGE_SECTORS);
                let (read, at) = (op == IoKind::Read, sector_of(slot));
                let issue = E::BlockIssue { read, at, sectors };
                self.lines.request(time, self.actor, &issue, (op, pages), out);
            }
            Event::BlockRqComplete { request } => {
                let Some((op, slot, pages)) = self.requests.remove(&request) else { return };
                let complete = E::BlockComplete { at: sector_of(slot), failed: false };
                // The device has one interrupt, and the first processor takes it.
                self.actor = Context::Interrupt(PcpuId(0));
                self.lines.request(time, self.actor, &complete, (op, pages), out);
            }
            Event::ContentionBegin { thread, write } => {
                let how = if write { "WRITE" } else { "READ" };
                let flags = format!("(flags=SPIN|{how})");
                self.spin(time, thread, "contention_begin", (MMU_LOCK, &flags), out);
            }
            Event::UffdLockWait { thread, readers } => {
                let lock = UFFD_LOCKS[usize::from(readers)];
                self.uffd_locks.insert(thread, lock);
                self.spin(time, thread, "contention_begin", (lock, "(flags=SPIN)"), out);
            }
            Event::UffdLockTaken { thread } => {
                let Some(lock) = self.uffd_locks.remove(&thread) else { return };
                self.spin(time, thread, "contention_end", (lock, "(ret=0)"), out);
            }
            Event::SignalGenerate { vcpu, .. } => {
                // SIGBUS, BUS_MCEERR_AR, to the thread alone, and delivered.
                let fields = |pid, comm: &str| {
                    format!("sig=7 errno=0 code=4 comm={comm} pid={pid} grp=0 res=0")
                };
                self.of_process(time, vcpu, "signal_generate", fields, out);
            }
            Event::SchedProcessExit { vcpu } => {
                self.vcpus[vcpu.index()].exited = true;
                let fields = |pid, comm: &str| format!("comm={comm} pid={pid} prio=120");
                self.of_process(time, vcpu, "sched_process_exit", fields, out);
            }
            Event::ContentionEnd { thread } => {
                self.spin(time, thread, "contention_end", (MMU_LOCK, "(ret=0)"), out);
            }
            // No kernel has these.
            _ => {}
        }
    }

    fn exit(&mut self, time: SimTime, vcpu: VcpuId, reason: ExitReason, out: &mut Vec<u8>) {
        let (reason, info1, in_kernel) = match reason {
            ExitReason::EptViolation => {
                self.fault = Some((time, vcpu, KernelExit::NestedFault));
                return;
            }
            ExitReason::PageFault => {
                self.fault = Some((time, vcpu, KernelExit::PageFault));
                return;
            }
            ExitReason::ExternalInterrupt | ExitReason::Kick => {
                (KernelExit::Interrupt, 0, self.vcpus[vcpu.index()].in_kernel)
            }
            ExitReason::Hlt => (KernelExit::Hlt, 0, true),
            ExitReason::Rsm => (KernelExit::Rsm, 0, true),
            ExitReason::CrAccess | ExitReason::EptMisconfig => (KernelExit::Other, 0, true),
            ExitReason::Hypercall => (KernelExit::Hypercall, 0, true),
            // Behind a handler, wherever that returns to.
            ExitReason::InterruptWindow => (KernelExit::Window, 0, true),
            ExitReason::MsrWrite | ExitReason::ApicAccess => (KernelExit::Msr, 1, true),
        };
        self.vcpus[vcpu.index()].in_kernel = in_kernel;
        let exit = KernelEvent::Exit { vcpu: Some(vcpu.0.into()), reason };
        self.actor = Context::Thread(thread_of(vcpu));
        let details = Details { info: [info1, 0], ..self.details(vcpu) };
        self.lines.line(time, Context::Off(thread_of(vcpu)), &exit, &details, out);
    }

    /// A vCPU thread goes on: after a halt the kernel says for how long it had nothing to do.
    fn wakeup(&mut self, time: SimTime, vcpu: VcpuId, reason: BlockReason, out: &mut Vec<u8>) {
        let asleep = self.vcpus[vcpu.index()].asleep.take();
        self.handlers.is_awake(thread_of(vcpu));
        let halt = matches!(reason, BlockReason::Hlt | BlockReason::ApfHalt);
        if let (Some((_, since)), true) = (asleep, halt) {
            let ns = time.since(since).as_ps() / 1000;
            let slept = self.vcpus[vcpu.index()].switched;
            let wakeup = KernelEvent::VcpuWakeup { ns, slept };
            self.of_vcpu(time, vcpu, false, &wakeup, out);
        }
    }

    fn switch(
        &mut self,
        time: SimTime,
        pcpu: PcpuId,
        prev: Option<ThreadId>,
        next: Option<ThreadId>,
        out: &mut Vec<u8>,
    ) {
        // Who leaves the processor is not always who was known to have it.
        self.lines.threads.set_running(pcpu, prev);
        if let Some(thread) = prev.filter(|&thread| self.lines.threads.is_vcpu(thread)) {
            self.vcpus[thread.index()].switched = true;
        }
        let sleep = prev.map_or("", |thread| self.sleep_of(thread));
        let (comm, next_comm) = (
            self.lines.threads.comm_at(prev, pcpu, true),
            self.lines.threads.comm_at(next, pcpu, true),
        );
        let switch = KernelEvent::SchedSwitch {
            prev: prev.map_or(0, |thread| self.lines.threads.pid(thread)),
            sleeps: !sleep.is_empty(),
            next: next.map_or(0, |thread| self.lines.threads.pid(thread)),
        };
        let details = Details { comm: &comm, next_comm: &next_comm, sleep, ..Details::default() };
        self.lines.line(time, Context::Scheduler(pcpu), &switch, &details, out);
        self.lines.threads.set_running(pcpu, next);
        if let Some(thread) = next {
            self.lines.threads.moved(thread, pcpu);
            self.actor = Context::Thread(thread);
        }
    }

    /// The state in which a thread gives up its processor; nothing if it would go on. Our record
    /// does not say it: a worker that has an item sleeps once, for the page.
    fn sleep_of(&mut self, thread: ThreadId) -> &'static str {
        if self.lines.threads.is_vcpu(thread) {
            return match self.vcpus[thread.index()].asleep {
                None if self.vcpus[thread.index()].exited => "X",
                None => "",
                Some((BlockReason::Hlt | BlockReason::ApfHalt | BlockReason::Stopped, _)) => "S",
                Some((BlockReason::Fetch, _)) if self.handlers.is_asked_by(thread) => "S",
                Some((
                    BlockReason::Fetch
                    | BlockReason::Reclaim
                    | BlockReason::MapLock
                    | BlockReason::Throttle
                    | BlockReason::High,
                    _,
                )) => "D",
            };
        }
        if self.lines.threads.is_handler(thread) {
            return self.handlers.sleep_of(thread);
        }
        match self.workers.entry(self.lines.threads.worker_of(thread)).or_default() {
            Work::Idle => "I",
            work @ Work::Waits => {
                *work = Work::Goes;
                "D"
            }
            Work::Goes => "",
        }
    }

    fn of_vcpu(
        &mut self,
        time: SimTime,
        vcpu: VcpuId,
        off: bool,
        event: &KernelEvent,
        out: &mut Vec<u8>,
    ) {
        let thread = thread_of(vcpu);
        self.actor = Context::Thread(thread);
        let context = if off { Context::Off(thread) } else { Context::Thread(thread) };
        self.lines.line(time, context, event, &self.details(vcpu), out);
    }

    fn of_worker(
        &mut self,
        time: SimTime,
        worker: WorkerId,
        event: &KernelEvent,
        out: &mut Vec<u8>,
    ) {
        self.actor = self.lines.threads.context_of(worker, VcpuId(0));
        self.lines.line(time, self.actor, event, &Details::default(), out);
    }

    fn at_work(&mut self, worker: WorkerId, work: Work) {
        self.workers.insert(worker, work);
    }

    fn details(&self, vcpu: VcpuId) -> Details<'static> {
        let rip = if self.vcpus[vcpu.index()].in_kernel { KERNEL_RIP } else { USER_RIP };
        Details { vcpu: vcpu.0.into(), rip, ..Details::default() }
    }

    /// A probe of userfaultfd: its thread is at work from here on.
    fn vmm(&mut self, time: SimTime, probe: Probe, out: &mut Vec<u8>) {
        self.actor = Context::Thread(probe.thread);
        if let Some(probe) = self.handlers.notes(time, probe) {
            self.lines.probe(time, &probe, out);
        }
    }

    /// An event of a lock that threads spin for, which nothing is concluded from when a log is
    /// read (`lock:contention_begin`, `lock:contention_end` of include/trace/events/lock.h, 6.1.192).
    /// A line that says something of the thread of a vCPU as a process.
    fn of_process(
        &mut self,
        time: SimTime,
        vcpu: VcpuId,
        name: &str,
        fields: impl Fn(u32, &str) -> String,
        out: &mut Vec<u8>,
    ) {
        let thread = thread_of(vcpu);
        self.actor = Context::Thread(thread);
        self.lines.head(time, self.actor, name, out);
        let comm = self.lines.threads.comm_at(Some(thread), PcpuId(0), false);
        let text = fields(self.lines.threads.pid(thread), &comm);
        out.extend_from_slice(format!("{text}\n").as_bytes());
    }

    fn spin(
        &mut self,
        time: SimTime,
        thread: ThreadId,
        name: &str,
        (lock, fields): (&str, &str),
        out: &mut Vec<u8>,
    ) {
        self.actor = Context::Thread(thread);
        self.lines.head(time, self.actor, name, out);
        out.extend_from_slice(format!("{lock} {fields}\n").as_bytes());
    }
}

mod lines;
mod made_up;
#[cfg(test)]
mod tests;
