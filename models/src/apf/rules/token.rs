//! How an item is named to the guest.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::choices::TokenZero;
use super::value::Value;
use crate::base::ids::{Token, VcpuId};

/// Layout of a token: a counter of the vCPU above the number of the vCPU
/// (`kvm_arch_setup_async_pf`: `apf.id++ << 12 | vcpu_id`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct TokenRule {
    /// Bits of the counter, which wraps. Kernels have 20; fewer make wrapping cheap to explore.
    pub id_bits: u8,
    /// Bits by which the counter is shifted. Kernels have 12. A vCPU number that needs more is
    /// not cut, and overlaps the counter.
    pub vcpu_bits: u8,
    /// The number of the first vCPU; the others follow. The VMM numbers vCPUs, and need not begin
    /// at 0.
    pub first_vcpu: u16,
}

impl TokenRule {
    /// The token of a vCPU's item when its counter stands at `id`.
    pub fn token(self, id: u32, vcpu: VcpuId) -> Token {
        let id = u64::from(id) << self.vcpu_bits;
        // The kernel's u32: what does not fit is lost.
        Token(id as u32 | (u32::from(self.first_vcpu) + u32::from(vcpu.0)))
    }

    /// The counter from which the next token is made: `id`, or the next one whose token is not
    /// zero for a counter that skips zero.
    pub fn first_from(self, id: u32, zero: TokenZero) -> u32 {
        // The test is on the counter's part alone, whatever the vCPU's number.
        let shifted = (u64::from(id) << self.vcpu_bits) as u32;
        let skipped = zero == TokenZero::Skipped && shifted == 0;
        if skipped { 1 } else { id }
    }

    /// The counter after `id`.
    pub fn next_id(self, id: u32) -> u32 {
        let bits = u32::from(self.id_bits.min(32));
        let mask = u32::MAX.checked_shr(32 - bits).unwrap_or(0);
        id.wrapping_add(1) & mask
    }
}

impl fmt::Display for TokenRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "id:{} vcpu:{}", self.id_bits, self.vcpu_bits)?;
        if self.first_vcpu == 0 { Ok(()) } else { write!(f, " first:{}", self.first_vcpu) }
    }
}

impl Value for TokenRule {
    fn all() -> Vec<Self> {
        Vec::new()
    }

    /// `id:20 vcpu:12`, and ` first:4095` where vCPUs are not numbered from 0.
    fn read(text: &str) -> Option<Self> {
        let (id, vcpu) = text.strip_prefix("id:")?.split_once(" vcpu:")?;
        let (vcpu, first) = vcpu.split_once(" first:").unwrap_or((vcpu, "0"));
        Some(Self {
            id_bits: bits(id, 31)?,
            vcpu_bits: bits(vcpu, 16)?,
            first_vcpu: vcpu_number(first)?,
        })
    }
}

/// The largest number of a first vCPU: `KVM_MAX_VCPU_IDS` of a host that is configured for 4096
/// vCPUs, less one (from memory).
const MAX_FIRST_VCPU: u16 = 16_383;

pub(super) fn vcpu_number(text: &str) -> Option<u16> {
    text.parse().ok().filter(|number| *number <= MAX_FIRST_VCPU)
}

pub(super) fn bits(text: &str, most: u8) -> Option<u8> {
    text.parse().ok().filter(|bits| (1..=most).contains(bits))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KERNEL: TokenRule = TokenRule { id_bits: 20, vcpu_bits: 12, first_vcpu: 0 };

    #[test]
    fn the_kernels_layout() {
        assert_eq!(KERNEL.token(0, VcpuId(0)), Token(0));
        assert_eq!(KERNEL.token(1, VcpuId(3)), Token(0x1003));
        assert_eq!(KERNEL.token(0xf_ffff, VcpuId(0xfff)), Token::WAKE_ALL);
    }

    #[test]
    fn zero_is_skipped_where_the_rule_says_so() {
        assert_eq!(KERNEL.first_from(0, TokenZero::Possible), 0);
        assert_eq!(KERNEL.first_from(0, TokenZero::Skipped), 1);
        assert_eq!(KERNEL.first_from(7, TokenZero::Skipped), 7);
        let other = TokenRule { first_vcpu: 5, ..KERNEL };
        assert_eq!(other.first_from(0, TokenZero::Skipped), 1, "whatever the vCPU's number");
    }

    #[test]
    fn a_large_vcpu_number_overlaps_the_counter() {
        assert_eq!(KERNEL.token(0, VcpuId(4096)), KERNEL.token(1, VcpuId(0)));
    }

    #[test]
    fn vcpus_are_numbered_from_the_first() {
        let rule = TokenRule { first_vcpu: 4095, ..KERNEL };
        assert_eq!(rule.token(2, VcpuId(0)), Token(0x2fff));
        assert_eq!(rule.token(2, VcpuId(1)), Token(0x3000));
        assert_eq!(rule.token(0xf_ffff, VcpuId(0)), Token::WAKE_ALL);
        assert_eq!(rule.to_string(), "id:20 vcpu:12 first:4095");
    }

    #[test]
    fn the_counter_wraps_at_its_width() {
        assert_eq!(KERNEL.next_id(0xf_fffe), 0xf_ffff);
        assert_eq!(KERNEL.next_id(0xf_ffff), 0);
        let full = TokenRule { id_bits: 32, vcpu_bits: 0, ..KERNEL };
        assert_eq!(full.next_id(u32::MAX), 0);
        let none = TokenRule { id_bits: 0, vcpu_bits: 0, ..KERNEL };
        assert_eq!(none.next_id(0), 0);
    }
}
