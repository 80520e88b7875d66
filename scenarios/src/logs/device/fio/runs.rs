//! Which of fio's jobs ran at once, and what each such run measured.

use serde_json::Value;

use super::find::jobs;
use super::job::{Job, Side};
use crate::logs::device::run::{Direction, Measured, Run};

/// Bytes of a page.
const PAGE: f64 = 4096.0;
/// Under way on average, by Little's law, less than this share of what was asked for: the load was
/// held back.
const HELD_BACK: f64 = 0.6;
/// More than this share: what was asked for is not all that there was.
const MORE: f64 = 1.25;

/// The runs of a result, one after the other, and what was left out.
pub(in crate::logs::device) fn runs(value: &Value) -> (Vec<Run>, Vec<String>) {
    let entries = jobs(value).map_or(&[][..], Vec::as_slice);
    let global = value.get("global options").or_else(|| value.get("global_options"));
    let all: Vec<Job<'_>> = entries.iter().map(|entry| Job::new(entry, global)).collect();
    let several = all.len() > 1;
    // fio adds the sum of its clients as a job of its own.
    let own: Vec<&Job<'_>> =
        all.iter().filter(|job| !(several && job.name() == "All clients")).collect();
    let mut left_out = Vec::new();
    if own.is_empty() {
        left_out.push("fio's list of jobs is empty".to_owned());
    }
    let mut runs = Vec::new();
    for group in at_once(&own).iter().flat_map(|group| apart(group)) {
        runs.push(run(&group, &mut left_out));
    }
    runs.retain(|run: &Run| !run.measured.is_empty());
    (runs, left_out)
}

/// Jobs that ran at the same time. A new group waits for those before it unless it was asked for
/// without `stonewall`.
fn at_once<'j, 'v>(jobs: &[&'j Job<'v>]) -> Vec<Vec<&'j Job<'v>>> {
    let mut groups: Vec<Vec<&Job<'_>>> = Vec::new();
    for &job in jobs {
        let goes_on = groups.last().and_then(|group| group.last()).is_some_and(|before| {
            let beside = job.has_options()
                && job.option("new_group").is_some()
                && job.option("stonewall").is_none()
                && job.option("wait_for_previous").is_none();
            job.group() == before.group() || beside
        });
        match groups.last_mut() {
            Some(group) if goes_on => group.push(job),
            _ => groups.push(vec![job]),
        }
    }
    groups
}

/// Jobs of a group that delays keep apart, so that they were not under way at the same time.
fn apart<'j, 'v>(group: &[&'j Job<'v>]) -> Vec<Vec<&'j Job<'v>>> {
    let spans: Option<Vec<(u64, u64)>> = group.iter().map(|job| job.span()).collect();
    let Some(spans) = spans else { return vec![group.to_vec()] };
    let mut all: Vec<_> = spans.into_iter().zip(group.iter().copied()).collect();
    all.sort_by_key(|(span, _)| *span);
    let (mut parts, mut end): (Vec<Vec<&Job<'_>>>, u64) = (Vec::new(), 0);
    for ((from, to), job) in all {
        match parts.last_mut() {
            Some(part) if from < end || from == to => part.push(job),
            _ => parts.push(vec![job]),
        }
        end = end.max(to);
    }
    parts
}

/// What jobs that ran at the same time measured.
fn run(group: &[&Job<'_>], left_out: &mut Vec<String>) -> Run {
    let mut run = Run::default();
    let mut sides: Vec<(Direction, Side)> = Vec::new();
    let mut depth = Depth { asked: 0, least: 1, idle: false };
    for job in group {
        let name = job.name();
        if job.error() != 0 {
            left_out.push(format!("job {name} ended with error {}", job.error()));
            continue;
        }
        if job.is_mixed() {
            left_out.push(format!(
                "job {name} counts reads and writes together (`mixed`), so that neither has times: \
                 leave out --unified_rw_reporting"
            ));
        }
        let (own, note) = job.depth();
        let entries = group.iter().filter(|other| other.name() == name).count();
        // Without group_reporting each of them has an entry of its own.
        let copies = job.number("numjobs").filter(|_| entries == 1).unwrap_or(1).max(1);
        depth.asked = depth.asked.saturating_add(own.saturating_mul(copies));
        depth.least = depth.least.max(if job.has_levels() { own } else { 1 });
        depth.idle |= job.may_idle();
        run.notes.extend(note.map(|note| format!("job {name}: {note}")));
        for direction in Direction::ALL {
            match job.side(direction.name()) {
                None => {}
                Some(Err(why)) => {
                    left_out.push(format!("{}s of job {name}: {why}", direction.name()));
                }
                Some(Ok(side)) => {
                    say(&mut run.notes, job, direction, &side);
                    sides.push((direction, side));
                }
            }
        }
    }
    let mut files: Vec<&str> = group.iter().filter_map(|job| job.option("filename")).collect();
    files.sort_unstable();
    files.dedup();
    if files.len() > 1 {
        run.notes.push(format!(
            "{} were used at once and are taken as one device; if they are several, give a result of \
             each",
            files.join(", ")
        ));
    }
    run.depth = depth.had(&sides, &mut run.notes);
    for direction in Direction::ALL {
        let own: Vec<&Side> =
            sides.iter().filter(|(d, _)| *d == direction).map(|(_, side)| side).collect();
        run.measured.extend(measured(direction, &own));
    }
    run
}

/// What is known of the requests under way at once in a run.
struct Depth {
    /// What was asked for, of all jobs.
    asked: u32,
    /// The deepest queue of a single job, as fio counted it at each submission.
    least: u32,
    /// A job may have waited of its own accord.
    idle: bool,
}

impl Depth {
    /// The depth that the load had. Little's law counts the time in which nothing was under way, too:
    /// it tells of jobs that something held back, not of jobs that paused together.
    fn had(&self, sides: &[(Direction, Side)], notes: &mut Vec<String>) -> u32 {
        let busy: f64 = sides.iter().map(|(_, side)| side.rate * side.times.mean / 1e9).sum();
        let asked = self.asked.max(1);
        let said = format!(
            "a depth of {asked} was asked for, {busy:.1} requests were under way on average \
             (requests a second times latency)"
        );
        if busy > f64::from(asked) * MORE {
            let own = busy.round() as u32;
            notes.push(format!("{said}: taken as depth {own}"));
            return own;
        }
        if busy <= 0.0 || busy >= f64::from(asked) * HELD_BACK || self.least >= asked {
            return asked;
        }
        if self.idle {
            notes.push(format!(
                "{said}; the jobs may have paused together, so it is taken as depth {asked}"
            ));
            return asked;
        }
        let own = (busy.round() as u32).clamp(self.least, asked);
        notes.push(format!("{said}: taken as depth {own}"));
        own
    }
}

/// One direction of a run. Jobs of different block sizes are apart.
fn measured(direction: Direction, sides: &[&Side]) -> Vec<Measured> {
    let mut sizes: Vec<u32> = sides.iter().map(|side| pages(side.block)).collect();
    sizes.sort_unstable();
    sizes.dedup();
    let of_size = |pages_wanted: u32| {
        let own: Vec<_> = sides
            .iter()
            .filter(|side| pages(side.block) == pages_wanted)
            .map(|side| &side.times)
            .collect();
        let times = crate::logs::device::times::Times::merged(&own)?;
        Some(Measured { direction, pages: pages_wanted, times })
    };
    sizes.into_iter().filter_map(of_size).collect()
}

fn pages(block: f64) -> u32 {
    if block <= PAGE { 1 } else { (block / PAGE).round().max(1.0) as u32 }
}

/// What a reader should know of a side.
fn say(notes: &mut Vec<String>, job: &Job<'_>, direction: Direction, side: &Side) {
    let about = format!("{}s of job {}", direction.name(), job.name());
    if side.with_submission {
        notes.push(format!("{about} have percentiles of lat only, which includes the submission"));
    }
    if side.block > 0.0 && side.block < PAGE {
        notes.push(format!("{about} have {:.0} bytes: taken as pages", side.block));
    }
    if job.option("direct").is_some_and(|direct| direct == "0")
        || (job.has_options() && job.option("direct").is_none())
    {
        notes.push(format!("{about} went through the page cache (direct=1 is not set)"));
    }
    if matches!(job.option("rw"), Some("read" | "write" | "rw" | "readwrite")) {
        notes.push(format!("{about} are sequential; swap is read at random"));
    }
}
