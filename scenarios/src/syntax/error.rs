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
        "`{path}` is no text in UTF-8 from byte {offset} on (line {line})\n  \
         help: save the file as UTF-8"
    )]
    NotUtf8 {
        /// The file.
        path: PathBuf,
        /// Offset of the first byte that is none of such a text.
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
    /// Further mistakes of the file.
    pub more: Vec<Diagnostic>,
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
            more: Vec::new(),
        }
    }

    /// The diagnostic with the line it is about and carets under the place. A long line is cut
    /// around them, and what a terminal would act on is written out.
    ///
    /// Further mistakes follow in the same way.
    pub fn render(&self) -> String {
        let further = self.more.iter().map(|more| format!("\nerror: {}", more.render()));
        self.rendered() + &further.collect::<String>()
    }

    fn rendered(&self) -> String {
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
