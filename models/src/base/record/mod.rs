//! The typed tracepoint. Models emit records and nothing else; statistics, monitors, digests and
//! plots consume them.
//!
//! Events of the host carry the kernel's own names and fields where the kernel has them
//! (`include/trace/events/kvm.h`, `arch/x86/kvm/trace.h`). Events that no kernel has are marked
//! *ours*; they are left out of kernel-format text.

mod event;
mod field;
mod names;

pub use event::{Event, Record};
pub use field::Field;
pub use names::{
    ApfReason, BlockReason, DisturbanceName, DummyAction, ExitReason, FaultPath, IoKind, MemcgFile,
    Phase, TaskRole, TlbFlushReason,
};
