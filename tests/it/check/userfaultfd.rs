//! Logs of hosts whose VMM serves the guest's memory, of an unmodified 6.12.95: what its handler does, and that it is
//! named where it is the one that is late.

use serde_json::Value;

use super::hosts::{checked, lines_of};

const PV: &str = "userfaultfd/u01-pv-1cpu-4f4w-uffd-100us-detail";
const SYNC: &str = "userfaultfd/u31-sync-1cpu-4f4w-uffd-100us-detail";

fn median_us(report: &Value, name: &str) -> u64 {
    let times = report["userfaultfd"]["times"].as_array().unwrap();
    let time = times.iter().find(|time| time["name"] == name).unwrap();
    time["p50_ns"].as_u64().unwrap() / 1000
}

#[test]
fn the_handlers_steps_are_counted_and_measured() {
    let (status, report) = checked(&["-"], lines_of(PV).as_bytes());
    let found = &report["userfaultfd"];
    assert_eq!((status, &report["verdict"]), (Some(0), &"clean".into()));
    assert_eq!((&found["lookups"], &found["messages"]), (&110.into(), &110.into()));
    assert_eq!((&found["installed"], &found["eexist"]), (&109.into(), &0.into()));
    assert_eq!(found["open"], 1);
    // The handler was told to take 100 us.
    assert!((105..115).contains(&median_us(&report, "read to copy")), "{found}");
    assert!((5..15).contains(&median_us(&report, "message to read")), "{found}");
    assert!((5..15).contains(&median_us(&report, "copied to completed")), "{found}");
    let (_, report) = checked(&["-"], lines_of(SYNC).as_bytes());
    assert_eq!(report["userfaultfd"]["messages"], 215);
    assert_eq!(report["userfaultfd"]["open"], 0);
}

/// A trace of our own has what a recorded one has, and `check` counts in it what the run counts.
#[test]
fn a_trace_of_a_run_has_the_handler_in_it() {
    let folder = tempfile::tempdir().unwrap();
    let trace = folder.path().join("trace.txt");
    let args = ["run", "lab-uffd-100us-4f4w", "--policy", "apf-v6.12", "--duration", "200ms"];
    let mut command = crate::kit::program();
    command.args(args).args(["--set", "warmup=0s", "--format", "json", "--trace"]).arg(&trace);
    let run: Value = serde_json::from_str(&crate::kit::printed(&mut command)).unwrap();
    let faults = &run["policies"][0]["metrics"]["major_faults"]["mean"];
    let (status, report) = checked(&["-"], &std::fs::read(&trace).unwrap());
    let found = &report["userfaultfd"];
    assert_eq!((status, &report["verdict"]), (Some(0), &"clean".into()), "{report:#}");
    let count = |name: &str| found[name].as_u64().unwrap();
    assert_eq!(Some(count("messages") as f64), faults.as_f64());
    assert!(count("lookups") >= count("messages") && count("eexist") == 0, "{found}");
    assert!(
        count("open") < 8 && count("installed") + count("open") == count("messages"),
        "{found}"
    );
}

/// A handler that brings the block around a page makes one call of it, which is printed as the kernel's.
#[test]
fn a_trace_of_a_run_has_one_call_for_a_block() {
    let folder = tempfile::tempdir().unwrap();
    let trace = folder.path().join("trace.txt");
    let mut command = crate::kit::program();
    command.args(["run", "snapshot-restore", "-q", "--policy", "apf-v6.12", "--duration", "100ms"]);
    command.args(["--set", "host.stores[snapshot].handler.around=64KiB", "--trace"]).arg(&trace);
    crate::kit::printed(&mut command);
    let text = std::fs::read_to_string(&trace).unwrap();
    let calls = text.lines().filter(|line| line.contains("mfill_atomic_copy+0x4")).count() as u64;
    assert!(text.lines().any(|line| line.ends_with("mfill_atomic_copy) ret=65536")));
    let (_, report) = checked(&["-"], text.as_bytes());
    let found = &report["userfaultfd"];
    let count = |name: &str| found[name].as_u64().unwrap();
    assert_eq!(count("copies"), calls);
    assert!(count("installed") > 10 * calls, "{found}");
    let times = found["times"].as_array().unwrap();
    let timed = times.iter().find(|it| it["name"] == "read to copy").unwrap()["count"].as_u64();
    // But for those that are under way at the end, or found their page there.
    assert!(timed.unwrap() * 10 > 8 * count("messages_read"), "{found}");
}

/// A log up to a line of the handler's, of which this and all later ones are missing, and what the guest's processor
/// does for half a second more.
fn dead_handler(name: &str, from: &str) -> String {
    let text = lines_of(name);
    let at = text.match_indices(from).nth(60).unwrap().0;
    let cut = text[..at].rfind('\n').unwrap();
    let last = text[..cut].lines().last().unwrap();
    let time: f64 = last.split(": ").next().unwrap().rsplit(' ').next().unwrap().parse().unwrap();
    let idle = |tick: u32| {
        let time = time + 0.004 * f64::from(tick);
        format!(
            "          <idle>-0       [000] d..2.  {time:.6}: sched_switch: prev_comm=swapper/0 prev_pid=0 prev_prio=120 prev_state=R ==> next_comm=rcu_preempt next_pid=18 next_prio=120\n"
        )
    };
    text[..=cut].to_owned() + &(1..125).map(idle).collect::<String>()
}

#[test]
fn a_handler_that_no_longer_reads_is_the_missing_step() {
    let (status, report) = checked(&["-"], dead_handler(PV, "uffd_read:").as_bytes());
    assert_eq!((status, &report["verdict"]), (Some(1), &"stall".into()), "{report:#}");
    let stall = &report["stalls"][0];
    assert_eq!((&stall["kind"], &stall["missing"]), (&"open_request".into(), &"handler".into()));
    let message = stall["message"].as_str().unwrap();
    assert!(message.contains("missing: handler of the VMM"), "{message}");
    assert!(
        message.contains("(the message at line") && !message.contains("kvm_async_pf_completed")
    );
}

#[test]
fn so_is_one_that_reads_and_installs_nothing_where_the_vcpu_waits_itself() {
    let (status, report) = checked(&["-"], dead_handler(SYNC, "uffd_copy:").as_bytes());
    assert_eq!((status, &report["verdict"]), (Some(1), &"stall".into()), "{report:#}");
    let stall = &report["stalls"][0];
    assert_eq!(stall["kind"], "unanswered_message");
    assert_eq!(stall["missing"], "handler");
    let message = stall["message"].as_str().unwrap();
    assert!(message.contains("was read and its page not installed"), "{message}");
}

/// The verdict on an invariant, and how often it was broken.
fn verdict(text: &str, id: &str) -> (String, u64) {
    let (_, report) = checked(&["-"], text.as_bytes());
    let all = report["invariants"].as_array().unwrap();
    let found = all.iter().find(|it| it["invariant"] == id).unwrap();
    (found["verdict"].as_str().unwrap().to_owned(), found["count"].as_u64().unwrap_or(0))
}

/// A reader that installs what it reads leaves one page out: its call is cut out of a recorded log.
#[test]
fn a_message_that_was_read_and_not_answered_is_found_in_a_log() {
    let text = lines_of("userfaultfd/u02-pv-1cpu-4f4w-uffd-0us-detail");
    assert_eq!(verdict(&text, "INV-49"), ("clean".into(), 0));
    let mut copies = 0;
    let kept = text.lines().filter(|line| {
        copies += u32::from(line.contains(": uffd_copy:"));
        copies != 20 || !line.contains(": uffd_cop")
    });
    let kept: String = kept.flat_map(|line| [line, "\n"]).collect();
    assert_eq!(verdict(&kept, "INV-49"), ("violation".into(), 1));
}

/// A worker whose page is installed is not woken: all that it does afterwards is cut out of a recorded log.
#[test]
fn a_sleeper_that_is_not_woken_is_found_in_a_log() {
    let text = lines_of("userfaultfd/u41-pv-1cpu-4f4w-uffd-100us");
    assert_eq!(verdict(&text, "INV-48"), ("clean".into(), 0));
    let lines: Vec<&str> = text.lines().collect();
    let message = |line: &str| line.contains("handle_userfault+") && line.contains("flags=0x895");
    let at = (40..lines.len()).find(|&at| message(lines[at])).unwrap();
    let worker = lines[at].trim_start().split(' ').next().unwrap();
    let address = lines[at].split("addr=").nth(1).unwrap().split(' ').next().unwrap();
    let installed = |line: &str| line.contains("uffd_copy:") && line.contains(address);
    let at = at + lines[at..].iter().position(|line| installed(line)).unwrap() + 1;
    assert!(lines[at].contains("uffd_copied"), "{}", lines[at]);
    let own = |line: &str| line.trim_start().starts_with(&format!("{worker} "));
    let kept = lines.iter().enumerate().filter(|&(place, line)| place <= at || !own(line));
    let kept: String = kept.flat_map(|(_, line)| [line, "\n"]).collect();
    assert_eq!(verdict(&kept, "INV-48"), ("violation".into(), 1));
}
