//! What the latency of a fault consists of.

use sim_core::{SimDuration, SimTime};

use super::faults::FaultSeen;
use super::lane::Lane;
use super::lanes::{ItemState, Lanes, TaskActivity, VcpuState};
use super::vmm::VmmState;

/// What a fault waits for at a moment. Whatever brings the page goes before what the task or the
/// vCPU does meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// The vCPU thread handles the fault in the host.
    Host,
    /// The work is queued and no worker has begun it.
    WorkerWait,
    /// The worker works: reclaim, preparing the read, publishing.
    Worker,
    /// A thread that fetches sleeps: for the read, or for room in memory.
    Device,
    /// The VMM that has the page was asked for it, and none of its threads has read that yet.
    Message,
    /// A thread of the VMM has read that, and does not install the page yet: it waits for the contents, for the
    /// configured latency of its store, or serves others.
    Contents,
    /// A thread of the VMM installs the page, and who waited for it wakes up.
    Install,
    /// The thread on which it depends waits for a physical processor.
    Processor,
    /// The page is there, and the task has not been told.
    Delivery,
    /// The task is runnable, and others run.
    Turn,
    /// The guest works on the task's behalf: handlers, the switch, the access again.
    Guest,
}

impl Part {
    /// Every part, in the order in which a fault goes through them.
    pub const ALL: [Self; 11] = [
        Self::Host,
        Self::WorkerWait,
        Self::Worker,
        Self::Device,
        Self::Message,
        Self::Contents,
        Self::Install,
        Self::Processor,
        Self::Delivery,
        Self::Turn,
        Self::Guest,
    ];

    /// What it is called in tables and captions.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Host => "host fault handling",
            Self::WorkerWait => "waiting for the worker",
            Self::Worker => "the worker's work",
            Self::Device => "waiting for the device",
            Self::Message => "waiting for the VMM",
            Self::Contents => "the VMM gets the contents",
            Self::Install => "the VMM installs the page",
            Self::Processor => "waiting for a processor",
            Self::Delivery => "waiting for delivery",
            Self::Turn => "waiting for its turn",
            Self::Guest => "guest handlers and retry",
        }
    }
}

/// The spans of all parts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Parts([SimDuration; Part::ALL.len()]);

impl Parts {
    /// The time of one part.
    pub fn get(&self, part: Part) -> SimDuration {
        self.0[part as usize]
    }

    /// The parts that took time, in order.
    pub fn iter(&self) -> impl Iterator<Item = (Part, SimDuration)> + '_ {
        Part::ALL.into_iter().map(|part| (part, self.get(part))).filter(|(_, span)| !span.is_zero())
    }

    /// All parts together: the latency.
    pub fn total(&self) -> SimDuration {
        SimDuration::from_ps(self.0.iter().map(|span| span.as_ps()).sum())
    }
}

/// What the fault waits for when, from its begin to its end without a gap: each moment belongs to one part.
pub(super) fn chain(fault: &FaultSeen, lanes: &Lanes) -> Lane<Part> {
    let mut cuts: Vec<SimTime> = lanes.boundaries().collect();
    cuts.extend([fault.begin, fault.end]);
    cuts.retain(|&cut| cut >= fault.begin && cut <= fault.end);
    cuts.sort_unstable();
    cuts.dedup();
    let mut chain = Lane::default();
    for pair in cuts.windows(2) {
        chain.push(pair[0], pair[1], part_at(lanes, pair[0]));
    }
    chain
}

/// The times of the parts of a chain.
pub(super) fn parts(chain: &Lane<Part>) -> Parts {
    let mut parts = Parts::default();
    for &(from, to, part) in &chain.spans {
        let span = &mut parts.0[part as usize];
        *span = SimDuration::from_ps(span.as_ps() + to.since(from).as_ps());
    }
    parts
}

fn part_at(lanes: &Lanes, at: SimTime) -> Part {
    let of_vmm = lanes.vmm.at(at).map(|state| match state {
        VmmState::Asked => Part::Message,
        VmmState::Reads => Part::Contents,
        VmmState::Installs => Part::Install,
    });
    match lanes.item.at(at) {
        Some(ItemState::Queued) => return of_vmm.unwrap_or(Part::WorkerWait),
        Some(ItemState::Worked) => return Part::Worker,
        Some(ItemState::Asleep | ItemState::Elsewhere) => return of_vmm.unwrap_or(Part::Device),
        Some(ItemState::Waiting) => return of_vmm.unwrap_or(Part::Processor),
        Some(ItemState::Completed) => return Part::Delivery,
        None => {}
    }
    match (lanes.task.at(at), lanes.vcpu.at(at)) {
        (Some(TaskActivity::WaitsForPage), _) => Part::Delivery,
        (Some(TaskActivity::WaitsForTurn), _) => Part::Turn,
        (_, Some(VcpuState::Stalled)) => of_vmm.unwrap_or(Part::Device),
        (_, Some(VcpuState::Halted | VcpuState::Idle)) => Part::Delivery,
        (_, Some(VcpuState::Waiting)) => Part::Processor,
        (_, Some(VcpuState::Host)) => Part::Host,
        (_, Some(VcpuState::Guest) | None) => Part::Guest,
    }
}
