//! What can happen in the host.

use crate::base::ids::{Gfn, Gva, Hva, ItemId, VcpuId, WorkerId};

/// How the second-stage tables of a vCPU are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MmuMode {
    /// KVM owns tables from gpa to hpa (EPT, NPT, or paging off in the guest).
    Direct,
    /// KVM mirrors the guest's tables.
    Shadow {
        /// The guest's page-table root.
        cr3: u64,
    },
}

/// What the protocol sees of a vCPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct VcpuView {
    /// Privilege level of the guest.
    pub cpl: u8,
    /// Whether the guest lets interrupts in, and its own hypervisor does not keep them away.
    pub interrupts_on: bool,
    /// Whether an event was being delivered at the exit and has to be injected again. A synthetic
    /// exception of the protocol's own is known to the protocol and not meant here.
    pub reinjecting: bool,
    /// Whether another exception waits for its first injection.
    pub exception: bool,
    /// Whether a guest of the guest is running (L2).
    pub nested: bool,
    /// Whether HLT exits. If not, the host cannot halt the vCPU without the guest's interrupts.
    pub hlt_exits: bool,
    /// Whether the host can read the privilege level; not in a protected guest.
    pub cpl_readable: bool,
    /// The MMU.
    pub mmu: MmuMode,
}

impl VcpuView {
    /// A vCPU in user mode under direct paging, with nothing special about it.
    pub const USER: Self = Self {
        cpl: 3,
        interrupts_on: true,
        reinjecting: false,
        exception: false,
        nested: false,
        hlt_exits: true,
        cpl_readable: true,
        mmu: MmuMode::Direct,
    };
}

/// What backs the memory of a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FaultMemory {
    /// The memory of the VMM, which may be swapped out.
    Vmm,
    /// A private page of the guest, in guest_memfd (`fault->is_private`).
    Private,
    /// A shared page of a memory slot that guest_memfd alone backs (`kvm_memslot_is_gmem_only`).
    GuestMemfdOnly,
}

/// Why the host cannot set up an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SetupFailure {
    /// No memory without waiting (`GFP_NOWAIT`).
    Allocation,
    /// The frame has no address in the VMM.
    BadAddress,
}

/// Something that happens in the host. Each is one atomic section.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HostInput {
    /// A fault's lookup said that the page needs I/O: may it go asynchronous (`try_async_pf`)?
    Try {
        /// The vCPU.
        vcpu: VcpuId,
        /// What the gate sees.
        view: VcpuView,
        /// The fault address.
        gva: Gva,
        /// The frame.
        gfn: Gfn,
        /// The page in the address space of the VMM.
        hva: Hva,
        /// What goes wrong if an item is to be set up.
        failure: Option<SetupFailure>,
    },
    /// A fault on a frame that the VMM answers for (its bit in the bitmap is set).
    UserFault {
        /// The vCPU.
        vcpu: VcpuId,
        /// What the gate sees.
        view: VcpuView,
        /// The fault address.
        gva: Gva,
        /// The frame.
        gfn: Gfn,
        /// The page in the address space of the VMM.
        hva: Hva,
        /// What goes wrong if an item is to be set up.
        failure: Option<SetupFailure>,
    },
    /// The next section of the operation that the vCPU thread is in.
    Advance {
        /// The vCPU.
        vcpu: VcpuId,
        /// What the announcement sees.
        view: VcpuView,
    },
    /// The section that hands the work over, when the pool refuses it. Only while the setup's next
    /// section is that one and nothing of the item is linked yet: see [`Apf::can_refuse_work`].
    ///
    /// [`Apf::can_refuse_work`]: crate::apf::Apf::can_refuse_work
    RefuseWork {
        /// The vCPU.
        vcpu: VcpuId,
    },
    /// The requests that are looked at before an entry (top of `vcpu_enter_guest`).
    Requests {
        /// The vCPU.
        vcpu: VcpuId,
    },
    /// The entry: a pending exception is put into the guest.
    Inject {
        /// The vCPU.
        vcpu: VcpuId,
    },
    /// The entry: the page ready interrupt is put into the guest, which lets interrupts in. Only
    /// while [`Apf::ready_interrupt`] names a vector.
    ///
    /// [`Apf::ready_interrupt`]: crate::apf::Apf::ready_interrupt
    InjectInterrupt {
        /// The vCPU.
        vcpu: VcpuId,
    },
    /// The host looks for a completed item (`kvm_check_async_pf_completion`).
    CheckCompletion {
        /// The vCPU.
        vcpu: VcpuId,
        /// What the gate sees.
        view: VcpuView,
    },
    /// The item that was popped is delivered (`kvm_arch_async_page_present`) and freed.
    Deliver {
        /// The vCPU.
        vcpu: VcpuId,
        /// The vCPU as it is now.
        view: VcpuView,
    },
    /// The guest executed HLT (`kvm_emulate_halt`).
    Hlt {
        /// The vCPU.
        vcpu: VcpuId,
    },
    /// The run loop found the vCPU in a halt: does its thread sleep (`kvm_vcpu_block`)?
    Block {
        /// The vCPU.
        vcpu: VcpuId,
        /// The vCPU as it is now.
        view: VcpuView,
        /// Whether an interrupt waits for the guest, besides page ready.
        interrupt: bool,
    },
    /// The sleeping thread runs again, woken by a worker or by an interrupt.
    Unblock {
        /// The vCPU.
        vcpu: VcpuId,
        /// The vCPU as it is now.
        view: VcpuView,
        /// Whether an interrupt waits for the guest, besides page ready.
        interrupt: bool,
    },
    /// Another vCPU kicks this one (the paravirtual KICK_CPU call).
    PvKick {
        /// The vCPU that is kicked.
        vcpu: VcpuId,
    },
    /// A worker begins an item (`async_pf_execute`).
    WorkerStart {
        /// The item.
        item: ItemId,
        /// The worker.
        worker: WorkerId,
    },
    /// The worker has the page.
    WorkerFetched {
        /// The item.
        item: ItemId,
    },
    /// The worker cannot have the page: the VMM has no memory there, or the read failed.
    WorkerFailed {
        /// The item.
        item: ItemId,
    },
    /// The worker's next section: publish, request and kick, trace, wake, end.
    WorkerAdvance {
        /// The item.
        item: ItemId,
    },
    /// The guest writes the EN register (`kvm_pv_enable_async_pf`).
    WriteEn {
        /// The vCPU.
        vcpu: VcpuId,
        /// What it writes.
        value: u64,
    },
    /// The same, when there is no memory for the wake-all that switching notices on queues. The
    /// kernel does not look at that (`kvm_async_pf_wakeup_all` returns it to nobody).
    WriteEnNoMemory {
        /// The vCPU.
        vcpu: VcpuId,
        /// What it writes.
        value: u64,
    },
    /// The guest, or the VMM on restore, writes the INT register.
    WriteInt {
        /// The vCPU.
        vcpu: VcpuId,
        /// What it writes: the vector of page ready.
        value: u64,
    },
    /// The guest writes the ACK register.
    WriteAck {
        /// The vCPU.
        vcpu: VcpuId,
        /// What it writes.
        value: u64,
    },
    /// The memory of the shared area is taken from the guest, or given back.
    MapWord {
        /// The vCPU.
        vcpu: VcpuId,
        /// Whether the host can write the area from now on.
        writable: bool,
    },
    /// The memory slots change: translations made before must not be used any more.
    MemslotChange {
        /// The vCPU whose shared area lies at another host address from now on, if one does.
        moves: Option<VcpuId>,
    },
    /// The guest switches paging on or off (`kvm_set_cr0`).
    SetPaging {
        /// The vCPU.
        vcpu: VcpuId,
        /// Whether paging is on from now on.
        on: bool,
    },
    /// A system management interrupt: the guest is in its handler, with paging off.
    EnterSmm {
        /// The vCPU.
        vcpu: VcpuId,
    },
    /// The guest leaves system management mode (RSM), which writes CR0 twice.
    LeaveSmm {
        /// The vCPU.
        vcpu: VcpuId,
    },
    /// The guest switches its local APIC on or off.
    SetLapic {
        /// The vCPU.
        vcpu: VcpuId,
        /// Whether it is on from now on.
        enabled: bool,
    },
    /// The VMM decides before the guest starts whether the local APIC is the kernel's.
    SetIrqchip {
        /// The vCPU.
        vcpu: VcpuId,
        /// Whether it is in the kernel.
        in_kernel: bool,
    },
    /// The vCPU is reset (`kvm_vcpu_reset`).
    Reset {
        /// The vCPU.
        vcpu: VcpuId,
    },
    /// The VMM puts a vCPU that lives on into the state of power-on, register by register
    /// (`KVM_SET_REGS`, `KVM_SET_SREGS`, `KVM_SET_LAPIC`, `KVM_SET_VCPU_EVENTS`, `KVM_SET_MSRS`,
    /// `KVM_SET_MP_STATE`), as for a restart of the machine. There is no INIT: what has no register
    /// stays as it was.
    VmmReset {
        /// The vCPU.
        vcpu: VcpuId,
    },
    /// The VM goes on from a snapshot or on another host: what the guest has is kept, and of the
    /// host what the VMM saves. Registers are written afterwards, as far as the VMM does it.
    Restore,
    /// The VMM gives the VM up.
    Destroy,
}
