//! Markers and dashed lines, as the looks of policies have them.

use plotters::style::RGBColor;

use super::scene::{Point, Scene, Shape};
use super::style::{Look, Marker};

/// Draws a marker with the given half width.
pub(super) fn draw_marker(scene: &mut Scene, marker: Marker, at: Point, size: f64, fill: RGBColor) {
    let (x, y) = at;
    let corners: &[Point] = match marker {
        Marker::Circle => {
            scene.push(Shape::Circle { center: at, radius: size, fill });
            return;
        }
        Marker::Cross => {
            for slope in [1.0, -1.0] {
                let points = vec![(x - size, y - size * slope), (x + size, y + size * slope)];
                scene.line(points, 2.0, fill);
            }
            return;
        }
        Marker::Square => &[(-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)],
        Marker::Triangle => &[(0.0, -1.2), (1.1, 0.8), (-1.1, 0.8)],
        Marker::Diamond => &[(0.0, -1.3), (1.3, 0.0), (0.0, 1.3), (-1.3, 0.0)],
        Marker::Flipped => &[(0.0, 1.2), (1.1, -0.8), (-1.1, -0.8)],
    };
    let points = corners.iter().map(|(dx, dy)| (x + dx * size, y + dy * size)).collect();
    scene.push(Shape::Polygon { points, fill });
}

/// Draws a line through points in the given dash.
pub(super) fn draw_dashed(scene: &mut Scene, points: &[Point], look: &Look, width: f64) {
    const TINY: f64 = 1e-9;
    if look.dash.is_empty() {
        scene.line(points.to_vec(), width, look.color);
        return;
    }
    let (mut part, mut left) = (0, look.dash[0]);
    let mut stroke: Vec<Point> = points.iter().take(1).copied().collect();
    for pair in points.windows(2) {
        let [start, end] = [pair[0], pair[1]];
        let length = (end.0 - start.0).hypot(end.1 - start.1);
        let mut done = 0.0;
        while length - done > TINY {
            let step = left.min(length - done);
            done += step;
            left -= step;
            let share = done / length;
            let here = (start.0 + (end.0 - start.0) * share, start.1 + (end.1 - start.1) * share);
            stroke.push(here);
            if left > TINY {
                continue;
            }
            let finished = std::mem::replace(&mut stroke, vec![here]);
            if part % 2 == 0 {
                scene.line(finished, width, look.color);
            }
            part = (part + 1) % look.dash.len();
            left = look.dash[part];
        }
    }
    if part % 2 == 0 && stroke.len() > 1 {
        scene.line(stroke, width, look.color);
    }
}
