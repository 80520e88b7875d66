//! A device begins when the pages of a request are copied, whatever kind of device it is: with and
//! without a processor that copies, reads and writes, with room at the device and without.

use super::kit::{MIB, closed_form, fair, for_time, group, ms, simulate, us, write};
use models::base::record::{Event, IoKind, Record, TaskRole};
use models::config::costs::Cost;
use models::config::{
    ChannelsConfig, ConstantConfig, DeviceConfig, ElevatorConfig, HddConfig, MachineConfig, Op,
    Pattern,
};
use models::machine::RunSettings;
use sim_core::{Distribution, SimDuration, SimTime};

/// What a page of a read takes; the first page of a write takes as long.
const READ: SimDuration = SimDuration::from_us(500);
const FURTHER_PAGE: SimDuration = SimDuration::from_us(20);

/// The same latency from each kind of device, as long as nothing waits.
fn devices(places: u32) -> [(&'static str, DeviceConfig); 3] {
    let law = Distribution::Constant { value: READ.as_ps() };
    let elevator = ElevatorConfig {
        read_expire: ms(500),
        write_expire: ms(5_000),
        fifo_batch: 16,
        writes_starved: 2,
    };
    let disk = HddConfig {
        seek_base: SimDuration::ZERO,
        seek_sqrt: SimDuration::ZERO,
        // Nothing is drawn from a turn of one picosecond.
        rotation: SimDuration::from_ps(1),
        transfer_per_page: FURTHER_PAGE,
        controller: SimDuration::from_ps(READ.as_ps() - FURTHER_PAGE.as_ps()),
        swap_span_ppm: 1_000_000,
        elevator,
    };
    [
        (
            "constant",
            DeviceConfig::Constant(ConstantConfig { read_latency: READ, write_latency: READ }),
        ),
        (
            "channels",
            DeviceConfig::Channels(ChannelsConfig {
                channels: places,
                read: law.clone(),
                write: law,
                per_page: FURTHER_PAGE,
                read_at_depth: Vec::new(),
                write_at_depth: Vec::new(),
            }),
        ),
        ("hdd", DeviceConfig::Hdd(disk)),
    ]
}

/// Everything is free but the device and the copy of a page.
fn machine(device: DeviceConfig, copy: SimDuration, tasks: u32) -> MachineConfig {
    let mut config = closed_form(READ, us(200), fair(ms(20), ms(10)));
    config.host.device = device;
    config.cpu.costs.block_copy = Cost::Time(copy);
    config.guest.vcpus = tasks as u16;
    config.workload.regions[0].pages = 20 * MIB;
    let program = vec![write(Pattern::Uniform, SimDuration::ZERO), Op::Compute { span: us(200) }];
    config.workload.tasks = vec![group("faulter", TaskRole::Faulter, tasks, program)];
    config
}

/// A request as its records tell it.
#[derive(Clone, Copy, Debug)]
struct Served {
    op: IoKind,
    pages: u64,
    issued: SimTime,
    completed: SimTime,
    /// When the last pass of reclaim began.
    reclaim: SimTime,
}

impl Served {
    fn service(&self, kind: &str) -> SimDuration {
        match kind {
            "constant" => READ,
            _ => READ + FURTHER_PAGE.times(self.pages - 1),
        }
    }

    fn span(&self) -> SimDuration {
        self.completed.since(self.issued)
    }

    /// What is copied between its issue and its beginning; the pages of a write are copied before.
    fn copied(&self, copy: SimDuration) -> SimDuration {
        match self.op {
            IoKind::Read => copy.times(self.pages),
            IoKind::Write => SimDuration::ZERO,
        }
    }
}

fn served(config: &MachineConfig, policy: &str) -> Vec<Served> {
    let settings = RunSettings { keep_records: true, ..for_time(ms(200)) };
    let records = simulate(config, policy, &settings).records.unwrap();
    let mut open: Vec<(u32, Served)> = Vec::new();
    let mut all = Vec::new();
    let mut reclaim = SimTime::ZERO;
    for &Record { time, event } in &records {
        match event {
            Event::BlockRqIssue { request, op, pages, .. } => {
                let request = request.0;
                let pages = u64::from(pages);
                let (issued, completed) = (time, time);
                open.push((request, Served { op, pages, issued, completed, reclaim }));
            }
            Event::BlockRqComplete { request } => {
                let place = open.iter().position(|(id, _)| *id == request.0).unwrap();
                let (_, served) = open.swap_remove(place);
                all.push(Served { completed: time, ..served });
            }
            Event::MemcgReclaimBegin { .. } => reclaim = time,
            _ => {}
        }
    }
    all
}

#[test]
fn every_kind_of_device_begins_when_the_copy_is_over() {
    for copy in [SimDuration::ZERO, us(3), us(100)] {
        for (kind, device) in devices(64) {
            for policy in ["sync", "apf-v2.6.39", "apf-v7-2010"] {
                let all = served(&machine(device.clone(), copy, 1), policy);
                for op in [IoKind::Read, IoKind::Write] {
                    let own: Vec<_> = all.iter().filter(|served| served.op == op).collect();
                    assert!(own.len() > 3, "{kind}, {policy}: {} of {op:?}", own.len());
                    let mut at_once = 0;
                    for served in own {
                        let (least, copied) = (served.service(kind), served.copied(copy));
                        if op == IoKind::Write && policy == "sync" {
                            let before = served.issued.saturating_since(served.reclaim);
                            assert!(before >= copy.times(served.pages), "{kind}: {served:?}");
                        }
                        // One that had to wait for the arm was copied meanwhile.
                        let exact = served.span() == least + copied;
                        at_once += u32::from(exact);
                        let waited = kind == "hdd" && served.span() == least;
                        assert!(exact || waited, "{kind}, {policy}, copy {copy}: {served:?}");
                    }
                    assert!(at_once > 0, "{kind}, {policy}: no {op:?} had the device at once");
                }
            }
        }
    }
}

/// A fault waits for the copy of its page under every device.
#[test]
fn a_copy_adds_itself_to_the_latency_of_a_read() {
    for (kind, device) in devices(64) {
        let latency = |copy| {
            let config = machine(device.clone(), copy, 1);
            let settings = RunSettings { keep_records: true, ..for_time(ms(400)) };
            let output = simulate(&config, "sync", &settings);
            output.metrics.get("fault_latency_p50").unwrap()
        };
        let added = latency(us(100)) - latency(SimDuration::ZERO);
        assert!((added - 100e-6).abs() < 2e-6, "{kind}: {added}");
    }
}

/// More submitters than places: those that wait are begun in the order in which their pages were
/// copied, never before, and no place is given twice.
#[test]
fn a_crowded_device_serves_what_is_copied() {
    for copy in [SimDuration::ZERO, us(30), us(700)] {
        for (kind, device) in devices(2) {
            let places = match kind {
                "constant" => usize::MAX,
                "channels" => 2,
                _ => 1,
            };
            let all = served(&machine(device, copy, 4), "sync");
            assert!(all.len() > 50, "{kind}: {}", all.len());
            for served in &all {
                let (least, copied) = (served.service(kind), served.copied(copy));
                let fits = served.span() >= least && served.span() <= least + copied;
                assert!(fits, "{kind}, copy {copy}: {served:?}");
                let at = served.issued;
                let busy = all.iter().filter(|other| other.issued <= at && at < other.completed);
                assert!(busy.count() <= places, "{kind}, copy {copy}: {served:?}");
            }
        }
    }
}
