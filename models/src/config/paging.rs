//! Who translates the guest's addresses, and which of them there are.

use crate::base::named::named;

named! {
    /// How the host translates the guest's addresses.
    #[derive(Default)]
    HostPaging {
        /// The processor walks tables of the host's behind those of the guest (EPT, NPT).
        #[default]
        Tdp => "tdp",
        /// The host mirrors the guest's tables, and the processor walks the mirror (`kvm_intel.ept=0`,
        /// `kvm_amd.npt=0`). It sees each write to them, each write of CR3 and each #PF.
        Shadow => "shadow",
    }

    /// Whether the guest has paging on.
    #[derive(Default)]
    GuestPaging {
        /// Its kernel maps memory by tables.
        #[default]
        On => "on",
        /// CR0.PG is clear: an address is a place in its memory. No operating system runs its programs
        /// so; it is the third of the host's ways to handle a fault.
        Off => "off",
    }

    /// Which tasks have an address space of their own: a switch between two of them writes CR3. Whatever
    /// it is, all map the same regions at the same addresses, by the same tables.
    #[derive(Default)]
    Processes {
        /// All tasks are threads of one process.
        #[default]
        One => "one",
        /// The tasks of a group are threads of one process.
        Groups => "groups",
        /// Each task is a process.
        Tasks => "tasks",
    }
}
