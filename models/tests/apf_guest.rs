//! The decisions of the guest one by one.

#![allow(clippy::expect_used, reason = "a test that cannot go on has failed")]

mod apf_bench;

use apf_bench::{Bench, USER, VCPU, bench, enabled};
use models::apf::{Effect, Effects, GuestInput, HostInput, WaitContext};
use models::ids::{TaskId, Token};
use models::trace::{ApfReason, Event};

#[test]
fn a_kernel_that_does_not_count_waits_in_hlt_outside_user_mode() {
    let halts = |ctx: WaitContext| {
        let mut b = bench("v5.3");
        let (token, task) = (Token(9), TaskId(1));
        b.guest(GuestInput::WaitLink { vcpu: VCPU, task, token });
        let effects = b.guest(GuestInput::WaitTest { vcpu: VCPU, task, token, ctx });
        assert_ne!(effects.contains(&Effect::HaltGuest), effects.contains(&Effect::Sleep));
        effects.contains(&Effect::HaltGuest)
    };
    let uncounted = WaitContext { counts_atomic: false, ..WaitContext::USER };
    assert!(!halts(uncounted));
    assert!(halts(WaitContext { user_mode: false, ..uncounted }));
    assert!(halts(WaitContext { idle: true, ..uncounted }));
    assert!(!halts(WaitContext { user_mode: false, ..WaitContext::USER }));
    assert!(halts(WaitContext { idle: true, ..WaitContext::USER }));
    assert!(halts(WaitContext { preempt_count: 1, ..WaitContext::USER }));
    assert!(halts(WaitContext { rcu_reader: true, ..WaitContext::USER }));
}

#[test]
fn a_task_waits_by_its_own_entry() {
    let mut b = bench("v6.19");
    let test = |b: &mut Bench, task, token| {
        let ctx = WaitContext::USER;
        b.guest(GuestInput::WaitTest { vcpu: VCPU, task: TaskId(task), token: Token(token), ctx })
    };
    b.guest(GuestInput::WaitLink { vcpu: VCPU, task: TaskId(0), token: Token(4) });
    assert!(test(&mut b, 0, 4).contains(&Effect::Sleep));
    assert!(test(&mut b, 1, 4).contains(&Effect::WaitDone), "another task's");
    assert!(test(&mut b, 0, 8).contains(&Effect::WaitDone), "another token's");
}

#[test]
fn without_memory_for_a_dummy_the_wake_is_tried_again() {
    for name in ["v2.6.39", "v6.19"] {
        let mut b = bench(name);
        let token = Token(4);
        let effects = b.guest(GuestInput::WakeNoMemory { vcpu: VCPU, token });
        assert!(effects.contains(&Effect::WakeAgain), "{name}");
        assert!(b.apf.guest.sleepers.is_empty());
        b.guest(GuestInput::WaitLink { vcpu: VCPU, task: TaskId(0), token });
        let effects = b.guest(GuestInput::WakeNoMemory { vcpu: VCPU, token });
        assert!(!effects.contains(&Effect::WakeAgain), "{name}: none is needed");
        assert!(b.apf.guest.sleepers.is_empty());
    }
}

#[test]
fn the_handler_tells_what_it_read() {
    let read = |effects: &Effects| {
        effects.iter().find_map(|effect| match *effect {
            Effect::Emit(Event::SharedWordRead { reason, .. }) => Some(reason),
            _ => None,
        })
    };
    let mut b = enabled("v2.6.39");
    assert_eq!(read(&b.guest(GuestInput::PfEntry { vcpu: VCPU })), None, "an ordinary fault");
    b.fault(USER, 1);
    b.host(HostInput::Inject { vcpu: VCPU });
    let effects = b.guest(GuestInput::PfEntry { vcpu: VCPU });
    assert_eq!(read(&effects), Some(ApfReason::NotPresent));
}

#[test]
fn another_kernel_finds_the_memory_where_it_was() {
    let mut b = enabled("v6.19");
    b.host(HostInput::MemslotChange { moves: Some(VCPU) });
    b.host(HostInput::MapWord { vcpu: VCPU, writable: false });
    let before = b.apf.words[0];
    b.guest(GuestInput::Restart);
    let after = b.apf.words[0];
    assert_eq!((after.writable, after.place), (before.writable, before.place));
    assert!(!after.writable && after.foreign && after.token == Token::NONE);
}
