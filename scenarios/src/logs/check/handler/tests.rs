//! Messages and their answers, as probes show them.

use models::monitors::Verdict;

use super::*;

fn told(handlers: &mut Handlers, line: u64, us: u64, thread: u32, name: &str, fields: &str) {
    handlers.observe(line, us * 1000, thread, name.as_bytes(), fields.as_bytes());
}

/// A request of a worker as the kernel of 6.12 prints it: lookup, message, read, copy, completed.
fn request(handlers: &mut Handlers, from: u64, address: u64) {
    let (line, fault) = (from, "(handle_userfault+0x4/0x920)");
    told(
        handlers,
        line,
        from,
        159,
        "uffd_fault",
        &format!("{fault} addr={address:#x} flags=0x81c"),
    );
    told(handlers, line + 1, from + 16, 10, "x", &format!("{fault} addr={address:#x} flags=0x895"));
    let read = "(vfs_read+0x244/0x370 <- userfaultfd_read_iter) ret=32";
    told(handlers, line + 2, from + 26, 162, "y", read);
    let copy = format!("(mfill_atomic_copy+0x4/0xb40) addr={address:#x}");
    told(handlers, line + 3, from + 134, 163, "z", &copy);
    let copied = "(userfaultfd_ioctl+0x9b9/0xe70 <- mfill_atomic_copy) ret=4096";
    told(handlers, line + 4, from + 139, 163, "z2", copied);
    handlers.completed((from + 147) * 1000, address);
}

#[test]
fn steps_of_the_handler_are_measured_whatever_the_probes_are_called() {
    let mut handlers = Handlers::default();
    for number in 0..20 {
        request(&mut handlers, 1000 * number, 0x7f67_031c_1000 + 4096 * number);
    }
    let found = handlers.finish(0).unwrap().0;
    assert_eq!((found.lookups, found.messages, found.read), (20, 20, 20));
    assert_eq!((found.copies, found.installed, found.unasked, found.open), (20, 20, 0, 0));
    let p50 = found.times().map(|(_, times)| times.value_at_quantile(0.5) / 1000);
    assert_eq!(p50, [10, 108, 5, 8]);
}

/// One call answers several messages: each is timed, whichever page of the call it is about.
#[test]
fn every_page_of_a_call_is_timed() {
    let mut handlers = Handlers::default();
    for at in 0..3 {
        asks(&mut handlers, 10 * at, 20 + at as u32, 0x2000 + 0x2000 * at);
    }
    reads(&mut handlers, 50, 7, 3);
    // It begins with a page that nobody asked for, and two further ones lie between.
    installs(&mut handlers, 60, 7, 0x1000, 6 * 4096);
    let found = handlers.finish(0).unwrap().0;
    assert_eq!((found.copies, found.installed, found.unasked), (1, 6, 3));
    assert_eq!(found.read_to_copy.count(), 3);
    assert_eq!(found.read_to_copy.value_at_quantile(1.0) / 1000, 10);
}

#[test]
fn addresses_without_symbols_go_by_the_names_of_the_recipe() {
    let at = |name: &str, fields: &str| probe_of(name.as_bytes(), fields.as_bytes());
    assert_eq!(
        at("uffd_copied", "(ffffffff81234567 <- ffffffff81234000) ret=4096"),
        Some(Probe::Copied)
    );
    assert_eq!(at("uffd_fault", "(ffffffff81234567) addr=0x7f00"), Some(Probe::Fault));
    assert_eq!(at("uffd_fault", "(do_swap_page+0x4/0x920) addr=0x7f00"), None);
    assert_eq!(at("uffd_fault", "addr=0x7f00"), None);
    let mcopy = "(userfaultfd_ioctl+0x1/0x2 <- mcopy_atomic) arg1=0";
    assert_eq!(at("r_mcopy_0", mcopy), Some(Probe::Copied));
    assert_eq!(at("sys_read", "fd: 7, buf: 0x7f"), None);
}

#[test]
fn a_copy_answers_all_that_wait_for_its_pages() {
    let mut handlers = Handlers::default();
    let fault = |handlers: &mut Handlers, line, address: u64| {
        let fields = format!("(handle_userfault+0x4/0x920) addr={address:#x} flags=0x895");
        // Each of them sleeps.
        told(handlers, line, line, 10 + line as u32, "uffd_fault", &fields);
    };
    for (line, address) in [(1, 0x10_0000), (2, 0x10_1000), (3, 0x10_1000), (4, 0x20_0000)] {
        fault(&mut handlers, line, address);
    }
    told(&mut handlers, 5, 50, 7, "r", "(a+0x1/0x2 <- userfaultfd_read) ret=64");
    told(&mut handlers, 6, 60, 8, "c", "(mcopy_atomic+0x0/0x9) addr=0x100000");
    told(&mut handlers, 7, 70, 8, "d", "(a+0x1/0x2 <- mcopy_atomic) ret=0x4000");
    told(&mut handlers, 8, 80, 8, "c", "(mcopy_atomic+0x0/0x9) addr=0x100000");
    told(&mut handlers, 9, 90, 8, "d", "(a+0x1/0x2 <- mcopy_atomic) ret=0xffffffef");
    let found = handlers.finish(1_000_000).unwrap().0;
    assert_eq!((found.messages, found.read, found.installed, found.unasked), (4, 2, 4, 2));
    assert_eq!((found.there, found.failed, found.open, found.unread), (1, 0, 1, 1));
    let oldest = found.oldest.unwrap();
    assert_eq!(
        (oldest.line, oldest.address, oldest.age, oldest.read),
        (4, 0x20_0000, 996_000, false)
    );
}

#[test]
fn nothing_is_found_where_there_is_no_probe_and_broken_fields_do_no_harm() {
    let mut handlers = Handlers::default();
    told(&mut handlers, 1, 1, 1, "sched_wakeup", "comm=x pid=1");
    assert!(handlers.finish(9).is_none());
    let mut handlers = Handlers::default();
    for fields in [
        "(handle_userfault+0x4/0x920) addr=0xffffffffffffffff flags=0x895",
        "(handle_userfault+0x4/0x920) addr=zz flags=-1",
        "(handle_userfault+0x4/0x920)",
        "(mcopy_atomic+0x0/0x9) addr=0xffffffffffffffff",
        "(a <- mcopy_atomic) ret=0x7fffffffffffffff",
        "(a <- mcopy_atomic) ret=-9223372036854775808",
        "(a <- userfaultfd_read) ret=9223372036854775807",
        "(a <- userfaultfd_read) ret=-11",
        "(",
        "()",
        "(<- )",
    ] {
        told(&mut handlers, 1, 1, 1, "uffd_fault", fields);
    }
    handlers.lost();
    assert_eq!(handlers.finish(9).unwrap().0.open, 0);
}

const READ: &str = "(vfs_read+0x244/0x370 <- userfaultfd_read_iter)";

fn asks(handlers: &mut Handlers, us: u64, thread: u32, address: u64) {
    let fields = format!("(handle_userfault+0x4/0x920) addr={address:#x} flags=0x895");
    told(handlers, us, us, thread, "f", &fields);
}

fn reads(handlers: &mut Handlers, us: u64, thread: u32, messages: u64) {
    told(handlers, us, us, thread, "r", &format!("{READ} ret={}", 32 * messages));
}

fn installs(handlers: &mut Handlers, us: u64, thread: u32, address: u64, ret: i64) {
    told(
        handlers,
        us,
        us,
        thread,
        "c",
        &format!("(mfill_atomic_copy+0x4/0xb40) addr={address:#x}"),
    );
    let copied = format!("(userfaultfd_ioctl+0x9b9/0xe70 <- mfill_atomic_copy) ret={ret}");
    told(handlers, us + 4, us + 4, thread, "d", &copied);
}

/// A sleeper wakes.
fn awake(handlers: &mut Handlers, us: u64, thread: u32) {
    told(handlers, us, us, 9, "sched_wakeup", &format!("comm=kworker/0:1 pid={thread} prio=120"));
}

fn found(handlers: Handlers, us: u64) -> Vec<(u8, Verdict, u64)> {
    let (_, findings) = handlers.finish(us * 1000).unwrap();
    findings.into_iter().map(|it| (it.id.0, it.verdict, it.count)).collect()
}

/// How often INV-48 and INV-49 are broken.
fn broken(woken: u64, answered: u64) -> Vec<(u8, Verdict, u64)> {
    let verdict = |count| if count > 0 { Verdict::Violation } else { Verdict::Clean };
    vec![(48, verdict(woken), woken), (49, verdict(answered), answered)]
}

/// A reader that installs what it reads, twice.
fn answered() -> Handlers {
    let mut handlers = Handlers::default();
    for (us, address) in [(0, 0x1000), (100, 0x2000)] {
        asks(&mut handlers, us, 10, address);
        reads(&mut handlers, us + 10, 7, 1);
        installs(&mut handlers, us + 20, 7, address, 4096);
        awake(&mut handlers, us + 30, 10);
    }
    handlers
}

#[test]
fn a_reader_that_leaves_a_page_out_is_found() {
    assert_eq!(found(answered(), 1_000_000), broken(0, 0));
    // Two messages, of which it answers one.
    let forgetful = |installed: &[(u32, u64, i64)], ask: &[u64]| {
        let mut handlers = answered();
        for (at, &address) in (200..).zip(ask) {
            asks(&mut handlers, at, 11 + at as u32, address);
        }
        reads(&mut handlers, 210, 7, 2);
        for (at, &(thread, address, ret)) in (220..).step_by(6).zip(installed) {
            installs(&mut handlers, at, thread, address, ret);
        }
        for at in 0..3 {
            awake(&mut handlers, 300, 211 + at);
        }
        asks(&mut handlers, 400, 30, 0x9000);
        reads(&mut handlers, 410, 7, 1);
        found(handlers, 500)
    };
    let both = [0x3000, 0x4000];
    let clean = broken(0, 0);
    assert_eq!(forgetful(&[(7, 0x3000, 4096)], &both), broken(0, 1));
    assert_eq!(forgetful(&[(7, 0x3000, 8192)], &both), clean);
    assert_eq!(forgetful(&[(7, 0x3000, 4096), (7, 0x4000, -17)], &both), clean);
    // Another thread helps, a call is to be repeated, or a third message may have been read: not judged.
    assert_eq!(forgetful(&[(8, 0x3000, 4096)], &both), clean);
    assert_eq!(forgetful(&[(7, 0x3000, 4096), (7, 0x4000, -11)], &both), clean);
    assert_eq!(forgetful(&[(7, 0x3000, 4096)], &[0x3000, 0x4000, 0x5000]), clean);
}

#[test]
fn who_sleeps_beside_an_installed_page_is_found() {
    let with = |wakes: bool, end: u64| {
        let mut handlers = answered();
        asks(&mut handlers, 200, 12, 0x3000);
        reads(&mut handlers, 210, 7, 1);
        installs(&mut handlers, 220, 7, 0x3000, 4096);
        if wakes {
            awake(&mut handlers, 230, 12);
        }
        found(handlers, end)
    };
    assert_eq!(with(false, 1_000_000), broken(1, 0));
    assert_eq!(with(true, 1_000_000), broken(0, 0));
    // What was before its page was there says nothing, wherever it stands in the log.
    let mut handlers = answered();
    asks(&mut handlers, 200, 12, 0x3000);
    installs(&mut handlers, 220, 7, 0x3000, 4096);
    handlers.shows(12, 199_000);
    assert_eq!(found(handlers, 1_000_000), broken(1, 0));
    // Not for long, or the log shows of nobody that he wakes.
    assert_eq!(with(false, 1000), broken(0, 0));
    let mut handlers = Handlers::default();
    asks(&mut handlers, 0, 12, 0x3000);
    reads(&mut handlers, 10, 7, 1);
    installs(&mut handlers, 20, 7, 0x3000, 4096);
    let (_, findings) = handlers.finish(1_000_000_000).unwrap();
    assert_eq!(findings[0].verdict, Verdict::Undecided { missing: "sched_wakeup" });
    let mut handlers = Handlers::default();
    asks(&mut handlers, 0, 12, 0x3000);
    let (_, findings) = handlers.finish(1_000_000_000).unwrap();
    assert_eq!(findings[1].verdict, Verdict::Undecided { missing: "mfill_atomic_copy" });
}
