//! How a Linux kernel prints tracepoints, and the one place that knows it.
//!
//! [`forms`] lists every event with its name and the text of its fields, in the forms of different
//! kernels; a form is both what the parser matches and what a writer prints. [`event`] is what a
//! printed event means, [`parse`] goes from text to meaning and [`text`] the other way, and [`mod@line`]
//! takes a line of tracefs, `trace-cmd report` or `perf script` apart. [`writer`] prints the
//! records of a run as the kernel of the simulated host would.
//!
//! Text is bytes here: a log may hold anything.

pub mod clean;
pub mod event;
mod exits;
pub mod fields;
pub mod forms;
mod header;
pub mod line;
pub mod parse;
mod probes;
pub mod text;
mod threads;
mod words;
pub mod writer;

pub use event::{EventError, KernelEvent, KernelExit};
pub use fields::{Fields, RawText, event_of_fields};
pub use forms::{EventForms, Form, FormError, Value, forms_of, is_evidence};
pub use header::{Header, Thread};
pub use line::{Line, Lost, split};
pub use parse::{Parsed, parse_event, read_event};
pub use text::{Details, write_event};
pub use writer::{KernelWriter, Setting};
