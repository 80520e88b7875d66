//! What was counted, settled at the end of a run: what the value of a metric is computed from.

use sim_core::{Histogram, SimTime};

use super::clock::{STATES, State};
use super::fairness::Fairness;
use super::given_back::GivenBack;
use super::reclaim::Reclaims;
use super::requests::RequestCounts;
use crate::base::ids::{Gfn, TaskId};
use crate::base::record::TaskRole;
use crate::trace::requests::RequestPart;

/// What is followed of one task.
#[derive(Clone, Debug)]
pub(super) struct Task {
    pub(super) role: TaskRole,
    pub(super) user_ps: u64,
    pub(super) work: u64,
    pub(super) major_faults: u64,
    /// Major faults that have not ended: their exit, and whether they were found to need I/O in the
    /// measured phase.
    pub(super) faults: Vec<(Gfn, SimTime, bool)>,
}

impl Task {
    /// One of which nothing was counted.
    fn new() -> Self {
        Self { role: TaskRole::Main, user_ps: 0, work: 0, major_faults: 0, faults: Vec::new() }
    }
}

/// The tasks that records have named, by number: a machine's are numbered from 0 on without gaps.
#[derive(Clone, Debug, Default)]
pub(super) struct Tasks(Vec<Option<Task>>);

impl Tasks {
    /// A task, which is named now.
    #[inline]
    pub(super) fn of(&mut self, task: TaskId) -> &mut Task {
        if self.0.len() <= task.index() {
            self.0.resize(task.index() + 1, None);
        }
        self.0[task.index()].get_or_insert_with(Task::new)
    }

    /// Those that were named, by rising number.
    pub(super) fn iter(&self) -> impl Iterator<Item = (TaskId, &Task)> {
        (0..).map(TaskId).zip(&self.0).filter_map(|(id, task)| Some((id, task.as_ref()?)))
    }

    /// The same without their numbers.
    pub(super) fn values(&self) -> impl Iterator<Item = &Task> {
        self.0.iter().flatten()
    }
}

/// Counters of the measured phase.
#[derive(Clone, Debug, Default)]
pub(super) struct Counts {
    pub(super) async_faults: u64,
    pub(super) repeated_faults: u64,
    pub(super) sync_faults: u64,
    pub(super) page_faults: u64,
    pub(super) write_protect_faults: u64,
    pub(super) io_page_faults: u64,
    /// Faults in walks, at tables of the guest's, and those of them that needed I/O.
    pub(super) table_faults: u64,
    pub(super) table_io_faults: u64,
    pub(super) repeated_fault_events: u64,
    pub(super) not_present_injected: u64,
    pub(super) page_ready_delivered: u64,
    pub(super) ready_items: u64,
    /// Stretches between two entries in which a vCPU thread took at least one completed item.
    pub(super) ready_drains: u64,
    pub(super) workers_peak: u64,
    pub(super) outstanding_peak: u64,
    pub(super) swap_read_pages: u64,
    pub(super) swap_write_pages: u64,
    pub(super) swap_read_requests: u64,
    pub(super) swap_write_requests: u64,
    /// Time in which threads decompressed and compressed.
    pub(super) decompress_ps: u64,
    pub(super) compress_ps: u64,
    /// Pages of that.
    pub(super) decompressed_pages: u64,
    pub(super) compressed_pages: u64,
    /// Those that zswap wrote to the device later, and those that it refused.
    pub(super) zswap_writebacks: u64,
    pub(super) zswap_refusals: u64,
    pub(super) ept_unmaps: u64,
    /// Faults that the VMM answers: exits with them, those of them that wait, entries of rings, signals for them,
    /// and how often its threads were back from a wait.
    pub(super) user_exits: u64,
    pub(super) user_waits: u64,
    pub(super) ring_requests: u64,
    pub(super) ring_signals: u64,
    pub(super) handler_wakeups: u64,
    /// Pages that got zeros, as their descriptor was closed.
    pub(super) lost_pages: u64,
    /// Events of memory that is given back, for how long who did so waited until it had gone, and how often installing
    /// failed meanwhile.
    pub(super) remove_events: u64,
    pub(super) remove_wait_ps: u128,
    pub(super) uffd_again: u64,
    /// Pages that were write-protected, messages about writes to them, pages that were saved, for how long their
    /// virtual machines were stopped in all, and from the first protection to the last page saved.
    pub(super) protected_pages: u64,
    pub(super) write_messages: u64,
    pub(super) saved_pages: u64,
    pub(super) stopped_ps: u128,
    pub(super) snapshot_ps: Option<u64>,
    /// Pages that handlers poisoned, and when the first VMM ended by one.
    pub(super) poisoned_pages: u64,
    pub(super) vmm_lived_ps: Option<u64>,
    /// Notices of pages that were there before the guest was told.
    pub(super) needless_notices: u64,
    pub(super) mmu_lock_wait_ps: u128,
    pub(super) mmu_lock_contentions: u64,
    pub(super) uffd_lock_wait_ps: u128,
    pub(super) uffd_lock_contentions: u64,
    pub(super) area_writes: u64,
    pub(super) area_translations: u64,
    pub(super) exits: u64,
    pub(super) guest_switches: u64,
    pub(super) latency_sum_ps: u128,
    pub(super) latency_max_ps: u64,
    /// Integral of the requests in flight over time, in request-picoseconds.
    pub(super) in_flight_ps: u128,
    /// Time with a request in flight.
    pub(super) device_busy_ps: u64,
    /// Time in which vCPU threads were runnable and had no processor, where records tell.
    pub(super) waited_ps: Option<u128>,
}

/// Everything that was counted, up to the end of the run.
pub(super) struct Totals<'a> {
    pub(super) counts: &'a Counts,
    pub(super) reclaims: &'a Reclaims,
    pub(super) given_back: &'a GivenBack,
    pub(super) tasks: &'a Tasks,
    /// Fault latencies in nanoseconds.
    pub(super) latency: &'a Histogram,
    /// All records, of all phases.
    pub(super) events: u64,
    /// Page tables that the guest has made since power-on.
    pub(super) guest_tables: u64,
    /// Time of all vCPUs by state; nothing without a measured phase.
    pub(super) spent: [u128; STATES],
    /// Length of the measured phase, if it has any.
    pub(super) measured_ps: Option<u64>,
    /// Requests of the group in question, or of all; none where there is no request at all.
    pub(super) requests: Option<&'a RequestCounts>,
    /// When the last task that has an end had ended.
    pub(super) completion_ps: Option<u64>,
    /// How equally virtual machines are served, where there are several.
    pub(super) fairness: Fairness,
}

impl Totals<'_> {
    /// Counted work of the workers.
    pub(super) fn work(&self) -> u64 {
        let workers = self.tasks.values().filter(|task| task.role == TaskRole::Worker);
        workers.map(|task| task.work).sum()
    }

    pub(super) fn major_faults(&self) -> u64 {
        self.counts.async_faults + self.counts.repeated_faults + self.counts.sync_faults
    }

    /// Time of all vCPUs in a state, in seconds.
    pub(super) fn seconds(&self, state: State) -> f64 {
        self.spent[state as usize] as f64 * 1e-12
    }

    /// Time of all vCPUs in fetches and reclaim, in seconds.
    pub(super) fn seconds_stalled(&self) -> f64 {
        let fetch = self.spent[State::Fetch as usize] + self.spent[State::MapLock as usize];
        fetch as f64 * 1e-12 + self.seconds(State::Reclaim)
    }

    pub(super) fn lost_time_per_fault(&self) -> Option<f64> {
        let (total, major) = (self.vcpu_time(), self.major_faults());
        if major == 0 || total == 0 {
            return None;
        }
        let lost = total as i128 - self.all_user() - self.in_state(State::Hlt);
        Some(lost as f64 * 1e-12 / major as f64)
    }

    pub(super) fn latency_mean(&self) -> Option<f64> {
        let n = self.latency.count();
        (n > 0).then(|| self.counts.latency_sum_ps as f64 / n as f64 * 1e-12)
    }

    pub(super) fn latency_quantile(&self, quantile: f64) -> Option<f64> {
        let ended = self.latency.count() > 0;
        ended.then(|| at_most(self.latency, quantile, self.counts.latency_max_ps))
    }

    pub(super) fn latency_max(&self) -> Option<f64> {
        (self.latency.count() > 0).then_some(self.counts.latency_max_ps as f64 * 1e-12)
    }

    /// A part of the vCPUs' time.
    pub(super) fn share(&self, ps: i128) -> Option<f64> {
        let total = self.vcpu_time();
        (self.measured_ps.is_some() && total > 0).then(|| ps as f64 / total as f64)
    }

    /// Time of all vCPUs in a state, in picoseconds.
    pub(super) fn in_state(&self, state: State) -> i128 {
        self.spent[state as usize] as i128
    }

    /// Time of all vCPU threads in the host on a processor, in picoseconds.
    pub(super) fn in_host(&self) -> i128 {
        self.in_state(State::Host) + self.in_state(State::SpinLock)
    }

    /// Time of all vCPU threads on a processor, in picoseconds.
    pub(super) fn processor_time(&self) -> i128 {
        self.in_host() + self.in_state(State::Guest)
    }

    /// Part of their time in which vCPU threads waited for a processor.
    pub(super) fn steal_seen(&self) -> Option<f64> {
        self.counts.waited_ps.and_then(|ps| self.share(i128::try_from(ps).ok()?))
    }

    /// User time of the tasks of a role.
    pub(super) fn user(&self, role: TaskRole) -> i128 {
        let of_role = self.tasks.values().filter(|task| task.role == role);
        of_role.map(|task| i128::from(task.user_ps)).sum()
    }

    /// Time in guest mode that is no task's.
    pub(super) fn guest_kernel(&self) -> i128 {
        self.in_state(State::Guest) - self.all_user()
    }

    pub(super) fn stalled(&self) -> i128 {
        self.in_state(State::Fetch) + self.in_state(State::MapLock) + self.in_state(State::Reclaim)
    }

    /// A mean over the measured phase of what was integrated over picoseconds.
    pub(super) fn over_time(&self, integral: f64) -> Option<f64> {
        self.measured_ps.map(|span| integral / span as f64)
    }

    /// Requests that ended, a second.
    pub(super) fn request_rate(&self) -> Option<f64> {
        let (requests, span) = (self.requests?, self.measured_ps?);
        Some(requests.ended as f64 / (span as f64 * 1e-12))
    }

    /// The requests, if any ended.
    fn ended(&self) -> Option<&RequestCounts> {
        self.requests.filter(|requests| requests.ended > 0)
    }

    pub(super) fn request_mean(&self) -> Option<f64> {
        self.ended().map(|it| it.latency_sum_ps as f64 / it.ended as f64 * 1e-12)
    }

    pub(super) fn request_quantile(&self, quantile: f64) -> Option<f64> {
        self.ended().map(|it| at_most(&it.latency, quantile, it.latency_max_ps))
    }

    pub(super) fn request_max(&self) -> Option<f64> {
        self.ended().map(|it| it.latency_max_ps as f64 * 1e-12)
    }

    pub(super) fn requests_in_system(&self) -> Option<f64> {
        self.over_time(self.requests?.in_system_ps as f64)
    }

    /// From the beginning of the phase to the end of request number 10^`power`.
    pub(super) fn request_milestone(&self, power: usize) -> Option<f64> {
        Some(self.requests?.milestones_ps[power]? as f64 * 1e-12)
    }

    /// A part of the mean latency.
    pub(super) fn request_part(&self, part: RequestPart) -> Option<f64> {
        self.ended().map(|it| it.parts_ps[part as usize] as f64 / it.ended as f64 * 1e-12)
    }

    pub(super) fn completion_time(&self) -> Option<f64> {
        self.completion_ps.map(|ps| ps as f64 * 1e-12)
    }

    fn vcpu_time(&self) -> u128 {
        self.spent.iter().sum()
    }

    fn all_user(&self) -> i128 {
        self.tasks.values().map(|task| i128::from(task.user_ps)).sum()
    }
}

/// A quantile in seconds. Values are kept to three digits, each as the largest of those that they do not tell apart;
/// the largest of all is known as it is, and nothing is above it.
fn at_most(times: &Histogram, quantile: f64, max_ps: u64) -> f64 {
    (times.value_at_quantile(quantile) as f64 * 1e-9).min(max_ps as f64 * 1e-12)
}
