//! Operations of a task's program.

use std::fmt;

use sim_core::SimDuration;

use super::workload::{Pattern, Section};
use crate::base::ids::RegionId;

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
    /// Sleep.
    Sleep {
        /// Wall time.
        span: SimDuration,
    } => "sleep",
    /// Interrupt all other vCPUs and wait, spinning in the kernel with preemption off, until each
    /// has answered (`smp_call_function` with `wait`, the shape of a TLB flush too).
    CallAll => "call_all",
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
    /// A pass of the program is over; after so many the task ends.
    EndPass {
        /// Passes in all.
        passes: u64,
    } => "end_pass",
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
    u64 as u64: |number| number,
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
