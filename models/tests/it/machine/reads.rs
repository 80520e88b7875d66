//! Pages that the guest only reads: whether they leave by I/O depends on the host's kernel and on who
//! fetched them.

use super::kit::{
    assert_clean, constant, crowded, for_time, group, host_kernel, ms, simulate, us, write,
};
use models::base::abi::{PF_PRESENT, PF_WRITE};
use models::base::ids::RegionId;
use models::base::record::{Event, TaskRole};
use models::config::{MachineConfig, Op, Pattern};
use models::machine::RunSettings;
use models::presets;
use sim_core::SimDuration;

fn read(pattern: Pattern) -> Op {
    Op::Access { region: RegionId(0), pattern, write: false, cost: us(1) }
}

/// One task on one vCPU of a host of that release, in less memory than it wants.
fn machine(release: &str, program: Vec<Op>) -> MachineConfig {
    let mut config = crowded("skylake-sp", constant(us(50)));
    config.host.kernel = host_kernel(release);
    config.host.sched = presets::guest_kernel(release).unwrap().sched(8);
    config.host.read_ahead_pages = 1;
    // Less than half of it is ever in use.
    config.host.swap_pages *= 2;
    config.guest.vcpus = 1;
    config.workload.tasks = vec![group("task", TaskRole::Faulter, 4, program)];
    config
}

/// Pages that left by I/O for each one that came, once all that was written before has been replaced.
fn written_per_read(release: &str, policy: &str, program: Vec<Op>) -> f64 {
    let settings = RunSettings { warmup: ms(2500), ..for_time(ms(1000)) };
    let output = simulate(&machine(release, program), policy, &settings);
    assert_clean(&output);
    let pages = |name| output.metrics.get(name).unwrap();
    let (read, written) = (pages("swap_reads_pages"), pages("swap_writes_pages"));
    assert!(read > 2_000.0, "{release} {policy}: {read}");
    written / read
}

/// A host that asks for what the guest does leaves read pages clean (`do_swap_page` maps them
/// read-only), unless a worker fetched them: that one always asks for writing (`async_pf_execute`).
#[test]
fn async_faults_cost_a_write_each_where_the_host_keeps_read_pages_clean() {
    let reads = || vec![read(Pattern::Uniform)];
    for (release, policy) in
        [("linux-4.19", "apf-v2.6.39"), ("linux-5.15", "apf-v2.6.39"), ("linux-6.6", "apf-v6.12")]
    {
        let sync = written_per_read(release, "sync", reads());
        assert!(sync < 0.02, "{release}: {sync} pages out for each page in");
        let told = written_per_read(release, policy, reads());
        assert!((0.97..1.03).contains(&told), "{release}: {told} pages out for each page in");
    }
}

/// Hosts before 2.6.38 asked for writing; since 6.11 a page that only its reader has is mapped for
/// writing, and an entry that allows writing counts as dirty.
#[test]
fn other_hosts_write_read_pages_again_under_every_policy() {
    for release in ["linux-2.6.36", "linux-6.12", "linux-7.3"] {
        for policy in ["sync", "apf-v7-2010", "apf-v6.12"] {
            let share = written_per_read(release, policy, vec![read(Pattern::Uniform)]);
            assert!((0.97..1.03).contains(&share), "{release} {policy}: {share}");
        }
    }
}

/// Half of the swap area in use: a page that is read keeps no slot (`vm_swap_full`), so it has to be
/// written again.
#[test]
fn a_swap_area_that_fills_costs_the_slots_of_read_pages() {
    let mut config = machine("linux-5.10", vec![read(Pattern::Uniform)]);
    // 6 MiB of 32 are away, and what was read holds its slots.
    config.host.swap_pages = 10 * 256;
    let settings = RunSettings { warmup: ms(2500), ..for_time(ms(1000)) };
    let output = simulate(&config, "sync", &settings);
    assert_clean(&output);
    let pages = |name| output.metrics.get(name).unwrap();
    let share = pages("swap_writes_pages") / pages("swap_reads_pages");
    assert!(share > 0.9, "{share}");
}

/// The first write to a page that was read exits without I/O, and only there; a read never does.
#[test]
fn the_first_write_to_a_page_mapped_read_only_exits() {
    let program =
        || vec![read(Pattern::Uniform), read(Pattern::Uniform), write(Pattern::Uniform, us(1))];
    let protected = |release: &str| {
        let settings = RunSettings { keep_records: true, warmup: ms(500), ..for_time(ms(500)) };
        let output = simulate(&machine(release, program()), "sync", &settings);
        assert_clean(&output);
        let stepped = RunSettings { skip: false, keep_records: false, ..settings };
        assert_eq!(simulate(&machine(release, program()), "sync", &stepped).digest, output.digest);
        let is = |event: &Event| {
            matches!(event, Event::KvmPageFault { error_code, .. }
                if *error_code == u64::from(PF_PRESENT | PF_WRITE))
        };
        let events: Vec<Event> = output.records.unwrap().iter().map(|r| r.event).collect();
        let strange = |event: &Event| matches!(event, Event::KvmPageFault { error_code, .. } if *error_code == u64::from(PF_PRESENT));
        assert!(!events.iter().any(strange), "a read of a mapped page faults");
        let measured = events.iter().filter(|event| is(event)).count();
        let counted = output.metrics.get("write_protect_faults").unwrap();
        assert!(
            counted <= measured as f64 && counted * 4.0 >= measured as f64,
            "{counted} of {measured}"
        );
        counted
    };
    assert_eq!(protected("linux-6.12"), 0.0);
    assert_eq!(protected("linux-2.6.36"), 0.0);
    let faults = protected("linux-6.1");
    assert!(faults > 500.0, "{faults}");
}

/// A page that is written leaves by I/O everywhere.
#[test]
fn written_pages_are_written_on_every_host() {
    for preset in presets::host_kernels() {
        let program = vec![write(Pattern::Uniform, SimDuration::from_us(1))];
        let share = written_per_read(&preset.name, "sync", program);
        // What a call has written and not freed yet is a part of what so short a run reads.
        assert!((0.93..1.07).contains(&share), "{}: {share}", preset.name);
    }
}
