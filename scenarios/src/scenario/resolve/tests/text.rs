//! Messages about the text: syntax, names, types, places, excerpts.

use std::fs;

use proptest::prelude::*;

use super::*;

#[test]
fn syntax_errors_have_a_place() {
    check(
        r#""cpus": 6,"#,
        r#""cpus": 6"#,
        "f:7:14: not valid JSON: expected comma
  help: put a comma between two fields or two elements",
    );
    check(
        r#""replications": 2"#,
        r#""replications": 2,"#,
        "f:38:20: not valid JSON: trailing commas are not allowed
  help: remove the comma before the closing bracket",
    );
    check(
        r#""cpus": 6"#,
        "'cpus': 6",
        "f:7:5: not valid JSON: single-quoted strings are not allowed
  help: use double quotes",
    );
    check(
        r#""cpus": 6"#,
        "cpus: 6",
        "f:7:5: not valid JSON: expected string for object property
  help: put the name of the field in double quotes",
    );
    check(r#""cpus": 6"#, r#""cpus": six"#, "f:7:13: not valid JSON: unexpected token");
    check(
        r#""cpus": 6"#,
        r#""cpus": 0x6"#,
        "f:7:13: not valid JSON: hexadecimal numbers are not allowed",
    );
    check(
        r#""replications": 2
}"#,
        r#""replications": 2
"#,
        "f:1:1: not valid JSON: unterminated object
  help: the object that begins here has no closing `}`",
    );
    check(
        r#""replications": 2
}"#,
        r#""replications": 2
} {}"#,
        "f:39:3: not valid JSON: text cannot contain more than one JSON value
  help: a scenario file holds one object; this text follows it",
    );
    check(
        r#""cpus": 6"#,
        r#""cpus": 6, /* no end"#,
        "f:7:16: not valid JSON: unterminated comment block
  help: the comment that begins here has no closing `*/`",
    );
    check(
        r#""name": "small""#,
        r#""name": "small"#,
        "f:3:11: not valid JSON: the text that begins here does not end on its line
  help: close it with a double quote",
    );
}

#[test]
fn unknown_names_are_corrected() {
    check(
        r#""vcpus": 2"#,
        r#""vcpu": 2"#,
        "f:17:40: in `guest.vcpu`: unknown field `vcpu`
  help: did you mean `vcpus`? valid: `kernel`, `vcpus`, `memory`, `hz`, `sched`, `steal_clock`, `wake`, `wake_delay`, `timers`, `send_always`, `balance_ticks`, `preemption`, `apic`, `event_pages`, `table_levels`, `table_pages`, `thp`, `paging`, `processes`, `pcid`, `balloon`",
    );
    check(
        r#""memory_limit""#,
        r#""memoryLimit""#,
        "f:8:5: in `host.memoryLimit`: unknown field `memoryLimit`
  help: did you mean `memory_limit`? valid: `cpu`, `cpus`, `memory_limit`, `other_resident`, `memory_high`, `memory_limits`, `proactive_reclaim`, `kswapd`, `write_protect`, `swap`, `stores`, `costs`, `sched`, `tick`, `reclaim_batch`, `kernel`, `allocation_failure_ppm`, `second_stage_levels`, `thp`, `paging`",
    );
    check(
        r#""title""#,
        r#""colour""#,
        "f:4:3: in `colour`: unknown field `colour`
  help: valid: `$schema`, `format`, `name`, `title`, `host`, `guest`, `workload`, `vms`, `disturbances`, `policies`, `baseline`, `measure`, `duration`, `warmup`, `seed`, `replications`, `published`, `expect`",
    );
    check(
        r#""op": "count""#,
        r#""op": "cuont""#,
        &format!(
            "f:30:29: in `workload.tasks[1].program[0].op`: unknown value `cuont`
  help: did you mean `count`? valid: {}",
            operations('`')
        ),
    );
    check(
        r#""pattern": "uniform""#,
        r#""pattern": "random""#,
        "f:25:69: in `workload.tasks[0].program[0].pattern`: unknown value `random`
  help: did you mean `uniform`? valid: `uniform`, `sequential`, `shared`",
    );
    check(
        r#""role": "worker""#,
        r#""role": "main""#,
        "f:29:17: in `workload.tasks[1].role`: unknown value `main`
  help: valid: `faulter`, `worker`",
    );
    check(
        r#""cpu": "westmere-2010""#,
        r#""cpu": "westmere""#,
        "f:6:12: in `host.cpu`: there is no processor preset `westmere`
  help: did you mean `westmere-2010`? valid: ...",
    );
    check(
        r#""cpu": "westmere-2010""#,
        r#""cpu": { "preset": "skylake" }"#,
        "f:6:24: in `host.cpu.preset`: there is no processor preset `skylake`
  help: did you mean `skylake-sp`? valid: ...",
    );
    check(
        r#""kernel": "linux-2.6.36""#,
        r#""kernel": "linux-2.6.38""#,
        "f:17:24: in `guest.kernel`: there is no guest kernel preset `linux-2.6.38`
  help: did you mean `linux-2.6.36`?...",
    );
    check(
        r#""policies": ["sync", "halt"]"#,
        r#""policies": ["sync", "apf-v7"]"#,
        "f:34:24: in `policies[1]`: there is no policy `apf-v7`
  help: did you mean `apf-v7-2010`? valid: ...",
    );
    check(
        r#""kind": "constant""#,
        r#""kind": "konstant""#,
        "f:10:27: in `host.swap.device.kind`: unknown value `konstant`
  help: did you mean `constant`? valid: `constant`, `channels`, `hdd`, `ram`, `volume`, `zram`",
    );
    check(
        r#"{ "kind": "constant", "read_latency": "500us", "write_latency": "500us" }"#,
        r#""hdd-7200-swp""#,
        "f:10:17: in `host.swap.device`: there is no device preset `hdd-7200-swp`
  help: did you mean `hdd-7200-swap`? valid: ...",
    );
    check(
        r#"{ "kind": "constant", "read_latency": "500us", "write_latency": "500us" }"#,
        r#"{ "preset": "nvme", "channels": 3 }"#,
        "f:10:29: in `host.swap.device.preset`: there is no device preset `nvme`
  help: did you mean `nvme-tlc-gen3`? valid: ...",
    );
    check(
        r#""region": "array""#,
        r#""region": "aray""#,
        "f:25:49: in `workload.tasks[0].program[0].region`: there is no region `aray`
  help: did you mean `array`?",
    );
    check(
        r#""costs": {}"#,
        r#""costs": { "exit_lite": "1us" }"#,
        "f:14:29: in `host.costs.exit_lite`: there is no cost `exit_lite`
  help: valid: ...",
    );
    check(
        r#""wake": "now""#,
        r#""wake": "later""#,
        "f:17:91: in `guest.wake`: unknown value `later`
  help: valid: `now`, `tick`",
    );
}

#[test]
fn missing_fields_name_the_enclosing_object() {
    check(
        r#""format": 1,"#,
        "",
        r#"f:1:1: the field `format` is missing
  help: add `"format": ...` to the object that begins here"#,
    );
    check(
        r#""cpus": 6,"#,
        "",
        r#"f:5:11: in `host`: the field `cpus` is missing
  help: add `"cpus": ...` to the object that begins here"#,
    );
    check(
        r#""op": "count", "#,
        "",
        &format!(
            "f:30:21: in `workload.tasks[1].program[0]`: the field `op` is missing
  help: `op` is one of {}",
            operations('"')
        ),
    );
    check(
        r#""kind": "constant", "#,
        "",
        r#"f:10:17: in `host.swap.device`: the field `kind` is missing
  help: `kind` is one of "constant", "channels", "hdd", "ram", "volume", "zram"; or name a `preset`"#,
    );
    check(
        r#", "write_latency": "500us""#,
        "",
        r#"f:10:17: in `host.swap.device`: the field `write_latency` is missing
  help: add `"write_latency": ...` to the object that begins here"#,
    );
    check(
        r#""cpu": "westmere-2010""#,
        r#""cpu": {}"#,
        r#"f:6:12: in `host.cpu`: the field `preset` is missing
  help: add `"preset": ...` to the object that begins here"#,
    );
    check(
        r#", "cost": "20ns""#,
        "",
        r#"f:25:21: in `workload.tasks[0].program[0]`: the field `cost` is missing
  help: add `"cost": ...` to the object that begins here"#,
    );
}

#[test]
fn wrong_types_say_what_is_wanted() {
    check(
        r#""memory_limit": "24MiB""#,
        r#""memory_limit": 25165824"#,
        r#"f:8:21: in `host.memory_limit`: expected a size with its unit, such as "512MiB", found the number 25165824
  help: write the number and its unit together in double quotes"#,
    );
    check(
        r#""duration": "1s""#,
        r#""duration": 1"#,
        r#"f:36:15: in `duration`: expected a time with its unit, such as "60s", found the number 1
  help: write the number and its unit together in double quotes"#,
    );
    check(
        r#""cpus": 6"#,
        r#""cpus": "6""#,
        r#"f:7:13: in `host.cpus`: expected a whole number, found the text "6"
  help: write the number without quotes"#,
    );
    check(
        r#""cpus": 6"#,
        r#""cpus": 6.5"#,
        "f:7:13: in `host.cpus`: expected a whole number, found the number 6.5",
    );
    check(
        r#""cpus": 6"#,
        r#""cpus": -6"#,
        "f:7:13: in `host.cpus`: expected a whole number, found the number -6",
    );
    check(
        r#""cpus": 6"#,
        r#""cpus": 1e99"#,
        "f:7:13: in `host.cpus`: expected a whole number, found the number 1e99",
    );
    check(
        r#""cpus": 6"#,
        r#""cpus": 1e999"#,
        "f:7:13: in `host.cpus`: the number 1e999 is too large",
    );
    check(
        r#""cpus": 6"#,
        r#""cpus": null"#,
        "f:7:13: in `host.cpus`: expected a whole number, found null",
    );
    check(
        r#""prefill": true"#,
        r#""prefill": "yes""#,
        r#"f:19:64: in `workload.regions[0].prefill`: expected true or false, found the text "yes""#,
    );
    check(
        r#""policies": ["sync", "halt"]"#,
        r#""policies": "sync""#,
        r#"f:34:15: in `policies`: expected a list, found the text "sync""#,
    );
    check(
        r#""costs": {}"#,
        r#""costs": { "exit_light": 2200 }"#,
        "f:14:30: in `host.costs.exit_light`: expected text in double quotes, found the number 2200",
    );
    check(
        r#""costs": {}"#,
        r#""costs": []"#,
        "f:14:14: in `host.costs`: expected an object, found a list",
    );
    check(
        r#""cpu": "westmere-2010""#,
        r#""cpu": 3"#,
        "f:6:12: in `host.cpu`: expected a name in double quotes or an object, found the number 3",
    );
    check(
        r#""op": "count""#,
        r#""op": 1"#,
        &format!(
            "f:30:29: in `workload.tasks[1].program[0].op`: expected one of {}, found the number 1",
            operations('"')
        ),
    );
    check(
        r#"{ "op": "count", "per_second": 1000000000 }"#,
        r#""count""#,
        r#"f:30:21: in `workload.tasks[1].program[0]`: expected an object with a field `op`, found the text "count""#,
    );
    check(
        r#""pattern": "uniform""#,
        r#""pattern": ["uniform"]"#,
        r#"f:25:69: in `workload.tasks[0].program[0].pattern`: expected a name in double quotes or an object, found a list"#,
    );
    check(
        r#""format": 1"#,
        r#""format": "1""#,
        r#"f:2:13: in `format`: expected a whole number, found the text "1"
  help: write the number without quotes"#,
    );
}

#[test]
fn the_same_field_twice_is_an_error() {
    check(
        r#""cpus": 6,"#,
        r#""cpus": 6, "cpus": 7,"#,
        "f:7:16: in `host.cpus`: `cpus` is given twice
  help: the first is on line 7; keep one of them",
    );
    check(
        r#""costs": {}"#,
        r#""costs": { "exit_hw": "1us", "exit_hw": "2us" }"#,
        "f:14:34: in `host.costs.exit_hw`: `exit_hw` is given twice
  help: the first is on line 14; keep one of them",
    );
}

#[test]
fn an_excerpt_shows_the_place() {
    let text = SMALL.replace("\"cpus\": 6", "\"cpuz\": 6");
    let error = Scenario::from_str("small.json", &text).expect_err("an unknown field");
    insta::assert_snapshot!(error.render(), @r#"
    small.json:7:5: in `host.cpuz`: unknown field `cpuz`
      |
    7 |     "cpuz": 6,
      |     ^^^^^^
      = help: did you mean `cpu`? valid: `cpu`, `cpus`, `memory_limit`, `other_resident`, `memory_high`, `memory_limits`, `proactive_reclaim`, `kswapd`, `write_protect`, `swap`, `stores`, `costs`, `sched`, `tick`, `reclaim_batch`, `kernel`, `allocation_failure_ppm`, `second_stage_levels`, `thp`, `paging`
    "#);
}

#[test]
fn tabs_letters_and_windows_lines_keep_the_caret_in_place() {
    let text = "{\r\n\t\"form\u{e4}t\": 1,\r\n\t\"\u{e4}\": \"\u{1f600}\", \"x\": \u{e4}\r\n}\r\n";
    let error = Scenario::from_str("f", text).expect_err("no scenario");
    assert_eq!(
        error.render(),
        "f:3:17: not valid JSON: unexpected word\n  |\n3 | \t\"\u{e4}\": \"\u{1f600}\", \"x\": \u{e4}\n  | \t                ^\n  \
         = help: put text in double quotes; the bare words are true, false, null"
    );
}

#[test]
fn what_is_no_readable_file_is_told_apart() {
    let dir = tempfile::tempdir().expect("a directory");
    let told = |name: &str, bytes: &[u8]| {
        let path = dir.path().join(name);
        fs::write(&path, bytes).expect("written");
        let error = Scenario::load(&path.to_string_lossy()).expect_err("no scenario");
        error.to_string().replace(&*dir.path().to_string_lossy(), "DIR")
    };
    let empty = "is empty\n  help: `apfsim show natapov-2010` prints a scenario to begin with";
    assert_eq!(told("empty.json", b""), format!("`DIR/empty.json` {empty}"));
    assert_eq!(told("blank.json", b" // no\n"), format!("`DIR/blank.json` {empty}"));
    assert_eq!(
        told("latin1.json", b"{\n\"name\": \"\xe4\" }"),
        "`DIR/latin1.json` is no text in UTF-8 from byte 11 on (line 2)\n  \
         help: save the file as UTF-8"
    );
    assert_eq!(
        told("utf16.json", b"{\0\n\0}\0"),
        "`DIR/utf16.json` is no text in UTF-8 from byte 1 on (line 1)\n  \
         help: save the file as UTF-8"
    );
    assert_eq!(
        told("huge.json", &vec![b' '; 1024 * 1024 + 1]),
        "`DIR/huge.json` has 1048577 bytes; a scenario file has at most 1048576\n  \
         help: is this really a scenario file?"
    );
    assert_eq!(
        told("list.json", b"[]"),
        "DIR/list.json:1:1: expected an object that describes a scenario, found a list"
    );
    let error = Scenario::load(&dir.path().to_string_lossy()).expect_err("a directory");
    assert!(matches!(error, ScenarioError::Directory(_)), "{error}");
    let error = Scenario::load("natapov-2011").expect_err("no such thing");
    assert_eq!(
        error.to_string(),
        "there is no scenario file `natapov-2011` and no built-in scenario of that name\n  \
         help: did you mean `natapov-2010`? valid: `natapov-2010`, `natapov-nvme`, \
         `lab-100us-1f1w`, `lab-100us-4f4w`, `lab-500us-1f1w`, `lab-500us-4f4w`, `lab-2ms-4f4w`, \
         `lab-500us-4f4w-syscall`, `lab-50us-4f4w-reads`, `lab-500us-4f-idle`, `lab-5ms-4f4w`, `lab-500us-8f4w-shared`, \
         `lab-500us-8f4w-2vcpu-shared`, `lab-500us-4f4w-4vcpu`, `lab-cap`, \
         `lab-boot-under-limit`, `lab-stray-kicks`, `lab-500us-4f4w-linux-6.1`, \
         `lab-requests-4f`, `lab-requests-8f4w`, `lab-zram-lz4-4f4w`, `lab-zswap-lzo-4f4w`, \
         `lab-uffd-100us-4f4w`, `snapshot-restore`, `vmm-answered`, `post-copy`, `live-snapshot`, `clone-8`, `lab-two-vms`, `neighbour-vms`, \
         `zram-laptop`, `shrinking-limit`, `memory-high`, `proactive-reclaim`, `balloon-or-limit`, `zswap-before-nvme`, `cxl-swap`, `cloud-volume`, `closed-form`, \
         `faulting-pair`, `kv-tail`, `database-scans`, `compile`, `heap-sweep`, `rdma-cache`, `bursty-web`, `batch-beside-latency`, `far-memory-latency`, `lock-convoy`, `barrier-steps`, `moving-working-set`, `pipeline`, `vcpus-64`, `page-cluster-zero`, `read-only-guest`, `sixteen-vcpus`, `first-touch-arm64`, \
         `first-touch-x86`, `token-wrap`, `smoke`"
    );
}

#[test]
fn a_byte_order_mark_is_no_part_of_the_text() {
    let scenario = Scenario::from_str("f", &format!("\u{feff}{SMALL}")).expect("valid");
    assert_eq!(scenario.hash(), small().hash());
}

#[test]
fn deep_nesting_is_an_error_and_no_crash() {
    for depth in [40, 600, 100_000] {
        for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
            let text = format!("{}1{}", open.repeat(depth), close.repeat(depth));
            let error = Scenario::from_str("f", &text).expect_err("nesting").to_string();
            assert!(error.contains("nesting"), "{error}");
        }
    }
}

/// Tokens that a mutation puts in place of others.
const TOKENS: [&str; 24] = [
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "\"",
    "null",
    "true",
    "-1",
    "0",
    "1e308",
    "1e999",
    "18446744073709551616",
    "\"0s\"",
    "\"1TiB\"",
    "\"\"",
    "\"sync\"",
    "//",
    "/*",
    "\\",
    "\u{0}",
    "\u{e4}",
    "\"kind\"",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever is done to a file, reading it ends with a scenario or an error, and the error can
    /// be shown.
    #[test]
    fn no_text_makes_the_reader_panic(
        edits in prop::collection::vec((0..4u8, any::<prop::sample::Index>(), 0..64usize, any::<u8>()), 1..6),
    ) {
        let mut bytes = SMALL.as_bytes().to_vec();
        for (kind, place, length, byte) in edits {
            let at = place.index(bytes.len().max(1)).min(bytes.len());
            let end = (at + length).min(bytes.len());
            match kind {
                0 if at < bytes.len() => bytes[at] = byte,
                1 => drop(bytes.drain(at..end)),
                2 => {
                    let token = TOKENS[usize::from(byte) % TOKENS.len()];
                    bytes.splice(at..end.min(at + length % 8), token.bytes());
                }
                _ => {
                    // A piece of the text is put elsewhere.
                    let piece: Vec<u8> = bytes[at..end].to_vec();
                    let to = usize::from(byte) * bytes.len() / 256;
                    bytes.splice(to..to, piece);
                }
            }
        }
        let text = String::from_utf8_lossy(&bytes);
        if let Err(error) = Scenario::from_str("f", &text) {
            prop_assert!(!error.render().is_empty());
            prop_assert!(!error.to_string().is_empty());
        }
    }
}
