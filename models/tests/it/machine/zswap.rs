//! zswap before a device: what the pool holds is brought back in the fault, what it had no room for or has
//! written on is read asynchronously as usual, and all of it is in the ledger.

use std::collections::BTreeSet;

use super::kit::{
    MIB, assert_clean, constant, crowded, for_time, host_kernel, ms, simulate, us, write,
};
use models::base::ids::GuestPage;
use models::base::named::Named;
use models::base::record::{Event, FaultPath, IoKind, Record};
use models::config::{MachineConfig, Op, Pattern, ReadAhead, ReadFaults, ZswapConfig, ZswapKernel};
use models::machine::{RunOutput, RunSettings};
use sim_core::Distribution;

const LOAD: u64 = 5;
const STORE: u64 = 8;

/// Four vCPUs under 6.12 with a device of 200 us, and a pool of so many pages.
fn config(max_pool_pages: Option<u64>) -> MachineConfig {
    let law = |span: u64| Distribution::Constant { value: us(span).as_ps() };
    let mut config = crowded("skylake-sp", constant(us(200)));
    config.host.kernel = host_kernel("linux-6.12");
    config.host.read_ahead_pages = 1;
    config.host.zswap = Some(ZswapConfig {
        load: law(LOAD),
        store: law(STORE),
        ratio_milli: 3_000,
        max_pool_pages,
        accept_percent: 90,
    });
    config
}

fn run(config: &MachineConfig, policy: &str) -> RunOutput {
    let settings = RunSettings { keep_records: true, ..for_time(ms(100)) };
    let output = simulate(config, policy, &settings);
    assert_clean(&output);
    output
}

fn metric(output: &RunOutput, name: &str) -> f64 {
    output.metrics.get(name).unwrap()
}

#[test]
fn what_the_pool_holds_is_never_asynchronous() {
    let mut work = Vec::new();
    for policy in ["sync", "apf-v2.6.39", "apf-v5.17", "apf-v6.12"] {
        let mut config = config(None);
        config.guest.vcpus = 1;
        let output = run(&config, policy);
        assert!(metric(&output, "major_faults") > 100.0, "{policy}");
        for none in ["async_faults", "repeated_faults", "swap_read_requests", "zswap_refusals"] {
            assert_eq!(metric(&output, none), 0.0, "{policy} {none}");
        }
        assert_eq!(metric(&output, "swap_write_requests"), 0.0, "{policy}");
        work.push(metric(&output, "work_total"));
    }
    let (least, most) = work.iter().fold((f64::MAX, 0.0f64), |(a, b), &w| (a.min(w), b.max(w)));
    assert!(most / least < 1.02, "{work:?}");
}

/// A small pool: a page that is asynchronous was refused or written back before, and one that was neither
/// is not asynchronous.
#[test]
fn what_was_written_on_is_asynchronous_as_usual() {
    let mut config = config(Some(MIB));
    config.guest.vcpus = 1;
    // Long enough for the pool to fill up again.
    let settings = RunSettings { keep_records: true, ..for_time(ms(200)) };
    let output = simulate(&config, "apf-v6.12", &settings);
    assert_clean(&output);
    for some in ["async_faults", "zswap_writebacks", "zswap_refusals", "decompressed_pages"] {
        assert!(metric(&output, some) > 10.0, "{some}: {}", metric(&output, some));
    }
    let mut on_device: BTreeSet<GuestPage> = BTreeSet::new();
    let mut compressed: BTreeSet<GuestPage> = BTreeSet::new();
    let (mut synchronous, mut asynchronous) = (0, 0);
    for &Record { event, .. } in output.records.as_ref().unwrap() {
        match event {
            Event::ZswapWriteback { page, .. } | Event::ZswapRefuse { page } => {
                on_device.insert(page);
                compressed.remove(&page);
            }
            // It was found before its frame had gone, and goes anew.
            Event::EptMap { gfn, .. } => {
                on_device.remove(&GuestPage(gfn.0));
            }
            Event::MajorFaultBegin { gfn, path, .. } => {
                let page = GuestPage(gfn.0);
                match path {
                    FaultPath::Async => {
                        asynchronous += 1;
                        assert!(!compressed.contains(&page), "{page} is in the pool");
                    }
                    FaultPath::Sync => {
                        synchronous += 1;
                        assert!(!on_device.contains(&page), "{page} is on the device");
                        compressed.insert(page);
                    }
                    FaultPath::Repeated => {}
                }
                on_device.remove(&page);
                compressed.remove(&page);
            }
            _ => {}
        }
    }
    assert!(synchronous > 50 && asynchronous > 50, "{synchronous} {asynchronous}");
}

#[test]
fn compression_and_eviction_are_in_the_ledger() {
    let mut config = config(Some(2 * MIB));
    config.host.kernel.zswap = ZswapKernel::OldestFirst;
    let output = run(&config, "apf-v6.12");
    let of = |name: &str| metric(&output, name);
    let brought = of("decompressed_pages") + of("zswap_writebacks");
    let load = of("cpu_share_decompression") / (brought * LOAD as f64);
    let store = of("cpu_share_compression") / (of("compressed_pages") * STORE as f64);
    assert!((load / store - 1.0).abs() < 1e-6, "{load} {store}");
    // What reclaim wrote went to the pool or was refused; besides those, the worker writes.
    let records = output.records.as_ref().unwrap();
    let sum =
        |count: &dyn Fn(&Event) -> u32| -> u32 { records.iter().map(|r| count(&r.event)).sum() };
    let reclaimed = sum(&|event| match event {
        Event::MemcgReclaimEnd { written, .. } => *written,
        _ => 0,
    });
    let stored = sum(&|event| match event {
        Event::SwapCompute { op: IoKind::Write, pages, .. } => *pages,
        _ => 0,
    });
    let refused = sum(&|event| u32::from(matches!(event, Event::ZswapRefuse { .. })));
    // A pass that is going on at the end has not reported yet.
    assert!(reclaimed <= stored + refused && stored + refused - reclaimed < 500);
    assert!(of("zswap_writebacks") > 0.0 && of("swap_writes_pages") > of("compressed_pages"));
}

/// The same limit leaves less memory to the guest where the pool counts against it.
#[test]
fn a_pool_that_is_charged_leaves_less_room() {
    let faults = |kernel: ZswapKernel| {
        let mut config = config(None);
        config.host.kernel.zswap = kernel;
        config.host.zswap.as_mut().unwrap().ratio_milli = 2_000;
        config.host.memory_limit_pages = 24 * MIB;
        config.workload.regions[0].pages = 34 * MIB;
        // Nearly all of the time, so that as many pages are touched however many fault.
        config.workload.tasks[0].program = vec![write(Pattern::Uniform, us(100))];
        let output = run(&config, "sync");
        metric(&output, "major_faults")
    };
    let (charged, free) = (faults(ZswapKernel::FrontswapCharged), faults(ZswapKernel::Frontswap));
    assert!(charged > 1.3 * free, "{charged} {free}");
}

/// All kernels, with and without read-ahead, huge pages and a pool that is soon full, obey the invariants.
#[test]
fn every_kernel_runs_clean() {
    for &kernel in ZswapKernel::ALL.iter().filter(|&&kernel| kernel != ZswapKernel::None) {
        for (ahead, read_ahead, thp) in [
            (1, ReadAhead::Adaptive, true),
            (8, ReadAhead::Adaptive, false),
            (8, ReadAhead::AddressSpace, false),
            (8, ReadAhead::Fixed, true),
        ] {
            let mut config = config(Some(300));
            config.host.read_ahead_pages = ahead;
            config.host.kernel.read_ahead = read_ahead;
            config.host.kernel.zswap = kernel;
            config.host.thp = thp;
            let output = run(&config, "apf-v6.12");
            let of = |name: &str| metric(&output, name);
            assert!(of("decompressed_pages") > 0.0 && of("swap_read_requests") > 0.0, "{kernel:?}");
            // A huge page that went leaves room for long.
            assert!(thp || of("zswap_refusals") > 0.0, "{kernel:?}");
        }
    }
}

/// Pages that are only read, and kernels that keep the copy of a loaded page: it goes again without work.
#[test]
fn a_copy_that_is_kept_saves_compressing_again() {
    let pages = |kernel: ZswapKernel| {
        let mut config = config(None);
        config.host.kernel.zswap = kernel;
        config.host.kernel.read_faults = ReadFaults::ReadOnly;
        config.host.swap_pages = 32 * 1024 * 1024;
        for group in &mut config.workload.tasks {
            for op in &mut group.program {
                if let Op::Access { write, .. } = op {
                    *write = false;
                }
            }
        }
        let output = run(&config, "sync");
        (metric(&output, "decompressed_pages"), metric(&output, "compressed_pages"))
    };
    // Whatever was filled before is compressed once.
    let (read, written) = pages(ZswapKernel::OldestFirst);
    assert!(read > 1000.0 && written < read * 0.7, "{read} {written}");
    let (read, written) = pages(ZswapKernel::SecondChance);
    assert!(read > 1000.0 && written > read * 0.9, "{read} {written}");
}
