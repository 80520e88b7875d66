//! `memory.high`: who is held to account, who pays, and how.

use super::kit::{
    MIB, assert_clean, constant, crowded, for_time, host_kernel, ms, named, simulate, us,
};
use models::base::ids::{ThreadId, VmId};
use models::base::record::{BlockReason, Event, Record};
use models::config::{DeviceConfig, MachineConfig, ZramConfig};
use models::machine::{RunOutput, RunSettings, prefill, run};
use sim_core::Distribution;

/// Four vCPUs whose guest wants 32 MiB; pages beyond so many are paid for.
fn config(device: DeviceConfig, high: u64) -> MachineConfig {
    let mut config = crowded("skylake-sp", device);
    config.host.kernel = host_kernel("linux-6.12");
    config.host.memory_limit_pages = 48 * MIB;
    config.host.memory_control.highs = vec![(VmId(0), high)];
    config
}

fn zram() -> DeviceConfig {
    DeviceConfig::Zram(ZramConfig {
        decompress: Distribution::Constant { value: us(3).as_ps() },
        compress: Distribution::Constant { value: us(6).as_ps() },
        ratio_milli: 3_000,
        limit_pages: None,
    })
}

fn outcome(config: &MachineConfig, policy: &str, run_ms: u64) -> RunOutput {
    let settings = RunSettings { keep_records: true, ..for_time(ms(run_ms)) };
    let output = run(&prefill(config, 42, &settings).unwrap(), &named(policy), &settings).unwrap();
    assert_clean(&output);
    output
}

fn metric(output: &RunOutput, name: &str) -> f64 {
    output.metrics.get(name).unwrap()
}

fn records(output: &RunOutput) -> &[Record] {
    output.records.as_deref().unwrap()
}

/// Threads that are held to account, with the pages of all.
fn held(output: &RunOutput, from: u32) -> u64 {
    let pages = |record: &Record| match record.event {
        Event::MemcgOverHigh { thread, pages } if thread >= ThreadId(from) => {
            Some(u64::from(pages))
        }
        _ => None,
    };
    records(output).iter().filter_map(pages).sum()
}

/// Where reclaim frees at once nobody sleeps; the container stays near its limit, and in each payment as many
/// pages go as the batch has.
#[test]
fn who_charges_beyond_the_limit_reclaims_as_much() {
    for policy in ["sync", "apf-v6.12"] {
        let output = outcome(&config(zram(), 24 * MIB), policy, 100);
        assert!(metric(&output, "charged_beyond_high") > 1000.0, "{policy}");
        assert_eq!(metric(&output, "charged_beyond_high_unpaid"), 0.0, "{policy}");
        assert_eq!(metric(&output, "cpu_share_throttled"), 0.0, "{policy}");
        let paid = metric(&output, "reclaimed_by_vcpus");
        let charged = metric(&output, "charged_beyond_high");
        // A batch at a time, and more while the container holds much more than it should.
        assert!((0.9..2.0).contains(&(paid / charged)), "{policy}: {paid} for {charged}");
        // One batch of 64 at a time, between an exit and the next entry.
        let batches = |record: &&Record| matches!(record.event, Event::MemcgOverHigh { pages, .. } if pages != 64);
        assert_eq!(records(&output).iter().filter(batches).count(), 0);
    }
}

/// Where there is no swap area to speak of nothing can be reclaimed, and threads that charge sleep.
#[test]
fn who_reclaims_in_vain_sleeps_whatever_the_policy() {
    for policy in ["sync", "halt-v6.12", "apf-v6.12"] {
        let mut config = config(constant(ms(1)), 10 * MIB);
        config.host.swap_pages = 16;
        config.workload.regions[0].prefill = false;
        let output = outcome(&config, policy, 400);
        let sleeps = |record: &&Record| {
            matches!(record.event, Event::VcpuBlock { reason: BlockReason::High, .. })
        };
        assert!(records(&output).iter().filter(sleeps).count() > 3, "{policy}");
        assert!(metric(&output, "cpu_share_throttled") > 0.3, "{policy}");
    }
}

/// The parts of the vCPUs' time add up with sleep for `memory.high` among them.
#[test]
fn the_ledger_adds_up() {
    let output = outcome(&config(constant(ms(2)), 16 * MIB), "apf-v6.12", 500);
    let parts = [
        "workers",
        "faulters",
        "main",
        "kernel",
        "stalled",
        "throttled",
        "halted",
        "idle",
        "steal",
    ];
    let sum: f64 = parts.iter().map(|part| metric(&output, &format!("cpu_share_{part}"))).sum();
    assert!((sum - 1.0).abs() < 1e-9, "{sum}");
}

/// Workers that charge are held to account, and nobody pays for them: a worker of the series of 2010 reads its pages
/// itself, and memory grows to the limit.
#[test]
fn workers_charge_beyond_the_limit_for_nothing() {
    let config = config(constant(us(100)), 16 * MIB);
    let modern = outcome(&config, "apf-v6.12", 200);
    let old = outcome(&config, "apf-v7-2010", 200);
    assert!(metric(&modern, "charged_beyond_high_unpaid") < metric(&modern, "charged_beyond_high"));
    assert!(metric(&old, "charged_beyond_high_unpaid") > 1000.0);
    assert!(held(&old, 4) > held(&modern, 4));
}

#[test]
fn stepping_gives_the_same_bytes() {
    for policy in ["sync", "halt-v6.12", "apf-v6.12", "apf-v7-2010"] {
        for device in [zram(), constant(us(100)), constant(ms(4))] {
            let config = config(device, 16 * MIB);
            let digest = |skip| {
                let settings = RunSettings { skip, ..for_time(ms(30)) };
                simulate(&config, policy, &settings).digest
            };
            assert_eq!(digest(true), digest(false), "{policy}");
        }
    }
}
