//! What the text and the picture of a fault's anatomy share: the broken axis, and words.

use models::base::ids::TaskId;
use models::base::record::{BlockReason, Event, FaultPath, IoKind};
use models::trace::anatomy::{Actor, Anatomy, Lane, Step};
use scenarios::AnatomyReport;
use sim_core::{SimDuration, SimTime};

/// Picoseconds from the beginning of the fault.
pub(crate) type Offset = i64;

const PS_A_US: Offset = 1_000_000;

/// A part of a broken axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    /// Where it begins.
    pub(crate) from: Offset,
    /// Where it ends.
    pub(crate) to: Offset,
    /// Whether the time in it is compressed.
    pub(crate) is_break: bool,
}

impl Piece {
    /// Its length in picoseconds.
    pub(crate) fn length(&self) -> Offset {
        self.to - self.from
    }
}

/// How axes are broken.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Breaks {
    /// The distance between two steps from which on the time between them is compressed.
    pub(crate) threshold: Offset,
    /// How many breaks an axis has at most. With more, steps in the middle lie inside a break.
    pub(crate) most: usize,
}

impl Breaks {
    /// Breaks with the smallest threshold (one, two or five times a power of ten) with which every
    /// break saves room: `least` says how much time a break must have to be worth while.
    pub(crate) fn choose(most: usize, least: impl Fn(Self) -> Offset) -> Self {
        let mut scale = PS_A_US / 10;
        loop {
            for factor in [1, 2, 5] {
                let breaks = Self { threshold: scale * factor, most };
                // Nothing is ever as far apart as the second.
                if least(breaks) <= breaks.threshold || scale > Offset::MAX / 100 {
                    return breaks;
                }
            }
            scale *= 10;
        }
    }

    /// The axis of a fault: detail around its steps, breaks between them.
    pub(crate) fn axis(&self, fault: &Anatomy) -> Vec<Piece> {
        // Around a step some of the time is shown as it is.
        let after = offset(fault, fault.lanes_end()) - offset(fault, fault.fault.end);
        let room = (self.threshold / 5).min(after);
        let mut details: Vec<(Offset, Offset)> = Vec::new();
        for at in points(fault) {
            match details.last_mut() {
                Some((_, to)) if at - *to <= self.threshold => *to = at,
                _ => details.push((at, at)),
            }
        }
        if details.len() > self.most + 1 {
            let last = self.most / 2 + 1;
            let first = self.most + 1 - last;
            details.drain(first..details.len() - last);
        }
        let mut pieces: Vec<Piece> = Vec::new();
        for (from, to) in details {
            let (from, to) = (from - room, to + room);
            if let Some(last) = pieces.last() {
                pieces.push(Piece { from: last.to, to: from, is_break: true });
            }
            pieces.push(Piece { from, to, is_break: false });
        }
        pieces
    }
}

/// Where the steps are that are shown.
fn points(fault: &Anatomy) -> Vec<Offset> {
    let rows = rows(fault);
    let groups = rows.iter().filter_map(Row::group);
    let mut points: Vec<Offset> = groups.map(|group| offset(fault, group[0].time)).collect();
    points.push(offset(fault, fault.fault.begin));
    points.push(offset(fault, fault.fault.end));
    points.sort_unstable();
    points.dedup();
    points
}

/// A time as offset from the beginning of the fault.
pub(crate) fn offset(fault: &Anatomy, time: SimTime) -> Offset {
    let signed = |time: SimTime| i128::from(time.as_ps());
    let difference = signed(time) - signed(fault.fault.begin);
    Offset::try_from(difference).unwrap_or(Offset::MAX)
}

/// The state that has the most of the time between two offsets.
pub(crate) fn dominant<S: Copy + PartialEq>(
    fault: &Anatomy,
    lane: &Lane<S>,
    from: Offset,
    to: Offset,
) -> Option<S> {
    let mut shares: Vec<(Option<S>, Offset)> = vec![(None, to - from)];
    for &(begin, end, state) in &lane.spans {
        let overlap = offset(fault, end).min(to) - offset(fault, begin).max(from);
        if overlap <= 0 {
            continue;
        }
        shares[0].1 -= overlap;
        match shares.iter_mut().find(|(known, _)| *known == Some(state)) {
            Some((_, share)) => *share += overlap,
            None => shares.push((Some(state), overlap)),
        }
    }
    // The first of equal ones, so that the order of states decides nothing by chance.
    let mut best = shares[0];
    for &share in &shares[1..] {
        if share.1 > best.1 || (share.1 == best.1 && best.0.is_none()) {
            best = share;
        }
    }
    best.0
}

/// Groups of steps that are shown at most.
const MAX_GROUPS: usize = 36;
/// Groups of a story that happens again and again, at most.
const LONGEST_CYCLE: usize = 6;

/// A line of the list of steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Row<'a> {
    /// What one actor does at one instant.
    Group(&'a [Step]),
    /// The last groups happen again.
    Again {
        /// How many groups.
        groups: usize,
        /// How often.
        times: usize,
    },
    /// Groups that are left out.
    More(usize),
}

impl<'a> Row<'a> {
    /// The steps of the row, if it has any.
    pub(crate) fn group(&self) -> Option<&'a [Step]> {
        match *self {
            Self::Group(group) => Some(group),
            Self::Again { .. } | Self::More(_) => None,
        }
    }

    /// What stands in the place of steps.
    pub(crate) fn remark(&self) -> String {
        match *self {
            Self::Group(_) => String::new(),
            Self::Again { groups: 1, times } => format!("the last step {times} times more"),
            Self::Again { groups, times } => format!("the last {groups} steps {times} times more"),
            Self::More(count) => format!("{count} more steps"),
        }
    }
}

/// The steps of a fault, those of one actor at one instant together.
pub(crate) fn groups(fault: &Anatomy) -> impl Iterator<Item = &[Step]> {
    fault.steps.chunk_by(|a, b| a.time == b.time && a.actor == b.actor)
}

/// The groups of a fault's steps without repetitions, and not too many.
pub(crate) fn rows(fault: &Anatomy) -> Vec<Row<'_>> {
    let groups: Vec<&[Step]> = groups(fault).collect();
    let mut rows = Vec::new();
    let mut at = 0;
    while at < groups.len() {
        let (length, times) = cycle(&groups[at..]);
        rows.extend(groups[at..at + length].iter().map(|group| Row::Group(group)));
        if times > 1 {
            rows.push(Row::Again { groups: length, times: times - 1 });
        }
        at += length * times;
    }
    if rows.len() > MAX_GROUPS {
        let (first, last) = (MAX_GROUPS / 2, rows.len() - MAX_GROUPS / 2);
        rows.splice(first..last, [Row::More(last - first)]);
    }
    rows
}

/// How many groups the story has that happens at least three times from here on, and how often it
/// happens; one group and once when there is none.
fn cycle(groups: &[&[Step]]) -> (usize, usize) {
    for length in 1..=LONGEST_CYCLE.min(groups.len()) {
        let again = |n: &usize| {
            let at = n * length;
            let other = groups.get(at..at + length);
            other.is_some_and(|other| other.iter().zip(groups).all(|(a, b)| alike(a, b)))
        };
        let times = (1..).take_while(again).count() + 1;
        if times > 2 {
            return (length, times);
        }
    }
    (1, 1)
}

/// Whether the same happens in two groups.
fn alike(a: &[Step], b: &[Step]) -> bool {
    let same = |(a, b): (&Step, &Step)| a.actor == b.actor && a.event.name() == b.event.name();
    a.len() == b.len() && a.iter().zip(b).all(same)
}

/// Who does a step.
pub(crate) fn actor(actor: Actor) -> String {
    match actor {
        Actor::Vcpu(vcpu) => format!("vCPU {}", vcpu.0),
        Actor::Guest(vcpu) => format!("guest on {}", vcpu.0),
        Actor::Worker(worker) => format!("worker {}", worker.0),
        Actor::Handler(number) => format!("handler {number}"),
        Actor::Device => "device".to_owned(),
    }
}

/// The name of a task.
pub(crate) fn task(report: &AnatomyReport, task: TaskId) -> String {
    report.tasks.get(task.index()).cloned().unwrap_or_else(|| format!("task {}", task.0))
}

/// What happens in a group of steps.
pub(crate) fn happens(report: &AnatomyReport, fault: &Anatomy, group: &[Step]) -> String {
    let texts = group.iter().map(|step| words(report, fault, step));
    texts.filter(|text| !text.is_empty()).collect::<Vec<_>>().join("; ")
}

/// Whether the last notice that was queued before a step is page ready.
fn tells_ready(fault: &Anatomy, step: &Step) -> bool {
    let before = fault.steps.iter().take_while(|other| *other != step);
    let ready = before.filter_map(|step| match step.event {
        Event::NotPresentQueued { .. } => Some(false),
        Event::PageReadyQueued { .. } => Some(true),
        _ => None,
    });
    ready.last().unwrap_or(false)
}

fn words(report: &AnatomyReport, fault: &Anatomy, step: &Step) -> String {
    let own = fault.fault.task;
    match step.event {
        Event::KvmExit { .. } => "leaves guest mode: EPT violation".into(),
        Event::KvmEntry { .. } => "enters guest mode".into(),
        Event::VcpuBlock { reason, .. } => match reason {
            BlockReason::Fetch => "sleeps until the page is there (stall)".into(),
            BlockReason::Reclaim => "sleeps until there is memory (stall)".into(),
            BlockReason::Throttle => "sleeps until it may write on (stall)".into(),
            BlockReason::High => "sleeps for memory beyond memory.high (stall)".into(),
            BlockReason::Stopped => "is stopped by the VMM".into(),
            BlockReason::MapLock => "sleeps until the memory map is free (stall)".into(),
            BlockReason::ApfHalt | BlockReason::Hlt => "sleeps (halted)".into(),
        },
        Event::VcpuUnblock { .. } => "goes on".into(),
        Event::MajorFaultBegin { path, .. } => match path {
            FaultPath::Sync => "major fault begins, synchronous".into(),
            FaultPath::Async => "major fault begins, asynchronous".into(),
            FaultPath::Repeated => "major fault begins, on a page under way".into(),
        },
        Event::KvmTryAsyncGetPage { .. } => "try_async_get_page".into(),
        Event::KvmAsyncPfDoublefault { .. } => "the page is outstanding already".into(),
        Event::EptMap { .. } => "makes the second-stage entry".into(),
        Event::ApfHalt { .. } => "halts the vCPU".into(),
        Event::ApfUnhalt { .. } => "ends the halt".into(),
        Event::WorkqueueQueueWork { .. } => "queues the work item".into(),
        Event::NotPresentQueued { token, .. } => {
            format!("queues page not present, token {:#x}", token.0)
        }
        Event::PageReadyQueued { token, .. } => format!("queues page ready, token {:#x}", token.0),
        Event::KvmInjException { .. } if tells_ready(fault, step) => "injects page ready".into(),
        Event::KvmInjException { .. } => "injects page not present".into(),
        Event::KvmInjVirq { .. } => "injects page ready, an interrupt".into(),
        Event::KvmAsyncPfReady { .. } => "takes the completed item".into(),
        Event::KvmAsyncPfCompleted { .. } => "has the page: completed".into(),
        Event::WorkqueueExecuteStart { .. } => "begins the item".into(),
        Event::WorkqueueExecuteEnd { .. } => "ends the item".into(),
        Event::MemcgReclaimBegin { .. } => "begins direct reclaim".into(),
        Event::MemcgReclaimEnd { scanned, freed, written, .. } => {
            format!("ends reclaim: {scanned} scanned, {freed} freed, {written} written out")
        }
        Event::BlockRqIssue { op, pages, .. } => {
            let what = if op == IoKind::Read { "read" } else { "write" };
            let plural = if pages == 1 { "" } else { "s" };
            format!("begins a {what} of {pages} page{plural}")
        }
        Event::BlockRqComplete { .. } => "completes the request".into(),
        Event::UffdLookup { .. } => {
            "looks without waiting: the VMM has the page, no message".into()
        }
        Event::UffdMessage { .. } => "asks the VMM for the page: message".into(),
        Event::UffdWpMessage { .. } => "asks the VMM to let it write: message".into(),
        Event::UffdRead { .. } | Event::UffdWpRead { .. } => "reads the message".into(),
        Event::UffdSave { .. } => "submits its write to the snapshot".into(),
        Event::UffdLift { .. } => "has lifted the protection".into(),
        Event::UffdCopy { .. } => "begins to install the page".into(),
        Event::KvmUserspaceExit { plain: true, .. } => {
            "leaves the kernel with the fault, to wait".into()
        }
        Event::KvmUserspaceExit { .. } => "leaves the kernel with the fault".into(),
        Event::KvmAsyncPfExitlessNotify { .. } => "puts the fault into the ring".into(),
        Event::VmmSignal { .. } => "signals the VMM".into(),
        Event::VmmAnswer { .. } => "answers the fault".into(),
        Event::UffdAgain { .. } => "cannot install it while memory is given back: EAGAIN".into(),
        Event::UffdPoisoned { .. } => "puts a marker in its place: poisoned".into(),
        Event::UffdCopied { installed: true, .. } => "has installed the page".into(),
        Event::UffdCopied { installed: false, .. } => "finds the page there: EEXIST, wakes".into(),
        Event::ApfWait { .. } => "handler links the task as sleeper".into(),
        Event::ApfWake { .. } => "handler wakes the task".into(),
        Event::GuestSchedSwitch { next: Some(next), .. } if next == own => {
            format!("switches to {}", task(report, own))
        }
        Event::GuestSchedSwitch { next: Some(next), .. } => {
            format!("switches away to {}", task(report, next))
        }
        Event::GuestSchedSwitch { next: None, .. } => "has nothing else to run: idle".into(),
        Event::GuestMigrateTask { from, .. } => format!("takes the task over from vCPU {}", from.0),
        Event::MajorFaultEnd { .. } => "the access goes through".into(),
        _ => String::new(),
    }
}

/// A span of picoseconds to three digits, in the unit that suits it.
pub(crate) fn span(ps: Offset) -> String {
    crate::format::span_ns(ps as f64 / 1e3)
}

/// Picoseconds as microseconds with two decimals and thousands set apart: `22 401.25`.
pub(crate) fn microseconds(ps: Offset) -> String {
    let hundredths = (i128::from(ps.unsigned_abs()) + 5_000) / 10_000;
    let whole = crate::format::grouped((hundredths / 100) as f64);
    let sign = if ps < 0 && hundredths > 0 { "-" } else { "" };
    format!("{sign}{whole}.{:02}", hundredths % 100)
}

/// A time since power-on in seconds, to the nanosecond.
pub(crate) fn seconds(ps: u64) -> String {
    format!("{}.{:09}", ps / 1_000_000_000_000, ps / 1_000 % 1_000_000_000)
}

/// Parts of a latency with their shares, one a line, and their sum.
pub(crate) fn parts_table(parts: &[(&'static str, Offset)]) -> String {
    let total: Offset = parts.iter().map(|(_, span)| span).sum();
    let mut text = String::new();
    for &(name, ps) in parts {
        let share = ps as f64 / total.max(1) as f64 * 100.0;
        text.push_str(&format!("  {name:26}{:>16} us {share:>7.2} %\n", microseconds(ps)));
    }
    text + &format!("  {:26}{:>16} us\n", "latency", microseconds(total))
}

/// The parts of a latency in hundredths of microseconds, rounded so that they add up to the rounded
/// latency.
pub(crate) fn rounded_parts(fault: &Anatomy) -> Vec<(&'static str, Offset)> {
    rounded(fault.parts.iter().map(|(part, span)| (part.name(), span)))
}

/// Times with their names in hundredths of microseconds, rounded so that they add up to the rounded sum.
pub(crate) fn rounded(
    parts: impl Iterator<Item = (&'static str, SimDuration)>,
) -> Vec<(&'static str, Offset)> {
    let (mut sum, mut shown) = (0, 0);
    let rounded = parts.map(|(name, span)| {
        sum += Offset::try_from(span.as_ps()).unwrap_or(Offset::MAX);
        let (upto, before) = ((sum + 5_000) / 10_000, shown);
        shown = upto;
        (name, (upto - before) * 10_000)
    });
    rounded.collect()
}

#[cfg(test)]
mod tests;
