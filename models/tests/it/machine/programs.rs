//! Where programs go on, what they draw, who waits for whom; and requests, whose parts add up.

use super::kit::{MIB, assert_clean, constant, crowded, for_time, group, ms, simulate, us, write};
use models::base::ids::{AddressesId, LawId, RegionId, SyncId, TaskId, WalkId};
use models::base::record::{Event, TaskRole};
use models::config::{
    AddressRecorder, Arrivals, Law, MachineConfig, Op, PageLaw, PageWalk, Pattern, Region,
    RegionBacking, SyncKind, SyncObject, TaskGroup,
};
use models::machine::{RunOutput, RunSettings, Watch};
use models::trace::anatomy::Pick;
use models::trace::requests::RequestPart;
use sim_core::{Distribution, SimDuration};

/// One vCPU on which everything is free but the programs.
fn alone(tasks: Vec<TaskGroup>) -> MachineConfig {
    let mut config = crowded("free", constant(ms(1)));
    config.guest.vcpus = 1;
    config.host.cpus = 1;
    config.workload.regions.clear();
    config.workload.tasks = tasks;
    config
}

fn compute(span_us: u64) -> Op {
    Op::Compute { span: us(span_us) }
}

fn task(program: Vec<Op>) -> TaskGroup {
    group("task", TaskRole::Worker, 1, program)
}

fn metric(output: &RunOutput, name: &str) -> f64 {
    output.metrics.get(name).unwrap_or_else(|| panic!("no {name}"))
}

/// Time of the end of the only task.
fn completion(program: Vec<Op>) -> f64 {
    let output = simulate(&alone(vec![task(program)]), "sync", &for_time(ms(100)));
    assert_clean(&output);
    metric(&output, "completion_time") * 1e6
}

#[test]
fn a_program_with_an_end_ends() {
    let us_of = completion(vec![compute(7), Op::EndPass { passes: 5 }]);
    assert!((us_of - 35.0).abs() < 1e-6, "{us_of}");
    let endless = simulate(&alone(vec![task(vec![compute(7)])]), "sync", &for_time(ms(1)));
    assert_eq!(endless.metrics.get("completion_time"), None);
}

/// Visits take what their instructions take, or a cycle; the trace is gone through once, and again in the
/// next pass.
#[test]
fn a_replay_takes_the_time_of_its_instructions() {
    let mut config = alone(vec![task(vec![
        Op::Replay {
            region: RegionId(0),
            addresses: AddressesId(0),
            instruction: SimDuration::from_us(2),
        },
        compute(7),
        Op::EndPass { passes: 3 },
    ])]);
    config.workload.regions = vec![Region {
        name: "r".into(),
        pages: 4,
        prefill: true,
        backing: RegionBacking::Vmm,
        store: None,
    }];
    let mut recorder = AddressRecorder::default();
    // Five visits of eight instructions, one of which has none of its own.
    for (page, write, begins) in [
        (0, false, true),
        (0, false, true),
        (1, true, false),
        (1, false, true),
        (1, false, true),
        (2, false, true),
        (0, false, true),
        (0, true, true),
        (0, false, true),
    ] {
        recorder.access(page, write, begins);
    }
    config.workload.addresses = recorder.finish().into_iter().collect();
    let output = simulate(&config, "sync", &for_time(ms(100)));
    assert_clean(&output);
    let us_of = metric(&output, "completion_time") * 1e6;
    let expected = 3.0 * (8.0 * 2.0 + 7.0);
    assert!((us_of - expected).abs() < 1e-3, "{us_of} {expected}");
}

#[test]
fn repetitions_nest_and_happen_so_often() {
    let program = vec![
        Op::Repeat { times: 3, skip: 7, slot: 0 },
        compute(10),
        Op::Repeat { times: 4, skip: 3, slot: 1 },
        compute(1),
        Op::Again { back: 1, slot: 1 },
        compute(100),
        Op::Again { back: 5, slot: 0 },
        compute(1000),
        Op::EndPass { passes: 2 },
    ];
    let us_of = completion(program);
    assert!((us_of - 2.0 * (3.0 * (10.0 + 4.0 + 100.0) + 1000.0)).abs() < 1e-6, "{us_of}");
}

#[test]
fn what_happens_once_does_and_what_is_chosen_has_its_share() {
    let once = vec![Op::Once { flag: 3, skip: 2 }, compute(500), compute(1)];
    let us_of = completion([once, vec![Op::EndPass { passes: 10 }]].concat());
    assert!((us_of - 510.0).abs() < 1e-6, "{us_of}");
    let branch = vec![
        Op::Branch { part: 1, whole: 4, skip: 3 },
        compute(8),
        Op::Jump { skip: 2 },
        compute(0),
        compute(1),
        Op::EndPass { passes: 4000 },
    ];
    let us_of = completion(branch);
    let share = (us_of - 4000.0) / 8.0 / 4000.0;
    assert!((share - 0.25).abs() < 0.02, "{share}");
}

#[test]
fn a_phase_goes_on_until_its_time() {
    let program = vec![
        compute(300),
        Op::Until { at: ms(2), back: 1 },
        compute(1000),
        Op::EndPass { passes: 1 },
    ];
    let us_of = completion(program);
    // Seven times 300 us is the first after 2 ms.
    assert!((us_of - 3100.0).abs() < 1e-6, "{us_of}");
}

#[test]
fn drawn_lengths_have_the_mean_of_their_law() {
    let laws = [
        (Distribution::Exponential { mean: 5_000_000 }, 1, 5.0),
        (Distribution::Uniform { low: 2_000_000, high: 6_000_000 }, 1, 4.0),
        (Distribution::Zipf { n: 3, exponent_milli: 1000 }, 1_000_000, 3.0 / (11.0 / 6.0)),
        (Distribution::Pareto { scale: 1_000_000, shape_milli: 3000 }, 1, 1.5),
    ];
    for (law, unit, mean) in laws {
        let told = format!("{law:?}");
        for drawn in [Op::ComputeDrawn { law: LawId(0) }, Op::SleepDrawn { law: LawId(0) }] {
            let program = vec![drawn, compute(1), Op::EndPass { passes: 8000 }];
            let mut config = alone(vec![task(program)]);
            config.workload.laws = vec![Law { law: law.clone(), unit }];
            let output = simulate(&config, "sync", &for_time(ms(200)));
            let each = metric(&output, "completion_time") * 1e6 / 8000.0 - 1.0;
            assert!((each / mean - 1.0).abs() < 0.04, "{told}: {each} us");
        }
    }
}

/// Faults by access in a machine whose memory holds a quarter of the region: a hot set faults less.
#[test]
fn a_hot_set_that_fits_faults_less_than_uniform_accesses() {
    let faults = |law: Option<PageLaw>| {
        let cost = SimDuration::from_us(2);
        let region = RegionId(0);
        let op = match law {
            None => write(Pattern::Uniform, cost),
            Some(_) => Op::AccessBy { region, walk: WalkId(0), write: true, cost },
        };
        let mut config = crowded("free", constant(us(100)));
        config.host.memory_limit_pages = 10 * MIB;
        // Pages leave in the order of a chain, so that read-ahead on the swap device follows it.
        config.host.read_ahead_pages = 1;
        let program = vec![Op::RequestEnter, op, Op::RequestExit];
        config.workload.tasks = vec![group("task", TaskRole::Faulter, 2, program)];
        config.workload.walks = law.into_iter().map(|law| PageWalk { region, law }).collect();
        let settings = RunSettings { warmup: ms(300), ..for_time(ms(400)) };
        let output = simulate(&config, "sync", &settings);
        assert_clean(&output);
        metric(&output, "major_faults") / metric(&output, "requests")
    };
    let uniform = faults(None);
    let hot = PageLaw::HotSet { hot: 2 * MIB, hot_ppm: 950_000, drift: 0, shuffled: true };
    let zipf = PageLaw::Zipf { exponent_milli: 990, shuffled: true };
    assert!((0.70..0.80).contains(&uniform), "{uniform}");
    let (hot, zipf) = (faults(Some(hot)), faults(Some(zipf)));
    assert!(hot < 0.1, "a hot set that fits: {hot}");
    assert!(zipf < 0.5, "skewed accesses: {zipf}");
    // Two tasks follow one chain, half of it apart: what the other had is gone long since.
    let chase = faults(Some(PageLaw::Chase));
    assert!(chase > 0.95, "along a chain: {chase}");
}

fn locked(body: Vec<Op>) -> Vec<Op> {
    let lock = SyncId(0);
    [vec![Op::LockEnter { lock }], body, vec![Op::LockExit { lock }]].concat()
}

fn syncs() -> Vec<SyncObject> {
    let sync = |name: &str, kind| SyncObject { name: name.into(), kind };
    vec![
        sync("lock", SyncKind::Lock),
        sync("barrier", SyncKind::Barrier { parties: 3 }),
        sync("signal", SyncKind::Semaphore),
    ]
}

/// What is done under a lock is done by one at a time, though it sleeps there: 20 times a millisecond.
#[test]
fn a_lock_is_held_by_one_task_at_a_time() {
    let program =
        [locked(vec![Op::Sleep { span: ms(1) }]), vec![Op::EndPass { passes: 5 }]].concat();
    let mut config = alone(vec![group("task", TaskRole::Worker, 4, program)]);
    config.workload.syncs = syncs();
    let output = simulate(&config, "sync", &for_time(ms(50)));
    let completion = metric(&output, "completion_time");
    assert!((completion - 0.020).abs() < 1e-6, "{completion}");
}

#[test]
fn a_barrier_waits_for_the_last_and_a_signal_is_not_lost() {
    // Three tasks sleep 1, 2 and 3 ms between barriers: each round takes as long as the slowest.
    let user = |span, name: &str| {
        let program = vec![
            Op::Sleep { span: ms(span) },
            Op::Barrier { barrier: SyncId(1) },
            Op::EndPass { passes: 4 },
        ];
        group(name, TaskRole::Worker, 1, program)
    };
    let mut config = alone(vec![user(1, "a"), user(2, "b"), user(3, "c")]);
    config.workload.syncs = syncs();
    let output = simulate(&config, "sync", &for_time(ms(50)));
    assert!((metric(&output, "completion_time") - 0.012).abs() < 1e-6);
    let semaphore = SyncId(2);
    let giver = vec![
        Op::Sleep { span: ms(5) },
        Op::Wake { semaphore, count: 3 },
        Op::EndPass { passes: 2 },
    ];
    let taker = vec![Op::Wait { semaphore }, Op::Sleep { span: ms(1) }, Op::EndPass { passes: 6 }];
    let mut config = alone(vec![group("giver", TaskRole::Worker, 1, giver), task(taker)]);
    config.workload.syncs = syncs();
    let output = simulate(&config, "sync", &for_time(ms(50)));
    let completion = metric(&output, "completion_time");
    // Three signals from 5 ms on, taken one by one, and three from 10 ms on.
    assert!((completion - 0.013).abs() < 1e-6, "{completion}");
}

/// Tasks that fault under a lock keep others waiting for it: the lock's part of a request shows it, under
/// asynchronous faults too.
#[test]
fn a_page_fault_inside_a_lock_keeps_others_waiting() {
    let touch = write(Pattern::Uniform, SimDuration::from_ns(200));
    let body = locked(vec![touch, compute(5)]);
    let program = [vec![Op::RequestEnter], body, vec![Op::RequestExit]].concat();
    let mut config = crowded("skylake-sp", constant(us(500)));
    config.guest.vcpus = 1;
    config.host.cpus = 2;
    config.workload.syncs = syncs();
    config.workload.tasks = vec![group("task", TaskRole::Faulter, 4, program)];
    let settings = RunSettings { warmup: ms(100), ..for_time(ms(400)) };
    let output = simulate(&config, "apf-v6.12", &settings);
    assert_clean(&output);
    assert!(metric(&output, "async_faults") > 100.0);
    let (lock, device) =
        (metric(&output, "request_part_lock"), metric(&output, "request_part_device"));
    assert!(lock > 2.0 * device, "{lock} s for the lock, {device} s for own pages");
}

fn crowded_requests() -> MachineConfig {
    let touch = write(Pattern::Uniform, SimDuration::from_ns(200));
    let program =
        vec![Op::RequestEnter, compute(10), touch, compute(10), touch, Op::RequestExit, compute(3)];
    let mut config = crowded("skylake-sp", constant(us(300)));
    config.guest.vcpus = 2;
    config.host.cpus = 2;
    config.workload.tasks = vec![
        group("server", TaskRole::Faulter, 6, program),
        group("worker", TaskRole::Worker, 2, vec![Op::Count { per_second: 1_000_000 }]),
    ];
    config
}

/// The ledger of requests: every single one adds up, and so do their means; watching changes nothing.
#[test]
fn the_parts_of_every_request_add_up_to_its_latency() {
    for policy in ["sync", "halt", "apf-v2.6.39", "apf-v6.12"] {
        let settings = RunSettings { warmup: ms(50), ..for_time(ms(300)) };
        let plain = simulate(&crowded_requests(), policy, &settings);
        let watch = Watch::Requests(Vec::new());
        let listed =
            simulate(&crowded_requests(), policy, &RunSettings { watch, ..settings.clone() });
        assert_eq!((plain.digest, &plain.metrics), (listed.digest, &listed.metrics));
        let requests = listed.requests.unwrap();
        assert_eq!(requests.all.count as f64, metric(&plain, "requests"));
        let picked: Vec<_> =
            Pick::ALL.iter().map(|&pick| requests.all.pick(pick).unwrap()).collect();
        for request in &picked {
            assert_eq!(request.parts.total(), request.latency(), "{policy}");
        }
        let worst = requests.all.pick(Pick::Worst).unwrap();
        let max = metric(&plain, "request_latency_max");
        assert!((worst.latency().as_secs_f64() / max - 1.0).abs() < 1e-9);
        let sum: f64 = RequestPart::ALL
            .iter()
            .zip([
                "queue",
                "cpu",
                "kernel",
                "host",
                "run_queue",
                "device",
                "stall",
                "halt",
                "reclaim",
                "lock",
                "steal",
                "sleep",
            ])
            .map(|(_, name)| metric(&plain, &format!("request_part_{name}")))
            .sum();
        assert!((sum / metric(&plain, "request_latency_mean") - 1.0).abs() < 1e-9, "{policy}");
        // The program's own time is what it says: 20 us, two instructions, their translations.
        let cpu = metric(&plain, "request_part_cpu");
        assert!((20.4e-6..22e-6).contains(&cpu), "{policy}: {cpu}");
        // Watched requests are met again, with stretches from begin to end.
        let keys: Vec<_> = picked.iter().map(|request| request.key).collect();
        let watch = Watch::Requests(keys.clone());
        let watched = simulate(&crowded_requests(), policy, &RunSettings { watch, ..settings });
        assert_eq!(watched.digest, plain.digest);
        for request in watched.requests.unwrap().watched {
            let again = picked.iter().find(|it| it.key == request.key).unwrap();
            assert_eq!((again.parts, again.end), (request.parts, request.end));
            assert_eq!(request.stretches[0].from, request.key.begin);
            assert!(request.stretches.is_sorted_by_key(|stretch| stretch.from));
        }
    }
    // Under `sync` others are what a request waits for most.
    let settings = RunSettings { warmup: ms(50), ..for_time(ms(300)) };
    let sync = simulate(&crowded_requests(), "sync", &settings);
    assert!(metric(&sync, "request_part_stall") > metric(&sync, "request_part_device"));
    let told = simulate(&crowded_requests(), "apf-v6.12", &settings);
    assert_eq!(metric(&told, "request_part_stall"), 0.0);
}

/// Marks change no more than the marks: records without them are the same.
#[test]
fn marks_do_not_change_the_course() {
    let records = |marked: bool| {
        let mut config = crowded_requests();
        if !marked {
            config.workload.tasks[0]
                .program
                .retain(|op| !matches!(op, Op::RequestEnter | Op::RequestExit));
        }
        let settings = RunSettings { keep_records: true, ..for_time(ms(60)) };
        let records = simulate(&config, "apf-v6.12", &settings).records.unwrap();
        let cut = |event: &Event| {
            matches!(
                event,
                Event::RequestBegin { .. } | Event::RequestEnd { .. } | Event::TaskRun { .. }
            )
        };
        records.into_iter().filter(|record| !cut(&record.event)).collect::<Vec<_>>()
    };
    assert_eq!(records(true), records(false));
}

/// Each group has its own numbers, which add up to those of all.
#[test]
fn requests_are_counted_by_group() {
    let program = |span| vec![Op::RequestEnter, compute(span), Op::RequestExit];
    let mut served =
        group("b", TaskRole::Worker, 1, vec![Op::ServeEnter, compute(50), Op::RequestExit]);
    served.arrivals = Some(Arrivals::Times(vec![ms(1), ms(2), ms(3)]));
    let config = alone(vec![group("a", TaskRole::Worker, 2, program(100)), served]);
    let output = simulate(&config, "sync", &for_time(ms(10)));
    let groups = &output.metrics.per_group;
    let of = |group: usize, name: &str| {
        groups[group].values.iter().find(|metric| metric.name == name).map(|metric| metric.value)
    };
    assert_eq!(groups.len(), 2);
    assert_eq!(of(1, "requests"), Some(3.0));
    let sum = of(0, "requests").unwrap() + of(1, "requests").unwrap();
    assert_eq!(sum, metric(&output, "requests"));
    assert_eq!(of(0, "completion_time"), None);
    assert!(output.metrics.per_task.iter().any(|task| task.task == TaskId(0)));
}
