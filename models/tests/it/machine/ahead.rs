//! Running ahead and stepping give the same bytes: small random machines whose programs cross system
//! calls, sections, sleeps and calls between vCPUs with the preemption of the kernel, the kinds of
//! timers and the policies.

use std::collections::BTreeSet;

use super::kit::{
    MIB, constant, crowded, for_time, group, host_kernel, named, syscall, us, with_workers,
};
use models::apf::rules::Workers;
use models::base::ids::{
    AddressesId, LawId, PcpuId, RegionId, StoreId, SyncId, VcpuId, VmId, WalkId,
};
use models::base::named::Named;
use models::base::record::{MemcgFile, TaskRole};
use models::config::{
    AddressRecorder, Advice, ApicConfig, Arrivals, AtDepth, Balloon, BalloonTarget, Cgroup,
    ChannelsConfig, DeviceConfig, Disturbance, DisturbanceKind, EventPages, FileMapping,
    GuestPaging, HandlerConfig, HostPaging, Install, Law, Lift, LimitChange, MachineConfig,
    MmuRetry, Op, PageLaw, PageWalk, Pattern, PlainExits, Policy, Preemption, Prefetch,
    PrefetchRun, ProactiveReclaim, Process, Processes, ReadFaults, ReclaimAsk, Region,
    RegionBacking, Reporting, SecondStageLock, Section, StealClock, StoreConfig, SyncKind,
    SyncObject, TablePages, TaskGroup, TimerKind, WakeTime, Waking, WriteProtection, ZswapConfig,
    ZswapKernel,
};
use models::machine::{RunError, RunOutput, RunSettings, prefill, run};
use models::presets;
use models::presets::policies;
use sim_core::{Distribution, RandomStreams, SimDuration, Stream};

/// Draws of one random machine.
struct Draw(Stream);

impl Draw {
    fn new(seed: u64) -> Self {
        Self(RandomStreams::new(seed).stream("machine"))
    }

    fn below(&mut self, n: u64) -> u64 {
        self.0.below(n)
    }

    fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    fn of<T: Clone>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len() as u64) as usize].clone()
    }

    fn ns(&mut self, choices: &[u64]) -> SimDuration {
        SimDuration::from_ns(self.of(choices))
    }

    fn access(&mut self, regions: u16) -> Op {
        Op::Access {
            region: RegionId(self.below(regions.into()) as u16),
            pattern: self.of(&[Pattern::Uniform, Pattern::Sequential, Pattern::Shared]),
            write: self.chance(50),
            cost: self.ns(&[0, 1, 20, 700, 3_000]),
        }
    }

    fn compute(&mut self) -> Op {
        Op::Compute { span: self.ns(&[1, 300, 2_500, 41_000]) }
    }

    /// Operations of a section, which may have one inside it.
    fn section(&mut self, depth: u32) -> Vec<Op> {
        let kind = self.of(&[Section::PreemptOff, Section::IrqOff, Section::RcuReader]);
        let mut ops = vec![Op::SectionEnter { kind }];
        for _ in 0..=self.below(3) {
            match self.below(5) {
                0 if depth < 2 => ops.extend(self.section(depth + 1)),
                // The first region is the one that is filled.
                1 | 2 => ops.push(self.access(1)),
                _ => ops.push(self.compute()),
            }
        }
        ops.push(Op::SectionExit { kind });
        ops
    }

    fn operations(&mut self, regions: u16, call: bool) -> Vec<Op> {
        let mut ops = Vec::new();
        for _ in 0..=self.below(4) {
            match self.below(16) {
                12 => ops.extend(self.control(regions, call)),
                13 => {
                    let (walk, write) = (self.below(5) as u16, self.chance(50));
                    let cost = self.ns(&[0, 20, 700]);
                    let region = RegionId(0);
                    ops.push(Op::AccessBy { region, walk: WalkId(walk), write, cost });
                }
                11 => {
                    let instruction = self.ns(&[0, 1, 300]);
                    let (region, addresses) = (RegionId(0), AddressesId(0));
                    ops.push(Op::Replay { region, addresses, instruction });
                }
                14 => ops.push(Op::ComputeDrawn { law: LawId(self.below(2) as u16) }),
                15 if self.chance(40) => ops.push(Op::SleepDrawn { law: LawId(0) }),
                0 => ops.push(Op::Sleep { span: self.ns(&[50, 2_500, 90_000, 730_000]) }),
                1 if self.chance(30) => ops.push(Op::CallAll),
                1 if !call => ops.push(Op::Yield),
                2..=4 => ops.push(self.compute()),
                5 | 6 if call => ops.extend(self.section(0)),
                5..=7 if !call => {
                    let (cost, body) = (self.ns(&[0, 300, 1_000]), self.operations(regions, true));
                    ops.extend(syscall(cost, &body));
                }
                _ => ops.push(self.access(regions)),
            }
        }
        ops
    }

    /// What says where a program goes on, or has tasks wait for each other.
    fn control(&mut self, regions: u16, call: bool) -> Vec<Op> {
        let mut body = vec![self.compute(), self.access(regions)];
        let skip = body.len() as u32 + 1;
        match self.below(8) {
            0 | 1 => {
                let (times, slot) = (self.of(&[1, 2, 7]), self.below(8) as u8);
                let begin = match self.chance(50) {
                    true => Op::Repeat { times, skip: skip + 1, slot },
                    false => Op::RepeatDrawn { law: LawId(2), skip: skip + 1, slot },
                };
                body.insert(0, begin);
                body.push(Op::Again { back: skip - 1, slot });
            }
            2 => body.insert(0, Op::Once { flag: self.below(64) as u8, skip }),
            3 => {
                let part = self.of(&[0, 1, 3]);
                let otherwise = self.compute();
                body.insert(0, Op::Branch { part, whole: 3, skip: skip + 1 });
                body.extend([Op::Jump { skip: 2 }, otherwise]);
            }
            4 => {
                let at = self.ns(&[100_000, 900_000]);
                body.push(Op::Until { at, back: skip - 1 });
            }
            // A system call does not end while its task sleeps for another one here.
            5 if !call => {
                body.insert(0, Op::LockEnter { lock: SyncId(0) });
                body.push(Op::LockExit { lock: SyncId(0) });
            }
            6 if !call => body.push(Op::Barrier { barrier: SyncId(1) }),
            _ if !call => {
                let semaphore = SyncId(2);
                body.push(Op::Wake { semaphore, count: 1 + self.below(2) as u32 });
                body.push(Op::Wait { semaphore });
            }
            _ => {}
        }
        body
    }

    fn task(&mut self, name: &str, regions: u16) -> TaskGroup {
        let mut program = self.operations(regions, false);
        if self.chance(30) {
            program.insert(0, Op::RequestEnter);
            program.push(Op::RequestExit);
        } else if self.chance(20) {
            program.insert(0, Op::ServeEnter);
            program.push(Op::Compute { span: self.ns(&[200, 1_300]) });
            program.push(Op::RequestExit);
            let on_off = self.chance(50).then_some((LawId(3), LawId(1)));
            let mut served = group(name, TaskRole::Faulter, 1 + self.below(3) as u32, program);
            served.arrivals = Some(match self.chance(80) {
                true => Arrivals::Law { gap: LawId(0), on_off },
                false => Arrivals::Times(vec![us(3), us(3), us(700)]),
            });
            return served;
        }
        if self.chance(10) {
            program.push(Op::Compute { span: self.ns(&[200, 1_300]) });
            program.push(Op::EndPass { passes: self.of(&[1, 3, 40]) });
            return group(name, TaskRole::Faulter, 1 + self.below(4) as u32, program);
        }
        match self.below(3) {
            0 => program.push(Op::Count { per_second: 1_000_000 }),
            _ => program.push(Op::Compute { span: self.ns(&[200, 1_300]) }),
        }
        let role = self.of(&[TaskRole::Faulter, TaskRole::Worker]);
        group(name, role, 1 + self.below(4) as u32, program)
    }

    fn device(&mut self) -> DeviceConfig {
        match self.below(5) {
            0 => constant(self.ns(&[1_000, 60_000, 1_000_000])),
            1 => presets::device("hdd-7200-swap").unwrap().config,
            2 => presets::device("nvme-tlc-gen3").unwrap().config,
            _ => DeviceConfig::Channels(ChannelsConfig {
                channels: 1 + self.below(3) as u32,
                read: Distribution::Exponential { mean: 30_000_000 },
                write: Distribution::Uniform { low: 1_000_000, high: 90_000_000 },
                per_page: us(3),
                read_at_depth: vec![AtDepth {
                    depth: 2,
                    time: Distribution::Exponential { mean: 50_000_000 },
                }],
                write_at_depth: Vec::new(),
            }),
        }
    }

    fn disturbance(&mut self, vcpus: u16) -> Disturbance {
        let kind = self.of(&[
            DisturbanceKind::Kick,
            DisturbanceKind::MemslotChange,
            DisturbanceKind::Smi { span: us(30) },
            DisturbanceKind::MapWrite { span: us(90) },
            DisturbanceKind::Online,
            DisturbanceKind::Offline,
            DisturbanceKind::LapicOff,
            DisturbanceKind::LapicOn,
        ]);
        let vcpu = match kind {
            // The first one stays.
            DisturbanceKind::Offline if vcpus > 1 => 1 + self.below(u64::from(vcpus) - 1) as u16,
            DisturbanceKind::Offline => return self.disturbance(vcpus),
            _ => self.below(vcpus.into()) as u16,
        };
        let vcpu = VcpuId(vcpu);
        Disturbance { at: us(self.below(900)), every: Some(us(40 + self.below(900))), vcpu, kind }
    }

    /// The handlers of a machine die, if it has some, and the kernel keeps its faults.
    fn deaths(&mut self, config: &mut MachineConfig, policy: &Policy) {
        let handler = config.host.stores.iter().any(|store| store.handler.is_some());
        if policy.rules.vmm_answers() {
            config.host.memory_control.protections.clear();
        }
        if handler && policy.rules.vmm_answers() {
            config.host.memory_control.balloons.clear();
            for handler in config.host.stores.iter_mut().filter_map(|it| it.handler.as_mut()) {
                handler.poison.clear();
            }
        }
        if !handler || policy.rules.vmm_answers() || self.chance(40) {
            return;
        }
        for _ in 0..1 + self.below(4) {
            let kind = self.of(&[
                DisturbanceKind::HandlerDies,
                DisturbanceKind::HandlerDies,
                DisturbanceKind::HandlerRestarts,
                DisturbanceKind::HandlerRestarts,
                DisturbanceKind::DescriptorCloses,
            ]);
            let at = us(200 + self.below(2_000));
            config.disturbances.push(Disturbance { at, every: None, vcpu: VcpuId(0), kind });
        }
    }

    fn machine(&mut self) -> MachineConfig {
        let cpus = ["free", "lab-1gips", "lab-1gips-traced", "westmere-2010", "skylake-sp"];
        let mut config = crowded(self.of(&cpus), self.device());
        self.host(&mut config);
        self.guest(&mut config);
        let regions = 1 + self.below(2) as u16;
        let region = |n: u16| Region {
            name: format!("region{n}"),
            pages: if n == 0 { 5 * MIB } else { MIB },
            prefill: n == 0,
            backing: RegionBacking::Vmm,
            store: None,
        };
        config.workload.regions = (0..regions).map(region).collect();
        if self.chance(40) {
            self.store_a_region(&mut config);
        }
        let law = |law| Law { law, unit: 1 };
        config.workload.laws = vec![
            law(Distribution::Exponential { mean: 60_000_000 }),
            law(Distribution::Uniform { low: 1_000, high: 9_000_000 }),
            law(Distribution::Zipf { n: 9, exponent_milli: 900 }),
            law(Distribution::Constant { value: 300_000_000 }),
        ];
        let walk = |law| PageWalk { region: RegionId(0), law };
        let shuffled = self.chance(50);
        config.workload.walks = vec![
            walk(PageLaw::Zipf { exponent_milli: 990, shuffled }),
            walk(PageLaw::HotSet { hot: 200, hot_ppm: 900_000, drift: 3, shuffled }),
            walk(PageLaw::Strided { step: 7 }),
            walk(PageLaw::Chase),
            walk(PageLaw::Moving { window: 90, every: 5, shuffled }),
        ];
        let mut recorder = AddressRecorder::default();
        for _ in 0..self.below(300) + 1 {
            recorder.access(self.below(90) as u32, self.chance(40), self.chance(60));
        }
        config.workload.addresses = recorder.finish().into_iter().collect();
        let sync = |name: &str, kind| SyncObject { name: name.into(), kind };
        config.workload.syncs = vec![
            sync("lock", SyncKind::Lock),
            sync("barrier", SyncKind::Barrier { parties: 2 }),
            sync("signal", SyncKind::Semaphore),
        ];
        let groups = 1 + self.below(3);
        config.workload.tasks =
            (0..groups).map(|n| self.task(&format!("tasks{n}"), regions)).collect();
        if self.chance(60) {
            // Somebody who often asks for the vCPU of another task.
            let program = vec![Op::Sleep { span: self.ns(&[700, 2_500, 20_000]) }];
            config.workload.tasks.push(group("sleeper", TaskRole::Worker, 2, program));
        }
        self.paging(&mut config);
        for _ in 0..self.below(3) {
            let disturbance = self.disturbance(config.guest.vcpus);
            // What RSM restores is paging on.
            let smi = matches!(disturbance.kind, DisturbanceKind::Smi { .. });
            if !smi || config.guest.paging == GuestPaging::On {
                config.disturbances.push(disturbance);
            }
        }
        self.discards(&mut config);
        self.balloon(&mut config);
        self.protection(&mut config);
        let handler = config.host.stores.iter().any(|store| store.handler.is_some());
        if config.host.thp || handler {
            let control = &mut config.host.memory_control;
            control.highs.clear();
            control.limits.retain(|change| change.file == MemcgFile::Max);
        }
        config
    }

    /// Somebody gives pages of the second region back, and touches some of them again.
    fn discards(&mut self, config: &mut MachineConfig) {
        let guest = &config.guest;
        let may = config.workload.regions.len() > 1
            && !guest.thp
            && guest.paging == GuestPaging::On
            && config.host.paging == HostPaging::Tdp;
        if !may || self.chance(50) {
            return;
        }
        config.guest.processes = Processes::One;
        let region = RegionId(1);
        let (first, pages) = (self.below(40), self.of(&[1, 30, 200]));
        let discard = Op::Discard { region, first, pages };
        let mut program = syscall(self.ns(&[0, 300]), &[discard]);
        program.push(Op::Compute { span: self.ns(&[300, 9_000, 90_000]) });
        let access = self.access(1);
        if let Op::Access { pattern, write, cost, .. } = access {
            program.push(Op::Access { region, pattern, write, cost });
        }
        let count = 1 + self.below(3) as u32;
        config.workload.tasks.push(group("discarder", TaskRole::Worker, count, program));
    }

    /// The guest has a balloon, which reports what is free.
    fn balloon(&mut self, config: &mut MachineConfig) {
        let handlers = config.host.stores.iter().filter_map(|store| store.handler.as_ref());
        let shared = |handler: &HandlerConfig| {
            matches!(handler.install, Install::Continue | Install::Stores)
        };
        let handler = handlers.into_iter().any(shared);
        let shadow = config.host.paging == HostPaging::Shadow;
        if handler || shadow || config.host.thp || self.chance(60) {
            return;
        }
        let most = config.guest.memory_pages;
        let target = |draw: &mut Self, at| BalloonTarget {
            at: us(at + draw.below(900)),
            pages: draw.below(most),
        };
        let targets = vec![target(self, 0), target(self, 900), target(self, 1_800)];
        let (order, delay) = (self.below(6) as u8, us(1 + self.below(900)));
        let reporting = self.chance(60).then_some(Reporting { order, delay });
        let balloon = Balloon { vm: VmId(0), targets, reporting };
        config.host.memory_control.balloons = vec![balloon];
    }

    /// The VMM write-protects memory, and saves it or not.
    fn protection(&mut self, config: &mut MachineConfig) {
        let stored = config.workload.regions.iter().any(|region| region.store.is_some());
        let shadow = config.host.paging == HostPaging::Shadow;
        let balloon = !config.host.memory_control.balloons.is_empty();
        if stored || shadow || balloon || config.host.thp || self.chance(40) {
            return;
        }
        let sink = self.chance(70).then(|| match self.device() {
            device if device.is_work_of_submitter() => constant(us(30)),
            device => device,
        });
        let protection = WriteProtection {
            vm: VmId(0),
            at: us(self.below(2_500)),
            sink,
            threads: 1 + self.below(3) as u16,
            depth: 1 + self.below(40) as u32,
            rate: self.chance(40).then(|| 10_000 + self.below(1_000_000)),
            lift: self.of(&[Lift::Saved, Lift::Copied]),
        };
        config.host.memory_control.protections = vec![protection];
    }

    /// Who translates addresses, and which of them there are.
    fn paging(&mut self, config: &mut MachineConfig) {
        let tdp = HostPaging::Tdp;
        config.host.paging = self.of(&[tdp, tdp, HostPaging::Shadow]);
        let resident = config.guest.table_pages == TablePages::Resident;
        config.host.thp = !resident && self.chance(40);
        let guest = &mut config.guest;
        if self.chance(15) {
            guest.paging = GuestPaging::Off;
            guest.thp = false;
        } else {
            guest.processes = self.of(Processes::ALL);
            guest.pcid = self.chance(50);
        }
    }

    /// One of the regions is in a store, which the kernel reads or the VMM's threads do.
    fn store_a_region(&mut self, config: &mut MachineConfig) {
        let device = self.chance(60).then(|| match self.device() {
            device if device.is_work_of_submitter() => constant(us(30)),
            device => device,
        });
        let latency =
            if device.is_some() { SimDuration::ZERO } else { self.ns(&[0, 9_000, 70_000]) };
        let handler = HandlerConfig {
            around: self.of(&[1, 1, 4, 64]),
            prefetch: None,
            readers: 1 + self.below(3) as u16,
            installers: self.below(3) as u16,
            batch: self.of(&[1, 16]),
            waking: self.of(Waking::ALL),
            descriptors: 1 + self.below(2) as u16,
            cpus: if self.chance(40) { vec![PcpuId(0)] } else { Vec::new() },
            latency,
            process: self.of(Process::ALL),
            install: self.of(Install::ALL),
            plain_exits: self.of(PlainExits::ALL),
            remove_events: true,
            poison: Vec::new(),
        };
        let compressed = config.host.device.is_work_of_submitter();
        let kernel = self.chance(35) && (device.is_some() || !compressed);
        let handler = (!kernel).then_some(handler);
        let mapping = FileMapping {
            advice: self.of(Advice::ALL),
            read_ahead_pages: self.of(&[0, 1, 8, 32, 100]),
        };
        let (name, vm, shares) = ("store".into(), VmId(0), None);
        config.host.stores = vec![StoreConfig { name, vm, device, shares, handler, mapping }];
        let regions = config.workload.regions.len() as u64;
        let place = self.below(regions) as usize;
        let region = &mut config.workload.regions[place];
        (region.prefill, region.store) = (false, Some(StoreId(0)));
        let (first, pages) = (region.pages / 3, region.pages / 2);
        let runs = vec![PrefetchRun { region: RegionId(place as u16), first, pages }];
        let prefetch = Prefetch {
            threads: 1 + self.below(2) as u16,
            runs,
            batch: self.of(&[1, 8, 64]),
            pace: self.ns(&[0, 0, 3_000, 50_000]),
            before_start: self.chance(30),
        };
        let prefetch = self.chance(50).then_some(prefetch);
        if let Some(handler) = &mut config.host.stores[0].handler {
            handler.prefetch = prefetch;
            if self.chance(15) {
                let first = pages + self.below(pages);
                handler.poison =
                    vec![PrefetchRun { region: RegionId(place as u16), first, pages: 1 }];
            }
        }
    }

    fn host(&mut self, config: &mut MachineConfig) {
        config.host.cpus = 1 + self.below(4) as u16;
        config.host.memory_limit_pages = 3 * MIB;
        config.host.other_resident_pages = 0;
        config.host.read_ahead_pages = self.of(&[1, 8]);
        config.host.tick = us(self.of(&[250, 1_000, 4_000]));
        if self.chance(40) {
            config.host.kernel = host_kernel("linux-6.12");
        }
        config.host.kernel.mmu_retry =
            self.of(&[MmuRetry::OwnPage, MmuRetry::Evictions, MmuRetry::Unmappings]);
        config.host.kernel.read_faults = self.of(ReadFaults::ALL);
        config.host.kernel.second_stage_lock = self.of(SecondStageLock::ALL);
        config.host.zswap = self.zswap(config);
        if self.chance(50) {
            let kernel = presets::guest_kernel("linux-6.12").unwrap();
            config.host.sched = kernel.sched(config.host.cpus);
        }
        if self.chance(30) {
            let pages = |draw: &mut Self| draw.of(&[3 * MIB, 4 * MIB, 6 * MIB, 8 * MIB]);
            config.host.memory_limit_pages = pages(self);
            let change = |draw: &mut Self, at| LimitChange {
                at: us(at + draw.below(1_500)),
                vm: VmId(0),
                file: draw.of(&[MemcgFile::Max, MemcgFile::Max, MemcgFile::High]),
                limit_pages: pages(draw),
            };
            config.host.memory_control.limits = vec![change(self, 0), change(self, 1_500)];
            if config.host.memory_control.has_high() || self.chance(40) {
                let cgroup = Cgroup::V2;
                config.host.kernel.cgroup = cgroup;
                config.host.memory_control.highs = vec![(VmId(0), pages(self))];
            }
            if self.chance(40) {
                let (at, every) = (us(self.below(900)), us(200 + self.below(900)));
                let ask = self.of(&[ReclaimAsk::Pages(40), ReclaimAsk::Share { ppm: 30_000 }]);
                let agent = ProactiveReclaim { vm: VmId(0), at, every, ask };
                config.host.memory_control.proactive = vec![agent];
            }
        }
    }

    /// A pool before a device that is not memory, for which there is room under the limit.
    fn zswap(&mut self, config: &mut MachineConfig) -> Option<ZswapConfig> {
        if config.host.device.is_memory() || !self.chance(35) {
            return None;
        }
        let kernels = [
            ZswapKernel::Frontswap,
            ZswapKernel::FrontswapCharged,
            ZswapKernel::OldestFirst,
            ZswapKernel::SecondChance,
            ZswapKernel::SecondChanceBatch,
        ];
        config.host.kernel.zswap = self.of(&kernels);
        Some(ZswapConfig {
            load: Distribution::Exponential { mean: 3_000_000 },
            store: Distribution::Uniform { low: 1_000_000, high: 9_000_000 },
            ratio_milli: self.of(&[1_000, 2_700]),
            max_pool_pages: Some(self.of(&[3, 60, 150])),
            accept_percent: self.of(&[50, 90]),
        })
    }

    fn guest(&mut self, config: &mut MachineConfig) {
        let guest = &mut config.guest;
        guest.vcpus = 1 + self.below(4) as u16;
        guest.memory_pages = 8 * MIB;
        guest.tick = us(self.of(&[1_000, 4_000]));
        let kernel = self.of(&["linux-2.6.36", "linux-6.12"]);
        guest.sched = presets::guest_kernel(kernel).unwrap().sched(guest.vcpus);
        guest.steal_clock = self.of(&[StealClock::Off, StealClock::Waiting, StealClock::Every]);
        guest.wake = if self.chance(20) { WakeTime::Tick } else { WakeTime::Now };
        guest.wake_delay = self.ns(&[0, 0, 5_000]);
        guest.timers = self.of(&[TimerKind::Direct, TimerKind::Interrupt, TimerKind::Softirq]);
        let voluntary = Preemption::Voluntary;
        guest.preemption = self.of(&[Preemption::None, voluntary, voluntary, Preemption::Full]);
        guest.send_always = self.chance(30);
        if self.chance(30) {
            guest.apic = ApicConfig { timer_exits: true, eoi_exits: true, ipi_exits: true };
        }
        guest.event_pages = self.of(&[EventPages::Resident, EventPages::Reclaimable]);
        guest.table_levels = self.of(&[4, 5]);
        let reclaimable = TablePages::Reclaimable;
        guest.table_pages = self.of(&[reclaimable, reclaimable, TablePages::Resident]);
        if self.chance(30) {
            guest.thp = true;
            guest.memory_pages = 16 * MIB;
        }
    }

    fn policy(&mut self) -> Policy {
        match self.below(10) {
            0 => with_workers("apf-v6.12", Workers::NativeIo),
            1 => with_workers("apf-v2.6.39", Workers::ThreadPerFault),
            _ => named(self.of(&policies::policy_names())),
        }
    }
}

fn simulate(config: &MachineConfig, policy: &Policy, skip: bool) -> Result<RunOutput, RunError> {
    let settings = RunSettings { skip, warmup: us(200), ..for_time(us(2_500)) };
    run(&prefill(config, 42, &settings)?, policy, &settings)
}

/// What is compared of a run; one that has no result has an error.
fn outcome(config: &MachineConfig, policy: &Policy, skip: bool) -> (String, u64) {
    match simulate(config, policy, skip) {
        Ok(output) => {
            let RunOutput { digest, metrics, findings, handled_events, .. } = output;
            (format!("{digest:?} {metrics:?} {findings:?}"), handled_events)
        }
        Err(error) => (error.to_string(), 0),
    }
}

/// An operation that no machine draws would never be compared.
#[test]
fn every_operation_is_drawn() {
    let machines = (0..200).map(|seed| Draw::new(seed).machine());
    let tasks: Vec<TaskGroup> = machines.flat_map(|config| config.workload.tasks).collect();
    let drawn: BTreeSet<String> = tasks
        .iter()
        .flat_map(|task| &task.program)
        .filter_map(|op| op.to_string().split(' ').next().map(str::to_owned))
        .collect();
    for word in Op::WORDS {
        assert!(drawn.contains(*word), "`Draw` has no `{word}`");
    }
}

/// Two tasks on one vCPU: one whose call computes and then faults, one that sleeps in its call, so that
/// it asks for the vCPU in the middle of the other's operations. In every kernel, with every kind of
/// timer and section, and under every policy.
#[test]
fn a_call_gives_way_at_the_same_operation() {
    let compute = Op::Compute { span: SimDuration::from_ns(2_500) };
    let sleep = Op::Sleep { span: SimDuration::from_ns(2_500) };
    let touch = |region| Op::Access {
        region: RegionId(region),
        pattern: Pattern::Uniform,
        write: true,
        cost: SimDuration::ZERO,
    };
    let sections = [Section::PreemptOff, Section::IrqOff, Section::RcuReader];
    let mut bodies = vec![vec![compute, touch(1)], vec![touch(0), compute, touch(0), touch(1)]];
    for kind in sections {
        let section = [Op::SectionEnter { kind }, compute, touch(0), Op::SectionExit { kind }];
        bodies.push([&section[..], &[compute, touch(1)]].concat());
    }
    let mut ahead_of = 0;
    for body in &bodies {
        for preemption in [Preemption::None, Preemption::Voluntary, Preemption::Full] {
            for timers in [TimerKind::Direct, TimerKind::Interrupt, TimerKind::Softirq] {
                let mut config = crowded("free", constant(us(1_000)));
                (config.guest.vcpus, config.host.cpus) = (1, 1);
                config.guest.memory_pages = 8 * MIB;
                (config.guest.preemption, config.guest.timers) = (preemption, timers);
                config.host.memory_limit_pages = 3 * MIB;
                config.host.other_resident_pages = 0;
                let region = |name: &str, prefill| Region {
                    name: name.into(),
                    pages: 2 * MIB,
                    prefill,
                    backing: RegionBacking::Vmm,
                    store: None,
                };
                config.workload.regions = vec![region("filled", true), region("fresh", false)];
                config.workload.tasks = vec![
                    group("caller", TaskRole::Faulter, 2, syscall(SimDuration::ZERO, body)),
                    group("sleeper", TaskRole::Worker, 1, syscall(SimDuration::ZERO, &[sleep])),
                ];
                for policy in ["sync", "apf-v2.6.39", "apf-v6.12"].map(named) {
                    let ahead = outcome(&config, &policy, true);
                    let stepped = outcome(&config, &policy, false);
                    let name = &policy.name;
                    assert!(ahead.0 == stepped.0, "{body:?}, {preemption:?}, {timers:?}, {name}");
                    ahead_of += stepped.1 - ahead.1;
                }
            }
        }
    }
    assert!(ahead_of > 10_000, "only {ahead_of} events are saved by running ahead");
}

/// Compares the machines of these seeds. Returns the events of all runs, ahead and stepped.
fn compare(seeds: std::ops::Range<u64>) -> (u64, u64) {
    let mut events = (0, 0);
    for seed in seeds {
        let mut draw = Draw::new(seed);
        let (mut config, policy) = (draw.machine(), draw.policy());
        draw.deaths(&mut config, &policy);
        let (ahead, stepped) = (outcome(&config, &policy, true), outcome(&config, &policy, false));
        assert!(
            ahead.0 == stepped.0,
            "seed {seed}, {}: {config:#?}\n{}\n{}",
            policy.name,
            ahead.0,
            stepped.0
        );
        events.0 += ahead.1;
        events.1 += stepped.1;
    }
    events
}

#[test]
fn random_machines_are_the_same_ahead_and_stepped() {
    let (ahead, stepped) = compare(0..200);
    assert!(ahead + 50_000 < stepped, "{ahead} events ahead, {stepped} stepped");
}

#[test]
#[ignore = "minutes: cargo test --release -p models --test it machine::ahead -- --ignored"]
fn many_random_machines_are_the_same_ahead_and_stepped() {
    compare(200..20_000);
}
