//! Which kernel does what: a generation is a dated set of changes to its parent.

use super::{
    Announce, CannotInject, Drain, FirstLookup, Gate, GuestWait, Kick, Mechanism, PageReadyTold,
    PageReference, Prefault, ReadyGate, ReadyWakes, RepeatedFault, Rules, Runnable, Setting,
    SetupOrder, TokenRule, WakeBeforeWait, WordWriteFailure,
};

/// One mechanism that a generation does otherwise than its parent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// The mechanism and its new value.
    pub new: Setting,
    /// Where that is known from.
    pub source: &'static str,
}

/// A kernel, or a posted series.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Generation {
    /// Its name.
    pub name: &'static str,
    /// When it was posted or released.
    pub date: &'static str,
    /// What it began as; none for the oldest one here.
    pub parent: Option<&'static str>,
    /// What it does otherwise.
    pub changes: &'static [Change],
}

/// A change with the value that it replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Applied {
    /// The generation that made it.
    pub generation: &'static str,
    /// The mechanism.
    pub mechanism: Mechanism,
    /// The value before.
    pub old: Setting,
    /// The value since.
    pub new: Setting,
    /// Where that is known from.
    pub source: &'static str,
}

/// The series that the published measurements were made with: v7, posted on 14 October 2010.
const V7_2010: Rules = Rules {
    name: "v7-2010",
    token: TokenRule { id_bits: 20, vcpu_bits: 12 },
    cap: 64,
    gate: Gate::QuietAndInterruptsOn,
    first_lookup: FirstLookup::NoIo,
    announce: Announce::AtSetup,
    setup_order: SetupOrder::ScheduleFirst,
    cannot_inject: CannotInject::Halt,
    repeated_fault: RepeatedFault::Halt,
    word_write_failure: WordWriteFailure::Ignored,
    page_ready_told: PageReadyTold::Always,
    ready_gate: ReadyGate::DisabledOrQuiet,
    drain: Drain::OnePerTurn,
    kick: Kick::WakeBlockedOnly,
    wake_all_on_enable: true,
    prefault: Prefault::DirectMmuOnly,
    page_reference: PageReference::HeldUntilReady,
    guest_wait: GuestWait::HaltIfIdleOrAtomic,
    wake_before_wait: WakeBeforeWait::AnyEntryIsDummy,
    runnable: Runnable::DoneOrInterrupt,
    ready_wakes: ReadyWakes::ArtificialHalt,
};

const GENERATIONS: &[Generation] = &[
    Generation { name: "v7-2010", date: "2010-10-14", parent: None, changes: &[] },
    Generation {
        name: "v2.6.39",
        date: "2011-05-18",
        parent: Some("v7-2010"),
        changes: &[
            Change {
                new: Setting::FirstLookup(FirstLookup::StartsRead),
                source: "get_user_page_nowait, 2.6.39: FOLL_NOWAIT; see the text of 234b239bea39",
            },
            Change {
                new: Setting::Drain(Drain::AllAtEachTurn),
                source: "\"KVM: handle more completed apfs if possible\", 2.6.38-rc",
            },
            Change {
                new: Setting::Prefault(Prefault::DirectOrSameCr3),
                source: "\"KVM: MMU: retry #PF for softmmu\", 2.6.38-rc",
            },
        ],
    },
];

/// All generations, oldest first.
pub fn generations() -> &'static [Generation] {
    GENERATIONS
}

/// A generation by name.
pub fn named_generation(name: &str) -> Option<&'static Generation> {
    GENERATIONS.iter().find(|generation| generation.name == name)
}

/// The rules of a generation: those of its parent with its changes.
pub fn generation(name: &str) -> Option<Rules> {
    named_generation(name).map(Generation::rules)
}

impl Generation {
    /// The rules: those of the parent with the changes.
    pub fn rules(&self) -> Rules {
        let mut rules = self.parent_rules();
        for change in self.changes {
            change.new.apply(&mut rules);
        }
        Rules { name: self.name, ..rules }
    }

    /// The changes with the values that they replaced.
    pub fn applied(&self) -> Vec<Applied> {
        let parent = self.parent_rules();
        let applied = |change: &Change| Applied {
            generation: self.name,
            mechanism: change.new.mechanism(),
            old: parent.get(change.new.mechanism()),
            new: change.new,
            source: change.source,
        };
        self.changes.iter().map(applied).collect()
    }

    fn parent_rules(&self) -> Rules {
        self.parent.and_then(generation).unwrap_or(V7_2010)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parents_come_first_and_changes_change_something() {
        for (index, generation) in GENERATIONS.iter().enumerate() {
            if let Some(parent) = generation.parent {
                let older = &GENERATIONS[..index];
                assert!(older.iter().any(|g| g.name == parent), "{parent} is not older");
            }
            for applied in generation.applied() {
                assert_ne!(applied.old, applied.new, "{}", applied.mechanism.name());
                assert!(!applied.source.is_empty());
            }
        }
    }

    #[test]
    fn the_read_starts_at_the_fault_since_2_6_39() {
        let posted = generation("v7-2010").expect("known");
        let merged = generation("v2.6.39").expect("known");
        assert_eq!(posted.first_lookup, FirstLookup::NoIo);
        assert_eq!(merged.first_lookup, FirstLookup::StartsRead);
        assert_eq!(merged.name, "v2.6.39");
        assert_eq!(generation("v0"), None);
    }
}
