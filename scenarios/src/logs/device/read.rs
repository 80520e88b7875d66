//! A file of whatever form, read to what it measured.

use std::fs::File;
use std::io::{self, Read};

use flate2::read::MultiGzDecoder;

use super::error::DeviceFitError;
use super::fio::{self, Found};
use super::run::Run;
use super::trace::{self, Request, Requests};
use super::{blkparse, trace::named};
use crate::logs::check::{CheckError, read_stream};

/// Largest file that is read.
const MOST_BYTES: u64 = 1 << 30;

/// Longest time of a request, in hours; in nanoseconds.
const MOST_HOURS: u64 = 1;
const LONGEST: u64 = MOST_HOURS * 3_600_000_000_000;
/// Most days from the first request of a trace to its last one; in nanoseconds.
const MOST_DAYS: u64 = 200;
const FARTHEST: u64 = MOST_DAYS * DAY;
const DAY: u64 = 24 * 3_600_000_000_000;

/// What a file measured.
#[derive(PartialEq)]
pub(super) struct Contents {
    /// What kind of file it is, for people.
    pub(super) form: String,
    pub(super) runs: Vec<Run>,
    /// The requests of a trace.
    pub(super) requests: Vec<Request>,
    pub(super) left_out: Vec<String>,
}

/// Reads the file at a path; `-` is standard input.
pub(super) fn contents(path: &str) -> Result<Contents, DeviceFitError> {
    let contents = parsed(path)?;
    refuse_times(path, &contents)?;
    Ok(contents)
}

/// Times that are none of a device would leave simulated time.
fn refuse_times(path: &str, contents: &Contents) -> Result<(), DeviceFitError> {
    let file = path.to_owned();
    let measured = contents.runs.iter().flat_map(|run| &run.measured);
    let of_runs = measured.flat_map(|part| {
        let points = part.times.points.iter().map(|point| point.1 as f64);
        points.chain([part.times.mean])
    });
    let of_requests = contents.requests.iter().map(|one| (one.completed - one.issued) as f64);
    let longest = of_runs.chain(of_requests).fold(0.0, f64::max);
    if longest > LONGEST as f64 {
        let hours = longest / 3_600_000_000_000.0;
        return Err(DeviceFitError::TooLong { file, hours, most: MOST_HOURS });
    }
    let first = contents.requests.iter().map(|one| one.issued).min().unwrap_or(0);
    let last = contents.requests.iter().map(|one| one.completed).max().unwrap_or(0);
    if last - first > FARTHEST {
        let days = (last - first) / DAY;
        return Err(DeviceFitError::TooFarApart { file, days, most: MOST_DAYS });
    }
    Ok(())
}

fn parsed(path: &str) -> Result<Contents, DeviceFitError> {
    let bytes = bytes(path)?;
    let text = text_of(&bytes);
    if let Found::Result(value) = fio::find(path, &text)? {
        let (runs, left_out) = fio::runs(&value);
        let version = value["fio version"].as_str().unwrap_or("fio").to_owned();
        return Ok(Contents { form: version, runs, requests: Vec::new(), left_out });
    }
    if let Some(form) = other_form(&text) {
        return Err(DeviceFitError::OtherForm { file: path.to_owned(), form });
    }
    let (what, requests) = match blkparse::requests(&text) {
        Some(requests) => ("blkparse", requests),
        None => ("trace", trace_of(path, &bytes)?),
    };
    if requests.is_empty() {
        return Err(DeviceFitError::Unknown { file: path.to_owned() });
    }
    let (device, requests, mut left_out) = requests.of_one_device();
    let runs = trace::runs(path, &requests, &mut left_out)?;
    let form = format!("{what}, device {}", named(device));
    Ok(Contents { form, runs, requests, left_out })
}

fn bytes(path: &str) -> Result<Vec<u8>, DeviceFitError> {
    let failed = |source| DeviceFitError::Read { file: path.to_owned(), source };
    let mut all = Vec::new();
    let read = |source: &mut dyn Read, all: &mut Vec<u8>| -> io::Result<usize> {
        source.take(MOST_BYTES + 1).read_to_end(all)
    };
    match path {
        "-" => read(&mut io::stdin().lock(), &mut all).map_err(failed)?,
        _ => read(&mut File::open(path).map_err(failed)?, &mut all).map_err(failed)?,
    };
    if all.len() as u64 > MOST_BYTES {
        return Err(DeviceFitError::TooLarge { file: path.to_owned(), most: MOST_BYTES });
    }
    Ok(all)
}

/// The text of a file, unpacked if need be; of a binary file, something without a word of fio.
fn text_of(bytes: &[u8]) -> String {
    if bytes.starts_with(&[0x1f, 0x8b]) {
        let mut text = Vec::new();
        // What is cut off is told by whoever reads the text.
        let _ = MultiGzDecoder::new(bytes).take(MOST_BYTES).read_to_end(&mut text);
        return String::from_utf8_lossy(&text).into_owned();
    }
    // What some shells make of a program's output.
    let unit = match bytes {
        [0xff, 0xfe, ..] => Some(u16::from_le_bytes as fn([u8; 2]) -> u16),
        [0xfe, 0xff, ..] => Some(u16::from_be_bytes as fn([u8; 2]) -> u16),
        _ => None,
    };
    if let Some(unit) = unit {
        let units: Vec<u16> =
            bytes[2..].chunks_exact(2).map(|two| unit([two[0], two[1]])).collect();
        return String::from_utf16_lossy(&units);
    }
    String::from_utf8_lossy(bytes).into_owned()
}

/// fio's outputs that are no JSON.
fn other_form(text: &str) -> Option<&'static str> {
    let mut lines = text.lines();
    if lines.clone().any(|line| {
        let mut fields = line.split(';');
        fields.next().is_some_and(|version| version.parse::<u8>().is_ok())
            && fields.next().is_some_and(|name| name.starts_with("fio-"))
    }) {
        return Some("terse output");
    }
    let normal = lines.any(|line| {
        let line = line.trim_start();
        line.starts_with("clat (") || line.starts_with("clat percentiles (")
    });
    normal.then_some("normal output")
}

/// A log of a kernel. What has no event of one is no file for us.
fn trace_of(path: &str, bytes: &[u8]) -> Result<Requests, DeviceFitError> {
    match read_stream(bytes, path, Requests::default()) {
        Ok((session, _)) => Ok(session.consumer),
        Err(CheckError::Empty { .. } | CheckError::NoEvents { .. }) => {
            Err(DeviceFitError::Unknown { file: path.to_owned() })
        }
        Err(error) => Err(error.into()),
    }
}
