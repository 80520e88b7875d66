//! What happens from an exit of a vCPU to its next entry, and what path that was.

use models::base::abi::{
    CALLBACK, LOCAL_TIMER, LOCAL_TIMER_2010, MSR_ASYNC_PF_ACK, MSR_TSC_DEADLINE,
};
use models::trace::kernel::KernelExit;

use super::paths::PathId;

/// `LOCAL_TIMER_VECTOR` of Linux guests, new and old.
pub(super) const TIMER_VECTORS: [u8; 2] = [LOCAL_TIMER, LOCAL_TIMER_2010];

/// An exit that is being handled.
#[derive(Clone, Copy, Debug)]
pub(super) struct Exit {
    pub(super) ns: u64,
    pub(super) reason: KernelExit,
    pub(super) cpu: u32,
    /// The read that the thread issued, and when.
    pub(super) read: Option<((u32, u64), u64)>,
    /// When that was done.
    pub(super) read_done: Option<u64>,
    pub(super) tried: Option<u64>,
    pub(super) announced: bool,
    pub(super) repeated: bool,
    pub(super) told: bool,
    /// Interrupts that were injected: the first, and how many.
    pub(super) injected: (Option<u8>, u32),
    /// Requests completed on this processor meanwhile.
    pub(super) done: u32,
    /// Items completed on this processor meanwhile, and when the last was.
    pub(super) completed: u32,
    pub(super) completed_at: Option<u64>,
    pub(super) ready: u32,
    pub(super) ready_at: Option<u64>,
    /// The register that the guest writes.
    pub(super) register: Option<(u32, u64)>,
    /// The vector and length of the handler that the exit ends.
    pub(super) handler: Option<(u8, u64)>,
    /// Time in the guest since its last fault that needed I/O.
    pub(super) thought: Option<u64>,
    /// Pages that the thread wrote out.
    pub(super) written: u32,
    /// Times that the thread gave up the processor, and when it first slept.
    pub(super) switches: u32,
    pub(super) slept: Option<u64>,
    /// Items that workers began on this processor, and when the first was.
    pub(super) starts: u32,
    pub(super) started: Option<u64>,
}

/// A vCPU in guest mode.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entered {
    pub(super) ns: u64,
    /// Its last exit told it of a page.
    pub(super) told: bool,
    /// The interrupt that was injected.
    pub(super) vector: Option<u8>,
    /// It has acknowledged a page ready in its last exit.
    pub(super) acknowledged: bool,
}

impl Exit {
    pub(super) fn new(ns: u64, cpu: u32, reason: KernelExit) -> Self {
        Self {
            ns,
            reason,
            cpu,
            read: None,
            read_done: None,
            tried: None,
            announced: false,
            repeated: false,
            told: false,
            injected: (None, 0),
            done: 0,
            completed: 0,
            completed_at: None,
            ready: 0,
            ready_at: None,
            register: None,
            handler: None,
            thought: None,
            written: 0,
            switches: 0,
            slept: None,
            starts: 0,
            started: None,
        }
    }

    pub(super) fn inject(&mut self, vector: u8) {
        self.injected.0.get_or_insert(vector);
        self.injected.1 += 1;
    }

    /// No other thread ran, and no device asked for anything.
    pub(super) fn is_undisturbed(&self) -> bool {
        self.done == 0 && self.completed == 0 && self.switches == 0 && self.written == 0
    }

    /// Nothing was completed meanwhile.
    fn is_quiet(&self) -> bool {
        self.done == 0 && self.completed == 0 && self.ready == 0 && self.written == 0
    }

    /// The thread goes to sleep: which path ends here?
    pub(super) fn sleeps(&mut self, ns: u64) -> Option<(PathId, u64)> {
        let first = self.slept.is_none();
        self.slept.get_or_insert(ns);
        if !first || self.reason != KernelExit::NestedFault || !self.is_quiet() {
            return None;
        }
        let span = ns.saturating_sub(self.ns);
        match (self.tried, self.read) {
            (Some(_), Some(_)) if self.announced && self.switches == 1 && self.starts == 1 => {
                Some((PathId::FaultHalted, span))
            }
            (None, Some(_)) if self.switches == 0 => Some((PathId::FaultSleeps, span)),
            _ => None,
        }
    }

    /// The paths that the entry ends, with their lengths.
    pub(super) fn paths(&self, ns: u64) -> [Option<(PathId, u64)>; 2] {
        let span = ns.saturating_sub(self.ns);
        let undisturbed = self.is_undisturbed() && self.ready == 0;
        let nothing_injected = self.injected.1 == 0;
        // A page that was completed meanwhile, alone. Where the device's interrupt is the reason
        // of the exit, its completion may be printed before the exit.
        let one = self.completed == 1 && self.done <= 1 && self.ready == 1 && self.slept.is_none();
        let only =
            |vector: fn(u8) -> bool| self.injected.1 == 1 && self.injected.0.is_some_and(vector);
        match self.reason {
            KernelExit::NestedFault => [self.fault(ns), None],
            KernelExit::Interrupt if one && only(|vector| vector == CALLBACK) => [
                Some((PathId::InterruptReady, span)),
                self.ready_at.map(|at| (PathId::ReadyEntry, ns.saturating_sub(at))),
            ],
            KernelExit::Interrupt if undisturbed && only(|v| TIMER_VECTORS.contains(&v)) => {
                [Some((PathId::TimerInterrupt, span)), None]
            }
            KernelExit::Interrupt if undisturbed && nothing_injected && !self.told => {
                [Some((PathId::BareInterrupt, span)), None]
            }
            KernelExit::Msr if nothing_injected => match self.register {
                Some((MSR_ASYNC_PF_ACK, at)) if undisturbed => [
                    Some((PathId::AckNothing, span)),
                    Some((PathId::MsrEntry, ns.saturating_sub(at))),
                ],
                Some((MSR_ASYNC_PF_ACK, _)) if one => [Some((PathId::AckReady, span)), None],
                Some((MSR_TSC_DEADLINE, _)) if undisturbed => {
                    [Some((PathId::TimerDeadline, span)), None]
                }
                _ => [None, None],
            },
            _ => [None, None],
        }
    }

    fn fault(&self, ns: u64) -> Option<(PathId, u64)> {
        let span = ns.saturating_sub(self.ns);
        if let (None, Some(_), Some(done), Some(_)) =
            (self.tried, self.read, self.read_done, self.slept)
        {
            let alone = self.switches == 1 && self.done <= 1 && self.injected.1 == 0;
            return alone.then_some((PathId::DoneEntry, ns.saturating_sub(done)));
        }
        if !self.is_quiet() || self.injected.1 > 0 || self.slept.is_some() {
            return None;
        }
        let asynchronous = self.tried.is_some() && self.read.is_some() && self.told;
        match (self.tried, self.read) {
            (None, None) if self.switches == 0 => Some((PathId::FaultMapped, span)),
            _ if asynchronous && self.switches == 0 => Some((PathId::FaultTold, span)),
            _ if asynchronous && self.switches == 1 && self.starts == 1 => {
                Some((PathId::FaultToldWorker, span))
            }
            _ => None,
        }
    }

    /// From the try to the start of the worker that takes the processor.
    pub(super) fn worker_start(&self) -> Option<u64> {
        let alone = self.switches == 1 && self.starts == 1 && self.done == 0;
        match (self.tried, self.started) {
            (Some(tried), Some(started)) if alone && self.announced && started > tried => {
                Some(started - tried)
            }
            _ => None,
        }
    }

    /// The fault needed I/O.
    pub(super) fn needs_io(&self) -> bool {
        self.reason == KernelExit::NestedFault && (self.read.is_some() || self.announced)
    }
}
