//! Pages that programs give back: they are first touches again, and no vCPU has translations of them any more.

use super::kit::{
    assert_clean, closed_form, fair, for_time, group, ms, share, simulate, syscall, us, write,
};
use models::base::ids::{RegionId, VcpuId};
use models::base::record::{Event, Record, TaskRole, TlbFlushReason};
use models::config::costs::Cost;
use models::config::{MachineConfig, Op, Pattern};
use models::machine::RunSettings;
use sim_core::SimDuration;

const PAGES: u64 = 200;

fn discard(first: u64, pages: u64) -> Vec<Op> {
    syscall(SimDuration::ZERO, &[Op::Discard { region: RegionId(0), first, pages }])
}

/// Everything is free and in memory. A task on vCPU 0 gives pages back every millisecond; on vCPU 1 another one reads
/// all of the region, one page a microsecond.
fn freer_and_reader(first: u64, pages: u64, reader: bool) -> MachineConfig {
    let mut config = closed_form(us(100), us(0), fair(ms(4), ms(1)));
    config.guest.vcpus = 2;
    config.workload.regions[0].pages = PAGES;
    config.host.memory_limit_pages = config.guest.memory_pages;
    let mut program = vec![Op::Compute { span: ms(1) }];
    program.extend(discard(first, pages));
    config.workload.tasks = vec![group("freer", TaskRole::Worker, 1, program)];
    config.workload.tasks[0].start_on = vec![VcpuId(0)];
    if reader {
        let reads = vec![write(Pattern::Sequential, us(1))];
        config.workload.tasks.push(group("reader", TaskRole::Faulter, 1, reads));
        config.workload.tasks[1].start_on = vec![VcpuId(1)];
    }
    config
}

fn records(config: &MachineConfig, time: SimDuration) -> Vec<Record> {
    let settings = RunSettings { keep_records: true, ..for_time(time) };
    let output = simulate(config, "sync", &settings);
    assert_clean(&output);
    output.records.unwrap()
}

fn discarded(records: &[Record]) -> Vec<u64> {
    let pages = |record: &Record| match record.event {
        Event::GuestDiscard { pages, .. } => Some(pages),
        _ => None,
    };
    records.iter().filter_map(pages).collect()
}

fn flushes(records: &[Record], why: TlbFlushReason) -> Vec<(VcpuId, u64)> {
    let flush = |record: &Record| match record.event {
        Event::TlbFlush { vcpu, pages, reason } if reason == why => Some((vcpu, pages)),
        _ => None,
    };
    records.iter().filter_map(flush).collect()
}

#[test]
fn what_was_given_back_and_not_touched_again_is_not_there_to_be_given_back() {
    let records = records(&freer_and_reader(10, 150, false), ms(5));
    assert_eq!(discarded(&records)[0], 150, "the region was filled");
    assert!(
        discarded(&records)[1..].iter().all(|&pages| pages == 0) && discarded(&records).len() > 2
    );
}

#[test]
fn few_pages_go_one_by_one_and_many_with_everything() {
    for (pages, told) in [(33, 33), (34, u64::MAX)] {
        let records = records(&freer_and_reader(10, pages, true), ms(20));
        assert!(
            discarded(&records).iter().skip(1).all(|&gone| gone == pages),
            "the reader is back"
        );
        for (reason, vcpu) in [
            (TlbFlushReason::SendIpi, VcpuId(0)),
            (TlbFlushReason::LocalMm, VcpuId(0)),
            (TlbFlushReason::Remote, VcpuId(1)),
        ] {
            let all = flushes(&records, reason);
            assert!(all.len() > 10 && all.iter().all(|flush| *flush == (vcpu, told)), "{reason:?}");
        }
    }
}

/// A program that reads a page each microsecond would never see that pages are gone if its vCPU kept their
/// translations: each discard makes it touch all of them for the first time again.
#[test]
fn no_vcpu_keeps_translations_of_pages_that_are_gone() {
    let config = freer_and_reader(0, PAGES, true);
    let records = records(&config, ms(20));
    let gone = discarded(&records);
    // Its walk over the region takes a fifth of the time between two discards.
    assert!(gone.iter().all(|&pages| pages == PAGES), "{gone:?}");
}

#[test]
fn an_idle_vcpu_is_not_interrupted_and_flushes_when_it_goes_on() {
    let mut config = freer_and_reader(0, PAGES, true);
    // It touches a few pages, and sleeps for several discards.
    let mut program = vec![write(Pattern::Sequential, us(1)); 20];
    program.push(Op::Sleep { span: ms(5) });
    config.workload.tasks[1].program = program;
    let records = records(&config, ms(50));
    let late = flushes(&records, TlbFlushReason::TaskSwitch);
    assert!(
        late.len() >= 8 && late.iter().all(|&(vcpu, pages)| (vcpu, pages) == (VcpuId(1), u64::MAX))
    );
    assert!(flushes(&records, TlbFlushReason::Remote).len() < late.len());
    // What it had touched before it slept is gone, so that it is touched for the first time each time.
    assert!(discarded(&records).iter().skip(1).filter(|&&pages| pages == 20).count() >= 8);
}

#[test]
fn giving_back_costs_its_pages_and_its_flush() {
    let mut config = freer_and_reader(0, PAGES, false);
    config.guest.vcpus = 1;
    config.cpu.costs.guest_discard_page = Cost::Time(us(5));
    config.cpu.costs.cr3_write = Cost::Time(us(500));
    // A millisecond, the pages, the flush; and touching them again, which is free.
    let touch = Op::Access {
        region: RegionId(0),
        pattern: Pattern::Sequential,
        write: true,
        cost: SimDuration::ZERO,
    };
    let mut program = vec![Op::Compute { span: ms(1) }];
    program.extend([
        Op::Repeat { times: PAGES, skip: 3, slot: 0 },
        touch,
        Op::Again { back: 1, slot: 0 },
    ]);
    program.extend(discard(0, PAGES));
    config.workload.tasks[0].program = program;
    let output = simulate(&config, "sync", &for_time(ms(1000)));
    assert_clean(&output);
    // 1 ms of 2.5 ms is the program's own; what it discards is the kernel's.
    let own = share(&output, "workers");
    assert!((own - 0.4).abs() < 0.01, "{own}");
}
