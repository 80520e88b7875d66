//! Logs of hosts on which something goes wrong or looks so: what `apfsim check` says of them.
//!
//! Those that begin with `k` are of unmodified Linux kernels (7.3.4 and 6.12.95).

use std::collections::BTreeMap;
use std::io::Read as _;

use serde_json::Value;

use crate::kit::{program, with_input};

pub(super) fn checked(args: &[&str], stdin: &[u8]) -> (Option<i32>, Value) {
    let mut command = program();
    command.current_dir(env!("CARGO_MANIFEST_DIR")).arg("check").args(args);
    let output = with_input(command.args(["--format", "json"]), stdin);
    (output.status.code(), serde_json::from_slice(&output.stdout).unwrap())
}

fn host(name: &str) -> (Option<i32>, Value) {
    checked(&[&format!("tests/data/hosts/{name}.txt.gz")], b"")
}

pub(super) fn lines_of(name: &str) -> String {
    let path = format!("{}/tests/data/{name}.txt.gz", env!("CARGO_MANIFEST_DIR"));
    let mut text = String::new();
    let file = std::fs::File::open(path).unwrap();
    flate2::read::GzDecoder::new(file).read_to_string(&mut text).unwrap();
    text
}

fn without(text: &str, events: &[&str]) -> String {
    let recorded = |line: &&str| !events.iter().any(|name| line.contains(&format!(" {name}:")));
    text.lines().filter(recorded).map(|line| format!("{line}\n")).collect()
}

fn finding<'a>(report: &'a Value, id: &str) -> &'a Value {
    let all = report["invariants"].as_array().unwrap();
    all.iter().find(|one| one["invariant"] == id).unwrap()
}

fn stalls(report: &Value) -> Vec<(&str, u64)> {
    let all = report["stalls"].as_array().unwrap();
    all.iter().map(|one| (one["kind"].as_str().unwrap(), one["line"].as_u64().unwrap())).collect()
}

#[test]
fn each_log_has_its_verdict() {
    let expected = BTreeMap::from([
        ("clocks-of-processors-differ", "undecided"),
        ("exceptions-not-recorded", "clean"),
        ("fault-repeats-without-async", "stall"),
        ("k612-kick-of-a-running-vcpu", "weakness"),
        ("k734-kick-of-a-running-vcpu", "weakness"),
        ("k734-page-ready-unacknowledged-when-turned-off", "violation"),
        ("k734-read-error-of-the-swap-device", "stall"),
        ("k734-refused-write-of-en", "violation"),
        ("k734-vcpu-reset-while-halted", "stall"),
        ("request-never-completed", "stall"),
        ("told-and-halted-before-5.8", "known_violation"),
    ]);
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/hosts");
    let files = std::fs::read_dir(folder).unwrap().count();
    assert_eq!(files, expected.len());
    for (name, verdict) in expected {
        let (status, report) = host(name);
        assert_eq!(report["verdict"], verdict, "{name}");
        let failed = ["stall", "violation"].contains(&verdict);
        assert_eq!(status, Some(i32::from(failed)), "{name}");
        assert_eq!(stalls(&report).is_empty(), !failed, "{name}");
    }
}

#[test]
fn a_request_that_stays_open_is_named_with_the_step_that_is_missing() {
    let (_, report) = host("request-never-completed");
    let stall = &report["stalls"][0];
    assert_eq!((&stall["kind"], &stall["missing"]), (&"open_request".into(), &"completion".into()));
    assert_eq!((&stall["token"], &stall["frame"]), (&0x4000.into(), &0x5003.into()));
    assert_eq!((&stall["line"], &stall["others"]), (&51.into(), &24.into()));
    assert_eq!(stall["age_ns"].as_u64().unwrap() / 1_000_000_000, 105);
    assert!(stall["others_p99_ns"].as_u64().unwrap() < 400_000, "{stall}");
    let text = lines_of("hosts/request-never-completed");
    // The same with what a host prints of the device and of workers.
    let place = text.find("kvm_async_pf_not_present: token 0x4000 ").unwrap();
    let begin = text[..place].rfind('\n').unwrap() + 1;
    let head = |thread: &str| format!("{thread} [002] ..... 1015.000008: ");
    let vcpu = head("      CPU 0/KVM-4711");
    let queue = "workqueue_queue_work: work struct=000000001f function=async_pf_execute [kvm] \
                 workqueue=events req_cpu=64 cpu=2\n";
    let start =
        "workqueue_execute_start: work struct 000000001f: function async_pf_execute [kvm]\n";
    let other =
        "workqueue_execute_start: work struct 000000002f: function async_pf_execute [kvm]\n";
    let worker = head("     kworker/2:1-812");
    let read = "block_rq_issue: 254,0 R 4096 () 1712 + 8 be,0,4 [CPU 0/KVM]\n";
    let done = "block_rq_complete: 254,0 R () 1712 + 8 be,0,4 [0]\n";
    for (more, missing) in [
        (format!("{vcpu}{queue}{worker}{start}"), "io_or_message"),
        (format!("{vcpu}{queue}{worker}{other}"), "worker"),
        (format!("{vcpu}{queue}"), "completion"),
        (format!("{vcpu}{read}{vcpu}{queue}{worker}{start}"), "io"),
        (format!("{vcpu}{read}{vcpu}{queue}{worker}{start}{worker}{done}"), "io_or_message"),
    ] {
        let log = format!("{}{more}{}", &text[..begin], &text[begin..]);
        let (status, report) = checked(&["-"], log.as_bytes());
        assert_eq!((status, &report["stalls"][0]["missing"]), (Some(1), &missing.into()), "{more}");
    }
}

#[test]
fn the_end_of_a_log_alone_is_no_stall() {
    // Until shortly after the request that stays open: it may be as the others are.
    let text = lines_of("hosts/request-never-completed");
    let cut: String = text.lines().take(53).map(|line| format!("{line}\n")).collect();
    let (status, report) = checked(&["-"], cut.as_bytes());
    assert_eq!((status, stalls(&report).len()), (Some(0), 0), "{report}");
    // Where page readies or completions are not recorded, all requests seem to stay open.
    for event in ["kvm_async_pf_ready", "kvm_async_pf_completed"] {
        let (status, report) = checked(&["-"], without(&text, &[event]).as_bytes());
        assert_eq!((status, stalls(&report).len()), (Some(0), 0), "{event}");
    }
}

#[test]
fn a_page_ready_that_is_not_acknowledged_is_the_missing_step() {
    let text = lines_of("hosts/exceptions-not-recorded");
    // The last acknowledgement is missing, and the guest goes on for two seconds.
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let last = lines.iter().rposition(|line| line.contains("4b564d07")).unwrap();
    lines.remove(last);
    lines.push(
        " CPU 0/KVM-4711 [002] d.... 1003.000000: kvm_exit: vcpu 0 reason HLT rip 0x1".into(),
    );
    let (status, report) = checked(&["-"], (lines.join("\n") + "\n").as_bytes());
    assert_eq!(status, Some(1), "{report}");
    assert_eq!(report["stalls"][0]["missing"], "acknowledgement", "{report}");
}

#[test]
fn page_ready_that_is_not_acknowledged_before_en_is_0() {
    let (_, report) = host("k734-page-ready-unacknowledged-when-turned-off");
    assert_eq!(stalls(&report), [("open_request", 3030), ("unacknowledged_when_turned_off", 2371)]);
    assert_eq!(report["stalls"][0]["missing"], "page_ready");
    assert_eq!(report["stalls"][0]["count"], 63);
    assert_eq!(report["stalls"][1]["token"], 0x29d_e001);
    // It is no clean log of acknowledgements either.
    assert_eq!(finding(&report, "INV-33")["open"][0]["count"], 1);
}

#[test]
fn a_vcpu_that_is_reset_while_it_is_halted_is_silent() {
    let (_, report) = host("k734-vcpu-reset-while-halted");
    assert_eq!(stalls(&report), [("silent_vcpu", 5595)]);
    assert_eq!(report["stalls"][0]["frame"], 0x4a5e);
    // Another page wakes it: it is not silent.
    let text = lines_of("hosts/k734-vcpu-reset-while-halted")
        + "           vcpu0-130     [000] .....    63.608591: kvm_async_pf_ready: token 0x49f000 \
           gva 0x4a5e300\n";
    let (status, report) = checked(&["-"], text.as_bytes());
    assert_eq!((status, stalls(&report).len()), (Some(0), 0), "{report}");
}

#[test]
fn a_page_that_cannot_be_read_is_asked_for_again() {
    let (_, report) = host("k734-read-error-of-the-swap-device");
    assert_eq!(stalls(&report), [("asked_again", 187)]);
    assert_eq!(
        (&report["stalls"][0]["count"], &report["stalls"][0]["frame"]),
        (&492.into(), &0x420a.into())
    );
}

#[test]
fn a_refused_write_of_en_is_named() {
    let (_, report) = host("k734-refused-write-of-en");
    assert_eq!(stalls(&report), [("open_request", 105), ("refused_en", 120)]);
    assert_eq!(report["stalls"][1]["count"], 63);
    let message = report["stalls"][1]["message"].as_str().unwrap();
    assert!(message.contains("63 not present and 0 page ready"), "{message}");
    assert!(report["vcpus"][0]["at_cap"].as_u64().unwrap() > 700);
}

#[test]
fn faults_that_repeat_without_progress_are_named() {
    let (_, report) = host("fault-repeats-without-async");
    assert_eq!(stalls(&report), [("refaults_without_async", 4)]);
    let stall = &report["stalls"][0];
    assert_eq!((&stall["count"], &stall["frame"]), (&150.into(), &0x31a7.into()));
    assert_eq!(finding(&report, "INV-19")["verdict"], "undecided");
    // Emulated memory of a device (AMD) faults as often as the guest touches it.
    let text = lines_of("hosts/fault-repeats-without-async");
    let device = text.replace("error_code 0x683", "error_code 0x10000000f");
    assert_eq!(checked(&["-"], device.as_bytes()).0, Some(0));
    // Other exits in between: the guest goes on.
    let mut number = 0;
    let goes_on: String = text
        .lines()
        .flat_map(|line| {
            number += 1;
            let other = (number % 20 == 0).then(|| line.split(" kvm_").next().unwrap());
            let other =
                other.map(|head| format!("{head} kvm_exit: reason MSR_WRITE rip 0x1 info 0 0\n"));
            [Some(format!("{line}\n")), other]
        })
        .flatten()
        .collect();
    assert_eq!(checked(&["-"], goes_on.as_bytes()).0, Some(0));
}

#[test]
fn clocks_that_differ_are_named() {
    let (_, report) = host("clocks-of-processors-differ");
    let clocks = &report["clocks_differ"];
    assert_eq!((&clocks["behind_cpu"], &clocks["effect_line"]), (&3.into(), &19.into()));
    assert_eq!(finding(&report, "INV-12")["record"], "with trace_clock mono");
}

#[test]
fn before_5_8_page_ready_is_an_exception_too() {
    let counts = |report: &Value| {
        let one = &report["vcpus"][0];
        (one["told"].as_u64().unwrap(), one["halted"].as_u64().unwrap())
    };
    let text = lines_of("hosts/told-and-halted-before-5.8");
    let quiet = without(&text, &["sched_switch", "kvm_vcpu_wakeup"]);
    // A run of that generation may print names of later kernels: what is said of it goes first.
    let second = text.find("2000.002000: kvm_exit").unwrap();
    let second = text[..second].rfind('\n').unwrap() + 1;
    let repeated = " CPU 0/KVM-4711 [002] ....  2000.001900: kvm_async_pf_repeated_fault: gva = \
                    0x6000000, gfn = 0x6000\n";
    let named = format!("{}{repeated}{}", &text[..second], &text[second..]);
    for (log, rules) in [
        (&text, None),
        (&text, Some("v5.3")),
        (&quiet, None),
        (&quiet, Some("v4.13")),
        (&named, Some("v5.3")),
    ] {
        let rules: Vec<&str> = rules.into_iter().flat_map(|rules| ["--rules", rules]).collect();
        let (status, report) = checked(&[&["-"], &rules[..]].concat(), log.as_bytes());
        assert_eq!(status, Some(0));
        assert_eq!(counts(&report), (2, 4), "{rules:?}");
        assert_eq!(report["verdict"], "known_violation", "{rules:?}");
        assert_eq!(finding(&report, "INV-12")["count"], 4, "{rules:?}");
        assert_eq!(report["kernels"], "3.13 to 5.7");
        assert_eq!(report["order"]["own_ready_before_exception"], 0);
    }
}

#[test]
fn without_exceptions_page_ready_says_who_was_told() {
    let (_, report) = host("exceptions-not-recorded");
    assert_eq!(
        (&report["vcpus"][0]["told"], &report["vcpus"][0]["halted"]),
        (&4.into(), &0.into())
    );
    assert_eq!(report["told_by_page_ready"], 4);
    // A real log, with and without its exceptions.
    let text = lines_of("logs/tr11-pv-1cpu-4f4w-500us-detail");
    let facts = |left_out: &[&str]| {
        let (_, report) = checked(&["-"], without(&text, left_out).as_bytes());
        let one = &report["vcpus"][0];
        let count = |name: &str| one[name].as_u64().unwrap();
        (count("told"), count("halted"), count("halted_or_told"))
    };
    let (told, halted, _) = facts(&[]);
    assert!(told > 100 && halted == 0, "{told} {halted}");
    let near = |left_out: &[&str]| {
        let (seen, halted, unsure) = facts(left_out);
        // The last ones are outstanding when the log ends.
        assert!(told - seen <= 6 && halted <= 6 && unsure == halted, "{seen} {halted} {unsure}");
    };
    near(&["kvm_inj_exception"]);
    near(&["kvm_inj_exception", "kvm_apic_accept_irq"]);
    near(&["kvm_inj_exception", "kvm_inj_virq"]);
    near(&["kvm_inj_exception", "kvm_inj_virq", "kvm_apic_accept_irq"]);
    // Without any of it nobody can know.
    let (seen, halted, unsure) =
        facts(&["kvm_inj_exception", "kvm_inj_virq", "kvm_apic_accept_irq", "kvm_msr"]);
    assert!(seen == 0 && unsure > 100 && unsure <= halted, "{seen} {halted} {unsure}");
}

/// The log of a run of a host or guest that makes a mistake.
fn with_mistake(defect: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("trace.txt");
    let policies =
        format!("policies=[{{\"name\":\"x\",\"base\":\"apf-v6.12\",\"defects\":[\"{defect}\"]}}]");
    let output = program()
        .args(["run", "smoke", "-q", "--duration", "1200ms", "--set", "expect=[]"])
        .args(["--set", &policies, "--trace", path.to_str().unwrap()])
        .output()
        .unwrap();
    assert!(output.status.code().is_some_and(|code| code < 2), "{output:?}");
    std::fs::read_to_string(path).unwrap()
}

/// The head of a log of ours names the run; a real one has no such line.
fn as_recorded(log: &str) -> String {
    log.lines().filter(|line| !line.starts_with("# run=")).map(|line| format!("{line}\n")).collect()
}

#[test]
fn a_host_that_counts_freed_items_for_ever_has_no_more_requests() {
    let log = with_mistake("leak-queued");
    let (status, report) = checked(&["-"], as_recorded(&log).as_bytes());
    let found = report["stalls"].as_array().unwrap();
    assert_eq!((status, found.len()), (Some(1), 4));
    for stall in found {
        assert_eq!(stall["kind"], "no_more_requests");
        assert!(stall["count"].as_u64() > Some(200), "{stall}");
    }
    // Announcements that are not recorded are none that do not come.
    let (status, report) =
        checked(&["-"], without(&as_recorded(&log), &["kvm_async_pf_not_present"]).as_bytes());
    assert_eq!((status, stalls(&report)), (Some(0), Vec::new()));
    // Nor are the tries behind the last request, unless they are as many as a vCPU may have requests.
    let first = found.iter().filter_map(|stall| stall["line"].as_u64()).max().unwrap() as usize;
    let head: String =
        as_recorded(&log).lines().take(first + 20).map(|it| format!("{it}\n")).collect();
    let (_, report) = checked(&["-"], head.as_bytes());
    assert!(found.len() > stalls(&report).len(), "{:?}", stalls(&report));
}

#[test]
fn page_readies_that_never_come_are_missing_though_none_is_recorded() {
    let log = as_recorded(&with_mistake("never-drain"));
    let (status, report) = checked(&["-"], log.as_bytes());
    let found = report["stalls"].as_array().unwrap();
    assert_eq!((status, found.len()), (Some(1), 4));
    assert!(found.iter().all(|one| one["missing"] == "page_ready"), "{found:?}");
    // Without registers or interrupts the log does not show that there was none.
    for name in ["kvm_msr", "kvm_apic_accept_irq"] {
        let (status, report) = checked(&["-"], without(&log, &[name]).as_bytes());
        assert_eq!((status, stalls(&report)), (Some(0), Vec::new()), "{name}");
    }
}

#[test]
fn acknowledgements_that_never_come_are_missing() {
    let log = as_recorded(&with_mistake("refuse-ack"));
    let (status, report) = checked(&["-"], log.as_bytes());
    let found = report["stalls"].as_array().unwrap();
    assert_eq!((status, found.len()), (Some(1), 4));
    assert!(found.iter().all(|one| one["missing"] == "acknowledgement"), "{found:?}");
    let (status, report) = checked(&["-"], without(&log, &["kvm_msr"]).as_bytes());
    assert_eq!((status, stalls(&report)), (Some(0), Vec::new()));
}
