//! Direct reclaim as calls: how much a thread frees before it goes on with its fault.

use super::kit::{assert_clean, constant, crowded, for_time, host_kernel, ms, simulate, us};
use models::base::record::{Event, IoKind, Record};
use models::config::{DirectReclaim, Lru, MachineConfig};
use models::machine::RunSettings;

/// One vCPU under pressure whose faults are synchronous, so that passes between two reads are those of one fault.
fn one_vcpu(kernel: &str, direct_reclaim: DirectReclaim) -> MachineConfig {
    let mut config = crowded("skylake-sp", constant(us(100)));
    config.guest.vcpus = 1;
    config.host.read_ahead_pages = 1;
    config.host.kernel = host_kernel(kernel);
    config.host.kernel.direct_reclaim = direct_reclaim;
    config
}

/// For each fault that reclaims: passes, and pages that they freed.
fn calls(config: &MachineConfig) -> Vec<(u32, u32)> {
    let settings = RunSettings { keep_records: true, ..for_time(ms(400)) };
    let output = simulate(config, "sync", &settings);
    assert_clean(&output);
    let (mut all, mut open) = (Vec::new(), (0, 0));
    for &Record { event, .. } in output.records.as_ref().unwrap() {
        match event {
            Event::MemcgReclaimEnd { freed, .. } => open = (open.0 + 1, open.1 + freed),
            Event::BlockRqIssue { op: IoKind::Read, .. } => {
                all.extend((open.0 > 0).then_some(open));
                open = (0, 0);
            }
            _ => {}
        }
    }
    assert!(all.len() > 20, "{}", all.len());
    all
}

#[test]
fn a_call_goes_on_until_32_pages_are_free_though_there_is_room_for_one() {
    for (kernel, lru) in [
        ("linux-6.1", Lru::TwoListsRefaults),
        ("linux-6.6", Lru::Generations),
        ("linux-6.12", Lru::GenerationsSecondStage),
    ] {
        let mut config = one_vcpu(kernel, DirectReclaim::Priorities);
        config.host.kernel.lru = lru;
        let calls = calls(&config);
        // But for one that goes through all its priorities.
        let short = calls.iter().filter(|(passes, freed)| *freed < 32 && *passes < 13).count();
        assert_eq!(short, 0, "{kernel}: {calls:?}");
        assert!(calls.iter().any(|(passes, _)| *passes >= 3), "{kernel}: {calls:?}");
    }
}

#[test]
fn without_a_goal_a_thread_stops_at_the_first_page() {
    let calls = calls(&one_vcpu("linux-6.12", DirectReclaim::UntilRoom));
    assert!(calls.iter().any(|(_, freed)| *freed < 32), "{calls:?}");
}
