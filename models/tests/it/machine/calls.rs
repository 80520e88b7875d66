//! Calls from one vCPU to the others: who is stalled in the host keeps the caller spinning, who is
//! halted by the host wakes up and answers.

use super::kit::{
    assert_clean, closed_form, fair, for_time, group, ms, share, simulate, us, write,
};
use models::base::ids::VcpuId;
use models::base::record::TaskRole;
use models::config::{MachineConfig, Op, Pattern};
use sim_core::SimDuration;

/// Everything is free. On vCPU 0 a task computes for 1 ms and then calls; on vCPU 1 a task does
/// nothing but fault, each time for `latency`.
fn caller_and_faulter(latency: SimDuration) -> MachineConfig {
    let mut config = closed_form(latency, us(0), fair(ms(4), ms(1)));
    config.guest.vcpus = 2;
    let caller = vec![Op::Compute { span: ms(1) }, Op::CallAll];
    let faulter = vec![write(Pattern::Sequential, SimDuration::from_ns(1))];
    config.workload.tasks = vec![
        group("caller", TaskRole::Worker, 1, caller),
        group("faulter", TaskRole::Faulter, 1, faulter),
    ];
    config.workload.tasks[0].start_on = vec![VcpuId(0)];
    config.workload.tasks[1].start_on = vec![VcpuId(1)];
    config
}

/// The caller's share of its own vCPU.
fn caller_share(policy: &str, latency: SimDuration) -> f64 {
    let output = simulate(&caller_and_faulter(latency), policy, &for_time(ms(1000)));
    assert_clean(&output);
    2.0 * share(&output, "workers")
}

#[test]
fn a_stalled_vcpu_keeps_the_caller_waiting() {
    for latency in [ms(5), ms(20)] {
        // One turn of the caller for each stall: its millisecond lies inside the next stall.
        let expected = 0.001 / latency.as_secs_f64();
        let share = caller_share("sync", latency);
        assert!((share - expected).abs() < 0.01, "latency {latency}: {share}, not {expected}");
    }
}

#[test]
fn a_vcpu_halted_by_the_host_or_idle_answers_at_once() {
    for policy in ["halt", "apf-v7-2010"] {
        let share = caller_share(policy, ms(20));
        assert!(share > 0.99, "{policy}: {share}");
    }
}

#[test]
fn tasks_start_where_they_are_told_to() {
    let mut config = caller_and_faulter(ms(5));
    // Both on vCPU 1, and none may be moved: the other vCPU stays idle until balancing.
    config.workload.tasks[0].start_on = vec![VcpuId(1)];
    config.workload.tasks[0].program = vec![Op::Compute { span: ms(1) }];
    let settings = models::machine::RunSettings { keep_records: true, ..for_time(ms(1)) };
    let output = simulate(&config, "sync", &settings);
    let placed: Vec<VcpuId> = output
        .records
        .unwrap()
        .iter()
        .filter_map(|record| match record.event {
            models::base::record::Event::TaskNew { vcpu, role, .. } if role != TaskRole::Main => {
                Some(vcpu)
            }
            _ => None,
        })
        .collect();
    assert_eq!(placed, [VcpuId(1), VcpuId(1)]);
}
