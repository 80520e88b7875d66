//! What programs that give pages back go with.

use models::base::ids::{PAGE_SIZE, RegionId};
use models::config::{GuestConfig, GuestPaging, HostPaging, Op, Processes, TaskGroup};
use models::machine::KERNEL_FRAMES;

use super::at::At;
use crate::syntax::error::ScenarioError;
use crate::syntax::units::Bytes;

/// Which page tables of a guest can be taken apart.
pub(super) fn goes_with_guest(
    at: &At<'_>,
    guest: &GuestConfig,
    tasks: &[TaskGroup],
    pages: u64,
) -> Result<(), ScenarioError> {
    let refused = [
        (guest.thp, "pages of 2 MiB (`guest.thp`)"),
        (guest.paging == GuestPaging::Off, "a guest without paging"),
        (guest.processes != Processes::One, "address spaces of their own (`guest.processes`)"),
    ];
    let Some(place) = tasks.iter().position(|group| discards(group).next().is_some()) else {
        return Ok(());
    };
    if let Some((_, what)) = refused.iter().find(|(refused, _)| *refused) {
        let message = format!("`discard` does not go with {what}");
        return Err(at.index(place).field("program").fail(message, "leave one of both out"));
    }
    let under_way: u64 = tasks.iter().map(TaskGroup::most_discarded).sum();
    let all = pages + under_way;
    let kept = guest.own_frames(KERNEL_FRAMES, pages, 1);
    if all > guest.memory_pages.saturating_sub(kept) {
        let message = "pages that are being discarded leave the guest's memory no room";
        let help = format!(
            "`guest.memory` {} or more: regions, the kernel's own, and what all tasks discard at once",
            Bytes((all + kept) * PAGE_SIZE)
        );
        return Err(at.index(place).field("program").fail(message, help));
    }
    for (index, group) in tasks.iter().enumerate() {
        let gone = |op: &Op| {
            let region = region_of(op);
            region.is_some_and(|own| tasks.iter().flat_map(discards).any(|other| other == own))
        };
        let mut depth = 0u32;
        for op in &group.program {
            match op {
                Op::SectionEnter { .. } => depth += 1,
                Op::SectionExit { .. } => depth -= 1,
                op if depth > 0 && gone(op) => {
                    let message = "a section touches pages that a program may have discarded";
                    let help = "use another region: a kernel that must not sleep cannot map pages";
                    return Err(at.index(index).field("program").fail(message, help));
                }
                _ => {}
            }
        }
    }
    Ok(())
}

/// The same of the host.
pub(super) fn goes_with_host(
    root: &At<'_>,
    paging: HostPaging,
    tasks: &[TaskGroup],
) -> Result<(), ScenarioError> {
    let any = tasks.iter().any(|group| discards(group).next().is_some());
    if any && paging == HostPaging::Shadow {
        let message = "`discard` does not go with shadow paging";
        let help = "leave `paging` out: what the guest takes out of its tables is not mirrored";
        return Err(root.field("host").field("paging").fail(message, help));
    }
    Ok(())
}

fn region_of(op: &Op) -> Option<RegionId> {
    match *op {
        Op::Access { region, .. } | Op::AccessBy { region, .. } | Op::Replay { region, .. } => {
            Some(region)
        }
        _ => None,
    }
}

/// The regions whose pages a group gives back.
fn discards(group: &TaskGroup) -> impl Iterator<Item = RegionId> {
    group.program.iter().filter_map(|op| match *op {
        Op::Discard { region, .. } => Some(region),
        _ => None,
    })
}
