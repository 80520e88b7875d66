//! What keeps the contents of regions that are in memory nowhere when the guest starts: the memory file of a
//! snapshot, the source of a migration.

use sim_core::SimDuration;

use super::device::DeviceConfig;
use crate::base::ids::{PcpuId, RegionId, StoreId, VmId};
use crate::base::named::named;

/// A store of one virtual machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreConfig {
    /// Name in the scenario file, behind that of its virtual machine where there are several.
    pub name: String,
    /// Whose memory is in it.
    pub vm: VmId,
    /// The device that it is on; none: that of the store that it shares, the swap device, or a constant latency
    /// where a handler reads it.
    pub device: Option<DeviceConfig>,
    /// It is what another virtual machine's store is, which comes before it: one image, on one device.
    pub shares: Option<StoreId>,
    /// Threads of the VMM that bring its pages; none: the kernel does, as of a file that the VMM maps.
    pub handler: Option<HandlerConfig>,
    /// How the VMM maps it, which matters where no handler is.
    pub mapping: FileMapping,
}

/// How the VMM maps a file whose pages the kernel brings (`mmap`, privately).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileMapping {
    /// What it has told the kernel of its accesses.
    pub advice: Advice,
    /// Pages of the largest window that is read with one (`read_ahead_kb` of the file's device).
    pub read_ahead_pages: u32,
}

impl FileMapping {
    /// Pages come one by one.
    pub const PAGE_BY_PAGE: Self = Self { advice: Advice::Random, read_ahead_pages: 0 };

    /// Whether more than the wanted page is ever read.
    pub fn reads_windows(self) -> bool {
        self.advice != Advice::Random && self.read_ahead_pages > 0
    }
}

named! {
    /// What a VMM has told the kernel of its accesses to the memory file that it maps (`madvise`).
    #[derive(Default)]
    Advice {
        /// Nothing (MADV_NORMAL): a fault that finds its page nowhere reads the window around it, until a hundred
        /// more of them missed than found their page in memory.
        #[default]
        Normal => "normal",
        /// MADV_RANDOM: each fault reads its page alone.
        Random => "random",
        /// MADV_SEQUENTIAL: such a fault reads the window that begins with its page.
        Sequential => "sequential",
    }
}

/// Threads of the VMM that bring pages on request (userfaultfd).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HandlerConfig {
    /// Threads that read messages.
    pub readers: u16,
    /// Threads that install pages; 0: readers do, one page after the other.
    pub installers: u16,
    /// Messages that one read takes at most.
    pub batch: u32,
    /// Which readers a message wakes.
    pub waking: Waking,
    /// Descriptors: the region is divided among them.
    pub descriptors: u16,
    /// The processors on which the threads run, taken in turn; none: wherever the scheduler puts them.
    pub cpus: Vec<PcpuId>,
    /// From the reading of a message until the contents of its page are there, however many there are; only
    /// where the store has no device.
    pub latency: SimDuration,
    /// Pages that a message brings (fault-around): those of the block of so many, a power of two, in which
    /// the missing page lies, as far as they are missing and lie side by side. 1: it alone.
    pub around: u32,
    /// What is brought without being asked for.
    pub prefetch: Option<Prefetch>,
    /// Where its threads are, which matters to faults that the VMM answers.
    pub process: Process,
    /// How a page is installed.
    pub install: Install,
    /// Who brings the page of a fault that has left the kernel and leaves nothing there.
    pub plain_exits: PlainExits,
    /// It asks for events of memory that is given back (`UFFD_FEATURE_EVENT_REMOVE`), and answers with zeros for it
    /// from then on.
    pub remove_events: bool,
    /// Pages that cannot be had from the store: in their place a marker is installed (`UFFDIO_POISON`).
    pub poison: Vec<PrefetchRun>,
}

impl HandlerConfig {
    /// All its threads, the main thread of the VMM among them if it takes part.
    pub fn threads(&self) -> u16 {
        let prefetch = self.prefetch.as_ref().map_or(0, |prefetch| prefetch.threads);
        let mains = u16::from(self.process == Process::Other);
        self.readers.saturating_add(self.installers).saturating_add(prefetch).saturating_add(mains)
    }
}

/// Threads of the VMM that bring pages before anybody misses them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prefetch {
    /// How many threads share the work.
    pub threads: u16,
    /// What they bring, in this order.
    pub runs: Vec<PrefetchRun>,
    /// Pages that one read and one `UFFDIO_COPY` bring at most; they lie side by side.
    pub batch: u32,
    /// The least time from the begin of a page to that of the next one, all threads together; zero: no limit.
    pub pace: SimDuration,
    /// The guest's tasks start when all is there, and not before.
    pub before_start: bool,
}

/// Pages of a region, side by side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PrefetchRun {
    /// The region.
    pub region: RegionId,
    /// The first one, counted from the region's begin.
    pub first: u64,
    /// How many.
    pub pages: u64,
}

named! {
    /// Where the threads of a handler are.
    #[derive(Default)]
    Process {
        /// In the VMM: they answer by system calls of their own.
        #[default]
        Vmm => "vmm",
        /// In a process of their own, as Firecracker's handlers: the VMM's main thread passes on what a vCPU thread
        /// waits for, takes replies, and calls READY. Rings are in both.
        Other => "other",
    }
}

named! {
    /// How a page is installed in the VMM's memory, so that a fault on it finds it.
    #[derive(Default)]
    Install {
        /// A new page of the VMM's own is filled: over userfaultfd by `UFFDIO_COPY`, after an exit by `write`.
        #[default]
        Copy => "copy",
        /// The page cache of shared memory (shmem, memfd) has the page, and its entry is made (`UFFDIO_CONTINUE`);
        /// messages are MINOR ones.
        Continue => "continue",
        /// The VMM writes the page through another mapping of shared memory. Over userfaultfd `UFFDIO_CONTINUE`
        /// follows.
        Stores => "stores",
        /// It is a page of zeros (`UFFDIO_ZEROPAGE`), which takes a frame when it is touched.
        Zeropage => "zeropage",
    }
}

named! {
    /// Who brings the page of a fault for which a vCPU thread is out of the kernel (KVM userfault, exit on missing)
    /// until it is there.
    #[derive(Default)]
    PlainExits {
        /// The threads of the handler, whom it asks, and for whom it waits.
        #[default]
        Handler => "handler",
        /// The vCPU thread itself.
        VcpuThread => "vcpu-thread",
    }
}

named! {
    /// Which readers of a descriptor a message wakes.
    #[derive(Default)]
    Waking {
        /// All that wait (`poll`, a blocking `read`).
        #[default]
        All => "all",
        /// One: each reader waits in an instance of epoll of its own (`EPOLLEXCLUSIVE`). The first that waits, in the
        /// order of the readers.
        One => "one",
        /// One at a time: all readers of a descriptor wait in one instance of epoll. The last that began to wait.
        Shared => "shared",
    }
}
