//! From counters to the list of metrics.

use sim_core::{SimDuration, SimTime};

use super::clock::{STATES, State};
use super::collector::{Metrics, Task};
use super::values::{MetricValues, TaskMetrics};
use crate::base::ids::TaskId;
use crate::base::record::TaskRole;

impl Metrics {
    /// The metrics of a run that ends at `end`, unless its end was recorded. Says what they would
    /// be if the run ended here; observing may go on.
    pub fn finish(&self, end: SimTime) -> MetricValues {
        let end = self.ended.unwrap_or(end);
        let mut settled = self.clone();
        settled.settle_device(end);
        settled.collect(end)
    }

    /// The metrics of a run that ends at `end`, up to which everything is settled.
    fn collect(&self, end: SimTime) -> MetricValues {
        let mut values = MetricValues {
            per_task: self.per_task(),
            fault_latency: self.latency.clone(),
            ..MetricValues::default()
        };
        let counts = &self.counts;
        let spent = self.spent(end);
        let seconds = |state: State| spent[state as usize] as f64 * 1e-12;
        let work = self.tasks.values().filter(|task| task.role == TaskRole::Worker);
        let work: u64 = work.map(|task| task.work).sum();
        let major = counts.async_faults + counts.repeated_faults + counts.sync_faults;

        let out = &mut values;
        out.push("work_total", work as f64, "units");
        count(out, "major_faults", major);
        count(out, "async_faults", counts.async_faults);
        count(out, "repeated_faults", counts.repeated_faults);
        count(out, "sync_faults", counts.sync_faults);
        count(out, "minor_faults", counts.page_faults.saturating_sub(counts.io_page_faults));
        count(out, "doublefaults", counts.doublefaults);
        out.push("sync_stall_time", seconds(State::Fetch) + seconds(State::Reclaim), "s");
        out.push("halted_time", seconds(State::ApfHalt), "s");
        out.push("idle_time", seconds(State::Hlt), "s");
        self.push_lost_time(out, &spent, major);
        count(out, "not_present_injected", counts.not_present_injected);
        count(out, "page_ready_delivered", counts.page_ready_delivered);
        self.push_latency(out);
        count(out, "worker_threads_peak", counts.workers_peak);
        count(out, "outstanding_peak", counts.outstanding_peak);
        self.push_shares(out, end, &spent);
        out.push("swap_reads_pages", counts.swap_read_pages as f64, "pages");
        out.push("swap_writes_pages", counts.swap_write_pages as f64, "pages");
        count(out, "swap_read_requests", counts.swap_read_requests);
        count(out, "swap_write_requests", counts.swap_write_requests);
        self.push_device(out, end);
        out.push("reclaim_scanned", counts.reclaim_scanned as f64, "pages");
        count(out, "ept_unmaps", counts.ept_unmaps);
        count(out, "area_writes", counts.area_writes);
        count(out, "area_translations", counts.area_translations);
        count(out, "exits", counts.exits);
        count(out, "guest_switches", counts.guest_switches);
        count(out, "events", self.events);
        values
    }

    fn per_task(&self) -> Vec<TaskMetrics> {
        let line = |(&task, counted): (&TaskId, &Task)| TaskMetrics {
            task,
            role: counted.role,
            user_time: SimDuration::from_ps(counted.user_ps),
            work: counted.work,
            major_faults: counted.major_faults,
        };
        self.tasks.iter().map(line).collect()
    }

    /// Time by state, over all vCPUs; nothing without a measured phase.
    fn spent(&self, end: SimTime) -> [u128; STATES] {
        self.measured.map_or([0; STATES], |_| self.clocks.spent(end))
    }

    /// Time of the vCPUs that was neither user time of a task nor idle in the guest, by major
    /// fault: what a fault takes from everybody else. Ticks and switches that happen anyway are in
    /// it. Nothing without a major fault.
    fn push_lost_time(&self, out: &mut MetricValues, spent: &[u128; STATES], major: u64) {
        let total: u128 = spent.iter().sum();
        if major == 0 || total == 0 {
            return;
        }
        let user: i128 = self.tasks.values().map(|task| i128::from(task.user_ps)).sum();
        let lost = total as i128 - user - spent[State::Hlt as usize] as i128;
        out.push("lost_time_per_fault", lost as f64 * 1e-12 / major as f64, "s");
    }

    fn push_latency(&self, out: &mut MetricValues) {
        let n = self.latency.count();
        if n == 0 {
            return;
        }
        let mean = self.counts.latency_sum_ps as f64 / n as f64 * 1e-12;
        out.push("fault_latency_mean", mean, "s");
        for (name, quantile) in
            [("fault_latency_p50", 0.5), ("fault_latency_p90", 0.9), ("fault_latency_p99", 0.99)]
        {
            out.push(name, self.latency.value_at_quantile(quantile) as f64 * 1e-9, "s");
        }
        out.push("fault_latency_max", self.counts.latency_max_ps as f64 * 1e-12, "s");
    }

    /// Shares of the vCPUs' time. User time by role, kernel, stalled, halted, idle and steal sum
    /// to one; kernel is the sum of its two parts.
    fn push_shares(&self, out: &mut MetricValues, end: SimTime, spent: &[u128; STATES]) {
        let total: u128 = spent.iter().sum();
        if self.measured.is_none_or(|start| start >= end) || total == 0 {
            return;
        }
        let share = |ps: i128| ps as f64 / total as f64;
        let in_state = |state: State| spent[state as usize] as i128;
        let user = |role: TaskRole| -> i128 {
            let of_role = self.tasks.values().filter(|task| task.role == role);
            of_role.map(|task| i128::from(task.user_ps)).sum()
        };
        let all_user: i128 = self.tasks.values().map(|task| i128::from(task.user_ps)).sum();
        let guest_kernel = in_state(State::Guest) - all_user;
        let host = in_state(State::Host);
        let stalled = in_state(State::Fetch) + in_state(State::Reclaim);
        for (name, ps) in [
            ("cpu_share_workers", user(TaskRole::Worker)),
            ("cpu_share_faulters", user(TaskRole::Faulter)),
            ("cpu_share_main", user(TaskRole::Main)),
            ("cpu_share_kernel", guest_kernel + host),
            ("cpu_share_guest_kernel", guest_kernel),
            ("cpu_share_host", host),
            ("cpu_share_stalled", stalled),
            ("cpu_share_halted", in_state(State::ApfHalt)),
            ("cpu_share_idle", in_state(State::Hlt)),
            ("cpu_share_steal", in_state(State::Steal)),
        ] {
            out.push(name, share(ps), "1");
        }
    }

    fn push_device(&self, out: &mut MetricValues, end: SimTime) {
        let Some(start) = self.measured.filter(|&start| start < end) else { return };
        let span = end.since(start).as_ps() as f64;
        out.push("device_busy", self.counts.device_busy_ps as f64 / span, "1");
        out.push("device_in_flight_mean", self.counts.in_flight_ps as f64 / span, "1");
    }
}

fn count(out: &mut MetricValues, name: &'static str, n: u64) {
    out.push(name, n as f64, "1");
}
