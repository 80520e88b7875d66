//! Where two runs part: the first record in which they differ, what led to it, and in what the settings
//! of the two differ.

mod history;
mod lockstep;
mod settings;
mod side;

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use models::base::record::{Event, Phase, Record};
use models::trace::digest::DigestValue;
use sim_core::SimTime;

pub use self::history::Subject;
use self::history::{History, subjects};
use self::lockstep::Parting;
pub use self::settings::Setting;
pub use self::side::{Side, SideTold};
use crate::run::error::RunnerError;
use crate::run::stored::line;

/// Common records that are kept, 48 bytes each.
const KEPT: usize = 1 << 16;

/// What two runs have in common, and what not.
#[derive(Clone, Debug, PartialEq)]
pub struct DiffReport {
    /// Version of the program that ran them.
    pub version: String,
    /// The two.
    pub sides: [SideTold; 2],
    /// Settings of the first run, for the proportion.
    pub all_settings: usize,
    /// In what their settings differ.
    pub settings: Vec<Setting>,
    /// Records that both begin with.
    pub common: u64,
    /// The digest of these.
    pub digest: DigestValue,
    /// Where they part; none where they are the same to the end.
    pub parting: Option<PartingTold>,
}

/// Where two runs part.
#[derive(Clone, Debug, PartialEq)]
pub struct PartingTold {
    /// The earlier of the two records, or the only one.
    pub time: SimTime,
    /// The part of the run in which it is, and when that began.
    pub phase: Option<(Phase, SimTime)>,
    /// What each run has there and a few records further; nothing where it is over.
    pub rest: [Vec<String>; 2],
    /// The fields that differ, where both records are of one kind; `time` among them.
    pub fields: Vec<&'static str>,
    /// Whom and what the two records are about.
    pub subjects: Vec<Subject>,
    /// Common records about them that came before, in order.
    pub history: Vec<Step>,
}

/// A record that came before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Its number in the run, from 0.
    pub number: u64,
    /// Time, name and fields.
    pub record: String,
    /// Whom and what it is about of those that are asked for.
    pub subjects: Vec<Subject>,
}

/// How much is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiffOptions {
    /// Records that came before, of each subject.
    pub history: usize,
    /// Records that follow the difference.
    pub more: usize,
}

/// Runs both and finds the first record in which they differ. `progress` hears of how many records are the
/// same so far.
///
/// # Errors
/// When a run fails.
pub fn find_difference(
    sides: &[Side; 2],
    options: DiffOptions,
    progress: &dyn Fn(u64),
) -> Result<DiffReport, RunnerError> {
    find_keeping(sides, options, KEPT, progress)
}

/// As [`find_difference`], with so many common records kept.
fn find_keeping(
    sides: &[Side; 2],
    options: DiffOptions,
    kept: usize,
    progress: &dyn Fn(u64),
) -> Result<DiffReport, RunnerError> {
    let [a, b] = sides;
    let parting = lockstep::compare([a, b], (options.more, kept), progress)?;
    let (one, other) = (a.settings(), b.settings());
    let (common, digest) = (parting.common, parting.digest);
    Ok(DiffReport {
        version: crate::version::VERSION.into(),
        sides: [a.told(), b.told()],
        all_settings: one.len(),
        settings: settings::differing(&one, &other),
        common,
        digest,
        parting: told(a, &parting, options)?,
    })
}

fn told(
    side: &Side,
    parting: &Parting,
    options: DiffOptions,
) -> Result<Option<PartingTold>, RunnerError> {
    let firsts = parting.rest.each_ref().map(|rest| rest.first());
    let Some(time) = firsts.iter().flatten().map(|record| record.time).min() else {
        return Ok(None);
    };
    let vcpus = side.scenario.machine.vcpus();
    let mut about: BTreeSet<Subject> =
        firsts.iter().flatten().flat_map(|record| subjects(&record.event, vcpus)).collect();
    // Numbers of requests and workers are used again and again: they tell least.
    if about.iter().any(|subject| subject.lasts()) {
        about.retain(|subject| subject.lasts());
    }
    let history = history(side, parting, &about, options.history)?;
    let lines = |records: &Vec<Record>| records.iter().map(line).collect();
    Ok(Some(PartingTold {
        time,
        phase: parting.phase,
        rest: parting.rest.each_ref().map(lines),
        fields: firsts[0].zip(firsts[1]).map_or_else(Vec::new, |(a, b)| fields(a, b)),
        subjects: about.into_iter().collect(),
        history: history
            .into_iter()
            .map(|(number, record, subjects)| Step { number, record: line(&record), subjects })
            .collect(),
    }))
}

/// The last records about the subjects before the runs part. Those that are not kept any more come of
/// running once again.
fn history(
    side: &Side,
    parting: &Parting,
    about: &BTreeSet<Subject>,
    most: usize,
) -> Result<Vec<(u64, Record, Vec<Subject>)>, RunnerError> {
    let vcpus = side.scenario.machine.vcpus();
    let mut found = History::new(about, vcpus, most);
    let first = parting.common - parting.last.len() as u64;
    for (number, record) in (first..).zip(&parting.last) {
        found.observe(number, record);
    }
    if first == 0 || found.is_full() {
        return Ok(found.finish());
    }
    let mut found = History::new(about, vcpus, most);
    let mut number = 0;
    lockstep::all_records(side, &mut |records| {
        for record in records {
            if number == parting.common {
                return ControlFlow::Break(());
            }
            found.observe(number, record);
            number += 1;
        }
        ControlFlow::Continue(())
    })?;
    Ok(found.finish())
}

/// The fields in which two records of one kind differ.
fn fields(a: &Record, b: &Record) -> Vec<&'static str> {
    let texts = |event: &Event| event.texts().into_iter();
    if a.event.name() != b.event.name() {
        return Vec::new();
    }
    let time = (a.time != b.time).then_some("time");
    let other = texts(&a.event).zip(texts(&b.event)).filter(|((_, a), (_, b))| a != b);
    time.into_iter().chain(other.map(|((name, _), _)| name)).collect()
}

#[cfg(test)]
mod tests;
