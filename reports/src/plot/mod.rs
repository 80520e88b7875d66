//! Plots as SVG and PNG, and as PDF with the feature `pdf`.
//!
//! A figure (`work`, `latency`) turns a comparison into a `scene`: text, lines and areas on
//! a page. `svg` and `bitmap` paint scenes through `plotters` backends. All text is placed by
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
mod device_fit;
mod error;
mod fit;
mod font;
mod gain;
mod heat;
mod latency;
mod marks;
mod multiples;
mod page;
mod panel;
#[cfg(feature = "pdf")]
mod pdf;
mod scene;
mod series;
mod style;
mod svg;
mod tornado;
mod work;

#[cfg(test)]
mod tests;

use models::trace::anatomy::Pick;
use scenarios::{
    AnatomyReport, CheckReport, Comparison, DeviceFitReport, FitReport, SensitivityResult,
    SweepResult,
};

pub use self::error::PlotError;
#[cfg(test)]
pub(crate) use self::page::swept;
use self::scene::Scene;

/// A picture, with the name of its files.
#[derive(Clone, Debug)]
pub struct Figure {
    name: String,
    scene: Scene,
}

impl Figure {
    fn new(name: impl Into<String>, scene: Scene) -> Self {
        Self { name: name.into(), scene }
    }

    /// The name of its files, without extension.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The text of an SVG file.
    ///
    /// # Errors
    /// When the drawing library fails.
    pub fn svg(&self) -> Result<String, PlotError> {
        svg::svg(&self.scene)
    }

    /// The bytes of a PNG file.
    ///
    /// # Errors
    /// When the drawing library or the encoder fails.
    pub fn png(&self) -> Result<Vec<u8>, PlotError> {
        bitmap::png(&self.scene)
    }

    /// The bytes of a PDF file.
    ///
    /// # Errors
    /// When the drawing library or the converter fails.
    #[cfg(feature = "pdf")]
    pub fn pdf(&self) -> Result<Vec<u8>, PlotError> {
        pdf::pdf(&self.scene)
    }

    /// Holds that no text leaves the page or covers another.
    #[cfg(test)]
    #[track_caller]
    pub(crate) fn check_texts(&self, what: &str) {
        tests::check_texts(&format!("{what}, {}", self.name), &self.scene);
    }
}

/// Whether a run was followed over time, as those for a folder are.
pub(crate) fn is_followed(comparison: &Comparison) -> bool {
    comparison.policies.iter().any(|policy| policy.series.is_some())
}

/// Work by policy with error bars and published values beside, distributions of fault latency and, where there are
/// requests, of theirs, and work, faults, waiting vCPUs, items and workers over time where runs were followed.
pub fn of_comparison(comparison: &Comparison) -> Vec<Figure> {
    let mut figures = vec![
        Figure::new("work-by-policy", work::scene(comparison)),
        Figure::new("fault-latency-cdf", latency::scene(comparison)),
    ];
    if is_followed(comparison) {
        figures.push(Figure::new("throughput-over-time", series::scene(comparison)));
    }
    let requests = latency::of_requests(comparison);
    figures.extend(requests.map(|scene| Figure::new("request-latency-cdf", scene)));
    figures
}

/// The gain along the axis of a sweep that has one, of times or numbers, or in the plane of two.
pub fn of_sweep(sweep: &SweepResult) -> Vec<Figure> {
    let along = gain::scene(sweep).map(|scene| Figure::new("gain", scene));
    let plane = heat::scene(sweep).map(|scene| Figure::new("gain-heat", scene));
    along.into_iter().chain(plane).collect()
}

/// What each axis does to the result.
pub fn of_sensitivity(result: &SensitivityResult) -> Vec<Figure> {
    tornado::scene(result).map(|scene| Figure::new("tornado", scene)).into_iter().collect()
}

/// Distributions of every time that a real kernel's log decides, and outstanding requests and
/// faults of each kind over time, by vCPU.
pub fn of_check(report: &CheckReport) -> Vec<Figure> {
    vec![
        Figure::new("check-latencies", check::latencies(report)),
        Figure::new("check-course", check::course(report)),
    ]
}

/// Some paths of a fit, recorded and simulated: as distributions, and every path by percentile.
pub fn of_fit(report: &FitReport) -> Vec<Figure> {
    let quantiles = fit::quantiles(report).map(|scene| Figure::new("fit-quantiles", scene));
    [Figure::new("fit-paths", fit::scene(report))].into_iter().chain(quantiles).collect()
}

/// A fitted device beside what was measured.
pub fn of_device_fit(report: &DeviceFitReport) -> Vec<Figure> {
    device_fit::scene(report).map(|scene| Figure::new("device-fit", scene)).into_iter().collect()
}

/// A picture of each pick that some policy has.
pub fn of_anatomy(report: &AnatomyReport) -> Vec<Figure> {
    let picked = |pick: &Pick| {
        let mut faults = report.policies.iter().flat_map(|policy| &policy.picked);
        faults.any(|fault| fault.pick == *pick)
    };
    let figure =
        |pick: Pick| Figure::new(format!("anatomy-{}", pick.name()), anatomy::scene(report, pick));
    Pick::ALL.into_iter().filter(picked).map(figure).collect()
}
