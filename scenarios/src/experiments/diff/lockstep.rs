//! Two runs side by side, record by record, in bounded memory: each runs in a thread of its own and
//! waits when it is some batches ahead of the other.

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use models::base::record::{Event, Phase, Record};
use models::machine::{self, RunError, RunSettings};
use models::trace::digest::{Digest, DigestValue};
use sim_core::SimTime;

use super::side::Side;
use crate::run::error::{RunnerError, panic_text};

/// Batches that a run may be ahead: some 4 000 records each.
const AHEAD: usize = 4;

/// How far two runs are the same, and the first records in which they are not.
#[derive(Debug)]
pub(super) struct Parting {
    /// Records that both have.
    pub(super) common: u64,
    /// The last of these.
    pub(super) last: VecDeque<Record>,
    /// The digest of these.
    pub(super) digest: DigestValue,
    /// The part of the run that began last, and when.
    pub(super) phase: Option<(Phase, SimTime)>,
    /// What each has instead, the record of the difference first.
    pub(super) rest: [Vec<Record>; 2],
}

/// Runs both until they differ and `more` records further, or to their ends. The last `kept` records
/// before that are kept.
pub(super) fn compare(
    sides: [&Side; 2],
    (more, kept): (usize, usize),
    progress: &dyn Fn(u64),
) -> Result<Parting, RunnerError> {
    thread::scope(|scope| {
        let [(first, a), (second, b)] = sides.map(|side| {
            let (sender, receiver) = sync_channel(AHEAD);
            (scope.spawn(move || produce(side, &sender)), receiver)
        });
        let parting = read_both([&mut Reader::new(a), &mut Reader::new(b)], (more, kept), progress);
        // Both ends of the channels are gone, so that nobody waits for anybody.
        for (run, side) in [first, second].into_iter().zip(sides) {
            match run.join() {
                Ok(result) => result?,
                Err(panic) => return Err(side.panicked(panic_text(panic.as_ref()))),
            }
        }
        Ok(parting)
    })
}

/// Sends all records of a run, from power-on to its end, or until nobody wants more.
fn produce(side: &Side, sender: &SyncSender<Vec<Record>>) -> Result<(), RunnerError> {
    let mut send = |records: &[Record]| match sender.send(records.to_vec()) {
        Ok(()) => ControlFlow::Continue(()),
        Err(_) => ControlFlow::Break(()),
    };
    all_records(side, &mut send)
}

/// Shows all records of a run; none are missing, and none come twice.
pub(super) fn all_records(
    side: &Side,
    observer: &mut dyn FnMut(&[Record]) -> ControlFlow<()>,
) -> Result<(), RunnerError> {
    let Side { scenario, .. } = side;
    let settings = RunSettings {
        skip: side.skip,
        queue: side.queue,
        warmup: scenario.warmup,
        duration: scenario.duration,
        ..RunSettings::default()
    };
    let result = catch_unwind(AssertUnwindSafe(|| {
        let prefix =
            machine::prefill_observed(&scenario.machine, side.seed(), &settings, Some(observer))?;
        machine::run_observed(&prefix, side.policy(), &settings, Some(observer))
    }));
    match result {
        Ok(Ok(_) | Err(RunError::Stopped)) => Ok(()),
        Ok(Err(source)) => Err(side.failed(source)),
        Err(panic) => Err(side.panicked(panic_text(panic.as_ref()))),
    }
}

/// What has come of a run and is not looked at yet.
struct Reader {
    receiver: Receiver<Vec<Record>>,
    batch: Vec<Record>,
    at: usize,
}

impl Reader {
    fn new(receiver: Receiver<Vec<Record>>) -> Self {
        Self { receiver, batch: Vec::new(), at: 0 }
    }

    /// The next records; none when the run is over.
    fn next(&mut self) -> &[Record] {
        while self.at == self.batch.len() {
            let Ok(batch) = self.receiver.recv() else { return &[] };
            (self.batch, self.at) = (batch, 0);
        }
        &self.batch[self.at..]
    }

    /// So many further records, or as many as there are.
    fn take(&mut self, mut count: usize) -> Vec<Record> {
        let mut taken = Vec::new();
        while count > 0 {
            let next = self.next();
            let some = next.len().min(count);
            if some == 0 {
                break;
            }
            taken.extend_from_slice(&next[..some]);
            self.at += some;
            count -= some;
        }
        taken
    }
}

fn read_both(
    [a, b]: [&mut Reader; 2],
    (more, kept): (usize, usize),
    progress: &dyn Fn(u64),
) -> Parting {
    let (mut common, mut digest, mut last) = (0, Digest::new(), VecDeque::new());
    let mut phase = None;
    loop {
        let (left, right) = (a.next(), b.next());
        let both = left.len().min(right.len());
        let same = left.iter().zip(right).take_while(|(one, other)| one == other).count();
        digest.observe(&left[..same]);
        for record in &left[..same] {
            if let Event::PhaseBegin { phase: begins } = record.event {
                phase = Some((begins, record.time));
            }
        }
        let surplus = (last.len() + same).saturating_sub(kept).min(last.len());
        last.drain(..surplus);
        last.extend(&left[..same]);
        common += same as u64;
        progress(common);
        a.at += same;
        b.at += same;
        if same < both || both == 0 {
            break;
        }
    }
    let rest = [a.take(more + 1), b.take(more + 1)];
    Parting { common, last, digest: digest.value(), phase, rest }
}
