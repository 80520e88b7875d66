//! Huge pages of the host: faults of first touches, references of walks in the machine, reclaim.

use super::kit::{MIB, assert_clean, constant, crowded, for_time, group, ms, simulate, us, write};
use models::base::page_size::PageSize;
use models::base::record::{Event, Phase, TaskRole};
use models::config::costs::Cost;
use models::config::{MachineConfig, Op, PagingCaches, Pattern, TlbArray, TranslationConfig};
use models::machine::{RunOutput, RunSettings};
use sim_core::{Cycles, SimDuration};

fn metric(output: &RunOutput, name: &str) -> f64 {
    output.metrics.get(name).unwrap()
}

fn recorded(config: &MachineConfig, policy: &str) -> RunOutput {
    let settings = RunSettings { keep_records: true, ..for_time(ms(40)) };
    let output = simulate(config, policy, &settings);
    assert_clean(&output);
    output
}

fn count(output: &RunOutput, of: impl Fn(&Event) -> bool) -> usize {
    output.records.as_ref().unwrap().iter().filter(|record| of(&record.event)).count()
}

/// A processor that keeps nothing of walks and next to nothing of translations, in which a reference takes
/// one cycle and nothing else takes any.
fn counts_references() -> TranslationConfig {
    let one = |size: PageSize| TlbArray {
        entries: 1,
        ways: 1,
        sizes: vec![size].into(),
        sets: Default::default(),
        replacement: Default::default(),
    };
    TranslationConfig {
        l1_dtlb: vec![one(PageSize::Small), one(PageSize::Large)],
        stlb: vec![one(PageSize::Small), one(PageSize::Large)],
        paging_caches: PagingCaches { pml4e: 0, pdpte: 0, pde: 0 },
        nested_tlb: 0,
        table_lines: [0, 0, 0],
        vpid: true,
    }
}

/// The references of a walk come out as the time of an access: 24, 19 and 15.
#[test]
fn walks_have_as_many_references_as_both_sizes_say() {
    for (guest, host, references) in
        [(false, false, 24), (false, true, 19), (true, false, 19), (true, true, 15)]
    {
        let mut config = crowded("free", constant(us(100)));
        config.cpu.translation = counts_references();
        config.cpu.costs.table_memory = Cost::Cycles(Cycles(1));
        config.guest.vcpus = 1;
        config.host.memory_limit_pages = 64 * MIB;
        (config.guest.thp, config.host.thp) = (guest, host);
        config.workload.regions[0].pages = 40 * MIB;
        const ACCESSES: u64 = 20_000;
        let program =
            vec![write(Pattern::Uniform, SimDuration::ZERO), Op::EndPass { passes: ACCESSES }];
        config.workload.tasks = vec![group("chase", TaskRole::Faulter, 1, program)];
        let output = recorded(&config, "sync");
        let mut times = output.records.as_ref().unwrap().iter().filter_map(|record| {
            let marks = matches!(
                record.event,
                Event::PhaseBegin { phase: Phase::Measure } | Event::TaskEnd { .. }
            );
            marks.then_some(record.time)
        });
        let (begin, end) = (times.next().unwrap(), times.next().unwrap());
        let cycles = config.cpu.frequency.cycles_in(end.since(begin)).0;
        // One access in some twenty finds the entry of 2 MiB that the one before it left.
        let each = cycles as f64 / ACCESSES as f64;
        assert!((each - f64::from(references)).abs() < 1.2, "{guest} {host}: {each}");
    }
}

/// One fault for 2 MiB, unless there is no room for it.
#[test]
fn a_first_touch_maps_two_mebibytes_where_there_is_room() {
    let mut config = crowded("free", constant(us(100)));
    config.guest.vcpus = 1;
    config.host.memory_limit_pages = 64 * MIB;
    config.workload.regions[0].pages = 32 * MIB;
    let faults = |output: &RunOutput| {
        count(output, |event| matches!(event, Event::KvmPageFault { .. })) as u64
    };
    let small = recorded(&config, "sync");
    config.host.thp = true;
    let huge = recorded(&config, "sync");
    // Frames are used from 256 on, one by one, tables among them.
    assert!(faults(&small) >= 32 * MIB);
    let blocks = (256 + 32 * MIB).div_ceil(512);
    assert!(faults(&huge).abs_diff(blocks) <= 1, "{} faults", faults(&huge));
    let made = count(&huge, |event| matches!(event, Event::HostHugePage { .. })) as u64;
    assert_eq!(made, faults(&huge));
    assert_eq!(count(&huge, |event| matches!(event, Event::HostHugeSplit { .. })), 0);
}

/// Under a limit huge pages go whole, and come back in small ones.
#[test]
fn reclaim_takes_huge_pages_whole() {
    let mut config = crowded("skylake-sp", constant(us(100)));
    config.host.thp = true;
    for policy in ["sync", "apf-v6.12"] {
        let output = recorded(&config, policy);
        let count = |of: fn(&Event) -> bool| count(&output, of);
        let made = count(|event| matches!(event, Event::HostHugePage { .. }));
        let split = count(|event| matches!(event, Event::HostHugeSplit { .. }));
        assert!(made > 10 && split > 0 && split <= made, "{policy}: {made}, {split}");
        assert!(metric(&output, "major_faults") > 100.0, "{policy}");
    }
}
