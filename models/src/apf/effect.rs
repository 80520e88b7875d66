//! What a step of the protocol did, for whoever drives it.

use crate::apf::host::MmuMode;
use crate::base::ids::{Gfn, ItemId, TaskId, Token, VcpuId};
use crate::base::record::{ApfReason, Event};

pub use vmm::VmmEffect;

mod vmm;

/// Effects of a step, in the order in which they happened.
pub type Effects = Vec<Effect>;

/// How the fault path of the host goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Decision {
    /// Fetch the page in the vCPU thread, sleeping for it.
    Sync,
    /// Go back to the run loop without mapping anything: an item was set up, or the vCPU will be
    /// halted because the frame is outstanding already.
    Retry,
    /// The operation has another section: call `Advance`.
    Continue,
}

/// Something that the driver has to know or to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Effect {
    /// A tracepoint was hit.
    Emit(Event),
    /// How the vCPU thread's operation goes on.
    Decide(Decision),

    /// An item was handed to the worker pool; a worker has to `WorkerStart` it.
    QueueWork {
        /// The item.
        item: ItemId,
    },
    /// A queued item was taken back from the pool before a worker began it.
    CancelWork {
        /// The item.
        item: ItemId,
    },
    /// The vCPU thread waits until the worker of this item is done, then calls `Advance`.
    WaitWorker {
        /// The item.
        item: ItemId,
    },
    /// Where the VMM answers faults, what happened between it and the kernel.
    Vmm(VmmEffect),
    /// The worker fetches this page, sleeping for it, then reports `WorkerFetched`.
    Fetch {
        /// The item.
        item: ItemId,
        /// The frame.
        gfn: Gfn,
    },
    /// The worker has left the item's function.
    WorkerDone {
        /// The item.
        item: ItemId,
    },

    /// An item was popped from the list of completed items; `Deliver` comes next, after the
    /// prefault if one is asked for.
    Popped {
        /// The item.
        item: ItemId,
    },
    /// The vCPU thread maps this page before page ready is delivered.
    Prefault {
        /// The item.
        item: ItemId,
        /// The frame.
        gfn: Gfn,
        /// Where it is mapped; wrong if the fault was taken elsewhere.
        mmu: MmuMode,
    },
    /// The host looks for completed items: call `CheckCompletion` until there is nothing.
    Scan,
    /// Nothing is completed, or it may not be delivered now.
    NothingToDeliver,
    /// The kernel looks for another completed item at once: call `CheckCompletion` again (after the
    /// freed item's worker is done, if there is a `WaitWorker` in between).
    DrainMore,
    /// The vCPU gave an item up. Its number is used again once its worker is done too.
    ItemFreed {
        /// The item.
        item: ItemId,
        /// The frame; none for wake-all.
        gfn: Option<Gfn>,
    },

    /// The worker takes the vCPU out of guest mode, if it is there.
    KickVcpu {
        /// The vCPU.
        vcpu: VcpuId,
    },
    /// The artificial halt was set: do not enter the guest.
    Halted,
    /// The vCPU thread sleeps.
    Blocked,
    /// The vCPU thread does not sleep, or not any more.
    Runnable,
    /// A sleeping vCPU thread was woken; when it runs, it calls `Unblock`.
    WakeVcpu {
        /// The vCPU.
        vcpu: VcpuId,
    },
    /// The guest takes a synthetic #PF at this entry.
    Injected {
        /// The vCPU.
        vcpu: VcpuId,
        /// What CR2 holds.
        token: Token,
        /// What the host meant.
        reason: ApfReason,
    },
    /// Two exceptions are injected at one entry, which the processor makes a double fault.
    DoubleFault {
        /// The vCPU.
        vcpu: VcpuId,
    },
    /// The notice leaves the nested guest first and is the guest's own.
    NestedExit {
        /// The vCPU.
        vcpu: VcpuId,
    },
    /// The notice hits the nested guest, which knows nothing of it.
    ReachesNested {
        /// The vCPU.
        vcpu: VcpuId,
    },
    /// The local APIC has taken the page ready interrupt.
    Raised {
        /// The vCPU.
        vcpu: VcpuId,
        /// Its vector.
        vector: u8,
    },
    /// The local APIC is off, or the vector is none: page ready is not told, and its token stays
    /// in the slot.
    InterruptRefused {
        /// The vCPU.
        vcpu: VcpuId,
        /// The vector.
        vector: u8,
    },
    /// The guest takes the page ready interrupt at this entry.
    InterruptInjected {
        /// The vCPU.
        vcpu: VcpuId,
        /// Its vector.
        vector: u8,
    },
    /// The write to a model-specific register was refused.
    GpFault,
    /// The VM is taken apart; its code may go.
    Destroyed,

    /// A token that the guest has not read was overwritten.
    SlotOverwritten {
        /// The vCPU.
        vcpu: VcpuId,
    },
    /// The host wrote to where the shared area was before memory slots changed.
    StaleWrite {
        /// The vCPU.
        vcpu: VcpuId,
    },
    /// The host wrote into memory that the guest uses for something else now.
    ForeignWrite {
        /// The vCPU.
        vcpu: VcpuId,
    },
    /// The host used a local APIC that does not exist.
    NullLapic {
        /// The vCPU.
        vcpu: VcpuId,
    },
    /// The host released a page that it never had.
    GarbagePage {
        /// The item.
        item: ItemId,
    },
    /// A worker used an item that was freed.
    UseAfterFree {
        /// The item.
        item: ItemId,
    },
    /// The vCPU thread never comes out of this step: no input of it may follow.
    HostSpins {
        /// The vCPU.
        vcpu: VcpuId,
    },

    /// What the guest read from the shared word before it cleared it.
    Word(ApfReason),
    /// What the guest read from CR2: the token that its handler goes on with.
    Cr2(Token),
    /// What the guest read from the token slot; `Wake` comes next.
    Slot(Token),
    /// The guest does not take part: the handler ends here.
    Ignored,
    /// The task's sleeper is in the table; `WaitTest` comes next.
    Linked,
    /// Page ready came first: the task goes on.
    NoSleep,
    /// The task is scheduled away; when it runs again, it calls `WaitTest`.
    Sleep,
    /// The task cannot be scheduled away: the vCPU executes HLT with interrupts on, then calls
    /// `WaitTest` again.
    HaltGuest,
    /// Interrupts are on and the task goes on to execute HLT: `WaitHlt` comes next, whatever comes
    /// in between.
    OpenWindow,
    /// The task executes HLT although it was woken.
    WakeUpLost {
        /// The vCPU.
        vcpu: VcpuId,
    },
    /// The guest cannot go on.
    GuestPanic {
        /// The vCPU.
        vcpu: VcpuId,
    },
    /// The word of a notice was read by another page fault, inside an NMI. Neither that one nor the
    /// handler of the notice can go on.
    WordTaken {
        /// The vCPU.
        vcpu: VcpuId,
    },
    /// The entry of a sleeping task was unlinked and freed like a dummy: it lies on that task's
    /// stack, and nobody will wake the task.
    StackNodeFreed {
        /// The task.
        task: TaskId,
    },
    /// Nobody waits for the token, and the memory of a dummy is allocated without the table's
    /// lock; then `WakeInsert`.
    AllocateDummy,
    /// There is no memory for a dummy: `Wake` again.
    WakeAgain,
    /// The guest writes this to its EN register before another kernel takes over.
    WritesEn {
        /// The value.
        value: u64,
    },
    /// The task was woken and goes on.
    WaitDone,
    /// A sleeping task becomes runnable.
    WakeTask {
        /// The task.
        task: TaskId,
        /// Where it took its not present.
        vcpu: VcpuId,
    },
    /// A vCPU that waits in HLT gets a reschedule interrupt.
    RescheduleIpi {
        /// The vCPU.
        vcpu: VcpuId,
    },
}
