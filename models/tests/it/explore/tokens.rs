//! Tokens with the kernel's layout, and counters shortly before they wrap, in every schedule.

use models::apf::Defects;
use models::apf::rules::{Rules, generation};
use models::base::invariant::InvariantId;
use models::explore::{Bounds, Setup, explore};

const NOTHING: [InvariantId; 0] = [];

fn found(first_vcpu: u16, first_counter: u32, token_bits: u8) -> Vec<InvariantId> {
    let rules = generation("v6.19").unwrap();
    let setup = Setup { vcpus: 1, pages: 3, ..Setup::new(rules, Defects::none(), token_bits) };
    let setup = Setup { rules: Rules { cap: 3, ..setup.rules }, ..setup };
    let explored =
        explore(&setup.numbered_from(first_vcpu, first_counter), &Bounds::default(), None);
    explored.unwrap().violations().map(|finding| finding.kind.id).collect()
}

#[test]
fn exploring_numbered_vcpus_finds_what_arithmetic_says() {
    for (vcpu, expected) in [(0, false), (4094, false), (4095, false), (4096, true), (8191, true)] {
        assert_eq!(found(vcpu, 0, 2).contains(&InvariantId(2)), expected, "vCPU {vcpu}");
    }
    assert!(found(4095, 0xf_fffe, 20).contains(&InvariantId(3)));
    assert_eq!(found(4094, 0xf_fffe, 20), NOTHING);
}

#[test]
fn a_counter_that_cannot_begin_there_is_refused() {
    let setup = Setup::new(generation("v6.19").unwrap(), Defects::none(), 2);
    let told = explore(&setup.numbered_from(0, 4), &Bounds::default(), None).unwrap_err();
    assert_eq!(told.to_string(), "the counter of tokens cannot begin at 4: it ends at 3");
}
