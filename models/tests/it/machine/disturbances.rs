//! What happens to vCPUs in the middle of a run, and what the protocol makes of it.

use super::kit::{
    assert_clean, constant, crowded, for_time, ms, named, simulate, simulate_policy, syscall, us,
    write,
};
use models::apf::rules::RefusedArea;
use models::base::ids::{Token, VcpuId};
use models::base::record::{BlockReason, Event, ExitReason, Phase, Record};
use models::config::{Disturbance, DisturbanceKind, MachineConfig, Pattern};
use models::machine::{RunOutput, RunSettings};
use models::monitors::Verdict;
use sim_core::{SimDuration, SimTime};

fn once(at: SimDuration, vcpu: u16, kind: DisturbanceKind) -> Disturbance {
    Disturbance { at, every: None, vcpu: VcpuId(vcpu), kind }
}

/// Four vCPUs that are never idle. Their faults take 500 us.
fn machine(disturbances: &[Disturbance]) -> MachineConfig {
    let mut config = crowded("skylake-sp", constant(us(500)));
    config.disturbances = disturbances.to_vec();
    config
}

/// The same with faults that are taken in a system call, which halt the vCPU.
fn halting_machine(disturbances: &[Disturbance]) -> MachineConfig {
    let mut config = machine(disturbances);
    let touch = write(Pattern::Uniform, SimDuration::from_ns(20));
    config.workload.tasks[0].program = syscall(us(1), &[touch]);
    config
}

/// A run without violations, and its start.
fn recorded(config: &MachineConfig, policy: &str) -> (RunOutput, SimTime) {
    let output = run(config, policy);
    assert_clean(&output);
    let start =
        |record: &&Record| matches!(record.event, Event::PhaseBegin { phase: Phase::Measure, .. });
    let start = records(&output).iter().find(start).unwrap().time;
    (output, start)
}

fn run(config: &MachineConfig, policy: &str) -> RunOutput {
    let settings = RunSettings { keep_records: true, ..for_time(ms(60)) };
    simulate(config, policy, &settings)
}

fn records(output: &RunOutput) -> &[Record] {
    output.records.as_ref().unwrap()
}

/// When a vCPU was put into the artificial halt.
fn halts(output: &RunOutput, wanted: u16) -> Vec<SimTime> {
    let halt = |record: &Record| match record.event {
        Event::ApfHalt { vcpu, .. } if vcpu.0 == wanted => Some(record.time),
        _ => None,
    };
    records(output).iter().filter_map(halt).collect()
}

fn within(times: &[SimTime], from: SimTime, to: SimTime) -> usize {
    times.iter().filter(|&&time| from <= time && time < to).count()
}

/// The median time between two of these.
fn median_gap(times: &[SimTime]) -> SimDuration {
    let mut gaps: Vec<_> = times.windows(2).map(|pair| pair[1].since(pair[0])).collect();
    gaps.sort();
    gaps[gaps.len() / 2]
}

fn wake_alls(output: &RunOutput, wanted: u16) -> Vec<SimTime> {
    let told = |record: &Record| match record.event {
        Event::KvmAsyncPfReady { vcpu, token, .. }
            if vcpu.0 == wanted && token == Token::WAKE_ALL =>
        {
            Some(record.time)
        }
        _ => None,
    };
    records(output).iter().filter_map(told).collect()
}

/// A halt that does not halt: exit, fault, halt, and back at once.
fn assert_spins(times: &[SimTime], from: SimTime, to: SimTime) {
    let spinning: Vec<_> = times.iter().copied().filter(|&t| from <= t && t < to).collect();
    let gap = median_gap(&spinning);
    assert!(us(1) < gap && gap < us(10), "one halt every {gap}");
    // Every fault of 500 us is then some fifty halts and more.
    let most = to.since(from).as_ps() / us(500).as_ps();
    assert!(spinning.len() as u64 > 20 * most, "{} halts", spinning.len());
}

#[test]
fn halts_spin_until_the_local_apic_is_enabled() {
    let config = halting_machine(&[
        once(ms(0), 0, DisturbanceKind::LapicOff),
        once(ms(20), 0, DisturbanceKind::LapicOn),
    ]);
    let (output, start) = recorded(&config, "apf-v6.12");
    let on = start + ms(20);
    let times = halts(&output, 0);
    // The wake-all waits among the completed items, which makes the vCPU runnable.
    assert_spins(&times, start + ms(2), on);
    let told = wake_alls(&output, 0);
    assert!(told.len() == 1 && told[0] >= on && told[0] < on + ms(1), "{told:?}");
    // Afterwards and elsewhere they halt.
    assert!(within(&times, on + ms(1), start + ms(60)) < 200);
    assert!(within(&halts(&output, 1), start, start + ms(60)) < 300);
}

#[test]
fn a_kick_of_a_vcpu_that_is_not_in_hlt_makes_its_halts_spin() {
    let kicked = 3;
    let config = halting_machine(&[once(ms(10), kicked, DisturbanceKind::Kick)]);
    let (output, start) = recorded(&config, "apf-v6.12");
    let times = halts(&output, kicked);
    assert!(within(&times, start, start + ms(10)) < 50);
    // Never idle, it never enters HLT, which would use the kick up.
    assert_spins(&times, start + ms(11), start + ms(60));
    let slept = |record: &&Record| {
        record.time > start + ms(11)
            && matches!(record.event, Event::VcpuBlock { vcpu, reason: BlockReason::ApfHalt }
                if vcpu.0 == kicked)
    };
    assert_eq!(records(&output).iter().filter(slept).count(), 0);
}

#[test]
fn all_are_woken_once_for_each_time_that_notices_are_enabled() {
    let config = machine(&[
        once(ms(15), 1, DisturbanceKind::Offline),
        once(ms(30), 1, DisturbanceKind::Online),
    ]);
    let (output, start) = recorded(&config, "apf-v6.12");
    for vcpu in 0..4 {
        let told = wake_alls(&output, vcpu);
        assert_eq!(told.len(), if vcpu == 1 { 2 } else { 1 }, "vCPU {vcpu}: {told:?}");
    }
    assert!(wake_alls(&output, 1)[1] > start + ms(30));
}

#[test]
fn a_vcpu_that_is_offline_runs_nothing_and_its_tasks_run_elsewhere() {
    for policy in ["apf-v6.12", "apf-v2.6.39", "halt", "sync"] {
        let config = machine(&[
            once(ms(15), 1, DisturbanceKind::Offline),
            once(ms(30), 1, DisturbanceKind::Online),
        ]);
        let (output, _) = recorded(&config, policy);
        let all = records(&output);
        let left = all.iter().position(|r| matches!(r.event, Event::GuestCpuOffline { .. }));
        let back = all.iter().position(|r| matches!(r.event, Event::GuestCpuOnline { .. }));
        let (left, back) = (left.unwrap(), back.unwrap());
        let ran = |from: usize, to: usize| {
            let run = |r: &&Record| match r.event {
                Event::TaskRun { vcpu, .. } => vcpu.0 == 1,
                _ => false,
            };
            all[from..to].iter().filter(run).count()
        };
        assert!(ran(0, left) > 0, "{policy}");
        assert_eq!(ran(left, back), 0, "{policy}");
        assert!(ran(back, all.len()) > 0, "{policy}");
        let moved = |r: &&Record| match r.event {
            Event::GuestMigrateTask { from, .. } => from.0 == 1,
            _ => false,
        };
        assert!(all[..back].iter().filter(moved).count() > 0, "{policy}");
    }
}

#[test]
fn an_smi_ends_in_one_exit_and_today_nothing_is_lost() {
    let smi = DisturbanceKind::Smi { span: us(50) };
    let every = Some(ms(5));
    let config = machine(&[Disturbance { every, ..once(ms(3), 2, smi) }]);
    let (output, start) = recorded(&config, "apf-v6.19");
    let all = records(&output);
    let asked = all.iter().filter(|r| matches!(r.event, Event::Disturbed { .. })).count();
    let left = |r: &&Record| matches!(r.event, Event::KvmExit { reason: ExitReason::Rsm, .. });
    let done = all.iter().filter(left).count();
    assert!(asked >= 11 && done.abs_diff(asked) <= 1, "{done} of {asked}");
    let late = all.iter().filter(|r| r.time > start + ms(50));
    let told = late.filter(|r| matches!(r.event, Event::KvmAsyncPfReady { .. })).count();
    assert!(told > 10, "{told}");
    // Before 6.19 RSM, which writes CR0, dropped what the guest waits for.
    let found = run(&config, "apf-v6.12").findings;
    assert!(found.iter().any(|finding| finding.id.to_string() == "INV-06"), "{found:?}");
}

#[test]
fn the_shared_area_may_move_with_the_memory_slots() {
    let kind = DisturbanceKind::MemslotChange;
    let config = machine(&[Disturbance { every: Some(ms(1)), ..once(ms(2), 0, kind) }]);
    let (output, start) = recorded(&config, "apf-v6.12");
    let late = records(&output).iter().filter(|r| r.time > start + ms(50));
    let told = late.filter(|r| {
        matches!(r.event, Event::NotPresentQueued { vcpu, .. }
        if vcpu.0 == 0)
    });
    let told = told.count();
    assert!(told > 2, "{told}");
}

#[test]
fn a_guest_that_keeps_its_local_apic_off_is_owed_nothing_until_it_is_on() {
    // 60 ms with faults outstanding, and the seconds in which what waits must come through.
    for policy in ["apf-v5.8", "apf-v5.9", "apf-v5.13", "apf-v5.17", "apf-v6.12", "apf-v6.19"] {
        let off = once(ms(5), 1, DisturbanceKind::LapicOff);
        assert_clean(&run(&machine(&[off]), policy));
    }
}

#[test]
fn items_that_a_system_management_interrupt_drops_before_a_worker_begins_break_no_order() {
    // One worker at a time: other items are still waiting for it when the handler ends.
    let smi = DisturbanceKind::Smi { span: ms(2) };
    let mut config = machine(&[Disturbance { every: Some(ms(5)), ..once(ms(1), 0, smi) }]);
    config.host.kernel.workqueue_max_active = 1;
    for policy in ["apf-v4.13", "apf-v5.9", "apf-v6.12"] {
        let output = run(&config, policy);
        let dropped = |record: &Record| matches!(record.event, Event::ItemUnlink { .. });
        assert!(records(&output).iter().any(dropped));
        for finding in &output.findings {
            assert!(
                finding.verdict != Verdict::Violation || finding.id.to_string() == "INV-13",
                "{policy}: {finding:?}"
            );
        }
    }
}

/// The invariants of which a run shows a violation.
fn violated(output: &RunOutput) -> Vec<u8> {
    let bad = output.findings.iter().filter(|one| one.verdict == Verdict::Violation);
    bad.map(|one| one.id.0).collect()
}

#[test]
fn a_refused_write_of_en_loses_page_ready_where_it_spoils_the_area() {
    let config = machine(&[once(ms(10), 0, DisturbanceKind::RefusedEn)]);
    let settings = RunSettings { keep_records: true, ..for_time(ms(60)) };
    let weak = simulate(&config, "apf-v7.3", &settings);
    assert!(violated(&weak).contains(&13), "{:?}", violated(&weak));
    // With the area kept, as kernels up to 4.13 did, nothing is lost.
    let mut policy = named("apf-v7.3");
    policy.rules.refused_area = RefusedArea::Kept;
    let output = simulate_policy(&config, &policy, &settings);
    assert_clean(&output);
    let written = |record: &&Record| match record.event {
        Event::KvmExit { vcpu, reason: ExitReason::MsrWrite } => vcpu.0 == 0,
        _ => false,
    };
    assert!(records(&output).iter().any(|record| written(&record)));
    assert!(violated(&simulate(&config, "sync", &settings)).is_empty());
}

/// A task that nothing wakes any more is lost in a run of any length: also in one whose end lies so that
/// the bound of liveness is over between two looks of the check after it.
#[test]
fn what_is_said_of_a_lost_wake_does_not_depend_on_the_length_of_the_run() {
    let mut config = machine(&[once(ms(10), 0, DisturbanceKind::RefusedEn)]);
    config.guest.vcpus = 1;
    config.workload.tasks[0].count = 1;
    config.workload.tasks.truncate(1);
    let told = |time: SimDuration| {
        let output = simulate(&config, "apf-v7.3", &for_time(time));
        let bad = output.findings.iter().filter(|one| one.verdict == Verdict::Violation);
        (output.asleep, bad.map(|one| (one.id.0, one.count)).collect::<Vec<_>>())
    };
    let once = told(ms(100));
    assert!(once.0 == 1 && once.1.contains(&(15, 1)), "{once:?}");
    // The looks are at half a millisecond, one, two and so on after the end.
    let lengths = [12, 700, 985, 990, 1300, 1500, 1990, 2005, 2500];
    for time in lengths {
        assert_eq!(told(ms(time)), once, "{time} ms");
    }
}

/// Nobody sleeps yet when the guest starts, and still it is told before any wake-all.
#[test]
fn a_wake_all_without_memory_is_missed() {
    let settings = RunSettings { keep_records: true, ..for_time(ms(60)) };
    let fails = once(ms(0), 0, DisturbanceKind::WakeAllFails);
    let output = simulate(&machine(&[fails]), "apf-v7.3", &settings);
    assert_eq!(violated(&output), [38]);
    assert_eq!(wake_alls(&output, 0), []);
    // Only that vCPU's, and only once.
    let output = simulate(&machine(&[]), "apf-v7.3", &settings);
    assert_clean(&output);
    assert_eq!(wake_alls(&output, 0).len(), 1);
    assert_clean(&simulate(&machine(&[fails]), "halt-v6.12", &settings));
}
