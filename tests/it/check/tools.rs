//! Logs as tools print them and as people post them: whatever stands around the events, and
//! whatever program printed their fields, the facts are those of the plain log.

use std::io::Read as _;

use flate2::read::GzDecoder;
use serde_json::{Value, json};

use crate::kit::{program, with_input};

fn data(name: &str) -> String {
    let path = format!("{}/tests/data/{name}.txt.gz", env!("CARGO_MANIFEST_DIR"));
    let mut text = String::new();
    GzDecoder::new(std::fs::File::open(path).unwrap()).read_to_string(&mut text).unwrap();
    text
}

fn apfsim(args: &[&str], input: &str) -> (Option<i32>, String, String) {
    let mut command = program();
    let output = with_input(command.args(args), input.as_bytes());
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

fn check(text: &str) -> Value {
    let (status, stdout, stderr) = apfsim(&["check", "-", "--format", "json"], text);
    assert_eq!((status, stderr.as_str()), (Some(0), ""), "{stdout}");
    serde_json::from_str(&stdout).unwrap()
}

/// What must not depend on who printed a log: counts, verdicts and latencies.
fn facts(report: &Value) -> Value {
    let busy = |one: &&Value| one["tries"] != 0 || one["told"] != 0 || one["ready"] != 0;
    let of = |list: &str, fields: &[&str]| -> Vec<Value> {
        let all = report[list].as_array().unwrap().iter();
        let all = all.filter(|one| list != "vcpus" || busy(one));
        all.map(|one| fields.iter().map(|field| one[*field].clone()).collect()).collect()
    };
    let vcpus = [
        "thread",
        "tries",
        "told",
        "halted",
        "repeated",
        "at_cap",
        "other_sync",
        "ready",
        "most_outstanding",
    ];
    json!({
        "verdict": report["verdict"],
        "events": report["events"],
        "invariants": of("invariants", &["invariant", "verdict", "count"]),
        "vcpus": of("vcpus", &vcpus),
        "latencies": of("latencies", &["name", "count", "min_ns", "p50_ns", "max_ns"]),
        "lost": report["lost"],
    })
}

fn told_and_halted(report: &Value) -> (u64, u64) {
    let sum = |field: &str| {
        report["vcpus"].as_array().unwrap().iter().map(|one| one[field].as_u64().unwrap()).sum()
    };
    (sum("told"), sum("halted"))
}

/// libtraceevent cannot follow the print format of `kvm_inj_exception` since 6.0.
#[test]
fn exceptions_that_trace_cmd_prints_raw_are_told() {
    let plain = check(&data("forms/tracefs-told"));
    let report = check(&data("forms/trace-cmd-raw-exceptions"));
    assert_eq!((told_and_halted(&report), &report["skipped"]), ((4, 0), &json!([])));
    assert_eq!(report["verdict"], "clean");
    assert_eq!(facts(&report), facts(&plain));
}

#[test]
fn an_event_that_is_not_understood_is_named_and_accuses_nobody() {
    let text = data("forms/trace-cmd-raw-exceptions");
    for odd in ["[FAILED TO PARSE] vec=14 err=1", "exception 14 error 0", "vector 14", ""] {
        let odd = text
            .replace("[FAILED TO PARSE] exception=14 has_error=1 error_code=0 reinjected=0", odd);
        let report = check(&odd);
        assert_eq!(report["skipped"][0]["kind"], "bad_fields");
        assert_eq!(report["skipped"][0]["event"], "kvm_inj_exception");
        assert_eq!(report["skipped"][0]["count"], 4);
    }
}

/// libtraceevent's plugin names the exits of AMD processors in its own way.
#[test]
fn exits_that_the_plugin_names_give_the_same_fit() {
    let text = data("forms/trace-cmd-amd-exits");
    let kernels = text
        .replace("EXIT_NPF", "npf")
        .replace("EXIT_INTR", "interrupt")
        .replace("EXIT_MSR", "msr");
    assert_ne!(text, kernels);
    assert_eq!(facts(&check(&text)), facts(&check(&kernels)));
    let exits = |text: &str| {
        let report = check(text);
        let all = report["latencies"].as_array().unwrap().clone();
        all.iter().find(|one| one["name"] == "exit to try").unwrap()["count"].clone()
    };
    assert_eq!(exits(&text), 17);
    let fit = |text: &str| apfsim(&["fit-scenario", "-", "--no-run"], text).1;
    assert_eq!(fit(&text), fit(&kernels));
    for fact in ["17 faults told, 0 halted", "constant, 499.", "lab-1gips-traced"] {
        assert!(fit(&text).contains(fact), "{fact}: {}", fit(&text));
    }
}

#[test]
fn losses_are_seen_in_a_dumped_buffer() {
    let plain = check(&data("forms/dump-plain"));
    let dumped = check(&data("forms/dump-sysrq"));
    assert_eq!(facts(&dumped), facts(&plain));
    assert_eq!(dumped["verdict"], "clean");
    assert_eq!(dumped["lost"], json!({"places": 1, "events": 31}));
}

/// What mails, loggers and `grep` put before lines stands before notes as well.
#[test]
fn prefixes_change_nothing() {
    let plain = data("forms/dump-plain");
    let expected = facts(&check(&plain));
    for prefix in [
        "> ",
        ">> > ",
        "| ",
        "[  123.400036] ",
        "[  123.400036][ T4711] ",
        "<6>[  123.400036] ",
        "Nov 28 20:00:00 opus kernel: ",
        "Nov 28 20:00:00 host kernel: [  123.400036] ",
        "2026-11-28T20:00:00.123456+00:00 host kernel: ",
        "[Sat Nov 28 20:00:00 2026] ",
        "trace.txt:",
        "logs/trace.txt:17:",
        "17:",
        "    17\t",
        "\u{1b}[32m",
        "&gt; ",
    ] {
        let text: String = plain.lines().map(|line| format!("{prefix}{line}\n")).collect();
        let report = check(&text);
        assert_eq!(facts(&report), expected, "{prefix:?}");
        assert_eq!(report["skipped"], json!([]), "{prefix:?}");
    }
}

#[test]
fn pages_terminals_and_mails_change_nothing() {
    for log in ["forms/tracefs-told", "logs/tr24-pv-2cpu-4f4w-500us-detail"] {
        let plain = data(log);
        let expected = facts(&check(&plain));
        let html = plain.replace('&', "&amp;").replace('>', "&gt;").replace('<', "&lt;");
        let coded = plain.replace('=', "=3D");
        let coloured = plain.replace(": kvm", ": \u{1b}[1;31mkvm").replace(" rip", "\u{1b}[0m rip");
        let spaced = plain.replace(" kvm_", "\u{a0}kvm_");
        let windows = plain.replace('\n', "\r\n");
        let mark = format!("\u{feff}{plain}");
        for text in [html, coded, coloured, spaced, windows, mark] {
            let report = check(&text);
            assert_eq!(facts(&report), expected);
            assert_eq!(report["skipped"], json!([]));
        }
        // Quoted-printable lines are cut at 76 bytes, inside of words.
        let coded = plain.replace('=', "=3D");
        let cut = |line: &str| {
            let mut out = String::new();
            let mut rest = line;
            while rest.len() > 75 {
                let at = if rest[..75].ends_with('=') {
                    74
                } else if rest[..75].ends_with("=3") {
                    73
                } else {
                    75
                };
                out.push_str(&format!("{}=\n", &rest[..at]));
                rest = &rest[at..];
            }
            out + rest + "\n"
        };
        let report = check(&coded.lines().map(cut).collect::<String>());
        assert_eq!(facts(&report), expected);
    }
}

/// A line broken at the last space before `width`, as mail programs do.
fn mail_wrapped(line: &str, width: usize, prefix: &str) -> String {
    let mut out = String::new();
    let mut rest = line.trim();
    while rest.len() > width {
        let at = rest[..width].rfind(' ').unwrap_or(rest.len());
        out.push_str(&format!("{prefix}{}\n", rest[..at].trim_end()));
        rest = rest[at..].trim_start();
    }
    out + prefix + rest + "\n"
}

/// A line cut at `width`, as terminals do.
fn terminal_wrapped(line: &str, width: usize) -> String {
    let mut out = String::new();
    let mut rest = line;
    while rest.len() > width {
        out.push_str(&format!("{}\n", &rest[..width]));
        rest = &rest[width..];
    }
    out + rest + "\n"
}

#[test]
fn wrapped_lines_are_joined() {
    let plain = check(&data("forms/tracefs-told"));
    let report = check(&data("forms/mail-wrapped"));
    assert_eq!(facts(&report), facts(&plain));
    assert_eq!((told_and_halted(&report), &report["joined"]), ((4, 0), &json!(56)));

    let plain = data("logs/tr24-pv-2cpu-4f4w-500us-detail");
    let kvm: String = plain
        .lines()
        .filter(|line| line.contains(": kvm_"))
        .map(|line| format!("{line}\n"))
        .collect();
    let expected = facts(&check(&kvm));
    for width in [60, 66, 72, 78, 98] {
        for prefix in ["", "> "] {
            let wrapped: String =
                kvm.lines().map(|line| mail_wrapped(line, width, prefix)).collect();
            let report = check(&wrapped);
            assert_eq!(facts(&report), expected, "{width} {prefix:?}");
            assert_eq!(report["skipped"], json!([]), "{width} {prefix:?}");
        }
        let cut: String = kvm.lines().map(|line| terminal_wrapped(line, width)).collect();
        let report = check(&cut);
        assert_eq!(facts(&report), expected, "cut at {width}");
        assert_eq!(report["skipped"], json!([]), "cut at {width}");
    }
}

/// Where much cannot be read, that is what the report begins with.
#[test]
fn unreadable_logs_are_not_said_to_have_no_faults() {
    let text = data("forms/tracefs-told");
    let (_, whole, _) = apfsim(&["check", "-"], &text.replace("kvm_", "kvn_"));
    assert!(whole.contains("No asynchronous page fault is in this log"), "{whole}");
    let odd = text.replace("gva", "gvb");
    let (status, odd, _) = apfsim(&["check", "-"], &odd);
    assert_eq!(status, Some(0));
    assert!(odd.contains("Nothing can be concluded"), "{odd}");
    assert!(!odd.contains("No asynchronous page fault"), "{odd}");
    for name in ["kvm_async_pf_not_present", "kvm_async_pf_ready", "kvm_async_pf_completed"] {
        assert!(odd.contains(&format!("4: malformed fields of {name}")), "{name}: {odd}");
    }
}

#[test]
fn call_chains_between_events_are_no_odd_lines() {
    let plain = data("logs/tr24-pv-2cpu-4f4w-500us-detail");
    let expected = facts(&check(&plain));
    let perf = "\tffffffff8109d6e8 native_write_msr+0x8 ([kernel.kallsyms])\n\
                \t    7f3c05000000 ioctl+0xb (/usr/lib/x86_64-linux-gnu/libc.so.6)\n\n";
    let tracefs = " => kvm_arch_vcpu_ioctl_run\n => do_syscall_64\n";
    for chain in [perf, tracefs] {
        let text: String = plain.lines().map(|line| format!("{line}\n{chain}")).collect();
        let report = check(&text);
        assert_eq!(facts(&report), expected);
        assert_eq!(report["skipped"], json!([]));
    }
}

#[test]
fn an_s390_log_is_named_and_its_faults_are_paired() {
    let text = data("forms/s390-pfault");
    let report = check(&text);
    assert_eq!(report["kernels"], "s390");
    assert_eq!(report["invariants"], json!([]));
    let faults = &report["pfaults"];
    assert_eq!(
        (&faults["begun"], &faults["done"], &faults["open"]),
        (&json!(8), &json!(7), &json!(1))
    );
    assert_eq!(faults["open_faults"][0]["token"], 4_396_368_790_784_u64);
    let (_, table, _) = apfsim(&["check", "-"], &text);
    assert!(table.contains("s390 host"), "{table}");
    for x86 in ["kvm_async_pf_not_present", "kvm_msr", "INV-"] {
        assert!(!table.contains(x86), "{x86}: {table}");
    }
    // The end of another fault missing, and an end of one from before.
    let ends: Vec<&str> = text.lines().filter(|line| line.contains("pfault_done")).collect();
    let other = check(&text.replace(&format!("{}\n", ends[2]), ""));
    assert_eq!((&other["pfaults"]["done"], &other["pfaults"]["open"]), (&json!(6), &json!(2)));
    let begin = text.lines().find(|line| line.contains("pfault_init")).unwrap();
    let other = check(&text.replace(&format!("{begin}\n"), ""));
    assert_eq!(other["pfaults"]["done_from_before"], 1);
    let lost = check(&(text + "CPU:1 [LOST 3 EVENTS]\n"));
    assert_eq!(lost["pfaults"]["open"], 0);
    assert_eq!(lost["pfaults"]["may_have_ended_among_lost"], 1);
    let (status, _, error) = apfsim(&["fit-scenario", "-"], &data("forms/s390-pfault"));
    assert!(status == Some(2) && error.contains("s390 host"), "{error}");
}

/// Page ready is raised only for faults that were told: where exceptions were not recorded, it says
/// who was.
#[test]
fn a_fit_sees_from_page_ready_who_was_told() {
    let plain = data("logs/tr11-pv-1cpu-4f4w-500us-detail");
    let without = |names: &[&str]| -> String {
        let other = |line: &&str| !names.iter().any(|name| line.contains(&format!(": {name}: ")));
        plain.lines().filter(other).map(|line| format!("{line}\n")).collect()
    };
    let fit = |text: &str| {
        let (status, stdout, stderr) = apfsim(&["fit-scenario", "-", "--no-run"], text);
        assert_eq!(status, Some(0), "{stderr}");
        stdout.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    for missing in [
        &["kvm_inj_exception"][..],
        &["kvm_inj_exception", "kvm_apic_accept_irq"],
        &["kvm_inj_exception", "kvm_apic_accept_irq", "kvm_inj_virq"],
    ] {
        let told = fit(&without(missing));
        assert!(
            told.contains("the guest is told; 152 faults told, 0 halted"),
            "{missing:?}: {told}"
        );
        assert!(told.contains("policies apf-v6.12"), "{missing:?}: {told}");
        assert!(told.contains("seen from page ready"), "{missing:?}: {told}");
    }
    let nothing =
        fit(&without(&["kvm_inj_exception", "kvm_apic_accept_irq", "kvm_inj_virq", "kvm_msr"]));
    assert!(nothing.contains("assumed: kvm_inj_exception was not"), "{nothing}");
}
