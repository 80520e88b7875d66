//! The M/M/1 queue: one server, Poisson arrivals, exponential service.
//!
//! The smallest complete use of the kernel: an event enum, a model, streams, distributions, a
//! time-weighted mean, replications. With arrival rate lambda, service rate mu and
//! rho = lambda / mu, theory says that rho / (1 - rho) customers are present on average and stay
//! for 1 / (mu - lambda). Fails when the simulation says otherwise.
//!
//! ```text
//! cargo run --release -p sim-core --example mm1
//! ```

#![allow(clippy::print_stdout, reason = "an example prints its result")]

#[path = "mm1/model.rs"]
mod model;

use std::process::ExitCode;

use sim_core::StdHeapQueue;

fn main() -> ExitCode {
    let (number, sojourn) = model::replicate::<StdHeapQueue<model::Event>>(20);
    let mut agrees = true;
    for (what, runs, theory) in [
        ("mean number in system", number, model::NUMBER),
        ("mean sojourn, in ms", sojourn, model::SOJOURN_MS),
    ] {
        let (Some(mean), Some(error)) = (runs.mean(), runs.std_error()) else {
            return ExitCode::FAILURE;
        };
        println!("{what:22} {mean:7.4} +- {error:.4}   theory {theory:7.4}");
        agrees &= (mean - theory).abs() < 4.0 * error;
    }
    if agrees { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
