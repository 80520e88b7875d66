//! Several virtual machines.

use models::base::ids::{RegionId, StoreId, VcpuId, VmId};
use models::config::{Container, Op, Region};

use super::*;

/// The valid file with these virtual machines, and more fields behind.
fn with(vms: &str, more: &str) -> Result<Scenario, String> {
    let text =
        SMALL.replace("\"policies\": [", &format!("\"vms\": {vms},\n  {more}\"policies\": ["));
    Scenario::from_str("f", &text).map_err(|error| error.to_string())
}

fn fails(vms: &str, more: &str, expect: &str) {
    let told = with(vms, more).expect_err("it is wrong");
    assert!(told.contains(expect), "for {vms}: {told}");
}

#[test]
fn what_a_virtual_machine_does_not_say_is_as_the_scenario_says() {
    let vms = r#"[
        { "name": "web", "memory_limit": "20MiB", "other_resident": "1MiB", "policy": "sync" },
        { "name": "batch", "count": 2, "start": "5ms",
          "guest": { "kernel": "linux-6.12", "vcpus": 3, "memory": "64MiB" } }
    ]"#;
    let more = r#""disturbances": [{ "at": "1ms", "kind": "kick", "vm": "batch-2", "vcpu": 1 }], "#;
    let scenario = Scenario::from_str(
        "f",
        &SMALL
            .replace("\"size\": \"64MiB\",", "")
            .replace("\"policies\": [", &format!("\"vms\": {vms},\n  {more}\"policies\": [")),
    )
    .unwrap_or_else(|error| panic!("{}", error.render()));
    let machine = &scenario.machine;
    assert_eq!((machine.vm_count(), machine.vcpus()), (3, 8));
    let names: Vec<_> = machine.vms.iter().map(|vm| vm.name.as_str()).collect();
    assert_eq!(names, ["web", "batch-1", "batch-2"]);
    let own = Container { limit_pages: 20 * 256, other_resident_pages: 256 };
    assert_eq!(machine.vms[0].container, Some(own));
    assert_eq!(machine.vms[0].policy.as_ref().map(|policy| policy.name.as_str()), Some("sync"));
    assert!(machine.vms[1..].iter().all(|vm| vm.container.is_none() && vm.policy.is_none()));
    let groups: Vec<_> = machine.workload.tasks.iter().map(|group| group.name.as_str()).collect();
    assert_eq!(groups[..3], ["web:faulter", "web:worker", "batch-1:faulter"]);
    assert_eq!(machine.groups_of(VmId(2)), 4..6);
    let last = &machine.workload.tasks[4];
    let regions = last.program.iter().filter_map(|op| match op {
        Op::Access { region, .. } => Some(*region),
        _ => None,
    });
    assert_eq!(regions.collect::<Vec<_>>(), [RegionId(2)]);
    // It begins later than its group says.
    assert!(last.program.iter().any(|op| matches!(op, Op::Sleep { .. })));
    assert_eq!(machine.disturbances[0].vcpu, VcpuId(6));
    // All memory of all guests.
    assert_eq!(u64::from(machine.host.swap_pages), 3 * 64 * 256);
}

#[test]
fn a_name_alone_changes_what_is_simulated() {
    let named = with(r#"[{ "name": "web" }]"#, "").unwrap();
    assert_ne!(named.hash(), small().hash());
    assert_eq!(named.machine.vm_count(), 1);
    let other = with(r#"[{ "name": "web", "policy": "sync" }]"#, "").unwrap();
    assert_ne!(named.hash(), other.hash());
}

#[test]
fn wrong_virtual_machines_are_named_with_their_place() {
    fails(
        r#"[{ "name": "a" }, { "name": "a" }]"#,
        "",
        "in `vms[1].name`: the name `a` is given twice",
    );
    fails(
        r#"[{ "name": "a-1" }, { "name": "a", "count": 2 }]"#,
        "",
        "the name `a-1` is given twice",
    );
    fails(r#"[{ "name": "a", "count": 65 }]"#, "", "in `vms[0].count`: 65 is out of range");
    fails(
        r#"[{ "name": "a", "other_resident": "1MiB" }]"#,
        "",
        "in `vms[0].other_resident`: this virtual machine has no container of its own",
    );
    fails(
        r#"[{ "name": "a", "memory_limit": "1MiB" }]"#,
        "",
        "in `vms[0].memory_limit`: the limit (1MiB) leaves the guest no memory to run",
    );
    fails(
        r#"[{ "name": "a", "memory_limit": "65MiB" }]"#,
        "",
        "in `vms[0].memory_limit`: the limit",
    );
    fails(r#"[{ "name": "a", "policy": "synk" }]"#, "", "in `vms[0].policy`: there is no policy");
    fails(
        r#"[{ "name": "a", "policy": "apf-v6.12" }]"#,
        "",
        "in `vms[0].policy`: `apf-v6.12` and `halt` are of different kernels, and the host has one",
    );
    fails(
        r#"[{ "name": "a" }, { "name": "b" }]"#,
        r#""disturbances": [{ "at": "1ms", "kind": "kick", "vcpu": 0 }], "#,
        "in `disturbances[0]`: no virtual machine is named",
    );
    fails(
        r#"[{ "name": "a" }]"#,
        r#""disturbances": [{ "at": "1ms", "kind": "kick", "vcpu": 0, "vm": "b" }], "#,
        "in `disturbances[0].vm`: there is no virtual machine `b`",
    );
}

#[test]
fn what_is_for_one_alone_is_refused_beside_others() {
    let host = |field: &str| SMALL.replace("\"host\": {", &format!("\"host\": {{ {field},"));
    let guest = |field: &str| SMALL.replace("\"guest\": {", &format!("\"guest\": {{ {field},"));
    for (text, place) in [
        (host(r#""paging": "shadow""#), "in `host.paging`"),
        (host(r#""thp": true"#), "in `host.thp`"),
        (guest(r#""paging": "off""#), "in `guest.paging`"),
        (guest(r#""processes": "tasks""#), "in `guest.processes`"),
    ] {
        let alone = Scenario::from_str("f", &text);
        assert!(alone.is_ok(), "{place}: {}", alone.unwrap_err());
        let text =
            text.replace("\"policies\": [", "\"vms\": [{ \"name\": \"a\" }], \"policies\": [");
        let told = Scenario::from_str("f", &text).expect_err("it is refused").to_string();
        assert!(told.contains(place), "for {place}: {told}");
        assert!(told.contains("not with several virtual machines"), "{told}");
    }
}

#[test]
fn each_has_an_image_of_its_own_of_a_store() {
    let store = r#""stores": [{ "name": "image", "device": "nvme-tlc-gen3",
        "handler": { "prefetch": { "regions": ["array"] } } }]"#;
    let region = SMALL.replace("\"prefill\": true", r#""content": "stored", "store": "image""#);
    let region = region.replace("\"size\": \"64MiB\",", "");
    let text = region.replace("\"host\": {", &format!("\"host\": {{ {store},"));
    let several = |vms: &str| {
        let text = text.replace("\"policies\": [", &format!("\"vms\": {vms}, \"policies\": ["));
        Scenario::from_str("f", &text)
    };
    let machine = several(r#"[{ "name": "a", "count": 3 }]"#).expect("it is right").machine;
    let of = |region: &Region| region.store.map(|store| store.0);
    let stores: Vec<_> = machine.workload.regions.iter().map(of).collect();
    assert_eq!(stores, [Some(0), Some(1), Some(2)]);
    let names: Vec<_> = machine.host.stores.iter().map(|store| store.name.as_str()).collect();
    assert_eq!(names, ["a-1:image", "a-2:image", "a-3:image"]);
    let shares: Vec<_> = machine.host.stores.iter().map(|store| store.shares).collect();
    assert_eq!(shares, [None, Some(StoreId(0)), Some(StoreId(0))]);
    let told = several(r#"[{ "name": "a", "count": 64 }, { "name": "b" }]"#).unwrap_err();
    assert!(told.to_string().contains("too many virtual machines"), "{told}");
    let two = text
        .replace("\"stores\": [", r#""stores": [{ "name": "idle", "device": "nvme-tlc-gen3" }, "#);
    let two =
        two.replace("\"policies\": [", r#""vms": [{ "name": "a", "count": 64 }], "policies": ["#);
    let told = Scenario::from_str("f", &two).unwrap_err().to_string();
    assert!(told.contains("65 images of 2 stores") && told.contains("at most 64"), "{told}");
}

#[test]
fn the_measure_can_be_that_of_one() {
    let measure = |name: &str| {
        let more = format!("\"measure\": \"{name}\", ");
        with(r#"[{ "name": "a" }]"#, &more).map(|scenario| scenario.measure)
    };
    for name in ["work_total[a]", "request_rate[a]", "request_rate[a:worker]", "steal_seen[a]"] {
        assert_eq!(measure(name).as_deref(), Ok(name));
    }
    let told = measure("work_total[b]").unwrap_err();
    assert!(told.contains("there is no virtual machine `b`"), "{told}");
    let told = measure("swap_reads_pages[a]").unwrap_err();
    assert!(told.contains("in `measure`: there is no metric"), "{told}");
}

#[test]
fn a_host_has_frames_and_slots_for_what_its_guests_may_need() {
    let vms = |count: u32, limit: &str| {
        format!(
            r#"[{{ "name": "big", "count": {count}, "memory_limit": "{limit}",
                 "guest": {{ "kernel": "linux-6.12", "vcpus": 1, "memory": "1TiB" }} }}]"#
        )
    };
    let machine = with(&vms(15, "1TiB"), "").expect("15 TiB").machine;
    assert_eq!(machine.vms.len(), 15);
    fails(&vms(17, "1TiB"), "", "limits of all containers up to here are 16TiB together");
    fails(&vms(64, "512GiB"), "", "limits of all containers up to here are 16TiB together");
    // What is said later counts too.
    let later = r#""memory_limits": [{ "vm": "big-1", "at": "1ms", "limit": "1TiB" },
                                     { "vm": "big-2", "at": "1ms", "limit": "1TiB" }], "cpus": 6"#;
    let text = SMALL
        .replace("\"policies\": [", &format!("\"vms\": {}, \"policies\": [", vms(31, "512GiB")))
        .replace("\"cpus\": 6", later);
    let told = Scenario::from_str("f", &text).expect_err("16.5 TiB").to_string();
    assert!(told.contains("limits of all containers up to here are 16TiB together"), "{told}");
    // As much swap as the guests have memory.
    let text = SMALL
        .replace("\"size\": \"64MiB\",", "")
        .replace("\"policies\": [", &format!("\"vms\": {}, \"policies\": [", vms(20, "1GiB")));
    let told = Scenario::from_str("f", &text).expect_err("20 TiB").to_string();
    assert!(told.contains("as much swap as the guests have memory (20TiB)"), "{told}");
}

/// The host's container may be larger than the virtual machines in it, of which a sweep may have more.
#[test]
fn a_shared_limit_need_not_be_filled() {
    let several = |limit: &str, count: u32| {
        let vms = format!(r#""vms": [{{ "name": "a", "count": {count} }}], "policies""#);
        let text = SMALL.replacen("\"policies\"", &vms, 1);
        let text = text.replacen(r#""memory_limit": "24MiB","#, limit, 1);
        Scenario::from_str("f", &text).expect("valid").machine.host.memory_limit_pages
    };
    for count in [1, 2] {
        assert_eq!(several(r#""memory_limit": "96MiB","#, count), 96 << 8);
        // All of them, without one.
        assert_eq!(several("", count), u64::from(count) * (64 << 8));
    }
}
