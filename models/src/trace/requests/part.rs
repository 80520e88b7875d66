//! What the latency of a request consists of.

use sim_core::SimDuration;

/// What a request's time goes to at a moment; each moment belongs to one part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RequestPart {
    /// It has arrived and not begun: all tasks that serve are busy, or the one that was woken does not run yet.
    Queue,
    /// The program of its task runs, in user mode or in a system call.
    Cpu,
    /// The guest's kernel has the vCPU while its task is the current one: interrupts, handlers,
    /// switches.
    Kernel,
    /// The thread of the vCPU works in the host while its task is the current one.
    Host,
    /// Its task is runnable, and the vCPU runs others.
    RunQueue,
    /// It waits for a page of its own: its task sleeps, or keeps the vCPU stalled or halted.
    Device,
    /// Its task is runnable, and the vCPU is stalled in a fetch for another task.
    Stall,
    /// Its task is runnable, and the host has halted the vCPU for the page of another task.
    Halt,
    /// The thread of its vCPU waits in direct reclaim, or sleeps for memory beyond `memory.high`.
    Reclaim,
    /// Its task sleeps for another one (a lock, a barrier, a signal), or the thread of its vCPU waits for the
    /// lock of the VMM's memory map or of the second-stage tables.
    Lock,
    /// The thread of its vCPU waits for a physical processor.
    Steal,
    /// Its task sleeps because the program says so.
    Sleep,
}

impl RequestPart {
    /// Every part.
    pub const ALL: [Self; 12] = [
        Self::Queue,
        Self::Cpu,
        Self::Kernel,
        Self::Host,
        Self::RunQueue,
        Self::Device,
        Self::Stall,
        Self::Halt,
        Self::Reclaim,
        Self::Lock,
        Self::Steal,
        Self::Sleep,
    ];

    /// What it is called in tables and files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Queue => "waiting for a free server",
            Self::Cpu => "own processor time",
            Self::Kernel => "guest kernel",
            Self::Host => "host",
            Self::RunQueue => "guest run queue",
            Self::Device => "own pages (device)",
            Self::Stall => "vCPU stalled for others",
            Self::Halt => "vCPU halted for others",
            Self::Reclaim => "reclaim",
            Self::Lock => "locks",
            Self::Steal => "waiting for a processor",
            Self::Sleep => "sleep",
        }
    }
}

/// The times of all parts, in picoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RequestParts([u64; RequestPart::ALL.len()]);

impl RequestParts {
    /// These times, and nothing else.
    pub fn of(times: &[(RequestPart, SimDuration)]) -> Self {
        let mut parts = Self::default();
        times.iter().for_each(|(part, span)| parts.add(*part, span.as_ps()));
        parts
    }

    /// The time of one part.
    pub fn get(&self, part: RequestPart) -> SimDuration {
        SimDuration::from_ps(self.0[part as usize])
    }

    /// All parts with their times, those without any too.
    pub fn iter(&self) -> impl Iterator<Item = (RequestPart, SimDuration)> + '_ {
        RequestPart::ALL.into_iter().map(|part| (part, self.get(part)))
    }

    /// All parts together.
    pub fn total(&self) -> SimDuration {
        SimDuration::from_ps(self.0.iter().sum())
    }

    pub(super) fn add(&mut self, part: RequestPart, ps: u64) {
        self.0[part as usize] += ps;
    }

    /// So much of what was taken for the program's time was the kernel's.
    pub(super) fn move_to_kernel(&mut self, ps: u64) {
        self.0[RequestPart::Cpu as usize] -= ps;
        self.add(RequestPart::Kernel, ps);
    }

    pub(super) fn merge(&mut self, other: &Self) {
        for (own, more) in self.0.iter_mut().zip(other.0) {
            *own += more;
        }
    }
}
