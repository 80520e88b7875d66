//! What happened when: counts by window of time, and distributions of times, by vCPU.
//!
//! Windows grow with the log, and vCPUs beyond the first few are counted together, so that memory
//! is bounded.

use sim_core::Histogram;

/// The most windows.
const WINDOWS: usize = 240;
/// The length of a window at the beginning of a log, in nanoseconds.
const SHORTEST: u64 = 10_000;
/// vCPUs with rows of their own; one more row is for all others.
pub const MAX_ROWS: usize = 64;

/// Distributions of times, in nanoseconds.
#[derive(Clone, Debug, Default)]
pub struct Latencies {
    /// From the exit for a second-stage fault to the try.
    pub exit_to_try: Histogram,
    /// From not present to the injection of its exception.
    pub not_present_to_exception: Histogram,
    /// From not present to completed.
    pub not_present_to_completed: Histogram,
    /// From completed to page ready.
    pub completed_to_ready: Histogram,
    /// From page ready to its acknowledgement.
    pub ready_to_ack: Histogram,
    /// From the try to page ready, of requests that the guest was told of.
    pub told: Histogram,
    /// From the try to page ready, of requests for which the vCPU was halted.
    pub halted: Histogram,
}

impl Latencies {
    /// Each with its name.
    pub fn named(&self) -> [(&'static str, &Histogram); 7] {
        [
            ("exit to try", &self.exit_to_try),
            ("not present to exception", &self.not_present_to_exception),
            ("not present to completed", &self.not_present_to_completed),
            ("completed to ready", &self.completed_to_ready),
            ("ready to acknowledged", &self.ready_to_ack),
            ("whole request, told", &self.told),
            ("whole request, halted", &self.halted),
        ]
    }

    fn merge(&mut self, other: &Self) {
        self.exit_to_try.merge(&other.exit_to_try);
        self.not_present_to_exception.merge(&other.not_present_to_exception);
        self.not_present_to_completed.merge(&other.not_present_to_completed);
        self.completed_to_ready.merge(&other.completed_to_ready);
        self.ready_to_ack.merge(&other.ready_to_ack);
        self.told.merge(&other.told);
        self.halted.merge(&other.halted);
    }
}

/// What is counted in a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counted {
    /// A request that the guest was told of, at its exception.
    Told,
    /// A request that it was not told of, when that is known.
    Halted,
    /// A fault served in the vCPU thread, at its try.
    Sync,
    /// A repeated fault.
    Repeated,
    /// A page ready.
    Ready,
}

/// What one vCPU did in a window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CourseWindow {
    /// Requests that the guest was told of.
    pub told: u32,
    /// Requests for which it was halted.
    pub halted: u32,
    /// Faults served in the vCPU thread, at the cap or for another reason.
    pub sync: u32,
    /// Repeated faults.
    pub repeated: u32,
    /// Page readies, wake-alls not among them.
    pub ready: u32,
    /// The largest number of outstanding requests.
    pub most: u32,
}

impl CourseWindow {
    const fn quiet(outstanding: u32) -> Self {
        Self { told: 0, halted: 0, sync: 0, repeated: 0, ready: 0, most: outstanding }
    }

    /// Both together; the larger of both numbers of outstanding requests.
    #[must_use]
    pub fn join(self, next: Self) -> Self {
        Self {
            told: self.told.saturating_add(next.told),
            halted: self.halted.saturating_add(next.halted),
            sync: self.sync.saturating_add(next.sync),
            repeated: self.repeated.saturating_add(next.repeated),
            ready: self.ready.saturating_add(next.ready),
            most: self.most.max(next.most),
        }
    }
}

/// One vCPU over time, or all that have no row of their own.
#[derive(Clone, Debug, Default)]
pub struct CourseRow {
    /// The windows from the beginning of the log.
    pub windows: Vec<CourseWindow>,
    /// Distributions of its times.
    pub latencies: Latencies,
    outstanding: u32,
}

/// All vCPUs over time.
#[derive(Clone, Debug, Default)]
pub struct Course {
    /// Time of the first window's beginning.
    pub from: u64,
    /// Length of a window in nanoseconds.
    pub width: u64,
    /// All vCPUs together: the largest number of outstanding requests, and sums of the rest.
    pub total: CourseRow,
    /// The first vCPUs in the order of the log. The last row is for all others, if there are any
    /// beyond [`MAX_ROWS`].
    pub rows: Vec<CourseRow>,
}

impl Course {
    /// The log begins.
    pub(super) fn begin(&mut self, ns: u64) {
        if self.width == 0 {
            (self.from, self.width) = (ns, SHORTEST);
        }
    }

    /// Counts something at a time.
    pub(super) fn count(&mut self, vcpu: usize, ns: u64, what: Counted) {
        self.each(vcpu, ns, |window, _| {
            let count = match what {
                Counted::Told => &mut window.told,
                Counted::Halted => &mut window.halted,
                Counted::Sync => &mut window.sync,
                Counted::Repeated => &mut window.repeated,
                Counted::Ready => &mut window.ready,
            };
            *count = count.saturating_add(1);
        });
    }

    /// A request is outstanding from now on, or is not any more.
    pub(super) fn outstanding(&mut self, vcpu: usize, ns: u64, begins: bool) {
        self.each(vcpu, ns, |window, outstanding| {
            *outstanding = if begins { *outstanding + 1 } else { outstanding.saturating_sub(1) };
            window.most = window.most.max(*outstanding);
        });
    }

    /// The times of a vCPU.
    pub(super) fn latencies(&mut self, vcpu: usize) -> &mut Latencies {
        &mut self.row(vcpu).latencies
    }

    /// The log is over.
    pub(super) fn finish(&mut self, ns: u64) {
        if self.width == 0 {
            return;
        }
        let last = self.window(ns);
        self.total.reach(last);
        for row in &mut self.rows {
            row.reach(last);
            self.total.latencies.merge(&row.latencies);
        }
    }

    fn row(&mut self, vcpu: usize) -> &mut CourseRow {
        let at = vcpu.min(MAX_ROWS);
        while self.rows.len() <= at {
            self.rows.push(CourseRow::default());
        }
        &mut self.rows[at]
    }

    fn each(&mut self, vcpu: usize, ns: u64, change: impl Fn(&mut CourseWindow, &mut u32)) {
        self.begin(ns);
        let at = self.window(ns);
        self.row(vcpu).change(at, &change);
        self.total.change(at, &change);
    }

    /// The window of a time. Makes windows longer until it is among them.
    fn window(&mut self, ns: u64) -> usize {
        loop {
            let at = ns.saturating_sub(self.from) / self.width;
            if at < WINDOWS as u64 {
                return at as usize;
            }
            self.width = self.width.saturating_mul(2);
            for row in self.rows.iter_mut().chain([&mut self.total]) {
                row.halve();
            }
        }
    }
}

impl CourseRow {
    fn change(&mut self, at: usize, change: &impl Fn(&mut CourseWindow, &mut u32)) {
        self.reach(at);
        change(&mut self.windows[at], &mut self.outstanding);
    }

    /// Makes windows up to that one; nothing happened in them.
    fn reach(&mut self, at: usize) {
        while self.windows.len() <= at {
            self.windows.push(CourseWindow::quiet(self.outstanding));
        }
    }

    fn halve(&mut self) {
        let joined = self.windows.chunks(2).map(|pair| match *pair {
            [first, second] => first.join(second),
            _ => pair[0],
        });
        self.windows = joined.collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_grow_with_the_log_and_keep_their_sums() {
        let mut course = Course::default();
        for step in 0..10_000_u64 {
            let vcpu = (step % 3) as usize;
            course.count(vcpu, 5_000 + step * 7_919, Counted::Told);
            course.outstanding(vcpu, 5_000 + step * 7_919, step % 6 < 3);
        }
        course.finish(100_000_000);
        assert_eq!((course.from, course.rows.len()), (5_000, 3));
        let length = course.total.windows.len();
        assert!(length > WINDOWS / 2 && length <= WINDOWS, "{length}");
        for row in &course.rows {
            assert_eq!(row.windows.len(), length);
            assert!(row.windows.iter().all(|window| window.most <= 1));
        }
        let told = |row: &CourseRow| row.windows.iter().map(|window| window.told).sum::<u32>();
        assert_eq!(told(&course.total), 10_000);
        assert_eq!(course.rows.iter().map(told).sum::<u32>(), 10_000);
        assert_eq!(course.total.windows.iter().map(|window| window.most).max(), Some(3));
    }

    #[test]
    fn a_quiet_window_has_what_was_outstanding_before() {
        let mut course = Course::default();
        course.outstanding(0, 0, true);
        course.outstanding(0, 10 * SHORTEST, false);
        let most: Vec<u32> = course.rows[0].windows.iter().map(|window| window.most).collect();
        assert_eq!(most, [1; 11]);
        course.finish(12 * SHORTEST);
        assert_eq!(course.total.windows[12].most, 0);
    }

    #[test]
    fn vcpus_beyond_the_first_share_a_row_and_no_time_is_too_late() {
        let mut course = Course::default();
        course.begin(0);
        for vcpu in 0..1000 {
            course.count(vcpu, u64::MAX, Counted::Ready);
            course.latencies(vcpu).told.record(7);
        }
        course.finish(u64::MAX);
        assert_eq!(course.rows.len(), MAX_ROWS + 1);
        assert_eq!(course.rows[MAX_ROWS].latencies.told.count(), 1000 - MAX_ROWS as u64);
        assert_eq!(course.total.latencies.told.count(), 1000);
    }
}
