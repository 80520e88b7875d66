//! How the states of an anatomy's lanes look: a colour and a pattern each, so that they can be told
//! apart in print without colour.

use models::trace::anatomy::{DeviceState, ItemState, TaskActivity, VcpuState};
use plotters::style::RGBColor;

use super::scene::{Point, Scene, Shape};
use super::style::FRAME;

const GREEN: RGBColor = RGBColor(0x00, 0x9e, 0x73);
const PALE_GREEN: RGBColor = RGBColor(0xa6, 0xdd, 0xca);
const BLUE: RGBColor = RGBColor(0x00, 0x5a, 0x8e);
const SKY: RGBColor = RGBColor(0x8f, 0xcd, 0xf2);
const ORANGE: RGBColor = RGBColor(0xd9, 0x8c, 0x00);
const VERMILION: RGBColor = RGBColor(0xc2, 0x4e, 0x00);
const PURPLE: RGBColor = RGBColor(0xa8, 0x53, 0x84);
const DARK: RGBColor = RGBColor(0x33, 0x33, 0x33);
const GREY: RGBColor = RGBColor(0x88, 0x88, 0x88);
const PAPER: RGBColor = RGBColor(0xff, 0xff, 0xff);

/// Distance between the lines of a pattern.
const PITCH: f64 = 5.0;

/// How an area is filled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pattern {
    Solid,
    /// Lines that rise to the right.
    Rising,
    /// Lines that fall to the right.
    Falling,
    /// Lines of both kinds.
    Crossed,
    /// Upright lines.
    Upright,
    /// One line in the middle.
    Middle,
    /// Nothing but a frame.
    Empty,
}

/// A colour and a pattern.
pub(super) type Fill = (RGBColor, Pattern);

pub(super) fn task(state: TaskActivity) -> Fill {
    match state {
        TaskActivity::Runs => (GREEN, Pattern::Solid),
        TaskActivity::Stopped => (VERMILION, Pattern::Rising),
        TaskActivity::WaitsForPage => (GREY, Pattern::Middle),
        TaskActivity::WaitsForTurn => (ORANGE, Pattern::Upright),
    }
}

pub(super) fn others() -> Fill {
    (SKY, Pattern::Solid)
}

pub(super) fn vcpu(state: VcpuState) -> Fill {
    match state {
        VcpuState::Guest => (PALE_GREEN, Pattern::Solid),
        VcpuState::Host => (BLUE, Pattern::Solid),
        VcpuState::Halted => (VERMILION, Pattern::Falling),
        VcpuState::Stalled => (DARK, Pattern::Crossed),
        VcpuState::Idle => (GREY, Pattern::Empty),
        VcpuState::Waiting => (ORANGE, Pattern::Upright),
    }
}

pub(super) fn item(state: ItemState) -> Fill {
    match state {
        ItemState::Queued => (PURPLE, Pattern::Upright),
        ItemState::Worked => (PURPLE, Pattern::Solid),
        ItemState::Asleep => (PURPLE, Pattern::Middle),
        ItemState::Waiting => (ORANGE, Pattern::Upright),
        ItemState::Completed => (PURPLE, Pattern::Rising),
        ItemState::Elsewhere => (PURPLE, Pattern::Empty),
    }
}

pub(super) fn device(state: DeviceState) -> Fill {
    match state {
        DeviceState::Queued => (DARK, Pattern::Middle),
        DeviceState::InService => (DARK, Pattern::Falling),
    }
}

/// Draws a filled rectangle.
pub(super) fn draw(scene: &mut Scene, from: Point, to: Point, (color, pattern): Fill) {
    let back = if pattern == Pattern::Solid { color } else { PAPER };
    scene.push(Shape::Rect { from, to, fill: back });
    match pattern {
        Pattern::Solid => return,
        Pattern::Rising => slanted(scene, from, to, color, true),
        Pattern::Falling => slanted(scene, from, to, color, false),
        Pattern::Crossed => {
            slanted(scene, from, to, color, true);
            slanted(scene, from, to, color, false);
        }
        Pattern::Upright => {
            // On a grid of the page, so that neighbouring areas of one state look like one.
            let mut x = (from.0 / PITCH).ceil() * PITCH;
            while x < to.0 {
                scene.line(vec![(x, from.1), (x, to.1)], 1.2, color);
                x += PITCH;
            }
        }
        Pattern::Middle => {
            let y = (from.1 + to.1) / 2.0;
            scene.line(vec![(from.0, y), (to.0, y)], 2.2, color);
        }
        Pattern::Empty => {}
    }
    let edge = if pattern == Pattern::Empty { FRAME } else { color };
    if pattern != Pattern::Middle {
        scene.line(vec![from, (to.0, from.1)], 0.8, edge);
        scene.line(vec![(from.0, to.1), to], 0.8, edge);
    }
}

/// Parallel lines at 45 degrees, cut at the rectangle.
fn slanted(scene: &mut Scene, from: Point, to: Point, color: RGBColor, rising: bool) {
    let height = to.1 - from.1;
    let mut foot = ((from.0 - height) / PITCH).floor() * PITCH;
    while foot < to.0 + height {
        // The line goes from its foot to its foot plus the height; parts outside are cut.
        let (begin, end) = (foot.max(from.0), (foot + height).min(to.0));
        if begin < end {
            let y = |x: f64| {
                let up = x - foot;
                if rising { to.1 - up } else { from.1 + up }
            };
            scene.line(vec![(begin, y(begin)), (end, y(end))], 0.9, color);
        }
        foot += PITCH;
    }
}
