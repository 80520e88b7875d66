//! Text of blkparse: a line an event, with its default format.
//!
//! ```text
//!   8,0    3        1     0.000000000   697  D   R 223490 + 8 [fio]
//!   8,0    3        2     0.000085310     0  C   R 223490 + 8 [0]
//! ```

use super::run::Direction;
use super::trace::Requests;

/// The bits of a device number that are its minor.
const MINOR_BITS: u32 = 20;

/// The requests of a text, if any line of it is of blkparse.
pub(super) fn requests(text: &str) -> Option<Requests> {
    let mut requests = Requests::default();
    let mut lines = 0u64;
    for event in text.lines().filter_map(event) {
        lines += 1;
        let Event { ns, device, action, direction, sector, sectors, failed } = event;
        match action {
            "D" => requests.issue(ns, device, sector, direction, sectors),
            "R" => requests.requeue(device, sector, direction),
            "C" => requests.complete(ns, device, sector, Some(direction), failed),
            _ => {}
        }
    }
    requests.skipped(text.lines().filter_map(skips).sum());
    (lines > 0).then_some(requests)
}

/// How many times events were dropped, in the summary: `Skips: 12 forward (300 -   0.7%)`.
fn skips(line: &str) -> Option<u64> {
    line.trim_start().strip_prefix("Skips: ")?.split_ascii_whitespace().next()?.parse().ok()
}

struct Event<'a> {
    ns: u64,
    device: u32,
    action: &'a str,
    direction: Direction,
    sector: u64,
    sectors: u32,
    /// The error of a completion is not zero.
    failed: bool,
}

/// A line with a request's data.
fn event(line: &str) -> Option<Event<'_>> {
    let mut words = line.split_ascii_whitespace();
    let (major, minor) = words.next()?.split_once(',')?;
    let device = major.parse::<u32>().ok()? << MINOR_BITS | minor.parse::<u32>().ok()?;
    let (_cpu, _sequence): (u32, u64) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    let ns = nanoseconds(words.next()?)?;
    let _pid: u64 = words.next()?.parse().ok()?;
    let (action, rwbs) = (words.next()?, words.next()?);
    let direction = match () {
        () if rwbs.contains('R') => Direction::Read,
        // What moves no data, such as a discard or a flush, is none of either; see `sectors`.
        () => Direction::Write,
    };
    let sector = words.next()?.parse().ok()?;
    if words.next()? != "+" {
        return None;
    }
    let sectors = words.next()?.parse().ok()?;
    let moves = matches!(rwbs.strip_prefix('F').unwrap_or(rwbs).as_bytes(), [b'R' | b'W', ..]);
    let sectors = if moves { sectors } else { 0 };
    let result =
        words.next().and_then(|word| word.strip_prefix('[')?.strip_suffix(']')?.parse().ok());
    let failed = action == "C" && result.is_some_and(|error: i64| error != 0);
    Some(Event { ns, device, action, direction, sector, sectors, failed })
}

/// Seconds with nine digits behind the point.
fn nanoseconds(text: &str) -> Option<u64> {
    let (seconds, fraction) = text.split_once('.')?;
    let digits = fraction.len();
    if digits == 0 || digits > 9 {
        return None;
    }
    let fraction: u64 = fraction.parse().ok()?;
    let seconds: u64 = seconds.parse().ok()?;
    seconds.checked_mul(1_000_000_000)?.checked_add(fraction * 10u64.pow(9 - digits as u32))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn issues_and_completions_are_paired() {
        let text = "\
  8,0    3        1     0.000000000   697  Q   R 100 + 8 [fio]
  8,0    3        2     0.000001000   697  D   R 100 + 8 [fio]
  8,0    1        7     0.000011000   697  D  WS 200 + 16 [fio]
  8,0    3        3     0.000081000     0  C   R 100 + 8 [0]
  8,0    3        4     0.000091000     0  C  WS 200 + 16 [0]
  8,0    3        5     0.000192000   697  D   R 900 + 8 [fio]
  8,0    3        6     0.000193000     0  R   R 900 + 8 [0]
  8,0    3        7     0.000195000   697  D   R 900 + 8 [fio]
  8,0    3        8     0.000205000     0  C   R 900 + 8 [0]
  8,0    3        9     0.000305000   697  D   R 900 + 8 [fio]
  8,0    3       10     0.000315000     0  C   R 900 + 8 [-5]
CPU3 (8,0):
 Reads Queued:           1,        4KiB
Skips: 12 forward (300 -   0.7%)
";
        let (device, requests, notes) = requests(text).unwrap().of_one_device();
        assert_eq!(device, 8 << 20);
        let told: Vec<_> =
            requests.iter().map(|r| (r.completed - r.issued, r.pages, r.depth)).collect();
        assert_eq!(told, [(80_000, 1, Some(1)), (80_000, 2, Some(2)), (10_000, 1, Some(1))]);
        assert_eq!(notes[0], "1 requests that ended with an error");
        assert!(notes[1].starts_with("events were skipped 12 times"), "{notes:?}");
        assert!(super::requests("no line\n8,0 of it\n").is_none());
    }
}
