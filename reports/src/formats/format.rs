//! What a format does.

use std::fmt::Debug;
use std::panic::RefUnwindSafe;

use crate::plot::PlotError;
use crate::report::Report;

/// Why a file cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum FormatError {
    /// A picture.
    #[error(transparent)]
    Plot(#[from] PlotError),
    /// A table.
    #[cfg(feature = "parquet")]
    #[error("encoding as Parquet failed: {0}")]
    Parquet(#[from] parquet::errors::ParquetError),
}

/// A file of a report: its name and content, or why there is none.
pub type File = (String, Result<Vec<u8>, FormatError>);

/// A way to render results.
pub trait Format: Debug + Sync + RefUnwindSafe {
    /// Its name, as `--format` has it.
    fn name(&self) -> &'static str;

    /// Other names of it.
    fn aliases(&self) -> &'static [&'static str] {
        &[]
    }

    /// What `--help` says of it; none where it is written into folders only.
    fn help(&self) -> Option<&'static str>;

    /// What standard output gets; none where the report has nothing of the kind.
    fn print(&self, report: &dyn Report) -> Option<String>;

    /// What a folder gets.
    fn files(&self, report: &dyn Report) -> Vec<File>;
}
