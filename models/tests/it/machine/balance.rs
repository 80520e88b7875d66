//! Tasks that the guest's scheduler moves from one vCPU to another.

use super::kit::{assert_clean, constant, crowded, for_time, group, host_kernel, ms, simulate, us};
use models::base::ids::VcpuId;
use models::base::record::{Event, TaskRole};
use models::config::{MachineConfig, Op};
use models::machine::{RunOutput, RunSettings};
use models::presets;

const NEVER: u32 = 1_000_000_000;

/// Two vCPUs, and counting tasks that start on them as told.
fn machine(kernel: &str, start_on: &[u16], balance_ticks: u32) -> MachineConfig {
    let mut config = crowded("skylake-sp", constant(us(300)));
    config.guest.vcpus = 2;
    config.guest.sched = presets::guest_kernel(kernel).unwrap().sched(2);
    config.guest.balance_ticks = balance_ticks;
    let count = vec![Op::Count { per_second: 1_000_000_000 }];
    let mut tasks = group("counter", TaskRole::Worker, start_on.len() as u32, count);
    tasks.start_on = start_on.iter().copied().map(VcpuId).collect();
    config.workload.tasks = vec![tasks];
    config
}

/// The least work of a task over the most, and how many tasks were moved.
fn evenness(config: &MachineConfig) -> (f64, usize) {
    let settings = RunSettings { keep_records: true, ..for_time(ms(400)) };
    let output = simulate(config, "sync", &settings);
    assert_clean(&output);
    let work = output.metrics.per_task.iter().filter(|task| task.role == TaskRole::Worker);
    let work: Vec<f64> = work.map(|task| task.work as f64).collect();
    let least = work.iter().copied().fold(f64::INFINITY, f64::min);
    let most = work.iter().copied().fold(0.0, f64::max);
    let moved = |event: &Event| matches!(event, Event::GuestMigrateTask { .. });
    let records = output.records.unwrap();
    (least / most, records.iter().filter(|record| moved(&record.event)).count())
}

#[test]
fn the_balancer_evens_out_what_started_unevenly() {
    for kernel in ["linux-2.6.36", "linux-6.12"] {
        let (even, moved) = evenness(&machine(kernel, &[0, 0, 0, 1], 8));
        assert!(moved >= 1 && even > 0.8, "{kernel}: {even}, {moved} moved");
        // Nobody is idle, so that only the balancer would move anything.
        let (uneven, moved) = evenness(&machine(kernel, &[0, 0, 0, 1], NEVER));
        assert!(moved == 0 && uneven < 0.45, "{kernel}: {uneven}, {moved} moved");
    }
}

/// A vCPU that becomes idle looks around, and one that stays idle is asked to by busy ones.
#[test]
fn a_vcpu_that_becomes_idle_takes_what_waits() {
    for kernel in ["linux-2.6.36", "linux-6.12"] {
        let mut config = machine(kernel, &[0, 0], NEVER);
        let nap = vec![Op::Compute { span: us(10) }, Op::Sleep { span: ms(100) }];
        let mut napper = group("napper", TaskRole::Faulter, 1, nap);
        napper.start_on = vec![VcpuId(1)];
        config.workload.tasks.push(napper);
        let output = simulate(&config, "sync", &for_time(ms(400)));
        // Two counters on two vCPUs, for nearly all of the time.
        let work = output.metrics.get("work_total").unwrap();
        assert!(work > 2.0 * 0.4e9 * 0.95, "{kernel}: {work}");
        let (even, moved) = evenness(&config);
        assert!(moved >= 1 && even > 0.9, "{kernel}: {even}, {moved} moved");
    }
}

#[test]
fn a_balancer_that_runs_rarely_leaves_more_unevenness() {
    let of = |ticks| evenness(&machine("linux-2.6.36", &[0, 0, 0, 1], ticks)).0;
    let (often, rarely) = (of(8), of(200));
    assert!(rarely < often - 0.1, "{rarely} against {often}");
}

fn work_of_workers(output: &RunOutput) -> Vec<u64> {
    let tasks = output.metrics.per_task.iter().filter(|task| task.role == TaskRole::Worker);
    tasks.map(|task| task.work).collect()
}

/// Three tasks that always want a vCPU, on two of them: who has one alone changes.
#[test]
fn an_imbalance_of_one_goes_round() {
    for kernel in ["linux-2.6.36", "linux-6.12"] {
        let settings = for_time(ms(4000));
        let output = simulate(&machine(kernel, &[0, 1, 0], 8), "sync", &settings);
        assert_clean(&output);
        let work = work_of_workers(&output);
        let (least, most) = (work.iter().min().unwrap(), work.iter().max().unwrap());
        assert!(*least as f64 > 0.75 * *most as f64, "{kernel}: {work:?}");
    }
}

/// The same of vCPU threads on the host's processors, from a start in which one of them has a processor alone and three
/// share the other, and from one in which two do.
#[test]
fn vcpu_threads_that_always_run_have_equal_shares() {
    for (kernel, vcpus) in ["linux-2.6.36", "linux-6.12"].into_iter().zip([3, 4]) {
        let mut config = machine("linux-6.12", &[], NEVER);
        (config.host.cpus, config.guest.vcpus) = (2, vcpus);
        config.host.kernel = host_kernel(kernel);
        config.host.sched = presets::guest_kernel(kernel).unwrap().sched(2);
        let count = Op::Count { per_second: 1_000_000_000 };
        let nap =
            |ms_away| vec![Op::Compute { span: ms(50) }, Op::Sleep { span: ms(ms_away) }, count];
        let of = |vcpu: u16| {
            let program =
                if vcpu.is_multiple_of(2) { nap(20 + u64::from(vcpu) * 5) } else { vec![count] };
            let mut task = group(&format!("on {vcpu}"), TaskRole::Worker, 1, program);
            task.start_on = vec![VcpuId(vcpu)];
            task
        };
        config.workload.tasks = (0..vcpus).map(of).collect();
        let output = simulate(&config, "sync", &for_time(ms(4000)));
        assert_clean(&output);
        let work = work_of_workers(&output);
        let (least, most) = (work.iter().min().unwrap(), work.iter().max().unwrap());
        assert!(*least as f64 > 0.75 * *most as f64, "{kernel}: {work:?}");
    }
}
