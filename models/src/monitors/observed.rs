//! A record with what came before it.

use super::finding::Context;
use crate::base::record::Record;

/// A record and what was observed before it, from which the stories of breaches are made.
#[derive(Clone, Copy)]
pub(super) struct Observed<'a> {
    /// The end of what was observed before this batch.
    pub(super) recent: &'a [Record],
    /// This batch.
    pub(super) batch: &'a [Record],
    /// Where in it the record at hand is.
    pub(super) place: usize,
    /// The record at hand.
    pub(super) record: &'a Record,
}

impl<'a> Observed<'a> {
    /// The same, for the judgement of a monitor.
    pub(super) fn context(self) -> Context<'a> {
        Context { now: self.record.time, recent: self.recent, batch: &self.batch[..=self.place] }
    }
}
