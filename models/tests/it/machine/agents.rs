//! Agents that write `memory.reclaim`: how many pages they get, when, and what becomes of what is not there.

use super::kit::{
    MIB, assert_clean, constant, crowded, for_time, group, host_kernel, ms, named, simulate, us,
};
use models::base::ids::VmId;
use models::base::record::{Event, MemcgFile, Record, TaskRole};
use models::config::{
    DeviceConfig, MachineConfig, Op, ProactiveReclaim, ReclaimAsk, ZramConfig, ZswapConfig,
};
use models::machine::{RunOutput, RunSettings, prefill, run};
use sim_core::Distribution;

const REGION: u64 = 32 * MIB;

fn law(span: u64) -> Distribution {
    Distribution::Constant { value: us(span).as_ps() }
}

fn zram() -> DeviceConfig {
    DeviceConfig::Zram(ZramConfig {
        decompress: law(3),
        compress: law(6),
        ratio_milli: 3_000,
        limit_pages: None,
    })
}

/// A guest under 6.12 whose memory is all there, and an agent.
fn config(device: DeviceConfig, every: u64, ask: ReclaimAsk) -> MachineConfig {
    let mut config = crowded("skylake-sp", device);
    config.host.kernel = host_kernel("linux-6.12");
    config.host.memory_limit_pages = 48 * MIB;
    let agent = ProactiveReclaim { vm: VmId(0), at: ms(every), every: ms(every), ask };
    config.host.memory_control.proactive = vec![agent];
    config
}

/// The same with tasks that touch no memory.
fn idle(device: DeviceConfig, every: u64, ask: ReclaimAsk) -> MachineConfig {
    let mut config = config(device, every, ask);
    let count = Op::Count { per_second: 1_000_000_000 };
    config.workload.tasks = vec![group("worker", TaskRole::Worker, 2, vec![count])];
    config
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

fn asked(output: &RunOutput) -> Vec<u64> {
    let pages = |record: &Record| match record.event {
        Event::MemcgWrite { file: MemcgFile::Reclaim, pages, .. } => Some(pages),
        _ => None,
    };
    records(output).iter().filter_map(pages).collect()
}

/// What an agent asks for goes, in batches of 64 (`MIN_LRU_BATCH` of generations), at each of its times.
#[test]
fn an_agent_gets_what_it_asks_for() {
    for (pages, got) in [(64, 64), (65, 128), (1, 64)] {
        let output = outcome(&idle(zram(), 10, ReclaimAsk::Pages(pages)), "sync", 105);
        assert_eq!(asked(&output), [pages; 10]);
        assert_eq!(metric(&output, "reclaimed_by_agents"), f64::from(10 * got));
        assert_eq!(metric(&output, "reclaimed_by_vcpus"), 0.0);
    }
}

/// A share is one of what the container holds, which shrinks.
#[test]
fn a_share_is_of_what_is_there() {
    let output = outcome(&idle(zram(), 10, ReclaimAsk::Share { ppm: 100_000 }), "sync", 55);
    let asked = asked(&output);
    let mut used = REGION + metric(&output, "guest_tables") as u64;
    assert_eq!(asked.len(), 5);
    for pages in asked {
        assert_eq!(pages, used / 10);
        used -= pages.div_ceil(64) * 64;
    }
}

/// With nothing left the write fails (EAGAIN), and the agent tries again next time.
#[test]
fn what_is_not_there_is_not_got() {
    let output = outcome(&idle(zram(), 40, ReclaimAsk::Pages(9000)), "sync", 190);
    let done = |record: &Record| match record.event {
        Event::MemcgWritten { done, .. } => Some(done),
        _ => None,
    };
    let done: Vec<bool> = records(&output).iter().filter_map(done).collect();
    assert!(done.len() >= 2 && done.iter().all(|done| !done), "{done:?}");
    let touched = REGION as f64 + metric(&output, "guest_tables");
    assert_eq!(metric(&output, "reclaimed_by_agents"), touched);
}

/// Compressed pages before a device: the agent compresses.
#[test]
fn an_agent_compresses_where_there_is_zswap() {
    let mut config = config(constant(us(100)), 5, ReclaimAsk::Pages(256));
    config.guest.vcpus = 1;
    config.host.read_ahead_pages = 1;
    config.host.zswap = Some(ZswapConfig {
        load: law(5),
        store: law(8),
        ratio_milli: 3_000,
        max_pool_pages: None,
        accept_percent: 90,
    });
    let output = outcome(&config, "apf-v6.12", 100);
    let got = metric(&output, "reclaimed_by_agents");
    assert!(got > 1000.0 && metric(&output, "compressed_pages") >= got, "{got}");
    assert_eq!(metric(&output, "async_faults"), 0.0);
}

#[test]
fn stepping_gives_the_same_bytes() {
    for policy in ["sync", "halt-v6.12", "apf-v6.12"] {
        for device in [zram(), constant(us(100)), constant(ms(4))] {
            let config = config(device, 3, ReclaimAsk::Share { ppm: 20_000 });
            let digest = |skip| {
                let settings = RunSettings { skip, ..for_time(ms(30)) };
                simulate(&config, policy, &settings).digest
            };
            assert_eq!(digest(true), digest(false), "{policy}");
        }
    }
}
