//! A block volume whose provider caps requests and bytes a second, with credits for bursts.
//!
//! Each cap is kept as the earliest time at which its next request conforms (the generic cell rate
//! algorithm, ITU-T I.371): a request begins when it conforms to all, and then takes its own time. The
//! bucket of credits is the cap of the sustained rate with a tolerance of as many requests as there
//! are credits.

use sim_core::{DistributionError, KeyedStreams, Sampler, SimDuration, SimTime};

use super::kind::SwapDevice;
use super::request::{Request, draw};
use crate::base::record::IoKind;
use crate::config::VolumeConfig;

/// Picoseconds of a second.
const SECOND: u64 = 1_000_000_000_000;

/// A rate that may be exceeded for a while.
#[derive(Clone, Debug)]
struct Cap {
    /// Time that one unit takes at the rate.
    interval: SimDuration,
    /// How far ahead of the rate requests may be.
    tolerance: SimDuration,
    /// When as much has been let through as the rate allows up to then.
    paid: SimTime,
}

impl Cap {
    /// `spent`: what had been let through ahead of the rate before the simulation began.
    fn new(interval: SimDuration, tolerance: SimDuration, spent: SimDuration) -> Self {
        Self { interval, tolerance, paid: SimTime::ZERO + spent }
    }

    /// When so many units that come now may begin.
    fn admit(&mut self, now: SimTime, units: u64) -> SimTime {
        let before = self.paid.max(now);
        let ahead = before.since(now);
        self.paid = before + self.interval.times(units);
        match ahead > self.tolerance {
            true => now + ahead.saturating_sub(self.tolerance),
            false => now,
        }
    }
}

/// State of the device.
#[derive(Clone, Debug)]
pub(super) struct Volume {
    read: Sampler,
    write: Sampler,
    sustained: Cap,
    peak: Cap,
    bytes: Cap,
}

impl Volume {
    pub(super) fn new(config: &VolumeConfig, _: u32) -> Result<Self, DistributionError> {
        let interval = |rate: u32| SimDuration::from_ps(SECOND / u64::from(rate.max(1)));
        let sustained = interval(config.iops);
        let missing = config.credits.saturating_sub(config.credits_at_start);
        let zero = SimDuration::ZERO;
        Ok(Self {
            read: config.read.sampler()?,
            write: config.write.sampler()?,
            sustained: Cap::new(
                sustained,
                sustained.times(config.credits),
                sustained.times(missing),
            ),
            peak: Cap::new(interval(config.burst_iops), zero, zero),
            bytes: Cap::new(config.per_page, zero, zero),
        })
    }
}

impl SwapDevice for Volume {
    /// The provider's queue is behind the device: it has a place for every request.
    fn issue(&mut self, _now: SimTime, _request: Request) -> bool {
        true
    }

    fn begin(&mut self, request: &Request, draws: &KeyedStreams) -> SimDuration {
        let now = request.submitted;
        let begins = self.sustained.admit(now, 1);
        let begins = begins.max(self.peak.admit(now, 1));
        let begins = begins.max(self.bytes.admit(now, request.pages.into()));
        let law = if request.op == IoKind::Read { &self.read } else { &self.write };
        begins.since(now) + SimDuration::from_ps(law.sample(&mut draw(draws, request)))
    }

    fn submit(&mut self, _now: SimTime, request: Request) -> Option<Request> {
        Some(request)
    }

    fn completed(&mut self, _now: SimTime) -> Option<Request> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::super::load::{ClosedLoad, closed_load};
    use super::*;
    use sim_core::Distribution;

    fn config(credits: u64, credits_at_start: u64) -> VolumeConfig {
        let law = Distribution::Constant { value: 500_000_000 };
        VolumeConfig {
            read: law.clone(),
            write: law,
            iops: 1_000,
            burst_iops: 4_000,
            credits,
            credits_at_start,
            per_page: SimDuration::from_us(20),
        }
    }

    fn rate(config: VolumeConfig, depth: u32, requests: u64) -> f64 {
        let load = ClosedLoad { depth, requests, reads_ppm: 500_000, seed: 1 };
        closed_load(&config.into(), &load).unwrap().rate()
    }

    /// One at a time is bound by its latency, many by the peak while there are credits, and by the
    /// sustained rate without.
    #[test]
    fn caps_hold_where_latency_does_not() {
        let near =
            |got: f64, wanted: f64| assert!((got / wanted - 1.0).abs() < 0.02, "{got} {wanted}");
        near(rate(config(1_000_000, 1_000_000), 1, 5_000), 2_000.0);
        near(rate(config(1_000_000, 1_000_000), 16, 20_000), 4_000.0);
        near(rate(config(1_000_000, 0), 16, 5_000), 1_000.0);
    }

    /// Credits are spent at the difference of both rates: 3 000 last for a second at 4 000.
    #[test]
    fn a_burst_ends_with_its_credits() {
        let requests = 4_000 + 2_000;
        let got = rate(config(3_000, 3_000), 16, requests);
        assert!((got / (6_000.0 / 3.0) - 1.0).abs() < 0.02, "{got}");
    }

    #[test]
    fn bytes_are_capped_too() {
        let mut config = config(1_000_000, 1_000_000);
        config.per_page = SimDuration::from_us(500);
        assert!((rate(config, 16, 5_000) / 2_000.0 - 1.0).abs() < 0.02);
    }
}
