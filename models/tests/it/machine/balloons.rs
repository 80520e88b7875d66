//! Balloons and free page reporting: what a guest gives up is free on the host, in memory and in the swap area.

use super::kit::{
    MIB, assert_clean, closed_form, fair, for_time, group, ms, simulate, syscall, us, write,
};
use models::base::ids::{RegionId, VcpuId, VmId};
use models::base::record::{Event, Record, TaskRole};
use models::config::{
    Balloon, BalloonTarget, Disturbance, DisturbanceKind, MachineConfig, Op, Pattern, Reporting,
};
use models::machine::{RunOutput, RunSettings};
use sim_core::{SimDuration, SimTime};

/// A guest of 16 MiB, of which a program fills 8 MiB and gives them back at the begin, or keeps them.
fn guest(gives_back: bool, targets: &[(u64, u64)], reporting: Option<Reporting>) -> MachineConfig {
    let mut config = closed_form(us(100), us(0), fair(ms(4), ms(1)));
    config.guest.vcpus = 2;
    config.guest.memory_pages = 16 * MIB;
    config.workload.regions[0].pages = 8 * MIB;
    config.host.memory_limit_pages = 16 * MIB;
    let pages = 8 * MIB;
    let discard = Op::Discard { region: RegionId(0), first: 0, pages };
    let mut program = Vec::new();
    if gives_back {
        program.push(Op::Once { flag: 0, skip: 4 });
        program.extend(syscall(SimDuration::ZERO, &[discard]));
    }
    program.push(Op::Sleep { span: ms(1) });
    config.workload.tasks = vec![group("idle", TaskRole::Worker, 1, program)];
    let target = |&(at, pages): &(u64, u64)| BalloonTarget { at: ms(at), pages };
    let targets = targets.iter().map(target).collect();
    config.host.memory_control.balloons = vec![Balloon { vm: VmId(0), targets, reporting }];
    config
}

fn output(config: &MachineConfig, policy: &str, time: SimDuration) -> RunOutput {
    let settings = RunSettings { keep_records: true, ..for_time(time) };
    let output = simulate(config, policy, &settings);
    assert_clean(&output);
    output
}

fn metric(output: &RunOutput, name: &str) -> u64 {
    output.metrics.get(name).unwrap() as u64
}

fn sizes(output: &RunOutput) -> Vec<(SimTime, u64)> {
    let size = |record: &Record| match record.event {
        Event::BalloonSize { pages, .. } => Some((record.time, pages)),
        _ => None,
    };
    output.records.as_ref().unwrap().iter().filter_map(size).collect()
}

#[test]
fn a_balloon_grows_by_batches_and_its_frames_are_free() {
    let output = output(&guest(true, &[(10, 1000)], None), "sync", ms(100));
    let all: Vec<u64> = sizes(&output).into_iter().map(|(_, pages)| pages).collect();
    assert_eq!(all, [256, 512, 768, 1000]);
    assert_eq!(metric(&output, "balloon_pages"), 1000);
    // All of them were touched by the program before.
    assert_eq!((metric(&output, "returned_frames"), metric(&output, "returned_slots")), (1000, 0));
}

#[test]
fn what_was_never_touched_gives_the_host_nothing() {
    let output = output(&guest(false, &[(10, 1000)], None), "sync", ms(100));
    assert_eq!(metric(&output, "balloon_pages"), 1000);
    assert_eq!(metric(&output, "returned_frames"), 0);
}

#[test]
fn pages_in_the_swap_area_go_without_a_read_and_free_their_slots() {
    let mut config = guest(true, &[(20, 8 * MIB)], None);
    config.host.memory_limit_pages = 4 * MIB;
    let output = output(&config, "sync", ms(100));
    let (frames, slots) = (metric(&output, "returned_frames"), metric(&output, "returned_slots"));
    assert_eq!(metric(&output, "balloon_pages"), 8 * MIB);
    assert!(slots >= 4 * MIB - 64 && frames + slots >= 8 * MIB - 64, "{frames} {slots}");
    assert_eq!(metric(&output, "swap_reads_pages"), 0);
}

#[test]
fn a_balloon_stays_short_where_the_guest_has_no_more_and_looks_again() {
    let output = output(&guest(false, &[(10, 16 * MIB)], None), "sync", ms(900));
    let last = sizes(&output).last().unwrap().1;
    // All but the region, its tables, what the kernel keeps, and its reserve (marks of 16 MiB: 512 KiB).
    let left = 16 * MIB - 8 * MIB - 256 - 128;
    assert!(last <= left && last > left - 16, "{last} of {left}");
    assert_eq!(metric(&output, "balloon_pages"), last);
}

#[test]
fn a_balloon_that_shrinks_gives_the_guest_its_frames_back() {
    let output = output(&guest(true, &[(10, 1000), (50, 200)], None), "sync", ms(100));
    let all: Vec<u64> = sizes(&output).into_iter().map(|(_, pages)| pages).collect();
    assert_eq!(all, [256, 512, 768, 1000, 744, 488, 232, 200]);
}

#[test]
fn a_guest_without_a_free_frame_takes_pages_out_of_its_balloon() {
    let mut config = guest(true, &[(10, 16 * MIB)], None);
    config.workload.tasks[0].program.extend([
        Op::Sleep { span: ms(60) },
        Op::Repeat { times: 8 * MIB, skip: 3, slot: 0 },
        write(Pattern::Sequential, us(1)),
        Op::Again { back: 1, slot: 0 },
    ]);
    let output = output(&config, "sync", ms(400));
    let all = sizes(&output);
    let most = all.iter().map(|&(_, pages)| pages).max().unwrap();
    let least = all.iter().rev().map(|&(_, pages)| pages).min().unwrap();
    assert!(most > 14 * MIB, "{most}");
    assert!(all.last().unwrap().1 < 8 * MIB && least <= 256, "{all:?}");
}

#[test]
fn free_blocks_are_reported_after_the_delay_and_are_used_again_afterwards() {
    let reporting = Reporting { order: 6, delay: ms(30) };
    let mut config = guest(true, &[], Some(reporting));
    let output = output(&config, "sync", ms(200));
    let advised: Vec<(SimTime, u32)> = output
        .records
        .as_ref()
        .unwrap()
        .iter()
        .filter_map(|record| match record.event {
            Event::MadviseDontneed { pages, .. } => Some((record.time, pages)),
            _ => None,
        })
        .collect();
    // Blocks that lie side by side go by one call.
    assert!(!advised.is_empty() && advised.iter().all(|&(_, pages)| pages % 64 == 0));
    let frames = metric(&output, "returned_frames");
    // Blocks at both ends of the region are not free as a whole.
    assert!((6 * MIB..=8 * MIB).contains(&frames), "{frames}");
    let begun = output.records.as_ref().unwrap().iter().find_map(|record| match record.event {
        Event::GuestDiscard { .. } => Some(record.time),
        _ => None,
    });
    assert!(advised[0].0.since(begun.unwrap()) >= ms(30));
    // What is touched again is touched for the first time: a minor fault each, and no read.
    config.workload.tasks[0].program.extend([
        Op::Sleep { span: ms(150) },
        Op::Repeat { times: 8 * MIB, skip: 3, slot: 0 },
        write(Pattern::Sequential, us(1)),
        Op::Again { back: 1, slot: 0 },
    ]);
    let again = self::output(&config, "sync", ms(400));
    assert!(metric(&again, "minor_faults") >= frames, "{}", metric(&again, "minor_faults"));
    assert_eq!(metric(&again, "swap_reads_pages"), 0);
}

#[test]
fn too_little_free_memory_is_not_reported() {
    // Thirty-two blocks of 4 MiB and a low mark are more than the guest has.
    let reporting = Reporting { order: 9, delay: ms(1) };
    let output = output(&guest(true, &[], Some(reporting)), "sync", ms(100));
    assert!(output.metrics.get("returned_frames").is_none());
}

#[test]
fn a_balloon_works_under_every_policy_and_while_vcpus_go_and_come() {
    for policy in ["sync", "halt-v6.12", "apf-v6.12", "apf-v7-2010"] {
        let reporting = Reporting { order: 3, delay: ms(2) };
        let mut config = guest(true, &[(1, 3000), (4, 100), (9, 9000)], Some(reporting));
        config.host.memory_limit_pages = 4 * MIB;
        let touch = write(Pattern::Uniform, us(3));
        let part = Op::Discard { region: RegionId(0), first: 100, pages: 700 };
        let mut program = vec![touch; 60];
        program.extend(syscall(us(1), &[part]));
        config.workload.tasks.push(group("busy", TaskRole::Faulter, 3, program));
        let swap =
            |at, kind| Disturbance { at: us(at), every: Some(us(3_700)), vcpu: VcpuId(0), kind };
        config.disturbances =
            vec![swap(900, DisturbanceKind::Offline), swap(2_100, DisturbanceKind::Online)];
        let output = output(&config, policy, ms(60));
        assert!(metric(&output, "returned_frames") > 0, "{policy}");
        assert!(metric(&output, "discarded_pages") > 1000, "{policy}");
    }
}
