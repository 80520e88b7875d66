//! As many vCPUs as a host can be configured for.

use super::kit::{MIB, assert_clean, constant, crowded, for_time, group, ms, simulate, us, write};
use models::base::record::TaskRole;
use models::config::{MachineConfig, Op, Pattern};
use models::machine::RunSettings;
use models::presets;

/// So many vCPUs on so many processors, each with a task that faults and one that counts.
fn machine(vcpus: u16, cpus: u16) -> MachineConfig {
    let mut config = crowded("skylake-sp", constant(us(80)));
    let kernel = presets::guest_kernel("linux-6.12").unwrap();
    (config.guest.vcpus, config.host.cpus) = (vcpus, cpus);
    config.guest.sched = kernel.sched(vcpus);
    let count = u32::from(vcpus);
    config.workload.tasks = vec![
        group("faulter", TaskRole::Faulter, count, vec![write(Pattern::Uniform, us(5))]),
        group("counter", TaskRole::Worker, count, vec![Op::Count { per_second: 1_000_000 }]),
    ];
    config
}

#[test]
fn running_ahead_changes_nothing_on_hundreds_of_vcpus() {
    let config = machine(300, 70);
    let [ahead, stepped] = [true, false]
        .map(|skip| simulate(&config, "apf-v7-2010", &RunSettings { skip, ..for_time(ms(4)) }));
    assert_clean(&ahead);
    assert_eq!(ahead.digest, stepped.digest);
    assert!(ahead.handled_events < stepped.handled_events);
}

#[test]
fn the_last_one_of_4096_vcpus_runs_its_tasks() {
    let mut config = machine(4096, 4096);
    config.guest.memory_pages = 96 * MIB;
    config.host.memory_limit_pages = 64 * MIB;
    let output = simulate(&config, "apf-v7-2010", &for_time(ms(3)));
    assert_clean(&output);
    let tasks = output.metrics.per_task.iter().filter(|task| task.role != TaskRole::Main);
    let ran = tasks.clone().filter(|task| !task.user_time.is_zero()).count();
    assert_eq!((tasks.count(), ran), (2 * 4096, 2 * 4096));
}
