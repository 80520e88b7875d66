//! Laws by which successive accesses choose their pages.

use sim_core::{Distribution, DistributionError, Sampler, Stream};

use super::permutation::Permutation;
use crate::config::PageLaw;

/// Where a task is in a walk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cursor {
    /// The place of the next access, in walks that go on from the last one.
    pub at: u64,
    /// Accesses so far.
    count: u64,
}

impl Cursor {
    /// Of one of `count` tasks that start equally spaced over so many pages.
    pub fn spaced(pages: u64, place: u64, count: u64) -> Self {
        let at = u128::from(pages) * u128::from(place) / u128::from(count.max(1));
        Self { at: u64::try_from(at).unwrap_or(0), count: 0 }
    }
}

/// A law with its tables worked out, over the pages of a region.
#[derive(Clone, Debug)]
pub struct Walk {
    pages: u64,
    order: Option<Permutation>,
    law: Law,
}

#[derive(Clone, Debug)]
enum Law {
    Zipf(Sampler),
    HotSet { hot: u64, hot_ppm: u32, drift: u64 },
    Strided { step: u64 },
    Chase,
    Moving { window: u64, every: u64 },
}

impl Walk {
    /// Over so many pages, shuffled by a key where the law wants that.
    ///
    /// # Errors
    /// When the parameters of the law make no sense.
    pub fn new(law: &PageLaw, pages: u64, key: u64) -> Result<Self, DistributionError> {
        let prepared = match *law {
            PageLaw::Zipf { exponent_milli, .. } => {
                Law::Zipf(Distribution::Zipf { n: pages, exponent_milli }.sampler()?)
            }
            PageLaw::HotSet { hot, hot_ppm, drift, .. } => {
                Law::HotSet { hot: hot.clamp(1, pages), hot_ppm, drift }
            }
            PageLaw::Strided { step } => Law::Strided { step: step.max(1) },
            PageLaw::Chase => Law::Chase,
            PageLaw::Moving { window, every, .. } => {
                Law::Moving { window: window.clamp(1, pages), every: every.max(1) }
            }
        };
        let order = law.is_shuffled().then(|| Permutation::new(pages, key));
        Ok(Self { pages, order, law: prepared })
    }

    /// The page of the next access.
    pub fn next(&self, draws: &mut Stream, cursor: &mut Cursor) -> u64 {
        let pages = self.pages;
        let place = match &self.law {
            Law::Zipf(ranks) => ranks.sample(draws) - 1,
            &Law::HotSet { hot, hot_ppm, drift } => {
                let moved = cursor.count.checked_div(drift).unwrap_or(0);
                cursor.count += 1;
                let is_hot = hot == pages || draws.below(1_000_000) < hot_ppm.into();
                let place = if is_hot { draws.below(hot) } else { hot + draws.below(pages - hot) };
                (moved % pages + place) % pages
            }
            &Law::Strided { step } => {
                let place = cursor.at % pages;
                let next = place.saturating_add(step);
                // At the end it goes on with the pages between those that it has had.
                cursor.at = if next < pages { next } else { (place % step + 1) % step.min(pages) };
                place
            }
            Law::Chase => {
                let place = cursor.at % pages;
                cursor.at = (place + 1) % pages;
                place
            }
            &Law::Moving { window, every } => {
                let moved = cursor.count / every;
                cursor.count += 1;
                (cursor.at + moved % pages + draws.below(window)) % pages
            }
        };
        self.order.as_ref().map_or(place, |order| order.at(place))
    }
}
