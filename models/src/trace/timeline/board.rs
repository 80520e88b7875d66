//! Where marks are put until they are taken.

use sim_core::SimTime;

use super::mark::{Label, Mark, Slice, Track, TrackId, TrackKind};

/// The marks that nobody has taken yet, and the number of tracks so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Board {
    tracks: u32,
    marks: Vec<Mark>,
}

impl Board {
    pub(super) fn track(
        &mut self,
        parent: Option<TrackId>,
        name: impl Into<Label>,
        kind: TrackKind,
        rank: i32,
    ) -> TrackId {
        self.tracks += 1;
        let id = TrackId(self.tracks);
        self.marks.push(Mark::Track(Track { id, parent, name: name.into(), kind, rank }));
        id
    }

    pub(super) fn slices(&mut self, parent: TrackId, name: impl Into<Label>, rank: i32) -> TrackId {
        self.track(Some(parent), name, TrackKind::Slices, rank)
    }

    pub(super) fn slice(&mut self, track: TrackId, from: SimTime, to: SimTime, slice: Slice) {
        self.marks.push(Mark::Slice { track, from, to, slice });
    }

    pub(super) fn instant(&mut self, track: TrackId, at: SimTime, slice: Slice) {
        self.marks.push(Mark::Instant { track, at, slice });
    }

    pub(super) fn counter(&mut self, track: TrackId, at: SimTime, value: i64) {
        self.marks.push(Mark::Counter { track, at, value });
    }

    pub(super) fn take(&mut self) -> Vec<Mark> {
        std::mem::take(&mut self.marks)
    }
}

/// A number of things, and its track.
#[derive(Clone, Debug)]
pub(super) struct Gauge {
    track: TrackId,
    value: i64,
}

impl Gauge {
    pub(super) fn new(
        board: &mut Board,
        parent: TrackId,
        name: &'static str,
        rank: i32,
        begin: SimTime,
    ) -> Self {
        Self::starting(board, parent, name.into(), rank, (begin, 0))
    }

    /// One with a value at its beginning.
    pub(super) fn starting(
        board: &mut Board,
        parent: TrackId,
        name: Label,
        rank: i32,
        (begin, value): (SimTime, u64),
    ) -> Self {
        let track = board.track(Some(parent), name, TrackKind::Counter, rank);
        let value = i64::try_from(value).unwrap_or(i64::MAX);
        board.counter(track, begin, value);
        Self { track, value }
    }

    /// It has a new value.
    pub(super) fn set(&mut self, board: &mut Board, now: SimTime, value: u64) {
        self.value = i64::try_from(value).unwrap_or(i64::MAX);
        board.counter(self.track, now, self.value);
    }

    pub(super) fn add(&mut self, board: &mut Board, now: SimTime, change: i64) {
        // One that began before the first record is nothing that was counted.
        let value = self.value.saturating_add(change).max(0);
        if value != self.value {
            self.value = value;
            board.counter(self.track, now, value);
        }
    }
}
