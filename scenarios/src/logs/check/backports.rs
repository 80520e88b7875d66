//! Findings that a later release of the same stable tree would not have, or would have judged
//! otherwise.
//!
//! A generation stands for the first release of its tree, and most hosts run a later one, which
//! has taken changes over from newer kernels. Releases and mechanisms are those of the history of
//! the rules; what stands here is which findings of a log a mechanism leads to.

use models::apf::rules::{
    Backport, Generation, LapicEnable, Mechanism, PagingToggle, ReadyGate, Rules, Setting,
    TokenZero, generations, named_generation,
};
use models::machine::{family_of, known_violations};
use models::monitors::log::{LogFinding, MissingStep, Stall, StallKind};
use models::monitors::{Family, InvariantId, Verdict};

/// What a note is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// A finding, by its invariant.
    Invariant(InvariantId),
    /// A stall, by its kind.
    Stall(StallKind),
}

/// A mechanism that a release changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangedMechanism {
    /// Which one.
    pub mechanism: Mechanism,
    /// Its value in the generation.
    pub old: Setting,
    /// Its value since the release.
    pub new: Setting,
    /// The commit.
    pub source: &'static str,
}

/// What a release makes of the finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Difference {
    /// It is judged otherwise.
    Judged {
        /// In the generation.
        before: Verdict,
        /// Since the release.
        since: Verdict,
    },
    /// A way to it is closed.
    Closed {
        /// How the kernel comes there without the change.
        way: &'static str,
    },
}

/// A finding that depends on whether the kernel has a backport.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackportNote {
    /// The finding.
    pub subject: Subject,
    /// The generation whose tree it is.
    pub generation: &'static str,
    /// Whether the generation was given, or the log's head says it. If not, it is one of those that
    /// may have printed the log.
    pub is_assumed: bool,
    /// The first release that has the change.
    pub release: &'static str,
    /// What it changed.
    pub changed: Vec<ChangedMechanism>,
    /// What that means for the finding.
    pub difference: Difference,
}

/// A value of a mechanism by which a kernel comes to findings.
struct Cause {
    by: Setting,
    invariants: &'static [InvariantId],
    stalls: &'static [MissingStep],
    way: &'static str,
}

const INV_04: InvariantId = InvariantId(4);
const INV_13: InvariantId = InvariantId(13);
const INV_15: InvariantId = InvariantId(15);

/// Dropping an item cancels its work, unless a worker has begun it: then that is waited for, and the
/// completed item is dropped.
const DROPPED: &[MissingStep] =
    &[MissingStep::Worker, MissingStep::Completion, MissingStep::PageReady];
/// After an interrupt that nobody takes page ready stays unacknowledged, and the next ones wait.
const NOT_TAKEN: &[MissingStep] =
    &[MissingStep::Interrupt, MissingStep::Acknowledgement, MissingStep::PageReady];
const TO_LAPIC_OFF: &str = "page ready is raised in a local APIC that is off, which loses it";

const CAUSES: &[Cause] = &[
    Cause {
        by: Setting::PagingToggle(PagingToggle::DropsItems),
        invariants: &[INV_13],
        stalls: DROPPED,
        way: "requests are dropped when the guest's paging goes off or on, as at the end of a \
              system management interrupt",
    },
    Cause {
        by: Setting::TokenZero(TokenZero::Possible),
        invariants: &[INV_04, INV_13],
        stalls: &[],
        way: "a request has token 0, by which the slot looks free, so that the next page ready \
              overwrites it",
    },
    Cause {
        by: Setting::ReadyGate(ReadyGate::DisabledOrSlotFree),
        invariants: &[INV_15],
        stalls: NOT_TAKEN,
        way: TO_LAPIC_OFF,
    },
    Cause {
        by: Setting::LapicEnable(LapicEnable::Nothing),
        invariants: &[INV_15],
        stalls: &[MissingStep::PageReady],
        way: TO_LAPIC_OFF,
    },
];

impl Cause {
    fn leads_to(&self, subject: Subject) -> bool {
        match subject {
            Subject::Invariant(id) => self.invariants.contains(&id),
            Subject::Stall(StallKind::OpenRequest(step)) => self.stalls.contains(&step),
            Subject::Stall(_) => false,
        }
    }
}

/// The findings that are none, or others, on a later release of the tree.
pub(super) fn notes(
    assumed: Option<&str>,
    family: Family,
    findings: &[LogFinding],
    stalls: &[Stall],
) -> Vec<BackportNote> {
    let assumed = assumed.and_then(named_generation);
    let is_candidate = |one: &&Generation| match assumed {
        Some(assumed) => one.name == assumed.name,
        None => family_of(&one.rules()) == family,
    };
    let generations: Vec<&Generation> = generations().iter().filter(is_candidate).collect();
    let is_bad = |one: &&LogFinding| one.count > 0;
    let of_findings =
        findings.iter().filter(is_bad).map(|one| (Subject::Invariant(one.id), Some(one.verdict)));
    let mut subjects: Vec<(Subject, Option<Verdict>)> = of_findings.collect();
    for stall in stalls {
        let subject = (Subject::Stall(stall.kind), None);
        if !subjects.contains(&subject) {
            subjects.push(subject);
        }
    }
    let mut notes = Vec::new();
    for (subject, verdict) in subjects {
        for generation in &generations {
            for (release, changes) in releases(generation) {
                let note = note(generation, subject, verdict, release, &changes);
                notes.extend(
                    note.map(|note| BackportNote { is_assumed: assumed.is_some(), ..note }),
                );
            }
        }
    }
    notes
}

/// The releases of a generation's tree that changed something, with what each of them changed.
fn releases(generation: &Generation) -> Vec<(&'static str, Vec<&'static Backport>)> {
    let mut releases: Vec<(&'static str, Vec<&'static Backport>)> = Vec::new();
    for backport in generation.backports {
        match releases.last_mut().filter(|(release, _)| *release == backport.release) {
            Some((_, changes)) => changes.push(backport),
            None => releases.push((backport.release, vec![backport])),
        }
    }
    releases
}

fn note(
    generation: &Generation,
    subject: Subject,
    verdict: Option<Verdict>,
    release: &'static str,
    backports: &[&'static Backport],
) -> Option<BackportNote> {
    let before = generation.rules();
    let of = |backport: &&'static Backport| ChangedMechanism {
        mechanism: backport.new.mechanism(),
        old: before.get(backport.new.mechanism()),
        new: backport.new,
        source: backport.source,
    };
    // One mechanism at a time: that of another change of the same release is not to blame.
    let judged = backports.iter().find_map(|backport| {
        let difference = judged_otherwise(&before, backport, subject, verdict?)?;
        Some((vec![of(backport)], difference))
    });
    let (changed, difference) = judged.or_else(|| {
        let caused_by = |backport: &&&'static Backport| {
            CAUSES.iter().find(|cause| {
                cause.by == before.get(backport.new.mechanism()) && cause.leads_to(subject)
            })
        };
        let blamed = backports.iter().filter(|backport| caused_by(backport).is_some());
        let way = blamed.clone().find_map(|backport| caused_by(&backport))?.way;
        Some((blamed.map(of).collect(), Difference::Closed { way }))
    })?;
    let generation = generation.name;
    Some(BackportNote { subject, generation, is_assumed: false, release, changed, difference })
}

/// The verdicts on an invariant with and without a backport, if they differ.
fn judged_otherwise(
    before: &Rules,
    backport: &Backport,
    subject: Subject,
    verdict: Verdict,
) -> Option<Difference> {
    let (Subject::Invariant(id), Verdict::Violation | Verdict::KnownViolation) = (subject, verdict)
    else {
        return None;
    };
    let judged = |rules: &Rules| match known_violations(rules).contains(&id) {
        true => Verdict::KnownViolation,
        false => Verdict::Violation,
    };
    let mut with = *before;
    backport.new.apply(&mut with);
    let (before, since) = (judged(before), judged(&with));
    (before != since).then_some(Difference::Judged { before, since })
}

#[cfg(test)]
mod tests {
    use models::apf::Defects;
    use models::explore::{Bounds, Disturbance, Setup, explore};

    use super::*;
    use crate::logs::check::{CheckOptions, CheckReport, check};

    /// A request that is told, completed and, unless it is lost, answered.
    fn request(number: u64, is_lost: bool) -> String {
        let (token, gfn) = (number << 12, 7 + number);
        let page = gfn << 12;
        let host = 0x7f00_0000_0000 + page;
        let events = [
            (0, format!("kvm_try_async_get_page: gva = {page:#x}, gfn = {gfn:#x}")),
            (1, format!("kvm_async_pf_not_present: token {token:#x} gva {page:#x}")),
            (10, "kvm_inj_exception: #PF (0x0)".to_owned()),
            (600, format!("kvm_async_pf_completed: gva {page:#x} address {host:#x}")),
            (610, format!("kvm_async_pf_ready: token {token:#x} gva {page:#x}")),
        ];
        let printed = &events[..if is_lost { 4 } else { 5 }];
        let line = |(us, event): &(u64, String)| {
            let thread = if *us == 600 { "kworker/0:1-7" } else { "vcpu0-10" };
            format!(" {thread} [000] .....  1.{:06}: {event}\n", number * 1000 + us)
        };
        printed.iter().map(line).collect()
    }

    /// The fourth of six requests gets no page ready, or each gets its own.
    fn requests(is_one_lost: bool) -> String {
        let enabled = " vcpu0-10 [000] .....  1.000001: kvm_msr: msr_write 4b564d02 = 0x9\n";
        let requests = (1..=6).map(|number| request(number, is_one_lost && number == 4));
        std::iter::once(enabled.to_owned()).chain(requests).collect()
    }

    /// A request with token 0.
    const ZERO: &str = "\
 vcpu0-10 [000] .....  1.000101: kvm_async_pf_not_present: token 0x0 gva 0x8000
 vcpu0-10 [000] .....  1.000110: kvm_inj_exception: #PF (0x0)
 kworker/0:1-7 [000] .....  1.000600: kvm_async_pf_completed: gva 0x8000 address 0x7f0000008000
 vcpu0-10 [000] .....  1.000610: kvm_async_pf_ready: token 0x0 gva 0x8000
 vcpu0-10 [000] .....  1.000700: kvm_async_pf_repeated_fault: gva = 0x9000, gfn = 0x9
";

    fn checked(log: &str, rules: Option<&str>) -> CheckReport {
        let options = CheckOptions { rules: rules.map(str::to_owned) };
        check(log.as_bytes(), "a log", &options).expect("reads")
    }

    fn releases_of(report: &CheckReport) -> Vec<(&str, &str, &str)> {
        report
            .backports
            .iter()
            .map(|note| (note.generation, note.release, note.changed[0].mechanism.name()))
            .collect()
    }

    #[test]
    fn a_lost_page_ready_names_the_release_that_drops_nothing() {
        let report = checked(&requests(true), Some("v6.12"));
        assert!(report.is_violated());
        let of_13 = report.backports.iter().find(|note| note.subject == Subject::Invariant(INV_13));
        let note = of_13.expect("a note");
        assert!(note.is_assumed && matches!(note.difference, Difference::Closed { .. }));
        assert_eq!((note.generation, note.release), ("v6.12", "6.12.64"));
        assert_eq!(note.changed[0].old, Setting::PagingToggle(PagingToggle::DropsItems));
        assert_eq!(note.changed[0].new, Setting::PagingToggle(PagingToggle::RequestsScan));
        // 6.19 has the change itself, and a log that keeps to the protocol has no note.
        assert_eq!(checked(&requests(true), Some("v6.19")).backports, []);
        let whole = checked(&requests(false), Some("v6.12"));
        assert!(!whole.is_violated());
        assert_eq!(whole.backports, []);
    }

    #[test]
    fn without_a_generation_every_tree_that_may_be_is_named() {
        let report = checked(&requests(true), None);
        assert!(report.backports.iter().all(|note| !note.is_assumed));
        let all = releases_of(&report);
        assert!(all.contains(&("v6.1", "6.1.160", "paging_toggle")), "{all:?}");
        assert!(all.contains(&("v6.12", "6.12.64", "paging_toggle")), "{all:?}");
    }

    #[test]
    fn a_known_violation_that_a_release_mended_is_said_to_be_one_there() {
        let report = checked(ZERO, Some("v5.9"));
        assert_eq!(releases_of(&report), [("v5.9", "5.10.103", "token_zero")]);
        let (before, since) = (Verdict::KnownViolation, Verdict::Violation);
        assert_eq!(report.backports[0].difference, Difference::Judged { before, since });
        assert_eq!(checked(ZERO, Some("v5.17")).backports, []);
    }

    /// What exploring finds of one vCPU under these rules.
    fn explored(rules: Rules, disturbance: Option<Disturbance>) -> Vec<InvariantId> {
        let setup = Setup::new(rules, Defects::none(), 2);
        let budget = disturbance.map_or(setup.budget, |which| setup.budget.with(which, 1));
        let setup = Setup { vcpus: 1, budget, ..setup };
        let explored = explore(&setup, &Bounds::default(), None).expect("a sound world");
        explored.violations().map(|finding| finding.kind.id).collect()
    }

    /// Each cause is one: exploring finds its invariants under the old values and no more under
    /// those of the release.
    #[test]
    fn causes_lead_to_their_findings_and_backports_mend_them() {
        for (name, release, disturbance, ids) in [
            ("v6.12", "6.12.64", Some(Disturbance::Smi), &[InvariantId(13)][..]),
            ("v6.12", "6.12.64", Some(Disturbance::PagingOff), &[InvariantId(13)]),
            ("v5.9", "5.10.103", None, &[InvariantId(4), InvariantId(13)]),
            ("v5.9", "5.10.119", Some(Disturbance::LapicOff), &[InvariantId(15)]),
        ] {
            let generation = named_generation(name).expect("known");
            let mut rules = generation.rules();
            // Token 0 breaks the same promises, and is mended first in its tree.
            if release == "5.10.119" {
                Setting::TokenZero(TokenZero::Skipped).apply(&mut rules);
            }
            let before = explored(rules, disturbance);
            let (_, changes) =
                releases(generation).into_iter().find(|(one, _)| *one == release).expect("there");
            for change in changes {
                change.new.apply(&mut rules);
            }
            let since = explored(rules, disturbance);
            for id in ids {
                assert!(before.contains(id), "{name}: {before:?}");
                assert!(!since.contains(id), "{release}: {since:?}");
            }
        }
    }

    #[test]
    fn every_cause_is_changed_by_a_release() {
        for cause in CAUSES {
            let changes = |generation: &Generation| {
                let rules = generation.rules();
                let of = |one: &Backport| rules.get(one.new.mechanism()) == cause.by;
                generation.backports.iter().any(of)
            };
            assert!(generations().iter().any(changes), "{}", cause.by);
        }
    }
}
