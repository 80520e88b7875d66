//! What can be typed.

use std::ops::Range;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use models::apf::rules::Generation;
use sim_core::{QueueKind, SimDuration};

/// A deterministic simulator of KVM asynchronous page faults.
#[derive(Debug, Parser)]
#[command(name = "apfsim", version, long_version = scenarios::LONG_VERSION, arg_required_else_help = true)]
#[command(after_help = "\
Exit status:
  0  fine
  1  an invariant was violated (known violations do not count), or an expectation was not met
  2  bad usage, bad input, or a failure to read or write

Examples:
  apfsim scenarios
  apfsim compare natapov-2010 --out results/natapov
  apfsim run my-scenario.json --policy apf-v7-2010 --seed 7
  apfsim sweep device-latency --out results/latency")]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Compare the policies of a scenario: work, ratios with intervals, faults, invariants
    #[command(after_help = "\
Examples:
  apfsim compare natapov-2010                      all policies, as the scenario says
  apfsim compare smoke --policy sync --policy halt only these two
  apfsim compare natapov-2010 -j 2 --out results/  keep table, JSON, CSV and plots
  apfsim compare smoke --format json | jq .digest")]
    Compare(CompareArgs),
    /// Run one policy once and show every metric, task and finding
    #[command(after_help = "\
Examples:
  apfsim run smoke                        the last policy that the scenario lists
  apfsim run smoke --policy halt --seed 7
  apfsim run my-scenario.json --out results/mine
  apfsim run smoke --trace smoke.txt.gz   its tracepoints, as tracefs would show them")]
    Run(RunArgs),
    /// Run scenarios that say what they expect, and tell what did not come so
    #[command(after_help = "\
A scenario says it with lines in its field `expect`; see docs/regression-testing.md. Exit status 1:
a line was not met, or an invariant was violated of which no line speaks. 2: a file cannot be run.

Examples:
  apfsim test my-scenario.json
  apfsim test scenarios/ -j 2 --junit results.xml    all files below a folder
  apfsim test smoke closed-form                      built-in scenarios")]
    Test(TestArgs),
    /// Run a scenario with some of its fields changed, many times, and compare policies at each
    /// point
    #[command(after_help = "\
A field is named by its path in the scenario file: host.swap.read_ahead, host.costs.exit_light,
workload.tasks[0].program[0].cost, or by name: workload.tasks[faulter].count.

Values of an axis: 1,8,32 or 2us..20ms/9 (nine values, each the same multiple of the one before)
or '1..5/5 linear'. Of several axes every combination is a point.

Examples:
  apfsim sweep device-latency --out results/latency     a built-in sweep, with plot
  apfsim sweep natapov-2010-sensitivity                 one change at a time
  apfsim sweep smoke --axis guest.hz=100,250,1000 --axis host.swap.read_ahead=1,8
  apfsim sweep smoke --axis 'host.cpus=1..6/6 linear' --set duration=5s --format csv
  apfsim sweep my-sweep.json -j 2 --out results/mine    see docs/sweep-format.md")]
    Sweep(SweepArgs),
    /// Find the value of a field at which two policies are equal in a metric
    #[command(after_help = "\
Both policies run at both ends of the range with the same random numbers. When another one has the
larger metric at either end, the range is halved until it is as narrow as the tolerance.

Examples:
  apfsim crossover faulting-pair --from 2us --to 20ms \\
    --field host.swap.device.read_latency,host.swap.device.write_latency
  apfsim crossover smoke --field host.swap.device.read_latency --from 1us --to 1ms \\
    --metric work_total --replications 5 --out results/search")]
    Crossover(CrossoverArgs),
    /// Show single major faults in detail: who does what when, and what the latency consists of
    #[command(after_help = "\
Each policy runs twice with the same random numbers: once to find the fault whose latency is the
median, the 99th percentile or the worst, once to keep the records around it.

Examples:
  apfsim anatomy smoke                                  median, p99 and worst fault
  apfsim anatomy natapov-2010 --duration 5s --pick median
  apfsim anatomy natapov-2010 --policy sync --policy apf-v2.6.39 --out results/anatomy")]
    Anatomy(AnatomyArgs),
    /// List the built-in scenarios and sweeps
    Scenarios,
    /// Print the file of a built-in scenario or sweep, to read or to begin one's own with
    #[command(after_help = "Example:\n  apfsim show natapov-2010 > my-scenario.json")]
    Show(ShowArgs),
    /// Print the JSON Schema of scenario files or sweep files
    Schema(SchemaArgs),
    /// List the policies that scenarios can compare
    Policies,
    /// List the presets of processors, swap devices and guest kernels, or every number of one
    /// processor with its source
    Presets(PresetsArgs),
    /// List the generations of the protocol, or every rule of one with its source
    #[command(after_help = "\
Examples:
  apfsim rules                        the generations, a line each
  apfsim rules v5.8                   every mechanism: value, since when, source
  apfsim rules --diff v2.6.39 v5.8    what changed between two, with sources")]
    Rules(RulesArgs),
    /// List the invariants of the protocol, or what one means and how it is checked
    #[command(after_help = "\
Examples:
  apfsim invariants                   all, a line each
  apfsim invariants INV-13            what is promised, by whom, why, and how it is checked")]
    Invariants(InvariantsArgs),
    /// Search every schedule of a small world for broken invariants
    #[command(after_help = "\
Examples:
  apfsim explore                                 the newest rules, undisturbed
  apfsim explore --rules v5.8                    what was wrong with page ready as interrupt
  apfsim explore --rules v6.12 --with smi        one system management interrupt on each vCPU
  apfsim explore --defect no-eoi --vcpus 1       a known mistake
  apfsim explore --rules v6.12 --with smi --out known.json
  apfsim explore --rules v6.12 --with smi --baseline known.json
  apfsim explore --list                          disturbances and defects")]
    Explore(ExploreArgs),
    /// Show the mistakes that kernels made, each caught by its invariant
    #[command(after_help = "\
Each mistake is shown in a small world that is searched, or in a short run, and the same world
without it must be quiet. Exit status 1: something did not come as expected.

Examples:
  apfsim zoo                      the whole table
  apfsim zoo H03                  the story of one, with the shortest way to it
  apfsim zoo H36 --trace h36.txt  that way as a kernel's trace, for apfsim check
  apfsim zoo --fast -j 2          what takes seconds
  apfsim zoo --format markdown    the table of docs/zoo.md")]
    Zoo(ZooArgs),
    /// Check a real kernel's log of async page faults against the invariants
    #[command(after_help = "\
A log is trace.dat of trace-cmd, perf.data, or text of tracefs, `trace-cmd report` or
`perf script`, also compressed with gzip or zstd; - is standard input.
docs/check-a-real-host.md says what to record.

Exit status: 0 clean, undecided or a weakness; 1 an invariant was violated, or something stands still
(a stall); 2 it cannot be read.

Examples:
  apfsim check trace.dat
  apfsim check trace.txt.gz --format json
  apfsim check trace.txt.gz --out results/host     keep table, JSON, CSV and plots
  dmesg | apfsim check -                           a buffer dumped by sysrq-z
  apfsim check old-host.txt --rules v5.3")]
    Check(CheckArgs),
    /// Make a scenario of a real host's log, run it, and show both side by side
    #[command(after_help = "\
A log as check reads it, with all events of KVM, block requests and sched_switch;
docs/fit-scenario.md says what to record and what becomes of it. What a host cannot see is assumed
unless it is given: --faulters, --workers, --touch.

Examples:
  apfsim fit-scenario trace.txt.gz -o my-host.json
  apfsim run my-host.json
  apfsim fit-scenario trace.txt.gz --faulters 4 --workers 4
  apfsim fit-scenario trace.txt --no-run --format json | jq .given
  apfsim fit-scenario old.txt --device 500us           a log without block requests")]
    FitScenario(FitArgs),
    /// Run random scenarios in every way in which results must not differ, and make what fails small
    #[command(after_help = "\
A seed is a scenario. It runs stepped and ahead, with every queue, with several jobs, and its trace
goes through check. One that fails is made as small as it can be and written to a file that says
how it fails; docs/fuzzing.md says how to read it.

Exit status: 0 all ways agree; 1 a scenario failed; 2 bad usage, or a file cannot be written.

Examples:
  apfsim fuzz                              the seeds 0 to 999
  apfsim fuzz --seeds 0..10000 -j 2
  apfsim fuzz --seeds 5000.. --minutes 10  as many as there is time for
  apfsim fuzz --seeds 17..18               one seed again
  apfsim fuzz --print 17                   its scenario
  apfsim fuzz --against target/debug/apfsim --share 10")]
    Fuzz(FuzzArgs),
}

/// `apfsim fuzz`
#[derive(Args, Debug)]
pub(crate) struct FuzzArgs {
    /// The seeds, without the last: A.. goes on until --minutes are over
    #[arg(long, value_name = "A..B", default_value = "0..1000", value_parser = crate::values::seeds)]
    pub(crate) seeds: Range<u64>,
    /// Begin no further scenario after so many minutes
    #[arg(long, value_name = "N")]
    pub(crate) minutes: Option<u64>,
    /// Scenarios at a time; by default one a processor. Changes no result
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) jobs: Option<u16>,
    /// Give scenarios to this apfsim, too, such as a build with checks of arithmetic
    #[arg(long, value_name = "PROGRAM")]
    pub(crate) against: Option<PathBuf>,
    /// Of a hundred scenarios, how many are given to the program of --against
    #[arg(long, value_name = "N", default_value_t = 100, requires = "against", value_parser = clap::value_parser!(u8).range(1..=100))]
    pub(crate) share: u8,
    /// Most events of a run; scenarios that need more are made shorter
    #[arg(long, value_name = "N", default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(1000..))]
    pub(crate) events: u64,
    /// Directory for scenarios that fail
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub(crate) out: PathBuf,
    /// Print the scenario of a seed and run nothing
    #[arg(long, value_name = "SEED", conflicts_with_all = ["minutes", "against"])]
    pub(crate) print: Option<u64>,
    /// What to print
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub(crate) format: Format,
    /// Print the result and errors only
    #[arg(short, long)]
    pub(crate) quiet: bool,
}

/// `apfsim fit-scenario`
#[derive(Args, Debug)]
pub(crate) struct FitArgs {
    /// The log, or - for standard input
    pub(crate) log: String,
    /// Write the scenario into this file
    #[arg(short = 'o', long = "output", value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Do not run it: nothing is compared, and the number of computing threads is assumed
    #[arg(long)]
    pub(crate) no_run: bool,
    /// Threads of the guest that fault; by default as many as the log shows at least
    #[arg(long, value_name = "N")]
    pub(crate) faulters: Option<u32>,
    /// Threads of the guest that compute; by default the number with the log's fault rate
    #[arg(long, value_name = "N")]
    pub(crate) workers: Option<u32>,
    /// The guest's time for a touch of a page, such as 180ns; by default what is between faults
    #[arg(long, value_name = "TIME")]
    pub(crate) touch: Option<SimDuration>,
    /// The swap device, for logs that do not show it: a preset, or a latency such as 500us
    #[arg(long, value_name = "DEVICE")]
    pub(crate) device: Option<String>,
    /// The preset processor whose costs hold where the log shows none; by default the nearest
    #[arg(long, value_name = "NAME")]
    pub(crate) cpu: Option<String>,
    /// The policy, instead of the one that the log shows
    #[arg(long, value_name = "NAME")]
    pub(crate) policy: Option<String>,
    /// Seed of the scenario
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) seed: u64,
    /// Write table, JSON, CSV, plot and scenario into this directory
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// What to print
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub(crate) format: Format,
    /// Print the result and errors only
    #[arg(short, long)]
    pub(crate) quiet: bool,
}

/// `apfsim check`
#[derive(Args, Debug)]
pub(crate) struct CheckArgs {
    /// The log, or - for standard input
    pub(crate) log: String,
    /// Generation of the kernel that wrote it, as `apfsim rules` lists them; found out by default
    #[arg(long, value_name = "NAME")]
    pub(crate) rules: Option<String>,
    /// Write the result as table, as JSON, as CSV and as plots into this directory
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// What to print
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub(crate) format: Format,
    /// Print the result and errors only
    #[arg(short, long)]
    pub(crate) quiet: bool,
}

/// `apfsim zoo`
#[derive(Args, Debug)]
pub(crate) struct ZooArgs {
    /// Id of an entry, such as `H03`: tell its story
    pub(crate) id: Option<String>,
    /// Leave out entries that take long
    #[arg(long, conflicts_with = "id")]
    pub(crate) fast: bool,
    /// Write the shortest way to the mistake as a kernel prints its tracepoints, for `check`
    #[arg(long, value_name = "FILE", requires = "id")]
    pub(crate) trace: Option<PathBuf>,
    /// What to print
    #[arg(long, value_enum, default_value_t = ZooFormat::Table)]
    pub(crate) format: ZooFormat,
    /// Entries at a time; default: one a processor. Changes no result
    #[arg(short, long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    pub(crate) jobs: usize,
}

/// How the zoo is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ZooFormat {
    /// For people
    Table,
    /// For programs, with the traces
    Json,
    /// For the documentation, without times
    Markdown,
}

/// `apfsim invariants`
#[derive(Args, Debug)]
pub(crate) struct InvariantsArgs {
    /// Number of an invariant, such as `INV-13`
    pub(crate) id: Option<String>,
    /// What to print
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub(crate) format: Format,
}

/// `apfsim explore`
#[derive(Args, Debug)]
pub(crate) struct ExploreArgs {
    /// Name of a generation
    #[arg(long, value_name = "NAME", default_value = Generation::newest().name)]
    pub(crate) rules: String,
    /// Give a mechanism of the rules the value of another generation; repeat for more
    #[arg(long, value_name = "MECHANISM=VALUE")]
    pub(crate) set: Vec<String>,
    /// Switch a mistake on; repeat for more
    #[arg(long = "defect", value_name = "NAME")]
    pub(crate) defects: Vec<String>,
    /// What may happen besides faults, and how often at most (1); repeat for more
    #[arg(long, value_name = "DISTURBANCE[=N]")]
    pub(crate) with: Vec<String>,
    /// vCPUs
    #[arg(long, value_name = "N", default_value_t = 2)]
    pub(crate) vcpus: u16,
    /// Follow all vCPUs, not one among others. Finds the same and takes much longer
    #[arg(long)]
    pub(crate) whole: bool,
    /// Tasks of each vCPU
    #[arg(long, value_name = "N", default_value_t = 2)]
    pub(crate) tasks: u8,
    /// Pages, each touched once by each task
    #[arg(long, value_name = "N", default_value_t = 2)]
    pub(crate) pages: u8,
    /// Items that a vCPU may have outstanding; by default as many as pages
    #[arg(long, value_name = "N")]
    pub(crate) cap: Option<u32>,
    /// Bits of the token counter, which wraps
    #[arg(long, value_name = "N", default_value_t = 2)]
    pub(crate) token_bits: u8,
    /// Number the vCPUs from N, in tokens with the kernel's 12 bits for it. Implies --whole
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(..=16_383))]
    pub(crate) first_vcpu: Option<u16>,
    /// Let the token counters begin at N, in tokens as of --first-vcpu
    #[arg(long, value_name = "N")]
    pub(crate) first_counter: Option<u32>,
    /// The guest never switches notices on
    #[arg(long)]
    pub(crate) no_notices: bool,
    /// The guest asks for notices at CPL 0 too
    #[arg(long)]
    pub(crate) send_always: bool,
    /// The local APIC is not in the host kernel
    #[arg(long)]
    pub(crate) no_irqchip: bool,
    /// The host mirrors the guest's page tables, of which each task has its own
    #[arg(long)]
    pub(crate) shadow: bool,
    /// End after so many moves from the beginning
    #[arg(long, value_name = "N")]
    pub(crate) depth: Option<u32>,
    /// End after so many different states
    #[arg(long, value_name = "N")]
    pub(crate) states: Option<u32>,
    /// End at so much memory, in MiB
    #[arg(long, value_name = "MIB")]
    pub(crate) memory: Option<u64>,
    /// Findings that are known, as written by `--out`: only others lead to exit status 1
    #[arg(long, value_name = "FILE")]
    pub(crate) baseline: Option<PathBuf>,
    /// Write the result with all traces into this file, as JSON
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Write the shortest way to each finding as a kernel prints its tracepoints, for `check`
    ///
    /// Of several findings each has its own file: the invariant is put before the extension, so
    /// that `trace.txt` becomes `trace.INV-13.txt`.
    #[arg(long, value_name = "FILE")]
    pub(crate) trace: Option<PathBuf>,
    /// What to print
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub(crate) format: Format,
    /// Print the result and errors only
    #[arg(short, long)]
    pub(crate) quiet: bool,
    /// List disturbances and defects
    #[arg(long)]
    pub(crate) list: bool,
}

/// `apfsim rules`
#[derive(Args, Debug)]
pub(crate) struct RulesArgs {
    /// Name of a generation: print every mechanism with its value and source
    pub(crate) generation: Option<String>,
    /// Print in what two generations differ
    #[arg(long, num_args = 2, value_names = ["OLD", "NEW"], conflicts_with = "generation")]
    pub(crate) diff: Option<Vec<String>>,
    /// What to print
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub(crate) format: Format,
}

/// `apfsim presets`
#[derive(Args, Debug)]
pub(crate) struct PresetsArgs {
    /// Name of a processor preset: print its numbers, what they mean and where they come from
    pub(crate) name: Option<String>,
}

/// `apfsim compare`
#[derive(Args, Debug)]
pub(crate) struct CompareArgs {
    /// Name of a built-in scenario, or path of a scenario file
    pub(crate) scenario: String,
    /// Compare this policy instead of the scenario's; repeat for more
    ///
    /// When the scenario's baseline is not among them, the first one becomes the baseline.
    #[arg(long = "policy", value_name = "NAME")]
    pub(crate) policies: Vec<String>,
    /// Runs of each policy, with different random numbers, instead of the scenario's number
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub(crate) replications: Option<u32>,
    /// Write what each run does as a kernel prints its tracepoints; compressed if FILE ends in .gz
    ///
    /// Each run has its own file: policy and replication are put before the extension, so that
    /// `trace.txt` becomes `trace.sync.0.txt`. Runs kept in --out are run again. Changes no result.
    #[arg(long, value_name = "FILE")]
    pub(crate) trace: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) run: RunningArgs,
}

/// `apfsim run`
#[derive(Args, Debug)]
pub(crate) struct RunArgs {
    /// Name of a built-in scenario, or path of a scenario file
    pub(crate) scenario: String,
    /// The policy to run; by default the last one that the scenario lists
    #[arg(long, value_name = "NAME")]
    pub(crate) policy: Option<String>,
    /// Runs with different random numbers
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) replications: u32,
    /// Write what the run does as a kernel prints its tracepoints; compressed if FILE ends in .gz
    ///
    /// Of several replications each has its own file: policy and replication are put before the
    /// extension, so that `trace.txt` becomes `trace.sync.0.txt`. Runs kept in --out are run again.
    /// Changes no result.
    #[arg(long, value_name = "FILE")]
    pub(crate) trace: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) run: RunningArgs,
}

/// `apfsim test`
#[derive(Args, Debug)]
pub(crate) struct TestArgs {
    /// Scenario files, folders with such files, or names of built-in scenarios
    #[arg(required = true, value_name = "DIR|FILE")]
    pub(crate) places: Vec<String>,
    /// Write the results into this file, as JUnit XML
    #[arg(long, value_name = "FILE")]
    pub(crate) junit: Option<PathBuf>,
    /// What to print
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: Format,
    /// Runs at a time; by default as many as there are processors. Changes no result
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) jobs: Option<u16>,
    /// Print what failed and the count only: no progress, no line for what is as expected
    #[arg(short, long)]
    pub(crate) quiet: bool,
}

/// `apfsim sweep`
#[derive(Args, Debug)]
pub(crate) struct SweepArgs {
    /// Name of a built-in sweep, path of a sweep file, or a scenario to be swept along `--axis`
    pub(crate) scenario: String,
    /// Vary these fields of a scenario; repeat for a grid
    #[arg(long = "axis", value_name = "FIELD[,FIELD]=VALUES")]
    pub(crate) axes: Vec<String>,
    /// Give a field this value at every point; repeat for more
    #[arg(long, value_name = "FIELD=VALUE")]
    pub(crate) set: Vec<String>,
    /// Compare this policy instead of the scenario's; repeat for more
    ///
    /// When the scenario's baseline is not among them, the first one becomes the baseline.
    #[arg(long = "policy", value_name = "NAME")]
    pub(crate) policies: Vec<String>,
    /// Show this metric in the table instead of the median latency; repeat for more
    #[arg(long = "metric", value_name = "NAME")]
    pub(crate) metrics: Vec<String>,
    /// Runs of each policy at each point, instead of the scenario's number
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub(crate) replications: Option<u32>,
    #[command(flatten)]
    pub(crate) run: RunningArgs<SweepFormat>,
}

/// `apfsim crossover`
#[derive(Args, Debug)]
pub(crate) struct CrossoverArgs {
    /// Name of a built-in scenario, or path of a scenario file
    pub(crate) scenario: String,
    /// The fields that have the value, between commas
    #[arg(long, value_name = "FIELD[,FIELD]")]
    pub(crate) field: String,
    /// The lowest value, such as `2us`
    #[arg(long, value_name = "VALUE")]
    pub(crate) from: String,
    /// The highest value, such as `20ms`
    #[arg(long, value_name = "VALUE")]
    pub(crate) to: String,
    /// The policy in question
    #[arg(long, value_name = "NAME", default_value = "apf-v7-2010")]
    pub(crate) policy: String,
    /// The policy that it is compared with
    #[arg(long, value_name = "NAME", default_value = "sync")]
    pub(crate) against: String,
    /// The metric; `apfsim run` shows all of them
    #[arg(long, value_name = "NAME", default_value = "lost_time_per_fault")]
    pub(crate) metric: String,
    /// How narrow the bracket is made, as a part of the value
    #[arg(long, value_name = "PERCENT", default_value = "1%", value_parser = percent)]
    pub(crate) tolerance: f64,
    /// Give another field this value; repeat for more
    #[arg(long, value_name = "FIELD=VALUE")]
    pub(crate) set: Vec<String>,
    /// Runs of each policy at each value, instead of the scenario's number
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub(crate) replications: Option<u32>,
    #[command(flatten)]
    pub(crate) run: RunningArgs,
}

/// `1%` or `1` as 0.01.
fn percent(text: &str) -> Result<f64, String> {
    let number = text.trim().trim_end_matches('%').trim_end().parse::<f64>();
    match number {
        Ok(percent) if (0.001..=50.0).contains(&percent) => Ok(percent / 100.0),
        _ => Err("a part from 0.001% to 50%, such as `1%`".to_owned()),
    }
}

/// `apfsim schema`
#[derive(Args, Debug)]
pub(crate) struct SchemaArgs {
    /// The schema of sweep files instead of scenario files
    #[arg(long)]
    pub(crate) sweep: bool,
}

/// `apfsim anatomy`
#[derive(Args, Debug)]
pub(crate) struct AnatomyArgs {
    /// Name of a built-in scenario, or path of a scenario file
    pub(crate) scenario: String,
    /// Show this policy; repeat for more. By default `sync`, `halt` and the last asynchronous one
    /// of the scenario's policies
    #[arg(long = "policy", value_name = "NAME")]
    pub(crate) policies: Vec<String>,
    /// Which fault to show; repeat for more. By default all three
    #[arg(long = "pick", value_name = "FAULT", value_enum)]
    pub(crate) picks: Vec<PickArg>,
    /// Seed of all random numbers, instead of the scenario's
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub(crate) seed: Option<u64>,
    /// Measured time, instead of the scenario's: `5s`
    #[arg(long, value_name = "TIME", value_parser = crate::values::duration)]
    pub(crate) duration: Option<SimDuration>,
    /// Write the text, JSON and pictures into this directory
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// What to print
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub(crate) format: Format,
    /// Print the result and errors only: no progress, no notes
    #[arg(short, long)]
    pub(crate) quiet: bool,
}

/// A fault to show.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum PickArg {
    /// Half of the faults are not slower
    Median,
    /// 99 % of the faults are not slower
    P99,
    /// The slowest
    Worst,
}

/// How to run, whatever is run. `F` is what can be printed.
#[derive(Args, Debug)]
pub(crate) struct RunningArgs<F = Format>
where
    F: ValueEnum + Default + Send + Sync + 'static,
{
    /// Seed of all random numbers, instead of the scenario's
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub(crate) seed: Option<u64>,
    /// Runs at a time; by default as many as there are processors. Changes no result
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) jobs: Option<u16>,
    /// Write the results as table, as JSON, as CSV and as plots into this directory
    ///
    /// Finished runs are kept there too, so that the same command goes on where an interrupted
    /// one stopped.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// What to print
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: F,
    /// Print the result and errors only: no progress, no notes
    #[arg(short, long)]
    pub(crate) quiet: bool,
    /// The event queue: `hybrid`, `std` or `reference`. Changes no result
    #[arg(long, value_name = "KIND", default_value_t = QueueKind::default())]
    pub(crate) queue: QueueKind,
    /// Simulate every access as an event of its own. Slower, and changes no result
    #[arg(long)]
    pub(crate) no_skip: bool,
}

/// What is printed as result.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Text for people, at most 78 columns (anatomy: 100)
    #[default]
    Table,
    /// One JSON object
    Json,
}

/// What is printed as result of a sweep.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum SweepFormat {
    /// Text for people, at most 100 columns: a line a point
    #[default]
    Table,
    /// A row a point and policy, with every metric
    Csv,
    /// A JSON object a point, on a line each
    Jsonl,
}

/// `apfsim show`
#[derive(Args, Debug)]
pub(crate) struct ShowArgs {
    /// Name of a built-in scenario or sweep
    pub(crate) name: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn definitions_are_consistent() {
        Cli::command().debug_assert();
    }
}
