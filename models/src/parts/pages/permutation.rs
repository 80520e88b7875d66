//! A shuffled order of pages without a table of it.

/// Rounds of the network. Four make a Feistel network of good round functions indistinguishable from a
/// random permutation (Luby and Rackoff, 1988).
const ROUNDS: usize = 4;

/// A fixed order of the numbers below some number, shuffled by a key.
///
/// A balanced Feistel network permutes the next power of four; a number that it sends too high is sent on
/// until it is low enough, which permutes the rest (cycle walking). Costs a few dozen operations and no
/// memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permutation {
    len: u64,
    /// Bits of half a number.
    half: u32,
    keys: [u64; ROUNDS],
}

impl Permutation {
    /// The order of the numbers below `len` that a key stands for.
    pub fn new(len: u64, key: u64) -> Self {
        let bits = u64::BITS - len.saturating_sub(1).leading_zeros();
        let half = bits.div_ceil(2).max(1);
        let keys = std::array::from_fn(|round| mix(key.wrapping_add(round as u64 + 1)));
        Self { len, half, keys }
    }

    /// The number in a place of the order. A place that is not below the length is taken modulo it.
    pub fn at(&self, place: u64) -> u64 {
        if self.len <= 1 {
            return 0;
        }
        let mut number = place % self.len;
        loop {
            number = self.once(number);
            if number < self.len {
                return number;
            }
        }
    }

    fn once(&self, number: u64) -> u64 {
        let mask = (1 << self.half) - 1;
        let (mut left, mut right) = (number >> self.half, number & mask);
        for key in self.keys {
            (left, right) = (right, left ^ (mix(right ^ key) & mask));
        }
        left << self.half | right
    }
}

/// The finaliser of SplitMix64 (Steele, Lea and Flood, 2014): every bit depends on every other.
fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
