//! Plots as SVG and PNG.
//!
//! A figure ([`work`], [`latency`]) turns a comparison into a [`scene`]: text, lines and areas on
//! a page. [`svg`] and [`bitmap`] paint scenes through `plotters` backends. All text is placed by
//! the measures of an embedded font, so no plot depends on the fonts of a machine.

mod axis;
mod bitmap;
mod font;
mod latency;
mod page;
mod scene;
mod style;
mod svg;
mod work;

#[cfg(test)]
mod tests;

use scenarios::Comparison;

use self::scene::Scene;

/// Why a plot could not be made.
#[derive(Debug, thiserror::Error)]
pub enum PlotError {
    /// The drawing library failed.
    #[error("drawing failed: {0}")]
    Drawing(String),
    /// The picture could not be encoded.
    #[error("encoding as PNG failed: {0}")]
    Encoding(#[source] png::EncodingError),
}

/// A kind of plot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plot {
    /// Work by policy with error bars, and published values beside.
    WorkByPolicy,
    /// Cumulative distribution of fault latency by policy.
    FaultLatencyCdf,
}

impl Plot {
    /// Every kind.
    pub const ALL: [Self; 2] = [Self::WorkByPolicy, Self::FaultLatencyCdf];

    /// The name of its files, without extension.
    pub fn name(self) -> &'static str {
        match self {
            Self::WorkByPolicy => "work-by-policy",
            Self::FaultLatencyCdf => "fault-latency-cdf",
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
        }
    }
}
