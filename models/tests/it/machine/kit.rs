//! Small machines for tests.

use models::apf::rules::Workers;
use models::base::ids::{RegionId, StoreId, VmId};
use models::base::record::TaskRole;
use models::config::{
    ApicConfig, ConstantConfig, DeviceConfig, EventPages, FairParams, FileMapping, GuestConfig,
    GuestPaging, HandlerConfig, HostConfig, HostKernel, HostPaging, Install, MachineConfig,
    MemoryControl, Op, Pattern, PlainExits, Policy, Preemption, Process, Processes, Region,
    RegionBacking, StealClock, StoreConfig, TablePages, TaskGroup, TimerKind, WakeTime, Waking,
    Workload,
};
use models::machine::{RunOutput, RunSettings, prefill, run};
use models::monitors::Verdict;
use models::presets;
use models::presets::policies;
use sim_core::SimDuration;

pub(crate) const MIB: u64 = 256;

pub(crate) fn ms(n: u64) -> SimDuration {
    SimDuration::from_ms(n)
}

pub(crate) fn us(n: u64) -> SimDuration {
    SimDuration::from_us(n)
}

/// How the kernel of a preset works with a swap device that does not rotate.
pub(crate) fn host_kernel(name: &str) -> HostKernel {
    presets::host_kernel(name).unwrap().kernel()
}

pub(crate) fn constant(latency: SimDuration) -> DeviceConfig {
    DeviceConfig::Constant(ConstantConfig { read_latency: latency, write_latency: latency })
}

pub(crate) fn write(pattern: Pattern, cost: SimDuration) -> Op {
    Op::Access { region: RegionId(0), pattern, write: true, cost }
}

/// A system call with a body.
pub(crate) fn syscall(cost: SimDuration, body: &[Op]) -> Vec<Op> {
    let mut ops = vec![Op::SyscallEnter { cost }];
    ops.extend_from_slice(body);
    ops.push(Op::SyscallExit);
    ops
}

pub(crate) fn group(name: &str, role: TaskRole, count: u32, program: Vec<Op>) -> TaskGroup {
    TaskGroup { name: name.into(), count, role, start_on: Vec::new(), arrivals: None, program }
}

/// Four vCPUs with four faulters and four workers in less memory than they want.
pub(crate) fn crowded(cpu: &str, device: DeviceConfig) -> MachineConfig {
    let kernel = presets::guest_kernel("linux-2.6.36").unwrap();
    MachineConfig {
        cpu: presets::cpu(cpu).unwrap().config,
        host: HostConfig {
            cpus: 8,
            sched: kernel.sched(8),
            tick: ms(1),
            memory_limit_pages: 28 * MIB,
            other_resident_pages: 2 * MIB,
            memory_control: MemoryControl::default(),
            read_ahead_pages: 8,
            reclaim_batch_pages: 32,
            write_pages: u32::MAX,
            stores: Vec::new(),
            swap_pages: 64 * 256,
            device,
            zswap: None,
            kernel: host_kernel("linux-2.6.36"),
            allocation_failure_ppm: 0,
            second_stage_levels: 4,
            thp: false,
            paging: HostPaging::default(),
        },
        guest: GuestConfig {
            vcpus: 4,
            memory_pages: 64 * MIB,
            tick: ms(1),
            sched: kernel.sched(4),
            balance_ticks: 8,
            steal_clock: StealClock::Off,
            wake: WakeTime::Now,
            wake_delay: SimDuration::ZERO,
            timers: TimerKind::Direct,
            send_always: false,
            preemption: Preemption::Voluntary,
            apic: ApicConfig::default(),
            event_pages: EventPages::default(),
            table_levels: 4,
            table_pages: TablePages::default(),
            thp: false,
            paging: GuestPaging::default(),
            processes: Processes::default(),
            pcid: false,
        },
        other_guests: Vec::new(),
        vms: Vec::new(),
        disturbances: Vec::new(),
        workload: Workload {
            regions: vec![Region {
                name: "array".into(),
                pages: 32 * MIB,
                prefill: true,
                backing: RegionBacking::Vmm,
                store: None,
            }],
            tasks: vec![
                group(
                    "faulter",
                    TaskRole::Faulter,
                    4,
                    vec![write(Pattern::Uniform, SimDuration::from_ns(20))],
                ),
                group("worker", TaskRole::Worker, 4, vec![Op::Count { per_second: 1_100_000_000 }]),
            ],
            ..Workload::default()
        },
    }
}

/// A handler of userfaultfd that answers one message at a time in 20 us, by copies.
pub(crate) fn copying_handler() -> HandlerConfig {
    HandlerConfig {
        readers: 1,
        installers: 0,
        batch: 1,
        waking: Waking::All,
        descriptors: 1,
        cpus: Vec::new(),
        latency: us(20),
        around: 1,
        prefetch: None,
        process: Process::Vmm,
        install: Install::Copy,
        plain_exits: PlainExits::Handler,
        remove_events: true,
        poison: Vec::new(),
    }
}

/// A machine without costs whose only region, of so many pages, a handler brings; with twice as many processors as
/// vCPUs, and more memory than the guest has.
pub(crate) fn served_by_handler(vcpus: u16, pages: u64, handler: HandlerConfig) -> MachineConfig {
    let mut config = crowded("free", constant(ms(1)));
    (config.guest.vcpus, config.host.cpus) = (vcpus, 2 * vcpus);
    config.guest.table_pages = TablePages::Resident;
    let (name, vm) = ("store".into(), VmId(0));
    config.host.stores = vec![StoreConfig {
        name,
        vm,
        device: None,
        shares: None,
        handler: Some(handler),
        mapping: FileMapping::PAGE_BY_PAGE,
    }];
    let region = &mut config.workload.regions[0];
    (region.pages, region.prefill, region.store) = (pages, false, Some(StoreId(0)));
    config
}

/// A fair scheduler with this credit and slices of half the latency between two tasks.
pub(crate) fn fair(latency: SimDuration, credit: SimDuration) -> FairParams {
    FairParams {
        latency,
        min_granularity: latency.divided_by(8),
        wakeup_granularity: latency.divided_by(6),
        sleeper_credit: credit,
        wakeup_preemption: true,
    }
}

/// One vCPU on which everything is free: one faulter that computes for `compute` between faults of
/// `latency`, and one worker. Every access faults: it walks a region far larger than memory.
pub(crate) fn closed_form(
    latency: SimDuration,
    compute: SimDuration,
    sched: FairParams,
) -> MachineConfig {
    let mut config = crowded("free", constant(latency));
    config.host.read_ahead_pages = 1;
    config.host.memory_limit_pages = 8 * MIB;
    config.host.other_resident_pages = 0;
    config.host.device =
        DeviceConfig::Constant(ConstantConfig { read_latency: latency, write_latency: us(1) });
    config.guest.vcpus = 1;
    config.guest.sched = sched.into();
    config.workload.regions[0].pages = 40 * MIB;
    let mut program = vec![write(Pattern::Sequential, SimDuration::ZERO)];
    if !compute.is_zero() {
        program.push(Op::Compute { span: compute });
    }
    config.workload.tasks = vec![
        group("faulter", TaskRole::Faulter, 1, program),
        group("worker", TaskRole::Worker, 1, vec![Op::Count { per_second: 1_000_000_000 }]),
    ];
    config
}

pub(crate) fn named(name: &str) -> Policy {
    policies::policy(name).unwrap()
}

pub(crate) fn simulate(config: &MachineConfig, policy: &str, settings: &RunSettings) -> RunOutput {
    simulate_policy(config, &named(policy), settings)
}

pub(crate) fn simulate_policy(
    config: &MachineConfig,
    policy: &Policy,
    settings: &RunSettings,
) -> RunOutput {
    let prefix = prefill(config, 42, settings).unwrap();
    run(&prefix, policy, settings).unwrap()
}

/// A built-in policy with other workers.
pub(crate) fn with_workers(base: &str, workers: Workers) -> Policy {
    let mut policy = named(base);
    policy.name = format!("{base}, {workers}");
    policy.rules.workers = workers;
    policy
}

pub(crate) fn for_time(duration: SimDuration) -> RunSettings {
    RunSettings { duration, ..RunSettings::default() }
}

/// Fails on any violation, showing the story.
pub(crate) fn assert_clean(output: &RunOutput) {
    for finding in &output.findings {
        if finding.verdict == Verdict::Violation {
            panic!("{} is violated {} times: {:#?}", finding.id, finding.count, finding.first);
        }
    }
}

pub(crate) fn share(output: &RunOutput, who: &str) -> f64 {
    output.metrics.get(&format!("cpu_share_{who}")).unwrap_or(0.0)
}
