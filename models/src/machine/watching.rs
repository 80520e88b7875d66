//! The monitors of a run: each virtual machine has its own, as what is promised is promised to each.

use sim_core::{SimDuration, SimTime};

use crate::base::ids::VmId;
use crate::base::record::Record;
use crate::monitors::{Finding, MonitorSet};
use crate::trace::owners::Owners;

/// The monitors of all virtual machines.
#[derive(Clone, Debug)]
pub struct Watching {
    of: Vec<MonitorSet>,
    /// Says whose a record is, where there are several.
    owners: Option<Owners>,
    /// A reused buffer.
    own: Vec<Vec<Record>>,
}

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

    /// Reads the next records. What is nobody's goes to all.
    pub(super) fn observe(&mut self, records: &[Record]) {
        let Some(owners) = &mut self.owners else {
            return self.of.iter_mut().for_each(|set| set.observe(records));
        };
        for record in records {
            match owners.observe(&record.event) {
                Some(vm) => self.own[vm.index()].push(*record),
                None => self.own.iter_mut().for_each(|own| own.push(*record)),
            }
        }
        for (set, own) in self.of.iter_mut().zip(&mut self.own) {
            set.observe(own);
            own.clear();
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
