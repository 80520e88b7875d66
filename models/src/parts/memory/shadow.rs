//! Shadow paging: what KVM's mirror of the guest's tables has of each frame, and which tables are mirrored.
//!
//! A frame that programs use has two addresses in the guest: the program's own, and that of the kernel's
//! map of all memory. Each has an entry in the mirror, made by a fault of its own. A table of the guest's
//! that is mirrored must not change unseen: the kernel's entry for its frame allows no writing
//! (`account_shadowed`). A write to one above the lowest is carried out by KVM (`RET_PF_WRITE_PROTECTED`),
//! each time; a lowest one may be written freely after the first fault for it (`mmu_try_to_unsync_pages`), and
//! is made the same again, and protected again, when the guest writes CR3 (`mmu_sync_children`).
//! Read in arch/x86/kvm/mmu of 5.10.262, 6.12.117 and 7.3.4.

use std::collections::BTreeMap;

use super::page::Entry;
use crate::base::ids::Gfn;
use crate::base::radix::Radix;

/// By which address of the guest's a frame is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// That of a program.
    Program,
    /// That of the kernel's map of all memory.
    Kernel,
}

/// The entries for the two addresses of a frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Sides {
    program: Entry,
    kernel: Entry,
}

/// A mirrored table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Mirrored {
    level: u32,
    /// It may be written, and its mirror may differ from it.
    unsync: bool,
}

/// What becomes of a write of the guest's kernel to a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KernelWrite {
    /// It goes through, once there is an entry.
    Direct,
    /// KVM carries it out.
    Emulated,
}

/// The mirror of the tables of one virtual machine. What it has of a frame counts as long as the frame has
/// an entry at all, which [`super::pages::SecondStage`] says.
#[derive(Clone, Debug)]
pub struct Shadow {
    sides: Radix<Sides>,
    tables: BTreeMap<Gfn, Mirrored>,
    unsync: u32,
}

impl Shadow {
    /// An empty mirror for a guest with so many pages.
    pub fn new(pages: u64) -> Self {
        Self { sides: Radix::new(pages), tables: BTreeMap::new(), unsync: 0 }
    }

    /// Makes clones cheap from here on.
    pub fn freeze(&mut self) {
        self.sides.freeze();
    }

    /// Whether an address of a frame may be read, or written.
    #[inline]
    pub fn allows(&self, gfn: Gfn, side: Side, write: bool) -> bool {
        let sides = self.sides.get(gfn.0);
        let entry = match side {
            Side::Program => sides.program,
            Side::Kernel => sides.kernel,
        };
        entry >= if write { Entry::Writable } else { Entry::ReadOnly }
    }

    /// Makes the entry for an address, which allows at most what the frame's mapping does; true if there was
    /// none, or one that allowed less. `fresh`: the frame had no entry for any address.
    pub fn map(&mut self, gfn: Gfn, side: Side, entry: Entry, fresh: bool) -> bool {
        let sides = self.sides.get_mut(gfn.0);
        if fresh {
            *sides = Sides::default();
        }
        let protected = self.tables.get(&gfn).is_some_and(|table| !table.unsync);
        let (own, entry) = match side {
            Side::Program => (&mut sides.program, entry),
            Side::Kernel if protected => (&mut sides.kernel, entry.min(Entry::ReadOnly)),
            Side::Kernel => (&mut sides.kernel, entry),
        };
        let before = *own;
        *own = before.max(entry);
        *own != before
    }

    /// Whether a frame holds a table that is mirrored.
    pub fn is_table(&self, gfn: Gfn) -> bool {
        self.tables.contains_key(&gfn)
    }

    /// What becomes of a write of the guest's kernel to a frame.
    pub fn kernel_write(&self, gfn: Gfn) -> KernelWrite {
        match self.tables.get(&gfn) {
            Some(table) if table.level > 1 => KernelWrite::Emulated,
            _ => KernelWrite::Direct,
        }
    }

    /// A fault for writing at the kernel's address of a lowest table: it may be written from now on.
    pub fn let_write(&mut self, gfn: Gfn) {
        if let Some(table) = self.tables.get_mut(&gfn)
            && table.level == 1
            && !table.unsync
        {
            table.unsync = true;
            self.unsync += 1;
        }
    }

    /// A table is mirrored from now on. The kernel's entry for its frame, if it has any, allows no writing;
    /// true if it did, which every vCPU has to hear of.
    pub fn mirror(&mut self, gfn: Gfn, level: u32) -> bool {
        if self.tables.contains_key(&gfn) {
            return false;
        }
        self.tables.insert(gfn, Mirrored { level, unsync: false });
        self.protect(gfn)
    }

    fn protect(&mut self, gfn: Gfn) -> bool {
        let sides = self.sides.get_mut(gfn.0);
        let wrote = sides.kernel == Entry::Writable;
        sides.kernel = sides.kernel.min(Entry::ReadOnly);
        wrote
    }

    /// The guest has written CR3: the mirrors of written tables become the same as these, which are protected
    /// again. Those tables.
    pub fn synchronise(&mut self) -> Vec<Gfn> {
        if std::mem::take(&mut self.unsync) == 0 {
            return Vec::new();
        }
        let mut written = Vec::new();
        for (&gfn, table) in &mut self.tables {
            if std::mem::take(&mut table.unsync) {
                written.push(gfn);
            }
        }
        for &gfn in &written {
            self.protect(gfn);
        }
        written
    }

    /// Every entry goes, and with it every mirror (`kvm_mmu_zap_all_fast`).
    pub fn clear(&mut self) {
        self.tables.clear();
        self.unsync = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: Gfn = Gfn(3);

    fn shadow(level: u32) -> Shadow {
        let mut shadow = Shadow::new(8);
        assert!(shadow.map(TABLE, Side::Kernel, Entry::Writable, true));
        assert!(shadow.mirror(TABLE, level));
        assert!(!shadow.mirror(TABLE, level));
        shadow
    }

    #[test]
    fn each_address_of_a_frame_has_its_own_entry() {
        let mut shadow = Shadow::new(8);
        assert!(shadow.map(Gfn(1), Side::Program, Entry::ReadOnly, true));
        assert!(shadow.allows(Gfn(1), Side::Program, false));
        assert!(!shadow.allows(Gfn(1), Side::Program, true));
        assert!(!shadow.allows(Gfn(1), Side::Kernel, false));
        assert!(shadow.map(Gfn(1), Side::Kernel, Entry::Writable, false));
        assert!(!shadow.map(Gfn(1), Side::Kernel, Entry::Writable, false));
        // The frame was taken away, and comes back at one address only.
        assert!(shadow.map(Gfn(1), Side::Kernel, Entry::Writable, true));
        assert!(!shadow.allows(Gfn(1), Side::Program, false));
    }

    #[test]
    fn a_mirrored_table_cannot_be_written_unseen() {
        for level in 1..=5 {
            let mut shadow = shadow(level);
            assert!(shadow.allows(TABLE, Side::Kernel, false));
            assert!(!shadow.allows(TABLE, Side::Kernel, true));
            assert!(!shadow.map(TABLE, Side::Kernel, Entry::Writable, false));
            let emulated = shadow.kernel_write(TABLE) == KernelWrite::Emulated;
            assert_eq!(emulated, level > 1);
        }
    }

    #[test]
    fn a_lowest_table_is_written_freely_until_it_is_synchronised() {
        let mut shadow = shadow(1);
        assert_eq!(shadow.synchronise(), []);
        shadow.let_write(TABLE);
        assert!(shadow.map(TABLE, Side::Kernel, Entry::Writable, false));
        assert!(shadow.allows(TABLE, Side::Kernel, true));
        assert_eq!(shadow.synchronise(), [TABLE]);
        assert!(!shadow.allows(TABLE, Side::Kernel, true));
        assert_eq!(shadow.synchronise(), []);
    }

    #[test]
    fn a_table_above_the_lowest_is_never_written_freely() {
        let mut shadow = shadow(2);
        shadow.let_write(TABLE);
        assert!(!shadow.map(TABLE, Side::Kernel, Entry::Writable, false));
        assert_eq!(shadow.synchronise(), []);
    }
}
