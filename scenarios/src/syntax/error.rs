//! What can be wrong with a scenario, said so that it can be mended.
//!
//! A [`Diagnostic`] is about the content of a file: it knows the place, the field, what is wrong
//! and what would be right. Its `Display` is complete by itself; [`Diagnostic::render`] adds the
//! line of the file with a caret under the place. [`ScenarioError`] adds the ways in which there
//! is no content to speak of.

use std::fmt;
use std::io;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use crate::syntax::suggest::suggestion;
use crate::syntax::visible::{excerpt, shortened, visible};

/// Columns of an excerpt.
const WIDTH: usize = 78;
/// Most characters of a name in a message.
pub(crate) const MAX_SHOWN: usize = 80;

/// Largest scenario file that is read.
pub const MAX_FILE_BYTES: u64 = 1024 * 1024;

/// Why a scenario could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum ScenarioError {
    /// There is neither a file nor a built-in scenario of this name.
    #[error(
        "there is no scenario file `{name}` and no built-in scenario of that name\n  help: {help}"
    )]
    NotFound {
        /// What was asked for.
        name: String,
        /// Nearest name and list of names.
        help: String,
    },
    /// A directory was named where a file is needed.
    #[error("`{0}` is a directory\n  help: name one scenario file in it")]
    Directory(PathBuf),
    /// The file cannot be read.
    #[error("cannot read `{path}`: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The file is far larger than a scenario can sensibly be.
    #[error(
        "`{path}` has {bytes} bytes; a scenario file has at most {MAX_FILE_BYTES}\n  \
         help: is this really a scenario file?"
    )]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its size (or how much was read before giving up).
        bytes: u64,
    },
    /// The file is not text in UTF-8.
    #[error(
        "`{path}` is not UTF-8 text: byte {offset} (line {line}) does not belong\n  \
         help: save the file as UTF-8"
    )]
    NotUtf8 {
        /// The file.
        path: PathBuf,
        /// Offset of the first wrong byte.
        offset: usize,
        /// Its line, from 1.
        line: usize,
    },
    /// The file holds nothing, or only white space and comments.
    #[error(
        "`{file}` is empty\n  help: `apfsim show natapov-2010` prints a scenario to begin with"
    )]
    Empty {
        /// The file.
        file: String,
    },
    /// The content is wrong.
    #[error("{0}")]
    Invalid(Box<Diagnostic>),
    /// An override from the command line does not fit.
    #[error("{message}\n  help: {help}")]
    Override {
        /// What is wrong.
        message: String,
        /// What would be right.
        help: String,
    },
}

impl ScenarioError {
    /// The place and text of the error, when it is about the content of a file.
    pub fn diagnostic(&self) -> Option<&Diagnostic> {
        match self {
            Self::Invalid(diagnostic) => Some(diagnostic),
            _ => None,
        }
    }

    /// The error with an excerpt of the file where there is one.
    pub fn render(&self) -> String {
        self.diagnostic().map_or_else(|| self.to_string(), Diagnostic::render)
    }
}

/// One thing wrong at one place of a scenario file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// The file, or the name given to the text.
    pub file: String,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// The place as a range of bytes of `source`.
    pub span: Range<usize>,
    /// The field, as in `workload.tasks[0].program[1].region`; empty for the file as a whole.
    pub field: String,
    /// What is wrong, without the place.
    pub message: String,
    /// What would be right.
    pub help: Option<String>,
    /// The whole text of the file.
    pub source: Arc<str>,
}

impl Diagnostic {
    pub(crate) fn new(
        file: &str,
        source: &Arc<str>,
        span: Range<usize>,
        field: String,
        message: String,
        help: Option<String>,
    ) -> Self {
        let start = floor_char_boundary(source, span.start);
        let end = floor_char_boundary(source, span.end.max(start));
        let before = &source[..start];
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        Self {
            file: file.into(),
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
            span: start..end,
            field,
            message,
            help,
            source: Arc::clone(source),
        }
    }

    /// The diagnostic with the line it is about and carets under the place. A long line is cut
    /// around them, and what a terminal would act on is written out.
    pub fn render(&self) -> String {
        let line_start = self.source[..self.span.start].rfind('\n').map_or(0, |at| at + 1);
        let rest = &self.source[line_start..];
        let text = rest[..rest.find('\n').unwrap_or(rest.len())].trim_end_matches('\r');
        let width = self.line.to_string().len();
        let marked = self.span.start - line_start..self.span.end - line_start;
        let (text, carets) = excerpt(text, marked, WIDTH.saturating_sub(width + 3).max(20));
        let headline = self.headline();
        let headline = visible(&headline);
        let mut out = format!(
            "{headline}\n{:width$} |\n{} | {text}\n{:width$} | {carets}",
            "", self.line, ""
        );
        if let Some(help) = &self.help {
            out.push_str(&format!("\n{:width$} = help: {}", "", visible(help)));
        }
        out
    }

    fn headline(&self) -> String {
        let Self { file, line, column, field, message, .. } = self;
        let (field, message) = (shortened(field, 3 * MAX_SHOWN), shortened(message, 5 * MAX_SHOWN));
        if field.is_empty() {
            format!("{file}:{line}:{column}: {message}")
        } else {
            format!("{file}:{line}:{column}: in `{field}`: {message}")
        }
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.headline())?;
        match &self.help {
            Some(help) => write!(f, "\n  help: {help}"),
            None => Ok(()),
        }
    }
}

/// Help for an unknown name: the nearest valid one, then all of them.
pub fn help_for_unknown(given: &str, valid: &[&str]) -> String {
    let list = || valid.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    match (suggestion(given, valid), valid) {
        (_, []) => "nothing is allowed here".into(),
        (Some(near), [_]) => format!("did you mean `{near}`?"),
        (Some(near), _) => format!("did you mean `{near}`? valid: {}", list()),
        (None, _) => format!("valid: {}", list()),
    }
}

fn floor_char_boundary(text: &str, at: usize) -> usize {
    (0..=at.min(text.len())).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0)
}

/// Why a comparison could not be finished. Runs that finished before are kept.
#[derive(Debug, thiserror::Error)]
pub enum RunnerError {
    /// The machine gave up a run.
    #[error("policy `{policy}`, replication {replication} (seed {seed}): {source}")]
    Run {
        /// The policy; the word `prefill` before policies part.
        policy: String,
        /// The replication, from 0.
        replication: u32,
        /// The seed of the run.
        seed: u64,
        /// The machine's reason.
        source: models::machine::RunError,
    },
    /// The machine failed in a way that it should not: a mistake in the program.
    #[error(
        "the simulator failed in policy `{policy}`, replication {replication} (seed {seed}): \
         {message}\n  help: this is a mistake in apfsim; the seed and the scenario repeat it"
    )]
    Panic {
        /// The policy; the word `prefill` before policies part.
        policy: String,
        /// The replication, from 0.
        replication: u32,
        /// The seed of the run.
        seed: u64,
        /// What the panic said.
        message: String,
    },
    /// Results cannot be written.
    #[error(
        "cannot write `{path}`: {source}\n  help: finished runs are kept; the same command goes on with them"
    )]
    Write {
        /// The file or directory.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The directory for results cannot be made.
    #[error("cannot make the directory `{path}`: {source}")]
    Folder {
        /// The directory.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The trace of a run cannot be written.
    #[error(
        "cannot write the trace `{path}`: {source}\n  help: the run was stopped; name a file that can \
         be written, with room for about 130 bytes a line, or end its name in .gz"
    )]
    Trace {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// Stored runs cannot be read.
    #[error("cannot read `{path}`: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// A stored run is damaged.
    #[error(
        "`{path}`, line {line}: {message}\n  \
         help: remove the line to have its run repeated, or the file to run all anew"
    )]
    Broken {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// What is wrong.
        message: String,
    },
    /// The directory holds runs of something else.
    #[error(
        "`{path}` holds runs of {difference}\n  help: choose another directory, or remove the file"
    )]
    OtherRuns {
        /// The file.
        path: PathBuf,
        /// What differs.
        difference: String,
    },
    /// Another process writes to the directory.
    #[error(
        "another apfsim is writing to `{path}`\n  help: wait for it, or choose another directory"
    )]
    InUse {
        /// The directory.
        path: PathBuf,
    },
    /// One of several scenarios failed: a point of a sweep, or a file of a suite.
    #[error("{label}: {source}")]
    Point {
        /// Number and values of the point, or the file.
        label: String,
        /// What happened.
        source: Box<RunnerError>,
    },
    /// Threads could not be started.
    #[error("cannot start {jobs} threads: {source}")]
    Threads {
        /// How many were asked for.
        jobs: usize,
        /// The reason.
        source: rayon::ThreadPoolBuildError,
    },
}

impl RunnerError {
    pub(crate) fn write(path: &std::path::Path, source: io::Error) -> Self {
        Self::Write { path: path.into(), source }
    }

    pub(crate) fn trace(path: &std::path::Path, source: io::Error) -> Self {
        Self::Trace { path: path.into(), source }
    }
}
