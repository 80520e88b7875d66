//! What is kept where containers have a `memory.high`. What is done with it is in `high`.

use crate::config::MachineConfig;
use crate::parts::memory::containers::Containers;
use crate::parts::memory::high::Stocks;

/// What is kept of containers, some of which have a `memory.high`.
#[derive(Clone, Debug)]
pub(super) struct High {
    /// By container, in pages of the virtual machines.
    pub(super) limits: Vec<Option<u64>>,
    pub(super) stocks: Stocks,
    /// Charges of each container that were seen.
    pub(super) seen: Vec<u64>,
}

impl High {
    /// That of a machine, if any container of it has a `memory.high` or gets one.
    pub(super) fn new(config: &MachineConfig, memory: &Containers) -> Option<Self> {
        let control = &config.host.memory_control;
        if !control.has_high() {
            return None;
        }
        let mut limits = vec![None; memory.count()];
        for &(vm, pages) in &control.highs {
            limits[memory.container(vm)] = Some(config.room(vm, pages));
        }
        let stocks = Stocks::new(config.host.cpus, memory.count());
        Some(Self { limits, stocks, seen: vec![0; memory.count()] })
    }
}

/// What a thread has to do for the pages that it has charged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Payment {
    /// For so many pages.
    pub(super) pages: u32,
    /// Times without success that are left.
    pub(super) tries: u32,
    /// Pages that are still to be reclaimed at the moment, and what was.
    pub(super) left: u64,
    pub(super) reclaimed: u64,
    /// Pages that may be looked at before that is given up.
    pub(super) looks: u64,
}
