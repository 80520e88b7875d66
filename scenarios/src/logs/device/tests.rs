//! Files of fio and of traces, whole: what becomes of them.

use super::*;

/// A file of that content in a folder that is gone afterwards.
fn fit_texts(texts: &[&str]) -> Result<DeviceFitReport, DeviceFitError> {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let path = |(at, text): (usize, &&str)| {
        let path = folder.path().join(format!("file-{at}.json"));
        std::fs::write(&path, text).expect("a file can be written");
        path.to_string_lossy().into_owned()
    };
    let paths: Vec<String> = texts.iter().enumerate().map(path).collect();
    fit_device(&paths, &DeviceFitOptions::default())
}

/// Without the runs of the device, which take a second.
fn fit_quickly(text: &str) -> Result<(), DeviceFitError> {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let path = folder.path().join("file.json");
    std::fs::write(&path, text).expect("a file can be written");
    let contents = read::contents(&path.to_string_lossy())?;
    let mut known = Known::of_runs(&contents.runs, &mut Vec::new());
    assemble::device("a file", &mut known, None, &mut Vec::new()).map(|_| ())
}

fn fit(text: &str) -> Result<DeviceFitReport, DeviceFitError> {
    fit_texts(&[text])
}

/// A job of random reads in fio 3's form: percentiles are 0.8, 1, 1.4 and 3 times the median, which
/// is in nanoseconds.
fn job(name: &str, group: u32, depth: u32, options: &str, median: u64) -> String {
    let at = |tenths: u64| median * tenths / 10;
    format!(
        r#"{{ "jobname": "{name}", "groupid": {group}, "error": 0,
  "job options": {{ "rw": "randread", "bs": "4k", "direct": "1", "iodepth": "{depth}" {options} }},
  "read": {{ "io_bytes": 4096000, "iops": {}, "total_ios": 1000, "clat_ns": {{
     "min": {}, "max": {}, "mean": {}, "stddev": 3.0,
     "percentile": {{ "1.000000": {}, "50.000000": {median}, "99.000000": {}, "99.900000": {} }} }} }},
  "write": {{ "io_bytes": 0, "total_ios": 0 }} }}"#,
        f64::from(depth) * 1e9 / median as f64,
        at(7),
        at(40),
        at(11),
        at(8),
        at(14),
        at(30),
    )
}

fn fio(jobs: &[String]) -> String {
    format!(r#"{{ "fio version": "fio-3.33", "jobs": [ {} ] }}"#, jobs.join(", "))
}

/// Errors of the percentiles from the first to the 99.9th.
fn largest_error(report: &DeviceFitReport) -> f64 {
    let inside = |row: &&DeviceFitRow| row.ppm.is_some_and(|ppm| (10_000..=999_000).contains(&ppm));
    let rows = report.rows.iter().filter(inside);
    rows.map(|row| row.error().abs()).fold(0.0, f64::max)
}

fn depths(report: &DeviceFitReport) -> Vec<(Direction, Option<u32>)> {
    let mut all: Vec<_> = report.rows.iter().map(|row| (row.direction, row.depth)).collect();
    all.dedup();
    all
}

#[test]
fn one_depth_is_kept_as_it_is() {
    let report = fit(&fio(&[job("a", 0, 1, "", 80_000)])).expect("depth 1 is service time");
    assert!(largest_error(&report) < 0.02, "{:?}", report.rows);
    assert_eq!(report.config.channels, 32);
    assert!(report.given.iter().any(|one| one.source.starts_with("assumption: one request")));
}

#[test]
fn a_deep_queue_alone_is_refused_and_with_depth_one_is_a_law() {
    let deep = fio(&[job("deep", 0, 32, "", 300_000)]);
    let error = fit(&deep).expect_err("it is no service time").to_string();
    assert!(error.contains("no service time") && error.contains("depth 1"), "{error}");
    let report = fit_texts(&[&fio(&[job("a", 0, 1, "", 80_000)]), &deep]).expect("both");
    assert_eq!(depths(&report), [(Direction::Read, Some(1)), (Direction::Read, Some(32))]);
    assert_eq!((report.config.channels, report.config.read_at_depth.len()), (32, 1));
    assert!(largest_error(&report) < 0.02, "{:?}", report.rows);
}

/// Four processes that read at once are four deep, whether fio sums them up or not.
#[test]
fn jobs_at_once_add_up_and_jobs_in_turn_do_not() {
    let four = r#", "numjobs": "4""#;
    for jobs in [vec![job("a", 0, 1, four, 90_000)], vec![job("a", 0, 1, four, 90_000); 4]] {
        // Each of four does a fourth of the requests that the sum does.
        let rate = if jobs.len() == 1 { "44444.4" } else { "11111.1" };
        let jobs =
            jobs.iter().map(|job| job.replace("11111.11111111111", rate)).collect::<Vec<_>>();
        let error = fit(&fio(&jobs)).expect_err("four deep").to_string();
        assert!(error.contains("at depth 4 only"), "{error}");
    }
    let in_turn = [job("a", 0, 1, "", 80_000), job("b", 1, 1, "", 90_000)];
    let report = fit(&fio(&in_turn)).expect("both are of depth 1");
    assert_eq!(depths(&report), [(Direction::Read, Some(1))]);
    assert_eq!(report.rows[0].count, 2000);
    assert!(largest_error(&report) < 0.03, "{:?}", report.rows);
}

#[test]
fn engines_without_a_queue_have_no_depth() {
    let job = job("a", 0, 32, r#", "ioengine": "psync""#, 80_000);
    assert_eq!(depths(&fit(&fio(&[job])).expect("psync")), [(Direction::Read, Some(1))]);
}

#[test]
fn a_load_that_was_held_back_has_the_depth_that_it_had() {
    let held = job("a", 0, 32, "", 80_000).replace("\"iops\": 400000", "\"iops\": 12000");
    let report = fit(&fio(&[held])).expect("one at a time");
    assert_eq!(depths(&report), [(Direction::Read, Some(1))]);
    assert!(report.notes.iter().any(|note| note.contains("under way on average")));
}

#[test]
fn the_units_of_fio_2_are_microseconds() {
    let old = fio(&[job("a", 0, 1, "", 82)])
        .replace("clat_ns", "clat")
        .replace("\"99.900000\": 246", "\"99.900000\": 246, \"0.00\": 0, \"0.00\": 0");
    let report = fit(&old).expect("fio 2");
    let p50 = report.rows.iter().find(|row| row.ppm == Some(500_000)).expect("a median");
    assert_eq!(p50.measured, 82_000.0);
}

#[test]
fn without_percentiles_there_is_a_law_of_mean_and_deviation() {
    let text = fio(&[job("a", 0, 1, "", 80_000)]);
    let at = text.find("\"percentile\"").expect("it has some");
    let end = text[at..].find('}').expect("they end") + at + 1;
    let text = format!("{}\"N\": 1000 {}", &text[..at], &text[end..])
        .replace("\"stddev\": 3.0", "\"stddev\": 9000.0");
    let report = fit(&text).expect("a mean is something");
    assert!(report.notes.iter().any(|note| note.contains("lognormal")), "{:?}", report.notes);
    let [mean] = &report.rows[..] else { panic!("{:?}", report.rows) };
    assert!(mean.error().abs() < 0.05, "{mean:?}");
}

#[test]
fn larger_blocks_say_what_a_further_page_takes() {
    let large = job("b", 1, 1, "", 180_000).replace("4096000", "131072000");
    let report = fit(&fio(&[job("a", 0, 1, "", 80_000), large.clone()])).expect("both");
    // Of 32 pages, 31 are further ones.
    assert_eq!(report.config.per_page, SimDuration::from_ns((198_000 - 88_000) / 31));
    let error = fit(&fio(&[large])).expect_err("no page alone").to_string();
    assert!(error.contains("32 pages") && error.contains("--bs=4k"), "{error}");
}

#[test]
fn other_files_are_refused_with_what_to_do() {
    let told = |text: &str| fit(text).expect_err("no measurement").to_string();
    assert!(told("3;fio-3.33;a;0;0;1;2\n").contains("--output-format=json"));
    assert!(told("  clat (usec): min=1, max=2, avg=1.00\n").contains("--output-format=json"));
    assert!(told("hello\n").contains("no times of a device"));
    assert!(told("").contains("no times of a device"));
    let whole = fio(&[job("a", 0, 1, "", 80_000)]);
    assert!(told(&whole[..whole.len() / 2]).contains("was cut off"));
    assert!(told(&fio(&[])).contains("nothing that was measured"));
}

/// A blkparse text of reads, each so long after the one before.
fn blkparse(gap: u64, times: &[u64]) -> String {
    let mut events = Vec::new();
    for (at, took) in times.iter().enumerate() {
        let (sector, issued) = (at * 8, at as u64 * gap);
        let line = |ns: u64, action: &str| {
            let (s, ns) = (ns / 1_000_000_000, ns % 1_000_000_000);
            format!("  8,0 1 1 {s}.{ns:09} 9 {action} R {sector} + 8 [fio]\n")
        };
        events.push((issued, line(issued, "D")));
        events.push((issued + took, line(issued + took, "C")));
    }
    events.sort();
    events.into_iter().map(|(_, line)| line).collect()
}

#[test]
fn requests_of_a_trace_are_fitted_by_their_depth() {
    let times: Vec<u64> = (0..2000).map(|n| 80_000 + n % 100 * 200).collect();
    let alone = fit(&blkparse(200_000, &times)).expect("one at a time");
    assert!(largest_error(&alone) < 0.02, "{:?}", alone.rows);
    // Two thirds of them begin beside another.
    let busy = fit(&blkparse(60_000, &times)).expect_err("never alone").to_string();
    assert!(busy.contains("while no other was under way"), "{busy}");
}

#[test]
fn times_that_no_device_has_are_refused() {
    let told = |text: &str| fit(text).expect_err("refused").to_string();
    let long = told(&fio(&[job("a", 0, 1, "", 20_000_000_000_000_000)]));
    assert!(long.contains("a request that took") && long.contains("help: "), "{long}");
    let slow = told(&blkparse(30_000_000_000_000_000, &[29_000_000_000_000_000; 30]));
    assert!(slow.contains("a request that took 8055.6 hours"), "{slow}");
    let apart = told(&blkparse(1_000_000_000_000_000, &[80_000; 30]));
    assert!(apart.contains("335 days apart"), "{apart}");
}

proptest::proptest! {
    /// Whatever number of a file is another one, it is fitted or refused.
    #[test]
    fn a_changed_number_breaks_nothing(place in 0_usize..400, number in proptest::num::u64::ANY) {
        let whole = fio(&[job("a", 0, 1, "", 80_000), job("b", 1, 8, "", 300_000)]);
        let starts: Vec<usize> = whole
            .char_indices()
            .zip(whole.chars().skip(1))
            .filter(|((_, before), digit)| !before.is_ascii_digit() && *before != '.' && digit.is_ascii_digit())
            .map(|((at, before), _)| at + before.len_utf8())
            .collect();
        let at = starts[place % starts.len()];
        let end = whole[at..].find(|c: char| !c.is_ascii_digit()).map_or(whole.len(), |n| at + n);
        let changed = format!("{}{}{}", &whole[..at], number >> (place % 64), &whole[end..]);
        let _ = fit_quickly(&changed);
    }
}
