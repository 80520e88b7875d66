//! Values that are out of range, and fields that do not go together.

use models::config::RegionBacking;

use super::*;

#[test]
fn ticks_fit_into_their_periods() {
    let costs = r#""costs": {},"#;
    let tick = r#""tick": "20us", "costs": { "host_tick": "18us", "exit_interrupt": "2us" },"#;
    check(
        costs,
        tick,
        "f:14:13: in `host.tick`: the host's tick takes 20us, and comes every 20us: nothing else would get any time
  help: change `host.tick`, or the costs in it (`host.costs`): host_tick 18us, exit_interrupt 2us",
    );
    check(
        costs,
        r#""costs": { "guest_tick": "1ms" },"#,
        "f:17:77: in `guest.hz`: the guest's tick takes ...",
    );
    check(
        costs,
        r#""costs": { "guest_missed_tick": "1ms" },"#,
        "f:17:77: in `guest.hz`: a missed tick of the guest takes 1ms, and comes every 1ms: nothing else would get any time
  help: change `guest.hz`, or the costs in it (`host.costs`): guest_missed_tick 1ms",
    );
    check(
        costs,
        r#""costs": { "guest_tick": "600us", "host_tick": "500us" },"#,
        "f:5:11: in `host.tick`: the ticks leave the guest no time: the host's takes ...",
    );
    check(costs, r#""costs": { "guest_tick": "400us", "host_tick": "400us" },"#, "fine");
}

#[test]
fn a_guest_without_paging_has_nothing_that_needs_tables() {
    let guest = |fields: &str, expected: &str| {
        check(r#""guest": {"#, &format!(r#""guest": {{ {fields},"#), expected);
    };
    guest(r#""paging": "off""#, "fine");
    guest(
        r#""paging": "off", "thp": true"#,
        "f:17:38: in `guest.thp`: `thp` needs page tables, and the guest has paging off
  help: leave it out, or `\"paging\": \"on\"`",
    );
    guest(
        r#""paging": "off", "processes": "tasks""#,
        "f:17:44: in `guest.processes`: `processes` needs page tables, ...",
    );
    guest(
        r#""paging": "off", "pcid": true"#,
        "f:17:39: in `guest.pcid`: `pcid` needs page tables, ...",
    );
    let memory = |size: &str, expected: &str| {
        let to = format!(r#""paging": "off", "memory": "{size}""#);
        check(r#""memory": "64MiB""#, &to, expected);
    };
    memory("4GiB", "fine");
    memory(
        "5GiB",
        "f:17:79: in `guest.memory`: a guest without paging has addresses of 32 bits
  help: at most \"4GiB\"",
    );
}

#[test]
fn huge_pages_of_the_host_may_be_reclaimed() {
    check(r#""host": {"#, r#""host": { "thp": true,"#, "fine");
    let text = SMALL.replacen(r#""host": {"#, r#""host": { "thp": true,"#, 1).replacen(
        r#""guest": {"#,
        r#""guest": { "table_pages": "resident","#,
        1,
    );
    let refused = Scenario::from_str("f", &text).unwrap_err().render();
    assert!(refused.contains("in `host.thp`: `guest.table_pages` is `resident`"), "{refused}");
}

#[test]
fn units_are_checked() {
    check(
        r#""memory_limit": "24MiB""#,
        r#""memory_limit": "24MB""#,
        r#"f:8:21: in `host.memory_limit`: unknown unit `MB` of a size
  help: did you mean "24MiB"? units: B, KiB, MiB, GiB, TiB"#,
    );
    check(
        r#""memory_limit": "24MiB""#,
        r#""memory_limit": "24""#,
        r#"f:8:21: in `host.memory_limit`: a size needs a unit: "24"
  help: units: B, KiB, MiB, GiB, TiB"#,
    );
    check(
        r#""duration": "1s""#,
        r#""duration": "1 sec""#,
        r#"f:36:15: in `duration`: unknown unit `sec` of a time
  help: did you mean "1s"? units: ps, ns, us, ms, s, min"#,
    );
    check(
        r#""duration": "1s""#,
        r#""duration": "-1s""#,
        r#"f:36:15: in `duration`: a time must not be negative: "-1s"
  help: write for example "60s""#,
    );
    check(
        r#""costs": {}"#,
        r#""costs": { "exit_light": "fast" }"#,
        r#"f:14:30: in `host.costs.exit_light`: `fast` is not a cost
  help: cycles such as "2200 cycles", or a time such as "4.5us""#,
    );
    check(
        r#""costs": {}"#,
        r#""costs": { "exit_light": "2s" }"#,
        r#"f:14:30: in `host.costs.exit_light`: `2s` is more than a second, which is no cost of a single step
  help: cycles such as "2200 cycles", or a time such as "4.5us""#,
    );
}

#[test]
fn absurd_values_are_refused() {
    check(
        r#""format": 1"#,
        r#""format": 2"#,
        "f:2:13: in `format`: format 2 is not supported
  help: this version of apfsim reads format 1",
    );
    check(
        r#""name": "small""#,
        r#""name": "../small""#,
        "f:3:11: in `name`: `../small` is not a name
  help: letters, digits, `-`, `_` and `.`, at most 64, not beginning with `.`",
    );
    check(
        r#""name": "small""#,
        r#""name": """#,
        "f:3:11: in `name`: `` is not a name
  help: letters, digits, `-`, `_` and `.`, at most 64, not beginning with `.`",
    );
    check(
        r#""title": "A small scenario""#,
        r#""title": " ""#,
        "f:4:12: in `title`: this is not a title
  help: one line of at most 200 characters",
    );
    check(
        r#""vcpus": 2"#,
        r#""vcpus": 0"#,
        "f:17:49: in `guest.vcpus`: 0 is out of range
  help: from 1 to 4096",
    );
    check(
        r#""vcpus": 2"#,
        r#""vcpus": 4097"#,
        "f:17:49: in `guest.vcpus`: 4097 is out of range
  help: from 1 to 4096",
    );
    check(
        r#""cpus": 6"#,
        r#""cpus": 0"#,
        "f:7:13: in `host.cpus`: 0 is out of range
  help: from 1 to 4096",
    );
    check(
        r#""hz": 1000"#,
        r#""hz": 0"#,
        "f:17:77: in `guest.hz`: 0 is out of range
  help: from 1 to 10000",
    );
    check(
        r#""hz": 1000"#,
        r#""hz": 10001"#,
        "f:17:77: in `guest.hz`: 10001 is out of range
  help: from 1 to 10000",
    );
    check(
        r#""memory": "64MiB""#,
        r#""memory": "2TiB""#,
        "f:17:62: in `guest.memory`: 2TiB is more than is supported
  help: at most 1TiB",
    );
    check(
        r#""memory": "64MiB""#,
        r#""memory": "100000B""#,
        "f:17:62: in `guest.memory`: 100000B is not a whole number of pages
  help: a multiple of 4KiB",
    );
    check(
        r#""memory": "64MiB""#,
        r#""memory": "0B""#,
        r#"f:17:62: in `guest.memory`: the guest has no memory
  help: a size such as "2GiB""#,
    );
    check(
        r#""duration": "1s""#,
        r#""duration": "0s""#,
        "f:36:15: in `duration`: 0s is out of range
  help: from 1ps to 86400s",
    );
    check(
        r#""duration": "1s""#,
        r#""duration": "1441min""#,
        "f:36:15: in `duration`: 86460s is out of range
  help: from 1ps to 86400s",
    );
    check(
        r#""replications": 2"#,
        r#""replications": 0"#,
        "f:38:19: in `replications`: 0 is out of range
  help: from 1 to 10000",
    );
    check(
        r#""replications": 2"#,
        r#""replications": 10001"#,
        "f:38:19: in `replications`: 10001 is out of range
  help: from 1 to 10000",
    );
    check(
        r#""replications": 2"#,
        r#""replications": 4294967296"#,
        "f:38:19: in `replications`: expected a whole number up to 4294967295, found the number 4294967296",
    );
    check(
        r#""replications": 2"#,
        r#""warmup": "2000min""#,
        "f:38:13: in `warmup`: 120000s is out of range
  help: from 0s to 86400s",
    );
    check(
        r#""count": 3"#,
        r#""count": 0"#,
        "f:24:18: in `workload.tasks[0].count`: 0 is out of range
  help: from 1 to 4096",
    );
    check(
        r#""per_second": 1000000000"#,
        r#""per_second": 0"#,
        "f:30:52: in `workload.tasks[1].program[0].per_second`: 0 is out of range
  help: from 1 to 1000000000000",
    );
    check(
        r#""read_ahead": 8"#,
        r#""read_ahead": 7"#,
        "f:12:21: in `host.swap.read_ahead`: 7 is not a power of two
  help: 1, 2, 4, 8, ... 256",
    );
    check(
        r#""read_latency": "500us""#,
        r#""read_latency": "0s""#,
        "f:10:55: in `host.swap.device.read_latency`: 0s is out of range
  help: from 1ps to 100s",
    );
    check(
        r#""read_latency": "500us""#,
        r#""read_latency": "101s""#,
        "f:10:55: in `host.swap.device.read_latency`: 101s is out of range
  help: from 1ps to 100s",
    );
    check(
        r#""sched": {}"#,
        r#""sched": { "latency": "1ms" }"#,
        "f:15:27: in `host.sched.latency`: the latency (1ms) is shorter than the shortest slice (2.25ms)
  help: at least `min_granularity`",
    );
    check(
        r#""sched": {}"#,
        r#""sched": { "min_granularity": "0s" }"#,
        r#"f:15:35: in `host.sched.min_granularity`: a slice of 0ps is too short
  help: at least 1us, such as "0.75ms""#,
    );
    check(
        r#""sched": {}"#,
        r#""sched": { "kernel": "linux-6.12", "latency": "6ms" }"#,
        "f:15:51: in `host.sched.latency`: the scheduler of linux-6.12 is EEVDF and has no `latency`
  help: one of `base_slice`, `run_to_parity`, `place_lag`, `delay_dequeue`, `preempt_short`, `wakeup_preemption`",
    );
    check(
        r#""sched": {}"#,
        r#""sched": { "base_slice": "3ms" }"#,
        "f:15:30: in `host.sched.base_slice`: the scheduler of linux-2.6.36 is CFS and has no `base_slice`
  help: one of `latency`, `min_granularity`, `wakeup_granularity`, `sleeper_credit`, `wakeup_preemption`",
    );
    check(
        r#""sched": {}"#,
        r#""sched": { "kernel": "linux-6.12", "base_slice": "0s" }"#,
        r#"f:15:54: in `host.sched.base_slice`: a slice of 0ps is too short
  help: at least 1us, such as "0.75ms""#,
    );
    check(
        r#""cpu": "westmere-2010""#,
        r#""cpu": { "preset": "free", "stlb": { "entries": 12, "ways": 5 } }"#,
        "f:6:65: in `host.cpu.stlb.ways`: 12 entries do not divide into sets of 5
  help: a divisor of `entries`",
    );
    check(
        r#""cpu": "westmere-2010""#,
        r#""cpu": { "preset": "free", "stlb": { "entries": 12, "ways": 4 } }"#,
        "f:6:40: in `host.cpu.stlb`: 12 entries of 4 ways make 3 sets
  help: the number of sets must be a power of two",
    );
    check(
        r#""cpu": "westmere-2010""#,
        r#""cpu": { "preset": "free", "stlb": { "entries": 0, "ways": 4 } }"#,
        "f:6:53: in `host.cpu.stlb.entries`: 0 is out of range
  help: from 1 to 65536",
    );
    check(
        r#""cpu": "westmere-2010""#,
        r#""cpu": { "preset": "free", "frequency": "1THz" }"#,
        r#"f:6:45: in `host.cpu.frequency`: unknown unit `THz` of a clock rate
  help: did you mean "1GHz"? units: Hz, kHz, MHz, GHz"#,
    );
    check(
        r#""cpu": "westmere-2010""#,
        r#""cpu": { "preset": "free", "frequency": "1kHz" }"#,
        "f:6:45: in `host.cpu.frequency`: 1kHz is out of range
  help: from 1MHz to 100GHz",
    );
}

#[test]
fn what_does_not_go_together_is_refused() {
    check(
        r#""memory_limit": "24MiB""#,
        r#""memory_limit": "65MiB""#,
        "f:8:21: in `host.memory_limit`: the limit (65MiB) is larger than the guest's memory (64MiB)
  help: at most `guest.memory`",
    );
    check(
        r#""memory_limit": "24MiB""#,
        r#""memory_limit": "256KiB""#,
        "f:8:21: in `host.memory_limit`: the limit (256KiB) leaves the guest no memory to run
  help: at least 1536KiB: `other_resident`, 1MiB, and twice a read-ahead window for each task and a reclaim batch",
    );
    check(
        r#""memory_limit": "24MiB""#,
        r#""memory_limit": "24MiB", "other_resident": "24MiB""#,
        "f:8:21: in `host.memory_limit`: the limit (24MiB) leaves the guest no memory to run
  help: at least 26112KiB: `other_resident`, 1MiB, and twice a read-ahead window for each task and a reclaim batch",
    );
    check(
        r#""size": "64MiB""#,
        r#""size": "4MiB""#,
        "f:11:15: in `host.swap.size`: the swap (4MiB) cannot hold what does not fit in memory (8268KiB)
  help: at least 8524KiB, with a read-ahead window for each task and a reclaim batch; leave `size` out for as much swap as the guest has memory",
    );
    check(
        r#""size": "32MiB""#,
        r#""size": "65MiB""#,
        "f:19:44: in `workload.regions[0].size`: the regions up to here (65MiB) exceed the guest's memory
  help: `guest.memory` is 64MiB, of which the guest's kernel keeps 1184KiB",
    );
    check(
        r#""size": "32MiB""#,
        r#""size": "64MiB""#,
        "f:19:44: in `workload.regions[0].size`: the regions up to here (64MiB) exceed the guest's memory
  help: `guest.memory` is 64MiB, of which the guest's kernel keeps 1180KiB",
    );
    check(
        r#""size": "32MiB""#,
        r#""size": "0B""#,
        r#"f:19:44: in `workload.regions[0].size`: the region has no pages
  help: at least one page, "4KiB""#,
    );
    check(
        r#"{ "name": "array""#,
        r#"{ "name": "array", "size": "4KiB" }, { "name": "array""#,
        "f:19:64: in `workload.regions[1].name`: the name `array` is given twice
  help: `workload.regions[0]` has that name already",
    );
    check(
        r#""name": "worker""#,
        r#""name": "faulter""#,
        "f:28:17: in `workload.tasks[1].name`: the name `faulter` is given twice
  help: `workload.tasks[0]` has that name already",
    );
    check(
        r#""policies": ["sync", "halt"]"#,
        r#""policies": []"#,
        "f:34:15: in `policies`: there is no policy to run
  help: name at least one of ...",
    );
    check(
        r#""policies": ["sync", "halt"]"#,
        r#""policies": ["sync", "sync"]"#,
        "f:34:24: in `policies[1]`: the name `sync` is given twice
  help: `policies[0]` has that name already",
    );
    check(
        r#""baseline": "sync""#,
        r#""baseline": "apf-v7-2010""#,
        "f:35:15: in `baseline`: the baseline `apf-v7-2010` is not among the policies
  help: valid: `sync`, `halt`",
    );
    check(
        r#"[{ "op": "count", "per_second": 1000000000 }]"#,
        "[]",
        r#"f:30:20: in `workload.tasks[1].program`: the program is empty
  help: give at least one operation, such as { "op": "count", ... }"#,
    );
    check(
        r#"[{ "op": "count", "per_second": 1000000000 }]"#,
        r#"[{ "op": "count", "per_second": 1 }, { "op": "sleep", "span": "1s" }]"#,
        "f:30:57: in `workload.tasks[1].program[1]`: this operation is never reached: `count` before it has no end
  help: put `count` last",
    );
    check(
        r#""cost": "20ns""#,
        r#""cost": "0s""#,
        "f:25:20: in `workload.tasks[0].program`: one iteration of the program takes no time
  help: give an access a cost, or add `compute` or `sleep`",
    );
    check(
        r#"{ "kind": "constant", "read_latency": "500us", "write_latency": "500us" }"#,
        r#"{ "preset": "nvme-tlc-gen3", "rotation": "8ms" }"#,
        "f:10:58: in `host.swap.device.rotation`: `nvme-tlc-gen3` is a device of kind channels; `rotation` belongs to kind hdd
  help: fields of kind channels: channels, read, write, per_page, read_at_depth, write_at_depth",
    );
    check(
        r#"{ "kind": "constant", "read_latency": "500us", "write_latency": "500us" }"#,
        r#"{ "kind": "channels", "channels": 4, "read": { "kind": "uniform", "low": "2us", "high": "1us" }, "write": "10us" }"#,
        "f:10:62: in `host.swap.device.read`: uniform: low (2us) exceeds high (1us)
  help: see `docs/scenario-format.md` for the laws and their parameters",
    );
    check(
        r#"{ "kind": "constant", "read_latency": "500us", "write_latency": "500us" }"#,
        r#"{ "kind": "channels", "channels": 4, "read": { "kind": "mixture", "parts": [{ "weight": 1, "law": { "kind": "empirical", "points": [] } }] }, "write": "10us" }"#,
        "f:10:115: in `host.swap.device.read.parts[0].law`: empirical: points must begin at 0 ppm and end at 1000000 ppm
  help: see `docs/scenario-format.md` for the laws and their parameters",
    );
    check(
        r#""published": []"#,
        r#""published": [{ "policy": "pv", "metric": "work_total", "mean": 1, "source": "letter" }]"#,
        "f:37:29: in `published[0].policy`: there is no policy `pv`
  help: valid: ...",
    );
    check(
        r#""published": []"#,
        r#""published": [{ "policy": "halt", "metric": "work_total", "mean": 1, "stderr": -1, "source": "letter" }]"#,
        "f:37:82: in `published[0].stderr`: a standard error is not negative
  help: 0 or more",
    );
}

#[test]
fn writes_have_a_largest_size() {
    let with = |size: &str| {
        let text = SMALL.replace(r#""swap": {"#, &format!(r#""swap": {{ "max_write": "{size}","#));
        Scenario::from_str("f", &text)
    };
    let limited = with("124KiB").unwrap();
    assert_eq!(limited.machine.host.write_pages, 31);
    // `max_sectors_kb` of a kernel of 2.6.36.
    assert_eq!(small().machine.host.write_pages, 128);
    assert_ne!(limited.hash(), small().hash());
    for wrong in ["0B", "2GiB", "1KiB"] {
        let error = with(wrong).unwrap_err().to_string();
        assert!(error.contains("in `host.swap.max_write`"), "{error}");
    }
}

#[test]
fn disturbances_are_checked() {
    let with = |disturbances: &str| {
        let text = format!(r#""replications": 2, "disturbances": [{disturbances}]"#);
        SMALL.replace(r#""replications": 2"#, &text)
    };
    let told = |disturbances: &str| match Scenario::from_str("f", &with(disturbances)) {
        Ok(_) => "fine".to_owned(),
        Err(error) => error.to_string(),
    };
    let fine = r#"{ "at": "0s", "kind": "smi", "vcpu": 1, "span": "50us", "every": "1ms" }"#;
    let scenario = Scenario::from_str("f", &with(fine)).unwrap();
    assert_eq!(scenario.machine.disturbances.len(), 1);
    assert_ne!(scenario.hash(), small().hash());
    let writes = r#"{ "at": "1ms", "kind": "map_write", "span": "10us" }"#;
    let longer = Scenario::from_str("f", &with(&writes.replace("10us", "20us"))).unwrap();
    assert_ne!(Scenario::from_str("f", &with(writes)).unwrap().hash(), longer.hash());
    for (disturbances, expect) in [
        (
            r#"{ "at": "1s", "kind": "kick", "vcpu": 0 }"#,
            "f:38:47: in `disturbances[0].at`: the run is over after 1s
  help: a time before `warmup` and `duration` are over",
        ),
        (
            r#"{ "at": "1ms", "kind": "kick", "vcpu": 2 }"#,
            "f:38:78: in `disturbances[0].vcpu`: there is no vCPU 2
  help: they are numbered 0 to 1",
        ),
        (
            r#"{ "at": "1ms", "kind": "smi", "vcpu": 0 }"#,
            "f:38:39: in `disturbances[0]`: the SMI has no length
  help: add `\"span\": ...`, the time that the handler takes",
        ),
        (
            r#"{ "at": "1ms", "kind": "kick", "vcpu": 0, "span": "1us" }"#,
            "f:38:89: in `disturbances[0].span`: this disturbance takes no time of its own
  help: remove it; only `smi` and `map_write` have a length",
        ),
        (
            r#"{ "at": "1ms", "kind": "map_write" }"#,
            "f:38:39: in `disturbances[0]`: the change of the memory map has no length
  help: add `\"span\": ...`, the time that the lock is held",
        ),
        (
            r#"{ "at": "1ms", "kind": "map_write", "vcpu": 0, "span": "1us" }"#,
            "f:38:83: in `disturbances[0].vcpu`: a change of the memory map happens to no vCPU
  help: remove it",
        ),
        (
            r#"{ "at": "1ms", "kind": "kick" }"#,
            "f:38:39: in `disturbances[0]`: no vCPU is named
  help: add `\"vcpu\": ...`",
        ),
        (
            r#"{ "at": "1ms", "kind": "kick", "vcpu": 0, "every": "1ns" }"#,
            "f:38:90: in `disturbances[0].every`: 1ns is out of range
  help: from 1us to 100s",
        ),
        (
            r#"{ "at": "1ms", "kind": "smi", "vcpu": 0, "span": "2ms", "every": "2ms" }"#,
            "f:38:104: in `disturbances[0].every`: the handler takes 2ms, and the next interrupt comes after 2ms: the vCPU would never leave system management mode
  help: a longer `every`, or a shorter `span`",
        ),
        (
            r#"{ "at": "2ms", "kind": "offline", "vcpu": 0 }, { "at": "1ms", "kind": "offline", "vcpu": 1 }"#,
            "f:38:39: in `disturbances[0]`: no vCPU would be left online
  help: start another one first, or leave this one online",
        ),
    ] {
        assert_eq!(told(disturbances), expect, "for {disturbances}");
    }
}

#[test]
fn regions_in_guest_memfd_need_room_and_a_kernel_that_has_it() {
    let with = |policy: &str, size: &str| {
        let region = format!(
            r#"{{ "name": "private", "size": "{size}", "backing": "guest_memfd" }}, {{ "name": "array""#
        );
        let text = SMALL.replace(r#"{ "name": "array""#, &region);
        Scenario::from_str(
            "f",
            &text.replace(r#"["sync", "halt"]"#, &format!(r#"["sync", "{policy}"]"#)),
        )
    };
    let fine = with("apf-v6.12", "8MiB").unwrap();
    assert_eq!(fine.machine.workload.regions[0].backing, RegionBacking::GuestMemfd);
    assert_ne!(fine.hash(), small().hash());
    let told = |policy: &str, size: &str| with(policy, size).err().unwrap().to_string();
    let old = told("apf-v5.9", "8MiB");
    assert!(old.contains("in `policies[1]`: the host of `apf-v5.9` has no guest_memfd"), "{old}");
    assert!(old.contains("a generation since v6.12"), "{old}");
    let full = told("apf-v6.12", "23MiB");
    assert!(
        full.contains("`host.memory_limit`") && full.contains("regions in guest_memfd"),
        "{full}"
    );
    let overrides = ScenarioOverrides { policies: vec!["halt".into()], ..Default::default() };
    let refused = fine.with_overrides(&overrides).err().unwrap().to_string();
    assert!(refused.contains("has no guest_memfd"), "{refused}");
}
