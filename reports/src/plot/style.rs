//! Colours, dashes, markers and sizes that all plots share.
//!
//! The colours are those of Okabe and Ito, which the colour-blind tell apart; yellow is left out,
//! being invisible on white paper. Every policy also has its own dash and marker, for print
//! without colour.

use plotters::style::RGBColor;

/// Text and axes.
pub(super) const INK: RGBColor = RGBColor(0x22, 0x22, 0x22);
/// Captions.
pub(super) const FAINT_INK: RGBColor = RGBColor(0x60, 0x60, 0x60);
/// Grid lines.
pub(super) const GRID: RGBColor = RGBColor(0xdd, 0xdd, 0xdd);
/// Grid lines between the labelled ones.
pub(super) const FINE_GRID: RGBColor = RGBColor(0xf0, 0xf0, 0xf0);
/// The frame of a plot.
pub(super) const FRAME: RGBColor = RGBColor(0x99, 0x99, 0x99);

/// Sizes of text, in points.
pub(super) const TITLE_SIZE: f64 = 17.0;
pub(super) const LABEL_SIZE: f64 = 12.0;
pub(super) const CAPTION_SIZE: f64 = 10.5;

/// Width of every page, in points.
pub(super) const PAGE_WIDTH: f64 = 800.0;
/// White border of every page.
pub(super) const MARGIN: f64 = 22.0;

const COLORS: [RGBColor; 7] = [
    RGBColor(0x00, 0x72, 0xb2), // blue
    RGBColor(0xe6, 0x9f, 0x00), // orange
    RGBColor(0x00, 0x9e, 0x73), // bluish green
    RGBColor(0xd5, 0x5e, 0x00), // vermilion
    RGBColor(0xcc, 0x79, 0xa7), // reddish purple
    RGBColor(0x56, 0xb4, 0xe9), // sky blue
    RGBColor(0x00, 0x00, 0x00), // black
];

/// Lengths of line and gap in turn, in points; nothing for a continuous line.
const DASHES: [&[f64]; 5] =
    [&[], &[9.0, 4.0], &[2.5, 3.0], &[10.0, 3.0, 2.5, 3.0], &[14.0, 3.0, 2.5, 3.0, 2.5, 3.0]];

const MARKERS: [Marker; 6] = [
    Marker::Circle,
    Marker::Square,
    Marker::Triangle,
    Marker::Diamond,
    Marker::Cross,
    Marker::Flipped,
];

/// A small figure on a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Marker {
    Circle,
    Square,
    Triangle,
    Diamond,
    Cross,
    Flipped,
}

/// How one policy looks in every plot.
#[derive(Clone, Copy, Debug)]
pub(super) struct Look {
    pub(super) color: RGBColor,
    pub(super) dash: &'static [f64],
    pub(super) marker: Marker,
}

/// The look of the policy at the given place in the list. The counts of colours, dashes and
/// markers have no common factor, so that looks repeat only after 210 policies.
pub(super) fn look(index: usize) -> Look {
    Look {
        color: COLORS[index % COLORS.len()],
        dash: DASHES[index % DASHES.len()],
        marker: MARKERS[index % MARKERS.len()],
    }
}
