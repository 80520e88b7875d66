//! Prints the table of docs/performance.md.
//!
//! Contenders take turns within each round, and what is measured is the processor time of this
//! thread, so that another load on the machine disturbs them alike and little. A figure is the
//! median over rounds, a ratio the median of the rounds' ratios.
//!
//! ```text
//! cargo bench -p apfsim-benches --bench queue_table              # everything
//! cargo bench -p apfsim-benches --bench queue_table -- bimodal   # what has this in its name
//! ```

#![allow(clippy::print_stdout, reason = "a table to print")]
#![allow(missing_docs, reason = "a program")]

mod contenders;
mod engines;

use cpu_time::ThreadTime;

use contenders::{Table, tables};

const ROUNDS: usize = 7;

/// Nanoseconds an event by column and round.
fn measure(table: &Table, size: u32) -> Vec<Vec<f64>> {
    let mut contenders: Vec<_> = table.columns.iter().map(|c| c.warmed_up(size)).collect();
    let mut times = vec![Vec::new(); contenders.len()];
    for _ in 0..ROUNDS {
        for (contender, times) in contenders.iter_mut().zip(&mut times) {
            let start = ThreadTime::now();
            let events = contender.run(400_000);
            times.push(start.elapsed().as_nanos() as f64 / events as f64);
        }
    }
    let expected = contenders[0].digest();
    for (contender, column) in contenders.iter().zip(&table.columns) {
        let found = contender.digest();
        assert_eq!(found, expected, "{} at {size}: {} did other work", table.name, column.name);
    }
    times
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn print(table: &Table) {
    let names: Vec<_> = table.columns.iter().map(|column| column.name).collect();
    println!("\n### {}\n\n| size | {} |", table.name, names.join(" | "));
    println!("|{}", " ---: |".repeat(names.len() + 1));
    for &size in &table.sizes {
        let times = measure(table, size);
        let rival = &times[table.rival];
        let cells = times.iter().enumerate().map(|(column, times)| {
            let time = median(times.clone());
            let ratio = median(times.iter().zip(rival).map(|(time, rival)| rival / time).collect());
            if column == table.rival {
                format!("{time:.0}")
            } else {
                format!("{time:.0} ({ratio:.1}×)")
            }
        });
        println!("| {size} | {} |", cells.collect::<Vec<_>>().join(" | "));
    }
}

fn main() {
    // Cargo adds flags of its own, such as `--bench`.
    let wanted: Vec<_> = std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    for table in tables() {
        if wanted.is_empty() || wanted.iter().any(|wanted| table.name.contains(wanted.as_str())) {
            print(&table);
        }
    }
}
