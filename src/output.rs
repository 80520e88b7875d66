//! The only place that prints: results to standard output, everything else to standard error.

use std::io::{self, Write as _};

use scenarios::visible;

/// Writes a result to standard output, with what a terminal would act on written out: names and texts
/// of a file are somebody's. A reader that has gone away (`apfsim ... | head`) has seen
/// what it wanted, which is no error.
pub(crate) fn result(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(visible(text).as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

/// Writes a note or an error to standard error. There is nobody to tell when that fails.
pub(crate) fn note(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{}", visible(text));
}
