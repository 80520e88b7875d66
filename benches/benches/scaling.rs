//! Prints the tables of docs/scaling.md: what a run costs by vCPUs, processors, faults under way, pages, tasks,
//! virtual machines, simulated time and replications, and with which power it grows.
//!
//! ```text
//! cargo bench -p apfsim-benches --bench scaling                          # everything
//! cargo bench -p apfsim-benches --bench scaling -- vcpus                 # axes with this in their name
//! cargo bench -p apfsim-benches --bench scaling -- vms --svg vms.svg     # with a picture of them
//! cargo bench -p apfsim-benches --bench scaling -- --show vcpus 1024     # the scenario of a point
//! ```
//!
//! A figure is the least processor time of several runs.

#![allow(clippy::print_stdout, reason = "a table to print")]
#![allow(missing_docs, reason = "a program")]

use std::error::Error;
use std::process::Command;

use apfsim_benches::scaling::fit::{Fit, fit, of_n_log_n};
use apfsim_benches::scaling::plot::{Measured, svg};
use apfsim_benches::scaling::worlds::{Axis, Work, axes};
use apfsim_benches::scaling::{Cost, measure};

/// What was fitted along an axis.
struct Law {
    /// Over all points.
    all: Option<Fit>,
    /// Between the last but two, and so on, pairwise, the last pair last.
    steps: Vec<f64>,
    /// What n log n has between the last two.
    bound: f64,
}

fn law(costs: &[Cost], of: fn(&Cost) -> f64) -> Law {
    let points: Vec<(f64, f64)> = costs.iter().map(|cost| (cost.size as f64, of(cost))).collect();
    let steps = points.windows(2).filter_map(fit).map(|fit| fit.exponent).collect();
    let bound = match points[..] {
        [.., (from, _), (to, _)] => of_n_log_n(from, to),
        _ => 1.0,
    };
    Law { all: fit(&points), steps, bound }
}

impl Law {
    fn last(&self) -> f64 {
        self.steps.last().copied().unwrap_or(0.0)
    }

    fn text(&self) -> String {
        let all = match self.all {
            Some(Fit { exponent, half_width: Some(half) }) => format!("{exponent:.2} ± {half:.2}"),
            Some(Fit { exponent, half_width: None }) => format!("{exponent:.2}"),
            None => "–".to_owned(),
        };
        let last: Vec<_> =
            self.steps.iter().rev().take(3).rev().map(|step| format!("{step:.2}")).collect();
        format!("{all} | {}", last.join(", "))
    }
}

/// Measures a point in a process of its own, so that none has the memory of another.
fn in_a_process(axis: &Axis, size: u64) -> Result<Cost, Box<dyn Error>> {
    let program = std::env::current_exe()?;
    let size_text = size.to_string();
    let output = Command::new(program).args(["--point", axis.name, &size_text]).output()?;
    let text = String::from_utf8(output.stdout)?;
    let words: Vec<&str> = text.split_whitespace().collect();
    let [prefill, run, events, memory] = words[..] else {
        return Err(String::from_utf8(output.stderr)?.into());
    };
    let (prefill, run) = (prefill.parse()?, run.parse()?);
    Ok(Cost { size, prefill, run, events: events.parse()?, memory: memory.parse()? })
}

fn measure_axis(axis: &Axis) -> Result<Vec<Cost>, Box<dyn Error>> {
    println!("\n### {}\n", axis.name);
    println!("| {} | prefill | run | events | ns an event | memory |", axis.unit);
    println!("| ---: | ---: | ---: | ---: | ---: | ---: |");
    let mut costs = Vec::new();
    for &size in &axis.sizes {
        let cost = in_a_process(axis, size)?;
        println!(
            "| {size} | {:.1} ms | {:.1} ms | {} | {:.0} | {} MB |",
            cost.prefill * 1e3,
            cost.run * 1e3,
            cost.events,
            cost.per_event(),
            cost.memory / 1_000_000,
        );
        costs.push(cost);
    }
    Ok(costs)
}

fn print_laws(measured: &[(Axis, Vec<Cost>)]) {
    println!("\n### Exponents\n");
    println!("| axis | each or all | total | last steps | an event | last steps | |");
    println!("| --- | --- | ---: | ---: | ---: | ---: | --- |");
    for (axis, costs) in measured {
        let total = law(costs, Cost::total);
        let work = match axis.work {
            Work::Each => "each",
            Work::All => "all",
        };
        let verdict = if total.last() > total.bound { "more than n log n" } else { "" };
        let an_event = law(costs, Cost::per_event).text();
        println!("| `{}` | {work} | {} | {an_event} | {verdict} |", axis.name, total.text());
    }
}

/// What the fit makes of laws that are known.
fn check_fit() {
    let of = |power: f64| [1.0, 4.0, 16.0, 64.0].map(|n: f64| (n, 3.0 * n.powf(power)));
    for power in [0.0, 1.0, 2.0] {
        let found = fit(&of(power)).map_or(f64::NAN, |fit| fit.exponent);
        assert!((found - power).abs() < 1e-9, "{found} of n^{power}");
    }
}

/// The axis and the size that the command line names.
fn point(mut words: impl Iterator<Item = String>) -> Result<(Axis, u64), Box<dyn Error>> {
    let (Some(name), Some(size)) = (words.next(), words.next()) else {
        return Err("an axis and a size are wanted".into());
    };
    let axis = axes().into_iter().find(|axis| axis.name == name);
    Ok((axis.ok_or("there is no such axis")?, size.parse()?))
}

fn main() -> Result<(), Box<dyn Error>> {
    check_fit();
    let mut words = std::env::args().skip(1).filter(|word| word != "--bench");
    let (mut wanted, mut file) = (Vec::new(), None);
    while let Some(word) = words.next() {
        match word.as_str() {
            "--svg" => file = words.next(),
            "--show" => {
                let (axis, size) = point(words)?;
                println!("{}", (axis.text)(size));
                return Ok(());
            }
            "--point" => {
                let (axis, size) = point(words)?;
                let cost = measure(&axis, size).map_err(|error| format!("{error:?}"))?;
                println!("{} {} {} {}", cost.prefill, cost.run, cost.events, cost.memory);
                return Ok(());
            }
            _ => wanted.push(word),
        }
    }
    let mut measured = Vec::new();
    for axis in axes() {
        if wanted.is_empty() || wanted.iter().any(|wanted| axis.name.contains(wanted.as_str())) {
            let costs = measure_axis(&axis)?;
            measured.push((axis, costs));
        }
    }
    print_laws(&measured);
    let Some(file) = file else { return Ok(()) };
    let title = |(axis, costs): &(Axis, Vec<Cost>)| {
        let law = law(costs, Cost::total);
        format!("{}: n^{:.2}", axis.name, law.all.map_or(0.0, |fit| fit.exponent))
    };
    let titles: Vec<String> = measured.iter().map(title).collect();
    let axes = measured.iter().zip(&titles);
    let axes: Vec<_> =
        axes.map(|((axis, costs), title)| Measured { title, unit: axis.unit, costs }).collect();
    std::fs::write(file, svg(&axes)?)?;
    Ok(())
}
