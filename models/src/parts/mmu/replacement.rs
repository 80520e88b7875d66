//! Which entry of a set goes: the order of use in one word.
//!
//! Each rule has the word of a set that was never used, what a use makes of it, and whom it names.

/// A rule, for sets of so many ways.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// True LRU of at most eight ways: a word of four bits a way, the one used last lowest.
    Recent(u32),
    /// True LRU of any number of ways: a time for each; the word is the time of the last use.
    Stamps,
    /// A binary tree: bit n is node n, whose children are 2n and 2n + 1. A node that is set points
    /// to the second half of its ways. Ways that a smaller set does not have are never pointed to.
    Tree(u32),
    /// The same of four ways, the usual number.
    Quad,
    /// Three trees of four ways, three bits each from bit 2 on, and the group used last in bits 0 and 1.
    Groups,
}

impl Order {
    /// The word of a set that was never used.
    pub const fn fresh(self) -> u32 {
        match self {
            Self::Recent(_) => 0x7654_3210,
            Self::Stamps | Self::Tree(_) | Self::Quad | Self::Groups => 0,
        }
    }

    /// The word after a way was used. Times are the caller's business.
    #[inline(always)]
    pub fn used(self, word: u32, way: u32) -> u32 {
        match self {
            // The usual case: it was the last one already.
            Self::Recent(_) if word & 0xf == way => word,
            Self::Recent(_) => to_front(word, way),
            Self::Tree(ways) => {
                let (keep, set) =
                    AWAY[ways.next_power_of_two().trailing_zeros() as usize][way as usize];
                word & keep | set
            }
            Self::Quad => quad_used(word, way),
            Self::Groups => {
                let group = way / 4;
                let shift = 1 + 3 * group;
                // Nodes are numbered from one, so that a tree has no bit 0.
                let tree = quad_used(word >> shift & 0b1110, way & 3);
                (word & !(0b1110 << shift | 3)) | tree << shift | group
            }
            Self::Stamps => word,
        }
    }

    /// The word after a way was emptied, so that it goes next. Times are the caller's business.
    pub fn unused(self, word: u32, way: u32) -> u32 {
        match self {
            Self::Recent(ways) => to_place(word, way, ways - 1),
            Self::Tree(ways) => {
                let (keep, set) =
                    AWAY[ways.next_power_of_two().trailing_zeros() as usize][way as usize];
                // Every node on the way to it points to it.
                (word | !keep) & !set
            }
            Self::Quad => Self::Tree(4).unused(word, way),
            Self::Groups => {
                let group = way / 4;
                let shift = 1 + 3 * group;
                let (keep, set) = AWAY[2][way as usize % 4];
                let tree = ((word >> shift) | !keep) & !set & 0b1110;
                (word & !(0b1110 << shift) & !3) | (tree << shift) | ((group + 2) % 3)
            }
            Self::Stamps => word,
        }
    }

    /// The way that goes next, and the word once it is used again. Times are the caller's business.
    #[inline(always)]
    pub fn replaced(self, word: u32) -> (u32, u32) {
        let way = self.next(word);
        let word = match self {
            // The last digit of those in use becomes the first one.
            Self::Recent(ways) => {
                let own = u32::MAX >> (32 - 4 * ways);
                word & !own | (word << 4 | way) & own
            }
            Self::Quad => QUADS[word as usize >> 1 & 7].1,
            Self::Groups => {
                let group = NEXT_GROUP[word as usize & 3];
                let shift = 1 + 3 * group;
                let (_, tree) = QUADS[word as usize >> (shift + 1) & 7];
                (word & !(0b1110 << shift | 3)) | tree << shift | group
            }
            order => order.used(word, way),
        };
        (way, word)
    }

    /// The way that goes next. Times are the caller's business.
    #[inline(always)]
    pub fn next(self, word: u32) -> u32 {
        match self {
            Self::Recent(ways) => word >> (4 * (ways - 1)) & 0xf,
            Self::Tree(ways) => pointed_to(word, ways),
            Self::Quad => QUADS[word as usize >> 1 & 7].0,
            Self::Groups => {
                let group = NEXT_GROUP[word as usize & 3];
                4 * group + QUADS[word as usize >> (2 + 3 * group) & 7].0
            }
            Self::Stamps => 0,
        }
    }
}

/// Moves a digit of four bits to the lowest place; those that were below it move up by one.
#[inline(always)]
pub(super) const fn to_front(word: u32, way: u32) -> u32 {
    let different = word ^ (way * 0x1111_1111);
    // The lowest digit that is zero has its top bit set here, and none below it.
    let zero = different.wrapping_sub(0x1111_1111) & !different & 0x8888_8888;
    let place = zero.trailing_zeros() & !3;
    let below = (word as u64) & ((1u64 << place) - 1);
    let above = (word as u64) >> (place + 4) << (place + 4);
    (above | below << 4 | way as u64) as u32
}

/// Moves a digit of four bits to a place; those above it, up to there, move down by one.
pub(super) fn to_place(word: u32, way: u32, place: u32) -> u32 {
    let mut digits: Vec<u32> = (0..8).map(|at| word >> (4 * at) & 0xf).collect();
    digits.retain(|&digit| digit != way);
    digits.insert(place as usize, way);
    digits.iter().rev().fold(0, |word, digit| word << 4 | digit)
}

/// What a use of a way does to a tree, by the binary logarithm of its leaves: bits that stay, bits to set.
static AWAY: [[(u32, u32); 32]; 6] = {
    let mut all = [[(0, 0); 32]; 6];
    let mut log = 0;
    while log < 6 {
        let mut way = 0;
        while way < 1 << log {
            let leaves = 1 << log;
            all[log][way] =
                (away_from(u32::MAX, leaves, way as u32), away_from(0, leaves, way as u32));
            way += 1;
        }
        log += 1;
    }
    all
};

/// A tree of four ways after a use of one.
#[inline(always)]
fn quad_used(word: u32, way: u32) -> u32 {
    let (keep, set) = AWAY[2][way as usize & 3];
    word & keep | set
}

/// The group after one of three.
const NEXT_GROUP: [u32; 4] = [1, 2, 0, 1];

/// By the three nodes of a tree of four ways: the way that goes next, and the tree once it is used again.
static QUADS: [(u32, u32); 8] = {
    let mut all = [(0, 0); 8];
    let mut nodes = 0;
    while nodes < 8 {
        let tree = (nodes as u32) << 1;
        let way = pointed_to(tree, 4);
        all[nodes] = (way, away_from(tree, 4, way));
        nodes += 1;
    }
    all
};

/// Every node on the way to a leaf points to its other half.
const fn away_from(word: u32, leaves: u32, way: u32) -> u32 {
    let mut word = word;
    let mut node = 1;
    let mut half = leaves / 2;
    while half > 0 {
        let second = way & half != 0;
        if second {
            word &= !(1 << node);
        } else {
            word |= 1 << node;
        }
        node = 2 * node + second as u32;
        half /= 2;
    }
    word
}

/// The leaf to which a tree points.
#[inline]
const fn pointed_to(word: u32, ways: u32) -> u32 {
    let mut node = 1;
    let mut leaf = 0;
    let mut half = ways.next_power_of_two() / 2;
    while half > 0 {
        // Without a branch: which way goes is as good as random.
        let second = (word >> node & 1) & (leaf + half < ways) as u32;
        leaf += half * second;
        node = 2 * node + second;
        half /= 2;
    }
    leaf
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The ways that go one after the other when nobody uses what is entered.
    fn victims(order: Order, mut word: u32, count: usize) -> Vec<u32> {
        let mut out = Vec::new();
        for _ in 0..count {
            let way = order.next(word);
            out.push(way);
            word = order.used(word, way);
        }
        out
    }

    #[test]
    fn the_order_of_use_is_kept_exactly() {
        for ways in 1..=8u32 {
            let order = Order::Recent(ways);
            let mut word = order.fresh();
            let mut model: Vec<u32> = (0..ways).collect();
            for n in 0..500u32 {
                let way = n * n * 7 % ways;
                word = order.used(word, way);
                model.retain(|&w| w != way);
                model.insert(0, way);
                assert_eq!(order.next(word), model[model.len() - 1]);
            }
        }
    }

    #[test]
    fn what_is_replaced_was_next_and_is_used() {
        let recent = (1..=8).map(Order::Recent);
        let trees = [2, 4, 6, 8, 16].map(Order::Tree);
        for order in recent.chain(trees).chain([Order::Quad, Order::Groups]) {
            let mut word = order.fresh();
            for _ in 0..100 {
                let way = order.next(word);
                assert_eq!(order.replaced(word), (way, order.used(word, way)), "{order:?}");
                word = order.used(word, way);
            }
        }
    }

    #[test]
    fn an_emptied_way_goes_next() {
        let orders =
            [Order::Recent(4), Order::Recent(8), Order::Tree(8), Order::Quad, Order::Groups];
        for order in orders {
            let ways = if order == Order::Groups { 12 } else { 4 };
            let used = (0..ways).fold(order.fresh(), |word, way| order.used(word, way));
            for way in 0..ways {
                assert_eq!(order.next(order.unused(used, way)), way, "{order:?}");
            }
        }
    }

    #[test]
    fn a_tree_goes_round_by_halves() {
        let order = Order::Tree(4);
        let word = (0..4).fold(order.fresh(), |word, way| order.used(word, way));
        assert_eq!(victims(order, word, 4), [0, 2, 1, 3]);
    }

    #[test]
    fn a_tree_of_the_usual_size_is_a_tree() {
        let (mut usual, mut tree) = (Order::Quad.fresh(), Order::Tree(4).fresh());
        for n in 0..200 {
            assert_eq!(Order::Quad.replaced(usual), Order::Tree(4).replaced(tree));
            let way = n * n * 7 % 5 % 4;
            (usual, tree) = (Order::Quad.used(usual, way), Order::Tree(4).used(tree, way));
            assert_eq!(usual, tree);
        }
    }

    #[test]
    fn a_tree_of_six_has_six_leaves() {
        let order = Order::Tree(6);
        let mut seen: Vec<u32> = victims(order, order.fresh(), 24);
        assert!(seen.iter().all(|&way| way < 6), "{seen:?}");
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), 6);
    }

    /// `(MRU+1)%3 PLRU4` as vusec/tlbdr describes it: the group after the one used last.
    #[test]
    fn groups_take_turns() {
        let order = Order::Groups;
        let mut word = (0..12).fold(order.fresh(), |word, way| order.used(word, way));
        // Group 2 was used last: group 0 is next, then 1, then 2; in each the tree goes by halves.
        assert_eq!(victims(order, word, 12), [0, 4, 8, 2, 6, 10, 1, 5, 9, 3, 7, 11]);
        // A hit in group 1 makes group 2 next.
        word = order.used(word, 5);
        assert_eq!(order.next(word) / 4, 2);
    }
}
