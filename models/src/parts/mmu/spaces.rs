//! Which address spaces of the guest the TLB of a vCPU tells apart.

use super::tlb::Pcid;

/// Tags that a kernel gives at once (`TLB_NR_DYN_ASIDS` is 6; entries here have room for 4).
const TAGS: usize = 4;

/// The address space of each tag, and whose turn it is to lose its own (`choose_new_asid`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SpaceTags {
    spaces: [Option<u32>; TAGS],
    next: usize,
}

impl SpaceTags {
    /// The tag of an address space that the guest goes to, and whether what the TLB has under it is the
    /// space's own. Without tags all share one, and nothing stays.
    pub fn switch(&mut self, space: u32, tagged: bool) -> (Pcid, bool) {
        if !tagged {
            return (Pcid::default(), false);
        }
        if let Some(tag) = self.spaces.iter().position(|&owner| owner == Some(space)) {
            return (Pcid(tag as u8), true);
        }
        let tag = self.next;
        self.spaces[tag] = Some(space);
        self.next = (tag + 1) % TAGS;
        (Pcid(tag as u8), false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_space_keeps_its_tag_until_others_need_it() {
        let mut tags = SpaceTags::default();
        for space in 0..4 {
            assert_eq!(tags.switch(space, true), (Pcid(space as u8), false));
        }
        assert_eq!(tags.switch(2, true), (Pcid(2), true));
        assert_eq!(tags.switch(9, true), (Pcid(0), false));
        assert_eq!(tags.switch(0, true), (Pcid(1), false));
        assert_eq!(tags.switch(9, true), (Pcid(0), true));
    }

    #[test]
    fn without_tags_nothing_stays() {
        let mut tags = SpaceTags::default();
        assert_eq!(tags.switch(1, false), tags.switch(1, false));
        assert_eq!(tags.switch(1, false), (Pcid(0), false));
    }
}
