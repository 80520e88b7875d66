//! The virtual machine.

use models::config::{
    EventPages, GuestPaging, Preemption, Processes, StealClock, TablePages, TimerKind, WakeTime,
};
use schemars::JsonSchema;
use serde::Deserialize;

use super::balloon::BalloonFile;
use super::sched::SchedFile;
use crate::syntax::units::{Bytes, Span};

/// The virtual machine.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "an object that describes the guest")]
pub struct GuestFile {
    /// Kernel: the name of a preset.
    pub kernel: String,
    /// Virtual processors: 1 to 4096.
    pub vcpus: u64,
    /// Memory: up to "1TiB", whole pages.
    pub memory: Bytes,
    /// Timer ticks a second: 1 to 10000. Default: the kernel's.
    pub hz: Option<u64>,
    /// Changes to the guest's scheduler. Default: the kernel's, scaled to `vcpus`.
    pub sched: Option<SchedFile>,
    /// Which time without its vCPU is kept from the running task's account. Default: the kernel's.
    pub steal_clock: Option<StealClock>,
    /// When page ready makes a sleeper runnable. Default: "now".
    pub wake: Option<WakeTime>,
    /// With "now": how much later the sleeper becomes runnable, up to "1s". Default: "0s".
    pub wake_delay: Option<Span>,
    /// Who wakes a task whose `sleep` is over. Default: "direct".
    pub timers: Option<TimerKind>,
    /// Whether the guest asks for notices at CPL 0 too. Default: the kernel's.
    pub send_always: Option<bool>,
    /// Ticks between two runs of the load balancer on a busy vCPU: 1 to 10^9. Default: the
    /// kernel's.
    pub balance_ticks: Option<u64>,
    /// When a task that is in a system call may lose its vCPU to another one. Default: the
    /// kernel's.
    pub preemption: Option<Preemption>,
    /// Which uses of the local APIC leave guest mode. Default: none.
    pub apic: Option<ApicFile>,
    /// What the host may do with the pages through which the guest takes exceptions and interrupts.
    /// Default: "resident".
    pub event_pages: Option<EventPages>,
    /// Levels of the guest's page tables: 4 or 5. Default: 4.
    pub table_levels: Option<u64>,
    /// What the host may do with the frames of the guest's page tables. Default: "reclaimable".
    pub table_pages: Option<TablePages>,
    /// Whether the guest's kernel maps memory by pages of 2 MiB where it can (transparent huge
    /// pages). Default: false.
    pub thp: Option<bool>,
    /// Whether the guest has paging on. Default: "on".
    pub paging: Option<GuestPaging>,
    /// Which tasks have an address space of their own, so that a switch between two of them writes CR3.
    /// Default: "one".
    pub processes: Option<Processes>,
    /// Whether the guest's kernel tells address spaces apart in the TLB (PCID). Default: false.
    pub pcid: Option<bool>,
    /// Its memory balloon (virtio-balloon). Default: none.
    pub balloon: Option<BalloonFile>,
}

/// Which uses of the local APIC leave guest mode, each at the cost `exit_light`.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "an object that describes the local APIC")]
pub struct ApicFile {
    /// Whether arming and stopping the timer exits (a write of the TSC deadline); if not, the cost
    /// `guest_tick` holds it. Default: false.
    #[serde(default)]
    pub timer_exits: bool,
    /// Whether the end of an interrupt exits; not under a paravirtual EOI. Default: false.
    #[serde(default)]
    pub eoi_exits: bool,
    /// Whether an interrupt to another vCPU makes its sender exit. Default: false.
    #[serde(default)]
    pub ipi_exits: bool,
}
