//! What can be typed.

mod cause;
mod format;
mod logs;
mod new;
mod protocol;
mod runs;
mod shell;

use clap::{Parser, Subcommand};

pub(crate) use cause::{DiffArgs, WhyArgs};
pub(crate) use format::Format;
pub(crate) use logs::{
    CheckArgs, FitArgs, FitCommand, FitDeviceArgs, FitPagesArgs, FuzzArgs, ListOrder,
};
pub(crate) use new::{KindArg, NewArgs};
pub(crate) use protocol::{ExploreArgs, InvariantsArgs, MetricsArgs, RulesArgs, ZooArgs};
pub(crate) use runs::{
    AnatomyArgs, CompareArgs, CrossoverArgs, MergeArgs, PickArg, PresetsArgs, ReportArgs, RunArgs,
    RunningArgs, SchemaArgs, ShowArgs, SweepArgs, SweepCommand, TestArgs, ValidateArgs,
};
pub(crate) use shell::{CompletionsArgs, ManArgs};

/// A deterministic simulator of KVM asynchronous page faults.
#[derive(Debug, Parser)]
#[command(name = "apfsim", version, long_version = scenarios::LONG_VERSION, arg_required_else_help = true)]
#[command(after_help = "\
Exit status:
  0  fine
  1  an invariant was violated (known violations do not count), an expectation was not met, or two
     runs differ (diff)
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
  apfsim compare smoke --set host.swap.device=hdd-7200 --duration 5s
  apfsim compare natapov-2010 -j 2 --out results/  keep table, JSON, CSV and plots
  apfsim compare smoke --format json | jq .digest")]
    Compare(CompareArgs),
    /// Make a scenario of your own to begin with: asks for what is not given
    #[command(after_help = "\
On a terminal it asks for what no flag says; elsewhere, and with --yes, the usual stands for it. The file has
comments, and passes as it is. A file that is there is never overwritten.

Examples:
  apfsim new mine.json
  apfsim new mine.json --kind requests --memory 4GiB --limit 1GiB --vcpus 4 --device nvme-tlc-gen3 --yes
  apfsim new restore.json --kind restore --memory 512MiB --host-kernel linux-6.12 --yes")]
    New(NewArgs),
    /// Run one policy once and show every metric, task and finding
    #[command(after_help = "\
Examples:
  apfsim run smoke                        the last policy that the scenario lists
  apfsim run smoke --policy halt --seed 7
  apfsim run my-scenario.json --out results/mine
  apfsim run smoke --trace smoke.txt.gz   its tracepoints, as tracefs would show them")]
    Run(RunArgs),
    /// Run scenarios that say what they expect, and report expectations that were not met
    #[command(after_help = "\
A scenario says it with lines in its field `expect`; see docs/regression-testing.md. Exit status 1:
a line was not met, or an invariant was violated that no line expects. 2: a file cannot be run.

Examples:
  apfsim test my-scenario.json
  apfsim test scenarios/ -j 2 --junit results.xml    all files below a folder
  apfsim test smoke closed-form                      built-in scenarios")]
    Test(TestArgs),
    /// Run published experiments and show what was published beside what is simulated
    #[command(after_help = "\
Each experiment is a file: published numbers with their source, the set-up that is simulated and what it rests
on. `--list` lists the built-in ones, `apfsim show NAME` prints one; docs/validation.md has the rule by which
rows and experiments are judged, and what is known of the errors.

Exit status: 0, whatever came out; 1 a number or an experiment is outside and --strict was given, or an invariant
was violated; 2 a file or a run is wrong.

Examples:
  apfsim validate --list
  apfsim validate                              all built-in experiments
  apfsim validate R1 R3 --format markdown
  apfsim validate my-experiment.json --strict")]
    Validate(ValidateArgs),
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
  apfsim sweep my-sweep.json -j 2 --out results/mine    see docs/sweep-format.md
  apfsim sweep my-sweep.json --shard 3/8 --out part-3   see docs/clusters.md")]
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
  apfsim anatomy FILE --request --pick p99              what a slow request waited for
  apfsim anatomy natapov-2010 --policy sync --policy apf-v2.6.39 --out results/anatomy")]
    Anatomy(AnatomyArgs),
    /// Show the first record in which two runs differ, what led to it, and what differs in their settings
    #[command(after_help = "\
Both runs go on side by side until their records differ; nothing is written. What is not given for one
of the two holds for both, and without a second scenario the first one is compared with itself.

Exit status: 0 the runs are equal, 1 they differ, 2 bad usage, bad input, or a run that failed.

Examples:
  apfsim diff smoke --policy-a sync --policy-b halt     where two policies part
  apfsim diff smoke --set-b host.swap.read_ahead=1      what a setting changes first
  apfsim diff old.json new.json --policy apf-v6.12      why a result has changed
  apfsim diff smoke --seed-b 7 --history 20
  apfsim diff smoke --no-skip-b                         stepped and ahead are equal
  apfsim diff old.json new.json --format json | jq .settings")]
    Diff(DiffArgs),
    /// Show why one request, or one fault, took so long: what it waited for when, and who held that
    #[command(after_help = "\
The policy runs twice with the same random numbers: once to find the request, once to look at it. The
links add up to its latency; where it waits for a page of its own they are those of the fault.

Examples:
  apfsim why kv-overcommit                              its slowest request
  apfsim why kv-overcommit --policy sync --request p99
  apfsim why kv-overcommit --request 2                  the second slowest
  apfsim why natapov-2010 --duration 5s --fault         the slowest major fault
  apfsim why natapov-2010 --duration 5s --fault p99 --format json | jq .links")]
    Why(WhyArgs),
    /// Make report.html of a folder of results again
    #[command(after_help = "\
`--out DIR` of compare, run, sweep and anatomy writes DIR/report.html: one file for a browser, with tables
that sort, policies that toggle, plots, the scenario with the sources of its presets, and the data. What
`anatomy --out` left in the folder of a comparison is on its page, too.

Examples:
  apfsim compare natapov-2010 --out results/natapov
  apfsim anatomy natapov-2010 --out results/natapov
  apfsim report results/natapov")]
    Report(ReportArgs),
    /// List the built-in scenarios and sweeps
    Scenarios,
    /// Print the file of a built-in scenario, sweep or experiment, to read or to begin one's own with
    #[command(after_help = "\
Examples:
  apfsim show natapov-2010 > my-scenario.json
  apfsim show my-scenario.json --resolved                 every value and where it comes from
  apfsim show smoke --resolved --set host.kernel=linux-6.12 --format json")]
    Show(ShowArgs),
    /// Print the JSON Schema of scenario files, sweep files, or files of published experiments
    Schema(SchemaArgs),
    /// List the metrics of results: name, unit, which way is better, meaning
    #[command(after_help = "\
`apfsim run` shows all of them, `compare` some. Lines of `expect`, --metric of sweep and crossover, and
all files of results have the same names.

Examples:
  apfsim metrics
  apfsim metrics --format json | jq '.[] | select(.better == \"less\") | .name'")]
    Metrics(MetricsArgs),
    /// List the policies that scenarios can compare
    Policies,
    /// List the presets of processors, swap devices and kernels, or every value of one
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
without it must be quiet. Exit status 1: an entry was not as expected.

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
    /// Make a part of a scenario of measurements
    #[command(subcommand)]
    Fit(FitCommand),
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
    /// Print a script with which a shell completes commands and options
    #[command(after_help = "\
Where scripts lie:
  apfsim completions bash > ~/.local/share/bash-completion/completions/apfsim
  apfsim completions zsh > ~/.zfunc/_apfsim            with fpath+=(~/.zfunc) in ~/.zshrc
  apfsim completions fish > ~/.config/fish/completions/apfsim.fish")]
    Completions(CompletionsArgs),
    /// Write man pages, one a command, into a directory
    #[command(after_help = "Example:\n  apfsim man ~/.local/share/man/man1 && man apfsim-compare")]
    Man(ManArgs),
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
