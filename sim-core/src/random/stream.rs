//! One stream of random integers, and the few ways to take numbers from it.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::Rng;
use serde::{Deserialize, Serialize};

/// Words drawn at once: what the generator makes at a time.
const BLOCK: usize = 32;

/// A stream of random integers; see [`RandomStreams`](super::RandomStreams) for where it comes
/// from.
///
/// All methods are integer code of this crate on top of the generator's output, and keep their
/// values: a stored run can be repeated by a later version. Buffers 256 bytes, so a clone is a
/// copy of some 320 bytes. The stored form is the ChaCha key, nonce and position.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Stream {
    rng: ChaCha8Rng,
}

impl Stream {
    pub(super) const fn new(rng: ChaCha8Rng) -> Self {
        Self { rng }
    }

    /// 64 random bits.
    #[inline]
    pub fn next_u64(&mut self) -> u64 {
        self.rng.next_u64()
    }

    /// A fraction in [0, 1) in units of 2^-64. The same as [`Self::next_u64`], under the name
    /// that says how it is read.
    #[inline]
    pub fn unit_q64(&mut self) -> u64 {
        self.next_u64()
    }

    /// A number below `n`, each equally likely, by multiplication with rejection
    /// (D. Lemire, "Fast random integer generation in an interval", 2019).
    ///
    /// # Panics
    /// When `n` is zero.
    #[inline]
    pub fn below(&mut self, n: u64) -> u64 {
        assert!(n > 0, "no number is below zero");
        let mut product = u128::from(self.next_u64()) * u128::from(n);
        if (product as u64) < n {
            // 2^64 mod n: so many low halves would make the first numbers likelier.
            let surplus = n.wrapping_neg() % n;
            while (product as u64) < surplus {
                product = u128::from(self.next_u64()) * u128::from(n);
            }
        }
        (product >> 64) as u64
    }

    /// So many numbers below `n`, added to `out`: what as many calls of [`Self::below`] give, drawn in
    /// blocks.
    ///
    /// # Panics
    /// When `n` is zero.
    pub fn extend_below(&mut self, n: u64, count: usize, out: &mut Vec<u64>) {
        assert!(n > 0, "no number is below zero");
        let end = out.len() + count;
        let surplus = n.wrapping_neg() % n;
        while out.len() < end {
            let mut block = [0; 8 * BLOCK];
            let most = (end - out.len()).min(BLOCK);
            let bytes = &mut block[..8 * most];
            self.rng.fill_bytes(bytes);
            let words = bytes.as_chunks().0.iter().map(|&word| u64::from_le_bytes(word));
            // As many low halves are rejected as would make the first numbers likelier. Without a branch: each
            // number is written over one that was rejected.
            let (mut numbers, mut kept) = ([0; BLOCK], 0);
            for word in words {
                let product = u128::from(word) * u128::from(n);
                numbers[kept % BLOCK] = (product >> 64) as u64;
                kept += usize::from(product as u64 >= surplus);
            }
            out.extend_from_slice(&numbers[..kept]);
        }
    }

    /// True with probability `numerator / denominator`; always for a ratio of one or more.
    ///
    /// # Panics
    /// When `denominator` is zero.
    #[inline]
    pub fn chance(&mut self, numerator: u64, denominator: u64) -> bool {
        self.below(denominator) < numerator
    }
}
