//! zswap: what it becomes, what is in the hash, and what is wrong with it.

use super::*;

fn with(zswap: &str, kernel: &str) -> String {
    let kernel = format!(r#""sched": {{}}, "kernel": "{kernel}""#);
    let zswap = format!(r#""read_ahead": 8, "zswap": {zswap}"#);
    SMALL.replace(r#""sched": {}"#, &kernel).replace(r#""read_ahead": 8"#, &zswap)
}

fn read(text: &str) -> Scenario {
    Scenario::from_str("f", text).unwrap_or_else(|error| panic!("{}", error.render()))
}

#[test]
fn a_preset_is_taken_and_changed() {
    let zswap = |text: &str| read(&with(text, "linux-6.12")).machine.host.zswap.unwrap();
    let preset = models::presets::compressor("lzo").unwrap();
    let plain = zswap(r#"{ "max_pool": "2MiB" }"#);
    assert_eq!((plain.ratio_milli, plain.accept_percent), (preset.ratio_milli, 90));
    assert_eq!((plain.load, plain.max_pool_pages), (preset.load, Some(512)));
    let changed = zswap(
        r#"{ "compressor": "zstd", "ratio_milli": 4000, "accept_percent": 50, "load": "3us" }"#,
    );
    assert_eq!((changed.ratio_milli, changed.accept_percent), (4000, 50));
    assert_eq!(changed.store, models::presets::compressor("zstd").unwrap().store);
    assert_eq!(changed.load, sim_core::Distribution::Constant { value: 3_000_000 });
}

#[test]
fn every_field_is_in_the_hash() {
    let mut hashes = std::collections::BTreeSet::new();
    for zswap in [
        r#"{ "max_pool": "2MiB" }"#,
        r#"{ "max_pool": "3MiB" }"#,
        r#"{ "max_pool": "2MiB", "compressor": "lz4" }"#,
        r#"{ "max_pool": "2MiB", "load": "1us" }"#,
        r#"{ "max_pool": "2MiB", "store": "1us" }"#,
        r#"{ "max_pool": "2MiB", "ratio_milli": 2000 }"#,
        r#"{ "max_pool": "2MiB", "accept_percent": 80 }"#,
    ] {
        assert!(hashes.insert(read(&with(zswap, "linux-6.12")).hash()), "{zswap}");
    }
}

#[test]
fn what_is_wrong_is_said_at_its_place() {
    let error = |text: &str| Scenario::from_str("f", text).unwrap_err().to_string();
    let fine = r#"{ "max_pool": "2MiB" }"#;
    for (messages, found) in [
        (
            ["`host.swap.zswap.compressor`", "did you mean `lzo`?"],
            error(&with(r#"{ "compressor": "lzoo" }"#, "linux-6.12")),
        ),
        (
            ["host.swap.zswap.ratio_milli", "1000"],
            error(&with(r#"{ "ratio_milli": 900 }"#, "linux-6.12")),
        ),
        (
            ["host.swap.zswap.accept_percent", "100"],
            error(&with(r#"{ "accept_percent": 101 }"#, "linux-6.12")),
        ),
        (
            ["host.swap.zswap.store", "has no mean or a long one"],
            error(&with(r#"{ "store": "2s" }"#, "linux-6.12")),
        ),
        (["the host's kernel has no zswap", "`linux-5.10`"], error(&with(fine, "linux-4.19"))),
        (
            ["is memory itself", "another `device`"],
            error(&with(fine, "linux-6.12").replace(
                r#"{ "kind": "constant", "read_latency": "500us", "write_latency": "500us" }"#,
                r#""zram-lz4""#,
            )),
        ),
        (
            ["beside the compressed pages of zswap", "a smaller `max_pool`"],
            error(&with(r#"{ "ratio_milli": 1100 }"#, "linux-6.12")),
        ),
    ] {
        for message in messages {
            assert!(found.contains(message), "{message}: {found}");
        }
    }
    // A pool that is not charged takes nothing from the guest.
    read(&with(r#"{ "ratio_milli": 1100 }"#, "linux-5.10"));
}
