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

/// Where the kernel of a guest maps all of its memory (`page_offset_base` without randomization, four
/// levels: Documentation/arch/x86/x86_64/mm.rst).
pub const KERNEL_MAP: u64 = 0xffff_8880_0000_0000;

/// The vector of a device of the guest's, the first one that its kernel gives (`FIRST_EXTERNAL_VECTOR` and a bit).
pub const DEVICE: u8 = 0x21;

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
/// The bit of the error code of a second-stage fault that says that the walk was over
/// (`PFERR_GUEST_FINAL_MASK`).
pub const PF_GUEST_FINAL: u64 = 1 << 32;
/// The bit of the exit qualification of an EPT violation that says that there is a linear address
/// (`EPT_VIOLATION_GVA_IS_VALID`).
const EPT_LINEAR: u64 = 1 << 7;
/// The bit of the exit qualification of an EPT violation that says that the walk of the guest's
/// tables was over (`EPT_VIOLATION_GVA_TRANSLATED`).
const EPT_FINAL: u64 = 1 << 8;
/// Bits that no exit qualification of an EPT violation has.
const NOT_EPT: u64 = !0xffff_ffff;

/// What a walk was looking for when the second stage stopped it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoppedAt {
    /// A table of the guest's.
    Table,
    /// The page of the access.
    Page,
    /// The number does not say it: a fault under shadow paging, or no access by an address.
    Unknown,
}

/// What `kvm_page_fault` says in its `error_code`: on AMD the error code of the nested page fault
/// (`npf_interception`), on Intel the exit qualification of the EPT violation
/// (`handle_ept_violation`); so in 5.10.262, 6.1.192, 6.12.117, 7.2.13 and 7.3.4.
pub const fn stopped_at(error_code: u64) -> StoppedAt {
    if error_code & PF_GUEST_TABLE != 0 {
        StoppedAt::Table
    } else if error_code & PF_GUEST_FINAL != 0 {
        StoppedAt::Page
    } else if error_code & NOT_EPT != 0 || error_code & EPT_LINEAR == 0 {
        StoppedAt::Unknown
    } else if error_code & EPT_FINAL == 0 {
        StoppedAt::Table
    } else {
        StoppedAt::Page
    }
}

/// Vectors below are exceptions; a local APIC accepts none of them.
pub const FIRST_INTERRUPT: u8 = 16;
/// The timer of the local APIC in Linux guests (`LOCAL_TIMER_VECTOR`; 5.10.262, 6.1.192, 6.12.117, 7.2.13).
pub const LOCAL_TIMER: u8 = 0xec;
/// The same in kernels of 2010, from memory. Guests of a run show the newer one, whatever their kernel.
pub const LOCAL_TIMER_2010: u8 = 0xef;
/// Page ready in Linux guests (`HYPERVISOR_CALLBACK_VECTOR`).
pub const CALLBACK: u8 = 0xf3;
/// A function that another processor asks for, in Linux guests (`CALL_FUNCTION_VECTOR`).
pub const CALL_FUNCTION: u8 = 0xfc;
/// The interrupt that makes another processor look for a task to run, in Linux guests
/// (`RESCHEDULE_VECTOR`).
pub const RESCHEDULE: u8 = 0xfd;

/// Where the VMM maps the memory of the guest.
pub const HVA_BASE: u64 = 0x7f00_0000_0000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_says_where_its_walk_stopped() {
        // AMD, with the bits of a nested page fault; a write by a user of an absent page.
        assert_eq!(stopped_at(0x1_0000_0006), StoppedAt::Page);
        assert_eq!(stopped_at(0x2_0000_0006), StoppedAt::Table);
        // Encrypted and private accesses set higher bits besides.
        assert_eq!(stopped_at(0x5_0000_0004), StoppedAt::Page);
        // Intel: a read and a write of an absent page, a read of a table by the walk.
        assert_eq!(stopped_at(0x181), StoppedAt::Page);
        assert_eq!(stopped_at(0x182), StoppedAt::Page);
        assert_eq!(stopped_at(0x81), StoppedAt::Table);
        // Without a linear address, and the error code of a #PF under shadow paging.
        assert_eq!(stopped_at(0x1), StoppedAt::Unknown);
        assert_eq!(stopped_at(0x6), StoppedAt::Unknown);
        assert_eq!(stopped_at(0x8_0000_0006), StoppedAt::Unknown);
    }
}
