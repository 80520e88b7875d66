//! Recorded addresses of real programs: what Valgrind's tool lackey prints (`--trace-mem=yes`), and plain
//! lists of page numbers.
//!
//! A file is read as a stream, plain or compressed with gzip or zstd, and kept packed: a byte or two for each
//! visit of a page. Pages are numbered by first touch, or keep their numbers.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use flate2::read::MultiGzDecoder;
use models::config::{AddressRecorder, AddressTrace, PassedOver, TracePlacement};
use thiserror::Error;

/// Bits of an address within its page.
const PAGE_SHIFT: u32 = 12;
/// Different pages that a trace may have: those of the largest guest.
const MAX_PAGES: usize = 1 << 28;

/// Why a file of addresses cannot be used.
#[derive(Debug, Error)]
pub(crate) enum AddressError {
    /// It cannot be opened or read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// No line of it is an access.
    #[error(
        "{path} has no access: no line is one of Valgrind's lackey (`I  04001000,3`) or a page number (`12`, \
         `0x1f w`)"
    )]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// More pages than a guest may have.
    #[error("{path} touches more than {MAX_PAGES} pages, which no guest has")]
    Pages {
        /// The file.
        path: PathBuf,
    },
    /// A page that keeps its number lies outside any region.
    #[error("{path} touches page {page}, and no region has more than {MAX_PAGES}")]
    Number {
        /// The file.
        path: PathBuf,
        /// The page.
        page: u64,
    },
}

/// What tells one state of a file from another.
type Version = (PathBuf, u64, Option<SystemTime>, TracePlacement);

/// Traces that were read: the points of a sweep share them.
static KNOWN: Mutex<BTreeMap<Version, AddressTrace>> = Mutex::new(BTreeMap::new());

/// The trace in a file.
///
/// # Errors
/// When it cannot be read, has no access, or touches pages that no region has.
pub(crate) fn load(path: &Path, placement: TracePlacement) -> Result<AddressTrace, AddressError> {
    let failed = |source| AddressError::Read { path: path.into(), source };
    let file = File::open(path).map_err(failed)?;
    let meta = file.metadata().map_err(failed)?;
    if meta.is_dir() {
        return Err(failed(io::Error::new(io::ErrorKind::IsADirectory, "it is a directory")));
    }
    let version = (path.to_owned(), meta.len(), meta.modified().ok(), placement);
    let known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner).get(&version).cloned();
    if let Some(trace) = known {
        return Ok(trace);
    }
    let trace = read(file, path, placement)?;
    KNOWN.lock().unwrap_or_else(PoisonError::into_inner).insert(version, trace.clone());
    Ok(trace)
}

/// The trace that a text says in place: page numbers between spaces.
pub(crate) fn inline(text: &str, placement: TracePlacement) -> Option<AddressTrace> {
    let mut addresses = Addresses::new(placement);
    let all = text.split_ascii_whitespace().all(|word| addresses.plain(word.as_bytes()));
    if !all || addresses.beyond.is_some() {
        return None;
    }
    addresses.recorder.finish()
}

fn read(
    mut source: impl Read,
    path: &Path,
    placement: TracePlacement,
) -> Result<AddressTrace, AddressError> {
    let failed = |source| AddressError::Read { path: path.into(), source };
    let mut head = Vec::new();
    source.by_ref().take(4).read_to_end(&mut head).map_err(failed)?;
    let (gzip, zstd) = (head.starts_with(&[0x1f, 0x8b]), head.starts_with(b"\x28\xb5\x2f\xfd"));
    let whole = Cursor::new(head).chain(source);
    let addresses = if gzip {
        lines(MultiGzDecoder::new(whole), placement)
    } else if zstd {
        let broken = |error: ruzstd::decoding::errors::FrameDecoderError| {
            failed(io::Error::new(io::ErrorKind::InvalidData, error.to_string()))
        };
        lines(ruzstd::decoding::StreamingDecoder::new(whole).map_err(broken)?, placement)
    } else {
        lines(whole, placement)
    }
    .map_err(failed)?;
    if addresses.numbers.len() > MAX_PAGES {
        return Err(AddressError::Pages { path: path.into() });
    }
    if let Some(page) = addresses.beyond {
        return Err(AddressError::Number { path: path.into(), page });
    }
    let trace = addresses.recorder.finish();
    let trace = trace.ok_or_else(|| AddressError::Empty { path: path.into() })?;
    Ok(trace.with_passed_over(addresses.passed_over))
}

/// Bytes without an access after which there will be none: a device that has no end is no trace.
const MOST_BEFORE: usize = 1 << 28;

/// The accesses in a text. What is no access is passed over: Valgrind says more than that, and the program
/// under it may have printed to the same file. What is not Valgrind's nor a comment is counted.
fn lines(source: impl Read, placement: TracePlacement) -> io::Result<Addresses> {
    let mut addresses = Addresses::new(placement);
    let mut reader = BufReader::with_capacity(1 << 16, source);
    let mut line = Vec::new();
    let (mut seen, mut number) = (0, 0);
    while addresses.numbers.len() <= MAX_PAGES {
        line.clear();
        // A line that has no end is none of these formats: as much of it as one of them could have is enough.
        let bytes = reader.by_ref().take(1 << 12).read_until(b'\n', &mut line)?;
        seen += bytes;
        let empty = addresses.recorder.is_empty();
        if bytes == 0 || empty && seen > MOST_BEFORE || addresses.beyond.is_some() {
            break;
        }
        number += 1;
        // Some editors begin a file with a mark of its encoding.
        if number == 1 && line.starts_with(b"\xef\xbb\xbf") {
            line.drain(..3);
        }
        if !addresses.line(&line) && !is_beside(&line) {
            let passed_over = &mut addresses.passed_over;
            passed_over.lines += 1;
            passed_over.first = if passed_over.first == 0 { number } else { passed_over.first };
        }
    }
    Ok(addresses)
}

/// What stands beside accesses on purpose: Valgrind's own words, comments, nothing.
fn is_beside(line: &[u8]) -> bool {
    let text = line.trim_ascii();
    text.is_empty() || [&b"=="[..], b"--", b"**", b"#"].iter().any(|begin| text.starts_with(begin))
}

/// A trace as far as it was read.
struct Addresses {
    recorder: AddressRecorder,
    placement: TracePlacement,
    /// A page that keeps its number and that no region has.
    beyond: Option<u64>,
    /// Numbers of pages by first touch.
    numbers: BTreeMap<u64, u32>,
    /// Pages that were touched last: a program goes to and fro between few.
    recent: [(u64, u32); 4],
    passed_over: PassedOver,
}

impl Addresses {
    fn new(placement: TracePlacement) -> Self {
        Self {
            recorder: AddressRecorder::default(),
            placement,
            beyond: None,
            numbers: BTreeMap::new(),
            recent: Default::default(),
            passed_over: PassedOver::default(),
        }
    }

    /// Takes in a line; whether it was an access.
    fn line(&mut self, line: &[u8]) -> bool {
        let (kind, rest) = match line {
            [b'I', b' ', rest @ ..] => (b'I', rest),
            [b' ', kind @ (b'L' | b'S' | b'M'), b' ', rest @ ..] => (*kind, rest),
            _ => return self.plain(line.trim_ascii()),
        };
        let Some((address, size)) = address_and_size(rest.trim_ascii()) else { return false };
        let (first, last) = (address >> PAGE_SHIFT, (address + (size - 1)) >> PAGE_SHIFT);
        let writes = kind != b'L' && kind != b'I';
        for page in first..=last {
            self.touch(page, writes, kind == b'I' && page == first);
        }
        true
    }

    /// `12`, `0x1f`, with `r` or `w` behind it; whether it was one.
    fn plain(&mut self, text: &[u8]) -> bool {
        let (number, writes) = match text {
            [rest @ .., b'w' | b'W'] => (rest.trim_ascii_end(), true),
            [rest @ .., b'r' | b'R'] => (rest.trim_ascii_end(), false),
            whole => (whole, false),
        };
        let Some(page) = number_of(number) else { return false };
        self.touch(page, writes, true);
        true
    }

    fn touch(&mut self, page: u64, write: bool, begins_instruction: bool) {
        let place = match self.placement {
            TracePlacement::FirstTouch => self.number(page),
            TracePlacement::Recorded if page < MAX_PAGES as u64 => page as u32,
            TracePlacement::Recorded => {
                self.beyond.get_or_insert(page);
                return;
            }
        };
        self.recorder.access(place, write, begins_instruction);
    }

    /// The number of a page by first touch.
    fn number(&mut self, page: u64) -> u32 {
        let known = if self.numbers.is_empty() { &[][..] } else { &self.recent[..] };
        if let Some(&(_, number)) = known.iter().find(|(recent, _)| *recent == page) {
            return number;
        }
        let next = self.numbers.len() as u32;
        let number = *self.numbers.entry(page).or_insert(next);
        if next == 0 {
            self.recent = [(page, number); 4];
        }
        self.recent.rotate_right(1);
        self.recent[0] = (page, number);
        number
    }
}

/// `04001000,3`: an address in hexadecimal digits and a number of bytes, at least one.
fn address_and_size(text: &[u8]) -> Option<(u64, u64)> {
    let comma = text.iter().position(|byte| *byte == b',')?;
    let address = digits(&text[..comma], 16)?;
    let size = digits(&text[comma + 1..], 10)?;
    // Not more than one instruction moves.
    let fits = (1..=1 << 16).contains(&size) && address.checked_add(size).is_some();
    fits.then_some((address, size))
}

fn number_of(text: &[u8]) -> Option<u64> {
    match text {
        [b'0', b'x' | b'X', rest @ ..] => digits(rest, 16),
        whole => digits(whole, 10),
    }
}

fn digits(text: &[u8], radix: u32) -> Option<u64> {
    let mut number = 0_u64;
    for &byte in text {
        let digit = char::from(byte).to_digit(radix)?;
        number = number.checked_mul(radix.into())?.checked_add(digit.into())?;
    }
    (!text.is_empty()).then_some(number)
}

#[cfg(test)]
mod tests {
    use models::config::TraceCursor;

    use super::*;

    const FIRST: TracePlacement = TracePlacement::FirstTouch;

    /// Pages, stores and instructions of a text.
    fn visits(text: &str) -> Vec<(u32, bool, u32)> {
        visits_of(text, TracePlacement::FirstTouch)
    }

    fn visits_of(text: &str, placement: TracePlacement) -> Vec<(u32, bool, u32)> {
        let addresses = lines(text.as_bytes(), placement).unwrap();
        let Some(trace) = addresses.recorder.finish() else { return Vec::new() };
        let mut cursor = TraceCursor::default();
        (0..trace.visits())
            .map(|_| {
                let visit = trace.next(&mut cursor);
                (visit.page, visit.write, visit.instructions)
            })
            .collect()
    }

    #[test]
    fn lackey_is_read_and_what_else_it_says_is_not() {
        let text = "==9097== Lackey, an example Valgrind tool\n\
                    I  04001000,3\n S 1ffeffe7e0,8\nI  04001003,5\n L 1ffeffe7e0,8\n M 1ffeffe7e8,4\n\
                    total 12\n\
                    I  04001ffe,4\n L 1ffeffe7fc,8\n";
        // The last instruction lies on two pages.
        let expected = [
            (0, false, 1),
            (1, true, 0),
            (0, false, 1),
            (1, false, 0),
            (1, true, 0),
            (0, false, 1),
            (2, false, 0),
            (1, false, 0),
        ];
        assert_eq!(visits(text), expected);
    }

    #[test]
    fn lines_that_are_no_accesses_are_counted_with_the_place_of_the_first() {
        let passed_over =
            |text: &str| lines(text.as_bytes(), TracePlacement::FirstTouch).unwrap().passed_over;
        let text =
            "==1== Lackey\n--1-- warning\n# mine\n\nI  04001000,3\nI  04001,\n L zz,8\n7\nhello\n";
        assert_eq!(passed_over(text), PassedOver { lines: 3, first: 6 });
        assert_eq!(passed_over("1\n2w\n\n"), PassedOver::default());
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("trace");
        std::fs::write(&path, text).unwrap();
        assert_eq!(load(&path, FIRST).unwrap().passed_over().lines, 3);
    }

    #[test]
    fn a_list_of_pages_is_read() {
        assert_eq!(
            visits("7\n7 w\n0x8\n# a comment\n\n8r\n7W\n"),
            [(0, false, 1), (0, true, 1), (1, false, 2), (0, true, 1)]
        );
        assert_eq!(inline("7 7w 9", FIRST).unwrap().visits(), 3);
        assert_eq!(inline("7 x", FIRST), None);
        assert_eq!(inline(" ", FIRST), None);
    }

    #[test]
    fn pages_may_keep_their_numbers() {
        let text = "7\n0x200w\n7\n";
        let expected = [(7, false, 1), (0x200, true, 1), (7, false, 1)];
        assert_eq!(visits_of(text, TracePlacement::Recorded), expected);
        let trace = inline("7 512w", TracePlacement::Recorded).unwrap();
        assert_eq!(trace.pages(), 513);
        // Addresses of a process are none of a region: the first one that is none is named.
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("process");
        std::fs::write(&path, "7\n0x7ffc12345\n").unwrap();
        let error = load(&path, TracePlacement::Recorded).unwrap_err();
        assert!(matches!(error, AddressError::Number { page: 0x7_ffc1_2345, .. }), "{error}");
        assert_eq!(load(&path, FIRST).unwrap().pages(), 2);
        assert_eq!(inline("7 0x7ffc12345", TracePlacement::Recorded), None);
    }

    #[test]
    fn a_mark_of_the_encoding_is_no_part_of_the_first_line() {
        assert_eq!(visits("\u{feff}7 w\r\n8\r\n"), [(0, true, 1), (1, false, 1)]);
    }

    #[test]
    fn nonsense_is_passed_over() {
        for text in [
            "I  zz,3",
            "I  04001000",
            "I  04001000,0",
            " L ,8",
            " S 1000,99999999",
            "-1",
            "0x",
            "I  ffffffffffffffff,8",
            "99999999999999999999",
        ] {
            assert_eq!(visits(text), [], "{text}");
        }
        let long = "1".repeat(1 << 20);
        assert_eq!(visits(&long), []);
    }

    #[test]
    fn a_file_may_be_compressed_and_says_what_is_wrong() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let text = "1\n2w\n1\n";
        std::fs::write(path("plain"), text).unwrap();
        let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        io::Write::write_all(&mut gz, text.as_bytes()).unwrap();
        let gz = gz.finish().unwrap();
        std::fs::write(path("gz"), &gz).unwrap();
        std::fs::write(path("cut"), &gz[..gz.len() - 6]).unwrap();
        std::fs::write(path("none"), "nothing here\n").unwrap();
        let plain = load(&path("plain"), FIRST).unwrap();
        assert_eq!(load(&path("gz"), FIRST).unwrap(), plain);
        assert_eq!((plain.visits(), plain.pages(), plain.accesses()), (3, 2, 3));
        assert!(matches!(load(&path("cut"), FIRST), Err(AddressError::Read { .. })));
        assert!(matches!(load(&path("none"), FIRST), Err(AddressError::Empty { .. })));
        assert!(matches!(load(&path("missing"), FIRST), Err(AddressError::Read { .. })));
        assert!(matches!(load(folder.path(), FIRST), Err(AddressError::Read { .. })));
    }
}
