//! Which values of mechanisms cannot be combined, and why. Rules that are merely bad are not
//! refused: what they break is for the monitors to find.

use std::fmt;

use super::{
    Announce, CannotInject, Drain, EnBits, Gate, GuestEnables, GuestWait, Kick, LapicEnable,
    Mechanism, NoticesOn, PageReady, PagingToggle, ReadyGate, Rules, Setting, Tell,
};

/// Two mechanisms whose values cannot be combined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Incompatible {
    /// The one, with its value.
    pub one: Setting,
    /// The other, with its value; the same where one mechanism is wrong by itself.
    pub other: Setting,
    /// Why.
    pub reason: &'static str,
}

impl fmt::Display for Incompatible {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { one, other, reason } = self;
        let name = |setting: &Setting| setting.mechanism().name();
        if one == other {
            return write!(f, "`{}={one}` is not possible: {reason}", name(one));
        }
        write!(f, "`{}={one}` with `{}={other}` ", name(one), name(other))?;
        write!(f, "cannot be combined: {reason}")
    }
}

/// A combination that is refused: the mechanisms, when, and why.
struct Refusal {
    one: Mechanism,
    other: Mechanism,
    when: fn(&Rules) -> bool,
    reason: &'static str,
}

const fn refuse(
    one: Mechanism,
    other: Mechanism,
    when: fn(&Rules) -> bool,
    reason: &'static str,
) -> Refusal {
    Refusal { one, other, when, reason }
}

fn by_interrupt(rules: &Rules) -> bool {
    rules.page_ready == PageReady::Interrupt
}

fn waits_for_the_slot(rules: &Rules) -> bool {
    matches!(
        rules.ready_gate,
        ReadyGate::DisabledOrSlotFree | ReadyGate::DisabledOrLapicOnAndSlotFree
    )
}

fn on_request(rules: &Rules) -> bool {
    rules.drain == Drain::AllOnRequestAndAck
}

/// All refusals. The kernels themselves pass, as a test holds.
const REFUSALS: &[Refusal] = &[
    refuse(
        Mechanism::Token,
        Mechanism::Token,
        |rules| u32::from(rules.token.id_bits) + u32::from(rules.token.vcpu_bits) > 32,
        "a token has 32 bits for both",
    ),
    refuse(
        Mechanism::PageReady,
        Mechanism::ReadyGate,
        |rules| by_interrupt(rules) && !waits_for_the_slot(rules),
        "the slot holds one token, and this gate does not wait until the guest has taken it",
    ),
    refuse(
        Mechanism::PageReady,
        Mechanism::ReadyGate,
        |rules| !by_interrupt(rules) && waits_for_the_slot(rules),
        "page ready as exception has no token slot that could be free",
    ),
    refuse(
        Mechanism::PageReady,
        Mechanism::Drain,
        |rules| by_interrupt(rules) && !on_request(rules),
        "the guest acknowledges each interrupt, and this host does not look for the next item then",
    ),
    refuse(
        Mechanism::PageReady,
        Mechanism::Drain,
        |rules| !by_interrupt(rules) && on_request(rules),
        "page ready as exception is never acknowledged, so that the next item would wait for ever",
    ),
    refuse(
        Mechanism::PageReady,
        Mechanism::EnBits,
        |rules| by_interrupt(rules) && rules.en_bits != EnBits::Interrupt,
        "the register has no bit with which a guest could ask for the interrupt",
    ),
    refuse(
        Mechanism::PageReady,
        Mechanism::NoticesOn,
        |rules| by_interrupt(rules) != (rules.notices_on == NoticesOn::EnabledAndInterruptBits),
        "notices count as on with the interrupt's bit exactly where page ready is an interrupt",
    ),
    refuse(
        Mechanism::PageReady,
        Mechanism::GuestEnables,
        |rules| !by_interrupt(rules) && rules.guest_enables == GuestEnables::UserWithInterrupt,
        "this host has no page ready interrupt that the guest could ask for",
    ),
    refuse(
        Mechanism::Drain,
        Mechanism::Kick,
        |rules| on_request(rules) != (rules.kick == Kick::RequestAndKick),
        "workers make the request exactly where the host looks for items on request",
    ),
    refuse(
        Mechanism::Drain,
        Mechanism::LapicEnable,
        |rules| !on_request(rules) && rules.lapic_enable == LapicEnable::RequestsScan,
        "this host has no request to look for completed items",
    ),
    refuse(
        Mechanism::Drain,
        Mechanism::PagingToggle,
        |rules| !on_request(rules) && rules.paging_toggle == PagingToggle::RequestsScan,
        "this host has no request to look for completed items",
    ),
    refuse(
        Mechanism::Announce,
        Mechanism::Drain,
        |rules| rules.announce == Announce::AtEntryIfMissing && rules.drain != Drain::OneAtEntry,
        "what is announced at the entry is announced by the look for one item at the entry",
    ),
    refuse(
        Mechanism::CannotInject,
        Mechanism::Gate,
        |rules| rules.cannot_inject == CannotInject::Synchronous && rules.gate != Gate::UserOrAsked,
        "this gate lets faults pass of which the guest must not be told, and nothing would hold \
         the guest",
    ),
    refuse(
        Mechanism::Tell,
        Mechanism::Gate,
        |rules| rules.tell == Tell::Everybody && rules.gate != Gate::UserOrAsked,
        "this gate does not ask whether the guest may be told, so that guests without notices \
         would be",
    ),
    refuse(
        Mechanism::GuestEnables,
        Mechanism::GuestWait,
        |rules| {
            rules.guest_enables == GuestEnables::KernelIfPreemptible
                && rules.guest_wait == GuestWait::PanicInKernel
        },
        "the guest asks for notices in its kernel, where it panics at them",
    ),
    refuse(
        Mechanism::Ring,
        Mechanism::Ring,
        |rules| !rules.ring.is_power_of_two() || rules.ring > MAX_RING,
        "the place of an entry is its number without the upper bits, and numbers have eight here",
    ),
    refuse(
        Mechanism::ResolvedBy,
        Mechanism::Drain,
        |rules| rules.vmm_answers() && !on_request(rules),
        "an answer of the VMM makes a request to look for completed items, which this host does not \
         know",
    ),
];

/// The largest ring: numbers of entries must tell a full one from an empty one.
const MAX_RING: u32 = 128;

impl Rules {
    /// The first values of mechanisms that cannot be combined, if there are any.
    pub fn incompatible(&self) -> Option<Incompatible> {
        let refusal = REFUSALS.iter().find(|refusal| (refusal.when)(self))?;
        let (one, other) = (self.get(refusal.one), self.get(refusal.other));
        Some(Incompatible { one, other, reason: refusal.reason })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::apf::rules::{generation, generations};

    #[test]
    fn what_kernels_do_can_be_combined() {
        for generation in generations() {
            let incompatible = generation.rules().incompatible();
            assert_eq!(incompatible.map(|pair| pair.to_string()), None, "{}", generation.name);
        }
    }

    /// A generation, what is set in it, and the mechanisms that are refused.
    type Case<'a> = (&'a str, &'a [(&'a str, &'a str)], (Mechanism, Mechanism));

    /// For each refusal the shortest way into it; each is met by itself, so that its reason is the
    /// one that is told.
    #[test]
    fn every_refusal_is_met() {
        let cases: &[Case<'_>] = &[
            ("v6.19", &[("token_id_bits", "21")], (Mechanism::Token, Mechanism::Token)),
            ("v6.19", &[("ready_gate", "quiet")], (Mechanism::PageReady, Mechanism::ReadyGate)),
            (
                "v5.3",
                &[("ready_gate", "disabled-or-slot-free")],
                (Mechanism::PageReady, Mechanism::ReadyGate),
            ),
            ("v5.9", &[("drain", "all-at-each-turn")], (Mechanism::PageReady, Mechanism::Drain)),
            (
                "v5.3",
                &[("drain", "all-on-request-and-ack")],
                (Mechanism::PageReady, Mechanism::Drain),
            ),
            ("v5.9", &[("en_bits", "nested-exit")], (Mechanism::PageReady, Mechanism::EnBits)),
            (
                "v5.9",
                &[("notices_on", "enabled-bit")],
                (Mechanism::PageReady, Mechanism::NoticesOn),
            ),
            (
                "v5.3",
                &[("notices_on", "enabled-and-interrupt-bits")],
                (Mechanism::PageReady, Mechanism::NoticesOn),
            ),
            (
                "v5.3",
                &[("guest_enables", "user-with-interrupt")],
                (Mechanism::PageReady, Mechanism::GuestEnables),
            ),
            ("v6.12", &[("kick", "wake-blocked-only")], (Mechanism::Drain, Mechanism::Kick)),
            ("v5.3", &[("kick", "request-and-kick")], (Mechanism::Drain, Mechanism::Kick)),
            (
                "v5.3",
                &[("lapic_enable", "requests-scan")],
                (Mechanism::Drain, Mechanism::LapicEnable),
            ),
            (
                "v5.3",
                &[("paging_toggle", "requests-scan")],
                (Mechanism::Drain, Mechanism::PagingToggle),
            ),
            (
                "v7-2010",
                &[("announce", "at-entry-if-missing")],
                (Mechanism::Announce, Mechanism::Drain),
            ),
            (
                "v7-2010",
                &[("cannot_inject", "synchronous")],
                (Mechanism::CannotInject, Mechanism::Gate),
            ),
            ("v7-2010", &[("tell", "everybody")], (Mechanism::Tell, Mechanism::Gate)),
            (
                "v5.3",
                &[("guest_wait", "panic-in-kernel")],
                (Mechanism::GuestEnables, Mechanism::GuestWait),
            ),
            ("user-exitless", &[("ring", "3")], (Mechanism::Ring, Mechanism::Ring)),
            ("v5.3", &[("resolved_by", "exit")], (Mechanism::ResolvedBy, Mechanism::Drain)),
        ];
        let mut met = vec![false; REFUSALS.len()];
        for (name, settings, (one, other)) in cases {
            let mut rules = generation(name).expect("a known generation");
            for (mechanism, value) in *settings {
                rules.set(mechanism, value).expect("a valid setting");
            }
            let told = rules.incompatible().expect("refused");
            let found = (told.one.mechanism(), told.other.mechanism());
            assert_eq!(found, (*one, *other), "{name} {settings:?}: {told}");
            let at = REFUSALS.iter().position(|refusal| (refusal.when)(&rules));
            met[at.expect("one refuses")] = true;
        }
        let missing: Vec<_> = REFUSALS.iter().zip(met).filter(|(_, met)| !met).collect();
        assert!(
            missing.is_empty(),
            "{:?}",
            missing.iter().map(|(r, _)| r.reason).collect::<Vec<_>>()
        );
    }

    #[test]
    fn a_reason_names_both_mechanisms() {
        let mut rules = generation("v5.3").expect("a known generation");
        rules.set("kick", "request-and-kick").expect("a valid setting");
        let told = rules.incompatible().map(|pair| pair.to_string());
        let told = told.expect("refused");
        assert!(
            told.starts_with(
                "`drain=all-at-each-turn` with `kick=request-and-kick` cannot be combined: "
            ),
            "{told}"
        );
    }
}
