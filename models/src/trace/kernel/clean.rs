//! What mail programs, terminals, loggers and web pages do to lines, undone.

use std::borrow::Cow;

use memchr::{memchr, memchr_iter, memchr3};

/// A line without colour codes, with HTML's and quoted-printable characters as they were.
pub fn cleaned(line: &[u8]) -> Cow<'_, [u8]> {
    let [colour, entity, space, mark] = [0x1b, b'&', 0xc2, 0xef];
    if memchr3(colour, entity, space, line).is_none() && memchr(mark, line).is_none() {
        return Cow::Borrowed(line);
    }
    let text = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
    Cow::Owned(replaced(&without_colours(text), &ENTITIES))
}

/// Whether a line is quoted-printable for certain: it has the code of `=`, and no `=` that is none
/// of a code.
pub fn is_quoted_printable(line: &[u8]) -> bool {
    if !memchr_iter(b'=', line).any(|at| line[at + 1..].starts_with(b"3D")) {
        return false;
    }
    // Only what must be coded is: `=`, spaces at ends of lines, and what is no ASCII.
    let coded = |code: &[u8]| match code {
        b"3D" | b"20" | b"09" | b"0D" => true,
        [high, low] => b"89ABCDEF".contains(high) && b"0123456789ABCDEF".contains(low),
        _ => false,
    };
    let line = line.trim_ascii_end();
    let mut rest = line.split(|&b| b == b'=').skip(1);
    rest.all(|after| after.is_empty() || after.get(..2).is_some_and(coded))
}

/// Quoted-printable text as it was, and whether it goes on in the next line without a space.
pub fn unquoted(line: &[u8]) -> (Vec<u8>, bool) {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let (line, goes_on) = match line.strip_suffix(b"=") {
        Some(line) => (line, true),
        None => (line, false),
    };
    let mut out = Vec::with_capacity(line.len());
    let mut rest = line;
    while let Some((&first, after)) = rest.split_first() {
        let digit = |b: u8| char::from(b).to_digit(16).and_then(|d| u8::try_from(d).ok());
        let coded = match (first, after) {
            (b'=', [high, low, ..]) => digit(*high).zip(digit(*low)).map(|(h, l)| h << 4 | l),
            _ => None,
        };
        match coded {
            Some(byte) => {
                out.push(byte);
                rest = &after[2..];
            }
            None => {
                out.push(first);
                rest = after;
            }
        }
    }
    (out, goes_on)
}

/// Without the sequences of a terminal: `ESC [ numbers letter`.
fn without_colours(line: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(line.len());
    let mut rest = line;
    while let Some(at) = rest.iter().position(|&b| b == 0x1b) {
        out.extend_from_slice(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix(b"[") {
            let end = after.iter().position(|b| (0x40..=0x7e).contains(b));
            rest = end.map_or(&[][..], |end| &after[end + 1..]);
        }
    }
    out.extend_from_slice(rest);
    out
}

/// Characters as HTML writes them, and the space that does not break.
const ENTITIES: [(&[u8], &[u8]); 8] = [
    (b"&gt;", b">"),
    (b"&lt;", b"<"),
    (b"&quot;", b"\""),
    (b"&#39;", b"'"),
    (b"&#x27;", b"'"),
    (b"&nbsp;", b" "),
    (b"&amp;", b"&"),
    (b"\xc2\xa0", b" "),
];

fn replaced(line: &[u8], pairs: &[(&[u8], &[u8])]) -> Vec<u8> {
    let mut out = Vec::with_capacity(line.len());
    let mut rest = line;
    while let Some(&first) = rest.first() {
        match pairs.iter().find(|(from, _)| rest.starts_with(from)) {
            Some((from, to)) => {
                out.extend_from_slice(to);
                rest = &rest[from.len()..];
            }
            None => {
                out.push(first);
                rest = &rest[1..];
            }
        }
    }
    out
}

/// A text without what stands before each line of a log that was quoted in a mail, written by a
/// logger, or cut out by `grep` or `cat -n`.
pub fn unprefixed(text: &[u8]) -> &[u8] {
    let mut text = text.trim_ascii();
    // As many as stand before one another in practice.
    for _ in 0..8 {
        let shorter = quote(text)
            .or_else(|| kernel_time(text))
            .or_else(|| priority(text))
            .or_else(|| logger(text))
            .or_else(|| file_name(text))
            .or_else(|| line_number(text));
        match shorter {
            Some(shorter) => text = shorter.trim_ascii_start(),
            None => break,
        }
    }
    text
}

fn quote(text: &[u8]) -> Option<&[u8]> {
    text.strip_prefix(b">").or_else(|| text.strip_prefix(b"| "))
}

/// `[  123.400000] `, and `[ T1234] ` or `[   C2] ` behind it.
fn kernel_time(text: &[u8]) -> Option<&[u8]> {
    let inner = text.strip_prefix(b"[")?;
    let end = inner.iter().position(|&b| b == b']')?;
    let word = inner[..end].trim_ascii();
    let number =
        |word: &[u8]| !word.is_empty() && word.iter().all(|b| b.is_ascii_digit() || *b == b'.');
    let time = word.contains(&b'.') && number(word);
    let caller = matches!(word, [b'T' | b'C', rest @ ..] if number(rest));
    // `dmesg -T`: `[Sat Nov 28 20:00:00 2026]`.
    let date = word.len() > 20 && word.iter().filter(|&&b| b == b':').count() == 2;
    (time || caller || date).then(|| &inner[end + 1..])
}

/// `<6>`
fn priority(text: &[u8]) -> Option<&[u8]> {
    let inner = text.strip_prefix(b"<")?;
    let end = inner.iter().position(|&b| b == b'>')?;
    let digits = (1..=3).contains(&end) && inner[..end].iter().all(u8::is_ascii_digit);
    digits.then(|| &inner[end + 1..])
}

/// `Nov 28 20:00:00 host kernel: `, or with another form of time.
fn logger(text: &[u8]) -> Option<&[u8]> {
    let end = text.windows(8).position(|w| w == b"kernel: ").map(|at| at + 8)?;
    let before = &text[..end];
    // A time, and the name of a host.
    (before.len() < 100 && !before.contains(&b'=')).then(|| &text[end..])
}

/// `trace.txt:`, as `grep -H` prints it.
fn file_name(text: &[u8]) -> Option<&[u8]> {
    let end = text.iter().position(|&b| b == b':' || b == b' ')?;
    let (word, rest) = text.split_at(end);
    // A field is none, and neither is a worker of the kernel: `prev_comm=kworker/0:3`.
    let field = word.contains(&b'=') || word.starts_with(b"kworker/");
    let name = !field
        && word.iter().any(|b| *b == b'.' || *b == b'/')
        && word.iter().any(u8::is_ascii_alphabetic);
    (name && rest.starts_with(b":")).then(|| &rest[1..])
}

/// `12:` or `12-` of `grep -n`, `12` and a tabulator of `cat -n`.
fn line_number(text: &[u8]) -> Option<&[u8]> {
    let end = text.iter().position(|b| !b.is_ascii_digit())?;
    (end > 0 && matches!(text[end], b':' | b'-' | b'\t')).then(|| &text[end + 1..])
}

/// A line of a call chain below an event, as perf, tracefs and trace-cmd print them.
pub fn is_call_chain(text: &[u8]) -> bool {
    let text = text.trim_ascii();
    if text.starts_with(b"=> ") || text == b"<stack trace>" || text.starts_with(b"<stack trace ") {
        return true;
    }
    let end = text.iter().position(|&b| b == b' ').unwrap_or(text.len());
    let address = end >= 6 && text[..end].iter().all(u8::is_ascii_hexdigit);
    address && text.ends_with(b")") && text.contains(&b'(') && !text.contains(&b'=')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clean(line: &str) -> String {
        String::from_utf8(cleaned(line.as_bytes()).into_owned()).expect("text")
    }

    #[test]
    fn fields_and_workers_are_no_names_of_files() {
        for text in ["next_comm=kworker/0:3 next_pid=157", "kworker/0:3-157 [000] d..2."] {
            assert_eq!(unprefixed(text.as_bytes()), text.as_bytes());
        }
        assert_eq!(unprefixed(b"logs/trace.txt:12:gva 0x1"), b"gva 0x1");
    }

    #[test]
    fn marks_of_terminals_and_pages_go() {
        assert_eq!(clean("a\x1b[1;31mkvm\x1b[0m b"), "akvm b");
        assert_eq!(clean("S ==&gt; next &amp;lt; &lt;idle&gt;"), "S ==> next &lt; <idle>");
        assert_eq!(clean("gva\u{a0}0x1"), "gva 0x1");
        assert!(matches!(cleaned(b"gva = 0x1"), Cow::Borrowed(_)));
        let (text, goes_on) = unquoted(b"gva =3D 0x5=");
        assert_eq!((text.as_slice(), goes_on), (&b"gva = 0x5"[..], true));
        assert_eq!(unquoted(b"a =zz"), (b"a =zz".to_vec(), false));
        assert!(is_quoted_printable(b"gva =3D 0x5000000, gfn =3D 0x5="));
        // Fields of a program that prints them raw.
        assert!(!is_quoted_printable(b"pid=3D vector=243 exception=14"));
        assert!(!is_quoted_printable(b"vcpu_id=20 rip=0x3D"));
    }

    #[test]
    fn whatever_stands_before_goes() {
        for prefix in [
            "",
            "> ",
            ">> > ",
            "[  123.400036] ",
            "[  123.400036][ T4711] ",
            "[  123.400036] [    C2] ",
            "<6>[  123.400036] ",
            "Nov 28 20:00:00 host kernel: ",
            "Nov 28 20:00:00 host kernel: [  123.400036] ",
            "2026-11-28T20:00:00.123456+00:00 host kernel: [  123.400036] ",
            "[Sat Nov 28 20:00:00 2026] ",
            "[  123.400036] host kernel: ",
            "trace.txt:",
            "/tmp/trace.txt:17:",
            "17:",
            "    17\t",
            "> [  123.400036] ",
        ] {
            let line = format!("{prefix}CPU:2 [LOST 31 EVENTS]");
            let rest = String::from_utf8_lossy(unprefixed(line.as_bytes())).into_owned();
            assert_eq!(rest, "CPU:2 [LOST 31 EVENTS]", "{prefix:?}");
        }
        assert_eq!(unprefixed(b"0x7000 gva 0x5000000"), b"0x7000 gva 0x5000000");
    }

    #[test]
    fn call_chains_are_known() {
        for line in [
            "\tffffffff8109d6e8 native_write_msr+0x8 ([kernel.kallsyms])",
            "            7f3c05 ioctl (/usr/lib/libc.so.6)",
            " => kvm_arch_vcpu_ioctl_run",
            "<stack trace>",
        ] {
            assert!(is_call_chain(line.as_bytes()), "{line}");
        }
        for line in ["0x7000 gva 0x5000000", "vec 243 (Fixed|edge)", "5000000 (x=1)"] {
            assert!(!is_call_chain(line.as_bytes()), "{line}");
        }
    }
}
