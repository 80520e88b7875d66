//! Which states the lanes of an anatomy show, and how they look.

use models::trace::anatomy::{Anatomy, DeviceState, ItemState, Lane, TaskActivity, VcpuState};

use super::anatomy_measures::{LANE, LANE_GAP, LEFT, RIGHT, SMALL};
use super::anatomy_states::{self as states, Fill};
use super::font::{self, Weight};
use super::scene::{Align, Scene, Text};

/// The states that appear, lane by lane. Gives the y below.
pub(super) fn draw(scene: &mut Scene, y: f64, faults: &[&Anatomy]) -> f64 {
    fn used<S: Copy + PartialEq>(
        faults: &[&Anatomy],
        lane: fn(&Anatomy) -> &Lane<S>,
        s: S,
    ) -> bool {
        faults.iter().any(|fault| lane(fault).spans.iter().any(|&(.., state)| state == s))
    }
    let mut rows: Vec<(&str, Vec<(Fill, &str)>)> = Vec::new();
    let task = TaskActivity::ALL.into_iter().filter(|&s| used(faults, |f| &f.lanes.task, s));
    let mut entries: Vec<_> = task.map(|s| (states::task(s), s.name())).collect();
    entries.push((states::others(), "another task runs"));
    rows.push(("tasks", entries));
    let vcpu = VcpuState::ALL.into_iter().filter(|&s| used(faults, |f| &f.lanes.vcpu, s));
    rows.push(("vCPU", vcpu.map(|s| (states::vcpu(s), s.name())).collect()));
    let item = ItemState::ALL.into_iter().filter(|&s| used(faults, |f| &f.lanes.item, s));
    rows.push(("item, worker", item.map(|s| (states::item(s), s.name())).collect()));
    let device = DeviceState::ALL.into_iter().filter(|&s| used(faults, |f| &f.lanes.device, s));
    rows.push(("swap device", device.map(|s| (states::device(s), s.name())).collect()));
    let mut y = y + SMALL;
    for (lane, entries) in rows {
        if entries.is_empty() {
            continue;
        }
        scene.text(Text::new((LEFT - 6.0, y), SMALL, lane).align(Align::Right).bold());
        let mut x = LEFT;
        for (fill, name) in entries {
            let needed = 30.0 + font::width(name, SMALL, Weight::Normal);
            if x + needed > RIGHT {
                x = LEFT;
                y += LANE + LANE_GAP;
            }
            states::draw(scene, (x, y - 6.0), (x + 22.0, y + 6.0), fill);
            scene.text(Text::new((x + 27.0, y), SMALL, name));
            x += needed + 14.0;
        }
        y += LANE + LANE_GAP;
    }
    y
}
