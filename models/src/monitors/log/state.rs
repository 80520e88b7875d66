//! What has been read of a log so far, and what is concluded from it: all that the monitors of
//! different matters share.

use super::config::LogConfig;
use super::deferred::Deferrals;
use super::event::LogEvent;
use super::ledger::Ledger;
use super::request::EarlyReadies;
use super::seen::SeenInLog;
use super::sides::Pauses;
use super::survey::LogSurvey;
use super::vcpu::VcpuLog;
use crate::monitors::catalogue::{Family, InvariantId};

/// What is known of a log.
#[derive(Clone, Debug)]
pub(super) struct LogState {
    pub(super) config: LogConfig,
    /// In the order of their first lines.
    pub(super) vcpus: Vec<VcpuLog>,
    pub(super) seen: SeenInLog,
    pub(super) ledger: Ledger,
    /// Breaches that are none if an event is not recorded which the log has not shown yet.
    pub(super) deferred: Deferrals,
    pub(super) survey: LogSurvey,
    /// Events so far.
    pub(super) seq: u64,
    pub(super) now: u64,
    /// Place in the log of its first exception.
    pub(super) exceptions_from: u64,
    /// Places in the log where events were lost.
    pub(super) losses: u64,
    pub(super) early_readies: EarlyReadies,
    /// Steps of vCPUs that show where it was paused.
    pub(super) pauses: Pauses,
}

impl LogState {
    /// At the beginning of a log.
    pub(super) fn new(config: LogConfig) -> Self {
        Self {
            config,
            vcpus: Vec::new(),
            seen: SeenInLog::default(),
            ledger: Ledger::new(),
            deferred: Deferrals::default(),
            survey: LogSurvey::default(),
            seq: 0,
            now: 0,
            exceptions_from: 0,
            losses: 0,
            early_readies: EarlyReadies::default(),
            pauses: Pauses::default(),
        }
    }

    /// The family that the log shows, and whether it shows it.
    pub(super) fn family(&self) -> (Family, bool) {
        if let Some(family) = self.config.family {
            return (family, true);
        }
        let told = self.survey.told;
        if self.seen.series {
            (Family::V5, true)
        } else if self.seen.by_interrupt {
            (Family::Int, true)
        } else if self.seen.with_pfn || self.seen.ready_exceptions > self.may_lack() {
            (Family::V7, true)
        } else {
            // What 5.8 and later print, unless something speaks against it.
            (Family::Int, self.seen.repeated || told > 0)
        }
    }

    /// Exceptions whose not present may be missing: a vCPU's first, and one after each loss.
    fn may_lack(&self) -> u64 {
        (self.vcpus.len() as u64).saturating_mul(1 + self.losses)
    }

    /// Notes a breach with what happened on the vCPU lately.
    pub(super) fn say(
        &mut self,
        at: usize,
        id: InvariantId,
        event: LogEvent,
        text: String,
        before: &[LogEvent],
    ) {
        let story = self.vcpus[at].story(before);
        self.ledger.breach(id, event, text, story);
    }
}
