//! The hardware of address translation: what a core keeps of it, and by which rules.

use serde::Deserialize;

use crate::base::named::named;
use crate::base::page_size::PageSizes;

named! {
    /// How an entry finds its set.
    #[derive(Default)]
    SetFunction {
        /// By the low bits of the page number.
        #[default]
        Linear => "linear",
        /// By the exclusive or of the two lowest groups of so many bits (measured on a second-level TLB
        /// of Intel's with 128 sets: vusec/tlbdr).
        XorFold => "xor-fold",
    }
}

named! {
    /// Which entry of a full set goes.
    #[derive(Default)]
    Replacement {
        /// The one that was not used for longest.
        #[default]
        Lru => "lru",
        /// The one to which a binary tree points; at most 32 ways.
        TreePlru => "tree-plru",
        /// Twelve ways in three groups of four: the group after the one used last, and in it the one to
        /// which a tree points (`(MRU+1)%3 PLRU4` of vusec/tlbdr).
        GroupPlru => "mru-plru4",
    }
}

/// An array of translations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlbArray {
    /// Entries in all; a power of two times `ways`.
    pub entries: u32,
    /// Entries in a set.
    pub ways: u32,
    /// Sizes of the pages whose translations it holds.
    pub sizes: PageSizes,
    /// How an entry finds its set.
    #[serde(default)]
    pub sets: SetFunction,
    /// Which entry of a full set goes.
    #[serde(default)]
    pub replacement: Replacement,
}

impl TlbArray {
    /// Number of sets.
    pub const fn set_count(&self) -> u32 {
        self.entries / self.ways
    }

    /// Whether the number of sets is a power of two, and the replacement is one for so many ways.
    pub const fn is_sound(&self) -> bool {
        let fits = match self.replacement {
            Replacement::Lru => true,
            Replacement::TreePlru => self.ways <= 32,
            Replacement::GroupPlru => self.ways == 12,
        };
        let whole = self.ways > 0 && self.entries.is_multiple_of(self.ways);
        fits && whole && self.set_count().is_power_of_two()
    }
}

/// Entries of the caches of upper levels, by the table whose entries they keep; 0: there is none. Those of
/// the guest's tables keep where the next table lies in the host, those of the second stage likewise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PagingCaches {
    /// Of tables of level 4.
    pub pml4e: u32,
    /// Of tables of level 3.
    pub pdpte: u32,
    /// Of tables of level 2.
    pub pde: u32,
}

/// What a core has for translations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TranslationConfig {
    /// Arrays of the first level, for data.
    pub l1_dtlb: Vec<TlbArray>,
    /// Arrays of the second level.
    pub stlb: Vec<TlbArray>,
    /// Caches of upper levels, for the guest's tables and as many for the second stage.
    pub paging_caches: PagingCaches,
    /// Second-stage translations of frames with tables; 0: none.
    pub nested_tlb: u32,
    /// Lines of 64 bytes that tables have in the caches of level 1, 2 and 3; 0: there is no such cache.
    pub table_lines: [u32; 3],
    /// Whether entries are tagged by the vCPU (VPID, ASID), so that they outlive its exits.
    pub vpid: bool,
}
