//! What is said of a metric, once for everybody who names it, prints it or compares it.

use super::totals::Totals;

/// What a number is a number of; decides how it is written, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// How often something happened, or how many there were.
    Count,
    /// A number that need not be whole, such as a mean of counts.
    Number,
    /// A part of a whole, from 0 to 1.
    Share,
    /// A time.
    Seconds,
    /// Units of counted work.
    Work,
    /// Pages of 4 KiB.
    Pages,
    /// How often a second.
    Rate,
}

impl Unit {
    /// As results name it: `1` for everything without a unit.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Count | Self::Number | Self::Share => "1",
            Self::Seconds => "s",
            Self::Work => "units",
            Self::Pages => "pages",
            Self::Rate => "1/s",
        }
    }

    /// In a list of metrics, where counts and shares are told apart.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Count => "count",
            Self::Number => "number",
            Self::Share => "share",
            Self::Seconds => "s",
            Self::Work => "units",
            Self::Pages => "pages",
            Self::Rate => "1/s",
        }
    }
}

/// Which of two values is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Better {
    /// The larger one.
    More,
    /// The smaller one.
    Less,
    /// That depends on what one wants.
    Neither,
}

impl Better {
    /// In a list of metrics.
    pub const fn word(self) -> &'static str {
        match self {
            Self::More => "more",
            Self::Less => "less",
            Self::Neither => "",
        }
    }
}

/// Where `compare` shows a metric. Within a block metrics stand in the order of
/// [`METRICS`](super::METRICS).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Block {
    /// Nowhere; `run` shows it.
    None,
    /// Under "CPU time".
    CpuTime,
    /// Under "Faults".
    Faults,
    /// Under "Faults", as a part of what stands above it.
    FaultsPart,
    /// Under "Requests".
    Requests,
    /// Under "A request's time".
    RequestParts,
}

/// One metric.
#[derive(Clone, Copy, Debug)]
pub struct MetricKind {
    /// Its name in files, tables and expectations.
    pub name: &'static str,
    /// Its unit.
    pub unit: Unit,
    /// Which of two values is better.
    pub better: Better,
    /// What it is called in tables for people.
    pub label: &'static str,
    /// What it means, in a sentence.
    pub meaning: &'static str,
    /// Where `compare` shows it.
    pub block: Block,
    /// Whether `compare` gives its ratio to the baseline's.
    pub ratio: bool,
    /// Whether there is one of each group of tasks that has requests, too, under its name with that of
    /// the group: `request_rate[server]`.
    pub by_group: bool,
    /// Whether there is one of each virtual machine, too, where there are several, under its name with that of
    /// the virtual machine: `work_total[web]`. What the host has once, such as its device, there is not.
    pub by_vm: bool,
    /// The value; none where a run does not define it: a share of no time, a quantile of no faults.
    pub(super) value: fn(&Totals<'_>) -> Option<f64>,
}

impl MetricKind {
    /// What most counts have in common. An entry without a value never gives one.
    pub(super) const COUNT: Self = Self {
        name: "",
        unit: Unit::Count,
        better: Better::Neither,
        label: "",
        meaning: "",
        block: Block::None,
        ratio: false,
        by_group: false,
        by_vm: true,
        value: |_| None,
    };
}
