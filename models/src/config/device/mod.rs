//! Kinds of swap devices: one file a kind says what it is made of. The file of the same name in
//! `parts/device` is its law.

mod channels;
mod constant;
mod hdd;
mod ram;
mod spans;
mod volume;
mod zram;

use serde::Deserialize;

pub use channels::{AtDepth, ChannelsConfig};
pub use constant::ConstantConfig;
pub use hdd::{ElevatorConfig, HddConfig};
pub use ram::RamConfig;
pub use volume::VolumeConfig;
pub use zram::ZramConfig;

/// A kind of swap device.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum DeviceConfig {
    /// The same latency for every request, without queueing.
    Constant(ConstantConfig),
    /// Parallel channels; requests beyond them wait in order of submission.
    Channels(ChannelsConfig),
    /// One arm, with an elevator.
    Hdd(HddConfig),
    /// Memory behind a copy.
    Ram(RamConfig),
    /// A block volume of a cloud.
    Volume(VolumeConfig),
    /// Compressed memory.
    Zram(ZramConfig),
}

impl DeviceConfig {
    /// Whether it is memory, which kernels call synchronous (`BLK_FEAT_SYNCHRONOUS`: brd, pmem,
    /// zram), so that a page that was read keeps no slot.
    pub fn is_memory(&self) -> bool {
        matches!(self, Self::Ram(_) | Self::Zram(_))
    }

    /// Whether a request is work of the processor that submits it, and over when that is done.
    pub fn is_work_of_submitter(&self) -> bool {
        match self {
            Self::Zram(_) => true,
            Self::Ram(ram) => ram.synchronous,
            _ => false,
        }
    }

    /// Whether it has a part that rotates (`QUEUE_FLAG_NONROT` is off).
    pub fn rotates(&self) -> bool {
        matches!(self, Self::Hdd(_))
    }
}

impl From<ConstantConfig> for DeviceConfig {
    fn from(config: ConstantConfig) -> Self {
        Self::Constant(config)
    }
}

impl From<ChannelsConfig> for DeviceConfig {
    fn from(config: ChannelsConfig) -> Self {
        Self::Channels(config)
    }
}

impl From<HddConfig> for DeviceConfig {
    fn from(config: HddConfig) -> Self {
        Self::Hdd(config)
    }
}

impl From<RamConfig> for DeviceConfig {
    fn from(config: RamConfig) -> Self {
        Self::Ram(config)
    }
}

impl From<ZramConfig> for DeviceConfig {
    fn from(config: ZramConfig) -> Self {
        Self::Zram(config)
    }
}

impl From<VolumeConfig> for DeviceConfig {
    fn from(config: VolumeConfig) -> Self {
        Self::Volume(config)
    }
}
