//! A line of a log, taken apart.
//!
//! Three programs print tracepoints as text, each with its own beginning of the line:
//!
//! ```text
//!  vcpu0-154 (   151) [000] d..1.   8.662997: kvm_entry: vcpu 0, rip 0x401e0a     tracefs
//!  vcpu0-154          [000] d..1.   8.662997: kvm_entry:      vcpu 0, rip ...     trace-cmd report
//!  vcpu0   151/154    [000]         8.662997: kvm:kvm_entry: vcpu 0, rip ...      perf script
//!  vcpu0-154            0d..1    8662997us : kvm_entry: vcpu 0, rip ...           latency format
//! ```
//!
//! The name of a thread may hold spaces, dashes and colons, so that lines are read from the
//! processor in brackets outwards.

use super::clean::{is_call_chain, unprefixed};

/// A thread of the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Thread {
    /// Its number.
    pub pid: u32,
    /// The process that it belongs to, if the log says so.
    pub tgid: Option<u32>,
}

/// What stands before the fields of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header<'a> {
    /// The thread's name.
    pub comm: &'a [u8],
    /// The thread that hit the tracepoint.
    pub thread: Thread,
    /// The processor on which it ran.
    pub cpu: u32,
    /// Nanoseconds of the log's clock.
    pub ns: u64,
    /// The event, without the name of its group.
    pub name: &'a [u8],
    /// The time is a bare number, of whose unit the log says nothing.
    pub raw_time: bool,
    /// The name of the group is printed, as `perf script` does.
    pub grouped: bool,
}

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

/// How the names of perf's own records begin, which it may print among events.
const PERF_NOTE: &[u8] = b"PERF_RECORD_";

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

fn event(text: &[u8]) -> Option<(Header<'_>, &[u8])> {
    let mut from = 0;
    while let Some((open, cpu, after)) = processor(text, from) {
        // The name of a thread may have a number in brackets, too.
        if let Some(event) = after_processor(text[..open].trim_ascii_end(), cpu, after) {
            return Some(event);
        }
        from = open + 1;
    }
    latency_format(text).or_else(|| without_processor(text))
}

fn after_processor<'a>(
    before: &'a [u8],
    cpu: u32,
    after: &'a [u8],
) -> Option<(Header<'a>, &'a [u8])> {
    let (comm, thread) = thread(before)?;
    // Flags of the interrupted context stand before the time, if they are printed.
    let mut rest = after;
    for _ in 0..3 {
        let (word, more) = word(rest)?;
        if let Some((ns, raw_time)) = word.strip_suffix(b":").and_then(time) {
            let (name, grouped, fields) = name(more)?;
            // A number alone is a thread only where perf prints it, which names groups.
            let event = Header { comm, thread, cpu, ns, name, raw_time, grouped };
            return (grouped || !comm.is_empty()).then_some((event, fields));
        }
        rest = more;
    }
    None
}

/// `perf script` of a recording that does not say where: `comm 12  34.567: kvm:name: fields`. All
/// is put on one processor, in the order of the log.
fn without_processor(text: &[u8]) -> Option<(Header<'_>, &[u8])> {
    let mut from = 0;
    loop {
        let end = from + text[from..].windows(2).position(|two| two == b": ")?;
        let begin = text[..end].iter().rposition(|&b| b == b' ').map_or(0, |at| at + 1);
        if let Some((ns, false)) = time(&text[begin..end])
            && let Some((comm, thread)) = thread(text[..begin].trim_ascii_end())
        {
            let (name, grouped, fields) = name(&text[end + 1..])?;
            let header = Header { comm, thread, cpu: 0, ns, name, raw_time: false, grouped };
            return grouped.then_some((header, fields));
        }
        from = end + 1;
    }
}

/// The next processor in brackets: where, its number, and what follows.
fn processor(text: &[u8], mut from: usize) -> Option<(usize, u32, &[u8])> {
    loop {
        let open = from + text.get(from..)?.iter().position(|&b| b == b'[')?;
        let (digits, rest) = digits(&text[open + 1..]);
        if open > 0
            && text[open - 1] == b' '
            && rest.starts_with(b"] ")
            && let Some(cpu) = whole(digits).and_then(|cpu| u32::try_from(cpu).ok())
        {
            return Some((open, cpu, &rest[2..]));
        }
        from = open + 1;
    }
}

/// Name and numbers of the thread: `comm-12`, `comm-12 (10)`, `comm 12` or `comm 10/12`.
fn thread(text: &[u8]) -> Option<(&[u8], Thread)> {
    let (text, tgid) = match text.strip_suffix(b")") {
        Some(inner) => {
            let open = inner.iter().rposition(|&b| b == b'(')?;
            // Dashes stand for a process that tracefs has forgotten.
            let tgid = whole(inner[open + 1..].trim_ascii());
            (inner[..open].trim_ascii_end(), tgid)
        }
        None => (text, None),
    };
    let at = text.len() - text.iter().rev().take_while(|b| b.is_ascii_digit()).count();
    let pid = whole(&text[at..])?;
    let (mut comm, mut tgid) = (&text[..at], tgid);
    if let Some(before) = comm.strip_suffix(b"/") {
        let at = before.len() - before.iter().rev().take_while(|b| b.is_ascii_digit()).count();
        if at < before.len() && (at == 0 || before[at - 1] == b' ') {
            tgid = whole(&before[at..]);
            comm = &before[..at];
        }
    }
    let comm = match comm.split_last() {
        Some((b'-', comm)) => comm,
        Some((b' ', comm)) => comm.trim_ascii_end(),
        // `perf script` without the field `comm`.
        None => comm,
        Some(_) => return None,
    };
    let narrow = |number: u64| u32::try_from(number).ok();
    Some((comm, Thread { pid: narrow(pid)?, tgid: tgid.and_then(narrow) }))
}

/// `comm-12   0d..1  345us+: name: fields`, or with seconds instead, as `trace-cmd report -l`.
fn latency_format(text: &[u8]) -> Option<(Header<'_>, &[u8])> {
    let mut from = 0;
    // The name of a host or a prefix may have a time's letters, or a colon.
    while let Some((before, ns, after, next)) = micros(text, from).or_else(|| seconds(text, from)) {
        if let Some(event) = behind_flags(before, ns, after) {
            return Some(event);
        }
        from = next;
    }
    None
}

fn behind_flags<'a>(before: &'a [u8], ns: u64, after: &'a [u8]) -> Option<(Header<'a>, &'a [u8])> {
    let flags = before.iter().rposition(|&b| b == b' ')?;
    let (cpu, _) = digits(&before[flags + 1..]);
    let cpu = u32::try_from(whole(cpu)?).ok()?;
    let (comm, thread) = thread(before[..flags].trim_ascii_end())?;
    let (name, grouped, fields) = name(after)?;
    Some((Header { comm, thread, cpu, ns, name, raw_time: false, grouped }, fields))
}

/// What stands before a time, the time, what stands behind it, and where to search on.
type Timed<'a> = (&'a [u8], u64, &'a [u8], usize);

/// A time in microseconds: `345us : ` or `345us+: `.
fn micros(text: &[u8], from: usize) -> Option<Timed<'_>> {
    let mut at = from;
    loop {
        let us = at + text.get(at..)?.windows(2).position(|two| two == b"us")?;
        at = us + 2;
        let before = &text[..us];
        let begin = before.len() - before.iter().rev().take_while(|b| b.is_ascii_digit()).count();
        let colon = text[us..].iter().take(4).position(|&b| b == b':').map(|colon| us + colon);
        let ns = whole(&before[begin..]).and_then(|us| us.checked_mul(1000));
        if let (Some(ns), Some(colon)) = (ns, colon) {
            return Some((before[..begin].trim_ascii_end(), ns, &text[colon + 1..], at));
        }
    }
}

/// A time in seconds, behind flags, and not behind a number alone, which would be that of a thread.
fn seconds(text: &[u8], from: usize) -> Option<Timed<'_>> {
    let mut at = from;
    loop {
        let colon = at + text.get(at..)?.windows(2).position(|two| two == b": ")?;
        at = colon + 2;
        let Some(space) = text[..colon].iter().rposition(|&b| b == b' ') else { continue };
        let before = text[..space].trim_ascii_end();
        if let Some((ns, false)) = time(&text[space + 1..colon])
            && before.last().is_some_and(|b| !b.is_ascii_digit())
        {
            return Some((before, ns, &text[colon + 1..], at));
        }
    }
}

/// The name of the event, without its group, whether there was one, and what follows the colon.
fn name(text: &[u8]) -> Option<(&[u8], bool, &[u8])> {
    let mut text = text.trim_ascii_start();
    // The time since the event before (`trace-cmd report --ts-diff`), or perf's period.
    if let Some((first, rest)) = word(text)
        && !first.ends_with(b":")
        && first.iter().all(|b| b.is_ascii_digit() || b"(+)".contains(b))
    {
        text = rest.trim_ascii_start();
    }
    let end = text.iter().position(|&b| b == b':' || b == b' ')?;
    let (mut name, mut rest, mut grouped) = (&text[..end], &text[end..], false);
    if !rest.starts_with(b":") {
        // perf's notes have no colon: `PERF_RECORD_LOST lost 12`.
        return name.starts_with(PERF_NOTE).then_some((name, true, rest));
    }
    rest = &rest[1..];
    let plain = |b: &u8| b.is_ascii_alphanumeric() || *b == b'_';
    if let Some(end) = rest.iter().position(|b| !plain(b))
        && end > 0
        && rest[end] == b':'
    {
        (name, rest, grouped) = (&rest[..end], &rest[end + 1..], true);
    }
    let fine = !name.is_empty() && name.iter().all(|b| plain(b) || *b == b'-');
    fine.then_some((name, grouped, rest))
}

/// `12.345678` or `12.345678901` seconds as nanoseconds. A whole number is taken as it is: ticks of
/// `x86-tsc` or `counter`.
fn time(text: &[u8]) -> Option<(u64, bool)> {
    let Some(point) = text.iter().position(|&b| b == b'.') else {
        return whole(text).map(|ticks| (ticks, true));
    };
    let (seconds, fraction) = (whole(&text[..point])?, &text[point + 1..]);
    let scale = 9_usize.checked_sub(fraction.len())?;
    let below = whole(fraction)?.checked_mul(10_u64.pow(u32::try_from(scale).ok()?))?;
    Some((seconds.checked_mul(1_000_000_000)?.checked_add(below)?, false))
}

/// A text of digits only.
fn whole(text: &[u8]) -> Option<u64> {
    if text.is_empty() || text.len() > 19 {
        return None;
    }
    text.iter()
        .try_fold(0, |value, &b| b.is_ascii_digit().then(|| value * 10 + u64::from(b - b'0')))
}

fn digits(text: &[u8]) -> (&[u8], &[u8]) {
    let end = text.iter().position(|b| !b.is_ascii_digit()).unwrap_or(text.len());
    text.split_at(end)
}

fn word(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let text = text.trim_ascii_start();
    let end = text.iter().position(|&b| b == b' ').unwrap_or(text.len());
    (end > 0).then(|| text.split_at(end))
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

#[cfg(test)]
mod tests {
    use super::*;

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
