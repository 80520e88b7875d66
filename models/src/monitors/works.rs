//! Workers: INV-24, as far as records tell.

use std::collections::BTreeMap;

use super::catalogue::INV_24;
use super::finding::{Breach, Context, Ledger};
use crate::base::ids::{ItemId, VcpuId, WorkerId};
use crate::base::record::Record;

/// Where an item is on its way through a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Handed to the pool.
    Queued,
    /// A worker runs it.
    Running(WorkerId),
    /// The worker is done.
    Ended,
}

#[derive(Clone, Copy, Debug)]
struct Work {
    stage: Stage,
    since: Record,
    /// A queue was cleared since it was queued: it may have been taken back.
    may_be_cancelled: bool,
}

/// The monitor of workers. Numbers of items are used again, so that it remembers no more of them
/// than were ever outstanding together.
#[derive(Clone, Debug, Default)]
pub(super) struct Works {
    works: BTreeMap<ItemId, Work>,
}

impl Works {
    /// Some vCPU's queue was cleared; which items it had is not recorded.
    pub(super) fn cleared(&mut self) {
        for work in self.works.values_mut().filter(|work| work.stage == Stage::Queued) {
            work.may_be_cancelled = true;
        }
    }

    pub(super) fn queued(&mut self, item: ItemId, record: Record, at: Context<'_>, l: &mut Ledger) {
        let work = Work { stage: Stage::Queued, since: record, may_be_cancelled: false };
        let before = self.works.insert(item, work);
        let in_use = before.filter(|work| match work.stage {
            Stage::Queued => !work.may_be_cancelled,
            Stage::Running(_) => true,
            Stage::Ended => false,
        });
        if let Some(before) = in_use {
            tell(before, "is queued while the pool still has it", item, at, l);
        }
    }

    pub(super) fn started(
        &mut self,
        (worker, item): (WorkerId, ItemId),
        record: Record,
        at: Context<'_>,
        ledger: &mut Ledger,
    ) {
        let work = Work { stage: Stage::Running(worker), since: record, may_be_cancelled: false };
        // The trace may begin after an item was queued.
        if let Some(before) = self.works.insert(item, work)
            && before.stage != Stage::Queued
        {
            tell(before, "is started by a worker without being queued", item, at, ledger);
        }
    }

    pub(super) fn ended(
        &mut self,
        (worker, item): (WorkerId, ItemId),
        record: Record,
        at: Context<'_>,
        ledger: &mut Ledger,
    ) {
        let work = Work { stage: Stage::Ended, since: record, may_be_cancelled: false };
        if let Some(before) = self.works.insert(item, work)
            && before.stage != Stage::Running(worker)
        {
            tell(before, "is ended by a worker that does not run it", item, at, ledger);
        }
    }
}

fn tell(before: Work, what: &str, item: ItemId, at: Context<'_>, ledger: &mut Ledger) {
    let message = || format!("work item {item} {what}");
    let last = at.batch.last().copied();
    let history = || std::iter::once(before.since).chain(last).collect();
    // Workers belong to no vCPU, so that the story is that of the item alone.
    let vcpu = VcpuId(u16::MAX);
    ledger.breach(INV_24, at, Breach { vcpu, token: None, message, history });
}
