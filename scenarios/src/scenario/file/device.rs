//! Swap devices.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::syntax::units::Span;

/// A swap device.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[schemars(untagged)]
pub enum DeviceRef {
    /// Name of a preset.
    Name(String),
    /// A preset with changes.
    Preset(DevicePresetFile),
    /// A whole description.
    Inline(DeviceFile),
}

/// A device preset with changes. Only fields of the preset's kind may be given.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "an object that describes a device")]
pub struct DevicePresetFile {
    /// Name of the preset that everything else is taken from.
    pub preset: String,
    /// Kind `constant`: time of a read.
    pub read_latency: Option<Span>,
    /// Kind `constant`: time of a write.
    pub write_latency: Option<Span>,
    /// Kind `channels`: requests served at once.
    pub channels: Option<u64>,
    /// Kind `channels`: service time of a one-page read.
    pub read: Option<ServiceTime>,
    /// Kind `channels`: service time of a one-page write.
    pub write: Option<ServiceTime>,
    /// Kind `channels`: additional time for each page after the first.
    pub per_page: Option<Span>,
    /// Kind `hdd`: constant part of a seek.
    pub seek_base: Option<Span>,
    /// Kind `hdd`: factor of the square root of the distance, as a fraction of the full stroke.
    pub seek_sqrt: Option<Span>,
    /// Kind `hdd`: one turn.
    pub rotation: Option<Span>,
    /// Kind `hdd`: time to pass one page under the head.
    pub transfer_per_page: Option<Span>,
    /// Kind `hdd`: fixed cost of a command.
    pub controller: Option<Span>,
    /// Kind `hdd`: share of the full stroke that the swap area spans, in millionths.
    pub swap_span_ppm: Option<u64>,
    /// Kind `hdd`: changes to the request scheduler.
    pub elevator: Option<ElevatorFile>,
}

/// A swap device in full; `kind` says which law it follows.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "lowercase")]
#[schemars(tag = "kind")]
pub enum DeviceFile {
    /// The same latency for every request, without queueing.
    Constant {
        /// Time from submission to completion of a read.
        read_latency: Span,
        /// Time from submission to completion of a write.
        write_latency: Span,
    },
    /// Parallel channels; requests beyond them wait in order of submission.
    Channels {
        /// Requests served at once: 1 to 65536.
        channels: u64,
        /// Service time of a one-page read.
        read: ServiceTime,
        /// Service time of a one-page write.
        write: ServiceTime,
        /// Additional time for each page of a request after the first. Default: "0s".
        per_page: Option<Span>,
    },
    /// One arm with a deadline elevator. A seek over a fraction x of the full stroke takes
    /// `seek_base + seek_sqrt * sqrt(x)`.
    Hdd {
        /// Constant part of a seek.
        seek_base: Span,
        /// Factor of the square root of the distance.
        seek_sqrt: Span,
        /// One turn; the rotational wait is uniform over it.
        rotation: Span,
        /// Time to pass one page under the head.
        transfer_per_page: Span,
        /// Fixed cost of a command. Default: "0s".
        controller: Option<Span>,
        /// Share of the full stroke that the swap area spans, in millionths.
        swap_span_ppm: u64,
        /// Changes to the request scheduler. Default: the deadline elevator of Linux.
        elevator: Option<ElevatorFile>,
    },
}

/// Parameters of the deadline elevator.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "an object that describes an elevator")]
pub struct ElevatorFile {
    /// A read older than this is served out of order. Default: "500ms".
    pub read_expire: Option<Span>,
    /// A write older than this is served out of order. Default: "5s".
    pub write_expire: Option<Span>,
    /// Requests served in one direction before deadlines are looked at. Default: 16.
    pub fifo_batch: Option<u64>,
    /// Times that reads may pass waiting writes. Default: 2.
    pub writes_starved: Option<u64>,
}

/// A service time: a constant such as `"85us"`, or a law.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[schemars(untagged)]
pub enum ServiceTime {
    /// Always the same.
    Name(Span),
    /// A law; `kind` says which.
    Inline(LawFile),
}

/// A law of service times.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
#[schemars(tag = "kind")]
pub enum LawFile {
    /// Always the same.
    Constant {
        /// The time.
        value: Span,
    },
    /// Every time from `low` to `high` equally likely.
    Uniform {
        /// The lowest.
        low: Span,
        /// The highest.
        high: Span,
    },
    /// Exponential.
    Exponential {
        /// The mean.
        mean: Span,
    },
    /// `median * e^(sigma Z)`, Z standard normal.
    LogNormal {
        /// The median.
        median: Span,
        /// Standard deviation of the logarithm, in thousandths: 0 to 10000.
        sigma_milli: u64,
    },
    /// P(X > x) = (scale / x)^shape from `scale` on.
    Pareto {
        /// The lowest time.
        scale: Span,
        /// The shape in thousandths, not zero.
        shape_milli: u64,
    },
    /// Quantiles with straight lines between them.
    Empirical {
        /// Points from 0 to 1000000 ppm, neither probabilities nor values falling.
        points: Vec<QuantileFile>,
    },
    /// One of several laws, drawn anew for every value.
    Mixture {
        /// The laws with their weights.
        parts: Vec<PartFile>,
    },
}

/// A point of an empirical law.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "an object with `ppm` and `value`")]
pub struct QuantileFile {
    /// Probability of a time up to `value`, in millionths.
    pub ppm: u64,
    /// The time.
    pub value: Span,
}

/// A part of a mixture.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "an object with `weight` and `law`")]
pub struct PartFile {
    /// How often, in relation to the other parts.
    pub weight: u64,
    /// The law.
    pub law: ServiceTime,
}
