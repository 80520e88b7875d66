//! What a scenario file can say of host and guest shows in what the host would trace.

use std::fs;

use tempfile::TempDir;

use crate::kit::program;

#[track_caller]
fn fine(args: &[&str]) -> String {
    let output = program().args(args).output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{args:?}: {error}");
    String::from_utf8(output.stdout).unwrap()
}

/// The kernel text of a short run of the smoke scenario with changes, which `apfsim check` finds
/// clean.
#[track_caller]
fn traced(policy: &str, changes: &[(&str, &str)]) -> String {
    let folder = TempDir::new().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let mut text = fine(&["show", "smoke"]);
    let short = ("\"duration\": \"1s\"", "\"duration\": \"100ms\"");
    for &(from, to) in changes.iter().chain([&short]) {
        assert!(text.contains(from), "{from}");
        text = text.replacen(from, to, 1);
    }
    let (scenario, trace) = (path("scenario.json"), path("trace.txt"));
    fs::write(&scenario, text).unwrap();
    fine(&["run", &scenario, "-q", "--policy", policy, "--trace", &trace]);
    fine(&["check", &trace]);
    fs::read_to_string(trace).unwrap()
}

fn count(trace: &str, what: &str) -> usize {
    trace.lines().filter(|line| line.contains(what)).count()
}

/// One processor for everybody.
const CROWDED: (&str, &str) = ("\"cpus\": 6,", "\"cpus\": 1,");

#[test]
fn cancelled_entries_inject_again() {
    let window = ("\"cpus\": 6,", r#""cpus": 1, "costs": { "inject_window": "3us" },"#);
    let (with, without) = (traced("apf-v6.12", &[window]), traced("apf-v6.12", &[CROWDED]));
    assert!(count(&with, "[reinjected]") > 0);
    assert_eq!(count(&without, "[reinjected]"), 0);
}

#[test]
fn events_fault_where_their_pages_may_go() {
    let pages = ("\"vcpus\": 4,", r#""vcpus": 4, "event_pages": "reclaimable","#);
    let trace = traced("apf-v6.12", &[pages]);
    assert!(count(&trace, "[reinjected]") > 0);
    // The last frames of the first MiB are never asked for asynchronously.
    let faults: Vec<&str> = trace.lines().filter(|line| line.contains("kvm_page_fault:")).collect();
    let own = |line: &&&str| {
        ["fc000 ", "fd000 ", "fe000 ", "ff000 "]
            .iter()
            .any(|frame| line.contains(&format!("address 0x00000000000{frame}")))
    };
    assert!(faults.iter().filter(own).count() > 0);
    for frame in ["fc", "fd", "fe", "ff"] {
        assert_eq!(count(&trace, &format!("kvm_try_async_get_page: gva = 0x{frame}000,")), 0);
    }
}

#[test]
fn faults_begin_again_where_the_host_looks_at_its_sequence() {
    let faults = |kind: &str| {
        let kernel = format!(r#""cpus": 6, "kernel": {{ "mmu_retry": "{kind}" }},"#);
        let trace = traced("sync", &[("\"cpus\": 6,", &kernel)]);
        let address = |line: &str| {
            let (_, rest) = line.split_once("kvm_page_fault: ")?;
            let words: Vec<&str> = rest.split_whitespace().collect();
            Some((words[1].to_owned(), words[5].to_owned()))
        };
        // The same vCPU faults on the same address twice without another fault of its own between.
        let mut last = std::collections::BTreeMap::new();
        let mut again = 0;
        for (vcpu, address) in trace.lines().filter_map(address) {
            again += usize::from(last.insert(vcpu, address.clone()) == Some(address));
        }
        again
    };
    let (own_page, evictions) = (faults("own-page"), faults("evictions"));
    assert!(evictions > own_page + 10, "{own_page} and {evictions} faults again");
}

#[test]
fn timers_of_tasks_interrupt_where_they_are_said_to() {
    let nap = r#""tasks": [
      { "name": "napper", "role": "worker", "count": 4, "program": [
        { "op": "compute", "span": "50us" }, { "op": "sleep", "span": "150us" } ] },"#;
    let interrupts = |timers: &str| {
        let guest = format!(r#""vcpus": 4, "timers": "{timers}","#);
        let trace = traced("apf-v6.12", &[("\"tasks\": [", nap), ("\"vcpus\": 4,", &guest)]);
        count(&trace, "kvm_inj_virq: IRQ 0xec")
    };
    let (direct, wheel) = (interrupts("direct"), interrupts("softirq"));
    let own = interrupts("interrupt");
    assert!(own > direct + 200 && own > wheel + 200, "{direct}, {wheel}, {own}");
}
