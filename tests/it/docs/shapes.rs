//! The table of shapes in docs/validation.md: what published experiments of faults that the VMM answers say beside
//! their numbers, each by rows of its experiment.

use scenarios::experiments::validate::{ExperimentResult, RowResult, RowVerdict};

/// A number of a shape: a row, or one row over another.
#[derive(Clone, Copy)]
enum Term {
    Row(&'static str),
    Over(&'static str, &'static str),
}
use Term::{Over, Row};

struct Shape {
    name: &'static str,
    experiment: &'static str,
    says: &'static str,
    /// Ratios whose side of 1 is the direction.
    direction: &'static [Term],
    /// Numbers whose median error is the factor.
    factor: &'static [Term],
    remark: &'static str,
}

const POLL: &[Term] = &[
    Row("poll, 2 readers / 1 reader"),
    Row("poll, 4 readers / 1 reader"),
    Row("poll, 16 readers / 1 reader"),
    Row("poll, 32 readers / 1 reader"),
];
const EPOLL: &[Term] = &[
    Row("exclusive, 1 reader / poll, 1 reader"),
    Row("exclusive, 2 readers / poll, 1 reader"),
    Row("exclusive, 4 readers / poll, 1 reader"),
    Row("exclusive, 16 readers / poll, 1 reader"),
    Row("exclusive, 32 readers / poll, 1 reader"),
];
const COPY_TO_WP: &[Term] =
    &[Over("copy, sequential, mean of a write", "write protection, sequential, mean of a write")];
const EVICTED: &[Term] = &[Row("time with 64 KiB from an evicted file / without, at least")];

const SHAPES: [Shape; 10] = [
    Shape {
        name: "N10, poll",
        experiment: "N10",
        says: "more readers of one descriptor serve less, as all are woken",
        direction: POLL,
        factor: POLL,
        remark: "two readers gain nothing and lose nothing here",
    },
    Shape {
        name: "N10, epoll",
        experiment: "N10",
        says: "waking one reader at a time is slower than one reader in poll",
        direction: EPOLL,
        factor: EPOLL,
        remark: "flat here from two readers on, irregular there",
    },
    Shape {
        name: "N12",
        experiment: "N12",
        says: "a page copied costs more than three times one whose protection is lifted",
        direction: COPY_TO_WP,
        factor: COPY_TO_WP,
        remark: "lifting goes through the second stage here, and the row is of a process",
    },
    Shape {
        name: "R7a with userfault",
        experiment: "R7a",
        says: "with one reader pages a second of each vCPU fall with their number",
        direction: &[
            Over(
                "anonymous, UFFD missing, one reader, 8 vCPUs",
                "anonymous, UFFD missing, one reader, 2 vCPUs",
            ),
            Over(
                "anonymous, UFFD missing, one reader, 64 vCPUs",
                "anonymous, UFFD missing, one reader, 8 vCPUs",
            ),
            Over(
                "shmem, UFFD minor, one reader, 8 vCPUs",
                "shmem, UFFD minor, one reader, 2 vCPUs",
            ),
            Over(
                "shmem, UFFD minor, one reader, 64 vCPUs",
                "shmem, UFFD minor, one reader, 8 vCPUs",
            ),
        ],
        factor: &[
            Row("anonymous, UFFD missing, one reader, 8 vCPUs"),
            Row("anonymous, UFFD missing, one reader, 64 vCPUs"),
            Row("shmem, UFFD minor, one reader, 2 vCPUs"),
            Row("shmem, UFFD minor, one reader, 8 vCPUs"),
            Row("shmem, UFFD minor, one reader, 64 vCPUs"),
        ],
        remark: "too slow alone, too quick together",
    },
    Shape {
        name: "R7b with userfault",
        experiment: "R7b",
        says: "with as many readers as vCPUs pages a second rise up to four, and fall from there to 256",
        direction: &[
            Over("UFFD queue, 4 vCPUs", "UFFD queue, 1 vCPU"),
            Over("UFFD queue, 16 vCPUs", "UFFD queue, 8 vCPUs"),
            Over("UFFD queue, 64 vCPUs", "UFFD queue, 16 vCPUs"),
            Over("UFFD queue, 256 vCPUs", "UFFD queue, 64 vCPUs"),
        ],
        factor: &[
            Row("UFFD queue, 1 vCPU"),
            Row("UFFD queue, 2 vCPUs"),
            Row("UFFD queue, 4 vCPUs"),
            Row("UFFD queue, 8 vCPUs"),
            Row("UFFD queue, 16 vCPUs"),
            Row("UFFD queue, 32 vCPUs"),
            Row("UFFD queue, 64 vCPUs"),
            Row("UFFD queue, 128 vCPUs"),
            Row("UFFD queue, 256 vCPUs"),
        ],
        remark: "the bend is at eight here",
    },
    Shape {
        name: "R8",
        experiment: "R8",
        says: "most faults of a post-copy migration take 128 to 256 us; a channel of their own makes them 19 times quicker",
        direction: &[],
        factor: &[],
        remark: "",
    },
    Shape {
        name: "N17, evicted file",
        experiment: "N17",
        says: "fault-around on a file that is not in the page cache takes at least 13 times as long as none",
        direction: EVICTED,
        factor: EVICTED,
        remark: "a block is one read here; through a mapping it is a fault of the handler's each",
    },
    Shape {
        name: "N18",
        experiment: "N18",
        says: "a background fill is linear in time",
        direction: &[Over("resident after 2 s", "resident after 1 s")],
        factor: &[
            Row("resident after 0.1 s"),
            Row("resident after 1 s"),
            Row("resident after 2 s"),
        ],
        remark: "linear by what the rows are made of: one rate, size over time",
    },
    Shape {
        name: "N40, helloworld",
        experiment: "N40",
        says: "faults one by one are slowest, faults in parallel quicker, a file of the working set quickest",
        direction: &[
            Over("helloworld, faults one by one", "helloworld, parallel faults"),
            Over("helloworld, parallel faults", "helloworld, working-set file"),
        ],
        factor: &[
            Row("helloworld, faults one by one"),
            Row("helloworld, parallel faults"),
            Row("helloworld, working-set file"),
        ],
        remark: "",
    },
    Shape {
        name: "N40, many at a time",
        experiment: "N40",
        says: "eight take longer each than one; 64 get more from the drive together, and far more with REAP",
        direction: &[
            Over("eight at a time, REAP", "helloworld, working-set file"),
            Over("one by one, 64 at a time", "one by one, one alone"),
            Over("REAP, 64 at a time", "one by one, 64 at a time"),
        ],
        factor: &[
            Row("eight at a time, REAP"),
            Row("one by one, one alone"),
            Row("one by one, 64 at a time"),
            Row("REAP, 64 at a time"),
        ],
        remark: "",
    },
];

/// Errors up to here are a factor that is met.
const FACTOR: f64 = 0.25;
/// A ratio that is nearer to 1 has no direction.
const NONE: f64 = 0.02;

/// The experiments that the shapes are of.
pub(super) fn experiments() -> Vec<&'static str> {
    let mut names: Vec<&str> = SHAPES.iter().map(|shape| shape.experiment).collect();
    names.dedup();
    names
}

/// The table, as it stands in the page.
pub(super) fn table(results: &[ExperimentResult]) -> String {
    let mut lines = vec![
        "| shape | published | ratios: published, simulated | direction | median error | within 25 % |".to_owned(),
        "| --- | --- | --- | --- | ---: | --- |".to_owned(),
    ];
    let mut counts = [0; 2];
    for shape in &SHAPES {
        let found = results.iter().find(|result| result.experiment.name == shape.experiment);
        let found = found.unwrap_or_else(|| panic!("{} was not run", shape.experiment));
        let (cells, met) = judged(shape, found);
        counts = [counts[0] + usize::from(met[0]), counts[1] + usize::from(met[1])];
        lines.push(format!("| {} | {} | {cells} |", shape.name, shape.says));
    }
    let [direction, factor] = counts;
    lines.push(String::new());
    lines.push(format!(
        "Direction right in {direction} of {count}, factor within 25 % in {factor}.",
        count = SHAPES.len()
    ));
    for shape in SHAPES.iter().filter(|shape| !shape.remark.is_empty()) {
        lines.push(format!("\n- {}: {}.", shape.name, shape.remark));
    }
    lines.join("\n")
}

/// The last four cells of a shape, and whether direction and factor are met.
fn judged(shape: &Shape, found: &ExperimentResult) -> (String, [bool; 2]) {
    if shape.factor.is_empty() {
        let why = found.experiment.not_modelled.as_deref().unwrap_or_default();
        return (format!("not modelled: {why} | - | - | -"), [false; 2]);
    }
    let ratios: Vec<(f64, f64)> = shape.direction.iter().map(|&it| number(found, it)).collect();
    let shown: Vec<String> = ratios.iter().map(|(a, b)| format!("{a:.2}, {b:.2}")).collect();
    let away = |ratio: f64| (ratio - 1.0).abs() > NONE;
    let has = |&&(published, simulated): &&(f64, f64)| {
        away(simulated) && (published > 1.0) == (simulated > 1.0)
    };
    let opposite = |&(published, simulated): &(f64, f64)| {
        away(published) && away(simulated) && (published > 1.0) != (simulated > 1.0)
    };
    let count = ratios.iter().filter(has).count();
    let right = !ratios.iter().any(opposite) && 2 * count > ratios.len();
    let verdict = match (right, ratios.iter().any(opposite)) {
        (true, _) => format!("right ({count} of {})", ratios.len()),
        (false, true) => "wrong".to_owned(),
        (false, false) => "none".to_owned(),
    };
    let mut errors: Vec<f64> =
        shape.factor.iter().map(|&it| number(found, it)).map(error).collect();
    errors.sort_by(f64::total_cmp);
    let middle = errors.len() / 2;
    let median = match errors.len() % 2 {
        1 => errors[middle],
        _ => (errors[middle - 1] + errors[middle]) / 2.0,
    };
    let met = median <= FACTOR;
    let within = if met { "yes" } else { "no" };
    let cells = format!("{} | {verdict} | {:.1} % | {within}", shown.join("; "), 100.0 * median);
    (cells, [right, met])
}

fn error((published, simulated): (f64, f64)) -> f64 {
    (simulated / published - 1.0).abs()
}

/// A published number and the simulated one.
fn number(found: &ExperimentResult, term: Term) -> (f64, f64) {
    let row = |label: &str| -> &RowResult {
        let row = found.rows.iter().find(|it| it.row.label == label);
        row.unwrap_or_else(|| panic!("{} has no row {label:?}", found.experiment.name))
    };
    let value = |label: &str| {
        let row = row(label);
        let simulated = row.simulated.unwrap_or_else(|| panic!("{label} is not defined"));
        (row.row.published, simulated)
    };
    match term {
        Row(label) => {
            assert!(row(label).verdict() != RowVerdict::Calibration, "{label} is no prediction");
            value(label)
        }
        Over(above, below) => {
            let (above, below) = (value(above), value(below));
            (above.0 / below.0, above.1 / below.1)
        }
    }
}
