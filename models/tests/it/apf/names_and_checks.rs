//! Names, sources and bits; and what the checks of the invariants see.

use super::bench::{Bench, EN, EN_INT, USER, VCPU, bench, enabled, with};
use models::apf::defect::UnknownDefect;
use models::apf::rules::TokenRule;
use models::apf::rules::{Generation, Mechanism, Side, generations};
use models::apf::{Defect, Defects, GuestInput, invariants};
use models::base::abi::{EN_ENABLED, EN_INTERRUPT, EN_NESTED_EXIT, EN_SEND_ALWAYS};
use models::base::ids::{Gfn, ItemId, TaskId, Token, VcpuId};
use models::base::invariant::InvariantId;
use models::base::record::ApfReason;

#[test]
fn bits_and_names() {
    assert_eq!((EN_ENABLED, EN_SEND_ALWAYS, EN_NESTED_EXIT, EN_INTERRUPT), (1, 2, 4, 8));
    let mut state = bench("v6.12").apf.vcpu(VCPU).clone();
    for en in 0..16 {
        (state.en, state.asked) = (en, en);
        assert_eq!(state.nested_exit(), en & 4 != 0);
        assert_eq!(state.interrupt_asked(), en & 8 != 0);
    }
    assert_eq!(Defect::IgnoreCap.to_string(), "ignore-cap");
    assert!(UnknownDefect("x-y".into()).to_string().contains("x-y"));
    let twice = Defects::none().with(Defect::IgnoreCap).with(Defect::IgnoreCap);
    assert!(twice.has(Defect::IgnoreCap));
    let both = twice.and(twice.with(Defect::NoEoi));
    assert!(both.iter().eq([Defect::IgnoreCap, Defect::NoEoi]));
    assert_eq!((Side::Host.name(), Side::Guest.name()), ("host", "guest"));
    let layout = TokenRule { id_bits: 20, vcpu_bits: 12, first_vcpu: 0 };
    assert_eq!(layout.to_string(), "id:20 vcpu:12");
    // The number of the vCPU lies over the counter, and does not cancel it.
    assert_eq!(layout.token(1, VcpuId(4096)), Token(0x1000));
}

#[test]
fn generations_say_where_their_values_come_from() {
    assert!(generations().len() >= 12);
    let named = |name: &str| generations().iter().find(|g| g.name == name).expect("known");
    let applied = named("v5.17").applied();
    assert!(applied.iter().any(|a| a.mechanism == Mechanism::TokenZero && a.old != a.new));
    let newest = Generation::newest();
    assert_eq!(newest.name, "v7.3");
    assert_eq!(newest.origins().len(), Mechanism::ALL.len());
    assert_eq!(newest.origin(Mechanism::TokenZero).since, "v5.17");
    let root = named("v5-2010");
    let sources: Vec<&str> = root.origins().iter().map(|origin| origin.source).collect();
    assert!(sources.iter().all(|&source| source != "unknown" && !source.is_empty()));
    assert_ne!(
        root.origin(Mechanism::MmapLock).source,
        root.origin(Mechanism::Drain).source,
        "each has its own"
    );
}

#[test]
fn the_checks_of_single_steps_find_what_all_checks_find() {
    let id = |found: Option<invariants::Violation>| found.map(|violation| violation.id);
    let mut b = with("v6.12", Defect::SkipGfnLookup);
    b.enable(EN_INT);
    assert_eq!(id(invariants::check_all(&b.apf)), None);
    assert_eq!(id(invariants::check_vcpu(&b.apf, VCPU)), None);
    for _ in 0..2 {
        b.fault(USER, 1);
        b.sleep(b.newest_token());
    }
    assert_eq!(id(invariants::check_all(&b.apf)), Some(InvariantId(1)));
    let found = invariants::check_vcpu(&b.apf, VCPU).expect("two items for one frame");
    assert_eq!(found.id, InvariantId(1));
    let all = invariants::violations(&b.apf);
    assert!(all.iter().any(|v| v.id == InvariantId(1) && v.sentence == found.sentence));

    let mut b = with("v2.6.39", Defect::ReusedToken);
    b.enable(EN);
    b.fault(USER, 1);
    assert_eq!(id(invariants::check_token(&b.apf, b.newest())), None);
    b.sleep(b.newest_token());
    b.fault(USER, 2);
    assert_eq!(id(invariants::check_token(&b.apf, b.newest())), Some(InvariantId(2)));

    let mut b = with("v6.12", Defect::BlindDummy);
    let token = Token(4);
    b.guest(GuestInput::WaitLink { vcpu: VCPU, task: TaskId(0), token });
    assert_eq!(id(invariants::check_entry(&b.apf, token)), None);
    b.guest(GuestInput::WakeInsert { vcpu: VCPU, token });
    assert_eq!(id(invariants::check_entry(&b.apf, token)), Some(InvariantId(26)));
}

/// A sleeper for a token of which no item is left.
fn forgotten(name: &str) -> Bench {
    let mut b = enabled(name);
    b.guest(GuestInput::WaitLink { vcpu: VCPU, task: TaskId(0), token: Token(0x5000) });
    b
}

#[test]
fn what_gives_a_sleeper_hope() {
    use models::apf::Notice;
    let hopeless = |b: &Bench| b.violates(InvariantId(13));
    assert!(hopeless(&forgotten("v2.6.39")));
    let mut b = forgotten("v2.6.39");
    b.fault(USER, 1);
    b.sleep(b.newest_token());
    assert!(hopeless(&b), "another token is outstanding");
    for (token, reason, hope) in [
        (Token(0x5000), ApfReason::Ready, true),
        (Token(0x5000), ApfReason::NotPresent, false),
        (Token(0x6000), ApfReason::Ready, false),
        (Token::WAKE_ALL, ApfReason::Ready, true),
        (Token::WAKE_ALL, ApfReason::NotPresent, false),
    ] {
        let notice = Notice { token, reason };
        let mut b = forgotten("v2.6.39");
        b.apf.host.vcpus[0].pending.push(notice);
        assert_eq!(!hopeless(&b), hope, "pending {notice:?}");
        let mut b = forgotten("v2.6.39");
        b.apf.guest.cr2[0] = Some(notice);
        assert_eq!(!hopeless(&b), hope, "in the handler {notice:?}");
    }
    for (token, raised, hope) in [
        (Token(0x5000), true, true),
        (Token(0x5000), false, false),
        (Token(0x6000), true, false),
        (Token::WAKE_ALL, true, true),
    ] {
        let mut b = forgotten("v6.12");
        b.apf.areas[0].token = token;
        b.apf.host.vcpus[0].lapic.requested = raised.then_some(0xf3);
        assert_eq!(!hopeless(&b), hope, "{token} in the slot, raised {raised}");
    }
    let mut b = forgotten("v6.12");
    b.apf.areas[0].token = Token(0x5000);
    b.apf.guest.in_handler[0] = true;
    assert!(!hopeless(&b), "the handler is about to read it");
}

#[test]
fn states_that_look_alike_and_are_not() {
    use models::apf::host::{Halt, Life};
    // Who took the VM apart is through.
    let mut b = enabled("v2.6.39");
    b.apf.host.life = Life::Destroying(Some(ItemId(5)));
    assert!(!b.violates(InvariantId(25)));
    // A list that links an item twice.
    let mut b = enabled("v6.12");
    b.complete(USER, 1);
    assert!(!b.violates(InvariantId(6)));
    let item = b.newest();
    b.apf.host.vcpus[0].done.push(item);
    assert!(b.violates(InvariantId(6)));
    // A halt that came after its item is a weakness while nothing else is completed.
    let late =
        |b: &Bench| invariants::weaknesses_of(&b.apf).iter().any(|w| w.id == InvariantId(16));
    for (outlived, done, found) in
        [(true, false, true), (true, true, false), (false, false, false), (false, true, false)]
    {
        let mut b = enabled("v6.12");
        b.fault(USER, 1);
        b.sleep(b.newest_token());
        if done {
            b.work_all();
        }
        b.apf.host.vcpus[0].halted = Some(Halt { gfn: Gfn(1), outlived });
        assert_eq!(late(&b), found, "outlived {outlived}, done {done}");
    }
}
