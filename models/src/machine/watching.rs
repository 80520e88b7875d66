//! The monitors of a run: each virtual machine has its own, as what is promised is promised to each.

use sim_core::{SimDuration, SimTime};

use crate::base::ids::VmId;
use crate::base::record::{Event, Record};
use crate::monitors::{Finding, MonitorSet};
use crate::trace::owners::{Audience, Owners};

/// The monitors of all virtual machines.
#[derive(Clone, Debug)]
pub struct Watching {
    of: Vec<MonitorSet>,
    /// Says whose a record is, where there are several.
    owners: Option<Owners>,
    /// Records that each has not been shown.
    own: Vec<Vec<Record>>,
}

/// So many records are kept for one before they are shown to it: each showing costs something itself.
const TOGETHER: usize = 512;

impl From<MonitorSet> for Watching {
    fn from(only: MonitorSet) -> Self {
        Self { of: vec![only], owners: None, own: Vec::new() }
    }
}

impl Watching {
    /// Those of several virtual machines, or of one.
    pub(super) fn new(of: Vec<MonitorSet>, owners: Owners) -> Self {
        let (owners, own) = ((of.len() > 1).then_some(owners), vec![Vec::new(); of.len()]);
        Self { of, owners, own }
    }

    /// Reads the next records. Those of no virtual machine go to the monitors of all.
    pub(super) fn observe(&mut self, records: &[Record]) {
        let Some(owners) = &mut self.owners else {
            return self.of.iter_mut().for_each(|set| set.observe(records));
        };
        for record in records {
            let audience = match record.event {
                // A pass takes pages of whoever is in the container, so that a fault of any may begin again.
                Event::MemcgReclaimBegin { .. } => Audience::All,
                ref event => owners.audience(event),
            };
            match audience {
                Audience::Few(few) => {
                    for vm in few.into_iter().flatten() {
                        let own = &mut self.own[vm.index()];
                        own.push(*record);
                        if own.len() >= TOGETHER {
                            show(&mut self.of[vm.index()], own);
                        }
                    }
                }
                Audience::All => self.own.iter_mut().for_each(|own| own.push(*record)),
            }
        }
    }

    /// Shows all records that have been read to those whom they concern. To be called before anything is
    /// asked.
    pub(super) fn settle(&mut self) {
        for (set, own) in self.of.iter_mut().zip(&mut self.own) {
            show(set, own);
        }
    }

    /// As [`MonitorSet::finish`].
    pub(super) fn finish(&self, end: SimTime) -> Vec<Finding> {
        self.of.iter().flat_map(|set| set.finish(end)).collect()
    }

    /// As [`MonitorSet::anything_waits`].
    pub(super) fn anything_waits(&self, now: SimTime, than: SimDuration) -> bool {
        self.of.iter().any(|set| set.anything_waits(now, than))
    }

    /// As [`MonitorSet::sleep_for_good`].
    pub(super) fn sleep_for_good(&self, now: SimTime) -> usize {
        self.of.iter().map(|set| set.sleep_for_good(now)).sum()
    }

    /// Of a virtual machine nothing is promised any more that must happen in the end.
    pub(super) fn expect_nothing_of(&mut self, vm: VmId) {
        if let Some(set) = self.of.get_mut(vm.index()) {
            set.expect_nothing();
        }
    }

    /// As [`MonitorSet::resume`].
    pub(super) fn resume(&mut self) {
        self.of.iter_mut().for_each(MonitorSet::resume);
    }
}

fn show(set: &mut MonitorSet, own: &mut Vec<Record>) {
    if !own.is_empty() {
        set.observe(own);
        own.clear();
    }
}
