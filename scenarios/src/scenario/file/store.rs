//! What keeps the contents of stored regions.

use models::config::{Advice, Install, PlainExits, Process, Waking};
use schemars::JsonSchema;
use serde::Deserialize;

use super::device::DeviceRef;
use crate::syntax::units::{Bytes, Span};

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
    /// What the VMM has told the kernel of its accesses to the file (madvise). Only without `handler`. Default:
    /// "normal".
    pub advice: Option<Advice>,
    /// The largest window of pages that the kernel reads with one (`read_ahead_kb` of the file's device): up to
    /// "16MiB"; "0B": pages come one by one. Only without `handler`. Default: "128KiB".
    pub read_ahead: Option<Bytes>,
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
    /// Pages that a message brings (fault-around): the aligned block of this size in which the missing page lies, as
    /// far as it is missing and lies side by side: a power of two from "4KiB" to "2MiB". Default: "4KiB", the page.
    pub around: Option<Bytes>,
    /// What is brought before anybody misses it.
    pub prefetch: Option<PrefetchFile>,
    /// Where its threads are: in the VMM, or in a process of their own, which costs faults that the VMM answers by an
    /// exit the way through the VMM's main thread. Default: "vmm".
    #[serde(default)]
    pub process: Process,
    /// How a page is installed. Default: "copy".
    #[serde(default)]
    pub install: Install,
    /// Who brings the page of a fault that leaves the kernel by an exit which waits: the handler, or the vCPU thread
    /// itself. Default: "handler".
    #[serde(default)]
    pub plain_exits: PlainExits,
    /// Whether the handler asks for events of memory that a balloon gives back (UFFD_FEATURE_EVENT_REMOVE), and
    /// answers with zeros for it. Without, it brings what the store has: stale contents. Default: true.
    pub remove_events: Option<bool>,
    /// Pages that cannot be had from the store: the handler puts a marker in their place (UFFDIO_POISON, from Linux
    /// 6.6 on), and a guest that wants one ends its VMM. Default: none.
    pub poison: Option<Vec<PrefetchPages>>,
}

/// Threads of the VMM that bring pages before anybody misses them: first those of `file`, then `pages`, then
/// `regions`; all of the store where none of them is given.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "an object that says what is brought ahead")]
pub struct PrefetchFile {
    /// How many threads share the work: 1 to 256. Default: 1.
    pub threads: Option<u64>,
    /// Path, from the scenario's folder, of a list of pages: a region's name, its first page, and how many, a line
    /// each.
    pub file: Option<String>,
    /// Pages in place of a file.
    pub pages: Option<Vec<PrefetchPages>>,
    /// Names of regions that are brought from begin to end.
    pub regions: Option<Vec<String>>,
    /// What one read and one UFFDIO_COPY bring at most: up to "2MiB". Default: "256KiB".
    pub batch: Option<Bytes>,
    /// Bytes a second that all threads together bring at most. Default: no limit.
    pub rate: Option<Bytes>,
    /// Whether the guest's tasks start only when all is there. Default: false.
    #[serde(default)]
    pub before_start: bool,
}

/// Pages of a region, side by side.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "an object with `region` and `first`")]
pub struct PrefetchPages {
    /// Name of the region.
    pub region: String,
    /// The first page, counted from 0.
    pub first: u64,
    /// How many. Default: 1.
    pub pages: Option<u64>,
}
