//! A world at power-on, and the workload's start at the barrier.

use std::collections::VecDeque;
use std::sync::Arc;

use sim_core::{Cycles, EventQueue, RandomStreams, SimDuration, SimTime};

use super::Cx;
use super::event::MachineEvent;
use super::progress::Progress;
use super::run::{RunError, RunSettings};
use super::world::{
    Hotplug, KernelMode, Pcpu, PendingReclaim, Program, Running, Task, TaskState, Then, Thread,
    ThreadKind, ThreadState, Vcpu, World,
};
use crate::apf::{Apf, Defects, Rules};
use crate::base::ids::{Gfn, PcpuId, RegionId, TaskId, ThreadId, VcpuId};
use crate::base::record::{Event, Phase, TaskRole};
use crate::config::{Disturbance, DisturbanceKind, MachineConfig, Op, Pattern, TaskGroup};
use crate::machine::host::fetch::QUEUE_DEPTH;
use crate::machine::host::map_lock::MapLock;
use crate::machine::sink::TraceSink;
use crate::parts::device::Device;
use crate::parts::memory::pages::HostMemory;
use crate::parts::memory::read_ahead::ReadAheadState;
use crate::parts::memory::reclaim::ReclaimPass;
use crate::parts::memory::swap::SwapArea;
use crate::parts::memory::throttle::WriteThrottle;
use crate::parts::mmu::{GuestTables, Tlb};
use crate::parts::sched::{Entity, RunQueue};
use crate::presets::policies;
use crate::trace::metrics::Metrics;
use crate::trace::series::Series;

/// Frames at the bottom of guest memory that belong to its kernel and hold no task's pages. An
/// assumption without effect on results: it only has to be left over.
pub const KERNEL_FRAMES: u64 = 256;

fn rules_at_power_on() -> Result<Rules, RunError> {
    policies::policy("sync").map(|p| p.rules).ok_or(RunError::Internal("no policy named sync"))
}

impl World {
    /// A machine at power-on whose vCPUs are idle.
    pub(crate) fn new(
        config: &MachineConfig,
        seed: u64,
        settings: &RunSettings,
    ) -> Result<Self, RunError> {
        let streams = RandomStreams::new(seed);
        let region_pages: Vec<u64> = config.workload.regions.iter().map(|r| r.pages).collect();
        let limit = config.host.memory_limit_pages.saturating_sub(config.host.other_resident_pages);
        let vcpus = config.guest.vcpus;
        let mut trace = TraceSink::new().with_digest().with_metrics(Metrics::new(vcpus));
        if settings.keep_records {
            trace = trace.keeping_records();
        }
        if settings.series {
            trace = trace.with_series(Series::new(vcpus, settings.duration));
        }
        let device =
            Device::new(&config.host.device, config.host.swap_pages, streams.label("swap"))
                .map_err(RunError::Distribution)?;
        let throttling = config.host.kernel.writeback_throttling;
        Ok(Self {
            prices: Arc::new(config.cpu.costs.at(config.cpu.frequency)),
            skip: settings.skip,
            policy: None,
            warmup: settings.warmup,
            duration: settings.duration,
            vcpus: (0..vcpus).map(|v| new_vcpu(config, VcpuId(v))).collect(),
            tasks: Vec::new(),
            threads: (0..vcpus).map(|v| vcpu_thread(config, VcpuId(v))).collect(),
            task_entities: Vec::new(),
            thread_entities: vec![Entity::default(); vcpus.into()],
            pcpus: (0..config.host.cpus).map(|_| new_pcpu()).collect(),
            memory: HostMemory::new(config.guest.memory_pages, limit, config.host.kernel.lru),
            swap: SwapArea::new(config.host.swap_pages),
            device,
            requests: Vec::new(),
            free_requests: Vec::new(),
            interrupts: Vec::new(),
            tables: GuestTables::new(
                &region_pages,
                Gfn(KERNEL_FRAMES.min(config.guest.memory_pages)),
                Gfn(config.guest.memory_pages),
            ),
            apf: Apf::new(vcpus, rules_at_power_on()?, Defects::none()),
            allocations: streams.label("allocation"),
            streams,
            pinned: 0,
            invalidations: 0,
            native: Vec::new(),
            read_ahead: ReadAheadState::default(),
            throttle: throttling.map(|target| WriteThrottle::new(target, QUEUE_DEPTH as u32)),
            map_lock: writes_map(config).then(MapLock::default),
            pinning: Vec::new(),
            room_waiters: Vec::new(),
            resched: Vec::new(),
            ahead: None,
            reached: SimTime::ZERO,
            steps_ahead: 0,
            prefill_done: false,
            prefill_steps: 0,
            finished: false,
            failure: None,
            broken: Vec::new(),
            trace,
            effects: Vec::new(),
            pass: ReclaimPass::default(),
            config: Arc::new(config.clone()),
        })
    }
}

/// Whether anybody ever takes the lock of the VMM's memory map for writing.
fn writes_map(config: &MachineConfig) -> bool {
    let writes = |d: &Disturbance| matches!(d.kind, DisturbanceKind::MapWrite { .. });
    config.disturbances.iter().any(writes)
}

fn new_vcpu(config: &MachineConfig, vcpu: VcpuId) -> Vcpu {
    Vcpu {
        thread: ThreadId(u32::from(vcpu.0)),
        in_guest: false,
        blocked: None,
        halt_poll: SimDuration::ZERO,
        fault: None,
        invalidations: 0,
        frames: Vec::new(),
        running: Running::Nothing,
        epoch: SimTime::ZERO,
        cycles: Cycles::ZERO,
        user_since: None,
        burst: Vec::new(),
        tlb: Tlb::new(config.cpu.l1_dtlb, config.cpu.stlb),
        flush_tlb: false,
        queue: RunQueue::default(),
        need_resched: false,
        hlt_over: false,
        charged_since: SimTime::ZERO,
        stolen: SimDuration::ZERO,
        timer: None,
        tick_pending: false,
        delivering: None,
        cancel_entry: false,
        injection_prepared: false,
        in_msr_write: false,
        arm_timer: false,
        ipi_exits_due: 0,
        reschedule_pending: false,
        enable_pending: false,
        refused_en_pending: false,
        wake_all_fails: false,
        calls: Vec::new(),
        answers_due: 0,
        tick_period: 0,
        ticks: 0,
        delayed_wakes: Vec::new(),
        expired: Vec::new(),
        hotplug: Hotplug::Online,
        comes_back: false,
        smi_pending: None,
        waits_for_worker: None,
    }
}

fn vcpu_thread(config: &MachineConfig, vcpu: VcpuId) -> Thread {
    Thread {
        kind: ThreadKind::Vcpu(vcpu),
        state: ThreadState::Blocked,
        pcpu: PcpuId(vcpu.0 % config.host.cpus),
        bound: false,
        charged_since: SimTime::ZERO,
        remaining: SimDuration::ZERO,
        since: SimTime::ZERO,
        then: Then::Enter,
        event: None,
        fetch: None,
        progress: Progress::default(),
        waits_for: None,
        reclaim: PendingReclaim::default(),
        reads: VecDeque::new(),
        copying: None,
    }
}

fn new_pcpu() -> Pcpu {
    Pcpu {
        queue: RunQueue::default(),
        tick: None,
        idle_workers: Vec::new(),
        queued_work: VecDeque::new(),
        active_work: 0,
        inactive_work: VecDeque::new(),
    }
}

impl<Q: EventQueue<MachineEvent>> Cx<'_, Q> {
    /// Power-on: the vCPUs run, the first one with the main task if memory is to be filled.
    pub(crate) fn power_on(&mut self) {
        self.emit(Event::PhaseBegin { phase: Phase::Prefill });
        let regions = self.w.config.workload.regions.iter().zip(0u16..);
        let regions: Vec<(RegionId, u64)> =
            regions.filter(|(r, _)| r.prefill).map(|(r, id)| (RegionId(id), r.pages)).collect();
        if regions.is_empty() {
            self.w.prefill_done = true;
        } else {
            let program = Program::Fill { regions, at: 0, page: 0 };
            self.new_task(TaskRole::Main, program, 0, "main", None);
        }
        for v in 0..self.w.config.guest.vcpus {
            self.wake_thread(ThreadId(u32::from(v)));
        }
    }

    fn new_task(
        &mut self,
        role: TaskRole,
        program: Program,
        next_page: u64,
        label: &str,
        on: Option<VcpuId>,
    ) {
        let id = TaskId(self.w.tasks.len() as u32);
        let draws = self.w.streams.stream(label);
        self.w.tasks.push(Task {
            role,
            vcpu: VcpuId(0),
            state: TaskState::Runnable,
            program,
            pc: 0,
            busy: Cycles::ZERO,
            kernel: KernelMode::default(),
            draws,
            next_page,
            chosen: VecDeque::new(),
            counted: Cycles::ZERO,
            reported: 0,
            major: None,
            frames: Vec::new(),
        });
        self.w.task_entities.push(Entity::default());
        self.place_new_task(id, on);
    }

    /// The start barrier: the policy takes effect, the tasks start, the phases are set.
    pub(crate) fn barrier(&mut self) {
        let now = self.now();
        self.begin_disturbances();
        let enable = self.w.policy.as_ref().is_some_and(|policy| policy.guest_enabled);
        if enable {
            for v in 0..self.w.config.guest.vcpus {
                let vcpu = VcpuId(v);
                self.w.vcpus[vcpu.index()].enable_pending = true;
                self.interrupt(vcpu);
            }
        }
        let config = self.w.config.clone();
        for group in &config.workload.tasks {
            self.start_group(group);
        }
        let measure = now + self.w.warmup;
        let end = measure + self.w.duration;
        if self.w.warmup.is_zero() {
            self.phase(Phase::Measure);
        } else {
            self.phase(Phase::Warmup);
            let event = MachineEvent::Phase(Phase::Measure);
            self.schedule(measure, event);
        }
        let event = MachineEvent::Phase(Phase::End);
        self.schedule(end, event);
    }

    fn start_group(&mut self, group: &TaskGroup) {
        let ops = Arc::new(group.program.clone());
        let sequential = group.program.iter().find_map(|op| match op {
            Op::Access { region, pattern: Pattern::Sequential, .. } => Some(*region),
            _ => None,
        });
        let shared = |op: &Op| matches!(op, Op::Access { pattern: Pattern::Shared, .. });
        let shared = group.program.iter().any(shared);
        let pages = sequential.map_or(0, |region| self.w.tables.region_pages(region));
        for n in 0..u64::from(group.count) {
            let label = match shared {
                true => format!("group {}", group.name),
                false => format!("task {} {n}", group.name),
            };
            let program = Program::Loop { ops: ops.clone() };
            let on = match group.start_on.len() as u64 {
                0 => None,
                places => Some(group.start_on[(n % places) as usize]),
            };
            self.new_task(group.role, program, pages * n / u64::from(group.count), &label, on);
        }
    }

    /// A part of the run begins: what ran before is reported as part of the one before.
    pub(crate) fn phase(&mut self, phase: Phase) {
        for v in 0..self.w.config.guest.vcpus {
            self.checkpoint(VcpuId(v));
        }
        self.emit(Event::PhaseBegin { phase });
        if phase == Phase::End {
            self.w.finished = true;
        }
    }
}
