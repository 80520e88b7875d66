//! What something does over time.

use sim_core::SimTime;

/// Something that is in one state at a time, or in none: states with their beginnings and ends,
/// in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lane<S> {
    /// From, to, what.
    pub spans: Vec<(SimTime, SimTime, S)>,
}

impl<S> Default for Lane<S> {
    fn default() -> Self {
        Self { spans: Vec::new() }
    }
}

impl<S: Copy + PartialEq> Lane<S> {
    /// The state at a moment.
    pub fn at(&self, time: SimTime) -> Option<S> {
        let after = self.spans.partition_point(|&(from, ..)| from <= time);
        let &(_, to, state) = self.spans.get(after.checked_sub(1)?)?;
        (time < to).then_some(state)
    }

    /// Adds a state after those there are; one that goes on is made longer.
    pub(super) fn push(&mut self, from: SimTime, to: SimTime, state: S) {
        if from >= to {
            return;
        }
        match self.spans.last_mut() {
            Some(last) if last.1 == from && last.2 == state => last.1 = to,
            _ => self.spans.push((from, to, state)),
        }
    }
}
