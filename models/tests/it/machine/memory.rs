//! The host's memory under its limit: control groups, the order of pages, what is read ahead.

use super::kit::{
    MIB, assert_clean, constant, crowded, for_time, group, host_kernel, ms, simulate, us, write,
};
use models::base::ids::RegionId;
use models::base::record::{BlockReason, Event, IoKind, Record, TaskRole};
use models::config::{
    Cgroup, ConstantConfig, DeviceConfig, HostKernel, Lru, MachineConfig, Op, Pattern, ReadAhead,
    Region, RegionBacking, TablePages, WrittenPages,
};
use models::machine::{RunOutput, RunSettings};
use sim_core::SimDuration;

const LRUS: [Lru; 4] =
    [Lru::TwoLists, Lru::TwoListsRefaults, Lru::Generations, Lru::GenerationsSecondStage];

fn machine(pattern: Pattern, kernel: HostKernel) -> MachineConfig {
    let mut config = crowded("skylake-sp", constant(us(100)));
    config.host.kernel = kernel;
    config.host.read_ahead_pages = 1;
    config.workload.tasks[0] =
        group("faulter", TaskRole::Faulter, 4, vec![write(pattern, SimDuration::from_ns(500))]);
    config
}

fn recorded(config: &MachineConfig, policy: &str, duration: SimDuration) -> RunOutput {
    let settings = RunSettings { keep_records: true, warmup: ms(200), ..for_time(duration) };
    let output = simulate(config, policy, &settings);
    assert_clean(&output);
    output
}

fn metric(output: &RunOutput, name: &str) -> f64 {
    output.metrics.get(name).unwrap()
}

/// Accesses at random fault as often as pages are away, whatever the order in which pages go.
#[test]
fn random_accesses_find_the_share_that_fits() {
    for lru in LRUS {
        let kernel = HostKernel { lru, ..host_kernel("linux-6.12") };
        let mut config = machine(Pattern::Uniform, kernel);
        config.guest.vcpus = 1;
        config.workload.tasks.truncate(1);
        config.workload.tasks[0].count = 1;
        // Every access takes 10 us of CPU time, and a fault some 150 us.
        config.workload.tasks[0].program = vec![write(Pattern::Uniform, us(10))];
        let output = recorded(&config, "sync", ms(2000));
        let busy = metric(&output, "cpu_share_faulters") * 2.0;
        let accesses = busy / 10e-6;
        let share = metric(&output, "major_faults") / accesses;
        // Of 32 MiB, 26 fit, less what is being written or waits to be freed.
        let away = 6.0 / 32.0;
        assert!((0.95 * away..1.35 * away).contains(&share), "{lru:?}: {share} of {away}");
    }
}

/// A part of memory that is used all the time is kept by every order of pages.
#[test]
fn hot_pages_stay() {
    for lru in LRUS {
        let kernel = HostKernel { lru, ..host_kernel("linux-6.12") };
        let mut config = machine(Pattern::Sequential, kernel);
        let region = |name: &str, pages| Region {
            name: name.into(),
            pages,
            prefill: true,
            backing: RegionBacking::Vmm,
            store: None,
        };
        config.workload.regions = vec![region("cold", 30 * MIB), region("hot", 2 * MIB)];
        let hot = Op::Access {
            region: RegionId(1),
            pattern: Pattern::Uniform,
            write: true,
            cost: SimDuration::from_ns(50),
        };
        let mut program = vec![write(Pattern::Sequential, SimDuration::from_ns(500))];
        program.extend([hot; 30]);
        config.workload.tasks = vec![group("mixed", TaskRole::Faulter, 2, program)];
        let output = recorded(&config, "sync", ms(1000));
        let [mut hot_faults, mut cold_faults] = [0.0, 0.0];
        // The regions were filled in order, from the guest's first free frame on.
        let first_hot = 256 + 30 * MIB;
        for record in output.records.unwrap() {
            if let Event::MajorFaultBegin { gfn, .. } = record.event {
                *(if gfn.0 >= first_hot { &mut hot_faults } else { &mut cold_faults }) += 1.0;
            }
        }
        assert!(cold_faults > 1000.0, "{lru:?}: {cold_faults}");
        assert!(hot_faults < 0.05 * cold_faults, "{lru:?}: {hot_faults} of {cold_faults}");
    }
}

/// With the first version a thread waits for the write-back that it began; with the second one it
/// goes on until something is free, and later finds the frames that were written meanwhile.
#[test]
fn the_second_version_writes_on_instead_of_waiting() {
    let waits = |cgroup, written_pages| {
        let kernel = HostKernel { cgroup, written_pages, ..host_kernel("linux-6.12") };
        let output = recorded(&machine(Pattern::Uniform, kernel), "sync", ms(500));
        let events: Vec<Event> = output.records.unwrap().iter().map(|r| r.event).collect();
        let asleep =
            |e: &&Event| matches!(e, Event::VcpuBlock { reason: BlockReason::Reclaim, .. });
        let ends = events.iter().filter_map(|e| match e {
            Event::MemcgReclaimEnd { freed, written, .. } => Some((*freed, *written)),
            _ => None,
        });
        let (mut passes, mut frees) = (0, 0);
        for (freed, _) in ends {
            passes += 1;
            frees += u32::from(freed > 0);
        }
        (events.iter().filter(asleep).count(), passes, frees)
    };
    let (asleep, passes, _) = waits(Cgroup::V1, WrittenPages::Freed);
    assert!(asleep > passes / 2, "v1: {asleep} sleeps in {passes} passes");
    let (asleep, passes, frees) = waits(Cgroup::V2, WrittenPages::Rotated);
    assert!(asleep * 20 < passes, "v2: {asleep} sleeps in {passes} passes");
    assert!(frees * 3 > passes as u32, "v2: {frees} of {passes} passes free written pages");
}

/// However slow the device, a thread has no more than its queue under way; one that has more to write than the queue
/// takes goes on when a write is over.
#[test]
fn a_full_queue_stops_the_second_version() {
    let kernel = HostKernel { writeback_throttling: None, ..host_kernel("linux-6.12") };
    let mut config = machine(Pattern::Uniform, kernel);
    // Slots that are handed out one by one make a request each.
    config.host.device =
        DeviceConfig::Constant(ConstantConfig { read_latency: us(50), write_latency: ms(20) });
    config.host.swap_pages = 40 * 256;
    config.host.write_pages = 1;
    // So that one pass has more to write than that.
    config.host.thp = true;
    let output = recorded(&config, "sync", ms(1500));
    let (mut writes, mut most, mut largest) = (std::collections::BTreeSet::new(), 0, 0);
    for record in output.records.unwrap() {
        match record.event {
            Event::BlockRqIssue { request, op: IoKind::Write, .. } => {
                writes.insert(request);
            }
            Event::BlockRqComplete { request } => {
                writes.remove(&request);
            }
            Event::MemcgReclaimEnd { written, .. } => largest = largest.max(written),
            _ => {}
        }
        most = most.max(writes.len());
    }
    assert_eq!(most, 128, "writes at once");
    assert!(largest > 128, "{largest} writes of one pass");
}

/// Pages read, and requests made for them, per major fault.
fn read_per_fault(pattern: Pattern, read_ahead: ReadAhead, largest: u32) -> (f64, f64, f64) {
    let kernel = HostKernel { read_ahead, ..host_kernel("linux-6.12") };
    let mut config = machine(pattern, kernel);
    config.host.read_ahead_pages = largest;
    // A fault whose walk meets a table that is away reads that as well.
    config.guest.table_pages = TablePages::Resident;
    config.workload.tasks[0].count = 1;
    let output = recorded(&config, "sync", ms(1000));
    let faults = metric(&output, "major_faults");
    let pages = metric(&output, "swap_reads_pages");
    (faults, pages / faults, metric(&output, "swap_read_requests") / faults)
}

#[test]
fn windows_follow_their_success() {
    let (_, fixed, _) = read_per_fault(Pattern::Uniform, ReadAhead::Fixed, 8);
    assert!(fixed > 3.0, "{fixed} pages a fault");
    for kind in [ReadAhead::Adaptive, ReadAhead::AddressSpace] {
        let (faults, pages, _) = read_per_fault(Pattern::Uniform, kind, 8);
        assert!(faults > 500.0 && pages < 1.6, "{kind:?}: {pages} pages a fault at random");
        let (with, pages, _) = read_per_fault(Pattern::Sequential, kind, 8);
        let (without, one, requests) = read_per_fault(Pattern::Sequential, kind, 1);
        assert!((one - 1.0).abs() < 1e-3 && (requests - 1.0).abs() < 1e-3, "{one} {requests}");
        assert!(pages > 5.0, "{kind:?}: {pages} pages a fault in order");
        // The same walk needs a read for every page without, and goes faster with it.
        assert!(with * pages > 1.5 * without, "{kind:?}: {with} x {pages} against {without}");
    }
}

/// Sleeps of threads that may not write on, and the most writes in flight, in the last part of a run whose
/// reads take so long.
fn throttled(read: SimDuration, target: Option<SimDuration>, last: SimDuration) -> (usize, usize) {
    let mut config = crowded("skylake-sp", constant(read));
    config.host.kernel = HostKernel { writeback_throttling: target, ..host_kernel("linux-6.12") };
    config.host.read_ahead_pages = 1;
    config.host.write_pages = 4;
    let settings = RunSettings { keep_records: true, ..for_time(ms(600)) };
    let output = simulate(&config, "apf-v6.12", &settings);
    assert_clean(&output);
    let stepped = RunSettings { skip: false, keep_records: false, ..settings };
    assert_eq!(simulate(&config, "apf-v6.12", &stepped).digest, output.digest);
    let records = output.records.unwrap();
    let end = records.last().unwrap().time;
    let late = records.iter().filter(|record| end.since(record.time) < last);
    let mut writes = std::collections::BTreeSet::new();
    let (mut sleeps, mut most) = (0, 0);
    for record in late {
        match record.event {
            Event::VcpuBlock { reason: BlockReason::Throttle, .. } => sleeps += 1,
            Event::BlockRqIssue { request, op: IoKind::Write, .. } => {
                writes.insert(request);
                most = most.max(writes.len());
            }
            Event::BlockRqComplete { request } => {
                writes.remove(&request);
            }
            _ => {}
        }
    }
    (sleeps, most)
}

/// A device that never reads faster than the target has its writes one at a time, to whomever it is
/// due; one that reads as fast as the target asks for is left alone.
#[test]
fn writes_are_throttled_where_no_read_is_fast_enough() {
    let target = Some(ms(2));
    let (sleeps, most) = throttled(SimDuration::from_ns(2_000_001), target, ms(200));
    assert!(sleeps > 20, "{sleeps}");
    assert_eq!(most, 1);
    // What a call writes in one go meets the limit, which is the whole depth for swap.
    let (_, most) = throttled(ms(2), target, ms(500));
    assert!((25..=96).contains(&most), "{most}");
    let (sleeps, most) = throttled(SimDuration::from_ns(2_000_001), None, ms(500));
    // Nobody but the queue of the device bounds a burst.
    assert!(sleeps < 20 && most == 128, "{sleeps} {most}");
}

/// A region in guest_memfd beside one that is swapped: it stays, and no fault on it goes
/// asynchronous or to the device.
#[test]
fn memory_in_guest_memfd_stays_and_never_goes_asynchronous() {
    let asynchronous = |backing: RegionBacking| {
        let mut config = crowded("skylake-sp", constant(us(500)));
        // Its page tables are ordinary memory.
        config.guest.table_pages = TablePages::Resident;
        let region = |name: &str, pages, backing| Region {
            name: name.into(),
            pages,
            prefill: true,
            backing,
            store: None,
        };
        // Prefilled first, and so the first to be swapped out, if it can be.
        config.workload.regions = vec![
            region("private", 8 * MIB, backing),
            region("array", 24 * MIB, RegionBacking::Vmm),
        ];
        let settings = RunSettings { keep_records: true, ..for_time(ms(40)) };
        let output = simulate(&config, "apf-v7.3", &settings);
        assert_clean(&output);
        let linked = |record: &&Record| matches!(record.event, Event::ItemLink { .. });
        output.records.unwrap().iter().filter(linked).count()
    };
    assert!(asynchronous(RegionBacking::Vmm) > 20);
    assert_eq!(asynchronous(RegionBacking::GuestMemfd), 0);
}
