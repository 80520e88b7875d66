//! What a scenario is: its file, what that means, and its canonical form.

pub(crate) mod addresses;
pub(crate) mod canonical;
pub mod expect;
pub mod file;
pub(crate) mod kept;
pub mod library;
pub(crate) mod named_files;
pub(crate) mod op;
pub(crate) mod patch;
pub(crate) mod published;
pub mod resolve;
pub mod resolved;
pub(crate) mod schema;
pub(crate) mod source;
pub mod start;
