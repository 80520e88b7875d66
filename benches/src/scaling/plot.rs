//! A picture of all axes: processor time over size, both logarithmic, a panel an axis.

use std::fmt::Write;

use super::Cost;

/// An axis that has been measured.
pub struct Measured<'a> {
    /// What is above its panel.
    pub title: &'a str,
    /// What is counted along it.
    pub unit: &'a str,
    /// Its points.
    pub costs: &'a [Cost],
}

const COLUMNS: usize = 3;
const PANEL: (f64, f64) = (270.0, 210.0);
/// Room beside the frame of a panel: left, right, above, below.
const ROOM: (f64, f64, f64, f64) = (48.0, 12.0, 30.0, 40.0);

/// A logarithmic axis of whole decades.
struct Decades {
    from: i32,
    to: i32,
}

impl Decades {
    fn covering(values: impl Iterator<Item = f64> + Clone) -> Self {
        let low = values.clone().fold(f64::INFINITY, f64::min).log10().floor() as i32;
        let high = values.fold(0.0, f64::max).log10().ceil() as i32;
        Self { from: low, to: high.max(low + 1) }
    }

    /// Where a value lies, as a share of the length.
    fn share(&self, value: f64) -> f64 {
        (value.log10() - f64::from(self.from)) / f64::from(self.to - self.from)
    }

    fn ticks(&self) -> impl Iterator<Item = i32> {
        let every = if self.to - self.from > 6 { 2 } else { 1 };
        (self.from..=self.to).step_by(every)
    }
}

/// The picture as SVG.
///
/// # Errors
/// Never: text takes all that is written to it.
pub fn svg(axes: &[Measured<'_>]) -> Result<String, std::fmt::Error> {
    let rows = axes.len().div_ceil(COLUMNS);
    let (width, height) = (COLUMNS as f64 * PANEL.0, rows as f64 * PANEL.1);
    let mut svg = String::new();
    writeln!(
        svg,
        r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" font-family="sans-serif" font-size="10" fill="#222">
<rect width="{width}" height="{height}" fill="#fff"/>"##
    )?;
    for (at, axis) in axes.iter().enumerate() {
        let corner = ((at % COLUMNS) as f64 * PANEL.0, (at / COLUMNS) as f64 * PANEL.1);
        panel(&mut svg, axis, corner)?;
    }
    svg.push_str("</svg>\n");
    Ok(svg)
}

fn panel(svg: &mut String, axis: &Measured<'_>, corner: (f64, f64)) -> std::fmt::Result {
    let (left, right) = (corner.0 + ROOM.0, corner.0 + PANEL.0 - ROOM.1);
    let (top, bottom) = (corner.1 + ROOM.2, corner.1 + PANEL.1 - ROOM.3);
    let sizes = axis.costs.iter().map(|cost| cost.size as f64);
    let times = axis.costs.iter().map(Cost::total);
    let (across, upwards) = (Decades::covering(sizes), Decades::covering(times));
    let x = |size: f64| left + (right - left) * across.share(size);
    let y = |time: f64| bottom + (top - bottom) * upwards.share(time);
    for decade in across.ticks() {
        let at = x(10_f64.powi(decade));
        let (name, below) = (power(decade), bottom + 13.0);
        writeln!(
            svg,
            r##"<path d="M{at:.1} {top}V{bottom}" stroke="#ddd"/><text x="{at:.1}" y="{below}" text-anchor="middle">{name}</text>"##
        )?;
    }
    for decade in upwards.ticks() {
        let at = y(10_f64.powi(decade));
        let (name, before, down) = (seconds(decade), left - 4.0, at + 3.5);
        writeln!(
            svg,
            r##"<path d="M{left} {at:.1}H{right}" stroke="#ddd"/><text x="{before}" y="{down:.1}" text-anchor="end">{name}</text>"##
        )?;
    }
    // In proportion to size, through the last point.
    if let Some(last) = axis.costs.last() {
        let (to, high) = (last.size as f64, last.total());
        let floor = 10_f64.powi(upwards.from);
        let from = (to * floor / high).max(axis.costs[0].size as f64);
        let (x1, y1, x2, y2) = (x(from), y(high * from / to), x(to), y(high));
        writeln!(
            svg,
            r##"<path d="M{x1:.1} {y1:.1}L{x2:.1} {y2:.1}" stroke="#999" stroke-dasharray="4 3"/>"##
        )?;
    }
    let points: Vec<_> = axis.costs.iter().map(|c| (x(c.size as f64), y(c.total()))).collect();
    let line: Vec<_> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
    writeln!(
        svg,
        r##"<polyline points="{}" fill="none" stroke="#0072b2" stroke-width="1.6"/>"##,
        line.join(" ")
    )?;
    for (x, y) in points {
        writeln!(svg, r##"<circle cx="{x:.1}" cy="{y:.1}" r="2.6" fill="#0072b2"/>"##)?;
    }
    let (middle, above, below) = ((left + right) / 2.0, top - 9.0, bottom + 27.0);
    writeln!(
        svg,
        r##"<rect x="{left}" y="{top}" width="{}" height="{}" fill="none" stroke="#999"/>
<text x="{left}" y="{above}" font-size="11" font-weight="bold">{}</text>
<text x="{middle}" y="{below}" text-anchor="middle">{}</text>"##,
        right - left,
        bottom - top,
        axis.title,
        axis.unit
    )
}

fn power(decade: i32) -> String {
    match decade {
        0..4 => 10_u32.pow(decade.unsigned_abs()).to_string(),
        _ => format!(r#"10<tspan font-size="7" dy="-4">{decade}</tspan>"#),
    }
}

fn seconds(decade: i32) -> String {
    let (unit, below) = match decade {
        ..-3 => ("µs", -6),
        -3..0 => ("ms", -3),
        0.. => ("s", 0),
    };
    format!("{} {unit}", 10_f64.powi(decade - below).round())
}
