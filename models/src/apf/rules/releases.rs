//! Which generation a kernel release has.

use super::generation::{Backport, Change, Generation, Origin};
use super::history::GENERATIONS;
use super::mechanism::{Rules, Setting};

/// The protocol of a kernel release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release {
    /// The last generation up to the release.
    pub generation: &'static Generation,
    /// What mainline had by the release of what the next generation does otherwise.
    pub early: Vec<&'static Change>,
    /// What the release of a long-term tree took over from newer ones.
    pub backports: Vec<&'static Backport>,
}

impl Release {
    /// Its rules, which have the name of the generation.
    pub fn rules(&self) -> Rules {
        let mut rules = self.generation.rules();
        for setting in self.settings() {
            setting.apply(&mut rules);
        }
        rules
    }

    /// The value of every mechanism, and since when it has it.
    pub fn origins(&self) -> Vec<Origin> {
        let mut origins = self.generation.origins();
        let mut put = |setting: Setting, since, source| {
            let own = origins.iter_mut().find(|it| it.setting.mechanism() == setting.mechanism());
            if let Some(own) = own {
                *own = Origin { setting, since, source };
            }
        };
        for &&Change { new, source, since } in &self.early {
            put(new, since.unwrap_or(self.generation.name), source);
        }
        for &&Backport { release, new, source } in &self.backports {
            put(new, release, source);
        }
        origins
    }

    /// What it does otherwise than its generation.
    pub fn settings(&self) -> impl Iterator<Item = Setting> {
        let early = self.early.iter().map(|change| change.new);
        early.chain(self.backports.iter().map(|backport| backport.new))
    }
}

/// The numbers of a release such as `6.12.95`, at least two.
fn numbers(release: &str) -> Option<Vec<u32>> {
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let parts = release.split('.').map(|part| digits(part).then(|| part.parse().ok())?);
    let parts: Vec<u32> = parts.collect::<Option<_>>()?;
    (parts.len() >= 2).then_some(parts)
}

/// The numbers of the release that a generation is named after; none of a posted series.
fn of_generation(generation: &Generation) -> Option<Vec<u32>> {
    generation.name.strip_prefix('v').and_then(numbers)
}

/// What the release named like `6.12.95` does, from the first generation that a kernel has to the
/// newest one that is known.
pub fn release(name: &str) -> Option<Release> {
    let wanted = numbers(name)?;
    let newest = of_generation(Generation::newest())?;
    if wanted[..2] > newest[..2] {
        return None;
    }
    let up_to = |generation: &&Generation| of_generation(generation).is_some_and(|it| it <= wanted);
    let generation = GENERATIONS.iter().rfind(up_to)?;
    let taken = |backport: &&Backport| {
        let since = numbers(backport.release);
        since.is_some_and(|since| since[..2] == wanted[..2] && since <= wanted)
    };
    let had =
        |change: &&Change| change.since.and_then(numbers).is_some_and(|since| since <= wanted);
    Some(Release {
        generation,
        early: before_the_next(generation).filter(had).collect(),
        backports: generation.backports.iter().filter(taken).collect(),
    })
}

/// What mainline releases between a generation and the next one had already of the latter.
pub fn before_the_next(generation: &Generation) -> impl Iterator<Item = &'static Change> {
    let its = of_generation(generation);
    let next = GENERATIONS.iter().find(|it| its.is_some() && of_generation(it) > its);
    next.map_or(&[][..], |next| next.changes).iter().filter(|change| change.since.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::apf::rules::choices::{FirstLookup, GuestWait, ReadyGate};

    fn generation_of(name: &str) -> Option<&'static str> {
        release(name).map(|release| release.generation.name)
    }

    #[test]
    fn a_release_has_the_last_generation_before_it() {
        for (name, generation) in [
            ("2.6.39", "v2.6.39"),
            ("4.12", "v2.6.39"),
            ("4.19", "v4.13"),
            ("5.10", "v5.9"),
            ("5.15", "v5.13"),
            ("6.1", "v6.1"),
            ("6.6", "v6.1"),
            ("6.11.3", "v6.1"),
            // Not the proposal that was posted after it.
            ("6.13", "v6.12"),
            ("6.18.3", "v6.15"),
            ("7.3.4", "v7.3"),
        ] {
            assert_eq!(generation_of(name), Some(generation), "{name}");
        }
        for name in
            ["2.6.36", "7.4", "8.0", "6", "", "6.", "6.x", "v6.1", "6.-1", "6.12.99999999999"]
        {
            assert_eq!(generation_of(name), None, "{name}");
        }
    }

    #[test]
    fn a_long_term_release_has_what_it_took_over() {
        let taken = |name: &str| release(name).unwrap().backports.len();
        assert_eq!(
            (taken("6.12"), taken("6.12.63"), taken("6.12.95"), taken("6.12.117")),
            (0, 0, 1, 2)
        );
        assert_eq!(taken("6.13.117"), 0);
        let (old, new) = (release("6.12.63").unwrap().rules(), release("6.12.64").unwrap().rules());
        assert_ne!(old.paging_toggle, new.paging_toggle);
    }

    /// The handler of a guest halts in an RCU reader since 4.14.
    #[test]
    fn what_4_14_mended_is_mended_there() {
        let waits = |name: &str| release(name).unwrap().rules().guest_wait;
        assert_eq!(waits("4.13.16"), GuestWait::HaltIfIdleOrAtomic);
        for name in ["4.14", "4.19.300", "5.2", "5.3"] {
            assert_eq!(waits(name), GuestWait::HaltIfNotPreemptible, "{name}");
        }
    }

    /// 4.14 takes not present back for page ready; before it and since 4.15 page ready waits.
    #[test]
    fn page_ready_meets_not_present_in_4_14() {
        let gate = |name: &str| release(name).unwrap().rules().ready_gate;
        for name in ["4.14", "4.14.3"] {
            assert_eq!(gate(name), ReadyGate::DisabledOrGatePendingUnseen, "{name}");
        }
        for name in ["4.13", "4.15", "4.19", "5.3", "5.7"] {
            assert_eq!(gate(name), ReadyGate::DisabledOrGate, "{name}");
        }
    }

    #[test]
    fn every_mechanism_of_a_release_says_since_when() {
        for name in ["2.6.39", "4.19", "6.1.100", "6.1.192", "6.12.64", "7.2.13"] {
            let release = release(name).unwrap();
            let rules = release.rules();
            for Origin { setting, .. } in release.origins() {
                assert_eq!(setting, rules.get(setting.mechanism()), "{name}");
            }
        }
        let since = |name: &str| {
            let origins = release(name).unwrap().origins();
            let own = origins.iter().find(|it| matches!(it.setting, Setting::PagingToggle(_)));
            own.unwrap().since
        };
        assert_eq!((since("6.1.100"), since("6.1.192")), ("v2.6.39", "6.1.160"));
    }

    /// Swap-in polls until 6.5, and page ready waits for the worker since 6.9, though no generation is
    /// named after either.
    #[test]
    fn a_release_between_generations_has_what_mainline_had() {
        let first_lookup = |name: &str| release(name).unwrap().rules().first_lookup;
        let dequeue = |name: &str| release(name).unwrap().rules().dequeue;
        assert_eq!(first_lookup("6.5.13"), FirstLookup::WaitsWithoutReadAhead);
        assert_eq!(first_lookup("6.6"), FirstLookup::StartsRead);
        assert_eq!(first_lookup("4.19"), FirstLookup::StartsRead);
        assert_eq!(first_lookup("5.0"), FirstLookup::WaitsWithoutReadAhead);
        assert_eq!(dequeue("6.8.12"), release("6.1").unwrap().rules().dequeue);
        assert_eq!(dequeue("6.9"), release("6.12").unwrap().rules().dequeue);
        // A long-term tree does not get what came to mainline after it.
        assert_eq!(first_lookup("6.1.192"), FirstLookup::WaitsWithoutReadAhead);
        assert!(release("7.3").unwrap().early.is_empty());
    }

    /// What a generation had early is older than it and not older than the one before.
    #[test]
    fn early_changes_lie_between_two_generations() {
        let mut before = None;
        for generation in GENERATIONS.iter().filter(|it| of_generation(it).is_some()) {
            for since in generation.changes.iter().filter_map(|change| change.since) {
                let since = numbers(since);
                assert!(since.is_some() && since > before, "{}", generation.name);
                assert!(since < of_generation(generation), "{}", generation.name);
            }
            before = of_generation(generation);
        }
    }
}
