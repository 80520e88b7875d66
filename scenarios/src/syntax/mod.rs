//! What text is: placed values, units, and errors that name place and remedy.

pub(crate) mod de;
pub(crate) mod error;
pub(crate) mod further;
pub(crate) mod suggest;
pub(crate) mod tree;
pub mod units;
pub(crate) mod visible;
