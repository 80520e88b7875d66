//! Where the lanes of an anatomy stand on the page.

use super::style::{MARGIN, PAGE_WIDTH};

/// Width of the lanes' names.
pub(super) const LABELS: f64 = 92.0;
pub(super) const LEFT: f64 = MARGIN + LABELS;
pub(super) const RIGHT: f64 = PAGE_WIDTH - MARGIN;
pub(super) const LANE: f64 = 15.0;
pub(super) const LANE_GAP: f64 = 4.0;
pub(super) const SMALL: f64 = 9.0;
