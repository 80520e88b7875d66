//! What keeps the contents of stored regions.

use models::config::Waking;
use schemars::JsonSchema;
use serde::Deserialize;

use super::device::DeviceRef;
use crate::syntax::units::Span;

/// What keeps the contents of stored regions: an image of the guest's memory.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "an object that describes a store")]
pub struct StoreFile {
    /// Name by which regions refer to it.
    pub name: String,
    /// The device that it is read from, beside that of the swap area. Default: the swap device.
    pub device: Option<DeviceRef>,
    /// Threads of the VMM that bring its pages (userfaultfd). Default: the kernel does, as of a file that the
    /// VMM maps.
    pub handler: Option<HandlerFile>,
}

/// Threads of the VMM that bring pages on request.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "an object that describes a handler")]
pub struct HandlerFile {
    /// Threads that read messages: 1 to 256. Default: 1.
    pub readers: Option<u64>,
    /// Threads that install pages: up to 256; 0: readers do, one page after the other. Default: 1.
    pub installers: Option<u64>,
    /// Messages that one read takes at most: 1 to 1024. Default: 16.
    pub batch: Option<u64>,
    /// Which readers a message wakes. Default: "all".
    #[serde(default)]
    pub waking: Waking,
    /// Descriptors, among which the store is divided by ranges of 2 MiB: 1 to 256. Default: 1.
    pub descriptors: Option<u64>,
    /// The processors on which the threads run, taken in turn. Default: wherever the scheduler puts them.
    pub cpus: Option<Vec<u64>>,
    /// From the reading of a message until the contents of its page are there, however many there are: up to
    /// "100s". Only, and always, for a store without `device`.
    pub latency: Option<Span>,
}
