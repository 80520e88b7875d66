//! Records and their consumers.

pub mod anatomy;
pub mod digest;
pub mod kernel;
pub mod metrics;
pub mod owners;
pub mod requests;
pub mod series;
pub mod timeline;
pub mod why;
