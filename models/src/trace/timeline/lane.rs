//! Tracks on which one thing goes on at a time.

use sim_core::SimTime;

use super::board::Board;
use super::mark::{Label, Slice, TrackId};

/// A track, and what goes on there.
#[derive(Clone, Debug)]
pub(super) struct Lane {
    pub(super) track: TrackId,
    open: Option<(SimTime, Slice)>,
    /// When the last thing ended.
    free: SimTime,
}

impl Lane {
    pub(super) fn new(track: TrackId) -> Self {
        Self { track, open: None, free: SimTime::ZERO }
    }

    /// What goes on, to be told more of.
    pub(super) fn open_mut(&mut self) -> Option<&mut Slice> {
        self.open.as_mut().map(|(_, slice)| slice)
    }

    pub(super) fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// Ends what goes on, and begins something else.
    pub(super) fn begin(&mut self, board: &mut Board, now: SimTime, slice: Slice) {
        self.end(board, now);
        self.open = Some((now.max(self.free), slice));
    }

    /// As `begin`, unless the very same goes on already.
    pub(super) fn change(&mut self, board: &mut Board, now: SimTime, slice: Slice) {
        if self.open.as_ref().is_none_or(|(_, open)| *open != slice) {
            self.begin(board, now, slice);
        }
    }

    /// Nothing goes on any more. What took no time is not shown, unless a flow leads over it.
    pub(super) fn end(&mut self, board: &mut Board, now: SimTime) {
        let Some((from, slice)) = self.open.take() else { return };
        let to = now.max(from);
        self.free = to;
        if from < to || slice.flow.is_some() {
            board.slice(self.track, from, to, slice);
        }
    }
}

/// As many tracks as things go on at a time: each takes the first that is free, and keeps it.
#[derive(Clone, Debug)]
pub(super) struct Pool<K> {
    parent: TrackId,
    name: &'static str,
    rank: i32,
    lanes: Vec<(Lane, Option<K>)>,
}

impl<K: PartialEq> Pool<K> {
    pub(super) fn new(parent: TrackId, name: &'static str, rank: i32) -> Self {
        Self { parent, name, rank, lanes: Vec::new() }
    }

    pub(super) fn begin(&mut self, board: &mut Board, now: SimTime, key: K, slice: Slice) {
        let is_free = |(lane, has): &(Lane, Option<K>)| has.is_none() && lane.free <= now;
        let free = self.lanes.iter().position(is_free);
        let place = free.unwrap_or_else(|| {
            let number = self.lanes.len();
            let name = Label::made(format!("{} {number}", self.name));
            let rank = self.rank.saturating_add(i32::try_from(number).unwrap_or(i32::MAX));
            let track = board.slices(self.parent, name, rank);
            self.lanes.push((Lane::new(track), None));
            number
        });
        let (lane, has) = &mut self.lanes[place];
        lane.begin(board, now, slice);
        *has = Some(key);
    }

    /// What goes on under a key, to be told more of.
    pub(super) fn get_mut(&mut self, is: impl Fn(&K) -> bool) -> Option<&mut Slice> {
        let own = self.lanes.iter_mut().find(|(_, has)| has.as_ref().is_some_and(&is));
        own.and_then(|(lane, _)| lane.open_mut())
    }

    /// The key of what goes on, to be changed.
    pub(super) fn key_mut(&mut self, is: impl Fn(&K) -> bool) -> Option<&mut K> {
        self.lanes.iter_mut().filter_map(|(_, has)| has.as_mut()).find(|has| is(has))
    }

    /// Ends what goes on under a key.
    pub(super) fn end(
        &mut self,
        board: &mut Board,
        now: SimTime,
        is: impl Fn(&K) -> bool,
    ) -> Option<K> {
        let (lane, has) = self.lanes.iter_mut().find(|(_, has)| has.as_ref().is_some_and(&is))?;
        lane.end(board, now);
        has.take()
    }

    /// Ends everything.
    pub(super) fn close(&mut self, board: &mut Board, now: SimTime) {
        for (lane, has) in &mut self.lanes {
            lane.end(board, now);
            *has = None;
        }
    }
}
