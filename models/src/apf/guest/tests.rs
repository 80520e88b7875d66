//! The table of sleepers.

use super::{GuestInput, WaitContext};
use crate::apf::effect::{Effect, Effects};
use crate::apf::rules::generation;
use crate::apf::{Apf, Defects};
use crate::base::ids::{TaskId, Token, VcpuId};
use crate::base::record::{DummyAction, Event};

const HERE: VcpuId = VcpuId(0);
const THERE: VcpuId = VcpuId(1);
const PREEMPTIBLE: WaitContext = WaitContext::USER;

fn apf() -> Apf {
    Apf::new(2, generation("v7-2010").expect("a known generation"), Defects::none())
}

fn step(apf: &mut Apf, input: GuestInput) -> Effects {
    let mut effects = Effects::new();
    apf.guest_step(input, &mut effects);
    effects
}

fn link(apf: &mut Apf, vcpu: VcpuId, token: u32) -> Effects {
    step(apf, GuestInput::WaitLink { vcpu, task: TaskId(token), token: Token(token) })
}

fn test(apf: &mut Apf, token: u32, ctx: WaitContext) -> Effects {
    let (vcpu, task, token) = (HERE, TaskId(token), Token(token));
    step(apf, GuestInput::WaitTest { vcpu, task, token, ctx })
}

fn wake(apf: &mut Apf, vcpu: VcpuId, token: Token) -> Effects {
    step(apf, GuestInput::Wake { vcpu, token })
}

#[test]
fn a_task_sleeps_until_its_token_is_ready() {
    let mut apf = apf();
    assert!(link(&mut apf, HERE, 1).contains(&Effect::Linked));
    assert_eq!(test(&mut apf, 1, PREEMPTIBLE), [Effect::Sleep]);
    let effects = wake(&mut apf, THERE, Token(1));
    assert!(effects.contains(&Effect::WakeTask { task: TaskId(1), vcpu: HERE }));
    assert_eq!(test(&mut apf, 1, PREEMPTIBLE), [Effect::WaitDone]);
}

#[test]
fn a_wake_between_link_and_test_is_seen() {
    let mut apf = apf();
    link(&mut apf, HERE, 1);
    wake(&mut apf, THERE, Token(1));
    assert_eq!(test(&mut apf, 1, PREEMPTIBLE), [Effect::WaitDone]);
}

#[test]
fn who_cannot_be_scheduled_away_halts_and_is_woken_by_ipi() {
    for ctx in [
        WaitContext { idle: true, ..PREEMPTIBLE },
        WaitContext { preempt_count: 1, user_mode: false, ..PREEMPTIBLE },
    ] {
        let mut apf = apf();
        link(&mut apf, HERE, 1);
        assert_eq!(test(&mut apf, 1, ctx), [Effect::HaltGuest]);
        assert!(wake(&mut apf, THERE, Token(1)).contains(&Effect::RescheduleIpi { vcpu: HERE }));
        assert_eq!(test(&mut apf, 1, ctx), [Effect::WaitDone]);
    }
}

#[test]
fn a_wake_that_comes_first_is_remembered() {
    let mut apf = apf();
    let dummy = |action| Effect::Emit(Event::ApfDummy { vcpu: HERE, token: Token(1), action });
    assert!(wake(&mut apf, HERE, Token(1)).contains(&dummy(DummyAction::Added)));
    let effects = link(&mut apf, HERE, 1);
    assert!(effects.contains(&dummy(DummyAction::Consumed)));
    assert!(effects.contains(&Effect::NoSleep));
    assert!(apf.guest.sleepers.is_empty());
}

#[test]
fn wake_all_wakes_the_sleepers_of_its_vcpu() {
    let mut apf = apf();
    link(&mut apf, HERE, 3);
    link(&mut apf, THERE, 2);
    link(&mut apf, HERE, 1);
    wake(&mut apf, HERE, Token(7));
    let effects = wake(&mut apf, HERE, Token::WAKE_ALL);
    for token in [1, 3] {
        assert!(effects.contains(&Effect::WakeTask { task: TaskId(token), vcpu: HERE }));
    }
    let left: Vec<_> = apf.guest.sleepers.iter().map(|sleeper| sleeper.token).collect();
    assert_eq!(left, [Token(2)]);
}

#[test]
fn a_second_wait_for_a_token_takes_the_sleeper_for_a_dummy() {
    let mut apf = apf();
    link(&mut apf, HERE, 1);
    let token = Token(1);
    let second = GuestInput::WaitLink { vcpu: THERE, task: TaskId(9), token };
    assert!(step(&mut apf, second).contains(&Effect::NoSleep));
    assert!(apf.guest.sleepers.is_empty());
}

#[test]
fn the_order_of_links_leaves_no_mark() {
    let (mut one, mut other) = (apf(), apf());
    for token in [1, 2, 3] {
        link(&mut one, HERE, token);
        link(&mut other, HERE, 4 - token);
    }
    assert_eq!(one, other);
}
