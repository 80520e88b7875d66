//! Threads of the simulated host as its kernel would name them, and where they ran last.

use std::collections::BTreeMap;

use crate::base::ids::{PcpuId, ThreadId, VcpuId, WorkerId};

/// The first process numbers: of vCPU threads, and of workers.
const VCPU_PID: u32 = 1000;
const WORKER_PID: u32 = 100_000;

/// Who hits an event, and in what context, as the fifth column says it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Context {
    /// A thread at its own work.
    Thread(ThreadId),
    /// A thread with interrupts off.
    Off(ThreadId),
    /// The handler of an interrupt on a processor.
    Interrupt(PcpuId),
    /// The scheduler of a processor, on behalf of who runs there.
    Scheduler(PcpuId),
}

/// The threads.
#[derive(Clone, Debug)]
pub(super) struct Threads {
    vcpus: u16,
    /// Threads of VMMs that bring pages, behind those of the vCPUs.
    handlers: u16,
    /// Who has each processor.
    running: Vec<Option<ThreadId>>,
    /// Where each thread ran last.
    places: BTreeMap<ThreadId, PcpuId>,
}

impl Threads {
    pub(super) fn new(vcpus: u16, handlers: u16, running: Vec<Option<ThreadId>>) -> Self {
        let on = |(at, thread): (usize, &Option<ThreadId>)| {
            thread.map(|thread| (thread, PcpuId(u16::try_from(at).unwrap_or(u16::MAX))))
        };
        let places = running.iter().enumerate().filter_map(on).collect();
        Self { vcpus, handlers, running, places }
    }

    pub(super) fn is_vcpu(&self, thread: ThreadId) -> bool {
        thread.0 < u32::from(self.vcpus)
    }

    pub(super) fn is_handler(&self, thread: ThreadId) -> bool {
        let behind = thread.0.checked_sub(self.vcpus.into());
        behind.is_some_and(|number| number < self.handlers.into())
    }

    pub(super) fn set_running(&mut self, cpu: PcpuId, thread: Option<ThreadId>) {
        if let Some(running) = self.running.get_mut(cpu.index()) {
            *running = thread;
        }
    }

    pub(super) fn moved(&mut self, thread: ThreadId, cpu: PcpuId) {
        self.places.insert(thread, cpu);
    }

    /// A worker, or the interrupt that stands for one on the processor of a vCPU.
    pub(super) fn context_of(&self, worker: WorkerId, vcpu: VcpuId) -> Context {
        let thread = worker.0.checked_add(self.vcpus.into()).map(ThreadId);
        match thread.filter(|thread| self.places.contains_key(thread)) {
            Some(thread) => Context::Thread(thread),
            None => Context::Interrupt(self.cpu_of(thread_of(vcpu))),
        }
    }

    pub(super) fn worker_of(&self, thread: ThreadId) -> WorkerId {
        WorkerId(thread.0 - u32::from(self.vcpus))
    }

    fn cpu_of(&self, thread: ThreadId) -> PcpuId {
        self.places.get(&thread).copied().unwrap_or_default()
    }

    pub(super) fn pid(&self, thread: ThreadId) -> u32 {
        let vcpus = u32::from(self.vcpus);
        if thread.0 < vcpus { VCPU_PID + thread.0 } else { WORKER_PID + (thread.0 - vcpus) }
    }

    /// The name of a thread, or of nobody on a processor, which has two names.
    pub(super) fn comm_at(&self, thread: Option<ThreadId>, cpu: PcpuId, swapper: bool) -> String {
        let vcpus = u32::from(self.vcpus);
        match thread {
            None if swapper => format!("swapper/{}", cpu.0),
            None => "<idle>".to_owned(),
            Some(thread) if thread.0 < vcpus => format!("vcpu{}", thread.0),
            Some(thread) if self.is_handler(thread) => format!("handler{}", thread.0 - vcpus),
            Some(thread) => {
                let cpu = self.places.get(&thread).copied().unwrap_or(cpu);
                format!("kworker/{}:{}", cpu.0, thread.0 - vcpus)
            }
        }
    }

    pub(super) fn place(&self, context: Context) -> (Option<ThreadId>, PcpuId) {
        match context {
            Context::Thread(thread) | Context::Off(thread) => (Some(thread), self.cpu_of(thread)),
            Context::Interrupt(cpu) | Context::Scheduler(cpu) => {
                (self.running.get(cpu.index()).copied().flatten(), cpu)
            }
        }
    }

    /// The columns before the time, and the processor.
    pub(super) fn columns(&self, context: Context) -> (String, PcpuId) {
        let (thread, cpu) = self.place(context);
        let (comm, pid) = (self.comm_at(thread, cpu, false), thread.map_or(0, |t| self.pid(t)));
        let flags = match context {
            Context::Thread(_) => ".....",
            Context::Off(_) => "d..1.",
            Context::Interrupt(_) => "d.h1.",
            Context::Scheduler(_) => "d..2.",
        };
        (format!("{comm:>16}-{pid:<7} [{:03}] {flags}", cpu.0), cpu)
    }
}

/// The thread of a vCPU.
pub(super) fn thread_of(vcpu: VcpuId) -> ThreadId {
    ThreadId(vcpu.0.into())
}
