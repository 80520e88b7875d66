//! The decisions of the guest one by one.

use super::bench::{Bench, USER, VCPU, bench, enabled};
use models::apf::rules::{NmiFault, Rules, SlotAtEnable, generation, generations};
use models::apf::{Defects, Effect, Effects, GuestInput, HostInput, Takeover, WaitContext};
use models::base::ids::{TaskId, Token, VcpuId};
use models::base::record::{ApfReason, Event};

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
    let before = b.apf.areas[0];
    b.guest(GuestInput::Restart);
    let after = b.apf.areas[0];
    assert_eq!((after.writable, after.moved), (before.writable, before.moved));
    assert!(!after.writable && after.foreign && after.token == Token::NONE);
}

/// By takeover, whether the boot processor and another one write EN.
fn torn_down(rules: &str, takeover: Takeover) -> (bool, bool) {
    let rules = generation(rules).expect("a known generation");
    let mut b = Bench::new(2, rules, Defects::none());
    let mut writes = |vcpu| {
        let effects = b.guest(GuestInput::Teardown { vcpu: VcpuId(vcpu), takeover });
        effects.contains(&Effect::WritesEn { value: 0 })
    };
    (writes(0), writes(1))
}

#[test]
fn a_restart_switches_notices_off_everywhere_and_a_crash_since_5_13() {
    for generation in generations() {
        let name = generation.name;
        let since_5_13 = generation.date >= "2021-06";
        assert_eq!(torn_down(name, Takeover::Restart), (true, true), "{name}");
        assert_eq!(torn_down(name, Takeover::Hibernation), (since_5_13, true), "{name}");
        assert_eq!(torn_down(name, Takeover::Crash), (since_5_13, since_5_13), "{name}");
    }
}

/// A vCPU whose not present is injected, with a page fault inside an NMI before the handler.
fn interrupted_by_nmi(nmi_fault: NmiFault) -> (Effects, Effects) {
    let rules = generation("v6.19").expect("a known generation");
    let mut b = Bench::new(1, Rules { nmi_fault, ..rules }, Defects::none());
    b.enable(b.en());
    b.fault(USER, 1);
    b.host(HostInput::Inject { vcpu: VCPU });
    (b.guest(GuestInput::NmiFault { vcpu: VCPU }), b.guest(GuestInput::PfEntry { vcpu: VCPU }))
}

#[test]
fn the_word_of_a_notice_is_left_to_the_handler_that_an_nmi_interrupts() {
    let (inside, handler) = interrupted_by_nmi(NmiFault::LeavesWord);
    assert!(inside.is_empty());
    assert!(handler.contains(&Effect::Word(ApfReason::NotPresent)));
    let (inside, handler) = interrupted_by_nmi(NmiFault::TakesWord);
    assert!(inside.contains(&Effect::WordTaken { vcpu: VCPU }));
    assert!(handler.contains(&Effect::Word(ApfReason::None)));
    // With nothing in the word there is nothing to take.
    let mut b = enabled("v6.12");
    assert!(b.guest(GuestInput::NmiFault { vcpu: VCPU }).is_empty());
}

#[test]
fn a_token_in_the_slot_outlives_notices_that_are_off_unless_the_guest_frees_it() {
    for (slot_at_enable, kept) in [(SlotAtEnable::Kept, true), (SlotAtEnable::Cleared, false)] {
        let rules = generation("v6.19").expect("a known generation");
        let mut b = Bench::new(1, Rules { slot_at_enable, ..rules }, Defects::none());
        b.enable(b.en());
        b.complete(USER, 1);
        b.scan();
        let token = b.apf.areas[0].token;
        assert_ne!(token, Token::NONE);
        b.host(HostInput::WriteEn { vcpu: VCPU, value: 0 });
        b.guest(GuestInput::SetEnabled { vcpu: VCPU, on: false });
        let effects = b.guest(GuestInput::ReadyRead { vcpu: VCPU });
        assert_eq!(effects, [Effect::Ignored]);
        b.guest(GuestInput::BeforeEnable { vcpu: VCPU });
        b.host(HostInput::WriteEn { vcpu: VCPU, value: b.en() });
        b.guest(GuestInput::SetEnabled { vcpu: VCPU, on: true });
        assert_eq!(b.apf.areas[0].token == token, kept);
        assert_eq!(b.scan().iter().any(|effect| matches!(effect, Effect::Popped { .. })), !kept);
    }
}
