//! The same machine gives the same bytes whatever the queue, with and without running ahead, and
//! from a shared prefill as from one of its own.

use super::kit::{
    assert_clean, constant, crowded, for_time, group, host_kernel, ms, named, simulate, syscall,
    us, with_workers, write,
};
use models::apf::rules::Workers;
use models::base::ids::VcpuId;
use models::base::record::TaskRole;
use models::config::{
    ApicConfig, Disturbance, DisturbanceKind, Lru, MachineConfig, Op, Pattern, Policy, Preemption,
    ReadAhead, Section,
};
use models::machine::{RunError, RunSettings, Stop, prefill, run};
use models::monitors::Verdict;
use models::presets;
use models::presets::policies;
use sim_core::{QueueKind, SimDuration};

/// Machines that between them reach every kind of interaction with a vCPU that ran ahead.
fn machines() -> Vec<(&'static str, MachineConfig)> {
    let mut worlds = vec![
        ("no accessed bits", crowded("westmere-2010", constant(us(300)))),
        ("accessed bits", crowded("skylake-sp", constant(us(300)))),
        ("disk", crowded("westmere-2010", presets::device("hdd-7200-swap").unwrap().config)),
    ];
    let mut mixed = crowded("skylake-sp", presets::device("nvme-tlc-gen3").unwrap().config);
    mixed.workload.tasks = vec![
        // Long bursts: computing between accesses, most of which hit.
        group(
            "walker",
            TaskRole::Faulter,
            3,
            vec![
                write(Pattern::Sequential, SimDuration::from_ns(300)),
                Op::Compute { span: us(2) },
                write(Pattern::Uniform, SimDuration::from_ns(50)),
            ],
        ),
        group(
            "sleeper",
            TaskRole::Faulter,
            2,
            vec![write(Pattern::Uniform, SimDuration::from_ns(20)), Op::Sleep { span: us(730) }],
        ),
        group("worker", TaskRole::Worker, 2, vec![Op::Count { per_second: 1_000_000 }]),
    ];
    worlds.push(("bursts and sleeps", mixed));
    let mut calling = crowded("westmere-2010", constant(us(200)));
    let calls = vec![Op::CallAll, Op::Compute { span: us(300) }, Op::Sleep { span: us(430) }];
    calling.workload.tasks.push(group("caller", TaskRole::Worker, 2, calls));
    worlds.push(("calls between vCPUs", calling));
    let section =
        |kind, span| [Op::SectionEnter { kind }, Op::Compute { span }, Op::SectionExit { kind }];
    let touch = write(Pattern::Uniform, SimDuration::from_ns(30));
    let body = [
        &[touch, Op::Compute { span: us(3) }, touch][..],
        &section(Section::IrqOff, us(2)),
        &[Op::SectionEnter { kind: Section::PreemptOff }, touch],
        &section(Section::RcuReader, us(1)),
        &[Op::SectionExit { kind: Section::PreemptOff }, touch],
    ]
    .concat();
    for (name, preemption, send_always) in [
        ("system calls", Preemption::Voluntary, false),
        ("system calls of a preemptible kernel", Preemption::Full, true),
    ] {
        let mut calls = crowded("skylake-sp", constant(us(200)));
        (calls.guest.preemption, calls.guest.send_always) = (preemption, send_always);
        calls.workload.tasks[0].program = [syscall(us(1), &body), vec![touch]].concat();
        calls.workload.tasks[0].count = 8;
        if send_always {
            calls.guest.apic = ApicConfig { timer_exits: true, eoi_exits: true, ipi_exits: true };
        }
        worlds.push((name, calls));
    }
    let mut disturbed = crowded("skylake-sp", constant(us(200)));
    disturbed.workload.tasks[0].count = 12;
    let happens = |at, every, vcpu, kind| Disturbance { at, every, vcpu: VcpuId(vcpu), kind };
    disturbed.disturbances = vec![
        happens(ms(0), None, 2, DisturbanceKind::LapicOff),
        happens(ms(4), None, 2, DisturbanceKind::LapicOn),
        happens(ms(5), Some(ms(20)), 1, DisturbanceKind::Offline),
        happens(ms(13), Some(ms(20)), 1, DisturbanceKind::Online),
        happens(us(700), Some(ms(3)), 0, DisturbanceKind::MemslotChange),
        happens(ms(7), Some(ms(11)), 3, DisturbanceKind::Kick),
    ];
    worlds.push(("disturbances", disturbed));
    let mut overcommitted = crowded("westmere-2010", constant(us(200)));
    overcommitted.host.cpus = 2;
    worlds.push(("two host processors", overcommitted));
    let eevdf = |cpus| presets::guest_kernel("linux-6.12").unwrap().sched(cpus);
    let mut modern = crowded("skylake-sp", constant(us(200)));
    modern.host.cpus = 1;
    (modern.host.sched, modern.guest.sched) = (eevdf(1), eevdf(4));
    (modern.host.tick, modern.guest.tick) = (ms(4), ms(4));
    worlds.push(("EEVDF on one host processor", modern));
    let mut roomy = crowded("skylake-sp", constant(us(200)));
    (roomy.host.sched, roomy.guest.sched) = (eevdf(8), eevdf(4));
    worlds.push(("EEVDF on eight host processors", roomy));
    let mut memory = crowded("skylake-sp", presets::device("nvme-tlc-gen3").unwrap().config);
    memory.host.kernel = host_kernel("linux-6.12");
    worlds.push(("the host's kernel of 6.12", memory.clone()));
    memory.host.cpus = 3;
    memory.host.kernel.lru = Lru::GenerationsSecondStage;
    memory.host.kernel.read_ahead = ReadAhead::Adaptive;
    worlds.push(("ageing by accessed bits", memory));
    let mut free = crowded("free", constant(us(250)));
    free.guest.tick = ms(1);
    worlds.push(("everything free, everything at once", free));
    worlds
}

/// Every built-in policy, and one for each other way of getting the work of an item done.
fn policies() -> Vec<Policy> {
    let mut policies: Vec<Policy> = policies::policy_names().into_iter().map(named).collect();
    for workers in [Workers::ThreadPerFault, Workers::NativeIo] {
        policies.push(with_workers("apf-v6.12", workers));
    }
    policies.push(with_workers("apf-v2.6.39", Workers::NativeIo));
    policies
}

/// A machine under every policy, as it runs by default and in every other way.
fn hold_one(name: &str, config: &MachineConfig) {
    let prefilled = |(skip, queue)| {
        let settings = RunSettings { skip, queue, ..for_time(ms(60)) };
        // Each way has a prefill of its own, which policies share.
        (prefill(config, 42, &settings).unwrap(), settings)
    };
    let (prefix, base) = prefilled((true, QueueKind::Hybrid));
    // Each queue, and each of ahead and stepped, against another.
    let others = [(true, QueueKind::Std), (false, QueueKind::Reference)].map(prefilled);
    for policy in policies() {
        let policy_name = &policy.name;
        let reference = run(&prefix, &policy, &base).unwrap();
        // Before 5.13 a page ready that is raised while the local APIC is off is lost, and with it
        // all that follow on that vCPU.
        if name == "disturbances" && ["apf-v5.8", "apf-v5.9"].contains(&policy_name.as_str()) {
            let lost = reference.findings.iter().find(|f| f.id.to_string() == "INV-13");
            assert!(lost.is_some_and(|f| f.verdict == Verdict::Violation), "{policy_name}");
        } else {
            assert_clean(&reference);
        }
        for (prefix, settings) in &others {
            let other = run(prefix, &policy, settings).unwrap();
            let RunSettings { skip, queue, .. } = settings;
            assert_eq!(
                other.digest, reference.digest,
                "{name}, {policy_name}, skip {skip}, queue {queue}"
            );
            assert_eq!(other.metrics, reference.metrics, "{name}, {policy_name}");
        }
    }
}

/// The longest of all tests, so machines are held at the same time.
#[test]
fn running_ahead_and_the_queue_change_nothing() {
    std::thread::scope(|scope| {
        for (name, config) in machines() {
            scope.spawn(move || hold_one(name, &config));
        }
    });
}

/// Running ahead has to be worth its journal, and to be cut now and then, or the test above
/// compares a thing with itself.
#[test]
fn running_ahead_saves_events() {
    let (_, config) = machines().swap_remove(3);
    let ahead = simulate(&config, "apf-v7-2010", &for_time(ms(60)));
    let stepped = RunSettings { skip: false, ..for_time(ms(60)) };
    let stepped = simulate(&config, "apf-v7-2010", &stepped);
    assert!(
        ahead.handled_events + 10_000 < stepped.handled_events,
        "{} events ahead, {} stepped",
        ahead.handled_events,
        stepped.handled_events
    );
    let unmaps = ahead.metrics.get("ept_unmaps").unwrap();
    assert!(unmaps > 100.0, "reclaim is not active: {unmaps} unmaps");
}

/// Sharing the prefill among policies is the same as simulating it for each.
#[test]
fn a_shared_prefill_equals_one_of_its_own() {
    let config = crowded("westmere-2010", constant(us(300)));
    let settings = for_time(ms(40));
    let shared = prefill(&config, 42, &settings).unwrap();
    for policy in policies::policy_names() {
        let own = simulate(&config, policy, &settings);
        let from_shared = run(&shared, &named(policy), &settings).unwrap();
        assert_eq!(own.digest, from_shared.digest, "{policy}");
        let again = run(&shared, &named(policy), &settings).unwrap();
        assert_eq!(again.digest, from_shared.digest, "a run changed its prefix");
    }
}

#[test]
fn the_seed_matters_and_repeats() {
    let config = crowded("westmere-2010", constant(us(300)));
    let settings = for_time(ms(20));
    let digest = |seed| {
        let prefix = prefill(&config, seed, &settings).unwrap();
        run(&prefix, &named("sync"), &settings).unwrap().digest
    };
    assert_eq!(digest(1), digest(1));
    assert_ne!(digest(1), digest(2));
}

/// Weeks of computing, in which next to nothing is recorded, end as soon as that is asked for; so does a prefill.
#[test]
fn a_run_is_ended_from_outside_however_little_happens() {
    let mut config = crowded("skylake-sp", constant(us(300)));
    let span = SimDuration::from_ns(100);
    config.workload.tasks =
        vec![group("computes", TaskRole::Worker, 1, vec![Op::Compute { span }])];
    let stop = Stop::default();
    let short = RunSettings { duration: ms(20), ..RunSettings::default() };
    let stoppable = |duration| RunSettings { duration, stop: Some(stop.clone()), ..short.clone() };
    let policy = named("sync");
    let prefix = prefill(&config, 1, &stoppable(ms(20))).unwrap();
    let same = run(&prefix, &policy, &stoppable(ms(20))).unwrap();
    let plain = prefill(&config, 1, &short).unwrap();
    assert_eq!(same.digest, run(&plain, &policy, &short).unwrap().digest);
    let weeks = stoppable(SimDuration::from_secs(30 * 24 * 60 * 60));
    let stopped = std::thread::scope(|scope| {
        let running = scope.spawn(|| run(&prefix, &policy, &weeks));
        std::thread::sleep(std::time::Duration::from_millis(20));
        stop.now();
        running.join().unwrap()
    });
    assert!(matches!(stopped, Err(RunError::Stopped)), "{stopped:?}");
    let stopped = prefill(&config, 1, &weeks);
    assert!(matches!(stopped, Err(RunError::Stopped)), "{stopped:?}");
}
