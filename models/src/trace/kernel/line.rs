//! A line of a log, taken apart.

use super::clean::{is_call_chain, unprefixed};
use super::header::{Header, PERF_NOTE, event};
use super::words::{contains, digits, whole};

/// A note that events were lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lost {
    /// Of which processor; unknown to some programs.
    pub cpu: Option<u32>,
    /// How many; often unknown.
    pub events: Option<u64>,
}

/// A line of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line<'a> {
    /// An event with its fields.
    Event(Header<'a>, &'a [u8]),
    /// Events were lost here.
    Lost(Lost),
    /// A comment, or an empty line.
    Comment,
    /// Nothing that is known.
    Unknown,
}

/// Takes a line apart.
pub fn split(line: &[u8]) -> Line<'_> {
    let text = line.trim_ascii();
    if text.is_empty() {
        return Line::Comment;
    }
    if is_comment(text) {
        return comment(text);
    }
    match event(text) {
        Some((header, fields)) if header.name.starts_with(PERF_NOTE) => perf_note(&header, fields),
        Some((header, fields)) => Line::Event(header, fields),
        None => note(text),
    }
}

/// Whether a text is a comment, and not the rest of a line with the name of an exception (`#PF`).
fn is_comment(text: &[u8]) -> bool {
    text[0] == b'#' && !text.get(1).is_some_and(u8::is_ascii_uppercase)
}

/// A line of tracefs that begins with `#`.
fn comment(text: &[u8]) -> Line<'_> {
    // The buffer of a processor has overwritten what came before: nothing is known of it.
    let begins = text.strip_prefix(b"##### CPU ").map(digits);
    match begins {
        Some((cpu, rest)) if rest.starts_with(b" buffer started") => {
            let cpu = whole(cpu).and_then(|cpu| u32::try_from(cpu).ok());
            Line::Lost(Lost { cpu, events: None })
        }
        _ => Line::Comment,
    }
}

fn perf_note<'a>(header: &Header<'_>, fields: &[u8]) -> Line<'a> {
    let lost = header.name.strip_prefix(PERF_NOTE);
    if !lost.is_some_and(|kind| kind.starts_with(b"LOST")) {
        return Line::Comment;
    }
    let events = fields.trim_ascii().strip_prefix(b"lost").and_then(|n| whole(n.trim_ascii()));
    Line::Lost(Lost { cpu: Some(header.cpu), events })
}

/// Notes that are no events, behind whatever a mail, a logger or `grep` has put before them.
fn note(text: &[u8]) -> Line<'_> {
    let text = unprefixed(text);
    if text.is_empty() || is_comment(text) {
        return comment(text);
    }
    if let Some(lost) = losses_of_processor(text) {
        return Line::Lost(lost);
    }
    if contains(text, b"PERF_RECORD_LOST") || (contains(text, b"lost") && contains(text, b"chunks"))
    {
        return Line::Lost(Lost { cpu: None, events: None });
    }
    // What `trace-cmd record` could not keep, in the statistics that it adds.
    if let Some(number) = text.strip_prefix(b"dropped events:").map(<[u8]>::trim_ascii) {
        return match whole(number) {
            Some(0) | None => Line::Comment,
            events => Line::Lost(Lost { cpu: None, events }),
        };
    }
    let of_processor = text.starts_with(b"CPU")
        && (text.ends_with(b" is empty")
            || contains(text, b" data recorded at offset")
            || text.strip_prefix(b"CPU: ").and_then(whole).is_some());
    let harmless = HARMLESS.iter().any(|begin| text.starts_with(begin));
    if harmless || of_processor || is_call_chain(text) {
        return Line::Comment;
    }
    Line::Unknown
}

/// What trace-cmd and the kernel say besides events and losses: heads, statistics of buffers, the
/// frame of a dump.
const HARMLESS: [&[u8]; 16] = [
    b"cpus=",
    b"version = ",
    b"version=",
    b"trace.dat:",
    b"entries: ",
    b"overrun: ",
    b"commit overrun: ",
    b"bytes: ",
    b"oldest event ts: ",
    b"now ts: ",
    b"read events: ",
    b"Dumping ftrace buffer:",
    b"sysrq: Dump ftrace buffer",
    b"(ftrace buffer empty)",
    b"--------",
    // The rest of a note that was wrapped.
    b"EVENTS]",
];

/// `CPU:2 [LOST 31 EVENTS]`, `CPU:2 [EVENTS DROPPED]`, `CPU 2: 31 EVENTS DROPPED`, and their like.
fn losses_of_processor(text: &[u8]) -> Option<Lost> {
    let rest = text.strip_prefix(b"CPU")?;
    let skipped = |b: &u8| *b == b':' || *b == b' ';
    let (number, rest) = digits(&rest[rest.iter().position(|b| !skipped(b))?..]);
    let cpu = whole(number).and_then(|cpu| u32::try_from(cpu).ok())?;
    let lost = [&b"LOST"[..], b"EVENTS DROPPED", b"events lost", b"events dropped"];
    if !lost.iter().any(|word| contains(rest, word)) {
        return None;
    }
    match rest.split(|b| !b.is_ascii_digit()).find_map(whole) {
        Some(0) => None,
        events => Some(Lost { cpu: Some(cpu), events }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::kernel::header::Thread;

    fn told(line: &str) -> (String, u32, Option<u32>, u32, u64, String, String) {
        let Line::Event(header, fields) = split(line.as_bytes()) else { panic!("{line}") };
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        let Thread { pid, tgid } = header.thread;
        (text(header.comm), pid, tgid, header.cpu, header.ns, text(header.name), text(fields))
    }

    #[test]
    fn lines_of_every_program() {
        let ns = 8_662_997_000;
        let own = |comm: &str, pid, tgid, cpu, ns| {
            (comm.to_owned(), pid, tgid, cpu, ns, "kvm_entry".to_owned(), "vcpu 0".to_owned())
        };
        for (line, expected) in [
            (
                "   vcpu0-154     [000] d..1.     8.662997: kvm_entry: vcpu 0",
                own("vcpu0", 154, None, 0, ns),
            ),
            (
                "   vcpu0-154     [000]     8.662997: kvm_entry: vcpu 0",
                own("vcpu0", 154, None, 0, ns),
            ),
            (
                "   vcpu0-154     (    151) [012] ..... 8.662997: kvm_entry: vcpu 0",
                own("vcpu0", 154, Some(151), 12, ns),
            ),
            (
                "   vcpu0-154     (-------) [012] ..... 8.662997: kvm_entry: vcpu 0",
                own("vcpu0", 154, None, 12, ns),
            ),
            (
                "  CPU 0/KVM-1234  [003] 8.662997001: kvm_entry:            vcpu 0",
                own("CPU 0/KVM", 1234, None, 3, ns + 1),
            ),
            (
                "CPU 0/KVM  1234 [003]     8.662997:             kvm:kvm_entry: vcpu 0",
                own("CPU 0/KVM", 1234, None, 3, ns),
            ),
            (
                "CPU 0/KVM  1230/1234 [003]     8.662997:  kvm:kvm_entry: vcpu 0",
                own("CPU 0/KVM", 1234, Some(1230), 3, ns),
            ),
            (
                " qemu-system-x86-77 [001] .N... 8.662997: kvm_entry: vcpu 0",
                own("qemu-system-x86", 77, None, 1, ns),
            ),
            (
                "   vcpu0-154       0d..1.    8662997us : kvm_entry: vcpu 0",
                own("vcpu0", 154, None, 0, ns),
            ),
            (
                "   vcpu0-154       0.....    8662997us!: kvm_entry: vcpu 0",
                own("vcpu0", 154, None, 0, ns),
            ),
            (
                "   vcpu0-154       3d..1.  8.662997: kvm_entry:            vcpu 0",
                own("vcpu0", 154, None, 3, ns),
            ),
            (
                "CPU 0/KVM  1234     8.662997:             kvm:kvm_entry: vcpu 0",
                own("CPU 0/KVM", 1234, None, 0, ns),
            ),
            (
                "CPU 0/KVM  1230/1234     8.662997:       kvm:kvm_entry: vcpu 0",
                own("CPU 0/KVM", 1234, Some(1230), 0, ns),
            ),
            (
                "a [12] b-77   [001] .N... 8.662997: kvm_entry: vcpu 0",
                own("a [12] b", 77, None, 1, ns),
            ),
            (
                "   vcpu0-154 [000] d..1. 8662997000: kvm_entry: vcpu 0",
                own("vcpu0", 154, None, 0, ns),
            ),
            (
                "  CPU 0/KVM-1234  [003]     8.662997: (+1000)  kvm_entry:       vcpu 0",
                own("CPU 0/KVM", 1234, None, 3, ns),
            ),
            (
                "CPU 0/KVM  1234 [003]     8.662997:          1  kvm:kvm_entry: vcpu 0",
                own("CPU 0/KVM", 1234, None, 3, ns),
            ),
            (
                "  1230/1234 [003]     8.662997:  kvm:kvm_entry: vcpu 0",
                own("", 1234, Some(1230), 3, ns),
            ),
            (" 1234 [003]     8.662997:  kvm:kvm_entry: vcpu 0", own("", 1234, None, 3, ns)),
            (
                "Nov 28 20:00:00 opus kernel: [ 1.5] vcpu0-154   3d..1 8662997us : kvm_entry: vcpu 0",
                own("Nov 28 20:00:00 opus kernel: [ 1.5] vcpu0", 154, None, 3, ns),
            ),
            (
                "Nov 28 20:00:00 host kernel: vcpu0-154   3d..1.  8.662997: kvm_entry: vcpu 0",
                own("Nov 28 20:00:00 host kernel: vcpu0", 154, None, 3, ns),
            ),
        ] {
            assert_eq!(told(line), expected, "{line}");
        }
        let (comm, pid, ..) = told(
            "kworker/0:2-142 [000] ..... 8.663513: kvm_async_pf_completed: gva 0x1 address 0x2",
        );
        assert_eq!((comm.as_str(), pid), ("kworker/0:2", 142));
        let (.., name, fields) =
            told("<idle>-0 [000] d.h1. 1.5: sched_wakeup: comm=a:b pid=3 prio=120 target_cpu=000");
        assert_eq!(
            (name.as_str(), fields.as_str()),
            ("sched_wakeup", "comm=a:b pid=3 prio=120 target_cpu=000")
        );
    }

    #[test]
    fn losses_of_every_program() {
        for (line, cpu, events) in [
            ("CPU:3 [LOST 912 EVENTS]", Some(3), Some(912)),
            ("CPU:3 [LOST EVENTS]", Some(3), None),
            ("CPU:1 [EVENTS DROPPED]", Some(1), None),
            ("CPU:1 [17 EVENTS DROPPED]", Some(1), Some(17)),
            ("swapper     0 [002]  12.345678: PERF_RECORD_LOST lost 88", Some(2), Some(88)),
            ("Processed 12 events and lost 3 chunks!", None, None),
            ("##### CPU 2 buffer started ####", Some(2), None),
            ("> ##### CPU 2 buffer started ####", Some(2), None),
            ("[  123.400036] CPU:2 [LOST 31 EVENTS]", Some(2), Some(31)),
            ("Nov 28 20:00:00 host kernel: CPU:2 [LOST 31 EVENTS]", Some(2), Some(31)),
            ("trace.txt:17:CPU:2 [LOST 31 EVENTS]", Some(2), Some(31)),
            ("   17\tCPU:2 [LOST 31 EVENTS]", Some(2), Some(31)),
            ("> CPU:2 [EVENTS DROPPED]", Some(2), None),
            ("CPU 2: [EVENTS DROPPED]", Some(2), None),
            ("CPU 2: 12 events lost", Some(2), Some(12)),
            ("swapper     0 [002]  12.345678: PERF_RECORD_LOST_SAMPLES lost 3", Some(2), Some(3)),
            ("dropped events: 17", None, Some(17)),
        ] {
            assert_eq!(split(line.as_bytes()), Line::Lost(Lost { cpu, events }), "{line}");
        }
    }

    #[test]
    fn what_is_no_event_is_told_apart() {
        for line in [
            "",
            "   ",
            "# tracer: nop",
            "> # tracer: nop",
            "cpus=4",
            "CPU 1 is empty",
            "> ",
            "dropped events: 0",
            "swapper     0 [002]  12.345678: PERF_RECORD_COMM exec: a:1/1",
            "\tffffffff8109d6e8 native_write_msr+0x8 ([kernel.kallsyms])",
        ] {
            assert_eq!(split(line.as_bytes()), Line::Comment, "{line}");
        }
        for line in [
            "hello",
            "vcpu0-154 [000] ..... 8.66: ",
            "vcpu0-154 [000] ..... 8.6629971234567: kvm_entry: vcpu 0",
            "vcpu0-154 [000] ..... kvm_entry: vcpu 0",
            "vcpu0 [000] ..... 8.6: kvm_entry: vcpu 0",
            "[001]   770.850287:  kvm:kvm_entry: vcpu 0, rip 0x100146",
            "vcpu0 12 8.662997: kvm_entry: vcpu 0",
            "[[[[[[",
            "us",
            "\u{0}\u{1}",
        ] {
            assert_eq!(split(line.as_bytes()), Line::Unknown, "{line:?}");
        }
    }
}
