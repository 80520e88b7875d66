//! Who controls the host's memory during a run, besides the threads that need a page.

use sim_core::SimDuration;

use super::balloon::Balloon;
use super::protection::WriteProtection;
use crate::base::ids::{PcpuId, VmId};
use crate::base::record::MemcgFile;

/// What is done to memory containers during a run. Nothing by default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemoryControl {
    /// Limits that somebody writes, in the order of their times within each container.
    pub limits: Vec<LimitChange>,
    /// Containers that have a `memory.high` from power-on: their first virtual machine, and pages, what is
    /// never reclaimed included.
    pub highs: Vec<(VmId, u64)>,
    /// Agents that have memory reclaimed from time to time, at most one for each container.
    pub proactive: Vec<ProactiveReclaim>,
    /// The host's container is its memory as a whole, in which the kernel reclaims when little is free.
    pub kswapd: Option<Kswapd>,
    /// Balloons of virtual machines, at most one of each.
    pub balloons: Vec<Balloon>,
    /// Memory that VMMs write-protect, at most once for each virtual machine.
    pub protections: Vec<WriteProtection>,
}

impl MemoryControl {
    /// Whether nothing is done.
    pub fn is_empty(&self) -> bool {
        let Self { limits, highs, proactive, kswapd, balloons, protections } = self;
        limits.is_empty()
            && highs.is_empty()
            && proactive.is_empty()
            && kswapd.is_none()
            && balloons.is_empty()
            && protections.is_empty()
    }

    /// Whether it is the first virtual machine of a container that has other limits than one.
    pub fn concerns(&self, vm: VmId) -> bool {
        let written = self.limits.iter().any(|change| change.vm == vm);
        let proactive = self.proactive.iter().any(|agent| agent.vm == vm);
        written || proactive || self.highs.iter().any(|high| high.0 == vm)
    }

    /// Containers whose limits are written, by their first virtual machine.
    pub fn written(&self) -> impl Iterator<Item = VmId> + use<> {
        let mut all: Vec<VmId> = self.limits.iter().map(|change| change.vm).collect();
        all.sort_unstable();
        all.dedup();
        all.into_iter()
    }

    /// Whether a container has a `memory.high`, or gets one.
    pub fn has_high(&self) -> bool {
        let written = |change: &LimitChange| change.file == MemcgFile::High;
        !self.highs.is_empty() || self.limits.iter().any(written)
    }
}

/// A limit that a container gets: somebody writes its `memory.max`, or `memory.limit_in_bytes`; or its
/// `memory.high`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitChange {
    /// Time after the start barrier.
    pub at: SimDuration,
    /// The first virtual machine of the container.
    pub vm: VmId,
    /// Which limit.
    pub file: MemcgFile,
    /// Pages that it may hold from then on, what is never reclaimed included.
    pub limit_pages: u64,
}

/// An agent that writes `memory.reclaim` of a container from time to time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProactiveReclaim {
    /// The first virtual machine of the container.
    pub vm: VmId,
    /// Time after the start barrier at which it writes first.
    pub at: SimDuration,
    /// Time from one write to the next; one that is still going on then lets it pass.
    pub every: SimDuration,
    /// How much it asks for.
    pub ask: ReclaimAsk,
}

/// How much memory is to be reclaimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReclaimAsk {
    /// So many pages.
    Pages(u64),
    /// So many millionths of what the container holds.
    Share {
        /// The millionths.
        ppm: u32,
    },
}

/// The marks of the host's memory as a whole, in pages that are free (`__setup_per_zone_wmarks`,
/// mm/page_alloc.c of 6.12.117), and where its thread runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kswapd {
    /// At which who wants a page reclaims for itself.
    pub min: u64,
    /// Below which the thread is woken.
    pub low: u64,
    /// Up to which it reclaims.
    pub high: u64,
    /// The processor that it is bound to; none: any.
    pub cpu: Option<PcpuId>,
}

impl Kswapd {
    /// The marks of a zone of so many pages. `min_free_kib`: `vm.min_free_kbytes`, if it is not the
    /// kernel's own; `scale_factor`: `vm.watermark_scale_factor`.
    pub fn marks(pages: u64, min_free_kib: Option<u64>, scale_factor: u64) -> Self {
        const PAGE_KIB: u64 = 4;
        let own = (pages * PAGE_KIB * 16).isqrt().clamp(128, 262_144);
        let min = min_free_kib.unwrap_or(own) / PAGE_KIB;
        let apart = (min >> 2).max(pages * scale_factor / 10_000);
        Self { min, low: min + apart, high: min + 2 * apart, cpu: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a machine of 16 GiB with one zone has by the formula: sqrt(16 GiB in KiB times 16) is 16384 KiB.
    #[test]
    fn marks_are_those_of_the_formula() {
        let Kswapd { min, low, high, .. } = Kswapd::marks(4 << 20, None, 10);
        assert_eq!((min, low, high), (4096, 4096 + 4194, 4096 + 2 * 4194));
        let small = Kswapd::marks(4096, None, 10);
        assert_eq!((small.min, small.low, small.high), (128, 160, 192));
        let set = Kswapd::marks(4096, Some(1024), 1000);
        assert_eq!((set.min, set.low, set.high), (256, 665, 1074));
    }
}
