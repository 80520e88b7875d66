//! Damaged logs: real ones with bytes, numbers and lines changed at random. Checking them must end
//! with a report or an error, in little memory, and never in a panic.
//!
//! The suite does so for a second; `.ci/fuzz-check SECONDS` for longer.

#![expect(clippy::print_stdout, reason = "the numbers are what the long run is for")]

use std::io::{Read as _, Write as _};
use std::process::Command;
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use scenarios::{CheckOptions, check};

const LOGS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/data/logs");
/// What the process may have had at a time, in KiB: all logs, and what a check needs.
const MAX_MEMORY: u64 = 200 << 10;

/// Numbers that look random and are always the same.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }

    fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }
}

fn logs() -> Vec<Vec<Vec<u8>>> {
    let mut paths: Vec<_> =
        std::fs::read_dir(LOGS).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let log = |path: std::path::PathBuf| {
        let mut text = Vec::new();
        GzDecoder::new(std::fs::File::open(&path).unwrap()).read_to_end(&mut text).unwrap();
        text.split(|&b| b == b'\n').map(<[u8]>::to_vec).collect()
    };
    paths.into_iter().map(log).collect()
}

/// Lines that stand between those of a trace, and some that look like it.
const FOREIGN: [&[u8]; 14] = [
    b"CPU:0 [LOST 12 EVENTS]",
    b"CPU:1 [LOST EVENTS]",
    b"CPU:4294967295 [EVENTS DROPPED]",
    b"##### CPU 1 buffer started ####",
    b"##### CPU 99999999999 buffer started ####",
    b"# entries-in-buffer/entries-written: 18446744073709551615/1   #P:2",
    b"# run=x rules=v7-2010 apfsim=0",
    b"cpus=2",
    b"",
    b"\xff\xfe\x00",
    b"[[[[[ ] ] [000] : : : 1.1: kvm_entry: vcpu 0",
    b" a-1 [000] ..... 18446744073709551615.999999999: kvm_entry: vcpu 0",
    b" a-1 [000] ..... 18446744073709551615: kvm_async_pf_ready: token 0xffffffff gva 0x0",
    b" a-4294967295 [4294967295] ..... 1.5: kvm_async_pf_not_present: token 0x0 gva 0xffffffffffffffff",
];

const NUMBERS: [&[u8]; 9] = [
    b"0",
    b"1",
    b"00000000000000000000000000001",
    b"18446744073709551615",
    b"18446744073709551616",
    b"4294967295",
    b"ffffffffffffffff",
    b"-1",
    b"",
];

/// Changes one thing.
fn change(lines: &mut Vec<Vec<u8>>, dice: &mut Dice) {
    if lines.is_empty() {
        lines.push(dice.pick(&FOREIGN).to_vec());
        return;
    }
    let at = dice.below(lines.len());
    let other = dice.below(lines.len());
    match dice.below(12) {
        0 => lines.swap(at, other),
        1 => {
            let line = lines[at].clone();
            lines.insert(other, line);
        }
        2 => {
            lines.remove(at);
        }
        3 => {
            let end = (at + dice.below(60)).min(lines.len());
            lines.drain(at..end);
        }
        4 => lines.insert(at, dice.pick(&FOREIGN).to_vec()),
        5 => {
            let tail = lines[other].clone();
            let keep = dice.below(lines[at].len() + 1);
            lines[at].truncate(keep);
            lines[at].extend(tail);
        }
        6 => {
            let repeated = dice.below(2000);
            let byte = dice.next() as u8;
            lines[at].extend(std::iter::repeat_n(byte, repeated));
        }
        7 | 8 => {
            // A number becomes another one.
            let line = &mut lines[at];
            let digit = |b: &u8| b.is_ascii_hexdigit();
            let from = dice.below(line.len() + 1);
            let Some(begin) = line[from..].iter().position(digit).map(|n| n + from) else { return };
            let length = line[begin..].iter().take_while(|b| digit(b)).count();
            line.splice(begin..begin + length, dice.pick(&NUMBERS).iter().copied());
        }
        9 => {
            // A number of one line in another: tokens, addresses and threads that exist.
            let word = |line: &[u8], n: usize| -> Option<(usize, usize)> {
                let mut words = Vec::new();
                let mut from = 0;
                for part in line.split(|&b| b == b' ') {
                    words.push((from, from + part.len()));
                    from += part.len() + 1;
                }
                words.get(n % words.len().max(1)).copied()
            };
            let (one, two) = (dice.next() as usize, dice.next() as usize);
            let Some((a, b)) = word(&lines[other], one) else { return };
            let text = lines[other][a..b].to_vec();
            let Some((a, b)) = word(&lines[at], two) else { return };
            lines[at].splice(a..b, text);
        }
        10 => {
            let line = &mut lines[at];
            if !line.is_empty() {
                let place = dice.below(line.len());
                line[place] = dice.next() as u8;
            }
        }
        _ => {
            let line = &mut lines[at];
            let place = dice.below(line.len() + 1);
            line.truncate(place);
        }
    }
}

fn damaged(logs: &[Vec<Vec<u8>>], dice: &mut Dice) -> Vec<u8> {
    let mut lines = Vec::new();
    for _ in 0..=dice.below(2) {
        let log = dice.pick(logs);
        let from = dice.below(log.len());
        let to = (from + dice.below(600)).min(log.len());
        lines.extend_from_slice(&log[from..to]);
    }
    for _ in 0..dice.below(40) {
        change(&mut lines, dice);
    }
    let end: &[u8] = if dice.below(8) == 0 { b"\r\n" } else { b"\n" };
    let mut text = lines.join(end);
    if dice.below(2) == 0 {
        text.extend(end);
    }
    if dice.below(10) == 0 {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        gzip.write_all(&text).unwrap();
        text = gzip.finish().unwrap();
        for _ in 0..dice.below(4) {
            let place = dice.below(text.len());
            text[place] = dice.next() as u8;
        }
        let kept = text.len() - dice.below(text.len() / 2);
        text.truncate(kept);
    }
    text
}

/// The most memory that this process had at a time, in KiB, where the system says so.
fn peak() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().trim_end_matches(" kB").trim().parse().ok()
}

fn fuzz(time: Duration, seed: u64) {
    let logs = logs();
    let begun = Instant::now();
    let (mut count, mut reports, mut violations, mut bytes) = (0_u64, 0_u64, 0_u64, 0_u64);
    while begun.elapsed() < time {
        // Each has a seed of its own, so that one can be done again.
        let own = seed.wrapping_add(count).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let text = damaged(&logs, &mut Dice(own));
        let rules = match count % 5 {
            0 => Some(["v7-2010", "v2.6.39", "v5.8", "v6.12"][(count / 5 % 4) as usize].to_owned()),
            _ => None,
        };
        bytes += text.len() as u64;
        let checked = std::panic::catch_unwind(|| {
            check(&text[..], "a log", &CheckOptions { rules }).map(|report| report.is_violated())
        });
        let Ok(result) = checked else { panic!("seed {seed}, log {count}: panicked") };
        if let Ok(violated) = result {
            reports += 1;
            violations += u64::from(violated);
        }
        count += 1;
    }
    let peak = peak();
    println!(
        "{count} logs, {} MB, {reports} with a report, {violations} of them with a violation; \
         peak memory {} KiB",
        bytes >> 20,
        peak.unwrap_or(0)
    );
    assert!(peak.is_none_or(|peak| peak < MAX_MEMORY), "{peak:?} KiB");
    assert!(reports > 0);
}

/// In a process of its own: the most memory is that of a process, and other tests run in this one.
#[test]
fn damaged_logs_never_panic() {
    let (_, module) = module_path!().split_once("::").unwrap();
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", &format!("{module}::damaged_logs_for_long")])
        .envs([("APFSIM_FUZZ_SECONDS", "1"), ("APFSIM_FUZZ_SEED", "1")])
        .output()
        .unwrap();
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && printed.contains("1 passed"), "{printed}");
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

#[test]
#[ignore = "as long as APFSIM_FUZZ_SECONDS says: .ci/fuzz-check"]
fn damaged_logs_for_long() {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let seconds = number("APFSIM_FUZZ_SECONDS").unwrap_or(600);
    fuzz(Duration::from_secs(seconds), number("APFSIM_FUZZ_SEED").unwrap_or(now.as_secs()));
}
