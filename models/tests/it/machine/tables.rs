//! The guest's page tables as frames of its memory: how many there are, and what happens when a walk
//! finds one that the host has swapped out.

use std::collections::BTreeSet;

use super::kit::{MIB, assert_clean, constant, crowded, for_time, group, ms, simulate, us, write};
use models::base::abi::PF_GUEST_TABLE;
use models::base::ids::{Gfn, PAGE_SIZE};
use models::base::record::{Event, FaultPath, Record, TaskRole};
use models::config::{MachineConfig, Pattern, TablePages};
use models::machine::{RunOutput, RunSettings};

/// One task that goes round a region of 40 MiB in 8 MiB of memory: it needs a table of level 1 for 512
/// accesses, and again a round later.
fn round_and_round() -> MachineConfig {
    let mut config = crowded("skylake-sp", constant(us(100)));
    config.host.read_ahead_pages = 1;
    config.host.memory_limit_pages = 8 * MIB;
    config.host.other_resident_pages = 0;
    config.guest.vcpus = 1;
    config.workload.regions[0].pages = 40 * MIB;
    config.workload.tasks = vec![
        group("faulter", TaskRole::Faulter, 1, vec![write(Pattern::Sequential, us(1))]),
        config.workload.tasks[1].clone(),
    ];
    config
}

fn recorded(config: &MachineConfig, policy: &str) -> RunOutput {
    let settings = RunSettings { keep_records: true, ..for_time(ms(2000)) };
    let output = simulate(config, policy, &settings);
    assert_clean(&output);
    output
}

fn metric(output: &RunOutput, name: &str) -> f64 {
    output.metrics.get(name).unwrap()
}

fn frames(records: &[Record], wanted: impl Fn(&Event) -> Option<Gfn>) -> Vec<Gfn> {
    records.iter().filter_map(|record| wanted(&record.event)).collect()
}

/// A fault in a walk is at a frame with a table, is told from others by its error code, and goes
/// asynchronous like any other.
#[test]
fn a_walk_faults_at_a_table_that_was_swapped_out() {
    for (policy, path) in
        [("sync", FaultPath::Sync), ("halt", FaultPath::Async), ("apf-v6.12", FaultPath::Async)]
    {
        let output = recorded(&round_and_round(), policy);
        let records = output.records.as_ref().unwrap();
        let made = frames(records, |event| match *event {
            Event::GuestTableNew { gfn, .. } => Some(gfn),
            _ => None,
        });
        let tables: BTreeSet<Gfn> = made.iter().copied().collect();
        assert_eq!(tables.len(), made.len(), "a frame has one table");
        let in_walks = frames(records, |event| match *event {
            Event::KvmPageFault { address, error_code, .. } if error_code & PF_GUEST_TABLE != 0 => {
                Some(Gfn(address.0 / PAGE_SIZE))
            }
            _ => None,
        });
        assert!(in_walks.iter().all(|gfn| tables.contains(gfn)), "{policy}");
        let major = frames(records, |event| match *event {
            Event::MajorFaultBegin { gfn, path: p, .. } if p == path && tables.contains(&gfn) => {
                Some(gfn)
            }
            _ => None,
        });
        // One in 512 accesses is the first of its 2 MiB, and every page is away.
        let (faults, of_tables) =
            (metric(&output, "major_faults"), metric(&output, "table_major_faults"));
        assert!(of_tables > 4.0, "{policy}: {of_tables} of {faults}");
        let expected = faults / 513.0;
        assert!((of_tables - expected).abs() <= 2.0, "{policy}: {of_tables} of {faults}");
        assert!(major.len() as f64 >= of_tables - 1.0, "{policy}: {} begun", major.len());
    }
}

#[test]
fn tables_that_stay_are_never_faulted_at() {
    let mut config = round_and_round();
    config.guest.table_pages = TablePages::Resident;
    let output = recorded(&config, "apf-v6.12");
    assert!(metric(&output, "major_faults") > 1000.0);
    assert_eq!(metric(&output, "table_faults"), 0.0);
}

/// 40 MiB need a table of level 1 for each 2 MiB and one of each level above; pages of 2 MiB need those
/// above alone.
#[test]
fn a_guest_makes_the_tables_that_its_pages_need() {
    for (levels, thp, expected) in [(4, false, 23.0), (5, false, 24.0), (4, true, 3.0)] {
        let mut config = round_and_round();
        config.host.memory_limit_pages = 64 * MIB;
        (config.guest.table_levels, config.guest.thp) = (levels, thp);
        let output = recorded(&config, "sync");
        assert_eq!(metric(&output, "guest_tables"), expected, "{levels} levels, {thp}");
        assert_eq!(metric(&output, "major_faults"), 0.0);
    }
}
