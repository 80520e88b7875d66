//! From records to windows.

use sim_core::{SimDuration, SimTime};

use super::values::{Level, SeriesValues, WINDOWS, Window};
use crate::base::ids::{TaskId, Token};
use crate::base::record::{Event, Phase, Record, TaskRole};
use crate::trace::metrics::clock::{State, VcpuClocks};

/// A number of things that changes over time.
#[derive(Clone, Debug, Default)]
struct Gauge {
    value: u32,
    since: SimTime,
    level: Level,
}

impl Gauge {
    fn settle(&mut self, now: SimTime) {
        let span = now.saturating_since(self.since).as_ps();
        self.since = now;
        let area = u64::from(self.value).saturating_mul(span);
        self.level.sum_ps = self.level.sum_ps.saturating_add(area);
    }

    fn rise(&mut self, now: SimTime) {
        self.settle(now);
        self.value += 1;
        self.level.max = self.level.max.max(self.value);
    }

    fn fall(&mut self, now: SimTime) {
        self.settle(now);
        self.value = self.value.saturating_sub(1);
    }

    /// Ends a window and begins the next.
    fn cut(&mut self, at: SimTime) -> Level {
        self.settle(at);
        std::mem::replace(&mut self.level, Level { sum_ps: 0, max: self.value })
    }
}

/// What is followed of a task.
#[derive(Clone, Copy, Debug, Default)]
struct Task {
    counts: bool,
    /// Its last reported stretch of user mode: when it ended, and how long it was.
    ended: SimTime,
    span: SimDuration,
}

/// What of a run is followed over time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Follow {
    /// Nothing.
    #[default]
    Nothing,
    /// Work and major faults, which costs next to nothing: of windows all else is zero.
    Counts,
    /// All that windows have.
    Everything,
}

/// Computes the windows of a run from its records.
#[derive(Clone, Debug)]
pub struct Series {
    /// Whether times and levels are followed beside the counts.
    levels: bool,
    clocks: VcpuClocks,
    tasks: Vec<Task>,
    outstanding: Gauge,
    workers: Gauge,
    in_flight: Gauge,
    /// Length of the measured phase.
    span: SimDuration,
    measured: Option<SimTime>,
    ended: bool,
    /// The window under way, and its end.
    open: u32,
    next: SimTime,
    windows: Vec<Window>,
}

impl Series {
    /// The series of a run with `vcpus` virtual processors, at its start. The run's measured
    /// phase will last for `span`.
    pub fn new(vcpus: u16, span: SimDuration) -> Self {
        Self {
            levels: true,
            clocks: VcpuClocks::new(vcpus),
            tasks: Vec::new(),
            outstanding: Gauge::default(),
            workers: Gauge::default(),
            in_flight: Gauge::default(),
            span,
            measured: None,
            ended: false,
            open: 0,
            next: SimTime::from_ps(u64::MAX),
            windows: vec![Window::default(); WINDOWS as usize],
        }
    }

    /// The same of work and major faults alone.
    #[must_use]
    pub fn of_counts(self) -> Self {
        Self { levels: false, ..self }
    }

    /// Changes the length of a measured phase that has not begun.
    pub fn set_span(&mut self, span: SimDuration) {
        if self.measured.is_none() {
            self.span = span;
        }
    }

    /// Takes in the next records.
    pub fn observe(&mut self, records: &[Record]) {
        for record in records {
            if self.ended {
                return;
            }
            if record.time >= self.next {
                self.close_until(record.time);
            }
            self.step(record.time, record.event);
        }
    }

    fn step(&mut self, now: SimTime, event: Event) {
        match event {
            Event::PhaseBegin { phase: Phase::Measure } => self.begin(now),
            Event::PhaseBegin { phase: Phase::End } => self.ended = true,
            Event::TaskNew { task, role, .. } => self.task(task).counts = role == TaskRole::Worker,
            Event::TaskRun { task, span, .. } => {
                let task = self.task(task);
                (task.ended, task.span) = (now, span);
            }
            Event::TaskWork { task, units } => self.work(now, task, units),
            Event::MajorFaultBegin { .. } if self.measured.is_some() => {
                // What happens at the very end belongs to the last window.
                self.windows[self.open.min(WINDOWS - 1) as usize].major_faults += 1;
            }
            _ if !self.levels => {}
            Event::KvmEntry { .. }
            | Event::KvmExit { .. }
            | Event::VcpuBlock { .. }
            | Event::VcpuUnblock { .. }
            | Event::HostSchedSwitch { .. } => self.clocks.observe(now, event),
            Event::ItemLink { .. } => self.outstanding.rise(now),
            Event::ItemUnlink { token, .. } if token != Token::WAKE_ALL => {
                self.outstanding.fall(now);
            }
            Event::WorkqueueExecuteStart { .. } => self.workers.rise(now),
            Event::WorkqueueExecuteEnd { .. } => self.workers.fall(now),
            Event::BlockRqIssue { .. } => self.in_flight.rise(now),
            Event::BlockRqComplete { .. } => self.in_flight.fall(now),
            _ => {}
        }
    }

    fn task(&mut self, task: TaskId) -> &mut Task {
        let needed = task.index() + 1;
        if self.tasks.len() < needed {
            self.tasks.resize(needed, Task::default());
        }
        &mut self.tasks[task.index()]
    }

    fn begin(&mut self, now: SimTime) {
        self.measured = Some(now);
        self.clocks.restart(now);
        for gauge in [&mut self.outstanding, &mut self.workers, &mut self.in_flight] {
            gauge.cut(now);
        }
        self.next = self.boundary(now, 1);
    }

    /// Where window `index` begins, of a phase that begins at `start`.
    fn boundary(&self, start: SimTime, index: u32) -> SimTime {
        let ps = u128::from(self.span.as_ps()) * u128::from(index) / u128::from(WINDOWS);
        // Below the length of the phase, so it fits.
        SimTime::from_ps(start.as_ps().saturating_add(ps as u64))
    }

    /// The window in which a moment of the phase lies; the last one for its end.
    fn window_at(&self, start: SimTime, at: SimTime) -> u32 {
        let offset = u128::from(at.saturating_since(start).as_ps());
        let rough = offset * u128::from(WINDOWS) / u128::from(self.span.as_ps().max(1));
        let mut index = rough.min(u128::from(WINDOWS - 1)) as u32;
        // Boundaries are rounded down.
        while index + 1 < WINDOWS && self.boundary(start, index + 1) <= at {
            index += 1;
        }
        index
    }

    /// Counted work, done during the stretch that was reported with it.
    fn work(&mut self, now: SimTime, task: TaskId, units: u64) {
        let Task { counts, ended, span } = *self.task(task);
        let Some(start) = self.measured.filter(|_| counts) else { return };
        let span = if ended == now { span.as_ps() } else { 0 };
        let from = now.as_ps().saturating_sub(span).max(start.as_ps());
        let length = u128::from(now.as_ps() - from);
        let mut index = self.window_at(start, SimTime::from_ps(from));
        let mut given = 0;
        loop {
            let last = index + 1 == WINDOWS;
            let upto = if last { now } else { self.boundary(start, index + 1).min(now) };
            let over = u128::from(upto.as_ps() - from);
            let share = match u128::from(units) * over {
                _ if upto == now => units,
                // Smaller than `units`, being a part of them.
                product => (product / length) as u64,
            };
            self.windows[index as usize].work += share - given;
            given = share;
            if upto == now {
                return;
            }
            index += 1;
        }
    }

    /// Closes the windows that end by `now`.
    fn close_until(&mut self, now: SimTime) {
        let Some(start) = self.measured else { return };
        while self.open < WINDOWS && self.boundary(start, self.open + 1) <= now {
            self.close(self.boundary(start, self.open + 1));
        }
        self.next = match self.open {
            WINDOWS => SimTime::from_ps(u64::MAX),
            open => self.boundary(start, open + 1),
        };
    }

    fn close(&mut self, at: SimTime) {
        if !self.levels {
            self.open += 1;
            return;
        }
        let spent = self.clocks.spent(at);
        self.clocks.restart(at);
        let sum = |states: &[State]| -> u64 {
            let ps: u128 = states.iter().map(|&state| spent[state as usize]).sum();
            u64::try_from(ps).unwrap_or(u64::MAX)
        };
        let window = &mut self.windows[self.open as usize];
        window.running_ps = sum(&[State::Guest, State::Host, State::SpinLock]);
        window.stalled_ps = sum(&[State::Fetch, State::MapLock, State::Reclaim, State::High]);
        window.halted_ps = sum(&[State::ApfHalt]);
        window.idle_ps = sum(&[State::Hlt]);
        window.waiting_ps = sum(&[State::Steal]);
        window.outstanding = self.outstanding.cut(at);
        window.workers = self.workers.cut(at);
        window.in_flight = self.in_flight.cut(at);
        self.open += 1;
    }

    /// The windows of a run that ends at `end`; none without a measured phase. A window that the
    /// end cuts short is as long as the others and empty from there on. Observing may go on.
    pub fn finish(&self, end: SimTime) -> SeriesValues {
        let mut settled = self.clone();
        let Some(start) = settled.measured else { return SeriesValues::default() };
        settled.close_until(end);
        if settled.open < WINDOWS && settled.boundary(start, settled.open) < end {
            settled.close(end);
        }
        settled.windows.truncate(settled.open as usize);
        SeriesValues { span_ps: settled.span.as_ps(), windows: settled.windows }
    }
}
