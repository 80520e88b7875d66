//! Which generation a kernel release has.

use super::generation::{Backport, Generation};
use super::history::GENERATIONS;
use super::mechanism::Rules;

/// The protocol of a kernel release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release {
    /// The last generation up to the release.
    pub generation: &'static Generation,
    /// What the release of a long-term tree took over from newer ones.
    pub backports: Vec<&'static Backport>,
}

impl Release {
    /// Its rules, which have the name of the generation.
    pub fn rules(&self) -> Rules {
        let mut rules = self.generation.rules();
        for backport in &self.backports {
            backport.new.apply(&mut rules);
        }
        rules
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
    Some(Release { generation, backports: generation.backports.iter().filter(taken).collect() })
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
