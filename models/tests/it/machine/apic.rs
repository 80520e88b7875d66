//! Exits of the local APIC and of kicks: which there are, and that they cost what the processor says.

use super::kit::{assert_clean, constant, crowded, for_time, group, ms, simulate, us};
use models::base::abi::MSR_TSC_DEADLINE;
use models::base::ids::VcpuId;
use models::base::record::{Event, ExitReason, Record, TaskRole};
use models::config::costs::Cost;
use models::config::{ApicConfig, Disturbance, DisturbanceKind, MachineConfig, Op};
use models::machine::{RunOutput, RunSettings};

/// Two vCPUs, of which the first one wakes tasks of the second one all the time.
fn machine(apic: ApicConfig) -> MachineConfig {
    let mut config = crowded("skylake-sp", constant(us(300)));
    config.guest.vcpus = 2;
    config.guest.apic = apic;
    config.workload.tasks.push(group(
        "caller",
        TaskRole::Worker,
        1,
        vec![Op::Compute { span: us(50) }, Op::CallAll],
    ));
    config
}

fn recorded(config: &MachineConfig) -> RunOutput {
    let settings = RunSettings { keep_records: true, ..for_time(ms(100)) };
    let output = simulate(config, "apf-v6.12", &settings);
    assert_clean(&output);
    output
}

fn count(output: &RunOutput, wanted: impl Fn(&Event) -> bool) -> usize {
    output.records.as_ref().unwrap().iter().filter(|record| wanted(&record.event)).count()
}

fn exits(output: &RunOutput, wanted: ExitReason) -> usize {
    count(output, |event| matches!(event, Event::KvmExit { reason, .. } if *reason == wanted))
}

fn work(output: &RunOutput) -> f64 {
    output.metrics.get("work_total").unwrap()
}

#[test]
fn each_use_exits_where_it_is_said_to() {
    let none = recorded(&machine(ApicConfig::default()));
    let timers = recorded(&machine(ApicConfig { timer_exits: true, ..ApicConfig::default() }));
    let eois = recorded(&machine(ApicConfig { eoi_exits: true, ..ApicConfig::default() }));
    let deadline =
        |event: &Event| matches!(event, Event::KvmMsrWrite { ecx: MSR_TSC_DEADLINE, .. });
    let tick = |event: &Event| matches!(event, Event::GuestTick { .. });
    assert_eq!(count(&none, deadline), 0);
    let (armed, ticks) = (count(&timers, deadline), count(&timers, tick));
    assert!(armed * 10 > ticks * 8 && ticks > 150, "{armed} writes for {ticks} ticks");
    // One exit ends each interrupt, beyond those that send calls.
    let injected = |event: &Event| matches!(event, Event::KvmInjVirq { .. });
    let calls = exits(&none, ExitReason::ApicAccess);
    let ends = exits(&eois, ExitReason::ApicAccess);
    let interrupts = count(&eois, injected);
    assert!(ends > interrupts && ends < interrupts + 2 * calls, "{ends} for {interrupts}");
}

/// A vCPU that goes offline gives its tasks to others and tells them so.
#[test]
fn an_interrupt_to_another_vcpu_makes_its_sender_exit() {
    let of = |ipi_exits| {
        let mut config = machine(ApicConfig { ipi_exits, ..ApicConfig::default() });
        config.workload.tasks.pop();
        let every = |at, kind| Disturbance { at, every: Some(ms(8)), vcpu: VcpuId(1), kind };
        config.disturbances =
            vec![every(ms(2), DisturbanceKind::Offline), every(ms(5), DisturbanceKind::Online)];
        exits(&recorded(&config), ExitReason::ApicAccess)
    };
    assert_eq!(of(false), 0);
    assert!(of(true) > 5, "{} interrupts exited", of(true));
}

#[test]
fn exits_cost_what_the_processor_says() {
    let all = ApicConfig { timer_exits: true, eoi_exits: true, ipi_exits: true };
    let of = |light: Option<u64>| {
        let mut config = machine(all);
        // Nothing else of the same cost: no faults.
        config.workload.tasks.remove(0);
        if let Some(light) = light {
            config.cpu.costs.exit_light = Cost::Time(us(light));
        }
        recorded(&config)
    };
    let (cheap, dear) = (of(Some(0)), of(Some(20)));
    let paid = exits(&dear, ExitReason::ApicAccess) + exits(&dear, ExitReason::MsrWrite);
    // Two vCPUs for 100 ms; what the exits take is missing in the work, which is a rate of 1.1e9 on
    // each of them but for the caller's share.
    let lost = 1.0 - work(&dear) / work(&cheap);
    let expected = paid as f64 * 20e-6 / 0.2;
    assert!(expected > 0.02, "{paid} exits");
    assert!(lost > expected / 2.0, "{lost} lost, {expected} paid");
}

#[test]
fn a_kick_makes_another_vcpu_exit() {
    let mut config = machine(ApicConfig::default());
    config.disturbances = vec![Disturbance {
        at: ms(1),
        every: Some(ms(1)),
        vcpu: VcpuId(1),
        kind: DisturbanceKind::Kick,
    }];
    let output = recorded(&config);
    let by = |vcpu: u16| {
        let call = |record: &&Record| {
            let (who, why) = (VcpuId(vcpu), ExitReason::Hypercall);
            record.event == Event::KvmExit { vcpu: who, reason: why }
        };
        output.records.as_ref().unwrap().iter().filter(call).count()
    };
    // Unless it was not in guest mode just then.
    assert!(by(0) > 50, "{} calls", by(0));
    assert_eq!(by(1), 0);
}
