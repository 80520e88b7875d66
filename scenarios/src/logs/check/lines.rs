//! Lines of a stream, in bounded memory.

use std::io::{self, Read};

/// Bytes that are read at a time.
const CHUNK: usize = 1 << 18;
/// Lines that are longer are left out. The longest that any kernel prints is a page.
pub(super) const LONGEST: usize = 1 << 16;
/// What goes on for so long without the end of a line is no text: a device that has no end, for one.
const NO_LINE: u64 = 1 << 28;

/// What a stream ends with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The end of a line.
    Whole,
    /// A line without its end, which was handed on like the others.
    NoNewline,
    /// A line that is too long, and is left out.
    HalfLine,
}

/// Reads a stream line by line.
pub(super) struct Lines<R> {
    source: R,
    buffer: Vec<u8>,
    from: usize,
    filled: usize,
    /// Inside a line that is too long.
    skipping: bool,
    /// Bytes of that line.
    skipped: u64,
    /// Lines that were too long.
    pub(super) too_long: u64,
    /// Lines so far.
    pub(super) count: u64,
}

impl<R: Read> Lines<R> {
    pub(super) fn new(source: R) -> Self {
        let buffer = vec![0; CHUNK + LONGEST];
        Self {
            source,
            buffer,
            from: 0,
            filled: 0,
            skipping: false,
            skipped: 0,
            too_long: 0,
            count: 0,
        }
    }

    /// Hands `each` every line with its number, without its end.
    pub(super) fn for_each(&mut self, mut each: impl FnMut(u64, &[u8])) -> io::Result<End> {
        loop {
            while let Some(length) = memchr::memchr(b'\n', &self.buffer[self.from..self.filled]) {
                let line = &self.buffer[self.from..self.from + length];
                self.from += length + 1;
                self.count += 1;
                if std::mem::take(&mut self.skipping) {
                    continue;
                }
                each(self.count, line);
            }
            self.buffer.copy_within(self.from..self.filled, 0);
            self.filled -= self.from;
            self.from = 0;
            if self.filled >= LONGEST {
                self.too_long += u64::from(!self.skipping);
                self.skipped = if self.skipping { self.skipped } else { 0 } + self.filled as u64;
                self.skipping = true;
                self.filled = 0;
                if self.skipped > NO_LINE {
                    let why = format!(
                        "line {} has more than {} MiB: this is no text",
                        self.count + 1,
                        NO_LINE >> 20
                    );
                    return Err(io::Error::new(io::ErrorKind::InvalidData, why));
                }
            }
            match self.source.read(&mut self.buffer[self.filled..]) {
                Ok(0) => {
                    let skipping = self.skipping;
                    let half = self.filled > 0 || skipping;
                    self.count += u64::from(half);
                    return Ok(match (half, skipping) {
                        (false, _) => End::Whole,
                        (true, true) => End::HalfLine,
                        (true, false) => {
                            each(self.count, &self.buffer[..self.filled]);
                            End::NoNewline
                        }
                    });
                }
                Ok(read) => self.filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &[u8]) -> (Vec<(u64, Vec<u8>)>, End, u64) {
        let mut lines = Lines::new(text);
        let mut all = Vec::new();
        let end = lines.for_each(|number, line| all.push((number, line.to_vec()))).expect("reads");
        (all, end, lines.too_long)
    }

    #[test]
    fn lines_have_numbers_and_ends() {
        let (all, end, _) = read(b"a\n\nbc\n");
        assert_eq!(all, [(1, b"a".to_vec()), (2, Vec::new()), (3, b"bc".to_vec())]);
        assert_eq!(end, End::Whole);
        let (all, end, _) = read(b"a\nhalf");
        assert_eq!((all.len(), end), (2, End::NoNewline));
        assert_eq!(all[1], (2, b"half".to_vec()));
        assert_eq!(read(b"").1, End::Whole);
    }

    #[test]
    fn what_has_no_lines_is_given_up() {
        let endless = b"a\n".chain(io::repeat(0));
        let told = Lines::new(endless).for_each(|_, _| {}).expect_err("it has no end");
        assert!(told.to_string().contains("line 2 has more than 256 MiB"), "{told}");
    }

    #[test]
    fn long_lines_are_left_out() {
        for length in [LONGEST, CHUNK, CHUNK + LONGEST, 3 * CHUNK] {
            let text = [b"a\n".to_vec(), vec![b'x'; length], b"\nb\n".to_vec()].concat();
            let (all, end, too_long) = read(&text);
            let kept: Vec<_> = all.iter().filter(|(_, line)| line.len() < LONGEST).collect();
            assert_eq!(kept, [&(1, b"a".to_vec()), &(3, b"b".to_vec())], "{length}");
            assert_eq!(end, End::Whole);
            assert!(too_long <= 1);
        }
    }
}
