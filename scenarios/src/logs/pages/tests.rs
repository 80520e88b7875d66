//! Logs of a few faults, and what becomes of them.

use super::*;

fn options() -> PagesOptions {
    PagesOptions {
        region: "memory".into(),
        hole: Bytes(3 << 30),
        start: Bytes(0),
        size: None,
        until: None,
        order: PageOrder::Recorded,
    }
}

/// A line of a log, of thread 100.
fn line(us: u64, event: &str) -> String {
    format!("  vcpu0-100 [000] ..... 1.{us:06}: {event}\n")
}

fn fault(us: u64, address: u64, error_code: u64) -> String {
    line(
        us,
        &format!(
            "kvm_page_fault: vcpu 0 rip 0x0 address {address:#018x} error_code {error_code:#x}"
        ),
    )
}

fn read(text: &str, options: &PagesOptions) -> Result<PagesReport, PagesError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    std::fs::write(&path, text).unwrap();
    pages_of_log(path.to_str().unwrap(), options)
}

/// The lines of a list or of a trace but its head.
fn lines(text: &str) -> Vec<&str> {
    text.lines().filter(|line| !line.starts_with('#')).collect()
}

#[test]
fn pages_come_in_the_order_of_their_first_touch() {
    let text = [
        fault(1, 0x5000, 0x1_0000_0014),
        fault(2, 0x6abc, 0x1_0000_0006),
        fault(3, 0x2000, 4),
        fault(4, 0x5fff, 2),
        fault(9, 0x7000, 4),
    ]
    .concat();
    let report = read(&text, &options()).unwrap();
    assert_eq!(lines(&report.list), ["memory 5 2", "memory 2 1", "memory 7 1"]);
    assert_eq!(lines(&report.trace), ["5", "6 w", "2", "7"]);
    assert_eq!((report.pages, report.written, report.runs, report.end), (4, 1, 3, 8));
    assert_eq!((report.repeated, report.outside), (1, [0, 0]));
    assert_eq!(report.span, SimDuration::from_us(8));
    let by_address = PagesOptions { order: PageOrder::Address, ..options() };
    let report = read(&text, &by_address).unwrap();
    assert_eq!(lines(&report.list), ["memory 2 1", "memory 5 3"]);
    assert_eq!(lines(&report.trace), ["5", "6 w", "2", "7"], "whoever touches keeps the order");
}

/// Above the hole for devices memory goes on where it ended below.
#[test]
fn the_hole_is_no_memory() {
    let addresses = [0xbfff_f000, 0xfee0_0000, 0x1_0000_0000, 0x1_0000_1000];
    let text: String = (1..).zip(addresses).map(|(us, address)| fault(us, address, 4)).collect();
    let report = read(&text, &options()).unwrap();
    assert_eq!(lines(&report.list), ["memory 786431 3"]);
    assert_eq!(report.outside, [1, 0]);
    let upper = PagesOptions { start: Bytes(3 << 30), size: Some(Bytes(4096)), ..options() };
    let report = read(&text, &upper).unwrap();
    assert_eq!((lines(&report.list), report.outside), (vec!["memory 0 1"], [1, 2]));
    let without = PagesOptions { hole: Bytes(4 << 30), ..options() };
    assert_eq!(read(&text, &without).unwrap().pages, 4);
}

#[test]
fn fault_around_brings_whole_blocks() {
    let text: String =
        (1..).zip([0, 1, 2, 3, 9, 600]).map(|(us, page)| fault(us, page << 12, 4)).collect();
    let report = read(&text, &options()).unwrap();
    let rows: Vec<(u64, u64, u64)> =
        report.around.iter().map(|row| (row.block, row.messages, row.brought)).collect();
    // The last block ends with the last page.
    let expected = [(1, 6, 6), (4, 3, 9), (16, 2, 25), (32, 2, 57), (128, 2, 217), (512, 2, 601)];
    assert_eq!(rows, expected);
}

#[test]
fn time_in_guest_mode_is_that_between_entry_and_exit() {
    let text = [
        line(1, "kvm_entry: vcpu 0, rip 0x0"),
        line(11, "kvm_exit: reason EPT_VIOLATION rip 0x0 info 0 0"),
        fault(12, 0x1000, 4),
        line(20, "kvm_entry: vcpu 0, rip 0x0"),
        line(50, "kvm_exit: reason EPT_VIOLATION rip 0x0 info 0 0"),
        fault(51, 0x2000, 4),
    ]
    .concat();
    let report = read(&text, &options()).unwrap();
    assert_eq!(report.guest_time, Some(SimDuration::from_us(20)));
    let soon = PagesOptions { until: Some(SimDuration::from_us(30)), ..options() };
    assert_eq!(read(&text, &soon).unwrap().pages, 1);
    let notes = read(&fault(1, 0, 4), &options()).unwrap().notes;
    assert!(notes[0].contains("without kvm_entry"), "{notes:?}");
}

#[test]
fn what_says_nothing_of_memory_is_refused() {
    let entry =
        |thread| format!("  vcpu0-{thread} [000] ..... 1.000001: kvm_entry: vcpu 0, rip 0x0\n");
    let two = [entry(100), entry(200), fault(2, 0, 4)].concat();
    let error = read(&two, &options()).unwrap_err();
    assert!(matches!(error, PagesError::SeveralGuests { threads: [100, 200], .. }), "{error}");
    let shadow = fault(1, 0xffff_8880_0123_4000, 2);
    let error = read(&shadow, &options()).unwrap_err();
    assert!(matches!(error, PagesError::Virtual { .. }), "{error}");
    let error = read(&entry(100), &options()).unwrap_err();
    assert!(matches!(error, PagesError::NoFault { .. }), "{error}");
    let far = PagesOptions { start: Bytes(1 << 20), ..options() };
    let error = read(&fault(1, 0, 4), &far).unwrap_err();
    assert!(matches!(error, PagesError::NoPage { outside: 1, .. }), "{error}");
    for wrong in [
        PagesOptions { region: "two words".into(), ..options() },
        PagesOptions { hole: Bytes(1000), ..options() },
        PagesOptions { hole: Bytes(5 << 30), ..options() },
        PagesOptions { size: Some(Bytes(0)), ..options() },
    ] {
        let error = read(&fault(1, 0, 4), &wrong).unwrap_err();
        assert!(matches!(error, PagesError::Option { .. }), "{wrong:?}: {error}");
    }
}
