//! The generations by name, their rules, and where these come from.

use super::generation::{Applied, Change, Generation, Origin};
use super::history::{GENERATIONS, ROOT, ROOT_SOURCES};
use super::mechanism::{Mechanism, Rules};

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
    /// The newest generation of a released kernel: the default where no release is named.
    ///
    /// # Panics
    ///
    /// Never: there are generations.
    pub const fn newest() -> &'static Self {
        &GENERATIONS[GENERATIONS.len() - 1]
    }

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

    /// Every mechanism with its value here, in the order of the fields.
    pub fn origins(&self) -> Vec<Origin> {
        Mechanism::ALL.iter().map(|&mechanism| self.origin(mechanism)).collect()
    }

    /// Which generation brought the value that a mechanism has here.
    pub fn origin(&self, mechanism: Mechanism) -> Origin {
        let mut change = self.changes.iter().filter(|c| c.new.mechanism() == mechanism);
        if let Some(&Change { new, source, .. }) = change.next_back() {
            return Origin { setting: new, since: self.name, source };
        }
        match self.parent.and_then(named_generation) {
            Some(parent) => parent.origin(mechanism),
            None => {
                let source = ROOT_SOURCES.iter().find(|(known, _)| *known == mechanism);
                let source = source.map_or("unknown", |&(_, source)| source);
                Origin { setting: ROOT.get(mechanism), since: ROOT.name, source }
            }
        }
    }

    fn parent_rules(&self) -> Rules {
        self.parent.and_then(generation).unwrap_or(ROOT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::apf::rules::Setting;
    use crate::apf::rules::{FirstLookup, PageReady};

    #[test]
    fn parents_come_first_and_changes_change_something() {
        for (index, generation) in GENERATIONS.iter().enumerate() {
            assert_eq!(generation.parent.is_none(), index == 0, "{}", generation.name);
            if let Some(parent) = generation.parent {
                let older = &GENERATIONS[..index];
                assert!(older.iter().any(|g| g.name == parent), "{parent} is not older");
            }
            let mut mechanisms = Vec::new();
            for applied in generation.applied() {
                assert_ne!(applied.old, applied.new, "{}", applied.mechanism.name());
                assert!(!applied.source.is_empty());
                assert!(!mechanisms.contains(&applied.mechanism), "twice in {}", generation.name);
                mechanisms.push(applied.mechanism);
            }
        }
    }

    #[test]
    fn generations_are_in_the_order_of_their_dates() {
        assert!(GENERATIONS.is_sorted_by_key(|generation| generation.date));
    }

    #[test]
    fn the_root_has_a_source_for_every_mechanism() {
        let known: Vec<Mechanism> = ROOT_SOURCES.iter().map(|&(mechanism, _)| mechanism).collect();
        assert_eq!(known, Mechanism::ALL);
        assert_eq!(GENERATIONS[0].rules(), ROOT);
    }

    #[test]
    fn an_origin_has_the_value_of_the_rules() {
        for generation in GENERATIONS {
            let rules = generation.rules();
            for origin in generation.origins() {
                assert_eq!(origin.setting, rules.get(origin.setting.mechanism()));
                assert!(!origin.source.is_empty() && origin.source != "unknown");
            }
        }
        let cap = named_generation("v6.19").expect("known").origin(Mechanism::Cap);
        assert_eq!((cap.setting, cap.since), (Setting::Cap(64), "v7-2010"));
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

    #[test]
    fn page_ready_is_an_interrupt_since_5_8() {
        for generation in GENERATIONS {
            let interrupt = generation.rules().page_ready == PageReady::Interrupt;
            assert_eq!(interrupt, generation.date >= "2020-08", "{}", generation.name);
        }
    }
}
