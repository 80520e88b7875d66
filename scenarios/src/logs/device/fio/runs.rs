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
    let mut runs = Vec::new();
    for group in at_once(&own) {
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

/// What jobs that ran at the same time measured.
fn run(group: &[&Job<'_>], left_out: &mut Vec<String>) -> Run {
    let mut run = Run::default();
    let mut sides: Vec<(Direction, Side)> = Vec::new();
    let mut depth = 0u32;
    for job in group {
        let name = job.name();
        if job.error() != 0 {
            left_out.push(format!("job {name} ended with error {}", job.error()));
            continue;
        }
        let (own, note) = job.depth();
        let entries = group.iter().filter(|other| other.name() == name).count();
        // Without group_reporting each of them has an entry of its own.
        let copies = job.number("numjobs").filter(|_| entries == 1).unwrap_or(1).max(1);
        depth = depth.saturating_add(own.saturating_mul(copies));
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
    run.depth = held_back(depth.max(1), &sides, &mut run.notes);
    for direction in Direction::ALL {
        let own: Vec<&Side> =
            sides.iter().filter(|(d, _)| *d == direction).map(|(_, side)| side).collect();
        run.measured.extend(measured(direction, &own));
    }
    run
}

/// The depth that the load had by Little's law, where it was far from what was asked for.
fn held_back(depth: u32, sides: &[(Direction, Side)], notes: &mut Vec<String>) -> u32 {
    let busy: f64 = sides.iter().map(|(_, side)| side.rate * side.times.mean / 1e9).sum();
    if depth == 1 || busy <= 0.0 || busy >= f64::from(depth) * HELD_BACK {
        return depth;
    }
    let own = (busy.round() as u32).clamp(1, depth);
    notes.push(format!(
        "{depth} requests were asked for, {busy:.1} were under way on average (requests a second \
         times latency): taken as depth {own}"
    ));
    own
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
    if side.by_moments {
        notes.push(format!("{about} have no percentiles: lognormal of their mean and deviation"));
    }
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
