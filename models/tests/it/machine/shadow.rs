//! The host's three ways to handle a fault: tables of the processor's for the guest's memory, a mirror of the
//! guest's tables, and a guest without paging. What the protocol decides is the same in all.

use super::kit::{
    MIB, assert_clean, closed_form, constant, crowded, fair, for_time, group, ms, named, simulate,
    simulate_policy, us, write,
};
use models::base::ids::{Gfn, Token};
use models::base::record::{Event, ExitReason, FaultPath, Record, TaskRole};
use models::config::{GuestPaging, HostPaging, MachineConfig, Pattern, Processes, TablePages};
use models::machine::{RunOutput, RunSettings, prefill};
use sim_core::SimTime;

const MODES: [(HostPaging, GuestPaging); 4] = [
    (HostPaging::Tdp, GuestPaging::On),
    (HostPaging::Shadow, GuestPaging::On),
    (HostPaging::Tdp, GuestPaging::Off),
    (HostPaging::Shadow, GuestPaging::Off),
];

fn in_mode(config: &MachineConfig, (host, guest): (HostPaging, GuestPaging)) -> MachineConfig {
    let mut config = config.clone();
    (config.host.paging, config.guest.paging) = (host, guest);
    config
}

fn metric(output: &RunOutput, name: &str) -> f64 {
    output.metrics.get(name).unwrap()
}

fn recorded(config: &MachineConfig, policy: &str) -> RunOutput {
    let settings = RunSettings { keep_records: true, ..for_time(ms(300)) };
    let output = simulate(config, policy, &settings);
    assert_clean(&output);
    output
}

fn count(output: &RunOutput, of: impl Fn(&Event) -> bool) -> usize {
    output.records.as_ref().unwrap().iter().filter(|record| of(&record.event)).count()
}

/// What the protocol decided, in its order.
#[derive(Debug, PartialEq, Eq)]
enum Decided {
    Tries(Gfn),
    Repeated(Gfn),
    Told(Token),
    Ready(Token),
    Halt(Gfn),
    Major(Gfn, FaultPath),
}

fn decisions(output: &RunOutput) -> Vec<Decided> {
    let decided = |record: &Record| match record.event {
        Event::KvmTryAsyncGetPage { gfn, .. } => Some(Decided::Tries(gfn)),
        Event::KvmAsyncPfDoublefault { gfn, .. } => Some(Decided::Repeated(gfn)),
        Event::NotPresentQueued { token, .. } => Some(Decided::Told(token)),
        Event::KvmAsyncPfReady { token, .. } => Some(Decided::Ready(token)),
        Event::ApfHalt { gfn, .. } => Some(Decided::Halt(gfn)),
        Event::MajorFaultBegin { gfn, path, .. } => Some(Decided::Major(gfn, path)),
        _ => None,
    };
    output.records.as_ref().unwrap().iter().filter_map(decided).collect()
}

/// Where nothing costs anything, the mirror changes nothing that the protocol does, in any generation: the
/// same tokens for the same frames in the same order.
#[test]
fn the_protocol_decides_the_same_whoever_translates() {
    let sched = fair(ms(18), ms(9));
    let mut config = closed_form(us(200), us(3), sched);
    config.guest.table_pages = TablePages::Resident;
    for policy in ["sync", "halt", "apf-v7-2010", "apf-v2.6.39", "apf-v5.9", "apf-v6.12"] {
        let [tdp, shadow] =
            [MODES[0], MODES[1]].map(|mode| recorded(&in_mode(&config, mode), policy));
        let (tdp, shadow) = (decisions(&tdp), decisions(&shadow));
        assert!(tdp.len() > 500, "{policy}: {}", tdp.len());
        assert_eq!(tdp, shadow, "{policy}");
    }
}

/// What the mirror costs: each fault is walked to in software, each first touch exits for the guest's own
/// #PF, each table has to be protected.
#[test]
fn the_mirror_costs_what_keeping_it_costs() {
    let mut config = crowded("skylake-sp", constant(us(100)));
    config.host.memory_limit_pages = 40 * MIB;
    config.guest.vcpus = 1;
    let filled = |mode| {
        let prefix = prefill(&in_mode(&config, mode), 42, &for_time(ms(1))).unwrap();
        prefix.barrier().since(SimTime::ZERO)
    };
    let (tdp, shadow) = (filled(MODES[0]), filled(MODES[1]));
    // A first touch faults three times instead of once, and walks each time.
    let prices = config.cpu.costs.at(config.cpu.frequency);
    let fault = prices.exit_hw.time + prices.kvm_fault.time;
    let pages = config.workload.regions[0].pages;
    let each =
        fault + prices.shadow_walk.time.times(3) + prices.exit_hw.time + prices.inject_event.time;
    // Walks of the processor in one dimension are cheaper, tables are protected: within a tenth.
    let (more, extra) = (each.times(pages).as_ps(), shadow.saturating_sub(tdp).as_ps());
    assert!(extra.abs_diff(more) < more / 10, "{tdp} and {shadow}: {more} more, not {extra}");
    // Afterwards a fault costs its walk more, and nothing exits as it does under tdp.
    config.host.memory_limit_pages = 28 * MIB;
    for policy in ["sync", "apf-v6.12"] {
        let [tdp, shadow] =
            [MODES[0], MODES[1]].map(|mode| recorded(&in_mode(&config, mode), policy));
        let of_ept = |event: &Event| {
            matches!(event, Event::KvmExit { reason: ExitReason::EptViolation, .. })
        };
        assert_eq!(count(&tdp, |event| matches!(event, Event::ShadowFault { .. })), 0);
        assert_eq!(count(&shadow, of_ept), 0);
        assert!(metric(&shadow, "major_faults") > 1000.0, "{policy}");
    }
}

/// A page that is touched for the first time: the guest's own #PF, the frame in the kernel's map, the entry
/// of the table if that is protected, and the page at the program's address.
#[test]
fn a_first_touch_exits_for_each_address() {
    let mut config = crowded("free", constant(us(100)));
    config.host.memory_limit_pages = 40 * MIB;
    config.guest.vcpus = 1;
    config.workload.regions[0].pages = 512 * 4;
    let output = recorded(&in_mode(&config, MODES[1]), "sync");
    let faults = |side: fn(u64) -> bool, write: bool| {
        count(&output, |event| match *event {
            Event::ShadowFault { address, error_code, .. } => {
                side(address.0) && (error_code & 2 != 0) == write
            }
            _ => false,
        })
    };
    let program: fn(u64) -> bool = |address| address < 1 << 63;
    let kernel: fn(u64) -> bool = |address| address >= 1 << 63;
    // Four regions of 2 MiB on which nothing is aligned make five tables or four of the lowest level.
    let tables = count(&output, |event| matches!(event, Event::GuestTableNew { .. }));
    let lowest = count(&output, |event| matches!(event, Event::GuestTableNew { level: 1, .. }));
    assert_eq!((tables, lowest), (7, 4));
    // Every page twice: without an entry of the guest's, then without one of the host's.
    assert_eq!(faults(program, true), 2 * 2048);
    // Every page and every table is cleared. A lowest table is written once more after it was protected,
    // and so is one of level 2 for each lowest table but the first.
    let emulated = count(&output, |event| matches!(event, Event::ShadowEmulate { .. }));
    assert_eq!(emulated, lowest - 1);
    assert_eq!(faults(kernel, true), 2048 + tables + lowest + emulated);
}

/// The protocol's failures to set an item up, through each way to handle a fault.
#[test]
fn failures_to_set_up_are_synchronous_faults_or_halts_in_every_mode() {
    let mut crowded = crowded("skylake-sp", constant(us(300)));
    crowded.workload.regions[0].pages = 30 * MIB;
    crowded.workload.tasks[0].count = 12;
    for mode in MODES {
        for policy in ["apf-v7-2010", "apf-v2.6.39", "apf-v5.9", "apf-v6.12"] {
            let base = in_mode(&crowded, mode);
            let settings = for_time(ms(200));
            let run = |config: &MachineConfig, cap: Option<u32>| {
                let mut policy = named(policy);
                policy.rules.cap = cap.unwrap_or(policy.rules.cap);
                let output = simulate_policy(config, &policy, &settings);
                assert_clean(&output);
                ["sync_faults", "async_faults"].map(|name| metric(&output, name))
            };
            let [_, plain_async] = run(&base, None);
            assert!(plain_async > 100.0, "{mode:?} {policy}: {plain_async}");
            // No memory for any item.
            let mut starved = base.clone();
            starved.host.allocation_failure_ppm = 1_000_000;
            let [sync, asynchronous] = run(&starved, None);
            assert!(sync > 100.0 && asynchronous == 0.0, "{mode:?} {policy}: {sync}");
            // One item a vCPU: the next fault is synchronous. A vCPU that is halted has none until then.
            let [sync, asynchronous] = run(&base, Some(1));
            let halted = mode.1 == GuestPaging::Off && policy == "apf-v6.12";
            assert!(asynchronous > 10.0, "{mode:?} {policy}: {asynchronous}");
            assert!(halted || sync > 10.0, "{mode:?} {policy}: {sync}");
        }
    }
}

/// A guest without paging cannot be told by kernels that look for it, and is halted instead.
#[test]
fn a_guest_without_paging_is_halted_where_the_kernel_looks() {
    let config = crowded("skylake-sp", constant(us(300)));
    for mode in [MODES[2], MODES[3]] {
        let told = |policy| {
            let output = recorded(&in_mode(&config, mode), policy);
            count(&output, |event| matches!(event, Event::NotPresentQueued { .. }))
        };
        assert!(told("apf-v5.9") > 100, "{mode:?}");
        assert_eq!(told("apf-v6.12"), 0, "{mode:?}");
    }
}

/// Without paging there is no table, and no page is touched for a first time as far as the guest knows.
#[test]
fn a_guest_without_paging_has_no_tables() {
    let config = crowded("skylake-sp", constant(us(300)));
    for mode in MODES {
        let output = recorded(&in_mode(&config, mode), "apf-v5.9");
        let made = count(&output, |event| matches!(event, Event::GuestTableNew { .. }));
        let (paged, tables) = (mode.1 == GuestPaging::On, metric(&output, "guest_tables"));
        assert_eq!((made > 0, tables > 0.0), (paged, paged), "{mode:?}: {made} {tables}");
    }
}

/// Tables that were swapped out are read by the vCPU thread, whatever the policy.
#[test]
fn the_host_reads_the_guests_tables_by_itself() {
    let mut config = crowded("skylake-sp", constant(us(100)));
    config.host.paging = HostPaging::Shadow;
    config.host.read_ahead_pages = 1;
    config.host.memory_limit_pages = 8 * MIB;
    config.host.other_resident_pages = 0;
    config.guest.vcpus = 1;
    config.workload.regions[0].pages = 40 * MIB;
    config.workload.tasks = vec![
        group("faulter", TaskRole::Faulter, 1, vec![write(Pattern::Sequential, us(1))]),
        config.workload.tasks[1].clone(),
    ];
    let settings = RunSettings { keep_records: true, ..for_time(ms(2000)) };
    for policy in ["sync", "apf-v6.12"] {
        let output = simulate(&config, policy, &settings);
        assert_clean(&output);
        let mut tables = Vec::new();
        let mut paths = Vec::new();
        for record in output.records.as_ref().unwrap() {
            match record.event {
                Event::GuestTableNew { gfn, .. } => tables.push(gfn),
                Event::MajorFaultBegin { gfn, path, .. } if tables.contains(&gfn) => {
                    paths.push(path);
                }
                _ => {}
            }
        }
        assert!(paths.len() > 4, "{policy}: {}", paths.len());
        assert!(paths.iter().all(|&path| path == FaultPath::Sync), "{policy}");
        assert_eq!(paths.len(), count(&output, |event| matches!(event, Event::ShadowTable { .. })));
    }
}

/// A switch between address spaces writes CR3: an exit under shadow paging, some cycles otherwise. Tags keep
/// what the TLB has, and the host need not look for written tables.
#[test]
fn a_switch_between_address_spaces_exits_under_shadow_paging() {
    let mut config = crowded("skylake-sp", constant(us(100)));
    config.guest.vcpus = 1;
    config.workload.tasks[1].count = 3;
    // Touches memory for the first time, so that tables are written.
    config.workload.regions[0].prefill = false;
    config.workload.tasks[0].count = 2;
    let run = |mode, processes, pcid| {
        let mut config = in_mode(&config, mode);
        (config.guest.processes, config.guest.pcid) = (processes, pcid);
        let output = recorded(&config, "apf-v6.12");
        let switches = count(&output, |event| {
            matches!(event, Event::GuestSchedSwitch { prev: Some(_), next: Some(_), .. })
        });
        let exits = count(&output, |event| {
            matches!(event, Event::KvmExit { reason: ExitReason::CrAccess, .. })
        });
        let synced: u32 =
            output.records.as_ref().unwrap().iter().fold(0, |sum, record| match record.event {
                Event::ShadowSync { tables, .. } => sum + tables,
                _ => sum,
            });
        (switches, exits, synced)
    };
    let (tdp, shadow) = (MODES[0], MODES[1]);
    for processes in [Processes::One, Processes::Groups, Processes::Tasks] {
        let (_, exits, synced) = run(tdp, processes, true);
        assert_eq!((exits, synced), (0, 0));
    }
    let (_, exits, _) = run(shadow, Processes::One, false);
    assert_eq!(exits, 0);
    let (switches, exits, synced) = run(shadow, Processes::Tasks, false);
    assert!(exits > 20 && exits.abs_diff(switches) <= switches / 4 + 2, "{exits} of {switches}");
    assert!(synced > 0);
    let (.., with_tags) = run(shadow, Processes::Groups, true);
    let (.., without_tags) = run(shadow, Processes::Groups, false);
    assert!(with_tags <= 3 && without_tags > with_tags, "{with_tags}, {without_tags}");
}
