//! Swap on compressed memory: no fault is asynchronous, decompression and compression are processor
//! time of the vCPU thread, and pages go when they are compressed.

use std::collections::BTreeMap;

use super::kit::{assert_clean, crowded, for_time, ms, simulate, us};
use models::base::ids::ThreadId;
use models::base::record::{Event, IoKind, Record};
use models::config::{DeviceConfig, MachineConfig, ZramConfig};
use models::machine::{RunOutput, RunSettings};
use sim_core::{Distribution, SimDuration, SimTime};

const POLICIES: [&str; 4] = ["sync", "apf-v2.6.39", "apf-v5.17", "apf-v6.12"];

fn zram(decompress: SimDuration, compress: SimDuration) -> DeviceConfig {
    let law = |span: SimDuration| Distribution::Constant { value: span.as_ps() };
    let (decompress, compress) = (law(decompress), law(compress));
    ZramConfig { decompress, compress, ratio_milli: 3_000, limit_pages: None }.into()
}

fn run(config: &MachineConfig, policy: &str) -> RunOutput {
    let settings = RunSettings { keep_records: true, ..for_time(ms(300)) };
    let output = simulate(config, policy, &settings);
    assert_clean(&output);
    output
}

fn metric(output: &RunOutput, name: &str) -> f64 {
    output.metrics.get(name).unwrap()
}

#[test]
fn no_fault_is_asynchronous_and_nothing_waits() {
    let config = crowded("skylake-sp", zram(us(5), us(8)));
    let mut work = Vec::new();
    for policy in POLICIES {
        let output = run(&config, policy);
        assert!(metric(&output, "major_faults") > 100.0, "{policy}");
        for none in ["async_faults", "repeated_faults", "halted_time", "not_present_injected"] {
            assert_eq!(metric(&output, none), 0.0, "{policy} {none}");
        }
        work.push(metric(&output, "work_total"));
    }
    let (least, most) = work.iter().fold((f64::MAX, 0.0f64), |(a, b), &w| (a.min(w), b.max(w)));
    assert!(most / least < 1.02, "{work:?}");
    // The first lookup of the series of 2010 begins no read, so that a worker decompresses.
    let output = run(&config, "halt");
    assert!(metric(&output, "async_faults") > 100.0);
}

/// What the thread spends is in the record, and adds up to the ledger's parts.
#[test]
fn compression_is_in_the_ledger() {
    let (decompress, compress) = (us(5), us(8));
    let output = run(&crowded("skylake-sp", zram(decompress, compress)), "apf-v6.12");
    let pages = |name: &str| metric(&output, name);
    let (read, written) = (pages("swap_reads_pages"), pages("swap_writes_pages"));
    assert!(read > 100.0 && written > 100.0, "{read} {written}");
    let vcpus = metric(&output, "cpu_share_decompression") / (read * 5e-6);
    let again = metric(&output, "cpu_share_compression") / (written * 8e-6);
    assert!((vcpus / again - 1.0).abs() < 1e-6, "{vcpus} {again}");
    let host = metric(&output, "cpu_share_host");
    let parts =
        metric(&output, "cpu_share_decompression") + metric(&output, "cpu_share_compression");
    assert!(parts > 0.0 && parts < host, "{parts} {host}");
    // There is no queue of requests.
    let records = output.records.as_ref().unwrap();
    let requests = |r: &Record| matches!(r.event, Event::BlockRqIssue { .. });
    assert!(!records.iter().any(requests));
}

/// A pass of reclaim compresses its whole batch in the thread that needs a page, and the frames are
/// free when it is over, whatever the kernel does with pages that a device writes.
#[test]
fn a_burst_of_compression_is_paid_by_whoever_faults() {
    let mut config = crowded("skylake-sp", zram(us(5), us(80)));
    config.host.reclaim_batch_pages = 50;
    let output = run(&config, "apf-v6.12");
    let mut open: BTreeMap<ThreadId, (SimTime, SimDuration)> = BTreeMap::new();
    let mut passes = 0;
    for &Record { time, event } in output.records.as_ref().unwrap() {
        match event {
            Event::MemcgReclaimBegin { thread } => {
                open.insert(thread, (time, SimDuration::ZERO));
            }
            Event::SwapCompute { thread, op: IoKind::Write, span, .. } => {
                open.get_mut(&thread).unwrap().1 += span;
            }
            Event::MemcgReclaimEnd { thread, written, .. } => {
                let Some((since, spent)) = open.remove(&thread) else { continue };
                assert_eq!(spent, us(80).times(written.into()));
                assert!(time.since(since) >= spent, "{spent}");
                passes += u32::from(written >= 40);
            }
            _ => {}
        }
    }
    assert!(passes > 3, "{passes}");
    assert!(metric(&output, "fault_latency_max") > 50.0 * 80e-6);
}

/// What does not fit into the limit finds no room.
#[test]
fn a_limit_of_memory_is_a_limit_of_slots() {
    let config = ZramConfig {
        decompress: Distribution::Constant { value: 1 },
        compress: Distribution::Constant { value: 1 },
        ratio_milli: 2_500,
        limit_pages: Some(100),
    };
    assert_eq!([config.holds(10_000), config.holds(200)], [250, 200]);
}
