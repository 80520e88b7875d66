//! What happens to a fault, step by step.

use sim_core::SimTime;

use super::device::Requests;
use super::faults::FaultSeen;
use super::works;
use crate::apf::item::VMM;
use crate::base::abi::CALLBACK;
use crate::base::ids::{ItemId, TaskId, ThreadId, Token, VcpuId, WorkerId};
use crate::base::record::{BlockReason, Event, Record};

/// Who does a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Actor {
    /// The vCPU thread in the host.
    Vcpu(VcpuId),
    /// The guest on a vCPU.
    Guest(VcpuId),
    /// A worker.
    Worker(WorkerId),
    /// A thread of the VMM that answers page faults, by its number behind those of the vCPUs.
    Handler(u32),
    /// The swap device.
    Device,
}

/// A step: a record that concerns the fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// When.
    pub time: SimTime,
    /// Who.
    pub actor: Actor,
    /// What.
    pub event: Event,
}

/// What has to be known to tell which records concern the fault.
struct Selector<'a> {
    fault: &'a FaultSeen,
    first_worker: u32,
    requests: &'a Requests,
    vcpu: VcpuId,
    current: Option<TaskId>,
    item: Option<ItemId>,
    worker: Option<WorkerId>,
    token: Option<Token>,
    /// Page ready of the item waits for its injection.
    ready: bool,
    /// The next entry is the task's return to the guest.
    returns: bool,
    steps: Vec<Step>,
}

pub(super) fn steps(
    vcpus: u16,
    fault: &FaultSeen,
    requests: &Requests,
    records: &[Record],
) -> Vec<Step> {
    let mut selector = Selector {
        fault,
        first_worker: u32::from(vcpus),
        requests,
        vcpu: fault.vcpu,
        current: Some(fault.task),
        item: None,
        worker: None,
        token: None,
        ready: false,
        returns: false,
        steps: Vec::new(),
    };
    let own = works::queued_for(fault, records);
    for (at, &Record { time, event }) in records.iter().enumerate() {
        if time < fault.begin || time > fault.end {
            continue;
        }
        match event {
            Event::WorkqueueQueueWork { item } if own.contains(&at) => selector.queued(time, item),
            _ => selector.step(time, event),
        }
        // An access that goes on to fault on another page ends one fault and begins the next at once.
        if matches!(event, Event::MajorFaultEnd { task, gfn, .. } if (task, gfn) == (fault.task, fault.gfn))
        {
            break;
        }
    }
    selector.steps
}

impl Selector<'_> {
    fn push(&mut self, time: SimTime, actor: Actor, event: Event) {
        self.steps.push(Step { time, actor, event });
    }

    fn is_here(&self, vcpu: VcpuId) -> bool {
        vcpu == self.vcpu
    }

    /// The task has its vCPU: what happens to that happens to the task.
    fn is_current(&self, vcpu: VcpuId) -> bool {
        self.is_here(vcpu) && self.fault.is_own(self.current)
    }

    fn step(&mut self, now: SimTime, event: Event) {
        match event {
            Event::KvmExit { vcpu, reason } if reason.is_fault() && self.is_current(vcpu) => {
                self.returns = true;
                self.push(now, Actor::Vcpu(vcpu), event);
            }
            Event::KvmEntry { vcpu } if self.is_current(vcpu) && self.returns => {
                self.returns = false;
                self.push(now, Actor::Vcpu(vcpu), event);
            }
            Event::VcpuBlock { vcpu, reason } | Event::VcpuUnblock { vcpu, reason }
                if self.is_current(vcpu) && reason != BlockReason::Hlt =>
            {
                self.returns = true;
                self.push(now, Actor::Vcpu(vcpu), event);
            }
            Event::MajorFaultBegin { vcpu, task, .. } if task == self.fault.task => {
                self.push(now, Actor::Vcpu(vcpu), event);
            }
            Event::KvmTryAsyncGetPage { vcpu, gfn, .. }
            | Event::KvmAsyncPfDoublefault { vcpu, gfn, .. }
            | Event::EptMap { vcpu, gfn, .. }
            | Event::KvmUserspaceExit { vcpu, gfn, .. }
            | Event::KvmAsyncPfExitlessNotify { vcpu, gfn }
            | Event::ApfHalt { vcpu, gfn }
                if self.is_here(vcpu) && gfn == self.fault.gfn =>
            {
                self.push(now, Actor::Vcpu(vcpu), event);
            }
            Event::ApfUnhalt { vcpu } | Event::VmmSignal { vcpu } if self.is_current(vcpu) => {
                self.push(now, Actor::Vcpu(vcpu), event);
            }
            Event::BlockRqIssue { request, .. }
                if self.is_own_request(now, |r| (r.id == request, r.issued)) =>
            {
                self.push(now, Actor::Device, event);
            }
            Event::BlockRqComplete { request }
                if self.is_own_request(now, |r| (r.id == request, r.completed)) =>
            {
                self.push(now, Actor::Device, event);
            }
            Event::UffdLookup { thread, page }
            | Event::UffdMessage { thread, page }
            | Event::UffdRead { thread, page }
            | Event::UffdCopy { thread, page }
            | Event::UffdPoisoned { thread, page }
            | Event::UffdAgain { thread, page }
            | Event::UffdCopied { thread, page, .. }
            | Event::UffdWpMessage { thread, page }
            | Event::UffdWpRead { thread, page }
            | Event::UffdSave { thread, page }
            | Event::UffdLift { thread, page }
                if page.gfn() == self.fault.gfn =>
            {
                self.of_vmm(now, thread, event);
            }
            Event::VmmAnswer { thread, vcpu, gfn }
                if self.is_here(vcpu) && gfn == self.fault.gfn =>
            {
                self.of_vmm(now, thread, event);
            }
            Event::MemcgReclaimBegin { thread } | Event::MemcgReclaimEnd { thread, .. } => {
                self.reclaim(now, thread, event);
            }
            Event::GuestSchedSwitch { .. }
            | Event::GuestMigrateTask { .. }
            | Event::ApfWait { .. }
            | Event::ApfWake { .. }
            | Event::MajorFaultEnd { .. } => self.guest_step(now, event),
            _ => self.item_step(now, event),
        }
    }

    fn is_own_request(
        &self,
        now: SimTime,
        is: impl Fn(&super::device::Request) -> (bool, Option<SimTime>),
    ) -> bool {
        self.requests.own().any(|request| is(request) == (true, Some(now)))
    }

    /// A thread asks the VMM for the page, or the VMM brings it.
    fn of_vmm(&mut self, now: SimTime, thread: ThreadId, event: Event) {
        let behind = thread.0.checked_sub(self.first_worker);
        let asks = matches!(event, Event::UffdMessage { .. } | Event::UffdWpMessage { .. });
        let actor = match behind {
            None => Actor::Vcpu(VcpuId(thread.0 as u16)),
            Some(number) if asks => Actor::Worker(WorkerId(number)),
            Some(number) => Actor::Handler(number),
        };
        self.push(now, actor, event);
    }

    fn reclaim(&mut self, now: SimTime, thread: ThreadId, event: Event) {
        let worker = thread.0.checked_sub(self.first_worker).map(WorkerId);
        let on_vcpu = thread.index() == self.vcpu.index() && self.fault.is_own(self.current);
        match worker {
            Some(worker) if self.worker == Some(worker) => {
                self.push(now, Actor::Worker(worker), event);
            }
            None if on_vcpu => self.push(now, Actor::Vcpu(self.vcpu), event),
            _ => {}
        }
    }

    fn guest_step(&mut self, now: SimTime, event: Event) {
        match event {
            Event::GuestSchedSwitch { vcpu, prev, next } if self.is_here(vcpu) => {
                self.current = next;
                if self.fault.is_own(prev) || self.fault.is_own(next) {
                    self.push(now, Actor::Guest(vcpu), event);
                }
            }
            Event::GuestMigrateTask { task, to, .. } if task == self.fault.task => {
                (self.vcpu, self.current) = (to, None);
                self.push(now, Actor::Guest(to), event);
            }
            Event::ApfWait { vcpu, task, .. } | Event::ApfWake { vcpu, task, .. }
                if task == self.fault.task =>
            {
                self.push(now, Actor::Guest(vcpu), event);
            }
            Event::MajorFaultEnd { vcpu, task, gfn }
                if (task, gfn) == (self.fault.task, self.fault.gfn) =>
            {
                self.push(now, Actor::Guest(vcpu), event);
            }
            _ => {}
        }
    }

    /// Work for the page is queued.
    fn queued(&mut self, now: SimTime, item: ItemId) {
        self.item = Some(item);
        self.push(now, Actor::Vcpu(self.vcpu), Event::WorkqueueQueueWork { item });
    }

    fn item_step(&mut self, now: SimTime, event: Event) {
        match event {
            Event::ItemLink { vcpu, token, gfn } if self.is_here(vcpu) && gfn == self.fault.gfn => {
                self.token = Some(token);
            }
            Event::WorkqueueExecuteStart { worker, item } if self.item == Some(item) => {
                self.worker = Some(worker);
                self.push(now, Actor::Worker(worker), event);
            }
            Event::WorkqueueExecuteEnd { worker, item }
                if self.item == Some(item) && self.worker == Some(worker) =>
            {
                (self.item, self.worker) = (None, None);
                self.push(now, Actor::Worker(worker), event);
            }
            // Where the VMM answers, its own step says so.
            Event::KvmAsyncPfCompleted { worker, vcpu, gva, .. }
                if worker != VMM && self.is_here(vcpu) && gva.0 == self.fault.gfn.gpa().0 =>
            {
                self.push(now, Actor::Worker(worker), event);
            }
            Event::KvmAsyncPfReady { vcpu, token, gva }
                if self.is_here(vcpu) && gva.0 == self.fault.gfn.gpa().0 =>
            {
                self.token = Some(token);
                self.push(now, Actor::Vcpu(vcpu), event);
            }
            Event::NotPresentQueued { vcpu, token, .. }
            | Event::PageReadyQueued { vcpu, token }
                if self.token == Some(token) =>
            {
                self.ready = matches!(event, Event::PageReadyQueued { .. });
                self.push(now, Actor::Vcpu(vcpu), event);
            }
            Event::KvmInjException { vcpu, cr2, .. }
                if self.is_here(vcpu)
                    && self.token.is_some_and(|token| u64::from(token.0) == cr2) =>
            {
                (self.returns, self.ready) = (false, false);
                self.push(now, Actor::Vcpu(vcpu), event);
            }
            Event::KvmInjVirq { vcpu, vector: CALLBACK } if self.is_here(vcpu) && self.ready => {
                self.ready = false;
                self.push(now, Actor::Vcpu(vcpu), event);
            }
            _ => {}
        }
    }
}
