//! Requests against queueing theory: open systems with one and several servers, a closed one with think
//! times, and Little's law in all of them. Nothing costs anything but what the programs say, so that
//! theory holds exactly, and the mean of several runs must have the theoretical value in its 95 % interval.

use super::kit::{constant, crowded, for_time, group, ms, named};
use models::base::ids::{LawId, VcpuId};
use models::base::record::TaskRole;
use models::config::{Arrivals, Law, MachineConfig, Op, TaskGroup};
use models::machine::{RunOutput, RunSettings, prefill, run};
use sim_core::{Distribution, Replications, SimDuration};

/// Mean service time in picoseconds.
const SERVICE: u64 = 200_000_000;
const SECONDS: f64 = SERVICE as f64 * 1e-12;

fn law(law: Distribution) -> Law {
    Law { law, unit: 1 }
}

fn exponential(mean: u64) -> Distribution {
    Distribution::Exponential { mean }
}

/// A machine that only computes, with so many vCPUs and these tasks and laws.
fn machine(vcpus: u16, tasks: Vec<TaskGroup>, laws: Vec<Distribution>) -> MachineConfig {
    let mut config = crowded("free", constant(ms(1)));
    config.guest.vcpus = vcpus;
    config.host.cpus = vcpus;
    config.workload.regions.clear();
    config.workload.tasks = tasks;
    config.workload.laws = laws.into_iter().map(law).collect();
    config
}

/// So many servers, each on its own vCPU, with a load of `load` of all of them together.
fn open(servers: u16, load: f64, service: Distribution) -> MachineConfig {
    let gap = (SERVICE as f64 / (load * f64::from(servers))) as u64;
    let program = vec![Op::ServeEnter, Op::ComputeDrawn { law: LawId(1) }, Op::RequestExit];
    let mut serving = group("server", TaskRole::Worker, servers.into(), program);
    serving.start_on = (0..servers).map(VcpuId).collect();
    serving.arrivals = Some(Arrivals::Law { gap: LawId(0), on_off: None });
    machine(servers, vec![serving], vec![exponential(gap), service])
}

fn runs(config: &MachineConfig) -> Vec<RunOutput> {
    let settings = RunSettings { warmup: ms(500), ..for_time(SimDuration::from_secs(8)) };
    let run = |seed| run(&prefill(config, seed, &settings).unwrap(), &named("sync"), &settings);
    (1..=8).map(|seed| run(seed).unwrap()).collect()
}

fn values(runs: &[RunOutput], name: &str) -> Replications {
    runs.iter().map(|run| run.metrics.get(name).unwrap()).collect()
}

#[track_caller]
fn holds(runs: &[RunOutput], name: &str, theory: f64) {
    let values = values(runs, name);
    let (mean, (low, high)) = (values.mean().unwrap(), values.confidence_interval_95().unwrap());
    assert!(low <= theory && theory <= high, "{name}: {mean} [{low}, {high}], theory {theory}");
    assert!((high - low) / theory < 0.12, "{name}: the interval [{low}, {high}] says nothing");
}

/// Requests in the system = rate x latency. The edges of a window make it inexact, by one request's time.
#[track_caller]
fn little(runs: &[RunOutput]) {
    for run in runs {
        let metric = |name| run.metrics.get(name).unwrap();
        let (number, rate) = (metric("requests_in_system"), metric("request_rate"));
        let product = rate * metric("request_latency_mean");
        assert!((number / product - 1.0).abs() < 0.01, "{number} in the system, {product} by law");
    }
}

/// The probability that all of `c` servers are busy (Erlang C).
fn erlang_c(c: u32, load: f64) -> f64 {
    let offered = load * f64::from(c);
    let term = |k: u32| (1..=k).fold(1.0, |term, i| term * offered / f64::from(i));
    let all = term(c) / (1.0 - load);
    all / ((0..c).map(term).sum::<f64>() + all)
}

#[test]
fn one_server_with_exponential_service() {
    let load = 0.7;
    let runs = runs(&open(1, load, exponential(SERVICE)));
    let latency = SECONDS / (1.0 - load);
    holds(&runs, "request_latency_mean", latency);
    holds(&runs, "requests_in_system", load / (1.0 - load));
    holds(&runs, "request_rate", load / SECONDS);
    // The time in the system is exponential itself.
    holds(&runs, "request_latency_p50", latency * 2_f64.ln());
    holds(&runs, "request_latency_p90", latency * 10_f64.ln());
    // What is not waiting is service.
    holds(&runs, "request_part_cpu", SECONDS);
    holds(&runs, "request_part_queue", latency - SECONDS);
    little(&runs);
}

#[test]
fn three_servers_with_exponential_service() {
    let load = 0.8;
    let runs = runs(&open(3, load, exponential(SERVICE)));
    let waits = erlang_c(3, load) * SECONDS / (3.0 * (1.0 - load));
    holds(&runs, "request_latency_mean", SECONDS + waits);
    little(&runs);
}

#[test]
fn one_server_with_constant_service() {
    let load = 0.8;
    let runs = runs(&open(1, load, Distribution::Constant { value: SERVICE }));
    holds(&runs, "request_latency_mean", SECONDS + load * SECONDS / (2.0 * (1.0 - load)));
    little(&runs);
}

/// Pollaczek and Khinchine: waiting goes with the second moment of service.
#[test]
fn one_server_with_service_of_other_laws() {
    let load = 0.6;
    let wait = |second_moment: f64| load / SECONDS * second_moment / (2.0 * (1.0 - load));
    let uniform = Distribution::Uniform { low: 0, high: 2 * SERVICE };
    let output = runs(&open(1, load, uniform));
    let latency = SECONDS + wait(4.0 / 3.0 * SECONDS * SECONDS);
    holds(&output, "request_latency_mean", latency);
    little(&output);
    // One in ten takes five and a half times the mean, the others half of it.
    let short = Distribution::Constant { value: SERVICE / 2 };
    let long = Distribution::Constant { value: SERVICE * 11 / 2 };
    let output = runs(&open(1, load, Distribution::Mixture { parts: vec![(9, short), (1, long)] }));
    let second = (0.9 * 0.25 + 0.1 * 30.25) * SECONDS * SECONDS;
    holds(&output, "request_latency_mean", SECONDS + wait(second));
    little(&output);
}

/// Mean value analysis: who arrives finds what the system has on average with one task less. A task begins its
/// request when it has the processor, and not when it is woken, so that thinking is part of it here.
#[test]
fn a_closed_system_with_think_times() {
    let (tasks, think) = (6, 1_000_000_000_u64);
    let program = vec![
        Op::RequestEnter,
        Op::SleepDrawn { law: LawId(0) },
        Op::ComputeDrawn { law: LawId(1) },
        Op::RequestExit,
    ];
    let tasks_of = group("user", TaskRole::Worker, tasks, program);
    let config = machine(1, vec![tasks_of], vec![exponential(think), exponential(SERVICE)]);
    let runs = runs(&config);
    let thinking = think as f64 * 1e-12;
    let (mut queue, mut latency, mut rate) = (0.0, 0.0, 0.0);
    for n in 1..=tasks {
        latency = SECONDS * (1.0 + queue);
        rate = f64::from(n) / (thinking + latency);
        queue = rate * latency;
    }
    holds(&runs, "request_rate", rate);
    holds(&runs, "request_latency_mean", thinking + latency);
    holds(&runs, "request_part_sleep", thinking);
    holds(&runs, "request_part_cpu", SECONDS);
    holds(&runs, "request_part_run_queue", latency - SECONDS);
    little(&runs);
}

/// A burst has the load of its gaps, and all together the share of time in which there are bursts.
#[test]
fn arrivals_in_bursts_and_at_given_times() {
    let mut config = open(1, 0.5, Distribution::Constant { value: SERVICE / 10 });
    let (on, off) = (exponential(2_000_000_000), exponential(6_000_000_000));
    config.workload.laws.extend([law(on), law(off)]);
    let on_off = Some((LawId(2), LawId(3)));
    config.workload.tasks[0].arrivals = Some(Arrivals::Law { gap: LawId(0), on_off });
    holds(&runs(&config), "request_rate", 0.5 / SECONDS * 0.25);
    let times = [0, 3, 3, 9].map(SimDuration::from_ms).to_vec();
    config.workload.tasks[0].arrivals = Some(Arrivals::Times(times));
    let settings = for_time(ms(20));
    let output = run(&prefill(&config, 1, &settings).unwrap(), &named("sync"), &settings).unwrap();
    let metric = |name| output.metrics.get(name).unwrap();
    assert_eq!((metric("request_arrivals"), metric("requests")), (4.0, 4.0));
    // The third waits for the second.
    assert_eq!(metric("request_latency_max"), 2.0 * SECONDS / 10.0);
    assert_eq!(metric("request_time_1"), SECONDS / 10.0);
}
