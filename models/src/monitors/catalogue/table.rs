//! All lines of the catalogue, and how one is found.

use super::line::Invariant;
use super::{guest, items, life, machine, messages, notices, vmm};
use crate::base::invariant::InvariantId;

/// Every invariant, by rising number.
pub static CATALOGUE: [Invariant; COUNT] = joined();

/// How many there are.
const COUNT: usize = 51;

const fn joined() -> [Invariant; COUNT] {
    let parts: [&[Invariant]; 7] = [
        items::LINES,
        notices::LINES,
        life::LINES,
        guest::LINES,
        machine::LINES,
        vmm::LINES,
        messages::LINES,
    ];
    let mut all = [items::LINES[0]; COUNT];
    let (mut row, mut part) = (0, 0);
    while part < parts.len() {
        let mut line = 0;
        while line < parts[part].len() {
            all[row] = parts[part][line];
            row += 1;
            line += 1;
        }
        part += 1;
    }
    all
}

impl Invariant {
    /// The line of an invariant.
    pub fn find(id: InvariantId) -> Option<&'static Self> {
        position(id).map(|at| &CATALOGUE[at])
    }
}

/// The row of an invariant in [`CATALOGUE`].
pub(in crate::monitors) fn position(id: InvariantId) -> Option<usize> {
    CATALOGUE.binary_search_by_key(&id, |line| line.id).ok()
}
