//! Records and their consumers.

pub mod anatomy;
pub mod digest;
pub mod kernel;
pub mod metrics;
pub mod record;
pub mod series;
pub mod sink;

pub use record::{
    ApfReason, BlockReason, DisturbanceName, DummyAction, Event, ExitReason, FaultPath, IoKind,
    Phase, Record, TaskRole,
};
