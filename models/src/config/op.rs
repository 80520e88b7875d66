//! Operations of a task's program.

use std::fmt;

use sim_core::SimDuration;

use super::workload::{Pattern, Section};
use crate::base::ids::{AddressesId, LawId, RegionId, SyncId, WalkId};

/// Declares the operations: what each is made of, and its word in the canonical form of a scenario,
/// which files have too. A field of a further type needs its line in `values!` below.
macro_rules! operations {
    ($(
        $(#[$($meta:tt)*])*
        $name:ident $({ $($(#[$($fmeta:tt)*])* $field:ident: $type:ty,)* })? => $word:literal,
    )*) => {
        /// One operation of a task's program.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Op {
            $($(#[$($meta)*])* $name $({ $($(#[$($fmeta)*])* $field: $type,)* })?,)*
        }

        impl Op {
            /// The word of every operation, in the order of this list.
            pub const WORDS: &[&str] = &[$($word,)*];
        }

        /// The canonical form: the word, then every field with its value.
        impl fmt::Display for Op {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    $(Self::$name $({ $($field,)* })? => {
                        f.write_str($word)?;
                        $($(write!(f, concat!(" ", stringify!($field), "={}"), $field.value())?;)*)?
                        Ok(())
                    })*
                }
            }
        }
    };
}

operations! {
    /// Counted work without end: units at a rate per second of CPU time.
    Count {
        /// Units per second of user CPU time.
        per_second: u64,
    } => "count",
    /// Uncounted computation.
    Compute {
        /// User CPU time.
        span: SimDuration,
    } => "compute",
    /// One access to a page.
    Access {
        /// The region.
        region: RegionId,
        /// Which page.
        pattern: Pattern,
        /// Store or load.
        write: bool,
        /// CPU time besides translation: the instruction itself and choosing the page.
        cost: SimDuration,
    } => "access",
    /// Uncounted computation of a drawn length.
    ComputeDrawn {
        /// What it is drawn from, in picoseconds.
        law: LawId,
    } => "compute_drawn",
    /// One access to a page that a law with a state of its own chooses.
    AccessBy {
        /// The region.
        region: RegionId,
        /// Which page.
        walk: WalkId,
        /// Store or load.
        write: bool,
        /// CPU time besides translation: the instruction itself and choosing the page.
        cost: SimDuration,
    } => "access_by",
    /// A recorded trace of addresses, once from begin to end.
    Replay {
        /// The region whose pages are those of the trace, by first touch.
        region: RegionId,
        /// Which trace.
        addresses: AddressesId,
        /// CPU time of an instruction besides translation.
        instruction: SimDuration,
    } => "replay",
    /// Sleep of a drawn length.
    SleepDrawn {
        /// What it is drawn from, in picoseconds.
        law: LawId,
    } => "sleep_drawn",
    /// Sleep.
    Sleep {
        /// Wall time.
        span: SimDuration,
    } => "sleep",
    /// Interrupt all other vCPUs and wait, spinning in the kernel with preemption off, until each
    /// has answered (`smp_call_function` with `wait`, the shape of a TLB flush too).
    CallAll => "call_all",
    /// Pages of a region are given back to the guest's kernel (`madvise` with MADV_DONTNEED): the next touch of
    /// each is a first one. Translations of all vCPUs that may have them go first.
    Discard {
        /// The region.
        region: RegionId,
        /// The first page, counted from that of the region.
        first: u64,
        /// How many.
        pages: u64,
    } => "discard",
    /// Let another task of the vCPU run (`sched_yield`).
    Yield => "yield",
    /// A system call begins: what follows happens at CPL 0.
    SyscallEnter {
        /// CPU time of the entry and of the call's own work before its first operation.
        cost: SimDuration,
    } => "syscall_enter",
    /// The system call is over: back to user mode.
    SyscallExit => "syscall_exit",
    /// Inside a system call, a section begins.
    SectionEnter {
        /// Which.
        kind: Section,
    } => "section_enter",
    /// The section is over.
    SectionExit {
        /// Which.
        kind: Section,
    } => "section_exit",
    /// A request begins, whose latency is measured.
    RequestEnter => "request_enter",
    /// The request is over.
    RequestExit => "request_exit",
    /// The next request that has arrived begins; the task sleeps until there is one.
    ServeEnter => "serve_enter",
    /// What follows happens so many times, from here to the end that stands that far ahead.
    Repeat {
        /// How often.
        times: u64,
        /// Operations up to the one behind the end.
        skip: u32,
        /// Which counter of the task counts.
        slot: u8,
    } => "repeat",
    /// The same a drawn number of times.
    RepeatDrawn {
        /// What it is drawn from.
        law: LawId,
        /// Operations up to the one behind the end.
        skip: u32,
        /// Which counter of the task counts.
        slot: u8,
    } => "repeat_drawn",
    /// The end of what is repeated.
    Again {
        /// Operations back to the first one of what is repeated.
        back: u32,
        /// Which counter of the task counts.
        slot: u8,
    } => "again",
    /// What follows happens the first time that the task comes here, and is passed over later.
    Once {
        /// Which flag of the task remembers that.
        flag: u8,
        /// Operations up to the one behind it.
        skip: u32,
    } => "once",
    /// What follows happens with a probability.
    Branch {
        /// How often, of `whole`.
        part: u32,
        /// Of how often.
        whole: u32,
        /// Operations up to the one to go on with otherwise.
        skip: u32,
    } => "branch",
    /// Go on further ahead.
    Jump {
        /// Operations up to that one.
        skip: u32,
    } => "jump",
    /// Before a time go back, after it go on.
    Until {
        /// Time after the start barrier.
        at: SimDuration,
        /// Operations back.
        back: u32,
    } => "until",
    /// Take a lock; sleep while another task has it.
    LockEnter {
        /// Which.
        lock: SyncId,
    } => "lock_enter",
    /// Give the lock up.
    LockExit {
        /// Which.
        lock: SyncId,
    } => "lock_exit",
    /// Wait at a barrier until all parties have come.
    Barrier {
        /// Which.
        barrier: SyncId,
    } => "barrier",
    /// Lower a semaphore; sleep while it is zero.
    Wait {
        /// Which.
        semaphore: SyncId,
    } => "wait",
    /// Raise a semaphore.
    Wake {
        /// Which.
        semaphore: SyncId,
        /// By how much.
        count: u32,
    } => "wake",
    /// A pass of the program is over; after so many the task ends.
    EndPass {
        /// Passes in all.
        passes: u64,
    } => "end_pass",
}

impl Op {
    /// Whether what follows it may be something else than the operation behind it, itself among that.
    pub fn may_go_elsewhere(&self) -> bool {
        matches!(
            self,
            Self::Repeat { .. }
                | Self::RepeatDrawn { .. }
                | Self::Again { .. }
                | Self::Once { .. }
                | Self::Branch { .. }
                | Self::Jump { .. }
                | Self::Until { .. }
                | Self::Replay { .. }
        )
    }
}

/// What a field holds, as the canonical form has it.
trait Value {
    type Canonical: fmt::Display;
    fn value(&self) -> Self::Canonical;
}

/// How the canonical form writes a field, by its type.
macro_rules! values {
    ($($type:ty as $canonical:ty: $value:expr,)*) => {
        $(impl Value for $type {
            type Canonical = $canonical;
            fn value(&self) -> $canonical { $value(*self) }
        })*
    };
}

values! {
    u8 as u8: |number| number,
    u32 as u32: |number| number,
    u64 as u64: |number| number,
    LawId as u16: |law: LawId| law.0,
    WalkId as u16: |walk: WalkId| walk.0,
    AddressesId as u16: |addresses: AddressesId| addresses.0,
    SyncId as u16: |sync: SyncId| sync.0,
    bool as bool: |flag| flag,
    SimDuration as u64: SimDuration::as_ps,
    RegionId as u16: |region: RegionId| region.0,
    Pattern as &'static str: Pattern::name,
    Section as &'static str: Section::name,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_canonical_form_has_every_field() {
        let span = SimDuration::from_ps(7);
        let access =
            Op::Access { region: RegionId(2), pattern: Pattern::Shared, write: true, cost: span };
        assert_eq!(access.to_string(), "access region=2 pattern=shared write=true cost=7");
        assert_eq!(Op::Yield.to_string(), "yield");
        assert_eq!(
            Op::SectionEnter { kind: Section::IrqOff }.to_string(),
            "section_enter kind=irq_off"
        );
    }
}
