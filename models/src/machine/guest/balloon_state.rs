//! What the guest's driver of its balloon keeps.

use crate::base::ids::Gfn;
use crate::config::{Balloon, MachineConfig, Reporting};
use crate::machine::world::BalloonQueue;

/// What the driver has to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::machine) enum DriverWork {
    /// The VMM has set another size.
    Resize,
    /// The VMM is through with what it was told.
    Done(BalloonQueue),
    /// The time to look for pages again has come.
    Retry,
    /// The time to report free pages has come.
    Report,
}

impl DriverWork {
    /// Whether a timer of the guest's calls for it, and no interrupt of the device.
    pub(super) fn is_timer(self) -> bool {
        matches!(self, Self::Retry | Self::Report)
    }
}

/// Where free page reporting is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Pass {
    #[default]
    Idle,
    /// Its timer is set.
    Requested,
    /// It may make so many reports more; whether another pass follows.
    Active { left: u64, again: bool },
}

/// A driver.
#[derive(Clone, Debug)]
pub(super) struct Driver {
    pub(super) target: u64,
    /// Frames in the balloon, the last one in first out.
    pub(super) held: Vec<Gfn>,
    /// What the VMM is told of at the moment, to grow or to shrink.
    pub(super) telling: Option<(BalloonQueue, Vec<Gfn>)>,
    /// It sleeps because there was no page.
    pub(super) sleeps: bool,
    pub(super) reporting: Option<Reporting>,
    pub(super) pass: Pass,
    /// Blocks that are being reported.
    pub(super) reported: Vec<Gfn>,
}

impl Driver {
    fn new(balloon: &Balloon) -> Self {
        Self {
            target: 0,
            held: Vec::new(),
            telling: None,
            sleeps: false,
            reporting: balloon.reporting,
            pass: Pass::Idle,
            reported: Vec::new(),
        }
    }
}

/// The drivers of all virtual machines.
pub(super) fn drivers(config: &MachineConfig) -> Vec<Option<Driver>> {
    let all = &config.host.memory_control.balloons;
    let of = |vm| all.iter().find(|balloon| balloon.vm == vm).map(Driver::new);
    config.vm_ids().map(of).collect()
}
