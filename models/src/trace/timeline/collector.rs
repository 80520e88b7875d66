//! From records to marks.

use sim_core::SimTime;

use super::board::Board;
use super::cast::Cast;
use super::flows::Flows;
use super::host::Host;
use super::items::Items;
use super::lane::Lane;
use super::mapped::Mapped;
use super::mark::{Label, Mark, Slice, TrackId, TrackKind};
use super::tasks::Tasks;
use super::vcpus::Vcpus;
use crate::base::record::{Event, Record};

/// Turns records into a timeline.
#[derive(Clone, Debug)]
pub struct Timeline {
    board: Board,
    phase: Lane,
    flows: Flows,
    vcpus: Vcpus,
    tasks: Tasks,
    items: Items,
    host: Host,
    mapped: Mapped,
    /// The time of the last record.
    now: SimTime,
}

impl Timeline {
    /// A timeline that begins in the middle of a run.
    pub fn new(cast: &Cast, begin: SimTime) -> Self {
        let mut board = Board::default();
        let mut process = |name: Label, number: u16| {
            board.track(None, name, TrackKind::Process(number), number.into())
        };
        let host = process("host".into(), 0);
        let vms: Vec<TrackId> = cast
            .vms
            .iter()
            .zip(1..)
            .map(|((name, _), at)| process(Label::made(name), at))
            .collect();
        let phase = Lane::new(board.slices(host, "phase", 0));
        let (vcpus, own) = Vcpus::new(&mut board, cast, &vms, begin);
        Self {
            phase,
            flows: Flows::default(),
            items: Items::new(&mut board, cast, &vms, &own, begin),
            tasks: Tasks::new(&mut board, cast, &vms, begin),
            mapped: Mapped::new(&mut board, cast, &vms, begin),
            host: Host::new(&mut board, cast, host, begin),
            vcpus,
            board,
            now: begin,
        }
    }

    /// Takes in the next record.
    pub fn observe(&mut self, record: &Record) {
        let Self { board, flows, now, .. } = self;
        *now = record.time;
        let (now, event) = (*now, &record.event);
        if let Event::PhaseBegin { phase } = event {
            self.phase.begin(board, now, Slice::new(phase.name()));
        }
        // The link of an item comes before what is told of it, and the guest is told before a task sleeps.
        self.items.observe(board, flows, now, event);
        self.vcpus.observe(board, now, event);
        self.vcpus.notices(board, flows, now, event);
        self.tasks.observe(board, flows, &mut self.vcpus, now, event);
        self.host.observe(board, (&mut self.items, flows), now, event);
        self.mapped.observe(board, now, event);
    }

    /// The run is over: what is open ends.
    pub fn close(&mut self) {
        let Self { board, now, .. } = self;
        self.phase.end(board, *now);
        self.vcpus.close(board, *now);
        self.tasks.close(board, *now);
        self.items.close(board, *now);
        self.host.close(board, *now);
        self.mapped.close(board, *now);
    }

    /// The marks since they were taken last.
    pub fn take(&mut self) -> Vec<Mark> {
        self.board.take()
    }
}
