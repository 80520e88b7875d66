//! How a program's accesses choose their pages, where that takes more than one draw.

mod permutation;
#[cfg(test)]
mod tests;
mod walk;

pub use self::permutation::Permutation;
pub use self::walk::{Cursor, Walk};
