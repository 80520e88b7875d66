//! What page faults of guests come to: which need I/O, and how long they last.

use sim_core::{Histogram, SimTime};

use super::totals::{Counts, Tasks};
use crate::base::abi::{PF_PRESENT, PF_WRITE, StoppedAt, stopped_at};
use crate::base::ids::{Gfn, TaskId, VcpuId};
use crate::base::record::{Event, FaultPath};

/// The fault at hand of one vCPU.
#[derive(Clone, Debug, Default)]
struct AtHand {
    /// It has not been seen to need I/O.
    minor_so_far: bool,
    /// It is at a table of the guest's.
    in_walk: bool,
    /// When the vCPU left the guest for it.
    left: Option<SimTime>,
}

/// Follows the faults of all vCPUs.
#[derive(Clone, Debug)]
pub(super) struct Faults {
    vcpus: Vec<AtHand>,
    /// Latencies of major faults that began in the measured phase, in nanoseconds.
    pub(super) latency: Histogram,
}

impl Faults {
    /// None yet.
    pub(super) fn new(vcpus: usize) -> Self {
        Self { vcpus: vec![AtHand::default(); vcpus], latency: Histogram::new() }
    }

    /// Takes in a record of a fault; `measuring` is 1 in the measured phase.
    pub(super) fn observe(
        &mut self,
        (now, event): (SimTime, &Event),
        (counts, measuring): (&mut Counts, u64),
        tasks: &mut Tasks,
    ) {
        match *event {
            Event::ShadowFault { vcpu, error_code, .. }
            | Event::KvmPageFault { vcpu, error_code, .. } => {
                self.begin(now, vcpu, error_code, (counts, measuring));
            }
            Event::KvmTryAsyncGetPage { vcpu, .. } => self.needs_io(vcpu, counts, measuring),
            Event::KvmAsyncPfDoublefault { vcpu, .. } => {
                counts.repeated_fault_events += measuring;
                self.needs_io(vcpu, counts, measuring);
            }
            Event::MajorFaultBegin { vcpu, task, gfn, path } => {
                match path {
                    FaultPath::Async => counts.async_faults += measuring,
                    FaultPath::Repeated => counts.repeated_faults += measuring,
                    FaultPath::Sync => counts.sync_faults += measuring,
                }
                // Here, so that an access that is stopped there again and again counts once.
                let in_walk = self.vcpus.get(vcpu.index()).is_some_and(|vcpu| vcpu.in_walk);
                counts.table_io_faults += measuring * u64::from(in_walk);
                self.needs_io(vcpu, counts, measuring);
                let left = self.vcpus.get_mut(vcpu.index()).and_then(|vcpu| vcpu.left.take());
                let task = tasks.of(task);
                task.major_faults += measuring;
                task.faults.push((gfn, left.unwrap_or(now), measuring != 0));
            }
            Event::MajorFaultEnd { task, gfn, .. } => self.end(now, (task, gfn), counts, tasks),
            _ => {}
        }
    }

    fn begin(
        &mut self,
        now: SimTime,
        vcpu: VcpuId,
        error_code: u64,
        (counts, measuring): (&mut Counts, u64),
    ) {
        counts.page_faults += measuring;
        let in_walk = stopped_at(error_code) == StoppedAt::Table;
        counts.table_faults += measuring * u64::from(in_walk);
        let both = u64::from(PF_PRESENT | PF_WRITE);
        counts.write_protect_faults += measuring * u64::from(error_code & both == both);
        if let Some(vcpu) = self.vcpus.get_mut(vcpu.index()) {
            *vcpu = AtHand { minor_so_far: true, in_walk, left: Some(now) };
        }
    }

    /// The fault at hand is not a minor one.
    fn needs_io(&mut self, vcpu: VcpuId, counts: &mut Counts, measuring: u64) {
        if let Some(vcpu) = self.vcpus.get_mut(vcpu.index())
            && vcpu.minor_so_far
        {
            vcpu.minor_so_far = false;
            counts.io_page_faults += measuring;
        }
    }

    fn end(
        &mut self,
        now: SimTime,
        (task, gfn): (TaskId, Gfn),
        counts: &mut Counts,
        tasks: &mut Tasks,
    ) {
        let faults = &mut tasks.of(task).faults;
        let Some(place) = faults.iter().position(|&(frame, ..)| frame == gfn) else { return };
        let (_, left, measured) = faults.swap_remove(place);
        if measured {
            let latency = now.saturating_since(left);
            self.latency.record(latency.as_ns());
            counts.latency_sum_ps += u128::from(latency.as_ps());
            counts.latency_max_ps = counts.latency_max_ps.max(latency.as_ps());
        }
    }
}
