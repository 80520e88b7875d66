//! Plots as SVG and PNG.
//!
//! A figure ([`work`], [`latency`]) turns a comparison into a [`scene`]: text, lines and areas on
//! a page. [`svg`] and [`bitmap`] paint scenes through `plotters` backends. All text is placed by
//! the measures of an embedded font, so no plot depends on the fonts of a machine.

mod anatomy;
mod anatomy_legend;
mod anatomy_measures;
mod anatomy_states;
#[cfg(test)]
mod anatomy_tests;
mod axis;
mod bitmap;
mod check;
mod error;
mod fit;
mod font;
mod gain;
mod latency;
mod marks;
mod page;
mod panel;
mod scene;
mod series;
mod style;
mod svg;
mod work;

#[cfg(test)]
mod tests;

use scenarios::{CheckReport, Comparison, FitReport, SweepResult};

pub use self::anatomy::{anatomy_png, anatomy_svg};
pub use self::error::PlotError;
use self::scene::Scene;

/// A kind of plot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plot {
    /// Work by policy with error bars, and published values beside.
    WorkByPolicy,
    /// Cumulative distribution of fault latency by policy.
    FaultLatencyCdf,
    /// Work, faults, waiting vCPUs, items and workers over time, by policy.
    ThroughputOverTime,
}

impl Plot {
    /// Every kind.
    pub const ALL: [Self; 3] =
        [Self::WorkByPolicy, Self::FaultLatencyCdf, Self::ThroughputOverTime];

    /// The name of its files, without extension.
    pub fn name(self) -> &'static str {
        match self {
            Self::WorkByPolicy => "work-by-policy",
            Self::FaultLatencyCdf => "fault-latency-cdf",
            Self::ThroughputOverTime => "throughput-over-time",
        }
    }

    /// The plot as the text of an SVG file.
    pub fn svg(self, comparison: &Comparison) -> Result<String, PlotError> {
        svg::svg(&self.scene(comparison))
    }

    /// The plot as the bytes of a PNG file.
    pub fn png(self, comparison: &Comparison) -> Result<Vec<u8>, PlotError> {
        bitmap::png(&self.scene(comparison))
    }

    fn scene(self, comparison: &Comparison) -> Scene {
        match self {
            Self::WorkByPolicy => work::scene(comparison),
            Self::FaultLatencyCdf => latency::scene(comparison),
            Self::ThroughputOverTime => series::scene(comparison),
        }
    }
}

/// The plot of a sweep along one axis.
#[derive(Clone, Debug)]
pub struct SweepPlot(Scene);

impl SweepPlot {
    /// The plot, when the sweep has one axis and its values are times or numbers.
    pub fn of(sweep: &SweepResult) -> Option<Self> {
        gain::scene(sweep).map(Self)
    }

    /// The name of its files, without extension.
    pub fn name(&self) -> &'static str {
        "gain"
    }

    /// Holds that no text leaves the page or covers another.
    #[cfg(test)]
    pub(crate) fn check_texts(&self) {
        tests::check_texts("sweep", &self.0);
    }

    /// The plot as the text of an SVG file.
    ///
    /// # Errors
    /// When the drawing library fails.
    pub fn svg(&self) -> Result<String, PlotError> {
        svg::svg(&self.0)
    }

    /// The plot as the bytes of a PNG file.
    ///
    /// # Errors
    /// When the drawing library or the encoder fails.
    pub fn png(&self) -> Result<Vec<u8>, PlotError> {
        bitmap::png(&self.0)
    }
}

/// Some paths of a fit, recorded and simulated, as the text of an SVG file.
///
/// # Errors
/// When the drawing library fails.
pub fn fit_svg(report: &FitReport) -> Result<String, PlotError> {
    svg::svg(&fit::scene(report))
}

/// Some paths of a fit, recorded and simulated, as the bytes of a PNG file.
///
/// # Errors
/// When the drawing library or the encoder fails.
pub fn fit_png(report: &FitReport) -> Result<Vec<u8>, PlotError> {
    bitmap::png(&fit::scene(report))
}

/// A plot of a real kernel's log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckPlot {
    /// Cumulative distributions of every time that the log decides.
    Latencies,
    /// Outstanding requests and faults of each kind over time, by vCPU.
    Course,
}

impl CheckPlot {
    /// Every kind.
    pub const ALL: [Self; 2] = [Self::Latencies, Self::Course];

    /// The name of its files, without extension.
    pub fn name(self) -> &'static str {
        match self {
            Self::Latencies => "check-latencies",
            Self::Course => "check-course",
        }
    }

    /// The plot as the text of an SVG file.
    ///
    /// # Errors
    /// When the drawing library fails.
    pub fn svg(self, report: &CheckReport) -> Result<String, PlotError> {
        svg::svg(&self.scene(report))
    }

    /// The plot as the bytes of a PNG file.
    ///
    /// # Errors
    /// When the drawing library or the encoder fails.
    pub fn png(self, report: &CheckReport) -> Result<Vec<u8>, PlotError> {
        bitmap::png(&self.scene(report))
    }

    fn scene(self, report: &CheckReport) -> Scene {
        match self {
            Self::Latencies => check::latencies(report),
            Self::Course => check::course(report),
        }
    }
}
