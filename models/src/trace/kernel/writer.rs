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

use super::event::{KernelEvent, KernelExit};
use super::text::{Details, write_event};
use crate::base::ids::{Gva, PcpuId, RequestId, SwapSlot, ThreadId, VcpuId, WorkerId};
use crate::base::record::{BlockReason, Event, ExitReason, IoKind, Record};

/// What precedes the events in tracefs.
const HEADER: &str = "\
# tracer: nop
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

/// The first process numbers: of vCPU threads, and of workers.
const VCPU_PID: u32 = 1000;
const WORKER_PID: u32 = 100_000;
/// The swap device: its number, and sectors in a page.
const SWAP_DEVICE: u32 = 254 << 20;
const PAGE_SECTORS: u32 = 8;
/// Where the guest is: in a user program, or in its kernel.
const USER_RIP: u64 = 0x40_1d85;
const KERNEL_RIP: u64 = 0xffff_ffff_8109_d6e8;
/// In `info1` of a nested fault, as on AMD: the final address is meant, and by the guest itself.
const NESTED_FINAL: u64 = 1 << 32;
const NESTED_USER: u64 = 4;
/// The vector of #PF.
const PAGE_FAULT: u8 = 14;
/// The vector of page ready in Linux guests.
const CALLBACK_VECTOR: u8 = 0xf3;

/// Who hits an event, and in what context, as the fifth column says it.
#[derive(Clone, Copy, Debug)]
enum Context {
    /// A thread at its own work.
    Thread(ThreadId),
    /// A thread with interrupts off.
    Off(ThreadId),
    /// The handler of an interrupt on a processor.
    Interrupt(PcpuId),
    /// The scheduler of a processor, on behalf of who runs there.
    Scheduler(PcpuId),
}

#[derive(Clone, Copy, Debug, Default)]
struct Vcpu {
    in_kernel: bool,
    /// In a halt, or waiting for a page, since then.
    asleep: Option<(BlockReason, SimTime)>,
    /// It has given up its processor since: a halt that was polled through has not.
    switched: bool,
}

/// What a worker is at.
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
    /// Who has each processor of the host.
    pub running: Vec<Option<ThreadId>>,
    /// Page ready is an interrupt, and no exception.
    pub ready_by_interrupt: bool,
}

/// Turns records into lines. Holds what is needed to say who hit an event, and no line.
#[derive(Clone, Debug)]
pub struct KernelWriter {
    setting: Setting,
    vcpus: Vec<Vcpu>,
    workers: BTreeMap<WorkerId, Work>,
    /// Where each thread ran last.
    places: BTreeMap<ThreadId, PcpuId>,
    requests: BTreeMap<RequestId, (IoKind, SwapSlot, u32)>,
    /// Who was last seen at work.
    actor: Context,
    /// A nested fault whose address the next record tells.
    fault: Option<(SimTime, VcpuId)>,
    /// Times are printed in nanoseconds, as `perf script --ns` does, not in microseconds.
    nanoseconds: bool,
}

impl KernelWriter {
    /// A writer that begins in the middle of a run.
    pub fn new(setting: Setting) -> Self {
        let on = |(at, thread): (usize, &Option<ThreadId>)| {
            thread.map(|thread| (thread, PcpuId(u16::try_from(at).unwrap_or(u16::MAX))))
        };
        Self {
            vcpus: vec![Vcpu::default(); usize::from(setting.vcpus)],
            workers: BTreeMap::new(),
            places: setting.running.iter().enumerate().filter_map(on).collect(),
            requests: BTreeMap::new(),
            actor: Context::Thread(ThreadId(0)),
            fault: None,
            nanoseconds: false,
            setting,
        }
    }

    /// Prints times in nanoseconds instead of microseconds.
    #[must_use]
    pub fn in_nanoseconds(mut self) -> Self {
        self.nanoseconds = true;
        self
    }

    /// Appends what precedes the events: a remark of the caller's, then the columns.
    pub fn header(&self, remark: &str, out: &mut Vec<u8>) {
        out.extend_from_slice(format!("# {remark}\n{HEADER}").as_bytes());
    }

    /// Appends the lines of a record: none, one, or two.
    pub fn record(&mut self, record: &Record, out: &mut Vec<u8>) {
        let time = record.time;
        if let Some((since, vcpu)) = self.fault.take() {
            let info = match record.event {
                Event::KvmPageFault { vcpu: own, address, error_code, cpl } if own == vcpu => {
                    self.vcpus[vcpu.index()].in_kernel = cpl == 0;
                    [nested_error(error_code), address.0]
                }
                _ => [0, 0],
            };
            let exit =
                KernelEvent::Exit { vcpu: Some(vcpu.0.into()), reason: KernelExit::NestedFault };
            let context = Context::Off(self.thread_of(vcpu));
            self.line(since, context, &exit, &Details { info, ..self.details(vcpu) }, out);
        }
        self.event(time, &record.event, out);
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
            Event::PageReadyQueued { vcpu, .. } if self.setting.ready_by_interrupt => {
                self.of_vcpu(time, vcpu, false, &E::AcceptIrq { vector: CALLBACK_VECTOR }, out);
            }
            Event::KvmAsyncPfCompleted { worker, vcpu, gva, address } => {
                let completed = E::Completed { gva, address, with_pfn: false };
                let context = self.context_of(worker, vcpu);
                self.at_work(worker, Work::Goes);
                self.line(time, context, &completed, &self.details(vcpu), out);
            }
            Event::KvmInjException { vcpu, vector, error_code, .. } => {
                let error_code = Some(error_code);
                let injected = E::InjException { vector, error_code, reinjected: false };
                self.of_vcpu(time, vcpu, false, &injected, out);
            }
            Event::KvmInjVirq { vcpu, vector } => {
                // The page ready interrupt was accepted when it was raised.
                if vector != CALLBACK_VECTOR {
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
                self.line(time, context, &work, &Details::default(), out);
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
                self.request(time, self.actor, &issue, (op, pages), out);
            }
            Event::BlockRqComplete { request } => {
                let Some((op, slot, pages)) = self.requests.remove(&request) else { return };
                let complete = E::BlockComplete { at: sector_of(slot) };
                // The device has one interrupt, and the first processor takes it.
                self.actor = Context::Interrupt(PcpuId(0));
                self.request(time, self.actor, &complete, (op, pages), out);
            }
            // No kernel has these.
            _ => {}
        }
    }

    fn exit(&mut self, time: SimTime, vcpu: VcpuId, reason: ExitReason, out: &mut Vec<u8>) {
        let (reason, info1, in_kernel) = match reason {
            ExitReason::EptViolation => {
                self.fault = Some((time, vcpu));
                return;
            }
            ExitReason::ExternalInterrupt | ExitReason::Kick => {
                (KernelExit::Interrupt, 0, self.vcpus[vcpu.index()].in_kernel)
            }
            ExitReason::Hlt => (KernelExit::Hlt, 0, true),
            ExitReason::Rsm => (KernelExit::Rsm, 0, true),
            ExitReason::Hypercall => (KernelExit::Hypercall, 0, true),
            // Behind a handler, wherever that returns to.
            ExitReason::InterruptWindow => (KernelExit::Window, 0, true),
            ExitReason::MsrWrite | ExitReason::ApicAccess => (KernelExit::Msr, 1, true),
        };
        self.vcpus[vcpu.index()].in_kernel = in_kernel;
        let exit = KernelEvent::Exit { vcpu: Some(vcpu.0.into()), reason };
        self.actor = Context::Thread(self.thread_of(vcpu));
        let details = Details { info: [info1, 0], ..self.details(vcpu) };
        self.line(time, Context::Off(self.thread_of(vcpu)), &exit, &details, out);
    }

    /// A vCPU thread goes on: after a halt the kernel says for how long it had nothing to do.
    fn wakeup(&mut self, time: SimTime, vcpu: VcpuId, reason: BlockReason, out: &mut Vec<u8>) {
        let asleep = self.vcpus[vcpu.index()].asleep.take();
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
        if let Some(running) = self.setting.running.get_mut(pcpu.index()) {
            *running = prev;
        }
        if let Some(thread) = prev.filter(|thread| thread.0 < u32::from(self.setting.vcpus)) {
            self.vcpus[thread.index()].switched = true;
        }
        let sleep = prev.map_or("", |thread| self.sleep_of(thread));
        let (comm, next_comm) = (self.comm_at(prev, pcpu, true), self.comm_at(next, pcpu, true));
        let switch = KernelEvent::SchedSwitch {
            prev: prev.map_or(0, |thread| self.pid(thread)),
            sleeps: !sleep.is_empty(),
            next: next.map_or(0, |thread| self.pid(thread)),
        };
        let details = Details { comm: &comm, next_comm: &next_comm, sleep, ..Details::default() };
        self.line(time, Context::Scheduler(pcpu), &switch, &details, out);
        if let Some(running) = self.setting.running.get_mut(pcpu.index()) {
            *running = next;
        }
        if let Some(thread) = next {
            self.places.insert(thread, pcpu);
            self.actor = Context::Thread(thread);
        }
    }

    /// The state in which a thread gives up its processor; nothing if it would go on. Our record
    /// does not say it: a worker that has an item sleeps once, for the page.
    fn sleep_of(&mut self, thread: ThreadId) -> &'static str {
        if thread.0 < u32::from(self.setting.vcpus) {
            return match self.vcpus[thread.index()].asleep {
                None => "",
                Some((BlockReason::Hlt | BlockReason::ApfHalt, _)) => "S",
                Some((
                    BlockReason::Fetch
                    | BlockReason::Reclaim
                    | BlockReason::MapLock
                    | BlockReason::Throttle,
                    _,
                )) => "D",
            };
        }
        match self.workers.entry(self.worker_of(thread)).or_default() {
            Work::Idle => "I",
            work @ Work::Waits => {
                *work = Work::Goes;
                "D"
            }
            Work::Goes => "",
        }
    }

    fn request(
        &self,
        time: SimTime,
        context: Context,
        event: &KernelEvent,
        (op, pages): (IoKind, u32),
        out: &mut Vec<u8>,
    ) {
        let (thread, cpu) = self.place(context);
        let comm = self.comm_at(thread, cpu, true);
        let sectors = u64::from(pages) * u64::from(PAGE_SECTORS);
        let details = Details { direction: op.name(), sectors, comm: &comm, ..Details::default() };
        self.line(time, context, event, &details, out);
    }

    fn of_vcpu(
        &mut self,
        time: SimTime,
        vcpu: VcpuId,
        off: bool,
        event: &KernelEvent,
        out: &mut Vec<u8>,
    ) {
        let thread = self.thread_of(vcpu);
        self.actor = Context::Thread(thread);
        let context = if off { Context::Off(thread) } else { Context::Thread(thread) };
        self.line(time, context, event, &self.details(vcpu), out);
    }

    fn of_worker(
        &mut self,
        time: SimTime,
        worker: WorkerId,
        event: &KernelEvent,
        out: &mut Vec<u8>,
    ) {
        self.actor = self.context_of(worker, VcpuId(0));
        self.line(time, self.actor, event, &Details::default(), out);
    }

    /// A worker, or the interrupt that stands for one on the processor of a vCPU.
    fn context_of(&self, worker: WorkerId, vcpu: VcpuId) -> Context {
        let thread = worker.0.checked_add(self.setting.vcpus.into()).map(ThreadId);
        match thread.filter(|thread| self.places.contains_key(thread)) {
            Some(thread) => Context::Thread(thread),
            None => Context::Interrupt(self.cpu_of(self.thread_of(vcpu))),
        }
    }

    fn at_work(&mut self, worker: WorkerId, work: Work) {
        self.workers.insert(worker, work);
    }

    fn details(&self, vcpu: VcpuId) -> Details<'static> {
        let rip = if self.vcpus[vcpu.index()].in_kernel { KERNEL_RIP } else { USER_RIP };
        Details { vcpu: vcpu.0.into(), rip, ..Details::default() }
    }

    fn thread_of(&self, vcpu: VcpuId) -> ThreadId {
        ThreadId(vcpu.0.into())
    }

    fn worker_of(&self, thread: ThreadId) -> WorkerId {
        WorkerId(thread.0 - u32::from(self.setting.vcpus))
    }

    fn cpu_of(&self, thread: ThreadId) -> PcpuId {
        self.places.get(&thread).copied().unwrap_or_default()
    }

    fn pid(&self, thread: ThreadId) -> u32 {
        let vcpus = u32::from(self.setting.vcpus);
        if thread.0 < vcpus { VCPU_PID + thread.0 } else { WORKER_PID + (thread.0 - vcpus) }
    }

    /// The name of a thread, or of nobody on a processor, which has two names.
    fn comm_at(&self, thread: Option<ThreadId>, cpu: PcpuId, swapper: bool) -> String {
        let vcpus = u32::from(self.setting.vcpus);
        match thread {
            None if swapper => format!("swapper/{}", cpu.0),
            None => "<idle>".to_owned(),
            Some(thread) if thread.0 < vcpus => format!("vcpu{}", thread.0),
            Some(thread) => {
                let cpu = self.places.get(&thread).copied().unwrap_or(cpu);
                format!("kworker/{}:{}", cpu.0, thread.0 - vcpus)
            }
        }
    }

    fn place(&self, context: Context) -> (Option<ThreadId>, PcpuId) {
        match context {
            Context::Thread(thread) | Context::Off(thread) => (Some(thread), self.cpu_of(thread)),
            Context::Interrupt(cpu) | Context::Scheduler(cpu) => {
                (self.setting.running.get(cpu.index()).copied().flatten(), cpu)
            }
        }
    }

    fn line(
        &self,
        time: SimTime,
        context: Context,
        event: &KernelEvent,
        details: &Details<'_>,
        out: &mut Vec<u8>,
    ) {
        let (thread, cpu) = self.place(context);
        let (comm, pid) = (self.comm_at(thread, cpu, false), thread.map_or(0, |t| self.pid(t)));
        let flags = match context {
            Context::Thread(_) => ".....",
            Context::Off(_) => "d..1.",
            Context::Interrupt(_) => "d.h1.",
            Context::Scheduler(_) => "d..2.",
        };
        let ns = time.as_ps() / 1000;
        let time = match self.nanoseconds {
            true => format!("{:>5}.{:09}", ns / 1_000_000_000, ns % 1_000_000_000),
            false => {
                // `ns2usecs`
                let us = (ns + 500) / 1000;
                format!("{:>5}.{:06}", us / 1_000_000, us % 1_000_000)
            }
        };
        let (cpu, name) = (cpu.0, event.name());
        let head = format!("{comm:>16}-{pid:<7} [{cpu:03}] {flags} {time}: {name}: ");
        out.extend_from_slice(head.as_bytes());
        write_event(event, &Details { cpu: cpu.into(), ..*details }, out);
        out.push(b'\n');
    }
}

/// Error code of a nested fault: our bit 1 is a write as well.
fn nested_error(error_code: u32) -> u64 {
    NESTED_FINAL | NESTED_USER | u64::from(error_code & 2)
}

fn sector_of(slot: SwapSlot) -> (u32, u64) {
    (SWAP_DEVICE, u64::from(slot.0) * u64::from(PAGE_SECTORS))
}

/// Stands for the hashed address that the kernel prints for a work item.
fn address_of(number: u32) -> u64 {
    // An odd factor keeps different items different in 32 bits.
    u64::from(number.wrapping_add(1).wrapping_mul(0x9e37_79b1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::ids::{Gfn, Gpa, Hva, ItemId, Token};
    use crate::trace::kernel::{Line, parse_event, split};

    const V0: VcpuId = VcpuId(0);
    const VCPU: Option<ThreadId> = Some(ThreadId(0));
    const WORKER: Option<ThreadId> = Some(ThreadId(1));

    /// The life of a fault under interrupt page ready, and a halt.
    fn fault() -> Vec<Event> {
        let (vcpu, token, gva, gfn) = (V0, Token(0x1000), Gva(0xb6a_f000), Gfn(0xb6af));
        let (item, worker, request) = (ItemId(0), WorkerId(0), RequestId(3));
        let address = Hva(0x7f00_0b6a_f000);
        let pcpu = PcpuId(0);
        let switch = |prev, next| Event::HostSchedSwitch { pcpu, prev, next };
        let (op, slot, reason) = (IoKind::Read, SwapSlot(28_478), ExitReason::EptViolation);
        vec![
            Event::KvmExit { vcpu, reason },
            Event::KvmPageFault { vcpu, address: Gpa(gva.0), error_code: 2, cpl: 3 },
            Event::BlockRqIssue { request, op, slot, pages: 1 },
            Event::KvmTryAsyncGetPage { vcpu, gva, gfn },
            Event::KvmAsyncPfDoublefault { vcpu, gva, gfn },
            Event::KvmAsyncPfNotPresent { vcpu, token, gva },
            Event::ItemLink { vcpu, token, gfn },
            Event::WorkqueueQueueWork { item },
            switch(VCPU, WORKER),
            Event::WorkqueueExecuteStart { worker, item },
            switch(WORKER, VCPU),
            Event::KvmInjException { vcpu, vector: 14, error_code: 0, cr2: 0x1000 },
            Event::KvmEntry { vcpu },
            Event::KvmExit { vcpu, reason: ExitReason::ExternalInterrupt },
            Event::BlockRqComplete { request },
            switch(VCPU, WORKER),
            Event::KvmAsyncPfCompleted { worker, vcpu, gva, address },
            Event::WorkqueueExecuteEnd { worker, item },
            switch(WORKER, VCPU),
            Event::KvmAsyncPfReady { vcpu, token, gva },
            Event::PageReadyQueued { vcpu, token },
            Event::KvmInjVirq { vcpu, vector: CALLBACK_VECTOR },
            Event::KvmEntry { vcpu },
            Event::KvmExit { vcpu, reason: ExitReason::MsrWrite },
            Event::KvmMsrWrite { vcpu, ecx: 0x4b56_4d07, data: 1 },
            Event::VcpuBlock { vcpu, reason: BlockReason::ApfHalt },
            switch(VCPU, None),
            switch(None, VCPU),
            Event::VcpuUnblock { vcpu, reason: BlockReason::ApfHalt },
        ]
    }

    fn written(events: &[Event]) -> String {
        let setting = Setting { vcpus: 1, running: vec![VCPU], ready_by_interrupt: true };
        let mut writer = KernelWriter::new(setting);
        let mut out = Vec::new();
        for (at, &event) in events.iter().enumerate() {
            let time = SimTime::from_ps(61_431_178_000_000 + 1_500_000 * at as u64);
            writer.record(&Record { time, event }, &mut out);
        }
        String::from_utf8(out).expect("text")
    }

    /// A line with all numbers made equal, but for the lengths of those that are padded.
    fn shape(line: &str) -> String {
        let (head, fields) = line.split_once(": ").expect("a time");
        let (thread, context) = head.split_once('[').expect("a processor");
        let words = fields.split_inclusive(|c: char| !c.is_ascii_alphanumeric());
        let words = words.map(|word| {
            let number = word.trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
            let end = &word[number.len()..];
            let digits = number.strip_prefix("0x").unwrap_or(number);
            let hex = digits.bytes().all(|b| b.is_ascii_hexdigit());
            if !hex || !number.bytes().any(|b| b.is_ascii_digit()) {
                word.to_owned()
            } else if digits.len() >= 8 && !digits.starts_with("ffff") {
                format!("{}{end}", "#".repeat(digits.len()))
            } else {
                format!("#{end}")
            }
        });
        // `vcpu0-301` is a name and a number, `kworker/0:3-157` as well.
        let comm = thread.trim().trim_end_matches(|c: char| !c.is_alphabetic() && c != '>');
        let (flags, columns) = (&context[5..10], (thread.len(), head.len()));
        format!("{columns:?} {comm} {flags} {}", words.collect::<String>())
    }

    #[test]
    fn lines_look_like_those_of_a_kernel() {
        // A line of each event, of a host that ran Linux 6.12.
        let real: Vec<_> = include_str!("linux-6.12.txt").lines().map(shape).collect();
        let ours = written(&fault());
        for line in ours.lines() {
            assert!(real.contains(&shape(line)), "{line}\n{}\n{real:#?}", shape(line));
        }
        for real in &real {
            assert!(ours.lines().any(|line| shape(line) == *real), "{real}\n{ours}");
        }
    }

    #[test]
    fn lines_are_read_back() {
        let text = written(&fault());
        for line in text.lines() {
            let Line::Event(header, fields) = split(line.as_bytes()) else { panic!("{line}") };
            assert!(matches!(parse_event(header.name, fields), Ok(Some(_))), "{line}");
        }
        let first = text.lines().next().expect("a line");
        assert!(first.ends_with(
            "kvm_exit: vcpu 0 reason npf rip 0x401d85 info1 0x0000000100000006 \
             info2 0x000000000b6af000 intr_info 0x00000000 error_code 0x00000000"
        ));
        // The last record tells the length of the halt, from VcpuBlock on.
        assert!(text.ends_with("kvm_vcpu_wakeup: wait time 4500 ns, polling valid\n"), "{text}");
    }

    #[test]
    fn an_interrupt_instead_of_a_worker_completes_in_its_context() {
        let worker = WorkerId(u32::MAX - 1);
        let (gva, address) = (Gva(0x1000), Hva(0x7f00_0000_1000));
        let text = written(&[Event::KvmAsyncPfCompleted { worker, vcpu: V0, gva, address }]);
        assert!(text.starts_with("           vcpu0-1000    [000] d.h1.    61.431178: "), "{text}");
    }
}
