//! The beginning of the line of an event: who hit it, where, and when.
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

use super::words::{digits, whole, word};

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

/// How the names of perf's own records begin, which it may print among events.
pub(super) const PERF_NOTE: &[u8] = b"PERF_RECORD_";

/// Takes the line of an event apart: its beginning, and its fields.
pub(super) fn event(text: &[u8]) -> Option<(Header<'_>, &[u8])> {
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
