//! What a world consists of, and how far it is searched.

use std::fmt;
use std::str::FromStr;

use crate::apf::rules::{PageReady, ResolvedBy, Rules, TokenRule, TokenZero};
use crate::apf::{Defect, Defects};
use crate::base::abi::{EN_ENABLED, EN_INTERRUPT};

/// Bits by which tokens of a small world are shifted: room for four vCPUs.
const VCPU_BITS: u8 = 2;
/// Bits by which kernels shift them.
const KERNEL_VCPU_BITS: u8 = 12;

/// The most vCPUs.
pub const MAX_VCPUS: u16 = 1 << VCPU_BITS;
/// The most tasks of a vCPU.
pub const MAX_TASKS: u8 = 4;
/// The most pages.
pub const MAX_PAGES: u8 = 4;
/// The most bits of the counter of tokens: with more, no token comes twice in a world this small.
pub const MAX_TOKEN_BITS: u8 = 6;
/// The most bits of a counter of tokens that does not begin at 0: the kernel's.
pub(super) const KERNEL_TOKEN_BITS: u8 = 20;

macro_rules! disturbances {
    ($($(#[doc = $doc:literal])* $variant:ident => $text:literal, $scope:ident;)*) => {
        /// Something besides ordinary faults that may happen in a world, each a bounded number of
        /// times.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum Disturbance { $($(#[doc = $doc])* $variant,)* }

        impl Disturbance {
            /// All disturbances, in the order of declaration.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The disturbance's name as a word.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }

            /// What happens.
            pub fn describes(self) -> &'static str {
                match self { $(Self::$variant => concat!($($doc),*).trim_ascii(),)* }
            }

            /// Whether it is something that only a VMM which answers faults can do.
            pub const fn needs_vmm(self) -> bool {
                self as u8 >= Self::VmmOrder as u8
            }

            /// Whether its bound is one of each vCPU or one of the VM.
            pub const fn scope(self) -> Scope {
                match self { $(Self::$variant => Scope::$scope,)* }
            }
        }
    };
}

/// What a bound counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// So many times on each vCPU.
    Vcpu,
    /// So many times in the VM.
    Vm,
}

impl Scope {
    /// The scope as a word.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Vcpu => "each vCPU",
            Self::Vm => "the VM",
        }
    }
}

disturbances! {
    /// An item is not set up for want of memory, or a wake-all is not queued.
    AllocFailure => "alloc-failure", Vcpu;
    /// The pool refuses the work of an item.
    EnqueueFailure => "enqueue-failure", Vcpu;
    /// A worker cannot have its page.
    FetchFailure => "fetch-failure", Vcpu;
    /// The guest has no memory for a dummy.
    DummyFailure => "dummy-failure", Vcpu;
    /// A page is reclaimed.
    Evict => "evict", Vm;
    /// The guest switches notices off, wakes its sleepers, and switches notices on again.
    MsrRewrite => "msr-rewrite", Vcpu;
    /// The guest switches a vCPU off and on: notices off, sleepers woken, interrupts let in, a
    /// reset, notices on.
    Reset => "reset", Vcpu;
    /// The guest begins to switch a vCPU off and takes that back: notices off, sleepers woken,
    /// interrupts let in, notices on.
    OfflineRollback => "offline-rollback", Vcpu;
    /// A system management interrupt.
    Smi => "smi", Vcpu;
    /// The guest's local APIC is off for a while, perhaps before notices are switched on.
    LapicOff => "lapic-disable", Vcpu;
    /// The guest's kernel switches paging off and on.
    PagingOff => "cr0-pg", Vcpu;
    /// The VM goes on from a snapshot or on another host; the VMM restores all registers.
    Migration => "migration", Vm;
    /// The VM goes on from a snapshot or on another host; the VMM restores all registers but INT.
    MigrationWithoutVector => "migration-without-vector", Vm;
    /// Memory slots change, and the shared area of vCPU 0 moves.
    MemslotChange => "memslot-change", Vm;
    /// The memory of a vCPU's shared area is taken from the guest, and given back.
    AreaGone => "area-gone", Vcpu;
    /// The VM goes on from a snapshot, and the VMM switches notices on again on vCPU 0 only.
    MigrationOneEnabled => "migration-one-enabled", Vm;
    /// The guest restarts into another kernel (kexec) while its other vCPUs are off: processors
    /// switch notices off, and the memory of the shared areas has another use.
    Kexec => "kexec", Vcpu;
    /// The kernel that loads a hibernated guest's image is overwritten by it, its other vCPUs being
    /// off: the memory of the shared areas has another use.
    Hibernation => "hibernation", Vcpu;
    /// The guest's kernel crashes while its other vCPUs are off, and another one writes the dump,
    /// of which the shared areas are a part.
    Crash => "crash", Vcpu;
    /// No page can be read, each time. Who fetches synchronously tells the VMM, which ends the
    /// access.
    ReadError => "read-error", Vm;
    /// The VMM changes its memory map. It waits for those that read the map, and whoever comes to
    /// read it then waits for the VMM.
    MapWrite => "map-write", Vm;
    /// The VMM gives the VM up.
    Destroy => "destroy", Vm;
    /// Another vCPU kicks this one.
    PvKick => "pv-kick", Vcpu;
    /// A task touches its page at CPL 0, where it can be preempted.
    KernelMode => "kernel-mode", Vcpu;
    /// A task touches its page at CPL 0 with interrupts off.
    InterruptsOff => "interrupts-off", Vcpu;
    /// A task touches its page at CPL 0 in an atomic section, interrupts on.
    Atomic => "atomic", Vcpu;
    /// A task touches its page at CPL 0 as an RCU reader.
    RcuReader => "rcu-reader", Vcpu;
    /// A task touches its page while a guest of the guest runs.
    Nested => "nested", Vcpu;
    /// A task touches its page while another exception waits for injection.
    OtherException => "other-exception", Vcpu;
    /// A task touches its page as private memory, which guest_memfd holds (since 6.8).
    PrivateMemory => "private-memory", Vcpu;
    /// A tracer of the guest's #PF handler takes a page fault of its own.
    TracerFault => "tracer-fault", Vcpu;
    /// A non-maskable interrupt takes a page fault of its own before the #PF handler of a notice
    /// has read the word.
    NmiFault => "nmi-fault", Vcpu;
    /// The guest, or the VMM for it, writes EN once more while notices are on.
    EnRewrite => "en-rewrite", Vcpu;
    /// The guest writes EN with an address at which it has no memory; the write is refused.
    RefusedEn => "refused-en", Vcpu;
    /// The VMM restarts the machine by writing the registers of all vCPUs; the guest boots again.
    VmmReset => "vmm-reset", Vm;
    /// The VMM answers a later fault first.
    VmmOrder => "vmm-order", Vcpu;
    /// The VMM answers a fault, and later once more.
    VmmTwice => "vmm-twice", Vcpu;
    /// The VMM's thread that answers ends or hangs for good.
    VmmDies => "vmm-dies", Vcpu;
    /// A fault that left the kernel by an exit cannot be passed on: the socket is full.
    VmmSendFails => "vmm-send-fails", Vcpu;
    /// The VMM runs the vCPU again without a look at the fault that it left the kernel with.
    VmmIgnores => "vmm-ignores", Vcpu;
    /// The vCPU thread waits outside the kernel until its fault is answered, as if the kernel knew
    /// nothing of it.
    VmmWaits => "vmm-waits", Vcpu;
    /// The VMM writes into the rings what it should not.
    RingAbuse => "ring-abuse", Vcpu;
    /// The VMM takes a page back: it is unmapped, and its bit is set again.
    Rearm => "rearm", Vm;
    /// The VMM write-protects the guest's memory for a snapshot (userfaultfd), and saves and lifts page after page
    /// while the guest runs on.
    WriteProtect => "write-protect", Vm;
}

/// The number of disturbances.
pub(super) const DISTURBANCES: usize = Disturbance::ALL.len();

impl fmt::Display for Disturbance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A name that no disturbance has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownDisturbance(pub String);

impl fmt::Display for UnknownDisturbance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no disturbance is called `{}`", self.0)
    }
}

impl std::error::Error for UnknownDisturbance {}

impl FromStr for Disturbance {
    type Err = UnknownDisturbance;

    fn from_str(text: &str) -> Result<Self, UnknownDisturbance> {
        let named = |disturbance: &&Self| disturbance.name() == text;
        Self::ALL.iter().find(named).copied().ok_or_else(|| UnknownDisturbance(text.to_owned()))
    }
}

/// How often each disturbance may happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Budget([u8; DISTURBANCES]);

impl Default for Budget {
    /// Nothing happens.
    fn default() -> Self {
        Self([0; DISTURBANCES])
    }
}

impl Budget {
    /// How often it may still happen.
    pub const fn left(self, disturbance: Disturbance) -> u8 {
        self.0[disturbance as usize]
    }

    /// The same with another bound for one disturbance.
    #[must_use]
    pub const fn with(mut self, disturbance: Disturbance, times: u8) -> Self {
        self.0[disturbance as usize] = times;
        self
    }

    /// The disturbances that may happen at all, with their bounds.
    pub fn iter(self) -> impl Iterator<Item = (Disturbance, u8)> {
        let all =
            Disturbance::ALL.iter().map(move |&disturbance| (disturbance, self.left(disturbance)));
        all.filter(|&(_, times)| times > 0)
    }

    pub(super) const fn bytes(&self) -> &[u8; DISTURBANCES] {
        &self.0
    }

    pub(super) fn take(&mut self, disturbance: Disturbance) {
        self.0[disturbance as usize] -= 1;
    }
}

/// A world to explore.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setup {
    /// What the kernel does. [`Setup::new`] narrows its tokens and its cap.
    pub rules: Rules,
    /// What it does wrong.
    pub defects: Defects,
    /// vCPUs, at most [`MAX_VCPUS`].
    pub vcpus: u16,
    /// Whether the states of all vCPUs together are enumerated. If not, one vCPU is followed at a
    /// time, the others are what may bring a page at any time, and the states of the VM are
    /// composed from those of its vCPUs: see the `product` module on why nothing is missed.
    pub whole: bool,
    /// Which vCPU is followed where one is. [`explore`](super::explore) sets it: it follows one of
    /// those that can be exchanged, and each of those that cannot.
    pub followed: u16,
    /// Tasks of each vCPU, at most [`MAX_TASKS`].
    pub tasks: u8,
    /// Pages that each task touches once, in any order; at most [`MAX_PAGES`].
    pub pages: u8,
    /// Whether guests switch notices on when they start.
    pub notices: bool,
    /// Whether they ask for notices at CPL 0.
    pub send_always: bool,
    /// Whether the host kernel emulates the local APIC.
    pub irqchip: bool,
    /// Whether the host mirrors the guest's page tables, of which each task has its own.
    pub shadow: bool,
    /// Where the counters of tokens begin.
    pub first_counter: u32,
    /// What may happen besides, and how often.
    pub budget: Budget,
}

impl Setup {
    /// Two vCPUs with two tasks each and two pages, undisturbed, under `rules` with a token
    /// counter of `token_bits`. A vCPU may have as many items as there are pages.
    pub fn new(rules: Rules, defects: Defects, token_bits: u8) -> Self {
        let token = TokenRule { id_bits: token_bits, vcpu_bits: VCPU_BITS, first_vcpu: 0 };
        Self {
            rules: Rules { token, cap: 2, ring: 2, ..rules },
            defects,
            vcpus: 2,
            whole: false,
            followed: 0,
            tasks: 2,
            pages: 2,
            notices: true,
            send_always: false,
            irqchip: true,
            shadow: false,
            first_counter: 0,
            budget: Budget::default(),
        }
    }

    /// The same world with vCPUs numbered from `first_vcpu`, in tokens of the kernel's layout but
    /// for the bits of the counter, which begins at `first_counter`. A token's value has a meaning
    /// then, which sets vCPUs apart: all are followed together.
    #[must_use]
    pub fn numbered_from(self, first_vcpu: u16, first_counter: u32) -> Self {
        let token = TokenRule { vcpu_bits: KERNEL_VCPU_BITS, first_vcpu, ..self.rules.token };
        Self { rules: Rules { token, ..self.rules }, first_counter, whole: true, ..self }
    }

    /// Whether tokens have the kernel's layout, so that their values have a meaning.
    pub fn numbered(&self) -> bool {
        self.rules.token.vcpu_bits == KERNEL_VCPU_BITS
    }

    /// What is wrong with the sizes of this world, if anything.
    pub fn check(&self) -> Result<(), SetupError> {
        let most_bits = if self.numbered() { KERNEL_TOKEN_BITS } else { MAX_TOKEN_BITS };
        let sizes = [
            ("vCPUs", u32::from(self.vcpus), u32::from(MAX_VCPUS)),
            ("tasks", u32::from(self.tasks), u32::from(MAX_TASKS)),
            ("pages", u32::from(self.pages), u32::from(MAX_PAGES)),
            ("bits of the token counter", self.rules.token.id_bits.into(), most_bits.into()),
            ("items a vCPU (the cap)", self.rules.cap, u32::from(u8::MAX)),
        ];
        if let Some((what, size, most)) =
            sizes.into_iter().find(|&(_, size, most)| size == 0 || size > most)
        {
            return Err(SetupError::Size { what, size, most });
        }
        let (first, most) = (self.first_counter, (1 << self.rules.token.id_bits) - 1);
        if first > most { Err(SetupError::FirstCounter { first, most }) } else { Ok(()) }
    }

    /// Whether the states of all vCPUs together are enumerated: vCPUs see more of each other than pages where the VMM
    /// protects some.
    pub(super) fn is_whole(&self) -> bool {
        self.whole || self.may(Disturbance::WriteProtect)
    }

    /// The vCPUs that are followed at a time.
    pub(super) fn followed(&self) -> std::ops::Range<u16> {
        if self.is_whole() { 0..self.vcpus } else { self.followed..self.followed + 1 }
    }

    /// Whether pages come without anybody who is followed.
    pub(super) fn has_others(&self) -> bool {
        !self.is_whole() && self.vcpus > 1
    }

    /// Whether vCPUs can be exchanged.
    pub fn interchangeable(&self) -> bool {
        // Some disturbances mean vCPU 0 alone.
        let apart = [Disturbance::MemslotChange, Disturbance::MigrationOneEnabled];
        !self.zero_matters() && !self.numbered() && !apart.iter().any(|&which| self.may(which))
    }

    /// What the guest writes to EN.
    pub(super) fn en(&self) -> u64 {
        let ready = match self.rules.page_ready {
            PageReady::Exception => EN_ENABLED,
            PageReady::Interrupt => EN_ENABLED | EN_INTERRUPT,
        };
        ready | if self.send_always { crate::base::abi::EN_SEND_ALWAYS } else { 0 }
    }

    pub(super) fn has_vector(&self) -> bool {
        self.rules.page_ready == PageReady::Interrupt
    }

    /// Whether the VMM answers faults.
    pub(super) fn by_vmm(&self) -> bool {
        self.rules.vmm_answers()
    }

    /// Whether workers sleep until the VMM has installed their page.
    pub(super) fn by_uffd(&self) -> bool {
        self.rules.resolved_by == ResolvedBy::Userfaultfd
    }

    /// Whether a token of vCPU 0 may be what a free slot holds, which sets vCPU 0 apart and gives
    /// the value of the counter a meaning.
    pub(super) fn zero_matters(&self) -> bool {
        self.has_vector()
            && (self.rules.token_zero == TokenZero::Possible || self.defects.has(Defect::TokenZero))
    }

    pub(super) fn may(&self, disturbance: Disturbance) -> bool {
        self.budget.left(disturbance) > 0
    }
}

/// A world that cannot be explored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetupError {
    /// It is empty or too large.
    Size {
        /// What it has none of, or too many.
        what: &'static str,
        /// How many.
        size: u32,
        /// The most.
        most: u32,
    },
    /// The counter of tokens begins at what it cannot hold.
    FirstCounter {
        /// Where it was to begin.
        first: u32,
        /// The largest value.
        most: u32,
    },
}

impl fmt::Display for SetupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Size { what, size, most } => {
                write!(f, "a world with {size} {what} cannot be explored: it may have 1 to {most}")
            }
            Self::FirstCounter { first, most } => {
                write!(f, "the counter of tokens cannot begin at {first}: it ends at {most}")
            }
        }
    }
}

impl std::error::Error for SetupError {}

/// Where a search ends at the latest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Moves from the beginning.
    pub depth: u32,
    /// Different states.
    pub states: u32,
    /// Memory, in bytes, as the search estimates it.
    pub memory: u64,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { depth: u32::MAX, states: 50_000_000, memory: 8 << 30 }
    }
}
