//! What a machine is made of, resolved to plain values: one file a part of the machine. Scenario
//! files are turned into this; nothing here is read from a file or has a default.

mod address_trace;
pub mod costs;
mod cpu;
mod device;
mod disturbance;
mod guest;
mod host;
mod op;
mod paging;
mod policy;
mod sched;
mod store;
mod translation;
mod workload;

pub use address_trace::{AddressRecorder, AddressTrace, TraceCursor, Visit};
pub use cpu::CpuConfig;
pub use device::{
    AtDepth, ChannelsConfig, ConstantConfig, DeviceConfig, ElevatorConfig, HddConfig, RamConfig,
    VolumeConfig, ZramConfig,
};
pub use disturbance::{Disturbance, DisturbanceKind};
pub use guest::{
    ApicConfig, EventPages, GuestConfig, Preemption, StealClock, TablePages, TimerKind, WakeTime,
};
pub use host::{
    Cgroup, HostConfig, HostKernel, Lru, MmuRetry, ReadAhead, ReadFaults, SecondStageLock,
    WrittenPages,
};
pub use op::Op;
pub use paging::{GuestPaging, HostPaging, Processes};
pub use policy::Policy;
pub use sched::{EevdfParams, FairParams, SchedParams};
pub use store::{HandlerConfig, StoreConfig, Waking};
pub use translation::{PagingCaches, Replacement, SetFunction, TlbArray, TranslationConfig};
pub use workload::{
    Arrivals, Law, PageLaw, PageWalk, Pattern, Region, RegionBacking, RegionContent, Section,
    SyncKind, SyncObject, TaskGroup, Workload,
};

/// A whole simulated machine with its workload: one host, one VM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MachineConfig {
    /// The processor and its costs.
    pub cpu: CpuConfig,
    /// The host.
    pub host: HostConfig,
    /// The guest.
    pub guest: GuestConfig,
    /// What the guest does.
    pub workload: Workload,
    /// What happens to its vCPUs meanwhile.
    pub disturbances: Vec<Disturbance>,
}
