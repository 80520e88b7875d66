//! What is refused, and what never breaks.

use proptest::prelude::*;

use super::*;

/// Options that run nothing.
fn options() -> FitOptions {
    FitOptions { run: false, ..FitOptions::default() }
}

fn fitted(log: &str) -> Result<FitReport, FitError> {
    fit(log.as_bytes(), "a log", &options())
}

/// A synchronous fault on a device of 500 us, at that time.
fn synchronous(at: u64) -> String {
    let line = |thread: &str, us: u64, event: &str| {
        let at = at + us;
        format!(" {thread} [000] d..1. {}.{:06}: {event}\n", at / 1_000_000, at % 1_000_000)
    };
    [
        line("vcpu0-10", 0, "kvm_exit: vcpu 0 reason EPT_VIOLATION rip 0x1 info1 0 info2 0"),
        line("vcpu0-10", 9, "block_rq_issue: 8,0 R 4096 () 800 + 8 be,0,4 [vcpu0]"),
        line(
            "vcpu0-10",
            12,
            "sched_switch: prev_comm=vcpu0 prev_pid=10 prev_prio=120 prev_state=D ==> \
             next_comm=swapper/0 next_pid=0 next_prio=120",
        ),
        line("<idle>-0", 509, "block_rq_complete: 8,0 R () 800 + 8 [0]"),
        line(
            "<idle>-0",
            512,
            "sched_switch: prev_comm=swapper/0 prev_pid=0 prev_prio=120 prev_state=R ==> \
             next_comm=vcpu0 next_pid=10 next_prio=120",
        ),
        line("vcpu0-10", 520, "kvm_entry: vcpu 0, rip 0x1"),
    ]
    .concat()
}

fn log_of(faults: u64) -> String {
    (0..faults).map(|fault| synchronous(1_000_000 + 600 * fault)).collect()
}

#[test]
fn a_synchronous_host_is_recognised() {
    let report = fitted(&log_of(20)).expect("a log");
    assert_eq!((report.mode, report.counts.synchronous), (Mode::Synchronous, 20));
    let device = report.device.expect("it has one");
    assert_eq!((device.read.count, device.number), (20, (8, 0)));
    assert!((device.read.centre - 500_000.0).abs() < 500.0, "{device:?}");
    let policy = report.given.iter().find(|given| given.field == "policies").expect("given");
    assert_eq!(policy.value, "sync");
    let scenario = Scenario::from_str("a log", &report.scenario).expect("a scenario");
    assert_eq!(scenario.machine.guest.vcpus, 1);
}

/// Any thread of a VMM may run any vCPU; two at once are two.
#[test]
fn a_vcpu_that_threads_take_turns_to_run_is_one() {
    let turn = |fault: u64| {
        let thread = if fault.is_multiple_of(3) { 11 } else { 10 };
        synchronous(1_000_000 + 600 * fault)
            .replace("vcpu0-10", &format!("vcpu0-{thread}"))
            .replace("_pid=10", &format!("_pid={thread}"))
    };
    // A thread leaves the guest before the other one enters it.
    let mut log = String::new();
    for fault in 0..30 {
        log += &turn(fault);
        let us = 1_000_000 + 600 * fault + 530;
        let thread = if fault % 3 == 0 { 11 } else { 10 };
        let seconds = us / 1_000_000;
        let exit = "kvm_exit: vcpu 0 reason EXTERNAL_INTERRUPT rip 0x1 info1 0 info2 0";
        log += &format!(" vcpu0-{thread} [000] d..1. {seconds}.{:06}: {exit}\n", us % 1_000_000);
        let next = if (fault + 1) % 3 == 0 { 11 } else { 10 };
        let entry = "kvm_entry: vcpu 0, rip 0x1";
        log += &format!(" vcpu0-{next} [000] d..1. {seconds}.{:06}: {entry}\n", us % 1_000_000 + 9);
    }
    let report = fitted(&log).expect("one guest");
    let scenario = Scenario::from_str("a log", &report.scenario).expect("a scenario");
    assert_eq!(scenario.machine.guest.vcpus, 1);
}

#[test]
fn a_thread_that_keeps_its_processor_polls() {
    let log: String = log_of(20).lines().filter(|l| !l.contains("sched_switch")).fold(
        String::new(),
        |mut log, line| {
            log.push_str(line);
            log.push('\n');
            log
        },
    );
    let report = fitted(&log).expect("a log");
    assert_eq!(report.mode, Mode::Polled);
    assert!(report.scenario.contains("\"polled_reads\": true"), "{}", report.scenario);
}

#[test]
fn times_of_the_device_are_those_of_the_log() {
    let slow =
        log_of(30).replace("block_rq_complete: 8,0 R () 800", "block_rq_complete: 8,0 R () 808");
    // A completion of something else is no latency.
    assert!(matches!(fitted(&slow), Err(FitError::NoDevice { .. })));
}

#[test]
fn what_shows_too_little_is_refused_with_advice() {
    let message = |log: &str| fitted(log).expect_err("too little").to_string();
    let nothing = message(" a-1 [000] ..... 1.000001: sched_waking: comm=a pid=1\n");
    assert!(nothing.contains("no event of KVM") && nothing.contains("kvm:*"), "{nothing}");
    let no_device = message(&log_of(20).replace("block_rq_issue", "block_rq_insert"));
    assert!(no_device.contains("--device 500us"), "{no_device}");
    let named = no_device.lines().find(|line| line.contains("help: record")).expect("advice");
    assert!(named.contains("record block:block_rq_issue too"), "{named}");
    let no_end = message(&log_of(20).replace("block_rq_complete", "block_rq_insert"));
    assert!(no_end.contains("record block:block_rq_complete too"), "{no_end}");
    let few = message(&log_of(9));
    assert!(few.contains("shows 9 faults that needed I/O, of at least 10"), "{few}");
    let other = log_of(20).replace("vcpu0-10", "vcpu0-20").replace("[000]", "[001]");
    let two = log_of(20) + &other;
    assert!(message(&two).contains("more than one guest"), "{}", message(&two));
    let ticks = log_of(20).replace("1.0", "10");
    assert!(message(&ticks).contains("trace_clock"), "{}", message(&ticks));
    assert!(matches!(fitted(""), Err(FitError::Log(_))));
}

/// Times of another unit, and all alike, give costs with which a run does not end.
#[test]
fn times_that_are_none_of_a_host_are_refused() {
    let at_times = |time: fn(u64) -> u64| {
        let log = log_of(20);
        let line = |line: &str| {
            let (head, rest) = line.split_once(" d..1. ").expect("a line");
            let (at, event) = rest.split_once(": ").expect("a line");
            let us: u64 = at.replace('.', "").parse().expect("a time");
            let ns = time(us * 1000);
            format!("{head} d..1. {}.{:09}: {event}\n", ns / 1_000_000_000, ns % 1_000_000_000)
        };
        let changed: String = log.lines().map(line).collect();
        fitted(&changed).map(|report| report.length)
    };
    assert!(at_times(|ns| ns).is_ok());
    for time in
        [|_| 5, |ns| ns / 10_000, |ns| ns.saturating_mul(1_000_000_000)] as [fn(u64) -> u64; 3]
    {
        assert!(matches!(at_times(time), Err(FitError::NoTimes { .. })), "{:?}", at_times(time));
    }
}

#[test]
fn options_are_checked_before_the_log() {
    let with = |change: fn(&mut FitOptions)| {
        let mut options = options();
        change(&mut options);
        fit_path("/nowhere", &options).expect_err("an option is wrong").to_string()
    };
    let wrong = with(|options| options.policy = Some("halt-v9".into()));
    assert!(wrong.contains("--policy") && wrong.contains("halt-v6.12"), "{wrong}");
    let wrong = with(|options| options.cpu = Some("z80".into()));
    assert!(wrong.contains("--cpu") && wrong.contains("skylake-sp"), "{wrong}");
    let wrong = with(|options| options.device = Some("floppy".into()));
    assert!(wrong.contains("--device") && wrong.contains("nvme-tlc-gen3"), "{wrong}");
    let wrong = with(|options| options.faulters = Some(0));
    assert!(wrong.contains("--faulters 0 is out of range"), "{wrong}");
    let wrong = with(|options| options.touch = Some(SimDuration::ZERO));
    assert!(wrong.contains("--touch"), "{wrong}");
    assert!(with(|_| {}).contains("cannot open"));
}

#[test]
fn a_log_without_its_device_takes_the_given_one() {
    let log = log_of(20).replace("block_rq", "block_bio");
    let tries: String = (0..20)
        .map(|fault| {
            let at = 2_000_000 + 700 * fault;
            format!(
                " vcpu0-10 [000] ..... {}.{:06}: kvm_async_pf_not_present: token 0x{:x} gva 0x8000\n",
                at / 1_000_000,
                at % 1_000_000,
                (fault + 1) << 12
            )
        })
        .collect();
    let log = log + &tries;
    let device = |text: &str| FitOptions { device: Some(text.into()), ..options() };
    let report = fit(log.as_bytes(), "a log", &device("250us")).expect("a log");
    assert!(report.scenario.contains("\"read_latency\": \"250us\""), "{}", report.scenario);
    let report = fit(log.as_bytes(), "a log", &device("nvme-tlc-gen3")).expect("a log");
    assert!(report.scenario.contains("\"device\": \"nvme-tlc-gen3\""), "{}", report.scenario);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..4000)) {
        let _ = fit(&bytes[..], "bytes", &options());
    }

    /// Real lines with bytes changed, cut and out of order, times that run backwards among them.
    #[test]
    fn broken_lines_never_panic(
        picks in proptest::collection::vec((0usize..6, 0usize..200, any::<u8>(), 0u8..3), 1..200),
    ) {
        let text = synchronous(5_000_000);
        let lines: Vec<&str> = text.lines().collect();
        let mut log = log_of(12).into_bytes();
        for (pick, at, byte, how) in picks {
            let mut line = lines[pick].as_bytes().to_vec();
            let at = at.min(line.len() - 1);
            match how {
                0 => line[at] = byte,
                1 => line.truncate(at),
                _ => {}
            }
            log.extend(line);
            log.push(b'\n');
        }
        if let Ok(report) = fit(&log[..], "lines", &options()) {
            prop_assert!(Scenario::from_str("lines", &report.scenario).is_ok());
        }
    }
}
