//! How equally virtual machines are served, and what the host has left.

use sim_core::SimTime;

use crate::base::record::{Event, Phase};

/// How equally virtual machines are served: Jain's index, (sum of x)^2 / (n * sum of x^2), which is 1 when
/// all have the same and 1/n when one has everything.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Fairness {
    /// Of processor time.
    pub(super) cpu: Option<f64>,
    /// Of counted work.
    pub(super) work: Option<f64>,
    /// Not of them, but of the host: the idle part of its processors' time.
    pub(super) host_idle: Option<f64>,
}

/// Follows which processors of the host have nothing to do.
#[derive(Clone, Debug)]
pub(super) struct Idle {
    /// Of each processor, since when it has nothing to do.
    since: Vec<Option<SimTime>>,
    measured: Option<SimTime>,
    ps: u128,
}

impl Idle {
    pub(super) fn new(pcpus: u16) -> Self {
        Self { since: vec![Some(SimTime::ZERO); pcpus.into()], measured: None, ps: 0 }
    }

    pub(super) fn observe(&mut self, now: SimTime, event: &Event) {
        match *event {
            Event::PhaseBegin { phase: Phase::Measure } => self.measured = Some(now),
            Event::HostSchedSwitch { pcpu, next, .. } => {
                let Some(since) = self.since.get_mut(pcpu.index()) else { return };
                if let (Some(since), Some(measured)) = (*since, self.measured) {
                    self.ps += u128::from(now.saturating_since(since.max(measured)).as_ps());
                }
                *since = next.is_none().then_some(now);
            }
            _ => {}
        }
    }

    pub(super) fn share(&self, end: SimTime) -> Option<f64> {
        let measured = self.measured.filter(|measured| *measured < end)?;
        let still = |since: &SimTime| end.saturating_since((*since).max(measured)).as_ps();
        let open: u128 = self.since.iter().flatten().map(still).map(u128::from).sum();
        let whole = u128::from(end.since(measured).as_ps()) * self.since.len() as u128;
        Some((self.ps + open) as f64 / whole as f64)
    }
}

/// Jain's index; none where there is nothing to share.
pub(super) fn jain(shares: &[f64]) -> Option<f64> {
    let (sum, squares) =
        shares.iter().fold((0.0, 0.0), |(sum, squares), x| (sum + x, squares + x * x));
    (squares > 0.0).then(|| sum * sum / (shares.len() as f64 * squares))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_index_is_one_for_equals_and_one_nth_for_one_of_n() {
        assert_eq!(jain(&[3.0, 3.0, 3.0]), Some(1.0));
        assert_eq!(jain(&[0.0, 7.0]), Some(0.5));
        assert_eq!(jain(&[1.0, 3.0]), Some(0.8));
        assert_eq!(jain(&[0.0, 0.0]), None);
    }
}
