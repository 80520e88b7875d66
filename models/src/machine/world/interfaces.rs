//! How one half of the machine reaches the other: nothing else crosses.
//!
//! The guest half has what a real guest has: it touches pages, leaves guest mode, sends interrupts,
//! and reads the clock of stolen time. The host half enters the guest, stops it, and asks what an
//! entry must know. What a step of the protocol causes on either side is a third interface, because
//! the protocol's driver lies below both.

use sim_core::{SimDuration, SimTime};

use super::flow::Flow;
use crate::base::ids::{Gfn, Gva, ItemId, StoreId, TaskId, Token, VcpuId, VmId};
use crate::base::record::FaultPath;
use crate::parts::memory::second_stage_lock::Turnstile;

/// Why a vCPU leaves guest mode by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::machine) enum GuestExit {
    /// The second stage does not map a page that the guest touches, or does not let it write.
    EptViolation {
        gfn: Gfn,
        write: bool,
        cpl: u8,
        /// Whether it is a table of the guest's, at which a walk has stopped.
        walk: bool,
    },
    /// A #PF at an address of a program, under shadow paging.
    ShadowFault { gva: Gva, write: bool, cpl: u8 },
    /// A write of CR3 under shadow paging: the number of the address space, and whether what the TLB has of
    /// it stays (bit 63).
    WriteCr3 { space: u32, keep: bool },
    /// The HLT instruction.
    Hlt,
    /// Interrupts are on again, and one waits for that.
    InterruptWindow,
    /// Writes to `MSR_KVM_ASYNC_PF_EN` and `_INT`: notices on.
    WriteEn,
    /// A write of zero to `MSR_KVM_ASYNC_PF_EN`: notices off.
    ClearEn,
    /// A write to `MSR_KVM_ASYNC_PF_EN` of an address at which the guest has no memory.
    RefusedEn,
    /// A write to `MSR_KVM_ASYNC_PF_ACK`.
    WriteAck,
    /// A write to `MSR_IA32_TSC_DEADLINE`: the next tick.
    WriteDeadline,
    /// A write of zero to `MSR_IA32_TSC_DEADLINE`: no next tick.
    StopTimer,
    /// A write to the local APIC that has no other effect here: the end of an interrupt, or one
    /// whose interrupt is sent already.
    ApicWrite,
    /// A write to the local APIC that interrupts all other vCPUs.
    SendCalls,
    /// The handler of a system management interrupt is over.
    Rsm,
    /// A write to the notification register of its balloon's device.
    NotifyBalloon,
    /// A write to a register of a device, which the VMM's part of the vCPU thread handles.
    WriteDevice,
}

/// What a guest tells the device of its balloon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::machine) enum BalloonQueue {
    /// Frames that are in the balloon from now on.
    Inflate,
    /// Frames that are not any more.
    Deflate,
    /// Frames that are free.
    Report,
}

/// A fault at a frame that was never touched and for which there is room, with nothing that could come
/// between its exit and its entry: how long its stretches take.
#[derive(Clone, Debug)]
pub(in crate::machine) struct FreshFault {
    /// From the exit to the lookup.
    pub exit: SimDuration,
    /// Until the host has cleared its frame.
    pub clear: SimDuration,
    /// Until it comes to the lock of the second-stage tables, or has made the entry if there is no lock.
    pub map: SimDuration,
    /// Under the lock.
    pub locked: SimDuration,
    /// The lock when it has been there.
    pub lock: Option<Turnstile>,
}

impl FreshFault {
    /// From the exit to the entry.
    pub(in crate::machine) fn span(&self) -> SimDuration {
        self.exit + self.clear + self.map + self.locked
    }
}

/// What the guest half reaches of the host.
pub(in crate::machine) trait Hypervisor {
    /// The vCPU leaves guest mode; what its thread does then.
    fn exit(&mut self, vcpu: VcpuId, exit: GuestExit) -> Flow;
    /// An interrupt is pending for a vCPU: it leaves guest mode or stops blocking.
    fn interrupt(&mut self, vcpu: VcpuId);
    /// Whether a vCPU is in guest mode.
    fn in_guest_mode(&self, vcpu: VcpuId) -> bool;
    /// Whether the guest's kernel gets at a frame through its map of all memory, to read or to write.
    fn maps(&self, vcpu: VcpuId, gfn: Gfn, write: bool) -> bool;
    /// What a write of the guest's kernel at a frame takes that exits at `exits`, if the frame was never touched
    /// and the fault is the usual one.
    fn plan_fresh_fault(&self, vcpu: VcpuId, gfn: Gfn, exits: SimTime) -> Option<FreshFault>;
    /// That fault, from now to the entry.
    fn fresh_fault(&mut self, vcpu: VcpuId, gfn: Gfn, fault: FreshFault);
    /// Whether an access that stopped at a frame has got past it.
    fn is_past(&self, vcpu: VcpuId, gfn: Gfn) -> bool;
    /// A frame becomes private memory of the guest, backed by guest_memfd (`KVM_HC_MAP_GPA_RANGE`).
    fn make_private(&mut self, vcpu: VcpuId, gfn: Gfn);
    /// A frame is never reclaimed, as part of what the container keeps.
    fn keep_resident(&mut self, vcpu: VcpuId, gfn: Gfn);
    /// The contents of a frame are in a store, and nowhere in memory.
    fn store(&mut self, vcpu: VcpuId, gfn: Gfn, store: StoreId);
    /// A frame is the next one that threads of the VMM are to bring without being asked.
    fn bring_ahead(&mut self, vcpu: VcpuId, gfn: Gfn, store: StoreId);
    /// A frame is one that its store does not give.
    fn cannot_read(&mut self, vcpu: VcpuId, gfn: Gfn, store: StoreId);
    /// Frames, in order, are put into a queue of the balloon's device.
    fn offer_to_balloon(&mut self, vcpu: VcpuId, queue: BalloonQueue, frames: &[Gfn]);
    /// Page walks set the accessed bits of second-stage entries.
    fn set_accessed(&mut self, vcpu: VcpuId, frames: &[Gfn]);
    /// Time without its vCPU since the last question (`MSR_KVM_STEAL_TIME`).
    fn take_stolen(&mut self, vcpu: VcpuId) -> SimDuration;
}

/// What the host half does to the guest and asks of it.
pub(in crate::machine) trait GuestEntry {
    /// Enters guest mode, and goes on with whatever the guest was doing.
    fn enter(&mut self, vcpu: VcpuId) -> Flow;
    /// The scheduled end of a guest stretch has come.
    fn stretch_over(&mut self, vcpu: VcpuId) -> Flow;
    /// Stops the guest's stretch in the middle: what was done counts, the rest waits.
    fn pause(&mut self, vcpu: VcpuId);
    /// The vCPU leaves guest mode: its task's time is reported.
    fn leaves(&mut self, vcpu: VcpuId);
    /// Whether a stretch of the guest is under way, rather than the guest acting at this instant.
    fn is_executing(&self, vcpu: VcpuId) -> bool;
    /// The privilege level at which the guest runs, or is interrupted.
    fn cpl(&self, vcpu: VcpuId) -> u8;
    /// The privilege level of the program of the current task, whatever the kernel does meanwhile.
    fn program_cpl(&self, vcpu: VcpuId) -> u8;
    /// Whether the guest lets interrupts in.
    fn interrupts_on(&self, vcpu: VcpuId) -> bool;
    /// Whether an interrupt waits for the guest.
    fn interrupt_pending(&self, vcpu: VcpuId) -> bool;
    /// Injects one pending interrupt. Its vector; none for a system management interrupt, which has
    /// no delivery that could be interrupted.
    fn inject_interrupt(&mut self, vcpu: VcpuId) -> Option<u8>;
    /// Injects the #PF of a notice.
    fn inject_page_fault(&mut self, vcpu: VcpuId, token: Token);
    /// The vCPU's translations are dropped.
    fn flush_tlb(&mut self, vcpu: VcpuId);
    /// The frames with the guest's tables on the way to an address of a program, from the top down, each
    /// with its level; of which there are.
    fn tables_of(&self, vcpu: VcpuId, gva: Gva) -> Vec<(u32, Gfn)>;
    /// The frame to which the guest's tables map an address of a program.
    fn translation_of(&self, vcpu: VcpuId, gva: Gva) -> Option<Gfn>;
    /// The host has read a table of the guest's for the access of the current task.
    fn table_is_read(&mut self, vcpu: VcpuId, gfn: Gfn);
    /// Gives the guest a #PF of its own: it does not map the address.
    fn inject_own_fault(&mut self, vcpu: VcpuId, gva: Gva);
    /// The host has carried out the write of the guest's kernel at which it stopped.
    fn write_is_done(&mut self, vcpu: VcpuId, gfn: Gfn);
    /// The vCPU is about to be entered: a HLT is over.
    fn end_hlt(&mut self, vcpu: VcpuId);
    /// Memory becomes what it is at this instant, before somebody looks at accessed bits or removes
    /// second-stage entries: what ran ahead is taken back, but the vCPUs stay in guest mode.
    fn cut_all_bursts(&mut self);
    /// The access of the current task needs I/O; reported once, however often it exits.
    fn begin_major(&mut self, vcpu: VcpuId, gfn: Gfn, path: FaultPath);
    /// The guest is about to write its EN register.
    fn before_enable(&mut self, vcpu: VcpuId);
    /// The guest has written its EN register.
    fn after_enable(&mut self, vcpu: VcpuId);
    /// The guest has to write its EN register once more.
    fn enable_again(&mut self, vcpu: VcpuId);
    /// The guest's write to the deadline register takes effect.
    fn write_deadline(&mut self, vcpu: VcpuId);
    /// The VMM sets the size of a balloon, and interrupts the guest.
    fn balloon_target(&mut self, vm: VmId, pages: u64);
    /// The device of a balloon is through with what was in a queue, and interrupts the guest.
    fn balloon_is_done(&mut self, vm: VmId, queue: BalloonQueue);
    /// The interrupt of a call reaches all other vCPUs.
    fn send_calls(&mut self, vcpu: VcpuId);
    /// The timer of a vCPU's local APIC has expired in the host.
    fn timer_expired(&mut self, vcpu: VcpuId);
    /// The time of a sleeping task has come. The vCPU that is to be interrupted for it, if one is.
    fn task_timer_expired(&mut self, task: TaskId) -> Option<VcpuId>;
}

/// What a step of the protocol causes outside it, at once.
pub(in crate::machine) trait Consequences {
    /// A sleeping vCPU thread is woken.
    fn wake_vcpu(&mut self, vcpu: VcpuId);
    /// A vCPU is taken out of guest mode.
    fn kick_vcpu(&mut self, vcpu: VcpuId);
    /// An item that no worker has begun is taken from its queue.
    fn cancel_work(&mut self, item: ItemId);
    /// The worker of an item is done with it.
    fn worker_done(&mut self, item: ItemId);
    /// An item is freed, with the reference that it held on its page.
    fn item_freed(&mut self, item: ItemId);
    /// A sleeper of the guest is woken.
    fn wake_sleeper(&mut self, task: TaskId);
    /// A vCPU is sent a reschedule interrupt.
    fn reschedule_ipi(&mut self, vcpu: VcpuId);
}
