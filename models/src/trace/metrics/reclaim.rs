//! What threads of the host take from memory containers, and why.

use std::collections::{BTreeMap, BTreeSet};

use sim_core::SimTime;

use crate::base::ids::ThreadId;
use crate::base::record::{Event, MemcgFile};

/// Who takes pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taker {
    Vcpus,
    Workers,
    Writers,
    Agents,
    Kswapd,
}

/// Pages taken in the measured phase, by who took them.
#[derive(Clone, Debug, Default)]
pub(super) struct Reclaims {
    vcpus: usize,
    pub(super) scanned: u64,
    by_vcpus: u64,
    /// By threads that bring pages for others.
    by_workers: u64,
    /// By threads that write limits.
    by_writers: u64,
    /// By agents.
    by_agents: u64,
    /// By the thread that keeps pages of the host free.
    by_kswapd: u64,
    /// Time in which limits were being written.
    write_ps: u64,
    /// Whether the host's memory is controlled during the run: otherwise only what was scanned is known.
    controlled: bool,
    /// Whether a container has a `memory.high`, and pages charged beyond it by vCPU threads and by others.
    has_high: bool,
    over_high: [u64; 2],
    /// Threads that have ever written a limit, and since when they write one.
    writers: BTreeMap<ThreadId, Option<SimTime>>,
    /// Threads that have written `memory.reclaim`.
    agents: BTreeSet<ThreadId>,
    kswapd: Option<ThreadId>,
    kswapd_wakes: u64,
    measuring: bool,
}

impl Reclaims {
    /// None yet; the first threads are those of so many vCPUs.
    pub(super) fn new(vcpus: usize) -> Self {
        Self { vcpus, ..Self::default() }
    }

    /// The measured phase begins.
    pub(super) fn begin(&mut self, now: SimTime) {
        let writers = std::mem::take(&mut self.writers);
        let since = |(thread, since): (_, Option<SimTime>)| (thread, since.map(|_| now));
        let writers = writers.into_iter().map(since).collect();
        let agents = std::mem::take(&mut self.agents);
        let Self { vcpus, controlled, has_high, kswapd, .. } = *self;
        *self = Self {
            vcpus,
            controlled,
            has_high,
            kswapd,
            writers,
            agents,
            measuring: true,
            ..Self::default()
        };
    }

    pub(super) fn observe(&mut self, now: SimTime, event: &Event) {
        match *event {
            Event::MemcgReclaimEnd { scanned, .. } if self.measuring => {
                self.scanned += u64::from(scanned);
            }
            Event::MemcgLimit { file, .. } => {
                self.controlled = true;
                self.has_high |= file == MemcgFile::High;
            }
            Event::MemcgOverHigh { thread, pages } if self.measuring => {
                self.over_high[usize::from(thread.index() >= self.vcpus)] += u64::from(pages);
            }
            Event::MemcgReclaimed { thread, pages } if self.measuring => {
                let taken = if thread.index() < self.vcpus {
                    &mut self.by_vcpus
                } else if self.writers.contains_key(&thread) {
                    &mut self.by_writers
                } else if self.agents.contains(&thread) {
                    &mut self.by_agents
                } else if self.kswapd == Some(thread) {
                    &mut self.by_kswapd
                } else {
                    &mut self.by_workers
                };
                *taken += u64::from(pages);
            }
            Event::KswapdWake { thread } => {
                self.kswapd = Some(thread);
                self.kswapd_wakes += u64::from(self.measuring);
            }
            Event::MemcgWrite { thread, file: MemcgFile::Reclaim, .. } => {
                self.agents.insert(thread);
            }
            Event::MemcgWritten { file: MemcgFile::Reclaim, .. } => {}
            Event::MemcgWrite { thread, .. } => {
                self.writers.insert(thread, Some(now));
            }
            Event::MemcgWritten { thread, .. } => {
                let since = self.writers.insert(thread, None).flatten();
                self.count(since, now);
            }
            _ => {}
        }
    }

    fn count(&mut self, since: Option<SimTime>, now: SimTime) {
        if let Some(since) = since.filter(|_| self.measuring) {
            self.write_ps += now.saturating_since(since).as_ps();
        }
    }

    /// A count of who took pages, where that is known.
    pub(super) fn taken(&self, who: Taker) -> Option<f64> {
        let taken = match who {
            Taker::Vcpus => self.by_vcpus,
            Taker::Workers => self.by_workers,
            Taker::Writers => self.by_writers,
            Taker::Agents => self.by_agents,
            Taker::Kswapd => self.by_kswapd,
        };
        self.controlled.then_some(taken as f64)
    }

    /// How often the thread that keeps pages of the host free was woken.
    pub(super) fn kswapd_wakes(&self) -> Option<f64> {
        self.controlled.then_some(self.kswapd_wakes as f64)
    }

    /// Whether a container has a `memory.high`.
    pub(super) fn has_high(&self) -> bool {
        self.has_high
    }

    /// Pages charged beyond it, by threads of vCPUs or by others.
    pub(super) fn beyond_high(&self, who: Taker) -> Option<f64> {
        let pages = self.over_high[usize::from(who != Taker::Vcpus)];
        self.has_high.then_some(pages as f64)
    }

    /// Seconds in which limits were being written.
    pub(super) fn write_time(&self) -> Option<f64> {
        self.controlled.then_some(self.write_ps as f64 * 1e-12)
    }

    /// The run ends here; what goes on counts up to now.
    pub(super) fn settle(&mut self, end: SimTime) {
        for since in std::mem::take(&mut self.writers).into_values() {
            self.count(since, end);
        }
    }
}
