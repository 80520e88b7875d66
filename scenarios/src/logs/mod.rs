//! Logs of a kernel: held against the invariants, turned into scenarios.

pub mod check;
pub mod device;
pub(crate) mod explored;
pub mod fit;
