//! The balloons of guests.

use models::base::ids::{PAGE_SIZE, VmId};
use models::config::{
    BALLOON_BATCH, Balloon, BalloonTarget, GuestConfig, HostConfig, HostPaging, Install, Policy,
    Region, Reporting, TaskGroup,
};
use models::machine::KERNEL_FRAMES;
use sim_core::SimDuration;

use super::at::{At, MAX_DURATION, MAX_SPAN};
use crate::scenario::file::{BalloonFile, BalloonTargetFile};
use crate::syntax::error::ScenarioError;
use crate::syntax::units::Bytes;

const MAX_TARGETS: usize = 1024;

/// Largest blocks that there are (`MAX_PAGE_ORDER`).
const MAX_ORDER: u64 = 10;

/// The kernel's own values (`pageblock_order`, `PAGE_REPORTING_DELAY`).
const REPORTING: Reporting = Reporting { order: 9, delay: SimDuration::from_secs(2) };

/// The balloon of a guest that has one.
pub(super) fn balloon(
    at: &At<'_>,
    file: &BalloonFile,
    vm: VmId,
    (guest, regions, tasks): (&GuestConfig, &[Region], &[TaskGroup]),
) -> Result<Balloon, ScenarioError> {
    let pages: u64 = regions.iter().map(|region| region.pages).sum();
    let discarded: u64 = tasks.iter().map(TaskGroup::most_discarded).sum();
    // A program that finds nothing free takes pages out of the balloon, but for those that are on their way in.
    let least = pages + discarded + guest.own_frames(KERNEL_FRAMES, pages, 2) + BALLOON_BATCH;
    if guest.memory_pages < least {
        let message = "the guest's memory has no room for a balloon beside its regions";
        let help = format!("`guest.memory` {} or more", Bytes(least * PAGE_SIZE));
        return Err(at.fail(message, help));
    }
    let targets_at = at.field("targets");
    if file.targets.len() > MAX_TARGETS {
        let message = format!("there are {} sizes", file.targets.len());
        return Err(targets_at.fail(message, format!("at most {MAX_TARGETS}")));
    }
    let mut last = None;
    let read = |(index, file): (usize, &BalloonTargetFile)| {
        let at = targets_at.index(index);
        let when = at.field("at").span(file.at.0, SimDuration::ZERO..=MAX_DURATION)?;
        if last.replace(when).is_some_and(|before| before >= when) {
            let message = "there is a later size before, or another one at this time";
            return Err(at.field("at").fail(message, "sizes in the order of their times"));
        }
        let pages = at.field("size").pages(file.size)?;
        if pages > guest.memory_pages {
            let message = "this is more than the guest has";
            return Err(at.field("size").fail(message, "at most `guest.memory`"));
        }
        Ok(BalloonTarget { at: when, pages })
    };
    let targets = file.targets.iter().enumerate().map(read).collect::<Result<_, _>>()?;
    let reporting_at = at.field("free_page_reporting");
    let reporting = file.free_page_reporting.as_ref().map(|file| {
        let order = file.order.unwrap_or(REPORTING.order.into());
        let delay = file.delay.map_or(REPORTING.delay, |delay| delay.0);
        Ok(Reporting {
            order: reporting_at.field("order").number(order, 0..=MAX_ORDER)?,
            delay: reporting_at.field("delay").span(delay, SimDuration::from_us(1)..=MAX_SPAN)?,
        })
    });
    Ok(Balloon { vm, targets, reporting: reporting.transpose()? })
}

/// Whether balloons go with the host, and their times with the run.
pub(super) fn goes_with(
    all: &[(At<'_>, Balloon)],
    host: &HostConfig,
    end: SimDuration,
) -> Result<(), ScenarioError> {
    for (at, balloon) in all {
        let is_shared = |install: Install| matches!(install, Install::Continue | Install::Stores);
        let handlers = host.stores.iter().filter(|it| it.vm == balloon.vm);
        let mut handlers = handlers.filter_map(|it| it.handler.as_ref());
        let shared = handlers.any(|handler| is_shared(handler.install));
        let refused = [
            (host.paging == HostPaging::Shadow, "shadow paging (`host.paging`)"),
            (host.thp, "huge pages of the host (`host.thp`)"),
            (shared, "shared memory that a handler brings (`install` `continue` or `stores`)"),
        ];
        if let Some((_, what)) = refused.iter().find(|(refused, _)| *refused) {
            let message = format!("a balloon does not go with {what}");
            return Err(at.fail(message, "leave one of both out"));
        }
        if let Some(place) = balloon.targets.iter().position(|target| target.at >= end) {
            let message = format!("the run is over after {end}");
            let help = "a time before `warmup` and `duration` are over";
            return Err(at.field("targets").index(place).field("at").fail(message, help));
        }
    }
    Ok(())
}

/// Why a policy does not go with balloons, if it does not: the message, and what would be right.
pub(super) fn refuses(host: &HostConfig, policy: &Policy) -> Option<(String, String)> {
    let handled = |balloon: &Balloon| {
        host.stores.iter().any(|it| it.vm == balloon.vm && it.handler.is_some())
    };
    let any = host.memory_control.balloons.iter().any(handled);
    (any && policy.rules.vmm_answers()).then(|| {
        let message = format!(
            "under `{}` the VMM answers faults, and what it does for memory that a balloon has given back is not modelled",
            policy.name
        );
        (message, "another policy, or a guest without `balloon`".to_owned())
    })
}
