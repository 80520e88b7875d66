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

#[test]
fn a_device_of_several_files_has_what_their_names_begin_with() {
    let of = |names: &[&str]| {
        let paths: Vec<String> = names.iter().map(|name| format!("a/{name}.json")).collect();
        name_of_all(&paths)
    };
    assert_eq!(of(&["depth-1"]), "depth-1");
    assert_eq!(of(&["depth-1", "depth-8"]), "depth");
    assert_eq!(of(&["nvme-10", "nvme-16"]), "nvme");
    assert_eq!(of(&["nvme0", "sda"]), "device");
    assert_eq!(of(&["one", "one"]), "one");
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
    let job = job.replace("\"iops\": 400000", "\"iops\": 11000");
    assert_eq!(depths(&fit(&fio(&[job])).expect("psync")), [(Direction::Read, Some(1))]);
}

#[test]
fn a_load_that_was_held_back_has_the_depth_that_it_had() {
    let held = job("a", 0, 32, "", 80_000).replace("\"iops\": 400000", "\"iops\": 12000");
    let report = fit(&fio(&[held])).expect("one at a time");
    assert_eq!(depths(&report), [(Direction::Read, Some(1))]);
    assert!(report.notes.iter().any(|note| note.contains("under way on average")));
}

/// A job of that name whose levels of depth, counted at each submission, are these.
fn with_levels(job: &str, levels: &str) -> String {
    job.replacen("\"error\": 0,", &format!("\"error\": 0, \"iodepth_level\": {{ {levels} }},"), 1)
}

/// Bursts of 32 with idle time between: on average 1.2 are under way, and each waits for others.
#[test]
fn idle_time_makes_no_queue_shallow() {
    let pauses = r#", "thinktime": "50000", "thinktime_blocks": "32""#;
    let burst = job("a", 0, 32, pauses, 2_000_000).replace("\"iops\": 16000", "\"iops\": 600");
    let told = |job: String| fit(&fio(&[job])).expect_err("a deep queue").to_string();
    let ramps = r#""1": 3, "2": 6, "4": 12, "8": 24, "16": 49, "32": 6, ">=64": 0"#;
    assert!(told(with_levels(&burst, ramps)).contains("at depth 17 only"));
    let whole = r#""1": 0.1, "2": 0.1, "32": 99.8"#;
    assert!(told(with_levels(&burst, whole)).contains("at depth 32 only"));
    // Nor what stands in the options, or nothing does.
    let alone =
        with_levels(&burst, whole).replace("\"job options\"", "\"latency_depth\": 1, \"x\"");
    assert!(told(alone).contains("at depth 32 only"));
    // Eight processes that pause at the same times.
    let several = r#", "numjobs": "8", "thinktime": "20000""#;
    let several = job("a", 0, 1, several, 80_000).replace("\"iops\": 12500", "\"iops\": 400");
    assert!(told(with_levels(&several, r#""1": 100"#)).contains("at depth 8 only"));
}

/// Nothing of a file that has no options says that eight processes were summed up.
#[test]
fn more_under_way_than_was_asked_for_is_the_depth() {
    let eight = job("a", 0, 1, "", 80_000).replace("\"iops\": 12500", "\"iops\": 95000");
    let told = fit(&fio(&[eight])).expect_err("a deep queue").to_string();
    assert!(told.contains("at depth 8 only"), "{told}");
}

#[test]
fn the_units_of_fio_2_are_microseconds() {
    let old = fio(&[job("a", 0, 1, "", 82)])
        .replace("clat_ns", "clat")
        .replace("\"iops\": 12195121", "\"iops\": 12195")
        .replace("\"99.900000\": 246", "\"99.900000\": 246, \"0.00\": 0, \"0.00\": 0");
    let report = fit(&old).expect("fio 2");
    let p50 = report.rows.iter().find(|row| row.ppm == Some(500_000)).expect("a median");
    assert_eq!(p50.measured, 82_000.0);
}

#[test]
fn files_without_enough_percentiles_are_refused() {
    let text = fio(&[job("a", 0, 1, "", 80_000)]);
    let at = text.find("\"percentile\"").expect("it has some");
    let end = text[at..].find('}').expect("they end") + at + 1;
    let told = |list: &str| {
        let text = format!("{}{list} {}", &text[..at], &text[end..]);
        fit(&text).expect_err("too little").to_string()
    };
    assert!(told("\"N\": 1000").contains("no percentiles: leave out --clat_percentiles"));
    let few = told(r#""percentile": { "99.900000": 90000 }"#);
    assert!(few.contains("too little without p50 and p99"), "{few}");
    let falling = r#""percentile": { "50.000000": 80000, "90.000000": 70000, "99.000000": 90000 }"#;
    let falling = told(falling);
    assert!(falling.contains("percentiles are broken: p90 is below p50"), "{falling}");
    let few = fit(&text.replace(": 1000,", ": 99,")).expect_err("too few").to_string();
    assert!(few.contains("99 are too few: at least 100"), "{few}");
}

/// Bins say more than percentiles do: the law has their mean, wherever the slow requests are.
#[test]
fn bins_give_the_whole_law() {
    let text = fio(&[job("a", 0, 1, "", 1_000)]);
    let bins = r#""bins": { "900": 300000, "1000": 500000, "1400": 199990, "3000": 4, "10000000": 6 },
     "percentile""#;
    let text = text.replace("\"percentile\"", bins).replace("\"mean\": 1100", "\"mean\": 1109.978");
    let report = fit(&text).expect("bins");
    let mean = report.rows[0];
    let law = report.config.read.mean_hint().expect("a table has a mean") as f64 / 1000.0;
    assert!((law / mean.measured - 1.0).abs() < 0.005, "{law} {mean:?}");
}

/// A mean that no law with these percentiles has.
#[test]
fn a_device_that_is_far_off_says_so() {
    let odd = fio(&[job("a", 0, 1, "", 80_000)]).replace("\"mean\": 88000", "\"mean\": 50000");
    let report = fit(&odd).expect("it has all that it takes");
    let told = report.notes.iter().find(|note| note.contains("mean +")).expect("a note");
    assert!(told.starts_with("reads at depth 1: mean +") && told.contains("5 %"), "{told}");
    let good = fit(&fio(&[job("a", 0, 1, "", 80_000)])).expect("it has all that it takes");
    assert!(good.notes.is_empty(), "{:?}", good.notes);
}

/// What a run of a million requests has off by chance is told apart.
#[test]
fn chance_is_no_error() {
    let row = DeviceFitRow {
        direction: Direction::Read,
        depth: Some(1),
        count: 1000,
        ppm: Some(995_000),
        measured: 100.0,
        simulated: 110.0,
        spread: (99.0, 140.0),
    };
    assert_eq!(row.certain_error(), 0.0);
    let told = far_off(&[row]);
    assert!(told[0].contains("p99.5 +10.0 % off, within what chance does"), "{told:?}");
    let sure = DeviceFitRow { spread: (108.0, 112.0), ..row };
    assert!((sure.certain_error() - 0.08).abs() < 1e-9);
    assert!(far_off(&[sure])[0].contains("more than the 5 %"));
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
    let slow = told(&blkparse(30_000_000_000_000_000, &[29_000_000_000_000_000; 100]));
    assert!(slow.contains("a request that took 8055.6 hours"), "{slow}");
    let apart = told(&blkparse(300_000_000_000_000, &[80_000; 100]));
    assert!(apart.contains("343 days apart"), "{apart}");
}

/// A deep queue in a trace from which a hundred of every four hundred events are lost: what comes after
/// a loss is beside others that the trace has not.
#[test]
fn requests_after_lost_events_are_not_taken_as_alone() {
    let (count, depth, took) = (4000_u64, 8, 400_000);
    let mut events: Vec<(u64, String)> = Vec::new();
    for at in 0..count {
        // Eight at a time, one after the other.
        let issued = at * took / depth;
        let event = |ns: u64, what: &str| {
            let (s, us) = (ns / 1_000_000_000, ns % 1_000_000_000 / 1000);
            (ns, format!("  fio-697 [000] ..... {s}.{us:06}: {what} [fio]\n"))
        };
        let sector = at * 8;
        events.push(event(issued, &format!("block_rq_issue: 8,0 R 4096 () {sector} + 8")));
        events.push(event(issued + took, &format!("block_rq_complete: 8,0 R () {sector} + 8")));
    }
    events.sort();
    let mut text = String::from("# tracer: nop\n#\n");
    for (at, (_, line)) in events.iter().enumerate() {
        match at % 400 {
            0..100 if at > 400 => {}
            100 if at > 400 => text += &format!("CPU:0 [LOST 100 EVENTS]\n{line}"),
            _ => text += line,
        }
    }
    let told = fit(&text).expect_err("nothing is alone for sure").to_string();
    assert!(told.contains("too few requests had the device to themselves: 1 of"), "{told}");
    assert!(told.contains("events were lost in 19 places"), "{told}");
}

/// Reads of 32 pages alone are no reads of one page.
#[test]
fn a_trace_of_large_requests_only_is_refused() {
    let times: Vec<u64> = (0..2000).map(|n| 180_000 + n % 100 * 200).collect();
    let large = blkparse(400_000, &times).replace("+ 8 ", "+ 256 ");
    let told = fit(&large).expect_err("no page alone").to_string();
    assert!(told.contains("reads of 32 pages") && told.contains("one page"), "{told}");
}

/// Blocks of jobs that fio runs at once, but one of them later.
#[test]
fn jobs_that_a_delay_sets_apart_are_runs_of_their_own() {
    let of = |name: &str, depth: u32, delay: &str, median: u64| {
        let job = job(name, 0, depth, delay, median);
        job.replacen("\"error\": 0,", "\"error\": 0, \"job_runtime\": 2000,", 1)
    };
    let later = |time: &str| {
        fio(&[of("a", 1, "", 80_000), of("b", 8, &format!(r#", "startdelay": "{time}""#), 200_000)])
    };
    for time in ["3", "3s", "3000ms"] {
        let report = fit(&later(time)).expect("two depths");
        assert_eq!(depths(&report), [(Direction::Read, Some(1)), (Direction::Read, Some(8))]);
    }
    // They overlap, or may.
    for time in ["1", "1-3"] {
        assert!(fit(&later(time)).expect_err("at once").to_string().contains("depth 9 only"));
    }
}

#[test]
fn refusals_say_why() {
    let told = |text: &str| fit(text).expect_err("refused").to_string();
    assert!(told(&fio(&[])).contains("list of jobs is empty"));
    let mixed = fio(&[job("a", 0, 1, "", 80_000)]).replace("\"read\"", "\"mixed\"");
    assert!(told(&mixed).contains("--unified_rw_reporting"), "{}", told(&mixed));
    let split = fio(&[job("a", 0, 1, r#", "bssplit": "4k/50:64k/50""#, 80_000)]);
    assert!(told(&split).contains("several sizes (bssplit)"), "{}", told(&split));
    let files = |name: &str| job(name, 0, 1, &format!(r#", "filename": "{name}.dat""#), 80_000);
    let two = told(&fio(&[files("a"), files("b")]));
    assert!(two.contains("a.dat, b.dat") && two.contains("a result of each"), "{two}");
}

/// A shell of Windows writes two bytes a character.
#[test]
fn other_encodings_are_read() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let path = folder.path().join("file.json");
    let text = fio(&[job("a", 0, 1, "", 80_000)]);
    let bytes: Vec<u8> =
        std::iter::once(0xfeff).chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect();
    std::fs::write(&path, bytes).expect("a file can be written");
    let contents = read::contents(&path.to_string_lossy()).expect("it is fio's");
    assert_eq!(contents.runs.len(), 1);
}

#[test]
fn what_is_taken_together_is_told() {
    let one = fio(&[job("a", 0, 1, "", 80_000)]);
    let twice = fit_texts(&[&one, &one]).expect("the same file twice");
    assert_eq!(twice.rows[0].count, 1000);
    assert!(twice.left_out[0].contains("the same measurement as"), "{:?}", twice.left_out);
    let other = fit_texts(&[&one, &fio(&[job("a", 0, 1, "", 120_000)])]).expect("two runs");
    assert_eq!(other.rows[0].count, 2000);
    let told = "reads at depth 1: 2 runs are taken together, with p50 from 80us to 120us";
    assert!(other.notes.iter().any(|note| note == told), "{:?}", other.notes);
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

/// Requests of a trace, one each 300 us: 80 us long, in sectors of their own.
fn traced(requests: u64, rwbs: &str, error: i32, first: u64) -> String {
    let one = |number: u64| {
        let (us, sector) = (10_000_000 + first + number * 300, first + number * 8);
        let time = |us: u64| format!("{}.{:06}", us / 1_000_000, us % 1_000_000);
        let (begin, end) = (time(us), time(us + 80 + number % 7));
        format!(
            "fio-100 [000] ..... {begin}: block_rq_issue: 259,0 {rwbs} 4096 () {sector} + 8 be,0,4 [fio]\n\
             <idle>-0 [000] d.h.. {end}: block_rq_complete: 259,0 {rwbs} () {sector} + 8 be,0,4 [{error}]\n"
        )
    };
    (0..requests).map(one).collect()
}

fn left_out(text: &str) -> Vec<String> {
    fit(text).expect("a device").left_out
}

/// What moves no data, and what has none, says nothing of reads and writes.
#[test]
fn discards_flushes_and_errors_are_left_out_of_a_trace() {
    for rwbs in ["DS", "D", "DE", "FF", "N"] {
        let text = traced(300, "R", 0, 8) + &traced(200, rwbs, 0, 1 << 20);
        let report = fit(&text).expect("a device");
        assert!(report.rows.iter().all(|row| row.direction == Direction::Read), "{rwbs}");
        let wanted = "200 requests that move no data (discards, flushes)";
        assert!(
            report.left_out.iter().any(|line| line.ends_with(wanted)),
            "{rwbs}: {:?}",
            report.left_out
        );
        let alone = fit(&traced(300, rwbs, 0, 8)).expect_err("nothing to fit");
        assert!(matches!(alone, DeviceFitError::Unknown { .. }), "{rwbs}: {alone}");
    }
    for rwbs in ["W", "WS", "WFS", "FWFS", "WSM"] {
        let report = fit(&traced(300, rwbs, 0, 8)).expect("a device");
        assert!(report.rows.iter().all(|row| row.direction == Direction::Write), "{rwbs}");
    }
    let failed = traced(300, "R", 0, 8) + &traced(200, "R", -5, 1 << 20);
    let wanted = "200 requests that ended with an error";
    assert!(left_out(&failed).iter().any(|line| line.ends_with(wanted)));
    assert!(fit(&traced(300, "R", -5, 8)).is_err());
}

#[test]
fn broken_percentiles_and_bins_are_named() {
    let text = fio(&[job("a", 0, 1, "", 80_000)]);
    let negative = text.replace("\"99.000000\": 112000", "\"99.000000\": -112000");
    assert_ne!(text, negative);
    let error = fit(&negative).expect_err("negative").to_string();
    assert!(error.contains("p99.000000 is negative"), "{error}");
    let few = text.replace("\"percentile\"", "\"bins\": { \"80000\": 100 }, \"percentile\"");
    let error = fit(&few).expect_err("few").to_string();
    assert!(error.contains("they have 100 of 1000 requests"), "{error}");
}
