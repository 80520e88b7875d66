//! From records to counters, and from these to metrics.

use std::collections::BTreeMap;

use sim_core::{Histogram, SimDuration, SimTime};

use super::clock::{self, VcpuClocks};
use super::fairness::{Fairness, Idle, jain};
use super::given_back::GivenBack;
use super::kind::MetricKind;
use super::list::METRICS;
use super::reclaim::Reclaims;
use super::requests::{RequestCounts, Requests};
use super::totals::{Counts, Task, Tasks, Totals};
use super::values::{GroupMetrics, Metric, MetricValues, TaskMetrics, VmMetrics};
use crate::base::abi::{
    CALLBACK, MSR_ASYNC_PF_INT, PAGE_FAULT, PF_PRESENT, PF_WRITE, StoppedAt, stopped_at,
};
use crate::base::ids::{Gfn, TaskId, ThreadId, Token, VcpuId, VmId};
use crate::base::record::{Event, FaultPath, IoKind, Phase, Record};
use crate::trace::owners::{Audience, Owners};

/// What is followed of one vCPU.
#[derive(Clone, Debug)]
struct Vcpu {
    /// The fault at hand has not been seen to need I/O.
    minor_so_far: bool,
    /// The fault at hand is at a table of the guest's.
    in_walk: bool,
    /// When it left the guest for its last fault.
    faulted: Option<SimTime>,
    /// Not present that waits for its injection.
    not_present: Option<Token>,
    /// The page of that is there already.
    needless: bool,
    /// Page ready that waits for its injection.
    page_ready: Option<Token>,
    ready_vector: u8,
    /// A completed item was taken since the last entry, in the measured phase.
    drains: bool,
}

/// Computes the metrics of a run from its records.
#[derive(Clone, Debug)]
pub struct Metrics {
    vcpus: Vec<Vcpu>,
    clocks: VcpuClocks,
    tasks: Tasks,
    /// Threads that spin for the lock of the second-stage tables, and since when.
    spinning: BTreeMap<ThreadId, SimTime>,
    /// Threads that give memory back of which somebody is told, and since when.
    removing: BTreeMap<ThreadId, SimTime>,
    workers: u64,
    outstanding: u64,
    in_flight: u64,
    in_flight_since: SimTime,
    events: u64,
    guest_tables: u64,
    measured: Option<SimTime>,
    ended: Option<SimTime>,
    counts: Counts,
    reclaims: Reclaims,
    given_back: GivenBack,
    latency: Histogram,
    requests: Requests,
    /// Those of single virtual machines, where there are several.
    by_vm: Option<ByVm>,
}

impl Metrics {
    /// Metrics of a run with `vcpus` virtual processors, at its start.
    pub fn new(vcpus: u16) -> Self {
        let vcpu = Vcpu {
            minor_so_far: false,
            in_walk: false,
            faulted: None,
            not_present: None,
            needless: false,
            page_ready: None,
            ready_vector: CALLBACK,
            drains: false,
        };
        Self {
            vcpus: vec![vcpu; usize::from(vcpus)],
            clocks: VcpuClocks::new(vcpus),
            tasks: Tasks::default(),
            spinning: BTreeMap::new(),
            removing: BTreeMap::new(),
            workers: 0,
            outstanding: 0,
            in_flight: 0,
            in_flight_since: SimTime::ZERO,
            events: 0,
            guest_tables: 0,
            measured: None,
            ended: None,
            counts: Counts::default(),
            reclaims: Reclaims::new(vcpus.into()),
            given_back: GivenBack::default(),
            latency: Histogram::new(),
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

    fn vcpu(&mut self, vcpu: VcpuId) -> Option<&mut Vcpu> {
        self.vcpus.get_mut(vcpu.index())
    }

    #[inline]
    fn task(&mut self, task: TaskId) -> &mut Task {
        self.tasks.of(task)
    }

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
                if let Some(vcpu) = self.vcpu(vcpu) {
                    vcpu.drains = false;
                }
                self.clocks.observe(now, *event);
            }
            Event::VcpuBlock { .. } | Event::VcpuUnblock { .. } | Event::HostSchedSwitch { .. } => {
                self.clocks.observe(now, *event);
            }
            Event::KvmExit { .. } => {
                counts.exits += measuring;
                self.clocks.observe(now, *event);
            }

            Event::ShadowFault { vcpu, error_code, .. }
            | Event::KvmPageFault { vcpu, error_code, .. } => {
                counts.page_faults += measuring;
                let in_walk = stopped_at(error_code) == StoppedAt::Table;
                counts.table_faults += measuring * u64::from(in_walk);
                let both = u64::from(PF_PRESENT | PF_WRITE);
                counts.write_protect_faults += measuring * u64::from(error_code & both == both);
                if let Some(vcpu) = self.vcpu(vcpu) {
                    vcpu.in_walk = in_walk;
                    vcpu.minor_so_far = true;
                    vcpu.faulted = Some(now);
                }
            }
            Event::KvmTryAsyncGetPage { vcpu, .. } => self.needs_io(vcpu, measuring),
            Event::KvmAsyncPfDoublefault { vcpu, .. } => {
                counts.repeated_fault_events += measuring;
                self.needs_io(vcpu, measuring);
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
                self.needs_io(vcpu, measuring);
                let exit = self.vcpu(vcpu).and_then(|vcpu| vcpu.faulted.take()).unwrap_or(now);
                let task = self.task(task);
                task.major_faults += measuring;
                task.faults.push((gfn, exit, measuring != 0));
            }
            Event::MajorFaultEnd { task, gfn, .. } => self.fault_ends(now, task, gfn),

            Event::NotPresentQueued { vcpu, token, .. } => {
                if let Some(vcpu) = self.vcpu(vcpu) {
                    (vcpu.not_present, vcpu.needless) = (Some(token), false);
                }
            }
            Event::PageReadyQueued { vcpu, token } => {
                if let Some(vcpu) = self.vcpu(vcpu) {
                    vcpu.page_ready = Some(token);
                }
            }
            Event::KvmAsyncPfReady { vcpu, .. } if measuring != 0 => {
                counts.ready_items += 1;
                if let Some(vcpu) = self.vcpus.get_mut(vcpu.index()) {
                    counts.ready_drains += u64::from(!vcpu.drains);
                    vcpu.drains = true;
                }
            }
            Event::KvmInjException { vcpu, vector: PAGE_FAULT, cr2, .. } => {
                self.page_fault_injected(vcpu, cr2, measuring);
            }
            Event::KvmInjVirq { vcpu, vector } => self.interrupt_injected(vcpu, vector, measuring),
            Event::KvmMsrWrite { vcpu, ecx: MSR_ASYNC_PF_INT, data } => {
                if let Some(vcpu) = self.vcpu(vcpu) {
                    vcpu.ready_vector = data.to_le_bytes()[0];
                }
            }

            Event::ItemLink { .. } => {
                self.outstanding += 1;
                counts.outstanding_peak = counts.outstanding_peak.max(self.outstanding);
            }
            Event::ItemDone { vcpu, token } => {
                if let Some(vcpu) = self.vcpu(vcpu) {
                    vcpu.needless |= vcpu.not_present == Some(token);
                }
            }
            Event::ItemUnlink { token, .. } if token != Token::WAKE_ALL => {
                self.outstanding = self.outstanding.saturating_sub(1);
            }
            Event::WorkqueueExecuteStart { .. } => {
                self.workers += 1;
                counts.workers_peak = counts.workers_peak.max(self.workers);
            }
            Event::WorkqueueExecuteEnd { .. } => self.workers = self.workers.saturating_sub(1),

            Event::BlockRqIssue { op, pages, .. } => {
                let pages = u64::from(pages) * measuring;
                match op {
                    IoKind::Read => {
                        counts.swap_read_pages += pages;
                        counts.swap_read_requests += measuring;
                    }
                    IoKind::Write => {
                        counts.swap_write_pages += pages;
                        counts.swap_write_requests += measuring;
                    }
                }
                self.settle_device(now);
                self.in_flight += 1;
            }
            Event::SwapCompute { op, pages, span, .. } => {
                let (pages, ps) = (u64::from(pages) * measuring, span.as_ps() * measuring);
                match op {
                    IoKind::Read => {
                        counts.swap_read_pages += pages;
                        counts.decompress_ps += ps;
                        counts.decompressed_pages += pages;
                    }
                    IoKind::Write => {
                        counts.swap_write_pages += pages;
                        counts.compress_ps += ps;
                        counts.compressed_pages += pages;
                    }
                }
            }
            Event::ZswapWriteback { span, .. } => {
                counts.decompress_ps += span.as_ps() * measuring;
                counts.zswap_writebacks += measuring;
            }
            Event::ZswapRefuse { .. } => counts.zswap_refusals += measuring,
            Event::BlockRqComplete { .. } => {
                self.settle_device(now);
                self.in_flight = self.in_flight.saturating_sub(1);
            }
            Event::MemcgReclaimEnd { .. }
            | Event::MemcgReclaimed { .. }
            | Event::MemcgLimit { .. }
            | Event::MemcgOverHigh { .. }
            | Event::KswapdWake { .. }
            | Event::MemcgWrite { .. }
            | Event::MemcgWritten { .. } => self.reclaims.observe(now, event),
            Event::EptUnmap { .. } => counts.ept_unmaps += measuring,
            Event::KvmUserspaceExit { plain, .. } => {
                counts.user_exits += measuring;
                counts.user_waits += measuring * u64::from(plain);
            }
            Event::KvmAsyncPfExitlessNotify { .. } => counts.ring_requests += measuring,
            Event::VmmSignal { .. } => counts.ring_signals += measuring,
            Event::VmmAwake { .. } => counts.handler_wakeups += measuring,
            Event::UffdLost { .. } => counts.lost_pages += measuring,
            Event::UffdPoisoned { .. } => counts.poisoned_pages += measuring,
            Event::UffdRemove { thread, .. } => {
                counts.remove_events += measuring;
                self.removing.insert(thread, now);
            }
            Event::UffdAgain { .. } => counts.uffd_again += measuring,
            Event::VmmEnd { .. } => {
                let lived = self.measured.map(|begin| now.saturating_since(begin).as_ps());
                counts.vmm_lived_ps = counts.vmm_lived_ps.or(lived);
            }
            Event::ContentionBegin { thread, .. } => {
                self.clocks.observe(now, *event);
                self.spinning.insert(thread, now);
            }
            Event::ContentionEnd { thread } => {
                self.clocks.observe(now, *event);
                if let Some(since) = self.spinning.remove(&thread) {
                    let span = u128::from(now.saturating_since(since).as_ps());
                    counts.mmu_lock_wait_ps += span * u128::from(measuring);
                    counts.mmu_lock_contentions += measuring;
                }
            }
            Event::UffdLockWait { thread, .. } => {
                self.clocks.observe(now, *event);
                self.spinning.insert(thread, now);
            }
            Event::UffdLockTaken { thread } => {
                self.clocks.observe(now, *event);
                if let Some(since) = self.spinning.remove(&thread) {
                    let span = u128::from(now.saturating_since(since).as_ps());
                    counts.uffd_lock_wait_ps += span * u128::from(measuring);
                    counts.uffd_lock_contentions += measuring;
                }
            }
            Event::SchedStatWait { span, .. } => {
                *counts.waited_ps.get_or_insert(0) += u128::from(span.as_ps() * measuring);
            }
            Event::SharedWordWrite { .. } => counts.area_writes += measuring,
            Event::AreaTranslated { .. } => counts.area_translations += measuring,
            Event::GuestSchedSwitch { .. } => counts.guest_switches += measuring,
            Event::GuestTableNew { .. } => self.guest_tables += 1,
            Event::GuestDiscard { .. }
            | Event::TlbFlush { .. }
            | Event::BalloonTarget { .. }
            | Event::BalloonSize { .. } => self.given_back.observe(event),
            Event::MadviseDontneed { thread, .. } => {
                if let Some(since) = self.removing.remove(&thread) {
                    counts.remove_wait_ps += u128::from(measuring * now.since(since).as_ps());
                }
                self.given_back.observe(event);
            }
            _ => {}
        }
    }

    fn begin(&mut self, now: SimTime) {
        self.measured = Some(now);
        self.requests.begin(now, &self.clocks);
        self.clocks.restart(now);
        self.settle_device(now);
        self.reclaims.begin(now);
        self.given_back.begin();
        self.counts = Counts {
            waited_ps: self.counts.waited_ps.map(|_| 0),
            workers_peak: self.workers,
            outstanding_peak: self.outstanding,
            ..Counts::default()
        };
    }

    fn settle_device(&mut self, now: SimTime) {
        let span = now.saturating_since(self.in_flight_since).as_ps();
        self.in_flight_since = now;
        self.counts.in_flight_ps += u128::from(self.in_flight) * u128::from(span);
        if self.in_flight > 0 {
            self.counts.device_busy_ps += span;
        }
    }

    /// The fault at hand is not a minor one.
    fn needs_io(&mut self, vcpu: VcpuId, measuring: u64) {
        if let Some(vcpu) = self.vcpus.get_mut(vcpu.index())
            && vcpu.minor_so_far
        {
            vcpu.minor_so_far = false;
            self.counts.io_page_faults += measuring;
        }
    }

    fn fault_ends(&mut self, now: SimTime, task: TaskId, gfn: Gfn) {
        let faults = &mut self.task(task).faults;
        let Some(place) = faults.iter().position(|&(frame, ..)| frame == gfn) else { return };
        let (_, exit, measured) = faults.swap_remove(place);
        if measured {
            let latency = now.saturating_since(exit);
            self.latency.record(latency.as_ns());
            self.counts.latency_sum_ps += u128::from(latency.as_ps());
            self.counts.latency_max_ps = self.counts.latency_max_ps.max(latency.as_ps());
        }
    }

    /// Both notices may be exceptions; with equal tokens not present was queued first.
    fn page_fault_injected(&mut self, vcpu: VcpuId, cr2: u64, measuring: u64) {
        let Some(vcpu) = self.vcpus.get_mut(vcpu.index()) else { return };
        let is = |token: Option<Token>| token.is_some_and(|token| u64::from(token.0) == cr2);
        if is(vcpu.not_present) {
            vcpu.not_present = None;
            self.counts.not_present_injected += measuring;
            self.counts.needless_notices += measuring * u64::from(vcpu.needless);
        } else if is(vcpu.page_ready) {
            vcpu.page_ready = None;
            self.counts.page_ready_delivered += measuring;
        }
    }

    fn interrupt_injected(&mut self, vcpu: VcpuId, vector: u8, measuring: u64) {
        let Some(vcpu) = self.vcpus.get_mut(vcpu.index()) else { return };
        if vector == vcpu.ready_vector && vcpu.page_ready.take().is_some() {
            self.counts.page_ready_delivered += measuring;
        }
    }

    /// The metrics of a run that ends at `end`, unless its end was recorded. Says what they would
    /// be if the run ended here; observing may go on.
    pub fn finish(&self, end: SimTime) -> MetricValues {
        let end = self.ended.unwrap_or(end);
        let mut settled = self.clone();
        settled.settle_device(end);
        settled.reclaims.settle(end);
        settled.requests.settle(end);
        MetricValues {
            values: values_of(&settled.totals(end, settled.requests.all.as_ref()), |_| true),
            per_task: settled.per_task(),
            per_group: settled.per_group(end),
            per_vm: self.by_vm.as_ref().map(|by_vm| by_vm.finish(end)).unwrap_or_default(),
            fault_latency: settled.latency,
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
            latency: &self.latency,
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
        settled.settle_device(end);
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
