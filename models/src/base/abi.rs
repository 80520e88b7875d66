//! Numbers that the processor and the interface of KVM fix: registers, vectors, bits.

/// The register that enables notices (`MSR_KVM_ASYNC_PF_EN`).
pub const MSR_ASYNC_PF_EN: u32 = 0x4b56_4d02;
/// The register with the vector of page ready (`MSR_KVM_ASYNC_PF_INT`).
pub const MSR_ASYNC_PF_INT: u32 = 0x4b56_4d06;
/// The register that acknowledges page ready (`MSR_KVM_ASYNC_PF_ACK`).
pub const MSR_ASYNC_PF_ACK: u32 = 0x4b56_4d07;
/// The register that arms the timer of the local APIC (`MSR_IA32_TSC_DEADLINE`).
pub const MSR_TSC_DEADLINE: u32 = 0x6e0;

/// The bit of EN that enables notices (`KVM_ASYNC_PF_ENABLED`).
pub const EN_ENABLED: u64 = 1 << 0;
/// The bit of EN that asks for notices at CPL 0 too (`KVM_ASYNC_PF_SEND_ALWAYS`).
pub const EN_SEND_ALWAYS: u64 = 1 << 1;
/// The bit of EN that asks for notices in a nested guest, as exits to the guest
/// (`KVM_ASYNC_PF_DELIVERY_AS_PF_VMEXIT`).
pub const EN_NESTED_EXIT: u64 = 1 << 2;
/// The bit of EN that asks for page ready as interrupt (`KVM_ASYNC_PF_DELIVERY_AS_INT`).
pub const EN_INTERRUPT: u64 = 1 << 3;
/// The bit of ACK that acknowledges.
pub const ACK_PAGE_READY: u64 = 1 << 0;

/// The vector of #PF.
pub const PAGE_FAULT: u8 = 14;
/// The bit of a #PF error code that says that there is an entry, which does not allow the access
/// (`PFERR_PRESENT_MASK`).
pub const PF_PRESENT: u32 = 1 << 0;
/// The bit of a #PF error code that says that the access was a write (`PFERR_WRITE_MASK`).
pub const PF_WRITE: u32 = 1 << 1;
/// The bit of a #PF error code that says that the access was made in user mode
/// (`PFERR_USER_MASK`).
pub const PF_USER: u32 = 1 << 2;
/// The bit of the error code of a second-stage fault that says that a walk of the guest's tables was on
/// its way (`PFERR_GUEST_PAGE_MASK`).
pub const PF_GUEST_TABLE: u64 = 1 << 33;

/// Vectors below are exceptions; a local APIC accepts none of them.
pub const FIRST_INTERRUPT: u8 = 16;
/// The timer of the local APIC in Linux guests since 6.9 (`LOCAL_TIMER_VECTOR`).
pub const LOCAL_TIMER_SINCE_6_9: u8 = 0xec;
/// The same before 6.9.
pub const LOCAL_TIMER: u8 = 0xef;
/// Page ready in Linux guests (`HYPERVISOR_CALLBACK_VECTOR`).
pub const CALLBACK: u8 = 0xf3;
/// A function that another processor asks for, in Linux guests (`CALL_FUNCTION_VECTOR`).
pub const CALL_FUNCTION: u8 = 0xfc;
/// The interrupt that makes another processor look for a task to run, in Linux guests
/// (`RESCHEDULE_VECTOR`).
pub const RESCHEDULE: u8 = 0xfd;

/// Where the VMM maps the memory of the guest.
pub const HVA_BASE: u64 = 0x7f00_0000_0000;
