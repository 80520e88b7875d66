//! What a new file says.

use super::*;

fn wishes(kind: Kind) -> Wishes {
    Wishes { kind, ..Wishes::default() }
}

/// Every kind on every host kernel and device is a scenario, under policies of that kernel.
#[test]
fn every_wish_is_a_scenario() {
    for kind in Kind::ALL {
        for kernel in presets::host_kernel_names() {
            let wishes = Wishes { host_kernel: kernel.to_string(), ..wishes(kind) };
            let text = wishes
                .text("new.json")
                .unwrap_or_else(|error| panic!("{kernel}: {}", error.render()));
            assert!(text.starts_with("// "), "{text}");
            assert!(text.lines().all(|line| line.len() <= 140), "{text}");
        }
        for device in presets::device_names() {
            let wishes = Wishes { device: device.clone(), ..wishes(kind) };
            // Compressed memory holds what was swapped out, and no snapshot.
            if let Err(error) = wishes.text("new.json") {
                let told = error.render();
                let refused = kind == Kind::Restore && told.contains("compressed memory holds");
                assert!(refused, "{device}: {told}");
            }
        }
    }
}

#[test]
fn sizes_and_numbers_are_those_that_were_wished_for() {
    for kind in Kind::ALL {
        let own = Wishes {
            name: "own".to_owned(),
            memory: Bytes(4 << 30),
            limit: Bytes(1 << 30),
            vcpus: 16,
            policies: vec!["sync".to_owned(), "apf-6.1".to_owned()],
            ..wishes(kind)
        };
        let text = own.text("new.json").unwrap_or_else(|error| panic!("{}", error.render()));
        let scenario = Scenario::from_str("own", &text).expect("it was read before");
        let machine = &scenario.machine;
        assert_eq!((scenario.name.as_str(), machine.vcpus()), ("own", 16));
        assert_eq!(machine.guest.memory_pages, 1 << 20);
        assert_eq!(machine.host.memory_limit_pages, 1 << 18);
        let names: Vec<&str> = scenario.policies.iter().map(|it| it.name.as_str()).collect();
        assert_eq!(names, ["sync", "apf-6.1"]);
    }
}

/// The slower the device, the fewer requests come.
#[test]
fn requests_come_at_the_rate_of_the_device() {
    let gap = |device: &str| {
        let text = Wishes { device: device.to_owned(), ..wishes(Kind::Requests) };
        let text = text.text("new.json").expect("a preset");
        let (_, after) = text.split_once("\"poisson\", \"mean\": \"").expect("arrivals");
        let (gap, _) = after.split_once("us\"").expect("in microseconds");
        gap.parse::<u64>().expect("a number")
    };
    // What the vCPUs can do is the limit.
    assert_eq!(gap("optane-p4800x"), 22);
    let gaps = ["optane-p4800x", "cloud-gp3", "hdd-7200"].map(gap);
    assert!(gaps.windows(2).all(|pair| pair[0] < pair[1]), "{gaps:?}");
}

#[test]
fn a_guest_without_vcpus_is_refused() {
    for (kind, vcpus) in Kind::ALL.into_iter().flat_map(|kind| [(kind, 0), (kind, 4097)]) {
        let wrong = Wishes { vcpus, ..wishes(kind) };
        let told = wrong.text("new.json").expect_err("refused").render();
        assert!(told.contains("from 1 to 4096"), "{told}");
    }
}

/// A restore is over in its time under synchronous faults, from the slowest device too.
#[test]
fn a_restore_has_time_for_its_set() {
    for device in ["nvme-tlc-gen3", "cloud-gp3", "hdd-7200"] {
        let set = Some(Bytes(2 << 20));
        let own = Wishes { device: device.to_owned(), working_set: set, ..wishes(Kind::Restore) };
        let text = own.text("new.json").unwrap_or_else(|error| panic!("{}", error.render()));
        let scenario = Scenario::from_str("new.json", &text).expect("it was read before");
        let options = crate::RunOptions::default();
        let found = crate::run_comparison(&scenario, &options, &|_| {}).expect("it runs");
        for result in &found.policies {
            let complete = result.metric("completion_time").map(|metric| metric.values.len());
            assert_eq!(complete, Some(3), "{device}, {}", result.policy);
        }
    }
}

#[test]
fn what_does_not_go_together_is_refused() {
    let wrong = Wishes { limit: Bytes(2 << 30), ..wishes(Kind::Compute) };
    assert!(wrong.text("new.json").is_err());
    let wrong = Wishes { name: "a\"b".to_owned(), ..wishes(Kind::Compute) };
    assert!(wrong.text("new.json").is_err());
}
