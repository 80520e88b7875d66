//! The host's memory as a whole: when its kernel's thread is woken, up to where it reclaims, and who reclaims for
//! himself.

use super::kit::{
    assert_clean, constant, crowded, for_time, group, host_kernel, ms, named, simulate, us, write,
};
use models::base::ids::PcpuId;
use models::base::record::{Event, Record, TaskRole};
use models::config::{DeviceConfig, Kswapd, MachineConfig, Pattern, ZramConfig};
use models::machine::{RunOutput, RunSettings, prefill, run};
use sim_core::Distribution;

fn zram() -> DeviceConfig {
    let law = |span: u64| Distribution::Constant { value: us(span).as_ps() };
    DeviceConfig::Zram(ZramConfig {
        decompress: law(3),
        compress: law(6),
        ratio_milli: 3_000,
        limit_pages: None,
    })
}

/// Four vCPUs that want 32 MiB on a host of 28 MiB, some of which is kept free.
fn config(device: DeviceConfig, kswapd: Option<Kswapd>) -> MachineConfig {
    let mut config = crowded("skylake-sp", device);
    config.host.kernel = host_kernel("linux-6.12");
    config.host.memory_control.kswapd = kswapd;
    config
}

fn marks() -> Kswapd {
    Kswapd { min: 64, low: 192, high: 320, cpu: None }
}

fn outcome(config: &MachineConfig, policy: &str) -> RunOutput {
    let settings = RunSettings { keep_records: true, ..for_time(ms(100)) };
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

/// A thread that keeps up: nobody reclaims for himself, and each time it takes what is between its marks.
#[test]
fn a_thread_that_keeps_up_spares_everybody_else() {
    let mut config = config(zram(), Some(marks()));
    config.guest.vcpus = 1;
    let slowly = vec![write(Pattern::Uniform, us(5))];
    config.workload.tasks = vec![group("faulter", TaskRole::Faulter, 1, slowly)];
    let output = outcome(&config, "sync");
    assert!(metric(&output, "kswapd_wakes") > 10.0);
    assert_eq!(metric(&output, "reclaimed_by_vcpus"), 0.0);
    let each = metric(&output, "reclaimed_by_kswapd") / metric(&output, "kswapd_wakes");
    // 128 pages, and what is allocated meanwhile.
    assert!((128.0..320.0).contains(&each), "{each}");
    let (mut awake, mut wakes) = (false, 0);
    for record in records(&output) {
        match record.event {
            Event::KswapdWake { .. } => {
                assert!(!awake);
                (awake, wakes) = (true, wakes + 1);
            }
            Event::KswapdSleep { .. } => assert!(std::mem::take(&mut awake)),
            _ => {}
        }
    }
    assert!(wakes > 10);
}

/// One thread against four vCPUs that fault as fast as memory is compressed: who wants a page reclaims for himself at
/// the lowest mark.
#[test]
fn one_that_does_not_keep_up_leaves_reclaim_to_everybody() {
    let bound = Kswapd { cpu: Some(PcpuId(0)), ..marks() };
    let output = outcome(&config(zram(), Some(bound)), "sync");
    let both = [metric(&output, "reclaimed_by_vcpus"), metric(&output, "reclaimed_by_kswapd")];
    assert!(both[0] > 1000.0 && both[1] > 1000.0, "{both:?}");
}

#[test]
fn stepping_gives_the_same_bytes() {
    for policy in ["sync", "halt-v6.12", "apf-v6.12"] {
        for device in [zram(), constant(us(100)), constant(ms(4))] {
            let config = config(device, Some(marks()));
            let digest = |skip| {
                let settings = RunSettings { skip, ..for_time(ms(30)) };
                simulate(&config, policy, &settings).digest
            };
            assert_eq!(digest(true), digest(false), "{policy}");
        }
    }
}

/// Nothing can go, as the swap area is full: the thread gives up after as many passes in vain as the kernel's does.
#[test]
fn the_thread_gives_up_after_16_failures() {
    let mut config = config(constant(us(20)), Some(marks()));
    config.host.swap_pages = 0;
    config.workload.regions[0].pages = config.host.memory_limit_pages
        - config.host.other_resident_pages
        - (marks().min + marks().low) / 2
        - 20;
    // Touched in the run, as what is in vain before it is not tried again.
    config.workload.regions[0].prefill = false;
    let output = outcome(&config, "sync");
    let mut passes = Vec::new();
    for record in records(&output) {
        match record.event {
            Event::KswapdWake { .. } => passes.clear(),
            Event::MemcgReclaimEnd { freed, written, .. } => passes.push(freed + written),
            _ => {}
        }
    }
    let in_vain = passes.iter().rev().take_while(|&&taken| taken == 0).count();
    assert_eq!(in_vain, 16, "{passes:?}");
}
