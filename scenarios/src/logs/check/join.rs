//! Lines that a mail program or a terminal has wrapped, put together again.
//!
//! An event is held until the next line that is one for certain. Lines between them that are none
//! may be the rest of it, or the beginning of one whose line is broken before its name. They are
//! joined where that gives an event that is whole, and are left out otherwise.

use models::trace::kernel::clean::unprefixed;
use models::trace::kernel::{Header, Line, Thread, read_event, split};

/// Lines that are held behind an event.
const MAX_LINES: usize = 32;
/// Pieces of a line that are tried.
const MAX_PIECES: usize = 8;
/// Ways to put pieces together that are followed.
const MAX_TEXTS: usize = 4;
/// No event is longer.
const LONGEST_EVENT: usize = 2048;
/// No terminal is narrower: shorter lines end by themselves.
const NARROWEST: usize = 40;

/// A line of a log in its own memory.
#[derive(Clone, Debug, Default)]
struct Piece {
    number: u64,
    text: Vec<u8>,
    /// It goes on in the next line without a space: quoted-printable text says so.
    goes_on: bool,
}

/// What stands before the fields of the event that is held.
#[derive(Clone, Debug, Default)]
struct Begun {
    thread: Thread,
    cpu: u32,
    ns: u64,
    raw_time: bool,
    grouped: bool,
    name: Vec<u8>,
    /// Where its fields begin.
    fields: usize,
}

/// What is made of held lines.
pub(super) enum Made<'a> {
    /// An event with the number of its line, its text, what stands before its fields, its fields,
    /// and the lines that were joined to its first.
    Event(u64, &'a [u8], &'a Header<'a>, &'a [u8], u64),
    /// Another line of a log that was wrapped, as one, and how many lines were joined.
    Note(u64, &'a [u8], u64),
    /// A line that is none of a log.
    Unknown(u64, &'a [u8]),
}

/// An event and the lines behind it that are none.
#[derive(Clone, Debug, Default)]
pub(super) struct Held {
    /// Lines; those beyond `count` are memory for the next.
    lines: Vec<Piece>,
    count: usize,
    begun: Option<Begun>,
    /// Memory of the names of events.
    spare: Begun,
    /// Length of the longest line: what a terminal has cut is as long as it is wide.
    widest: usize,
}

/// How much of an event a text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Worth {
    /// No event.
    Nothing,
    /// An event, but not with fields that any kernel prints.
    Unreadable,
    /// An event that may go on.
    Begun,
    /// All of an event.
    Whole,
}

impl Held {
    /// Holds an event, when nothing else is held.
    pub(super) fn hold(&mut self, number: u64, line: &[u8], header: &Header<'_>, fields: &[u8]) {
        self.count = 0;
        self.push(number, line, false);
        let mut begun = std::mem::take(&mut self.spare);
        begun.name.clear();
        begun.name.extend_from_slice(header.name);
        let Header { thread, cpu, ns, raw_time, grouped, .. } = *header;
        (begun.thread, begun.cpu, begun.ns) = (thread, cpu, ns);
        (begun.raw_time, begun.grouped) = (raw_time, grouped);
        begun.fields = line.trim_ascii_end().len().saturating_sub(fields.len());
        self.begun = Some(begun);
    }

    /// Holds a line that is no event by itself. Says whether there is room for one more.
    pub(super) fn push(&mut self, number: u64, line: &[u8], goes_on: bool) -> bool {
        if self.count == self.lines.len() {
            self.lines.push(Piece::default());
        }
        let piece = &mut self.lines[self.count];
        (piece.number, piece.goes_on) = (number, goes_on);
        piece.text.clear();
        piece.text.extend_from_slice(line);
        self.count += 1;
        self.widest = self.widest.max(without_end(line).len());
        self.count < MAX_LINES
    }

    /// The text of the line that is held last goes on in the next.
    pub(super) fn goes_on(&mut self) {
        if let Some(last) = self.count.checked_sub(1) {
            self.lines[last].goes_on = true;
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Hands `each` what the held lines are, and forgets them. If there are `more` to come, the last
    /// ones stay: they may begin an event.
    pub(super) fn release(&mut self, more: bool, mut each: impl FnMut(Made<'_>)) {
        let count = std::mem::take(&mut self.count);
        let begun = self.begun.take();
        let mut at = 0;
        if let Some(begun) = begun {
            at = match count {
                1 => 1,
                _ => self.join(0, count).map_or(1, |(text, next)| {
                    made(self.lines[0].number, &text, (next - 1) as u64, &mut each);
                    next
                }),
            };
            if at == 1 {
                event(&self.lines[0], &begun, &mut each);
            }
            self.spare = begun;
        }
        let end = if more { count.saturating_sub(MAX_PIECES) } else { count };
        while at < end {
            let number = self.lines[at].number;
            match self.join(at, count) {
                Some((text, next)) => {
                    made(number, &text, (next - at - 1) as u64, &mut each);
                    at = next;
                }
                None => {
                    each(Made::Unknown(number, &self.lines[at].text));
                    at += 1;
                }
            }
        }
        let at = at.min(count);
        self.lines[..count].rotate_left(at);
        self.count = count - at;
    }

    /// The line at `from` with as many behind it as make more of an event; nothing if none do.
    fn join(&self, from: usize, count: usize) -> Option<(Vec<u8>, usize)> {
        let first = &self.lines[from];
        let alone = worth(&first.text, usize::MAX);
        let length = without_end(&first.text).len();
        let mut best = (alone, None);
        let mut texts = vec![without_end(&first.text).to_vec()];
        for next in from + 1..count.min(from + MAX_PIECES) {
            if begins_event(&self.lines[next].text) {
                break;
            }
            texts = self.longer(&texts, next);
            let before = best.0;
            for text in texts.iter().filter(|text| text.len() <= LONGEST_EVENT) {
                let worth = worth(text, length);
                // What is whole already may be longer still: a mark at its end is in the next line.
                let longer = worth == Worth::Whole && before == Worth::Whole;
                if worth > best.0 || (longer && best.1.as_ref().is_none_or(|(_, end)| *end <= next))
                {
                    best = (worth, Some((text.clone(), next + 1)));
                }
            }
        }
        best.1.filter(|_| best.0 >= Worth::Begun)
    }

    /// Texts with the next line: as it is where a terminal may have cut, and behind a space.
    fn longer(&self, texts: &[Vec<u8>], next: usize) -> Vec<Vec<u8>> {
        let before = &self.lines[next - 1];
        let length = without_end(&before.text).len();
        let (cut, more) = (length == self.widest && length >= NARROWEST, &self.lines[next].text);
        let mut longer = Vec::new();
        for text in texts.iter().take(MAX_TEXTS) {
            if let Some(cut) = soft_break(&before.text).and(text.strip_suffix(b"=")) {
                longer.push([cut, without_end(more)].concat());
            }
            if cut || before.goes_on {
                longer.push([text.as_slice(), without_end(more)].concat());
            }
            if !before.goes_on {
                longer.push([text.trim_ascii_end(), b" ", unprefixed(more)].concat());
            }
        }
        longer
    }
}

/// A line without its end.
fn without_end(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// Whether a line ends like one of quoted-printable text that goes on. Such text is known by its
/// first `=`, before which there may be such lines.
fn soft_break(line: &[u8]) -> Option<()> {
    let line = without_end(line);
    (line.ends_with(b"=") && (60..=76).contains(&line.len())).then_some(())
}

/// What a text is worth whose first line has that length. An event that begins behind it is another.
fn worth(text: &[u8], first: usize) -> Worth {
    match split(text) {
        Line::Event(header, _) if end_of(header.comm, text) > first => Worth::Nothing,
        Line::Event(header, fields) => match read_event(header.name, fields) {
            Ok(parsed) if parsed.whole => Worth::Whole,
            Ok(_) => Worth::Begun,
            Err(_) => Worth::Unreadable,
        },
        Line::Lost(_) => Worth::Whole,
        Line::Comment | Line::Unknown => Worth::Nothing,
    }
}

/// Whether a line is all that stands before the name of an event, which is in the next line then.
fn begins_event(line: &[u8]) -> bool {
    let line = line.trim_ascii_end();
    let named = [line, b" kvm_entry: vcpu 0"].concat();
    line.ends_with(b":")
        && matches!(split(&named), Line::Event(header, _)
            if header.name == b"kvm_entry" && end_of(header.name, &named) > line.len())
}

/// Where a part of a text ends in it.
fn end_of(part: &[u8], text: &[u8]) -> usize {
    part.as_ptr().addr().saturating_sub(text.as_ptr().addr()) + part.len()
}

/// An event of one line.
fn event(line: &Piece, begun: &Begun, each: &mut impl FnMut(Made<'_>)) {
    let Begun { thread, cpu, ns, raw_time, grouped, .. } = *begun;
    let header = Header { comm: b"", thread, cpu, ns, name: &begun.name, raw_time, grouped };
    let text = line.text.trim_ascii_end();
    each(Made::Event(line.number, text, &header, &text[begun.fields.min(text.len())..], 0));
}

/// What joined lines are.
fn made(number: u64, text: &[u8], joined: u64, each: &mut impl FnMut(Made<'_>)) {
    match split(text) {
        Line::Event(header, fields) => each(Made::Event(number, text, &header, fields, joined)),
        _ => each(Made::Note(number, text, joined)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What lines come to: each event with its fields, and the lines that are none.
    fn read(lines: &[&str]) -> Vec<String> {
        let mut held = Held::default();
        let mut all = Vec::new();
        let mut say = |made: Made<'_>| {
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
            all.push(match made {
                Made::Event(line, _, header, fields, joined) => {
                    format!("{line}+{joined} {}: {}", text(header.name), text(fields))
                }
                Made::Note(line, note, joined) => format!("{line}+{joined} note {}", text(note)),
                Made::Unknown(line, _) => format!("{line} unknown"),
            });
        };
        for (number, line) in (1..).zip(lines) {
            match split(line.as_bytes()) {
                Line::Event(header, fields) => {
                    held.release(false, &mut say);
                    held.hold(number, line.as_bytes(), &header, fields);
                }
                Line::Unknown => {
                    if !held.push(number, line.as_bytes(), false) {
                        held.release(true, &mut say);
                    }
                }
                Line::Lost(_) | Line::Comment => held.release(false, &mut say),
            }
        }
        held.release(false, &mut say);
        all
    }

    #[test]
    fn wrapped_lines_become_whole() {
        let lines = [
            "qemu-system-x86-4711 (   4700) [002] d....  1000.000000: kvm_exit: vcpu 0 reason",
            "EPT_VIOLATION rip 0x401d85 info1 0x0000000000000182 info2",
            "0x0000000000000000 intr_info 0x00000000 error_code 0x00000000",
            "qemu-system-x86-4711 (   4700) [002] d....  1000.000001:",
            "kvm_async_pf_not_present: token 0x7000 gva 0x5000000",
            "CPU 0/KVM-4711 [002] .....  1000.000002: kvm_inj_exception: #PF (0x0)",
            "[reinjected]",
            "CPU 0/KVM-4711 [002] .....  1000.000003: kvm_entry: vcpu 0, rip",
            "0x401d85",
            "> CPU 0/KVM-4711 [002] .....  1000.000004: kvm_msr: msr_write 4b564d07 =",
            "> 0x1",
            "CPU:2",
            "[LOST 31 EVENTS]",
        ];
        assert_eq!(
            read(&lines),
            [
                "1+2 kvm_exit: vcpu 0 reason EPT_VIOLATION rip 0x401d85 info1 0x0000000000000182 info2 0x0000000000000000 intr_info 0x00000000 error_code 0x00000000",
                "4+1 kvm_async_pf_not_present: token 0x7000 gva 0x5000000",
                "6+1 kvm_inj_exception: #PF (0x0) [reinjected]",
                "8+1 kvm_entry: vcpu 0, rip 0x401d85",
                "10+1 kvm_msr: msr_write 4b564d07 = 0x1",
                "12+1 note CPU:2 [LOST 31 EVENTS]",
            ]
        );
    }

    /// The rest of an event ends where another begins whose name is in the next line only.
    #[test]
    fn an_event_takes_nothing_of_the_next() {
        let lines = [
            "  vcpu0-248     [001] d..2.    42.742539: sched_switch:",
            "prev_comm=vcpu0 prev_pid=248 prev_prio=120 prev_state=R ==>",
            "next_comm=kworker/1:4 next_pid=230 next_prio=120",
            "     kworker/1:4-230     [001] .....    42.742547:",
            "kvm_async_pf_completed: gva 0x9db3000 address 0x7f3e285b3000",
            "     kworker/1:4-230     [001] .....    42.742548:",
            "workqueue_execute_end: work struct 0000000056621cdf: function",
            "async_pf_execute [kvm]",
        ];
        assert_eq!(
            read(&lines),
            [
                "1+2 sched_switch: prev_comm=vcpu0 prev_pid=248 prev_prio=120 prev_state=R ==> next_comm=kworker/1:4 next_pid=230 next_prio=120",
                "4+1 kvm_async_pf_completed: gva 0x9db3000 address 0x7f3e285b3000",
                "6+2 workqueue_execute_end: work struct 0000000056621cdf: function async_pf_execute [kvm]",
            ]
        );
    }

    #[test]
    fn a_terminal_cuts_within_words() {
        let lines = [
            "  CPU 0/KVM-4711 [002] .....  1000.000009: kvm_async_pf_not_present: token 0x70",
            "00 gva 0x5000000",
            "  CPU 0/KVM-4711 [002] .....  1000.000010: kvm_try_async_get_page: gva = 0x5000",
            "000, gfn = 0x5000",
            "      CPU 0/KVM-4711 [002] .....  1000.000011: kvm_async_pf_ready: token 0x7000 ",
            "gva 0x5000000",
        ];
        assert_eq!(
            read(&lines),
            [
                "1+1 kvm_async_pf_not_present: token 0x7000 gva 0x5000000",
                "3+1 kvm_try_async_get_page: gva = 0x5000000, gfn = 0x5000",
                "5+1 kvm_async_pf_ready: token 0x7000 gva 0x5000000",
            ]
        );
    }

    #[test]
    fn foreign_lines_stay_out() {
        let lines = [
            "Script started",
            "CPU 0/KVM-4711 [002] .....  1000.000002: kvm_inj_exception: #PF (0x0)",
            "and here somebody says something",
            "    vcpu0-301   [000] d..1",
            "CPU 0/KVM-4711 [002] .....  1000.000003: sched_wakeup: comm=a pid=1",
            "more",
            "CPU 0/KVM-4711 [002] .....  1000.000004: kvm_async_pf_ready: token 0x",
        ];
        assert_eq!(
            read(&lines),
            [
                "1 unknown",
                "2+0 kvm_inj_exception: #PF (0x0)",
                "3 unknown",
                "4 unknown",
                "5+0 sched_wakeup: comm=a pid=1",
                "6 unknown",
                "7+0 kvm_async_pf_ready: token 0x",
            ]
        );
    }
}
