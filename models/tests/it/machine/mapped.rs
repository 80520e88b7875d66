//! Files that the VMM maps: windows around a fault, the mark that calls for the next one, misses that end them.

use super::kit::{
    MIB, assert_clean, constant, crowded, for_time, group, host_kernel, ms, simulate, us,
};
use models::base::ids::{RegionId, StoreId, VmId, WalkId};
use models::base::record::{Event, IoKind, TaskRole};
use models::config::{
    Advice, FileMapping, MachineConfig, Op, PageLaw, PageWalk, Pattern, StoreConfig, TablePages,
};
use models::machine::{RunOutput, RunSettings};

const NORMAL: FileMapping = FileMapping { advice: Advice::Normal, read_ahead_pages: 32 };
/// Pages of the region that is in the file.
const PAGES: u64 = 16 * MIB;

/// A guest of one vCPU on a host where nothing takes time but a device of 100 us, with 16 MiB in a file.
fn mapped(kernel: &str, mapping: FileMapping, access: (Pattern, bool)) -> MachineConfig {
    let mut config = crowded("free", constant(us(100)));
    (config.guest.vcpus, config.host.cpus) = (1, 4);
    config.host.memory_limit_pages = 64 * MIB;
    config.host.kernel = host_kernel(kernel);
    config.guest.table_pages = TablePages::Resident;
    let (name, vm) = ("file".into(), VmId(0));
    let device = Some(constant(us(100)));
    config.host.stores =
        vec![StoreConfig { name, vm, device, shares: None, handler: None, mapping }];
    let region = &mut config.workload.regions[0];
    (region.pages, region.prefill, region.store) = (PAGES, false, Some(StoreId(0)));
    let (pattern, write) = access;
    let access = Op::Access { region: RegionId(0), pattern, write, cost: us(1) };
    config.workload.tasks = vec![group("app", TaskRole::Faulter, 1, vec![access])];
    config
}

/// Pages of a region of 256 MiB, each once, in an order without neighbours.
fn scattered(kernel: &str, mapping: FileMapping, write: bool) -> MachineConfig {
    let mut config = mapped(kernel, mapping, (Pattern::Sequential, write));
    config.workload.walks = vec![PageWalk { region: RegionId(0), law: PageLaw::Chase }];
    let (region, walk) = (RegionId(0), WalkId(0));
    config.workload.tasks[0].program = vec![Op::AccessBy { region, walk, write, cost: us(1) }];
    config.guest.memory_pages = 300 * MIB;
    config.host.memory_limit_pages = 300 * MIB;
    config.workload.regions[0].pages = 256 * MIB;
    config
}

fn run(config: &MachineConfig, policy: &str) -> RunOutput {
    let settings = RunSettings { keep_records: true, ..for_time(ms(80)) };
    let output = simulate(config, policy, &settings);
    assert_clean(&output);
    output
}

/// Pages of each read.
fn reads(output: &RunOutput) -> Vec<u32> {
    let read = |event: &Event| match *event {
        Event::BlockRqIssue { op: IoKind::Read, pages, .. } => Some(pages),
        _ => None,
    };
    output.records.iter().flatten().filter_map(|record| read(&record.event)).collect()
}

fn metric(output: &RunOutput, name: &str) -> f64 {
    output.metrics.get(name).unwrap_or_else(|| panic!("no {name}"))
}

/// How many of the last reads are of one page, of a hundred.
fn alone_at_the_end(reads: &[u32]) -> usize {
    reads[reads.len() - 100..].iter().filter(|&&pages| pages == 1).count()
}

#[test]
fn sequential_accesses_read_a_window_each_time_they_come_upon_a_mark() {
    for write in [false, true] {
        let output = run(&mapped("linux-6.12", NORMAL, (Pattern::Sequential, write)), "sync");
        let reads = reads(&output);
        // 16 pages of the first window lie before the region. Its mark is on the region's ninth page; every other
        // window begins with one, and the last is cut.
        let rest = PAGES as u32 - 16;
        assert_eq!(reads.len() as u32, 1 + rest.div_ceil(32), "{write}");
        assert_eq!((reads[0], reads[1], *reads.last().unwrap()), (16, 32, rest % 32));
        assert_eq!(reads.iter().map(|&pages| u64::from(pages)).sum::<u64>(), PAGES);
        assert_eq!(metric(&output, "major_faults"), 1.0);
    }
}

#[test]
fn advice_decides_what_a_miss_reads() {
    let with = |advice| {
        let file = FileMapping { advice, ..NORMAL };
        run(&mapped("linux-6.12", file, (Pattern::Sequential, true)), "sync")
    };
    let random = with(Advice::Random);
    assert!(reads(&random).iter().all(|&pages| pages == 1));
    assert_eq!(metric(&random, "major_faults"), reads(&random).len() as f64);
    // Windows without a mark: each one's end is a miss again.
    let sequential = with(Advice::Sequential);
    assert_eq!(reads(&sequential), vec![32; PAGES as usize / 32]);
    assert_eq!(metric(&sequential, "major_faults"), PAGES as f64 / 32.0);
    let none = FileMapping { read_ahead_pages: 0, ..NORMAL };
    let none = run(&mapped("linux-6.12", none, (Pattern::Sequential, true)), "sync");
    assert_eq!(none.digest, random.digest);
}

#[test]
fn scattered_writes_that_wait_read_pages_alone_after_a_hundred_misses() {
    for kernel in ["linux-5.10", "linux-6.12", "linux-7.3"] {
        let output = run(&scattered(kernel, NORMAL, true), "sync");
        let reads = reads(&output);
        assert!(reads.len() > 600, "{}", reads.len());
        assert!(reads[..100].iter().all(|&pages| pages > 1), "{kernel}");
        // The hundred windows hold 3200 of 65536 pages: few later accesses find theirs.
        assert!(alone_at_the_end(&reads) >= 90, "{kernel}: {}", alone_at_the_end(&reads));
    }
}

#[test]
fn what_a_read_fault_maps_around_it_keeps_windows_up_before_7_2() {
    for (kernel, ends) in [("linux-5.10", false), ("linux-6.12", false), ("linux-7.3", true)] {
        let output = run(&scattered(kernel, NORMAL, false), "sync");
        let alone = alone_at_the_end(&reads(&output));
        assert_eq!((alone >= 90, alone == 0), (ends, !ends), "{kernel}: {alone}");
    }
    // Without it, reads are like writes.
    let mut config = scattered("linux-6.12", NORMAL, false);
    config.host.kernel.fault_around_pages = 1;
    assert!(alone_at_the_end(&reads(&run(&config, "sync"))) >= 90);
}

#[test]
fn faults_on_a_plain_mapping_are_asynchronous_as_long_as_they_read_windows() {
    let shares = |kernel, advice, write| {
        let file = FileMapping { advice, ..NORMAL };
        let output = run(&scattered(kernel, file, write), "apf-v6.12");
        let (majors, by_workers) =
            (metric(&output, "major_faults"), metric(&output, "async_faults"));
        assert!(majors > 500.0, "{majors}");
        (by_workers / majors, alone_at_the_end(&reads(&output)))
    };
    for write in [false, true] {
        // Workers come upon the locked page, and count the miss of the lookup down again.
        assert_eq!(shares("linux-6.12", Advice::Normal, write), (1.0, 0), "{write}");
        // A locked page counts nothing.
        let (share, alone) = shares("linux-7.3", Advice::Normal, write);
        assert!(share < 0.3 && alone >= 90, "{write}: {share} {alone}");
        assert_eq!(shares("linux-6.12", Advice::Random, write), (0.0, 100), "{write}");
    }
}

#[test]
fn what_was_brought_and_not_touched_goes_without_a_write() {
    let mut config = scattered("linux-6.12", NORMAL, false);
    config.host.memory_limit_pages = 8 * MIB;
    let output = run(&config, "sync");
    assert!(metric(&output, "swap_reads_pages") > 8.0 * MIB as f64);
    assert_eq!(metric(&output, "swap_writes_pages"), 0.0);
    assert!(metric(&output, "reclaim_scanned") > 0.0);
}
