//! How a Linux kernel prints tracepoints, and the one place that knows it.
//!
//! [`forms`] lists every event with its name and the text of its fields, in the forms of different
//! kernels; a form is both what the parser matches and what a writer prints. [`event`] is what a
//! printed event means, [`parse`] goes from text to meaning, and [`line`] takes a line of
//! tracefs, `trace-cmd report` or `perf script` apart.
//!
//! Text is bytes here: a log may hold anything.

pub mod event;
pub mod forms;
pub mod line;
pub mod parse;

pub use event::{KernelEvent, KernelExit};
pub use forms::{EventForms, Form, FormError, Value, forms_of};
pub use line::{Header, Line, Lost, Thread, split};
pub use parse::{EventError, parse_event};
