//! Typed identifiers and addresses: an index or an address never travels as a bare integer.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::abi::HVA_BASE;

macro_rules! newtype {
    ($($(#[$doc:meta])* $name:ident($inner:ty), $prefix:literal;)*) => {$(
        $(#[$doc])*
        #[derive(
            Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
        )]
        #[serde(transparent)]
        pub struct $name(pub $inner);

        impl $name {
            /// The value as an index into the table of its kind.
            pub const fn index(self) -> usize {
                self.0 as usize
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "{}"), self.0)
            }
        }
    )*};
}

newtype! {
    /// A virtual machine of the host, numbered from 0.
    VmId(u16), "vm";
    /// A virtual processor, numbered from 0 over all virtual machines of the host: those of the first
    /// one first.
    VcpuId(u16), "vcpu";
    /// A physical processor of the host, numbered from 0.
    PcpuId(u16), "pcpu";
    /// A task of a guest, numbered from 0 over all of them in the order of creation.
    TaskId(u32), "task";
    /// A thread of the host: vCPU threads first, then those of the VMM that answer page faults, the worker of
    /// zswap, background reclaimers (`ReclaimerId`), then workers in the order of creation. The number of a worker is
    /// that of its thread less the number of vCPUs.
    ThreadId(u32), "thread";
    /// A thread of the VMM that answers page faults, numbered from 0 over all stores.
    HandlerId(u16), "handler";
    /// A background reclaimer, numbered from 0: kswapd, a writer of limits, or an agent that asks for reclaim.
    ReclaimerId(u16), "reclaimer";
    /// A kernel worker of the host that executes async-PF work items.
    WorkerId(u32), "worker";
    /// One outstanding asynchronous fault (`struct kvm_async_pf`); reused after it is freed.
    ItemId(u32), "item";
    /// A request to the swap device; the number is used again after completion.
    RequestId(u32), "request";
    /// A page-sized place on the swap device.
    SwapSlot(u32), "slot";
    /// What keeps the contents of regions that the guest has not touched yet, numbered in order of declaration.
    StoreId(u16), "store";
    /// A memory region of a workload, numbered in order of declaration.
    RegionId(u16), "region";
    /// A group of equal tasks of a workload, numbered in order of declaration.
    GroupId(u16), "group";
    /// A law that operations of a workload draw from.
    LawId(u16), "law";
    /// A law by which accesses of a workload choose pages.
    WalkId(u16), "walk";
    /// A recorded trace of addresses of a workload.
    AddressesId(u16), "addresses";
    /// A lock, barrier or semaphore of a workload.
    SyncId(u16), "sync";
}

/// Bytes in a page.
pub const PAGE_SIZE: u64 = 4096;
/// Sectors of a block device in a page, 512 bytes each.
pub const PAGE_SECTORS: u32 = 8;

macro_rules! address {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(
            Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
        )]
        #[serde(transparent)]
        pub struct $name(pub u64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:#x}", self.0)
            }
        }
    )*};
}

address! {
    /// A guest virtual address.
    Gva;
    /// A guest physical address.
    Gpa;
    /// A host virtual address, in the process that owns the guest's memory.
    Hva;
    /// A guest frame number: `gpa / 4096`.
    Gfn;
    /// A host frame number: `hpa / 4096`.
    Pfn;
}

impl Gva {
    /// The page number of the address.
    pub const fn page(self) -> u64 {
        self.0 / PAGE_SIZE
    }
}

impl Gfn {
    /// The address of the frame's first byte.
    pub const fn gpa(self) -> Gpa {
        Gpa(self.0 * PAGE_SIZE)
    }

    /// Where its VMM has the frame: one memory slot, mapped in one piece.
    pub const fn hva(self) -> Hva {
        Hva(HVA_BASE + self.0 * PAGE_SIZE)
    }
}

/// A page of the memory of a virtual machine, which the host names by both: `vm << 48 | gfn`. Pages of
/// the first virtual machine have the numbers of their frames.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GuestPage(pub u64);

impl GuestPage {
    const GFN_BITS: u32 = 48;

    /// The page of a frame of a virtual machine.
    #[inline]
    pub const fn new(vm: VmId, gfn: Gfn) -> Self {
        Self((vm.0 as u64) << Self::GFN_BITS | gfn.0)
    }

    /// Whose memory it is.
    #[inline]
    pub const fn vm(self) -> VmId {
        VmId((self.0 >> Self::GFN_BITS) as u16)
    }

    /// The frame in the memory of its virtual machine.
    #[inline]
    pub const fn gfn(self) -> Gfn {
        Gfn(self.0 & ((1 << Self::GFN_BITS) - 1))
    }
}

impl fmt::Display for GuestPage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.vm() {
            // Nobody asks which one as long as there is one.
            VmId(0) => write!(f, "{}", self.gfn()),
            vm => write!(f, "{vm}:{}", self.gfn()),
        }
    }
}

/// Names an outstanding asynchronous fault to the guest; handed over in CR2.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Token(pub u32);

impl Token {
    /// What a free token slot holds.
    pub const NONE: Self = Self(0);
    /// The reserved value that wakes every sleeper of a vCPU.
    pub const WAKE_ALL: Self = Self(u32::MAX);
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}
