//! How runs become results: plan, threads, stored runs, sums.

pub mod checksum;
pub(crate) mod dat;
pub(crate) mod error;
pub(crate) mod files;
pub(crate) mod folder;
pub mod length;
pub mod memory;
pub(crate) mod notes;
pub(crate) mod perfetto;
pub mod plan;
pub mod replay;
pub mod results;
pub(crate) mod runner;
pub(crate) mod shard;
pub(crate) mod store;
pub(crate) mod stored;
pub(crate) mod summary;
pub(crate) mod trace_file;
pub mod truncation;
