//! What a printed event means.

use crate::base::ids::{Gfn, Gva, Hva, Token};

/// An event whose text does not say what it should.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EventError {
    /// The fields of a known event are not as any kernel prints them.
    #[error("the fields of {0} are not readable")]
    Fields(&'static str),
}

/// Why a vCPU left the guest, as far as anything depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KernelExit {
    /// A second-stage fault.
    NestedFault,
    /// A #PF of the guest, which exits under shadow paging.
    PageFault,
    /// A host interrupt.
    Interrupt,
    /// The guest executed HLT.
    Hlt,
    /// An access to a model-specific register.
    Msr,
    /// A hypercall.
    Hypercall,
    /// The guest leaves system management mode.
    Rsm,
    /// The guest lets interrupts in, for which one had waited.
    Window,
    /// Anything else.
    Other,
}

/// An event of a real kernel with the fields that anything is concluded from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KernelEvent {
    /// `kvm_try_async_get_page`
    Try {
        /// Fault address.
        gva: Gva,
        /// The frame.
        gfn: Gfn,
    },
    /// `kvm_try_async_get_page` of the series of July 2010, which shows every lookup.
    Lookup {
        /// The frame of the host; all ones where there is none.
        pfn: u64,
    },
    /// `kvm_async_pf_repeated_fault`, before 6.1 `kvm_async_pf_doublefault`
    RepeatedFault {
        /// Fault address.
        gva: Gva,
        /// The frame.
        gfn: Gfn,
        /// The old name.
        old_name: bool,
    },
    /// `kvm_async_pf_not_present`
    NotPresent {
        /// Names the item.
        token: Token,
        /// Fault address.
        gva: Gva,
    },
    /// `kvm_async_pf_ready`
    Ready {
        /// Names the item; all ones for wake-all.
        token: Token,
        /// Fault address.
        gva: Gva,
    },
    /// `kvm_async_pf_completed`
    Completed {
        /// Fault address.
        gva: Gva,
        /// Host address of the page.
        address: Hva,
        /// The frame is printed too, as until 3.12.
        with_pfn: bool,
    },
    /// `kvm_send_async_pf` of the series of 2010
    SendAsyncPf {
        /// Names the item.
        token: Token,
        /// Fault address.
        gva: Gva,
        /// Not present, or ready.
        not_present: bool,
    },
    /// `kvm_inj_exception`
    InjException {
        /// Vector; 255 for one that has no known name.
        vector: u8,
        /// Error code, if one is pushed.
        error_code: Option<u32>,
        /// It is injected once more because the entry before was cut short.
        reinjected: bool,
    },
    /// `kvm_inj_virq`
    InjVirq {
        /// Vector.
        vector: u8,
        /// It is injected once more.
        reinjected: bool,
    },
    /// `kvm_entry`
    Entry {
        /// The vCPU.
        vcpu: u32,
    },
    /// `kvm_exit`
    Exit {
        /// The vCPU; older kernels do not print it.
        vcpu: Option<u32>,
        /// Why.
        reason: KernelExit,
    },
    /// `kvm_page_fault`
    PageFault {
        /// Fault address.
        address: Gva,
        /// Error code.
        error_code: u64,
    },
    /// `kvm_msr`
    Msr {
        /// Written, not read.
        write: bool,
        /// Register.
        ecx: u32,
        /// Value.
        data: u64,
        /// The access raised #GP.
        failed: bool,
    },
    /// `kvm_apic_accept_irq`
    AcceptIrq {
        /// Vector.
        vector: u8,
    },
    /// `kvm_apicv_accept_irq`: an interrupt that the processor delivers without an exit.
    AcceptPosted {
        /// Vector.
        vector: u8,
    },
    /// Any event of a guest that has guests itself (`kvm_nested_*`).
    Nested,
    /// `kvm_eoi`
    Eoi {
        /// Vector.
        vector: u8,
    },
    /// `kvm_hypercall`
    Hypercall {
        /// Number; 5 is KICK_CPU.
        nr: u64,
        /// The second argument: for KICK_CPU the target's APIC id.
        target: u64,
    },
    /// `kvm_vcpu_wakeup`
    VcpuWakeup {
        /// How long the vCPU had nothing to do.
        ns: u64,
        /// The thread slept; otherwise it polled.
        slept: bool,
    },
    /// `sched_switch`
    SchedSwitch {
        /// Thread that ran.
        prev: u32,
        /// It goes to sleep, and was not preempted.
        sleeps: bool,
        /// Thread that runs now.
        next: u32,
    },
    /// `block_rq_issue`
    BlockIssue {
        /// A read.
        read: bool,
        /// Device and first sector.
        at: (u32, u64),
        /// Sectors of 512 bytes whose data are moved: none of a discard or a flush.
        sectors: u32,
    },
    /// `block_rq_complete`
    BlockComplete {
        /// Device and first sector.
        at: (u32, u64),
        /// It ended with an error, and has no data.
        failed: bool,
    },
    /// `workqueue_queue_work` of an asynchronous fault
    QueueWork {
        /// The work item's (hashed) address.
        work: u64,
    },
    /// `workqueue_execute_start` of an asynchronous fault
    ExecuteStart {
        /// The work item's (hashed) address.
        work: u64,
    },
    /// `workqueue_execute_end` of an asynchronous fault
    ExecuteEnd {
        /// The work item's (hashed) address.
        work: u64,
    },
    /// `kvm_s390_pfault_init`: a guest of an s390 host is told of a missing page.
    PfaultInit {
        /// Names the fault.
        token: u64,
    },
    /// `kvm_s390_pfault_done`: it is told that the page is there.
    PfaultDone {
        /// Names the fault.
        token: u64,
    },
}

impl KernelEvent {
    /// The name of the tracepoint.
    pub const fn name(&self) -> &'static str {
        use super::forms as f;
        match self {
            Self::Try { .. } | Self::Lookup { .. } => f::TRY.name,
            Self::RepeatedFault { old_name: false, .. } => f::REPEATED_FAULT.name,
            Self::RepeatedFault { old_name: true, .. } => f::DOUBLEFAULT.name,
            Self::NotPresent { .. } => f::NOT_PRESENT.name,
            Self::Ready { .. } => f::READY.name,
            Self::Completed { .. } => f::COMPLETED.name,
            Self::SendAsyncPf { .. } => f::SEND_ASYNC_PF.name,
            Self::InjException { .. } => f::INJ_EXCEPTION.name,
            Self::InjVirq { .. } => f::INJ_VIRQ.name,
            Self::Entry { .. } => f::ENTRY.name,
            Self::Exit { .. } => f::EXIT.name,
            Self::PageFault { .. } => f::PAGE_FAULT.name,
            Self::Msr { .. } => f::MSR.name,
            Self::AcceptIrq { .. } => f::APIC_ACCEPT_IRQ.name,
            Self::AcceptPosted { .. } => f::APICV_ACCEPT_IRQ.name,
            Self::Nested => "kvm_nested_vmexit",
            Self::Eoi { .. } => f::EOI.name,
            Self::Hypercall { .. } => f::HYPERCALL.name,
            Self::VcpuWakeup { .. } => f::VCPU_WAKEUP.name,
            Self::SchedSwitch { .. } => f::SCHED_SWITCH.name,
            Self::BlockIssue { .. } => f::BLOCK_RQ_ISSUE.name,
            Self::BlockComplete { .. } => f::BLOCK_RQ_COMPLETE.name,
            Self::QueueWork { .. } => f::QUEUE_WORK.name,
            Self::ExecuteStart { .. } => f::EXECUTE_START.name,
            Self::ExecuteEnd { .. } => f::EXECUTE_END.name,
            Self::PfaultInit { .. } => f::PFAULT_INIT.name,
            Self::PfaultDone { .. } => f::PFAULT_DONE.name,
        }
    }
}
