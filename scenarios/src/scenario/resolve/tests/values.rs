//! What fields become: defaults, devices, numbers, overrides.

use models::config::SchedParams;

use super::*;

#[test]
fn defaults_are_filled_in() {
    let scenario = small();
    let MachineConfig { host, guest, .. } = &scenario.machine;
    assert_eq!(scenario.seed, 1);
    assert_eq!(scenario.warmup, SimDuration::ZERO);
    assert_eq!(host.other_resident_pages, 0);
    assert_eq!(host.tick, SimDuration::from_ms(1));
    assert_eq!(host.reclaim_batch_pages, 32);
    assert_eq!(guest.tick, SimDuration::from_ms(1));
    let SchedParams::Cfs(sched) = &guest.sched else { panic!("2.6.36 has CFS") };
    assert_eq!(sched.latency, SimDuration::from_ms(12));
    assert_eq!(scenario.machine.workload.tasks[1].count, 1);
}

#[test]
fn devices_can_be_changed_and_described() {
    let device = |text: &str| {
        let constant =
            r#"{ "kind": "constant", "read_latency": "500us", "write_latency": "500us" }"#;
        let text = SMALL.replace(constant, text);
        let scenario = Scenario::from_str("f", &text);
        scenario.unwrap_or_else(|error| panic!("{}", error.render())).machine.host.device
    };
    use models::config::{ChannelsConfig, DeviceConfig};
    let (plain, changed) = (
        device(r#""hdd-7200-swap""#),
        device(
            r#"{ "preset": "hdd-7200-swap", "rotation": "4ms", "elevator": { "fifo_batch": 1 } }"#,
        ),
    );
    let (DeviceConfig::Hdd(plain), DeviceConfig::Hdd(changed)) = (plain, changed) else {
        panic!("both are disks");
    };
    assert_eq!(changed.rotation, SimDuration::from_ms(4));
    assert_eq!(changed.elevator.fifo_batch, 1);
    assert_eq!(changed.elevator.read_expire, plain.elevator.read_expire);
    assert_eq!(changed.seek_base, plain.seek_base);
    let channels = device(
        r#"{ "kind": "channels", "channels": 4, "write": "10us", "read": { "kind": "mixture",
             "parts": [
               { "weight": 9, "law": "80us" },
               { "weight": 1, "law": { "kind": "log_normal", "median": "1ms", "sigma_milli": 500 } }
             ] } }"#,
    );
    use sim_core::Distribution;
    assert_eq!(
        channels,
        DeviceConfig::Channels(ChannelsConfig {
            channels: 4,
            read: Distribution::Mixture {
                parts: vec![
                    (9, Distribution::Constant { value: 80_000_000 }),
                    (1, Distribution::LogNormal { median: 1_000_000_000, sigma_milli: 500 }),
                ],
            },
            write: Distribution::Constant { value: 10_000_000 },
            per_page: SimDuration::ZERO,
            read_at_depth: Vec::new(),
            write_at_depth: Vec::new(),
        })
    );
}

#[test]
fn whole_numbers_may_be_written_with_an_exponent() {
    let scenario = Scenario::from_str("f", &SMALL.replace("1000000000", "1e9")).expect("valid");
    assert_eq!(scenario.machine, small().machine);
}

#[test]
fn overrides_replace_policies_seed_and_replications() {
    let overrides = ScenarioOverrides {
        policies: vec!["halt".into(), "apf-v7-2010".into()],
        seed: Some(9),
        replications: Some(3),
    };
    let scenario = small().with_overrides(&overrides).expect("valid");
    let names: Vec<_> = scenario.policies.iter().map(|policy| policy.name.as_str()).collect();
    assert_eq!(names, ["halt", "apf-v7-2010"]);
    assert_eq!(scenario.baseline, "halt");
    assert_eq!((scenario.seed, scenario.replications), (9, 3));
    let told = |policies: &[&str], replications| {
        let policies = policies.iter().map(|name| (*name).into()).collect();
        let overrides = ScenarioOverrides { policies, seed: None, replications };
        small().with_overrides(&overrides).expect_err("refused").to_string()
    };
    assert!(told(&["synk"], None).contains("did you mean `sync`?"));
    assert!(told(&["sync", "sync"], None).contains("given twice"));
    assert!(told(&[], Some(0)).contains("from 1 to 10000"));
}
