//! A thread of the host: what it is, whether it has a processor, and what it is in the middle of.

use std::collections::VecDeque;

use sim_core::{SimDuration, SimTime};

use super::accounts::Payment;
use crate::base::ids::{
    GuestPage, HandlerId, ItemId, PcpuId, ReclaimerId, SwapSlot, VcpuId, VmId, WorkerId,
};
use crate::machine::world::Then;
use crate::parts::device::Request;
use crate::parts::memory::call::ReclaimCall;
use crate::parts::memory::second_stage_lock::PassLocking;

/// What a host thread is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::machine) enum ThreadKind {
    Vcpu(VcpuId),
    Worker(WorkerId),
    /// A thread of the VMM that answers page faults.
    Handler(HandlerId),
    /// The kernel's worker that makes room in the pool of zswap.
    Shrinker,
    /// A background reclaimer.
    Reclaimer(ReclaimerId),
}

/// Whether a host thread has, wants or does not want a processor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ThreadState {
    Running,
    Runnable,
    Blocked,
}

/// Why a host thread fetches a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::machine) enum FetchGoal {
    /// A fault that the vCPU thread resolves itself.
    Fault,
    /// Only to begin the read at fault time (FOLL_NOWAIT).
    StartRead,
    /// A page evicted again before its page ready.
    Prefault,
    /// A table of the guest's, which the host reads under shadow paging.
    GuestTable,
    /// The work item of a worker.
    Item(ItemId),
    /// A thread of the VMM reads it, to save it.
    Save,
    /// A thread of the VMM installs the page.
    Install,
    /// A compressed page is written on to the device.
    WriteBack,
}

/// A page being fetched by a host thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fetch {
    pub guest_page: GuestPage,
    pub goal: FetchGoal,
    /// The thread has begun to read it with a window of one page.
    pub alone: bool,
    /// It waits for its own read inside the lookup, and so under the lock of the map.
    pub inside: bool,
    /// Whether it wants to write.
    pub write: bool,
    /// It has looked for the page in the mapped file, and looks again (FAULT_FLAG_TRIED).
    pub tried: bool,
}

/// A pass of reclaim whose cost is being paid: what it has to submit and report at its end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct PendingReclaim {
    pub writes: Vec<Request>,
    /// Pages that it compresses, and whether it has compressed any.
    pub stored: Vec<(GuestPage, SwapSlot)>,
    pub compressed: bool,
    /// How many of them the device has.
    pub submitted: usize,
    pub scanned: u32,
    pub freed: u32,
    pub written: u32,
    pub taken: u32,
    /// Pages that it has compressed.
    pub stored_pages: u32,
    /// Whether room was to come from elsewhere at the time of the pass.
    pub in_flight: bool,
    /// How it takes the lock of the second-stage tables.
    pub locking: PassLocking,
    /// Whose lock that is.
    pub vm: VmId,
    /// A virtual machine of the container that it takes pages from.
    pub own: VmId,
}

/// What the last pass of a thread did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct PassSums {
    pub scanned: u32,
    /// Pages that are free, or will be when their write is over.
    pub reclaimed: u64,
    /// Whether it began to write any.
    pub wrote: bool,
}

/// What a thread that spins for, or has, the lock of the second-stage tables keeps in mind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Locked {
    /// Preemption is off.
    pub atomic: bool,
    /// Another thread was to have the processor meanwhile.
    pub asked: bool,
    /// How long it works once it has the lock.
    pub span: SimDuration,
}

impl Locked {
    /// Preemption is off for the stretch that begins. One that takes no time has no end of its own, so that
    /// nothing would turn preemption on again before the next one.
    pub(super) fn holds(&mut self, span: SimDuration) {
        self.atomic = !span.is_zero();
    }
}

/// A thread of the host.
#[derive(Clone, Debug)]
pub(in crate::machine) struct Thread {
    pub(super) kind: ThreadKind,
    pub(super) state: ThreadState,
    /// Where it runs or ran last.
    pub(super) pcpu: PcpuId,
    /// Whether it may run nowhere else (a worker of a per-CPU pool).
    pub(super) bound: bool,
    /// Since when its CPU time is not yet charged; while it waits for a processor, since when.
    pub(super) charged_since: SimTime,
    /// When it last had a processor.
    pub(super) ran_until: SimTime,
    /// Host work left before `then`; meaningless in guest mode.
    pub(super) remaining: SimDuration,
    /// When the running stretch began.
    pub(super) since: SimTime,
    pub(super) then: Then,
    pub(super) fetch: Option<Fetch>,
    /// The locked page it waits for, or waited for last.
    pub(super) waits_for: Option<GuestPage>,
    pub(super) reclaim: PendingReclaim,
    /// The reads that it is about to issue.
    pub(super) reads: VecDeque<Request>,
    /// The request whose pages it copies and for which the device has no place yet.
    pub(super) copying: Option<Request>,
    /// Its wait for, or hold of, the lock of the second-stage tables.
    pub(super) locked: Locked,
    /// Pages that it has charged beyond `memory.high` and not paid for, and what it does for such pages.
    pub(super) beyond_high: u32,
    pub(super) payment: Option<Payment>,
    pub(super) last_pass: PassSums,
    /// The call of direct reclaim that it is in, on kernels whose calls have a goal.
    pub(super) call: Option<ReclaimCall>,
    /// Until when it sleeps, whoever would wake it.
    pub(super) sleeps_until: Option<SimTime>,
}

impl Thread {
    /// A thread that sleeps until it is first woken.
    pub(super) fn new(kind: ThreadKind, pcpu: PcpuId, now: SimTime, then: Then) -> Self {
        Self {
            kind,
            state: ThreadState::Blocked,
            pcpu,
            bound: false,
            charged_since: now,
            ran_until: now,
            remaining: SimDuration::ZERO,
            since: now,
            then,
            fetch: None,
            waits_for: None,
            reclaim: PendingReclaim::default(),
            reads: VecDeque::new(),
            copying: None,
            locked: Locked::default(),
            beyond_high: 0,
            payment: None,
            last_pass: PassSums::default(),
            call: None,
            sleeps_until: None,
        }
    }
}
