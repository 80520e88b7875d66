//! How the guest hears of requests: exceptions, interrupts and registers. INV-13's other half, and
//! INV-33.

use super::vcpu::{Raised, Told, VcpuLog};
use super::{Deferred, LogEvent, LogMonitors, Needs};
use crate::base::ids::Token;
use crate::monitors::catalogue::{INV_06, INV_12, INV_13, INV_33};
use crate::trace::kernel::{KernelEvent, KernelExit};

/// `MSR_KVM_ASYNC_PF_EN`.
const MSR_EN: u32 = 0x4b56_4d02;
/// `MSR_KVM_ASYNC_PF_INT`.
const MSR_INT: u32 = 0x4b56_4d06;
/// `MSR_KVM_ASYNC_PF_ACK`.
const MSR_ACK: u32 = 0x4b56_4d07;
/// The vector of #PF.
const PAGE_FAULT: u8 = 14;
/// The vector that Linux guests use for page ready.
const LINUX_VECTOR: u8 = 0xf3;
/// Interrupts that may be raised and unacknowledged: one, and the next inside the ACK's exit.
const MOST_RAISED: usize = 4;

/// Acknowledgements that may answer page readies from before the log or a loss: of the one that
/// was raised, and of the next, raised inside that one's exit.
const UNKNOWN_ACKS: u64 = 2;
const CANCELLED: &str =
    "the guest turned notices off before its worker said that the page is there";
const OFF_FIRST: &str = "the guest turned notices off before it acknowledged a page ready";
const SMM: &str = "a system management interrupt ended, which may drop what is outstanding";
const NESTED: &str = "the guest has guests, and may have been told by an exit of one";

impl VcpuLog {
    /// Page ready was told: its acknowledgement is expected.
    pub(super) fn raise(&mut self, event: LogEvent, token: Option<Token>) {
        if self.raised.len() >= MOST_RAISED {
            // Acknowledgements are not recorded.
            self.raised.remove(0);
        }
        self.raised.push(Raised { event, token, accepted: false });
    }
}

impl LogMonitors {
    pub(super) fn exception(
        &mut self,
        at: usize,
        event: LogEvent,
        (vector, error_code, reinjected): (u8, Option<u32>, bool),
    ) {
        if vector != PAGE_FAULT || error_code != Some(0) || reinjected {
            return;
        }
        self.useful(at);
        let own = &mut self.vcpus[at];
        let Some(untold) = own.untold.take() else {
            // Of the try before it, of which no not present is in the log.
            if let Some(attempt) = own.attempt.as_mut().filter(|_| own.last_ready.is_none()) {
                attempt.told.get_or_insert(event);
            }
            // Before 5.8 page ready is an exception too.
            let just = matches!(own.last_ready, Some((ready, _)) if event.ns - ready.ns.min(event.ns) < 1_000_000);
            self.seen.ready_exceptions += u64::from(just);
            self.ready_exception(at, event);
            return;
        };
        if !self.own_exception(at, event, untold) {
            return;
        }
        let own = &mut self.vcpus[at];
        own.takes_part = true;
        if let Some(place) = own.place_of(untold.token) {
            own.requests[place].told = Told::Yes;
        }
        if let Some(ready) = untold.readied {
            own.raise(ready, Some(untold.token));
        }
        own.goes_on();
        // The guest takes part, and was not sent a wake-all: it never turned notices off.
        for (request, seen) in std::mem::take(&mut self.vcpus[at].suspects) {
            self.unanswered(at, &request, seen);
        }
        self.settle_spins_of(at, false);
    }

    pub(super) fn interrupt(&mut self, at: usize, vector: u8, reinjected: bool) {
        if !reinjected {
            self.useful(at);
        }
        self.seen.by_interrupt |= vector == LINUX_VECTOR;
        self.vcpus[at].interrupted = true;
        if vector == LINUX_VECTOR && !reinjected {
            self.page_ready_injected(at);
        }
    }

    /// An interrupt that the processor delivers without an exit.
    pub(super) fn posted(&mut self, at: usize, vector: u8) {
        self.useful(at);
        self.seen.accepts = true;
        if vector == LINUX_VECTOR {
            self.page_ready_accepted(at);
        }
    }

    pub(super) fn accepted(&mut self, at: usize, event: LogEvent, vector: u8) {
        self.useful(at);
        self.vcpus[at].interrupted = true;
        if vector != LINUX_VECTOR {
            return;
        }
        self.page_ready_accepted(at);
        if let Some(raised) = self.vcpus[at].raised.iter_mut().find(|one| !one.accepted) {
            raised.accepted = true;
        }
        let Some((ready, Some(request))) = self.vcpus[at].last_ready.take() else { return };
        let untold = self.vcpus[at].untold.as_mut();
        if let Some(untold) = untold.filter(|untold| untold.token == request.token) {
            // Its exception may still come, and go first.
            untold.interrupts = Some(event);
            return;
        }
        if request.told != Told::No || !self.seen.entries {
            return;
        }
        if self.seen.nested {
            // Its own guest's exit tells it, which no exception shows.
            self.ledger.unjudged(INV_13, NESTED, 1);
            return;
        }
        let label = self.vcpus[at].label();
        let token = request.token;
        let (id, text) = if request.went_on && !request.again {
            let text = format!(
                "{label} was entered after not present {token} with neither the exception nor a \
                 halt, and was interrupted for its page ready: the exception did not arrive"
            );
            (INV_13, text)
        } else {
            let text = format!(
                "page ready {token} interrupts {label}, which was halted and not told not present"
            );
            (INV_12, text)
        };
        let before = [request.announced, ready];
        if self.seen.exceptions {
            self.say(at, id, event, text, &before);
        } else {
            // Exceptions may not be recorded at all.
            let story = before.into_iter().chain(self.vcpus[at].recent()).collect();
            self.defer(Deferred { id, needs: Needs::Exceptions, event, text, story });
        }
    }

    pub(super) fn entered(&mut self, at: usize) {
        let own = &mut self.vcpus[at];
        if let Some(untold) = own.untold
            && let Some(place) = own.place_of(untold.token)
        {
            own.requests[place].went_on = !own.slept && !own.interrupted;
        }
        self.settle_attempt(at);
        self.settle_told(at);
        let own = &mut self.vcpus[at];
        (own.slept, own.interrupted) = (false, false);
        own.last_ready = None;
        own.goes_on();
    }

    pub(super) fn left(&mut self, at: usize, event: LogEvent, reason: KernelExit) {
        self.vcpus[at].last_exit = Some((reason, event.ns));
        self.vcpus[at].watch.left(reason);
        if reason == KernelExit::Rsm {
            self.left_smm(at);
        }
        if reason == KernelExit::Hlt {
            self.seen.hlts = true;
            self.halted(at, event);
        } else if reason != KernelExit::NestedFault {
            self.vcpus[at].spin.hlts = 0;
        }
    }

    pub(super) fn register(&mut self, at: usize, event: LogEvent, ecx: u32, data: u64) {
        match ecx {
            MSR_EN => {
                self.seen.registers = true;
                self.seen.by_interrupt |= data & 9 == 9;
                if data & 1 == 0 {
                    self.turned_off(at, event);
                } else {
                    self.vcpus[at].spin.turned_on = Some(event.line);
                }
            }
            MSR_INT => self.seen.by_interrupt = true,
            MSR_ACK if data & 1 != 0 => {
                self.seen.registers = true;
                self.seen.by_interrupt = true;
                self.acknowledged(at, event);
            }
            _ => {}
        }
    }

    /// A write that the host refused.
    pub(super) fn refused(&mut self, at: usize, event: LogEvent, ecx: u32, data: u64) {
        if ecx == MSR_EN {
            let own = &mut self.vcpus[at];
            let ready = own.counts.ready;
            own.watch.refused(event, data, ready);
        }
    }

    /// The handler of a system management interrupt is over, which switches paging on again: many
    /// kernels drop without a word what is outstanding then (`kvm_clear_async_pf_completion_queue`).
    fn left_smm(&mut self, at: usize) {
        let own = &mut self.vcpus[at];
        let sure = own.requests.iter_mut().filter(|request| !request.doubtful);
        let mut dropped = 0;
        for request in sure {
            request.doubtful = true;
            dropped += 1;
        }
        own.suspects.clear();
        own.over = None;
        self.ledger.unjudged(INV_13, SMM, dropped);
    }

    fn turned_off(&mut self, at: usize, event: LogEvent) {
        let own = &mut self.vcpus[at];
        if let Some(raised) = own.raised.first().copied().filter(|_| own.acks > 0) {
            let ready = own.counts.ready;
            own.watch.turned_off(raised.event, raised.token, event, ready);
            self.ledger.unjudged(INV_33, OFF_FIRST, 1);
        }
        while !self.vcpus[at].requests.is_empty() {
            self.drop_request(at, 0);
        }
        let own = &mut self.vcpus[at];
        own.untold = None;
        own.suspects.clear();
        own.missed.clear();
        let unfinished = std::mem::take(&mut own.unfinished).len() as u64;
        own.over = None;
        own.raised.clear();
        own.takes_part = false;
        self.ledger.unjudged(INV_06, CANCELLED, unfinished);
    }

    fn acknowledged(&mut self, at: usize, event: LogEvent) {
        self.told_by_acknowledgement(at);
        let own = &mut self.vcpus[at];
        if own.raised.is_empty() {
            // A second one in a row, with no page ready of any kind in between.
            let told = own.counts.ready + own.counts.wake_alls > 0;
            let wrong = told && own.acks >= UNKNOWN_ACKS && own.readies_since_ack == 0;
            own.acks += 1;
            if wrong {
                let text = format!(
                    "{} acknowledges page ready, and none came since the last time",
                    own.label()
                );
                self.say(at, INV_33, event, text, &[]);
                self.vcpus[at].odd_ack = Some(event);
            }
            return;
        }
        let raised = own.raised.remove(0);
        // What came inside this exit belongs to the next acknowledgement.
        let exit = own.last_exit.filter(|(reason, _)| *reason == KernelExit::Msr);
        let inside = exit.map_or(0, |(_, ns)| ns);
        let after = own.ready_ns.filter(|&ns| ns >= inside);
        own.readies_since_ack = u64::from(after.is_some());
        own.acks += 1;
        self.survey
            .course
            .latencies(at)
            .ready_to_ack
            .record(event.ns.saturating_sub(raised.event.ns));
    }

    pub(super) fn hypercall(&mut self, event: LogEvent, nr: u64, target: u64) {
        // KVM_HC_KICK_CPU; APIC ids are the numbers of vCPUs but on machines with odd topologies.
        if nr != 5 {
            return;
        }
        for own in &mut self.vcpus {
            if own.id.or(own.token_id).map(u64::from) == Some(target) {
                own.spin.kicked = Some(event.line);
            }
        }
    }
}

/// The event as tracefs prints it, as far as it is kept.
impl std::fmt::Display for KernelEvent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = self.name();
        match self {
            Self::Try { gva, gfn } | Self::RepeatedFault { gva, gfn, .. } => {
                write!(f, "{name}: gva = {gva}, gfn = {gfn}")
            }
            Self::Lookup { pfn } => write!(f, "{name}: pfn {pfn:#x}"),
            Self::NotPresent { token, gva }
            | Self::Ready { token, gva }
            | Self::SendAsyncPf { token, gva, .. } => write!(f, "{name}: token {token} gva {gva}"),
            Self::Completed { gva, address, .. } => {
                write!(f, "{name}: gva {gva} address {address}")
            }
            Self::InjException { vector, error_code, reinjected } => {
                let again = if *reinjected { " [reinjected]" } else { "" };
                match vector {
                    14 => write!(f, "{name}: #PF ({:#x}){again}", error_code.unwrap_or(0)),
                    _ => write!(f, "{name}: vector {vector}{again}"),
                }
            }
            Self::InjVirq { vector, reinjected } => {
                let again = if *reinjected { " [reinjected]" } else { "" };
                write!(f, "{name}: IRQ {vector:#x}{again}")
            }
            Self::Entry { vcpu } => write!(f, "{name}: vcpu {vcpu}"),
            Self::Exit { reason, .. } => write!(f, "{name}: {reason:?}"),
            Self::PageFault { address, error_code } => {
                write!(f, "{name}: address {address} error_code {error_code:#x}")
            }
            Self::Msr { write, ecx, data, .. } => {
                let way = if *write { "write" } else { "read" };
                write!(f, "{name}: msr_{way} {ecx:x} = {data:#x}")
            }
            Self::AcceptIrq { vector } | Self::AcceptPosted { vector } | Self::Eoi { vector } => {
                write!(f, "{name}: vec {vector}")
            }
            Self::Hypercall { nr, target } => write!(f, "{name}: nr {nr:#x} a1 {target:#x}"),
            Self::VcpuWakeup { ns, slept } => {
                write!(f, "{name}: {} time {ns} ns", if *slept { "wait" } else { "poll" })
            }
            Self::SchedSwitch { .. }
            | Self::Nested
            | Self::BlockIssue { .. }
            | Self::BlockComplete { .. }
            | Self::QueueWork { .. }
            | Self::ExecuteStart { .. }
            | Self::ExecuteEnd { .. } => f.write_str(name),
            Self::PfaultInit { token } | Self::PfaultDone { token } => {
                write!(f, "{name}: pfault token {token}")
            }
        }
    }
}
