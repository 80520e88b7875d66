//! A walk through the guest's tables and the second stage.
//!
//! Each reference to a table of the guest needs the host's place of that table, which takes a walk
//! through the second stage of its own; so does the page at the end. With g levels of the guest's and h
//! of the host's a cold walk has (g + 1)(h + 1) - 1 references. Caches of upper levels shorten it. What
//! they keep of the guest's tables is where the next table lies *in the host* (the combined mappings of
//! the Intel manual, volume 3, chapter 28), so that a walk that begins there needs no second stage for
//! its first table.

mod references;

use super::lines::{Line, Lines, References};
use super::small::SmallArray;
use super::store::Store;
use super::tlb::Pcid;
use crate::base::ids::Gfn;
use crate::base::page_size::PageSize;
use crate::config::PagingCaches;

pub use references::warm_references;

/// Entries of a table, as bits of an index.
const INDEX_BITS: u32 = 9;

/// Most levels that tables have.
const MOST_LEVELS: usize = 5;

/// Goes through the levels of tables from one down to another, with what is known of each when the program is
/// compiled.
macro_rules! down {
    ($first:expr, $lowest:expr, $level:ident => $body:block) => {
        down!($first, $lowest, $level => $body, 5 4 3 2 1)
    };
    ($first:expr, $lowest:expr, $level:ident => $body:block, $($each:literal)*) => {$(
        if $lowest <= $each && $each <= $first {
            let $level = $each;
            $body
        }
    )*};
}

/// All pages of the guest's regions are in one window of 1 TiB, which its tables see to.
const WINDOW: u64 = (1 << 28) - 1;

/// What a walk reads: the tables of guest and host.
pub trait Stages {
    /// The frame to which the guest maps a page, and the size of the mapping.
    fn leaf(&self, page: u64) -> Option<(Gfn, PageSize)>;
    /// The frame with the guest's table of a level on the way to a page, if there is one.
    fn table(&self, page: u64, level: u32) -> Option<Gfn>;
    /// The size of the second stage's mapping of a frame, if there is one that allows the access. A walk
    /// sets flags in tables, so that it writes to them.
    fn second_stage(&self, gfn: Gfn, table: bool) -> Option<PageSize>;
}

/// Levels of the tables.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Levels {
    /// Of the guest's: 4 or 5; 0 where it has no paging.
    pub guest: u32,
    /// Of the second stage: 4 or 5; 0 where there is none.
    pub host: u32,
}

/// A walk that came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Walked {
    /// The size of the combined translation.
    pub size: PageSize,
    /// References to tables, those of the second stage too.
    pub references: References,
}

/// A walk that did not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stopped {
    /// The guest's tables have no entry.
    GuestFault,
    /// The second stage has none for this frame; is there one of the guest's tables in it?
    Violation {
        /// The frame.
        gfn: Gfn,
        /// Whether it holds a table of the guest's.
        table: bool,
    },
}

/// The caches of upper levels of one kind of tables: `by_level[n]` has where tables of level n lie.
#[derive(Clone, Debug, Default)]
struct Upper {
    by_level: [Option<SmallArray>; MOST_LEVELS + 1],
}

impl Upper {
    fn new(store: &mut Store, sizes: PagingCaches) -> Self {
        let PagingCaches { pml4e, pdpte, pde } = sizes;
        let [one, two, three] = [pde, pdpte, pml4e].map(|size| SmallArray::new(store, size));
        Self { by_level: [None, one, two, three, None, None] }
    }

    /// The lowest table, of `least` or above, of which it is known where it lies.
    #[inline(always)]
    fn find(&self, store: &mut Store, page: u64, least: u32, tag: u32) -> Option<u32> {
        if least <= 1 && self.has(store, page, 1, tag) {
            Some(1)
        } else if least <= 2 && self.has(store, page, 2, tag) {
            Some(2)
        } else if self.has(store, page, 3, tag) {
            Some(3)
        } else {
            None
        }
    }

    #[inline(always)]
    fn has(&self, store: &mut Store, page: u64, level: u32, tag: u32) -> bool {
        let key = page >> (INDEX_BITS * level);
        let array = self.by_level[level as usize];
        array.is_some_and(|array| array.hit(store, key, tag | key as u32))
    }

    #[inline(always)]
    fn enter(&self, store: &mut Store, page: u64, level: u32, tag: u32) {
        if let Some(array) = self.by_level[level as usize] {
            let key = page >> (INDEX_BITS * level);
            array.insert(store, key, tag | key as u32);
        }
    }

    fn all(&self) -> impl Iterator<Item = SmallArray> {
        self.by_level.iter().flatten().copied()
    }
}

/// The walker of a core, with what it keeps of tables.
#[derive(Clone, Debug, Default)]
pub struct Walker {
    guest: Upper,
    host: Upper,
    /// Second-stage translations of frames with tables of the guest's.
    nested: Option<SmallArray>,
    lines: Lines,
}

/// What a walk has done so far.
struct Course<'a> {
    store: &'a mut Store,
    walked: &'a mut Vec<Gfn>,
    references: References,
}

/// Where a walk to a page stops that the guest does not map: at a table that the second stage does not
/// map, or else at the missing entry.
fn missing(page: u64, levels: Levels, stages: &impl Stages) -> Stopped {
    let tables = (1..=levels.guest).rev().map_while(|level| stages.table(page, level));
    let unmapped = |gfn: &Gfn| levels.host > 0 && stages.second_stage(*gfn, true).is_none();
    match tables.into_iter().find(unmapped) {
        Some(gfn) => Stopped::Violation { gfn, table: true },
        None => Stopped::GuestFault,
    }
}

/// Makes tags of cached tables differ from an empty way, and keeps address spaces apart.
const fn upper_tag(pcid: Pcid) -> u32 {
    1 << 31 | (pcid.0 as u32) << 29
}

impl Walker {
    /// A walker with empty caches in a store.
    pub fn new(store: &mut Store, caches: PagingCaches, nested: u32, lines: Lines) -> Self {
        Self {
            guest: Upper::new(store, caches),
            host: Upper::new(store, caches),
            nested: SmallArray::new(store, nested),
            lines,
        }
    }

    /// Walks to a page. Frames whose second-stage entries were used are added to `walked`: their
    /// accessed bits are set.
    ///
    /// # Errors
    /// With where it stopped; what it has changed by then is the caller's to undo.
    pub fn walk(
        &self,
        store: &mut Store,
        (page, pcid): (u64, Pcid),
        levels: Levels,
        stages: &impl Stages,
        walked: &mut Vec<Gfn>,
    ) -> Result<Walked, Stopped> {
        let Some((frame, size)) = stages.leaf(page) else {
            return Err(missing(page, levels, stages));
        };
        let mut course = Course { store, walked, references: References::default() };
        let stopped = |gfn, table| Stopped::Violation { gfn, table };
        if levels.guest > 0 {
            let (lowest, tag) = (size.level(), upper_tag(pcid));
            let known = self.guest.find(course.store, page, lowest, tag);
            let first = known.unwrap_or(levels.guest);
            down!(first, lowest, level => {
                if Some(level) != known {
                    let table = stages.table(page, level).ok_or(Stopped::GuestFault)?;
                    self.place_table(&mut course, table, levels.host, stages)
                        .ok_or(stopped(table, true))?;
                    if level < levels.guest {
                        self.guest.enter(course.store, page, level, tag);
                    }
                }
                course.read(&self.lines, self.lines.of_guest(page & WINDOW, level));
            });
        }
        let size = match levels.host {
            0 if levels.guest > 0 => size,
            host => {
                let mapped = self.second_stage(&mut course, frame, host, stages, false);
                size.min(mapped.ok_or(stopped(frame, false))?)
            }
        };
        Ok(Walked { size, references: course.references })
    }

    /// Where a table of the guest's lies in the host. None: the second stage does not map it.
    #[inline(always)]
    fn place_table(
        &self,
        course: &mut Course<'_>,
        table: Gfn,
        host_levels: u32,
        stages: &impl Stages,
    ) -> Option<()> {
        if host_levels == 0 {
            return Some(());
        }
        let tag = 1 << 31 | table.0 as u32;
        if let Some(nested) = self.nested
            && nested.hit(course.store, table.0, tag)
        {
            return Some(());
        }
        self.second_stage(course, table, host_levels, stages, true)?;
        if let Some(nested) = self.nested {
            nested.insert(course.store, table.0, tag);
        }
        Some(())
    }

    /// A walk through the second stage; the size of its mapping, if there is one.
    #[inline(never)]
    fn second_stage(
        &self,
        course: &mut Course<'_>,
        gfn: Gfn,
        levels: u32,
        stages: &impl Stages,
        table: bool,
    ) -> Option<PageSize> {
        let size = stages.second_stage(gfn, table)?;
        let (lowest, tag) = (size.level(), 1 << 31);
        let known = self.host.find(course.store, gfn.0, lowest, tag);
        let first = known.unwrap_or(levels);
        down!(first, lowest, level => {
            if level < first {
                self.host.enter(course.store, gfn.0, level, tag);
            }
            course.read(&self.lines, self.lines.of_host(gfn.0, level));
        });
        course.walked.push(gfn);
        Some(size)
    }

    /// Reads what a walk to a page and to its frame will ask of the caches of tables where the real processor is
    /// likely to wait for it, and changes nothing.
    #[inline]
    pub fn look_at(&self, store: &Store, page: u64, gfn: Gfn) -> u32 {
        let of_guest = self.lines.of_guest(page & WINDOW, 1);
        let of_host = self.lines.of_host(gfn.0, 1);
        self.lines.last_use(store, of_guest) ^ self.lines.last_use(store, of_host)
    }

    /// Drops what it keeps of the guest's tables of an address space (INVLPG, a write of CR3).
    pub fn drop_space(&self, store: &mut Store, pcid: Pcid) {
        for array in self.guest.all() {
            array.drop_where(store, |tag| tag >> 29 == upper_tag(pcid) >> 29);
        }
    }

    /// Drops what it keeps of the guest's tables (INVVPID).
    pub fn drop_guest(&self, store: &mut Store) {
        self.guest.all().for_each(|array| array.clear(store));
    }

    /// Drops what it keeps of all tables (INVEPT).
    pub fn clear(&self, store: &mut Store) {
        let all = self.guest.all().chain(self.host.all()).chain(self.nested);
        all.for_each(|array| array.clear(store));
    }
}

impl Course<'_> {
    #[inline(always)]
    fn read(&mut self, lines: &Lines, line: Line) {
        self.references.add(lines.read(self.store, line));
    }
}

#[cfg(test)]
mod tests;
