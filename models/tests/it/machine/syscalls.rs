//! Faults that tasks take in system calls: who is told of them, who halts, who sleeps.

use super::kit::{
    assert_clean, constant, crowded, for_time, group, ms, simulate, syscall, us, write,
};
use models::base::record::{BlockReason, Event, TaskRole};
use models::config::{MachineConfig, Op, Pattern, Preemption, Section};
use models::machine::{RunOutput, RunSettings};
use sim_core::SimDuration;

/// Faulters that touch memory in a system call only, with `sections` around the touch.
fn kernel_faulters(sections: &[Section]) -> MachineConfig {
    let mut config = crowded("skylake-sp", constant(us(500)));
    let touch = write(Pattern::Uniform, SimDuration::from_ns(20));
    let enter = sections.iter().map(|&kind| Op::SectionEnter { kind });
    let exit = sections.iter().rev().map(|&kind| Op::SectionExit { kind });
    let body: Vec<Op> = enter.chain([touch]).chain(exit).collect();
    config.workload.tasks[0].program = syscall(us(1), &body);
    config
}

fn recorded(config: &MachineConfig, policy: &str) -> RunOutput {
    let settings = RunSettings { keep_records: true, ..for_time(ms(60)) };
    let output = simulate(config, policy, &settings);
    assert_clean(&output);
    output
}

fn count(output: &RunOutput, wanted: impl Fn(&Event) -> bool) -> usize {
    output.records.as_ref().unwrap().iter().filter(|record| wanted(&record.event)).count()
}

fn is_try(event: &Event) -> bool {
    matches!(event, Event::KvmTryAsyncGetPage { .. })
}

fn is_announced(event: &Event) -> bool {
    matches!(event, Event::KvmAsyncPfNotPresent { .. })
}

fn is_told(event: &Event) -> bool {
    matches!(event, Event::NotPresentQueued { .. })
}

fn halts(event: &Event) -> bool {
    matches!(event, Event::VcpuBlock { reason: BlockReason::ApfHalt, .. })
}

fn stalls(event: &Event) -> bool {
    matches!(event, Event::VcpuBlock { reason: BlockReason::Fetch, .. })
}

#[test]
fn kernel_faults_halt_the_vcpu_and_are_told_to_nobody() {
    let output = recorded(&kernel_faulters(&[]), "apf-v6.12");
    let announced = count(&output, is_announced);
    assert!(announced > 100, "{announced} faults went asynchronous");
    assert_eq!(count(&output, is_told), 0);
    assert!(count(&output, halts) >= announced / 2, "{} halts", count(&output, halts));
    // Page ready is traced for all of them, and no interrupt is raised for any: the one queued
    // page ready of each vCPU is the wake-all.
    let ready = count(&output, |event| matches!(event, Event::KvmAsyncPfReady { .. }));
    assert!(ready > announced * 9 / 10, "{ready} of {announced}");
    let raised = count(&output, |event| matches!(event, Event::PageReadyQueued { .. }));
    assert_eq!(raised, 4);
}

#[test]
fn with_interrupts_off_the_thread_sleeps_and_nothing_is_tried() {
    for policy in ["apf-v6.12", "apf-v2.6.39"] {
        let output = recorded(&kernel_faulters(&[Section::IrqOff]), policy);
        assert_eq!(count(&output, is_try), 0, "{policy}");
        assert!(count(&output, stalls) > 100, "{policy}: {}", count(&output, stalls));
        assert_eq!(count(&output, halts), 0, "{policy}");
    }
}

/// How often tasks slept and vCPUs waited in HLT for not present, in a guest that asks for notices
/// in its kernel.
fn waits(preemption: Preemption, sections: &[Section]) -> (usize, usize) {
    let mut config = kernel_faulters(sections);
    config.guest.send_always = true;
    config.guest.preemption = preemption;
    // Nobody else runs, so that every HLT is a waiter's or an idle vCPU's.
    let output = recorded(&config, "apf-v2.6.39");
    let told = count(&output, |event| matches!(event, Event::NotPresentQueued { cpl: 0, .. }));
    assert!(told > 100, "{told} told at CPL 0");
    assert_eq!(count(&output, is_told), told);
    let records = output.records.as_ref().unwrap();
    // A task that sleeps is switched away from before it is woken; one that waits in HLT is not.
    let mut linked = std::collections::BTreeMap::new();
    let (mut slept, mut halted) = (0, 0);
    for record in records {
        match record.event {
            Event::ApfWait { task, .. } => {
                linked.insert(task, false);
            }
            Event::GuestSchedSwitch { prev: Some(task), .. } => {
                linked.entry(task).and_modify(|switched| *switched = true);
            }
            Event::ApfWake { task, .. } => match linked.remove(&task) {
                Some(true) => slept += 1,
                Some(false) => halted += 1,
                None => {}
            },
            _ => {}
        }
    }
    (slept, halted)
}

#[test]
fn a_preemptible_kernel_sleeps_in_a_system_call() {
    let (slept, halted) = waits(Preemption::Full, &[]);
    // Woken before it was switched away a task looks as if it had halted.
    assert!(slept > 100 && halted < slept / 20, "{slept} slept, {halted} halted");
}

#[test]
fn a_kernel_that_may_not_schedule_waits_in_hlt() {
    for (preemption, sections) in [
        (Preemption::Full, &[Section::PreemptOff][..]),
        // That reader could be preempted, but must not sleep: kernels before 4.14 overlooked it.
        (Preemption::Full, &[Section::RcuReader, Section::PreemptOff]),
    ] {
        let (slept, halted) = waits(preemption, sections);
        assert!(halted > 100 && slept == 0, "{preemption:?}: {slept} slept, {halted} halted");
    }
}

/// A preemptible kernel gives way inside a system call, others at its end.
#[test]
fn preemption_decides_how_long_others_wait_for_a_system_call() {
    let mut config = crowded("free", constant(us(100)));
    config.guest.vcpus = 1;
    config.workload.regions.clear();
    config.guest.sched = super::kit::fair(ms(4), ms(2)).into();
    // A call of 20 ms in two halves, and a task that sleeps and computes.
    let halves = [Op::Compute { span: ms(10) }, Op::Compute { span: ms(10) }];
    config.workload.tasks = vec![
        group("caller", TaskRole::Faulter, 1, syscall(us(1), &halves)),
        group(
            "sleeper",
            TaskRole::Worker,
            1,
            vec![Op::Sleep { span: ms(1) }, Op::Compute { span: us(10) }],
        ),
    ];
    let turns = |preemption, wrap: Option<Section>| {
        let mut config = config.clone();
        config.guest.preemption = preemption;
        if let Some(kind) = wrap {
            let body: Vec<Op> = [Op::SectionEnter { kind }]
                .into_iter()
                .chain(halves)
                .chain([Op::SectionExit { kind }])
                .collect();
            config.workload.tasks[0].program = syscall(us(1), &body);
        }
        let settings = RunSettings { keep_records: true, ..for_time(ms(1000)) };
        let output = simulate(&config, "sync", &settings);
        count(&output, |event| matches!(event, Event::GuestSchedWakeup { .. }))
    };
    let none = turns(Preemption::None, None);
    let voluntary = turns(Preemption::Voluntary, None);
    let full = turns(Preemption::Full, None);
    // One wake-up for each 20 ms, for each half of it, and for each of its own milliseconds.
    assert!((47..=51).contains(&none), "{none}");
    assert!((95..=101).contains(&voluntary), "{voluntary}");
    assert!(full > 900, "{full}");
    for (preemption, kind, expected) in [
        (Preemption::Full, Section::PreemptOff, 47..=51),
        (Preemption::Full, Section::IrqOff, 47..=51),
        (Preemption::Full, Section::RcuReader, 900..=1000),
        (Preemption::Voluntary, Section::RcuReader, 47..=51),
    ] {
        let turns = turns(preemption, Some(kind));
        assert!(expected.contains(&turns), "{preemption:?} {kind:?}: {turns}");
    }
}

/// Time in system calls is the tasks' time in the kernel, not in user mode.
#[test]
fn time_in_system_calls_is_kernel_time() {
    let mut config = crowded("free", constant(us(100)));
    config.guest.vcpus = 1;
    config.workload.regions.clear();
    let mut program = syscall(us(3), &[Op::Compute { span: us(3) }]);
    program.push(Op::Compute { span: us(4) });
    config.workload.tasks = vec![group("caller", TaskRole::Faulter, 1, program)];
    let output = recorded(&config, "sync");
    let user = super::kit::share(&output, "faulters");
    let kernel = super::kit::share(&output, "guest_kernel");
    assert!((user - 0.4).abs() < 0.001 && (kernel - 0.6).abs() < 0.001, "{user} {kernel}");
    let time: SimDuration = output
        .records
        .unwrap()
        .iter()
        .filter_map(|record| match record.event {
            Event::TaskKernelRun { span, .. } => Some(span),
            _ => None,
        })
        .fold(SimDuration::ZERO, |sum, span| sum + span);
    assert!(time.as_ns().abs_diff(36_000_000) < 20_000, "{time}");
}
