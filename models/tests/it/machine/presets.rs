//! The swap devices that are built in answer as their sources say: mean, percentiles and throughput
//! over queue depth, each device by itself.

use models::parts::device::load::{ClosedLoad, LoadResult, closed_load};
use models::presets;

/// Microseconds that a source, or the preset's summary, states: at a depth, of reads or writes, mean,
/// p50, p99, p99.9. Zero: not stated.
type Row = (&'static str, u32, bool, [f64; 4]);

const STATED: [Row; 24] = [
    ("nvme-m5d", 1, true, [54.8, 37.1, 98.8, 102.9]),
    ("nvme-m5d", 32, true, [103.6, 88.6, 199.7, 250.9]),
    ("nvme-m5d", 1, false, [24.4, 24.4, 26.8, 31.4]),
    ("nvme-m5d", 32, false, [177.2, 185.3, 197.6, 201.7]),
    ("nvme-tlc-gen3", 1, true, [85.0, 82.0, 110.0, 150.0]),
    ("nvme-p3700", 1, true, [77.9, 76.0, 96.0, 0.0]),
    ("nvme-p3700", 16, true, [93.9, 91.0, 163.0, 0.0]),
    ("optane-p4800x", 1, true, [8.9, 9.0, 10.0, 0.0]),
    ("optane-p4800x", 16, true, [25.5, 25.0, 41.0, 0.0]),
    ("optane-905p", 1, true, [11.0, 10.5, 13.0, 20.0]),
    ("optane-905p", 8, true, [14.5, 0.0, 0.0, 0.0]),
    ("sata-ssd-ent", 1, true, [130.0, 125.0, 200.0, 350.0]),
    ("sata-ssd-ent", 32, true, [337.0, 0.0, 0.0, 0.0]),
    ("sata-ssd-ent", 1, false, [40.0, 0.0, 0.0, 0.0]),
    ("rdma-4k", 1, true, [4.3, 4.1, 6.0, 12.0]),
    ("rdma-4k", 16, true, [10.7, 0.0, 0.0, 0.0]),
    ("rdma-4k", 1, false, [4.0, 0.0, 0.0, 0.0]),
    ("nvmeof-rdma", 1, true, [95.0, 92.0, 120.0, 170.0]),
    ("zram-lz4", 1, true, [0.5, 0.5, 0.9, 2.0]),
    ("zram-lz4", 1, false, [2.0, 0.0, 0.0, 0.0]),
    ("zram-zstd", 1, true, [2.0, 1.9, 3.5, 6.0]),
    ("zram-zstd", 1, false, [7.5, 0.0, 0.0, 0.0]),
    ("cxl-dram", 1, true, [1.04, 1.04, 1.04, 1.04]),
    ("cloud-gp3", 1, true, [0.0, 500.0, 900.0, 0.0]),
];

/// Requests a second of thousands, at a depth.
const THROUGHPUT: [(&str, u32, f64); 8] = [
    ("nvme-m5d", 32, 301.0),
    ("nvme-tlc-gen3", 64, 750.0),
    ("optane-905p", 8, 550.0),
    ("sata-ssd-ent", 32, 95.0),
    ("rdma-4k", 16, 1500.0),
    ("nvme-p3700", 16, 167.0),
    ("cloud-gp3", 32, 3.0),
    ("cloud-gp2-100g", 32, 3.0),
];

fn load(name: &str, depth: u32, reads: bool, requests: u64) -> LoadResult {
    let config = presets::device(name).unwrap_or_else(|| panic!("no {name}")).config;
    let reads_ppm = if reads { 1_000_000 } else { 0 };
    closed_load(&config, &ClosedLoad { depth, requests, reads_ppm, seed: 1 }).unwrap()
}

#[test]
fn latencies_are_those_that_are_stated() {
    for (name, depth, reads, stated) in STATED {
        let result = load(name, depth, reads, 300_000);
        let at = usize::from(!reads);
        let times = if reads { &result.read } else { &result.write };
        let quantile = |q: f64| times.value_at_quantile(q) as f64;
        let got = [result.means()[at], quantile(0.5), quantile(0.99), quantile(0.999)];
        for (stated, got) in stated.into_iter().zip(got).filter(|(stated, _)| *stated > 0.0) {
            let error = got / 1000.0 / stated - 1.0;
            assert!(error.abs() < 0.05, "{name} at {depth}: {stated} us stated, {got} ns");
        }
    }
}

#[test]
fn throughput_is_what_is_stated() {
    for (name, depth, thousands) in THROUGHPUT {
        // A source's own machine takes some of the time; so long as the volume's credits last.
        let rate = load(name, depth, true, 60_000).rate() / 1000.0;
        let error = rate / thousands - 1.0;
        assert!(error.abs() < 0.05, "{name} at {depth}: {thousands} stated, {rate}");
    }
}

/// Every device that is built in takes a load, and its throughput never falls with depth.
#[test]
fn throughput_does_not_fall_with_depth() {
    for name in presets::device_names() {
        let rate = |depth| load(&name, depth, true, 3_000).rate();
        let rates = [1, 2, 4, 8, 16, 32].map(rate);
        let falls = rates.windows(2).any(|pair| pair[1] < pair[0] * 0.97);
        assert!(!falls, "{name}: {rates:?}");
    }
}
