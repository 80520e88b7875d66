//! Faults of the guest: INV-35 and INV-37.

use std::collections::BTreeMap;

use super::catalogue::{INV_35, INV_37};
use super::finding::{Breach, Context, Ledger};
use crate::base::ids::{Gfn, TaskId, VcpuId};
use crate::base::record::{Event, Record};

/// Frames in one piece of the table of mapped frames; a piece takes 4 KiB.
const PIECE_FRAMES: u64 = 1 << 15;

/// Which frames have a second-stage entry. Sparse, so that a stray address costs one piece.
#[derive(Clone, Debug, Default)]
pub(super) struct MappedFrames {
    pieces: BTreeMap<u64, Vec<u64>>,
}

impl MappedFrames {
    fn place(gfn: Gfn) -> (u64, usize, u64) {
        let within = gfn.0 % PIECE_FRAMES;
        (gfn.0 / PIECE_FRAMES, (within / 64) as usize, 1 << (within % 64))
    }

    pub(super) fn insert(&mut self, gfn: Gfn) {
        let (piece, word, bit) = Self::place(gfn);
        let words = || vec![0; (PIECE_FRAMES / 64) as usize];
        self.pieces.entry(piece).or_insert_with(words)[word] |= bit;
    }

    fn remove(&mut self, gfn: Gfn) {
        let (piece, word, bit) = Self::place(gfn);
        if let Some(words) = self.pieces.get_mut(&piece) {
            words[word] &= !bit;
        }
    }

    pub(super) fn contains(&self, gfn: Gfn) -> bool {
        let (piece, word, bit) = Self::place(gfn);
        self.pieces.get(&piece).is_some_and(|words| words[word] & bit != 0)
    }
}

/// A major fault whose access has not gone through.
#[derive(Clone, Copy, Debug)]
struct Access {
    mapped: bool,
    begun: Record,
}

/// A fault that has come to no end yet.
#[derive(Clone, Copy, Debug)]
struct Open {
    gfn: Gfn,
    record: Record,
    /// Passes of reclaim before it.
    reclaims: u64,
}

/// The monitors of faults.
#[derive(Clone, Debug)]
pub(super) struct Faults {
    mapped: MappedFrames,
    /// Per vCPU, the fault at hand that has come to no end yet.
    open: Vec<Option<Open>>,
    /// Passes of reclaim so far.
    reclaims: u64,
    /// The frames of open faults and who faults on them, in order: there may be thousands of vCPUs.
    open_on: Vec<(Gfn, VcpuId)>,
    /// By frame and task: an access may wait for its page and for tables on the way.
    accesses: BTreeMap<(Gfn, TaskId), Access>,
}

impl Faults {
    pub(super) fn new(vcpus: usize) -> Self {
        Self {
            mapped: MappedFrames::default(),
            open: vec![None; vcpus],
            reclaims: 0,
            open_on: Vec::new(),
            accesses: BTreeMap::new(),
        }
    }

    pub(super) fn grow(&mut self, vcpus: usize) {
        self.open.resize(vcpus, None);
    }

    /// The host handles a fault, or finds that it needs I/O.
    pub(super) fn fault(&mut self, vcpu: VcpuId, gfn: Gfn, record: Record) {
        if self.mapped.contains(gfn) {
            return;
        }
        // A major fault tells more of the fault at hand; it does not open a second one.
        if self.open[vcpu.index()].is_none_or(|open| open.gfn != gfn) {
            self.close(vcpu);
            self.open[vcpu.index()] = Some(Open { gfn, record, reclaims: self.reclaims });
            let at = self.open_on.partition_point(|&other| other < (gfn, vcpu));
            self.open_on.insert(at, (gfn, vcpu));
        }
    }

    /// The fault at hand of a vCPU, if it has one, is open no more.
    fn close(&mut self, vcpu: VcpuId) -> Option<Open> {
        let open = self.open[vcpu.index()].take()?;
        if let Ok(at) = self.open_on.binary_search(&(open.gfn, vcpu)) {
            self.open_on.remove(at);
        }
        Some(open)
    }

    /// The vCPU's fault on the frame has got an item or a halt.
    pub(super) fn resolved(&mut self, vcpu: VcpuId, gfn: Gfn) {
        if self.open[vcpu.index()].is_some_and(|open| open.gfn == gfn) {
            self.close(vcpu);
        }
    }

    /// The frame of the vCPU's fault that has come to no end yet.
    pub(super) fn open_frame(&self, vcpu: VcpuId) -> Option<Gfn> {
        self.open[vcpu.index()].map(|open| open.gfn)
    }

    /// The host begins to take pages away.
    pub(super) fn reclaim(&mut self) {
        self.reclaims += 1;
    }

    /// The fault at hand, if it is one, begins again, because pages were taken away meanwhile.
    pub(super) fn retried(&mut self, vcpu: VcpuId, gfn: Gfn, at: Context<'_>, ledger: &mut Ledger) {
        let open = self.open[vcpu.index()].filter(|open| open.gfn == gfn);
        if let Some(open) = open
            && open.reclaims == self.reclaims
        {
            let message = || {
                format!(
                    "the fault of {vcpu} on frame {gfn} begins again, and nothing was reclaimed"
                )
            };
            let history = || vec![open.record];
            ledger.breach(INV_37, at, Breach { vcpu, token: None, message, history });
        }
        self.resolved(vcpu, gfn);
    }

    pub(super) fn map(&mut self, gfn: Gfn) {
        self.mapped.insert(gfn);
        self.page(gfn, true);
        if self.open_on.is_empty() {
            return;
        }
        let first = self.open_on.partition_point(|&(frame, _)| frame < gfn);
        let count = self.open_on[first..].partition_point(|&(frame, _)| frame == gfn);
        for (_, vcpu) in self.open_on.drain(first..first + count) {
            self.open[vcpu.index()] = None;
        }
    }

    /// The host has what it wanted of a frame with a table of the guest's, which needs no mapping for that.
    pub(super) fn table_read(&mut self, vcpu: VcpuId, gfn: Gfn) {
        self.resolved(vcpu, gfn);
        self.page(gfn, true);
    }

    pub(super) fn unmap(&mut self, gfn: Gfn) {
        self.mapped.remove(gfn);
        self.page(gfn, false);
    }

    fn page(&mut self, gfn: Gfn, mapped: bool) {
        if self.accesses.is_empty() {
            return;
        }
        let all = (gfn, TaskId(0))..=(gfn, TaskId(u32::MAX));
        for (_, access) in self.accesses.range_mut(all) {
            access.mapped = mapped;
        }
    }

    /// A major fault begins: the page is not there.
    pub(super) fn begun(&mut self, task: TaskId, gfn: Gfn, begun: Record) {
        let access = Access { mapped: self.mapped.contains(gfn), begun };
        self.accesses.insert((gfn, task), access);
    }

    /// The access of a major fault goes to another frame, as the page was given back meanwhile.
    pub(super) fn moved(&mut self, task: TaskId, gfn: Gfn) {
        self.accesses.remove(&(gfn, task));
    }

    /// The access of a major fault has gone through.
    pub(super) fn retired(
        &mut self,
        vcpu: VcpuId,
        (task, gfn): (TaskId, Gfn),
        at: Context<'_>,
        ledger: &mut Ledger,
    ) {
        let Some(access) = self.accesses.remove(&(gfn, task)) else { return };
        if !access.mapped {
            let message =
                || format!("{task} on {vcpu} has got through to {gfn}, which is not mapped");
            let history = || vec![access.begun];
            ledger.breach(INV_35, at, Breach { vcpu, token: None, message, history });
        }
    }

    pub(super) fn entry(&mut self, vcpu: VcpuId, at: Context<'_>, ledger: &mut Ledger) {
        let Some(Open { gfn, record, .. }) = self.close(vcpu) else { return };
        let message = || {
            let what = match record.event {
                Event::MajorFaultBegin { .. } => "major fault",
                _ => "fault",
            };
            format!(
                "the {what} of {vcpu} on frame {gfn} left neither a mapping nor an item nor a halt"
            )
        };
        let history = || vec![record];
        ledger.breach(INV_37, at, Breach { vcpu, token: None, message, history });
    }
}
