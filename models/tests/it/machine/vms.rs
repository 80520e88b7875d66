//! Several virtual machines on one host.

use super::kit::{
    MIB, assert_clean, constant, crowded, for_time, group, ms, named, simulate, simulate_policy,
    us, write,
};
use models::base::ids::{RegionId, VcpuId, VmId};
use models::base::record::{Event, FaultPath, Record, TaskRole};
use models::config::{
    Container, Disturbance, DisturbanceKind, MachineConfig, MmuRetry, Op, Pattern, Policy, VmConfig,
};
use models::machine::{RunOutput, RunSettings};
use sim_core::{QueueKind, SimDuration};

fn vm(name: &str, container: Option<Container>) -> VmConfig {
    VmConfig { name: name.into(), regions: 1, groups: 2, container, policy: None }
}

/// The virtual machine of a configuration, beside a second one of the same kind.
fn pair(mut config: MachineConfig, container: Option<Container>) -> MachineConfig {
    let mut second = config.workload.clone();
    second.regions[0].name = "two:array".into();
    for group in &mut second.tasks {
        group.name = format!("two:{}", group.name);
        for op in &mut group.program {
            if let Op::Access { region, .. } = op {
                *region = RegionId(1);
            }
        }
    }
    config.other_guests = vec![config.guest.clone()];
    config.vms = vec![vm("one", container), vm("two", container)];
    config.workload.regions.extend(second.regions);
    config.workload.tasks.extend(second.tasks);
    config.host.swap_pages *= 2;
    config
}

/// Half of what they touch fits into the container of each.
fn two(cpus: u16) -> MachineConfig {
    let mut config = crowded("skylake-sp", constant(us(200)));
    (config.host.cpus, config.guest.vcpus) = (cpus, 2);
    for group in &mut config.workload.tasks {
        group.count = 2;
    }
    let own = Container { limit_pages: 18 * MIB, other_resident_pages: 2 * MIB };
    pair(config, Some(own))
}

fn of_vm(output: &RunOutput, vm: usize, name: &str) -> f64 {
    let values = &output.metrics.per_vm[vm].values;
    values.iter().find(|metric| metric.name == name).map_or(0.0, |metric| metric.value)
}

#[test]
fn running_ahead_and_queues_change_nothing() {
    let mut config = two(3);
    config.disturbances = [(0, DisturbanceKind::MemslotChange), (3, DisturbanceKind::Offline)]
        .map(|(vcpu, kind)| Disturbance { at: ms(3), every: None, vcpu: VcpuId(vcpu), kind })
        .into();
    for policy in ["sync", "halt", "apf-v7-2010", "apf-v6.12"] {
        let run = |skip, queue| {
            let settings = RunSettings { skip, queue, ..for_time(ms(12)) };
            simulate(&config, policy, &settings)
        };
        let ahead = run(true, QueueKind::default());
        assert_clean(&ahead);
        assert_eq!(ahead.digest, run(false, QueueKind::default()).digest, "{policy}");
        assert_eq!(ahead.digest, run(true, QueueKind::Reference).digest, "{policy}");
        assert!((0..2).all(|vm| of_vm(&ahead, vm, "major_faults") > 0.0), "{policy}");
    }
}

/// One after the other they have the processor, the device and the memory that the other one has.
#[test]
fn equals_are_served_equally() {
    for policy in ["sync", "apf-v7-2010"] {
        let output = simulate(&two(1), policy, &for_time(ms(1500)));
        assert_clean(&output);
        for name in ["work_total", "major_faults", "steal_seen"] {
            let [one, other] = [0, 1].map(|vm| of_vm(&output, vm, name));
            assert!((one / other - 1.0).abs() < 0.12, "{policy}, {name}: {one} and {other}");
        }
        assert!(output.metrics.get("fairness_cpu").is_some_and(|index| index > 0.995));
        assert!(output.metrics.get("fairness_work").is_some_and(|index| index > 0.99));
    }
}

/// The parts of both are those of the whole.
#[test]
fn metrics_of_virtual_machines_add_up() {
    let output = simulate(&two(2), "apf-v7-2010", &for_time(ms(200)));
    for name in ["work_total", "major_faults", "async_faults", "exits", "ept_unmaps"] {
        let sum = of_vm(&output, 0, name) + of_vm(&output, 1, name);
        assert_eq!(output.metrics.get(name), Some(sum), "{name}");
    }
    assert!(
        output
            .metrics
            .per_vm
            .iter()
            .all(|of| { of.values.iter().all(|metric| !metric.name.starts_with("swap_")) })
    );
}

/// Beside one that does nothing a virtual machine has all that it has alone.
#[test]
fn an_idle_neighbour_makes_no_difference() {
    let mut beside = two(8);
    beside.workload.regions[1].prefill = false;
    for group in &mut beside.workload.tasks[2..] {
        let sleep = Op::Sleep { span: SimDuration::from_secs(90_000) };
        (group.count, group.program) = (1, vec![sleep]);
    }
    let mut alone = beside.clone();
    alone.other_guests.clear();
    alone.vms.truncate(1);
    alone.workload.regions.truncate(1);
    alone.workload.tasks.truncate(2);
    for policy in ["sync", "apf-v7-2010", "apf-v6.12"] {
        let [alone, beside] =
            [&alone, &beside].map(|config| simulate(config, policy, &for_time(ms(60))));
        assert!(of_vm(&alone, 0, "major_faults") > 100.0);
        assert_eq!(alone.metrics.per_vm[0], beside.metrics.per_vm[0], "{policy}");
        assert_eq!(alone.latency, beside.latency, "{policy}");
    }
}

/// What a container lacks, its own pages give.
#[test]
fn a_container_takes_pages_of_its_own_virtual_machine() {
    let mut config = two(2);
    // The first one has room for all that it touches.
    if let Some(container) = &mut config.vms[0].container {
        container.limit_pages = 60 * MIB;
    }
    let settings = RunSettings { keep_records: true, ..for_time(ms(50)) };
    let output = simulate(&config, "apf-v7-2010", &settings);
    assert_clean(&output);
    let unmapped = output.records.iter().flatten().filter_map(|record| match record.event {
        Event::EptUnmap { page } => Some(page.vm()),
        _ => None,
    });
    let unmapped: Vec<VmId> = unmapped.collect();
    assert!(unmapped.len() > 100 && unmapped.iter().all(|vm| *vm == VmId(1)));
    assert_eq!(of_vm(&output, 0, "major_faults"), 0.0);
}

/// In one container the one that touches more memory has more of it.
#[test]
fn a_container_can_be_shared() {
    let mut config = pair(crowded("skylake-sp", constant(us(100))), None);
    config.host.memory_limit_pages = 50 * MIB;
    config.workload.tasks[2].program = vec![write(Pattern::Uniform, ms(2))];
    config.workload.tasks[2].program.iter_mut().for_each(|op| {
        if let Op::Access { region, .. } = op {
            *region = RegionId(1);
        }
    });
    let output = simulate(&config, "apf-v7-2010", &for_time(ms(100)));
    assert_clean(&output);
    let [busy, calm] = [0, 1].map(|vm| of_vm(&output, vm, "ept_unmaps"));
    assert!(busy > 0.0 && calm > 0.0, "{busy} and {calm}");
    // Who takes pages makes faults of all begin again.
    config.host.kernel.mmu_retry = MmuRetry::Evictions;
    let settings = RunSettings { keep_records: true, ..for_time(ms(300)) };
    let output = simulate(&config, "sync", &settings);
    assert_clean(&output);
    let again = |record: &Record| matches!(record.event, Event::MmuNotifierRetry { .. });
    assert!(output.records.iter().flatten().any(again));
}

/// One keeps its policy, whatever is compared.
#[test]
fn a_virtual_machine_can_have_its_own_policy() {
    let mut config = two(2);
    config.vms[1].policy = Some(named("sync"));
    let settings = RunSettings { keep_records: true, ..for_time(ms(50)) };
    let output = simulate_policy(&config, &named("apf-v6.12"), &settings);
    assert_clean(&output);
    let paths = output.records.iter().flatten().filter_map(|record| match record.event {
        Event::MajorFaultBegin { vcpu, path, .. } => Some((vcpu.0 / 2, path)),
        _ => None,
    });
    let paths: Vec<(u16, FaultPath)> = paths.collect();
    let some = |vm, path| paths.contains(&(vm, path));
    assert!(some(0, FaultPath::Async) && some(1, FaultPath::Sync) && !some(1, FaultPath::Async));
}

/// A workload without faults leaves a processor to whoever wants it, and both see as steal what the other
/// one has.
#[test]
fn guests_see_the_time_of_the_other_as_steal() {
    let mut config = two(1);
    config.guest.vcpus = 1;
    config.other_guests[0].vcpus = 1;
    for region in &mut config.workload.regions {
        region.prefill = false;
    }
    let count = || vec![Op::Count { per_second: 1_000_000 }];
    config.workload.tasks =
        ["one:w", "two:w"].map(|name| group(name, TaskRole::Worker, 1, count())).into();
    for vm in &mut config.vms {
        vm.groups = 1;
    }
    let policy: Policy = named("sync");
    let output = simulate_policy(&config, &policy, &for_time(ms(500)));
    for vm in 0..2 {
        let steal = of_vm(&output, vm, "steal_seen");
        assert!((steal - 0.5).abs() < 0.02, "{steal}");
    }
    assert!(output.metrics.get("host_idle").is_some_and(|idle| idle < 0.001));
}
