//! Filling memory before the start barrier: first touches in one go leave what one stage after the other
//! does, to the byte.

use super::kit::{MIB, constant, crowded, for_time, named, us};
use models::base::ids::VcpuId;
use models::base::named::Named;
use models::config::{
    Disturbance, DisturbanceKind, GuestPaging, MachineConfig, RegionBacking, SecondStageLock,
    TablePages,
};
use models::machine::{RunOutput, RunSettings, prefill, run};
use sim_core::SimDuration;

/// The prefill, and next to nothing after it.
fn filled(config: &MachineConfig, skip: bool) -> RunOutput {
    let settings = RunSettings { skip, keep_records: true, ..for_time(us(1)) };
    let prefix = prefill(config, 7, &settings).expect("it fits");
    run(&prefix, &named("sync"), &settings).expect("it fits")
}

fn assert_same(name: &str, config: &MachineConfig) {
    let (stepped, ahead) = (filled(config, false), filled(config, true));
    assert_eq!(stepped.records, ahead.records, "{name}");
    assert_eq!(stepped.digest, ahead.digest, "{name}");
}

/// A machine in which eight of 32 MiB have no room, and one in which all have.
fn machines() -> Vec<(&'static str, MachineConfig)> {
    let tight = crowded("westmere-2010", constant(us(300)));
    let mut wide = tight.clone();
    wide.host.memory_limit_pages = 64 * MIB;
    vec![("tight", tight), ("wide", wide)]
}

#[test]
fn every_kind_of_lock() {
    for (name, mut config) in machines() {
        for &lock in SecondStageLock::ALL {
            config.host.kernel.second_stage_lock = lock;
            assert_same(&format!("{name}, {lock:?}"), &config);
        }
    }
}

#[test]
fn every_kind_of_table_and_page() {
    for (name, config) in machines() {
        let changed = |what: &str, change: &dyn Fn(&mut MachineConfig)| {
            let mut config = config.clone();
            change(&mut config);
            assert_same(&format!("{name}, {what}"), &config);
        };
        changed("five levels", &|config| config.guest.table_levels = 5);
        changed("tables that stay", &|config| config.guest.table_pages = TablePages::Resident);
        changed("tables that go", &|config| config.guest.table_pages = TablePages::Reclaimable);
        changed("huge pages of the guest", &|config| config.guest.thp = true);
        changed("huge pages of the host", &|config| config.host.thp = true);
        changed("no paging", &|config| config.guest.paging = GuestPaging::Off);
        changed("guest_memfd", &|config| {
            config.workload.regions[0].backing = RegionBacking::GuestMemfd;
            config.host.memory_limit_pages = 64 * MIB;
        });
        changed("no tags by vCPU", &|config| config.cpu.translation.vpid = false);
        changed("accessed bits", &|config| config.cpu.ept_accessed_dirty = true);
    }
}

/// Where stages take no time there are no events between them.
#[test]
fn stages_that_take_no_time() {
    for free in ["zero_page", "kvm_fault", "exit_hw", "guest_exception", "guest_minor_fault"] {
        let (name, mut config) = machines().remove(0);
        config.cpu.costs.set(free, "0ns").expect("a cost");
        assert_same(&format!("{name}, {free}"), &config);
    }
}

/// Whoever changes the VMM's memory map is in the way, and so are ticks that come often.
#[test]
fn somebody_in_the_way() {
    for (name, mut config) in machines() {
        config.host.tick = us(4);
        config.guest.tick = us(7);
        assert_same(&format!("{name}, ticks"), &config);
        let span = SimDuration::from_us(30);
        let kind = DisturbanceKind::MapWrite { span };
        let vcpu = VcpuId(0);
        config.disturbances.push(Disturbance { kind, vcpu, at: us(50), every: Some(us(90)) });
        assert_same(&format!("{name}, map"), &config);
    }
}
