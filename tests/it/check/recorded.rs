//! `apfsim check` from outside: the logs of real kernels, and what is no log.

use serde_json::Value;

use crate::kit::{program, with_input};

const DETAIL: &str = "tests/data/logs/tr24-pv-2cpu-4f4w-500us-detail.txt.gz";
const BOOT: &str = "tests/data/logs/tr16-pv-1cpu-boot-under-limit-500us.txt.gz";

fn apfsim(args: &[&str], stdin: &[u8]) -> (Option<i32>, String, String) {
    let mut command = program();
    let output = with_input(command.current_dir(env!("CARGO_MANIFEST_DIR")).args(args), stdin);
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

fn json(log: &str) -> Value {
    let (status, stdout, stderr) = apfsim(&["check", log, "--format", "json"], b"");
    assert_eq!((status, stderr.as_str()), (Some(0), ""), "{log}: {stdout}");
    serde_json::from_str(&stdout).unwrap()
}

fn verdict<'a>(report: &'a Value, id: &str) -> &'a Value {
    let all = report["invariants"].as_array().unwrap();
    &all.iter().find(|one| one["invariant"] == id).unwrap()["verdict"]
}

#[test]
fn no_real_log_has_a_violation() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/logs");
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        let report = json(path.to_str().unwrap());
        let expected = match &name[..4] {
            "tr16" => "weakness",
            // The first refuses asynchronous faults, in the second they never begin.
            "tr13" | "tr44" => "undecided",
            _ => "clean",
        };
        assert_eq!(report["verdict"], expected, "{name}");
        assert_eq!(report["skipped"], Value::Array(Vec::new()), "{name}");
        assert_eq!(report["has_faults"], expected != "undecided", "{name}");
        count += 1;
    }
    assert_eq!(count, 14);
}

#[test]
fn faults_are_counted_as_told_halted_and_synchronous() {
    let vcpu = |log: &str| json(&format!("tests/data/logs/{log}.txt.gz"))["vcpus"][0].clone();
    let told = vcpu("tr01-pv-1cpu-4f4w-500us");
    assert_eq!((told["told"].as_u64(), told["halted"].as_u64()), (Some(2423), Some(0)));
    let kernel_mode = vcpu("tr05-pv-1cpu-4f4w-kernelmode-500us");
    assert_eq!(kernel_mode["told"], 0);
    assert!(kernel_mode["halted"].as_u64() > Some(100));
    let nonpv = vcpu("tr02-nonpv-1cpu-4f4w-500us");
    assert_eq!((nonpv["told"].as_u64(), nonpv["repeated"].as_u64()), (Some(0), Some(17)));
}

#[test]
fn a_boot_spins_because_a_wake_all_waits() {
    let report = json(BOOT);
    assert_eq!(verdict(&report, "INV-19"), "weakness");
    assert_eq!(report["spins"][0]["cause"], "wake_all_waits");
    assert_eq!(report["spins"][0]["line"], 47);
    let (_, table, _) = apfsim(&["check", BOOT], b"");
    assert!(table.lines().all(|line| line.chars().count() <= 78), "{table}");
    insta::assert_snapshot!("boot", table);
}

#[test]
fn the_detailed_log_is_shown_as_text() {
    let (status, table, _) = apfsim(&["check", DETAIL], b"");
    assert_eq!(status, Some(0));
    assert!(table.lines().all(|line| line.chars().count() <= 78), "{table}");
    insta::assert_snapshot!("detail", table);
}

#[test]
fn a_violation_ends_with_status_1_and_its_story() {
    let log = "\
 vcpu0-10 [000] .....  1.000101: kvm_async_pf_not_present: token 0x1000 gva 0x8000
 kworker/0:1-7 [000] .....  1.000600: kvm_async_pf_completed: gva 0x8000 address 0x7f0000008000
 vcpu0-10 [000] .....  1.000610: kvm_async_pf_ready: token 0x1000 gva 0x8000
 vcpu0-10 [000] .....  1.000620: kvm_async_pf_ready: token 0x1000 gva 0x8000
";
    let (status, stdout, stderr) = apfsim(&["check", "-"], log.as_bytes());
    assert_eq!((status, stderr.as_str()), (Some(1), ""), "{stdout}");
    assert!(stdout.contains("violation INV-14 at line 4"), "{stdout}");
}

#[test]
fn what_cannot_be_read_ends_with_status_2() {
    for (input, part) in [
        (&b""[..], "is empty"),
        (b"hello\n", "no event"),
        (b"PERFILE2........", "the file ends at byte"),
        (b"\x17\x08\x44tracing........", "the file ends at byte"),
        (&[0u8; 70_000], "no event"),
    ] {
        let (status, stdout, stderr) = apfsim(&["check", "-"], input);
        assert_eq!((status, stdout.as_str()), (Some(2), ""), "{stderr}");
        assert!(stderr.contains(part) && !stderr.contains("internal error"), "{stderr}");
    }
    let (status, _, stderr) = apfsim(&["check", "no-such-log"], b"");
    assert!(status == Some(2) && stderr.contains("no-such-log"), "{stderr}");
    let (status, _, stderr) = apfsim(&["check", BOOT, "--rules", "v99"], b"");
    assert!(status == Some(2) && stderr.contains("v6.12"), "{stderr}");
}

/// A column of a file of comma-separated values, summed over the lines of each thread.
fn sums(csv: &str, thread: &str, column: &str) -> u64 {
    let mut lines = csv.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let head = lines.next().unwrap();
    let at = |name: &str| head.iter().position(|other| *other == name).unwrap();
    let of = lines.filter(|line| line[at("thread")] == thread);
    of.map(|line| line[at(column)].parse::<u64>().unwrap()).sum()
}

#[test]
fn a_folder_gets_table_json_csv_and_plots() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("a/b");
    let path = |name: &str| out.join(name);
    let args = ["check", DETAIL, "--out", out.to_str().unwrap()];
    let (status, table, notes) = apfsim(&args, b"");
    assert_eq!((status, notes.lines().count()), (Some(0), 8), "{notes}");
    let mut names: Vec<_> = std::fs::read_dir(&out)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(
        names,
        [
            "check-course.csv",
            "check-course.png",
            "check-course.svg",
            "check-latencies.csv",
            "check-latencies.png",
            "check-latencies.svg",
            "check.json",
            "check.txt",
        ]
    );
    let read = |name: &str| std::fs::read_to_string(path(name)).unwrap();
    assert_eq!(read("check.txt"), table);
    let report: Value = serde_json::from_str(&read("check.json")).unwrap();
    assert_eq!(report, json(DETAIL));
    // The windows add up to what the table says, and the distributions to their counts.
    let (course, latencies) = (read("check-course.csv"), read("check-latencies.csv"));
    for vcpu in report["vcpus"].as_array().unwrap().iter().filter(|one| one["tries"] != 0) {
        let thread = vcpu["thread"].to_string();
        for column in ["told", "halted", "repeated", "ready"] {
            assert_eq!(Some(sums(&course, &thread, column)), vcpu[column].as_u64(), "{column}");
        }
    }
    let counts = report["latencies"].as_array().unwrap();
    let counts: u64 = counts.iter().map(|one| one["count"].as_u64().unwrap()).sum();
    let listed: u64 = latencies
        .lines()
        .skip(1)
        .map(|line| line.rsplit(',').next().unwrap().parse::<u64>().unwrap())
        .sum();
    assert!(listed == counts && counts > 300, "{listed} {counts}");
    // Once more, quietly, the same.
    let (_, again, notes) = apfsim(&[&args[..], &["-q"]].concat(), b"");
    assert_eq!((again.as_str(), notes.as_str()), (table.as_str(), ""));
    let (status, _, error) =
        apfsim(&["check", DETAIL, "--out", path("check.txt").to_str().unwrap()], b"");
    assert!(status == Some(2) && error.contains("check.txt"), "{error}");
}

/// Every command of the page can be run as it stands.
#[test]
fn the_page_can_be_followed() {
    let page = include_str!("../../../docs/check-a-real-host.md");
    let mut commands = 0;
    for block in page.split("```bash\n").skip(1) {
        for line in block.split("```").next().unwrap().lines() {
            let words: Vec<&str> = line.split_whitespace().collect();
            assert_eq!(words[0], "apfsim");
            if words.contains(&"--out") {
                // Nothing is to be left in the repository; that it is written is tested above.
                continue;
            }
            let (status, stdout, stderr) = apfsim(&words[1..], b"");
            let stalls = i32::from(line.contains("never-completed"));
            assert_eq!((status, stderr.as_str()), (Some(stalls), ""), "{line}: {stdout}");
            commands += 1;
        }
    }
    assert_eq!(commands, 5);
}
