//! `apfsim fit-scenario` from outside: logs of real kernels and of simulated ones.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Read as _;
use std::path::Path;
use std::sync::{Mutex, OnceLock};

use serde_json::Value;

use crate::kit::{program, with_input};

const TOLD: &str = "tests/data/logs/tr11-pv-1cpu-4f4w-500us-detail.txt.gz";
const HALTED: &str = "tests/data/logs/tr12-nonpv-1cpu-4f4w-500us-detail.txt.gz";
const SYNC: &str = "tests/data/logs/tr13-sync-1cpu-4f4w-500us-detail.txt.gz";
const FOUR: [&str; 4] = ["--faulters", "4", "--workers", "4"];

fn apfsim(args: &[&str], stdin: &[u8]) -> (Option<i32>, String, String) {
    let mut command = program();
    let output = with_input(command.current_dir(env!("CARGO_MANIFEST_DIR")).args(args), stdin);
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

fn fit(log: &str, more: &[&str]) -> Value {
    let args = [&["fit-scenario", log, "--format", "json"], more].concat();
    let (status, stdout, stderr) = apfsim(&args, b"");
    assert_eq!((status, stderr.as_str()), (Some(0), ""), "{log}");
    serde_json::from_str(&stdout).unwrap()
}

/// With four tasks of each kind, as the logs have them. Several tests look at the same fit, which is
/// made once.
fn fit_four(log: &str) -> &'static Value {
    static FITS: Mutex<BTreeMap<String, &'static OnceLock<Value>>> = Mutex::new(BTreeMap::new());
    let mut fits = FITS.lock().unwrap();
    let one = *fits.entry(log.to_owned()).or_insert_with(|| Box::leak(Box::default()));
    // Other logs go on meanwhile.
    drop(fits);
    one.get_or_init(|| fit(log, &FOUR))
}

fn text_of(log: &str) -> String {
    let file = std::fs::File::open(Path::new(env!("CARGO_MANIFEST_DIR")).join(log)).unwrap();
    let mut text = String::new();
    flate2::read::GzDecoder::new(file).read_to_string(&mut text).unwrap();
    text
}

fn path<'a>(report: &'a Value, name: &str) -> &'a Value {
    let all = report["paths"].as_array().unwrap();
    all.iter().find(|row| row["path"] == name).unwrap_or_else(|| panic!("no {name}"))
}

/// The field of a scenario's text, as a quantity of nanoseconds.
fn nanoseconds(scenario: &str, field: &str) -> f64 {
    let key = format!("\"{field}\": \"");
    let at = scenario.find(&key).unwrap_or_else(|| panic!("no {field}")) + key.len();
    let text = &scenario[at..at + scenario[at..].find('"').unwrap()];
    let span: sim_core::SimDuration = text.parse().unwrap();
    span.as_ps() as f64 / 1e3
}

#[test]
fn a_log_is_shown_beside_its_run() {
    let args = [&["fit-scenario", HALTED, "-q"], &FOUR[..]].concat();
    let (status, table, stderr) = apfsim(&args, b"");
    assert_eq!((status, stderr.as_str()), (Some(0), ""));
    assert!(table.lines().all(|line| line.chars().count() <= 78), "{table}");
    // The tables of the other percentiles have the same lines as that of the median.
    let parts: Vec<&str> = table.split("\nPath, ").collect();
    let [told, p50, p90, last] = parts[..] else { panic!("{table}") };
    let (p99, rates) = last.split_once("\n\n").unwrap();
    insta::assert_snapshot!("fit", format!("{told}\nPath, {p50}\n{rates}"));
    let names = |part: &str| -> Vec<String> {
        part.trim_end().lines().skip(1).map(|line| line.chars().take(57).collect()).collect()
    };
    assert!(p90.starts_with("p90 (us)") && p99.starts_with("p99 (us)"), "{table}");
    assert!(names(p50) == names(p90) && names(p50) == names(p99), "{table}");
    // The same command says the same.
    assert_eq!(apfsim(&args, b"").1, table);
}

/// Two guests share one processor: their threads run the vCPU of one number by turns, never at once.
#[test]
fn a_second_guest_is_refused() {
    let log = "tests/data/two-vms/v1-pv+pv-2vm-4f4w-500us-detail.txt.gz";
    let (status, _, stderr) = apfsim(&["fit-scenario", log], b"");
    assert_eq!(status, Some(2), "{stderr}");
    assert!(stderr.contains("more than one guest") && stderr.contains("help: "), "{stderr}");
}

#[test]
fn the_scenario_is_a_file_that_run_and_compare_read() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("host.json");
    let out = folder.path().join("out");
    let (file, out) = (file.to_str().unwrap(), out.to_str().unwrap());
    let args = [&["fit-scenario", HALTED, "-o", file, "--out", out], &FOUR[..]].concat();
    let (status, _, stderr) = apfsim(&args, b"");
    assert_eq!(status, Some(0), "{stderr}");
    for name in
        ["host.json", "fit.txt", "fit.json", "fit-paths.csv", "fit-paths.png", "scenario.json"]
    {
        assert!(stderr.contains(name), "{stderr}");
    }
    let text = std::fs::read_to_string(file).unwrap();
    insta::assert_snapshot!("fit_scenario", text);
    assert!(text.lines().all(|line| line.chars().count() <= 120), "{text}");
    for command in ["run", "compare"] {
        let (status, _, stderr) = apfsim(&[command, file, "-q"], b"");
        assert_eq!((status, stderr.as_str()), (Some(0), ""), "{command}");
    }
}

#[test]
fn a_log_comes_from_standard_input_too() {
    let args = ["fit-scenario", "-", "--no-run", "--format", "json"];
    let (status, stdout, _) = apfsim(&args, text_of(SYNC).as_bytes());
    assert_eq!(status, Some(0));
    let report: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(report["mode"], "synchronous");
    assert!(report["simulated_ns"].is_null());
    assert_eq!(report["paths"], fit(SYNC, &["--no-run"])["paths"]);
}

/// Every whole path of which a log has at least ten spans is simulated within 20 % at the median.
#[test]
fn simulated_paths_are_those_of_the_log() {
    for (log, least) in [(TOLD, 9), (HALTED, 4), (SYNC, 3)] {
        let report = fit_four(log);
        let mut held = 0;
        for row in report["paths"].as_array().unwrap() {
            let count = row["recorded_ns"]["count"].as_u64().unwrap_or(0);
            if row["whole"] != true || count < 10 {
                continue;
            }
            let ratio = row["ratio_p50"].as_f64().unwrap_or(0.0);
            assert!((0.8..1.2).contains(&ratio), "{log}: {row}");
            held += 1;
        }
        assert!(held >= least, "{log}: only {held} paths");
    }
}

/// The medians that were read off the detailed logs by other means, in microseconds.
#[test]
fn simulated_paths_are_those_that_others_measured() {
    let report = fit_four(TOLD);
    for (name, us) in [
        ("fault_to_read", 10.0),
        ("fault_to_try", 15.0),
        ("fault_told_worker", 32.0),
        ("interrupt_ready", 28.0),
        ("ack_nothing", 5.0),
        ("ack_ready", 29.0),
        ("timer_interrupt", 5.0),
        ("timer_deadline", 5.0),
        ("done_to_completed", 15.0),
        ("completed_to_ready", 7.0),
    ] {
        let p50 = path(report, name)["simulated_ns"]["p50"].as_f64().unwrap() / 1e3;
        assert!((p50 / us - 1.0).abs() < 0.20, "{name}: {p50} us, {us} us");
    }
}

/// The tables of `docs/fit-scenario.md` are what its commands give.
#[test]
fn the_page_says_what_the_command_does() {
    let page = include_str!("../../../docs/fit-scenario.md");
    let mut held = (0, 0);
    for name in ["tr11", "tr12", "tr13", "tr24", "tr44"] {
        let logs = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/logs");
        let mut logs = std::fs::read_dir(logs).unwrap().map(|entry| entry.unwrap().file_name());
        let log = logs.find(|log| log.to_str().unwrap().starts_with(&format!("{name}-"))).unwrap();
        let report = fit_four(&format!("tests/data/logs/{}", log.to_str().unwrap()));
        let lines = page.lines().filter(|line| line.starts_with(&format!("| {name} |")));
        for line in lines {
            let cells: Vec<&str> = line.split('|').map(str::trim).collect();
            let near = |cell: &str, value: f64, by: f64| {
                let told: f64 = cell.parse().unwrap();
                assert!((told - value).abs() <= by * value + 0.06, "{line} {value}");
            };
            if cells.len() == 6 {
                let rate = &report["rates"][0];
                near(cells[2], rate["recorded"].as_f64().unwrap().round(), 0.0);
                near(cells[3], rate["simulated"].as_f64().unwrap(), 0.03);
                held.1 += 1;
                continue;
            }
            let rows = report["paths"].as_array().unwrap();
            let row = rows.iter().find(|row| row["title"] == cells[2]).unwrap();
            let p50 = |side: &str| row[side]["p50"].as_f64().unwrap() / 1e3;
            near(cells[3], row["recorded_ns"]["count"].as_f64().unwrap(), 0.0);
            near(cells[4], p50("recorded_ns"), 0.0);
            near(cells[5], p50("simulated_ns"), 0.05);
            held.0 += 1;
        }
    }
    assert!(held.0 > 30 && held.1 == 5, "{held:?}");
}

/// The modes, and what each fit takes for given without being told.
#[test]
fn hosts_are_told_apart() {
    for (log, mode, policy) in [
        (TOLD, "told", "apf-v6.12"),
        (HALTED, "halted", "halt-v6.12"),
        (SYNC, "synchronous", "sync"),
        ("tests/data/logs/tr44-k61-pv-1cpu-4f4w-500us-detail.txt.gz", "synchronous", "sync"),
    ] {
        let report = fit(log, &[]);
        assert_eq!(report["mode"], mode, "{log}");
        let given = |field: &str| {
            let all = report["given"].as_array().unwrap();
            all.iter().find(|one| one["field"] == field).unwrap()["value"].clone()
        };
        assert_eq!(given("policies"), policy);
        assert_eq!((given("guest.hz"), given("host.cpus")), ("250".into(), "1".into()));
        let name = given("host.cpu");
        assert!(name.as_str().unwrap().starts_with("lab-1gips"), "{log}: {name}");
        // The number of computing tasks is the one with the log's fault rate.
        let rate = &report["rates"][0];
        let ratio = rate["simulated"].as_f64().unwrap() / rate["recorded"].as_f64().unwrap();
        assert!((0.85..1.15).contains(&ratio), "{log}: {rate}");
    }
}

/// Traces of hosts of several generations.
#[test]
fn generations_are_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let trace = folder.path().join("smoke.txt.gz");
    let policies = ["sync", "halt", "halt-v6.12", "apf-v7-2010", "apf-v4.13", "apf-v6.12"];
    let smoke = scenarios::scenario::library::find("smoke").unwrap().text;
    let short = smoke.replace("\"duration\": \"1s\"", "\"duration\": \"300ms\"");
    assert_ne!(short, smoke);
    let file = folder.path().join("smoke.json");
    std::fs::write(&file, short).unwrap();
    let mut args = vec!["compare", file.to_str().unwrap(), "-q", "--replications", "1"];
    args.extend(["--trace", trace.to_str().unwrap()]);
    args.extend(policies.iter().flat_map(|policy| ["--policy", policy]));
    assert_eq!(apfsim(&args, b"").0, Some(0));
    for policy in policies {
        let log = folder.path().join(format!("smoke.{policy}.0.txt.gz"));
        let report = fit(log.to_str().unwrap(), &["--no-run"]);
        let scenario = report["scenario"].as_str().unwrap();
        assert!(scenario.contains(&format!("\"policies\": [\"{policy}\"]")), "{scenario}");
        for line in ["\"read_ahead\": 8", "\"vcpus\": 4,", "\"hz\": 1000,"] {
            assert!(scenario.contains(line), "{policy}: {scenario}");
        }
        let (read, write) =
            (nanoseconds(scenario, "read_latency"), nanoseconds(scenario, "write_latency"));
        assert!((read / 500e3 - 1.0).abs() < 0.01, "{policy}: {read}");
        assert!((write / 500e3 - 1.0).abs() < 0.01, "{policy}: {write}");
    }
}

/// Writes the trace of a scenario's run.
fn traced(scenario: &str, folder: &Path, name: &str) -> String {
    let file = folder.join(format!("{name}.json"));
    std::fs::write(&file, scenario).unwrap();
    let trace = folder.join(format!("{name}.txt.gz"));
    let (file, trace) = (file.to_str().unwrap(), trace.to_str().unwrap().to_owned());
    let (status, _, stderr) = apfsim(&["run", file, "-q", "--trace", &trace], b"");
    assert_eq!(status, Some(0), "{stderr}");
    trace
}

/// A scenario that is known is run, and fitted to its own trace.
#[test]
fn what_is_known_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let known = fit(TOLD, &[&FOUR[..], &["--no-run"]].concat())["scenario"].clone();
    let known = known.as_str().unwrap();
    let mut reads = Vec::new();
    for latency in ["231us", "462us"] {
        let key = "\"read_latency\": \"";
        let at = known.find(key).unwrap() + key.len();
        let end = at + known[at..].find('"').unwrap();
        let known = format!("{}{latency}{}", &known[..at], &known[end..]);
        let trace = traced(&known, folder.path(), latency);
        let report = fit(&trace, &[&FOUR[..], &["--no-run"]].concat());
        let fitted = report["scenario"].as_str().unwrap();
        let (read, wanted) =
            (nanoseconds(fitted, "read_latency"), nanoseconds(&known, "read_latency"));
        assert!((read / wanted - 1.0).abs() < 0.01, "{read} {wanted}");
        reads.push(read);
        // Single costs that a path shows alone, and sums of those that it does not tell apart.
        for costs in [
            &["exit_light"][..],
            &["block_copy"],
            &["msr_return"],
            &["exit_hw", "apf_detect", "swap_in_prepare", "block_submit"],
            &["apf_setup", "host_switch"],
            &["device_interrupt", "host_switch", "block_complete"],
            &["guest_exception", "guest_ready", "guest_wakeup"],
        ] {
            let sum = |scenario: &str| -> f64 {
                costs.iter().map(|cost| nanoseconds(scenario, cost)).sum()
            };
            let (fitted, wanted) = (sum(fitted), sum(&known));
            assert!((fitted - wanted).abs() < 0.05 * wanted + 100.0, "{costs:?} {fitted} {wanted}");
        }
        for line in ["\"vcpus\": 1,", "\"hz\": 250,", "\"policies\": [\"apf-v6.12\"]"] {
            assert!(fitted.contains(line), "{fitted}");
        }
    }
    assert!((reads[1] / reads[0] - 2.0).abs() < 0.02, "{reads:?}");
}

/// A law is less the copy that the submitter makes before the device begins; a run adds it again.
#[test]
fn the_copy_that_is_taken_off_a_law_comes_back_in_a_run() {
    let folder = tempfile::tempdir().unwrap();
    let known = fit(TOLD, &[&FOUR[..], &["--no-run"]].concat())["scenario"].clone();
    let known = known.as_str().unwrap();
    // A copy that is long enough to be seen beside the spread of the law.
    let key = "\"block_copy\": \"";
    let at = known.find(key).unwrap() + key.len();
    let end = at + known[at..].find('"').unwrap();
    let known = format!("{}60us{}", &known[..at], &known[end..]);
    let copy = 60e3;
    let at = known.find("\"device\": { \"kind\": \"constant\"").unwrap();
    let end = at + known[at..].find('}').unwrap() + 1;
    let law = "{ \"kind\": \"uniform\", \"low\": \"300us\", \"high\": \"700us\" }";
    let device = format!(
        "\"device\": {{ \"kind\": \"channels\", \"channels\": 64, \"read\": {law}, \
         \"write\": \"1us\" }}"
    );
    let known = format!("{}{device}{}", &known[..at], &known[end..]);
    let report = fit(&traced(&known, folder.path(), "uniform"), &FOUR);
    assert!(report["scenario"].as_str().unwrap().contains("\"empirical\""));
    let read = path(&report, "read");
    let (recorded, simulated) = (
        read["recorded_ns"]["p50"].as_f64().unwrap(),
        read["simulated_ns"]["p50"].as_f64().unwrap(),
    );
    // The copy is in both, and neither is the law alone.
    assert!((recorded - 500e3 - copy).abs() < 15e3, "{recorded}");
    assert!((recorded - simulated).abs() < 0.4 * copy, "{recorded} {simulated}, copy {copy}");
}

/// A quarter of the touches is in the guest's kernel, whose faults are not told.
#[test]
fn the_share_of_faults_in_the_kernel_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let known = fit(TOLD, &[&FOUR[..], &["--no-run"]].concat())["scenario"].clone();
    let known = known.as_str().unwrap();
    let begin = known.find("\"program\": [{ \"op\": \"access\"").unwrap() + "\"program\": [".len();
    let end = begin + known[begin..].find(']').unwrap();
    let (before, touch, after) = (&known[..begin], &known[begin..end], &known[end..]);
    let call = format!("{{ \"op\": \"syscall\", \"cost\": \"1us\", \"body\": [{touch}] }}");
    let mixed = format!("{before}{touch}, {touch}, {touch}, {call}{after}");
    let report = fit(&traced(&mixed, folder.path(), "mixed"), &FOUR);
    let given = report["given"].as_array().unwrap();
    let share = given.iter().find(|one| one["field"] == "workload: touches in the guest's kernel");
    assert_eq!(share.unwrap()["value"], "5 of 20");
    let told = report["rates"].as_array().unwrap().iter().find(|one| one["rate"] == "told_share");
    let (recorded, simulated) =
        (told.unwrap()["recorded"].as_f64().unwrap(), told.unwrap()["simulated"].as_f64().unwrap());
    assert!((recorded - simulated).abs() < 0.05, "{recorded} {simulated}");
}

/// A real log in which every read takes 250 us longer. Its host is synchronous, so that all that
/// follows a read comes so much later.
#[test]
fn a_slower_device_is_seen_in_a_changed_log() {
    let mut log = String::new();
    let mut later = 0;
    for line in text_of(SYNC).lines() {
        let Some((head, rest)) = line.split_once(": ").filter(|_| !line.starts_with('#')) else {
            writeln!(log, "{line}").unwrap();
            continue;
        };
        later += if rest.starts_with("block_rq_complete: 254,0 R") { 250 } else { 0 };
        let (thread, time) = head.rsplit_once(' ').unwrap();
        let (seconds, us) = time.split_once('.').unwrap();
        let us: u64 = seconds.parse::<u64>().unwrap() * 1_000_000 + us.parse::<u64>().unwrap();
        let us = us + later;
        writeln!(log, "{thread} {}.{:06}: {rest}", us / 1_000_000, us % 1_000_000).unwrap();
    }
    let folder = tempfile::tempdir().unwrap();
    let changed = folder.path().join("slower.txt");
    std::fs::write(&changed, log).unwrap();
    let read = |log: &str| {
        let report = fit(log, &["--no-run"]);
        let p50 = report["device"]["read_ns"]["p50"].as_f64().unwrap();
        (p50, nanoseconds(report["scenario"].as_str().unwrap(), "read_latency"))
    };
    let (before, after) = (read(SYNC), read(changed.to_str().unwrap()));
    assert!((after.0 - before.0 - 250_000.0).abs() < 500.0, "{before:?} {after:?}");
    assert!((after.1 - before.1 - 250_000.0).abs() < 1500.0, "{before:?} {after:?}");
}

#[test]
fn what_cannot_be_fitted_says_why_and_what_to_record() {
    let error = |args: &[&str], stdin: &[u8]| {
        let (status, stdout, stderr) = apfsim(args, stdin);
        assert_eq!((status, stdout.as_str()), (Some(2), ""), "{stderr}");
        stderr
    };
    // A log of the basic events does not show the device.
    let basic = "tests/data/logs/tr01-pv-1cpu-4f4w-500us.txt.gz";
    let text = error(&["fit-scenario", basic], b"");
    assert!(text.contains("block:block_rq_issue") && text.contains("--device"), "{text}");
    let text = error(&["fit-scenario", "-"], b"hello\n");
    assert!(text.contains("standard input has no event"), "{text}");
    let text = error(&["fit-scenario", "-"], b"");
    assert!(text.contains("is empty"), "{text}");
    let text = error(&["fit-scenario", "/nowhere"], b"");
    assert!(text.contains("cannot open"), "{text}");
    // The first lines of a log hold too few faults.
    let begin: String = text_of(TOLD).lines().take(60).flat_map(|line| [line, "\n"]).collect();
    let text = error(&["fit-scenario", "-"], begin.as_bytes());
    assert!(text.contains("of at least 10"), "{text}");
    let text = error(&["fit-scenario", TOLD, "--policy", "apf-v9"], b"");
    assert!(text.contains("apf-v6.12"), "{text}");
}

/// With its device given, a log of the basic events is enough for the protocol's side.
#[test]
fn a_log_without_costs_takes_a_presets() {
    let basic = "tests/data/logs/tr01-pv-1cpu-4f4w-500us.txt.gz";
    let report = fit(basic, &["--device", "500us", "--cpu", "lab-1gips", "--workers", "4"]);
    assert_eq!(report["mode"], "told");
    let row = path(&report, "not_present_to_completed");
    let ratio = row["ratio_p50"].as_f64().unwrap();
    assert!((0.9..1.1).contains(&ratio), "{row}");
}

/// A log that was cut off is fitted as far as it goes.
#[test]
fn a_truncated_log_is_fitted() {
    let log = Path::new(env!("CARGO_MANIFEST_DIR")).join(TOLD);
    let bytes = std::fs::read(log).unwrap();
    let args = ["fit-scenario", "-", "--no-run", "--format", "json"];
    let (status, stdout, stderr) = apfsim(&args, &bytes[..bytes.len() / 2]);
    assert_eq!(status, Some(0), "{stderr}");
    let report: Value = serde_json::from_str(&stdout).unwrap();
    let kinds: Vec<_> = report["skipped"].as_array().unwrap().iter().collect();
    assert_eq!(kinds[0]["kind"], "broken_compression");
    assert!(report["counts"]["told"].as_u64().unwrap() > 20);
}

/// A scenario with swap would be another host, even where the log has a few reads of vCPU threads and workers.
#[test]
fn a_log_of_a_vmm_that_answers_faults_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let trace = folder.path().join("trace.txt");
    let args = ["run", "snapshot-restore", "-q", "--policy", "apf-v6.12", "--duration", "100ms"];
    let around = ["--set", "host.stores[snapshot].handler.around=64KiB"];
    let mut command = program();
    crate::kit::printed(command.args(args).args(around).arg("--trace").arg(&trace));
    let recorded = "tests/data/userfaultfd/u01-pv-1cpu-4f4w-uffd-100us-detail.txt.gz";
    for log in [trace.to_str().unwrap(), recorded] {
        let (status, _, error) = apfsim(&["fit-scenario", log, "--no-run"], b"");
        assert_eq!(status, Some(2), "{log}");
        assert!(error.contains("the VMM answers the faults"), "{log}: {error}");
        assert!(error.contains("lab-uffd-100us-4f4w"), "{error}");
    }
    let (status, _, error) =
        apfsim(&["fit-scenario", recorded, "--no-run", "--device", "100us"], b"");
    assert_eq!(status, Some(0), "{error}");
}
