//! From records to counters, and from these to metrics.

use sim_core::{SimDuration, SimTime};

use super::clock::{self, VcpuClocks};
use super::fairness::{Fairness, Idle, jain};
use super::faults::Faults;
use super::given_back::GivenBack;
use super::kind::MetricKind;
use super::list::METRICS;
use super::lock_waits::LockWaits;
use super::notices::Notices;
use super::reclaim::Reclaims;
use super::requests::{RequestCounts, Requests};
use super::totals::{Counts, Task, Tasks, Totals};
use super::traffic::Traffic;
use super::user_faults::UserFaults;
use super::values::{GroupMetrics, Metric, MetricValues, TaskMetrics, VmMetrics};
use crate::base::ids::{TaskId, VmId};
use crate::base::record::{Event, Phase, Record};
use crate::trace::owners::{Audience, Owners};

/// Computes the metrics of a run from its records.
#[derive(Clone, Debug)]
pub struct Metrics {
    clocks: VcpuClocks,
    tasks: Tasks,
    faults: Faults,
    notices: Notices,
    traffic: Traffic,
    lock_waits: LockWaits,
    user_faults: UserFaults,
    events: u64,
    guest_tables: u64,
    measured: Option<SimTime>,
    ended: Option<SimTime>,
    counts: Counts,
    reclaims: Reclaims,
    given_back: GivenBack,
    requests: Requests,
    /// Those of single virtual machines, where there are several.
    by_vm: Option<ByVm>,
}

impl Metrics {
    /// Metrics of a run with `vcpus` virtual processors, at its start.
    pub fn new(vcpus: u16) -> Self {
        let count = usize::from(vcpus);
        Self {
            clocks: VcpuClocks::new(vcpus),
            tasks: Tasks::default(),
            faults: Faults::new(count),
            notices: Notices::new(count),
            traffic: Traffic::default(),
            lock_waits: LockWaits::default(),
            user_faults: UserFaults::default(),
            events: 0,
            guest_tables: 0,
            measured: None,
            ended: None,
            counts: Counts::default(),
            reclaims: Reclaims::new(count),
            given_back: GivenBack::default(),
            requests: Requests::default(),
            by_vm: None,
        }
    }

    /// Metrics of some of the virtual processors, at the start of a run.
    fn of_vcpus(own: Vec<bool>) -> Self {
        let vcpus = own.len() as u16;
        Self { clocks: VcpuClocks::of_some(own), ..Self::new(vcpus) }
    }

    /// Also those of each virtual machine, where they have names.
    #[must_use]
    pub fn by_vm(mut self, owners: Owners) -> Self {
        self.by_vm = owners.are_named().then(|| ByVm::new(owners));
        self
    }

    /// Takes in the next records.
    pub fn observe(&mut self, records: &[Record]) {
        if let Some(by_vm) = &mut self.by_vm {
            by_vm.observe(records);
        }
        self.events += records.len() as u64;
        for record in records {
            if self.ended.is_some() {
                return;
            }
            self.step(record);
            self.requests.observe(record, &self.clocks, self.measured);
        }
    }

    #[inline]
    fn task(&mut self, task: TaskId) -> &mut Task {
        self.tasks.of(task)
    }

    /// Gives a record to whoever follows its kind.
    #[inline]
    fn step(&mut self, record: &Record) {
        let (now, event) = (record.time, &record.event);
        let measuring = u64::from(self.measured.is_some());
        let counts = &mut self.counts;
        match *event {
            Event::PhaseBegin { phase: Phase::Measure } => self.begin(now),
            Event::PhaseBegin { phase: Phase::End } => self.ended = Some(now),
            Event::TaskNew { task, role, .. } => self.task(task).role = role,
            Event::TaskRun { task, span, .. } => {
                let task = self.task(task);
                task.user_ps = task.user_ps.saturating_add(span.as_ps() * measuring);
            }
            Event::TaskWork { task, units } => {
                let task = self.task(task);
                task.work = task.work.saturating_add(units * measuring);
            }

            Event::KvmEntry { vcpu } => {
                self.notices.entered(vcpu);
                self.clocks.observe(now, *event);
            }
            Event::VcpuBlock { .. } | Event::VcpuUnblock { .. } | Event::HostSchedSwitch { .. } => {
                self.clocks.observe(now, *event);
            }
            Event::KvmExit { .. } => {
                counts.exits += measuring;
                self.clocks.observe(now, *event);
            }

            Event::ShadowFault { .. }
            | Event::KvmPageFault { .. }
            | Event::KvmTryAsyncGetPage { .. }
            | Event::KvmAsyncPfDoublefault { .. }
            | Event::MajorFaultBegin { .. }
            | Event::MajorFaultEnd { .. } => {
                self.faults.observe((now, event), (counts, measuring), &mut self.tasks);
            }
            Event::NotPresentQueued { .. }
            | Event::PageReadyQueued { .. }
            | Event::KvmAsyncPfReady { .. }
            | Event::KvmInjException { .. }
            | Event::KvmInjVirq { .. }
            | Event::KvmMsrWrite { .. }
            | Event::ItemLink { .. }
            | Event::ItemDone { .. }
            | Event::ItemUnlink { .. }
            | Event::WorkqueueExecuteStart { .. }
            | Event::WorkqueueExecuteEnd { .. } => self.notices.observe(event, counts, measuring),
            Event::BlockRqIssue { .. }
            | Event::BlockRqComplete { .. }
            | Event::SwapCompute { .. }
            | Event::ZswapWriteback { .. }
            | Event::ZswapRefuse { .. } => self.traffic.observe(now, event, (counts, measuring)),
            Event::ContentionBegin { .. }
            | Event::ContentionEnd { .. }
            | Event::UffdLockWait { .. }
            | Event::UffdLockTaken { .. } => {
                self.clocks.observe(now, *event);
                self.lock_waits.observe(now, event, (counts, measuring));
            }
            Event::MemcgReclaimEnd { .. }
            | Event::MemcgReclaimed { .. }
            | Event::MemcgLimit { .. }
            | Event::MemcgOverHigh { .. }
            | Event::KswapdWake { .. }
            | Event::MemcgWrite { .. }
            | Event::MemcgWritten { .. } => self.reclaims.observe(now, event),
            Event::GuestDiscard { .. }
            | Event::TlbFlush { .. }
            | Event::BalloonTarget { .. }
            | Event::BalloonSize { .. } => self.given_back.observe(event),
            Event::MadviseDontneed { .. } => {
                self.user_faults.observe(now, event, (counts, measuring), self.measured);
                self.given_back.observe(event);
            }
            Event::KvmUserspaceExit { .. }
            | Event::KvmAsyncPfExitlessNotify { .. }
            | Event::VmmSignal { .. }
            | Event::VmmAwake { .. }
            | Event::VmmEnd { .. }
            | Event::UffdLost { .. }
            | Event::UffdPoisoned { .. }
            | Event::UffdRemove { .. }
            | Event::UffdAgain { .. }
            | Event::VmStop { .. }
            | Event::VmResume { .. }
            | Event::UffdProtect { .. }
            | Event::UffdWpMessage { .. }
            | Event::UffdSaved { .. } => {
                self.user_faults.observe(now, event, (counts, measuring), self.measured);
            }
            _ => self.count(event, measuring),
        }
    }

    /// What is only counted.
    fn count(&mut self, event: &Event, measuring: u64) {
        let counts = &mut self.counts;
        match *event {
            Event::EptUnmap { .. } => counts.ept_unmaps += measuring,
            Event::SchedStatWait { span, .. } => {
                *counts.waited_ps.get_or_insert(0) += u128::from(span.as_ps() * measuring);
            }
            Event::SharedWordWrite { .. } => counts.area_writes += measuring,
            Event::AreaTranslated { .. } => counts.area_translations += measuring,
            Event::GuestSchedSwitch { .. } => counts.guest_switches += measuring,
            Event::GuestTableNew { .. } => self.guest_tables += 1,
            _ => {}
        }
    }

    fn begin(&mut self, now: SimTime) {
        self.measured = Some(now);
        self.requests.begin(now, &self.clocks);
        self.clocks.restart(now);
        self.traffic.settle(now, &mut self.counts);
        self.reclaims.begin(now);
        self.given_back.begin();
        self.counts = Counts {
            waited_ps: self.counts.waited_ps.map(|_| 0),
            workers_peak: self.notices.workers,
            outstanding_peak: self.notices.outstanding,
            ..Counts::default()
        };
    }

    /// The metrics of a run that ends at `end`, unless its end was recorded. Says what they would
    /// be if the run ended here; observing may go on.
    pub fn finish(&self, end: SimTime) -> MetricValues {
        let end = self.ended.unwrap_or(end);
        let mut settled = self.clone();
        settled.traffic.settle(end, &mut settled.counts);
        settled.reclaims.settle(end);
        settled.requests.settle(end);
        MetricValues {
            values: values_of(&settled.totals(end, settled.requests.all.as_ref()), |_| true),
            per_task: settled.per_task(),
            per_group: settled.per_group(end),
            per_vm: self.by_vm.as_ref().map(|by_vm| by_vm.finish(end)).unwrap_or_default(),
            fault_latency: settled.faults.latency,
        }
    }

    /// With these requests.
    fn totals<'a>(&'a self, end: SimTime, requests: Option<&'a RequestCounts>) -> Totals<'a> {
        let measured = self.measured.filter(|&start| start < end);
        Totals {
            counts: &self.counts,
            reclaims: &self.reclaims,
            given_back: &self.given_back,
            tasks: &self.tasks,
            latency: &self.faults.latency,
            events: self.events,
            guest_tables: self.guest_tables,
            spent: self.measured.map_or([0; clock::STATES], |_| self.clocks.spent(end)),
            measured_ps: measured.map(|start| end.since(start).as_ps()),
            requests,
            completion_ps: self.requests.completion_ps(self.measured),
            fairness: self.by_vm.as_ref().map(|by_vm| by_vm.fairness(end)).unwrap_or_default(),
        }
    }

    /// What a run that ends at `end` adds up to.
    fn with_totals<T>(&self, end: SimTime, of: impl Fn(&Totals<'_>) -> T) -> T {
        let end = self.ended.unwrap_or(end);
        let mut settled = self.clone();
        settled.traffic.settle(end, &mut settled.counts);
        settled.reclaims.settle(end);
        settled.requests.settle(end);
        of(&settled.totals(end, settled.requests.all.as_ref()))
    }

    /// The metrics that there are by virtual machine.
    fn values_of_vm(&self, end: SimTime) -> Vec<Metric> {
        self.with_totals(end, |totals| values_of(totals, |kind| kind.by_vm))
    }

    fn per_group(&self, end: SimTime) -> Vec<GroupMetrics> {
        let of_group = |(&group, counts): (_, &RequestCounts)| GroupMetrics {
            group,
            values: values_of(&self.totals(end, Some(counts)), |kind| kind.by_group),
            latency: counts.latency.clone(),
        };
        self.requests.groups.iter().map(of_group).collect()
    }

    fn per_task(&self) -> Vec<TaskMetrics> {
        let line = |(task, counted): (TaskId, &Task)| TaskMetrics {
            task,
            role: counted.role,
            user_time: SimDuration::from_ps(counted.user_ps),
            work: counted.work,
            major_faults: counted.major_faults,
        };
        self.tasks.iter().map(line).collect()
    }
}

/// Every metric that is wanted and that the run defines.
fn values_of(totals: &Totals<'_>, wanted: impl Fn(&MetricKind) -> bool) -> Vec<Metric> {
    let metric = |kind: &MetricKind| {
        let value = (kind.value)(totals)?;
        Some(Metric { name: kind.name, value, unit: kind.unit.name() })
    };
    METRICS.iter().filter(|kind| wanted(kind)).filter_map(metric).collect()
}

/// The metrics of each virtual machine: each sees its own records, and those of the host as a whole.
#[derive(Clone, Debug)]
struct ByVm {
    owners: Owners,
    of: Vec<Metrics>,
    idle: Idle,
}

impl ByVm {
    fn new(owners: Owners) -> Self {
        let own = |vm| owners.vcpus().iter().map(move |&of| of == vm).collect();
        let of = (0..owners.count()).map(|vm| Metrics::of_vcpus(own(VmId(vm as u16)))).collect();
        let idle = Idle::new(owners.pcpus());
        Self { owners, of, idle }
    }

    fn observe(&mut self, records: &[Record]) {
        for record in records {
            self.idle.observe(record.time, &record.event);
            let record = std::slice::from_ref(record);
            match self.owners.audience(&record[0].event) {
                Audience::Few(few) => {
                    few.iter().flatten().for_each(|vm| self.of[vm.index()].observe(record));
                }
                Audience::All => self.of.iter_mut().for_each(|of| of.observe(record)),
            }
        }
    }

    fn finish(&self, end: SimTime) -> Vec<VmMetrics> {
        let of_vm = |(vm, metrics): (u16, &Metrics)| VmMetrics {
            vm: VmId(vm),
            values: metrics.values_of_vm(end),
        };
        (0..).zip(&self.of).map(of_vm).collect()
    }

    fn fairness(&self, end: SimTime) -> Fairness {
        let of_each = |value: fn(&Totals<'_>) -> f64| {
            let values: Vec<f64> =
                self.of.iter().map(|metrics| metrics.with_totals(end, value)).collect();
            values
        };
        let mut work = of_each(|totals| totals.work() as f64);
        // One that counts nothing, as it serves requests, is not short of anything.
        work.retain(|work| *work > 0.0);
        Fairness {
            cpu: jain(&of_each(|totals| totals.processor_time() as f64)),
            work: (work.len() > 1).then(|| jain(&work)).flatten(),
            host_idle: self.idle.share(end),
        }
    }
}
