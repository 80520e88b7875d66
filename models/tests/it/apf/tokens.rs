//! Tokens of vCPUs with large numbers: which of them name each other's items.

use models::apf::rules::{Rules, TokenRule, generation};
use models::apf::{Apf, Decision, Defects, Effect, HostInput, VcpuView, invariants};
use models::base::ids::{Gfn, Gva, Hva, Token, VcpuId};
use models::base::invariant::InvariantId;

const NOTHING: [InvariantId; 0] = [];

const KERNEL: TokenRule = TokenRule { id_bits: 20, vcpu_bits: 12, first_vcpu: 0 };

/// Counters from the lowest few and the highest few.
fn counters() -> impl Iterator<Item = u32> + Clone {
    (1..64).chain(0xf_ffc0..=0xf_ffff)
}

fn meet(one: u16, other: u16) -> bool {
    let tokens = |vcpu| counters().map(move |id| KERNEL.token(id, VcpuId(vcpu)));
    tokens(one).any(|token| tokens(other).any(|same| same == token))
}

#[test]
fn vcpus_meet_where_their_numbers_agree_in_twelve_bits() {
    for (one, other, expected) in [
        (4094, 4095, false),
        (4095, 4096, false),
        (4096, 4097, false),
        (0, 4096, true),
        (1, 4097, true),
        (4095, 8191, true),
        (4096, 8192, true),
    ] {
        assert_eq!(meet(one, other), expected, "{one} and {other}");
    }
}

#[test]
fn from_4096_on_a_vcpu_names_two_items_alike() {
    let alone = |vcpu: u16| {
        let tokens = counters().map(|id| KERNEL.token(id, VcpuId(vcpu)));
        let distinct: std::collections::BTreeSet<Token> = tokens.clone().collect();
        distinct.len() < tokens.count()
    };
    let found: Vec<u16> =
        [0, 4094, 4095, 4096, 4097, 8191].into_iter().filter(|&vcpu| alone(vcpu)).collect();
    assert_eq!(found, [4096, 4097, 8191]);
}

#[test]
fn only_the_last_counter_of_vcpu_4095_is_a_wake_all() {
    let wakes_all =
        |vcpu: u16| counters().filter(move |&id| KERNEL.token(id, VcpuId(vcpu)) == Token::WAKE_ALL);
    assert_eq!(wakes_all(4095).collect::<Vec<_>>(), [0xf_ffff]);
    assert_eq!(wakes_all(4094).count() + wakes_all(4096).count(), 0);
    // From 8191 on the number overlaps the counter, so that two counters have that token.
    assert_eq!(wakes_all(8191).collect::<Vec<_>>(), [0xf_fffe, 0xf_ffff]);
}

/// Sets up an item of a vCPU and of another one, in the protocol itself, and asks the invariant.
#[test]
fn two_vcpus_with_one_token_break_the_invariant() {
    // A vCPU's number is its place here, so one with a narrower field stands for 12 bits: vCPUs 0
    // and 2 of a field of one bit are vCPUs 0 and 4096.
    let token = TokenRule { id_bits: 20, vcpu_bits: 1, first_vcpu: 0 };
    let rules = Rules { token, ..generation("v7-2010").unwrap() };
    let mut apf = Apf::new(3, rules, Defects::none());
    let mut set_up = |vcpu: u16, gfn: u64| {
        let vcpu = VcpuId(vcpu);
        let (gfn, view) = (Gfn(gfn), VcpuView::USER);
        let gva = Gva(gfn.gpa().0);
        let input = HostInput::Try { vcpu, view, gva, gfn, hva: Hva(gva.0), failure: None };
        let mut effects = Vec::new();
        apf.host_step(input, &mut effects);
        while effects.contains(&Effect::Decide(Decision::Continue)) {
            effects.clear();
            apf.host_step(HostInput::Advance { vcpu, view }, &mut effects);
        }
        invariants::violations(&apf).into_iter().map(|broken| broken.id).collect::<Vec<_>>()
    };
    assert_eq!(set_up(0, 1), NOTHING);
    assert_eq!(set_up(0, 2), NOTHING);
    assert_eq!(set_up(2, 3), [InvariantId(2)]);
}
