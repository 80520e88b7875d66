//! Logs of a kernel: held against the invariants, turned into scenarios and lists of pages.

pub mod check;
pub mod device;
pub(crate) mod explored;
pub mod fit;
pub mod pages;
