//! The zoo: mistakes that kernels made, each shown in a world small enough to be searched, or in a
//! short simulated run, together with the proof that the same world without it is quiet.
//!
//! An [`Entry`] is data: what went wrong upstream, what is varied here ([`Variant`]), in which world
//! ([`Exhibit`]), and which invariant must notice. [`show`] carries an entry out and says whether
//! everything came as expected. Negative controls are entries for which nothing may be noticed
//! although what they are about does happen.

mod controls;
mod entry;
mod guest;
mod host;
mod lifecycle;
mod performance;
mod show;
mod simulate;
mod vmm;

pub use entry::{Entry, Exhibit, Expect, Group, Slow, Variant, World};
pub use show::{Caught, Found, Outcome, Row, Shown, show, show_all};

/// Every entry, in the order of the table.
pub fn entries() -> impl Iterator<Item = &'static Entry> {
    let all = [
        host::ENTRIES,
        lifecycle::ENTRIES,
        performance::ENTRIES,
        guest::ENTRIES,
        vmm::ENTRIES,
        controls::ENTRIES,
    ];
    all.into_iter().flatten()
}

/// The entry of that id, however its letters are written.
pub fn find(id: &str) -> Option<&'static Entry> {
    entries().find(|entry| entry.id.eq_ignore_ascii_case(id))
}

#[cfg(test)]
mod tests;
