//! Memory that VMMs write-protect.

use models::base::ids::{PAGE_SIZE, VmId};
use models::config::{
    HostConfig, HostPaging, Lift, Policy, Region, RegionBacking, WriteProtection,
};
use sim_core::SimDuration;

use super::at::At;
use super::store::{is_at_least, own_device};
use super::vms::Vms;
use crate::scenario::file::WriteProtectFile;
use crate::syntax::error::ScenarioError;

/// UFFDIO_WRITEPROTECT of anonymous memory came with Linux 5.7.
const FIRST: (u64, u64) = (5, 7);
const MAX_THREADS: u64 = 64;
const MAX_DEPTH: u64 = 1024;
const DEFAULT_DEPTH: u64 = 32;

/// What is protected.
pub(super) fn write_protect(
    at: &At<'_>,
    files: &[WriteProtectFile],
    vms: &Vms<'_>,
    end: SimDuration,
) -> Result<Vec<WriteProtection>, ScenarioError> {
    let mut all: Vec<WriteProtection> = Vec::new();
    for (index, file) in files.iter().enumerate() {
        let at = at.index(index);
        let vm = vms.named(&at, file.vm.as_deref())?;
        if all.iter().any(|other| other.vm == vm) {
            let message = "the memory of this virtual machine is protected already";
            return Err(at.fail(message, "once for each virtual machine"));
        }
        let when = at.field("at").span(file.at.0, SimDuration::ZERO..=end)?;
        let sink =
            file.sink.as_ref().map(|sink| own_device(&at.field("sink"), sink)).transpose()?;
        let saves = [("depth", file.depth.is_some()), ("rate", file.rate.is_some())];
        let given = [("lift", file.lift.is_some())].into_iter().chain(saves).find(|it| it.1);
        if let (Some((field, _)), None) = (given, &sink) {
            let help = "leave it out, or give a `sink`";
            return Err(at.field(field).fail("nothing is saved", help));
        }
        let rate = file.rate.map(|rate| {
            let at = at.field("rate");
            at.number(rate.0 / PAGE_SIZE, 1..=1 << 24)
        });
        all.push(WriteProtection {
            vm,
            at: when,
            sink,
            threads: at.field("threads").number(file.threads.unwrap_or(1), 1..=MAX_THREADS)?,
            depth: at.field("depth").number(file.depth.unwrap_or(DEFAULT_DEPTH), 1..=MAX_DEPTH)?,
            rate: rate.transpose()?,
            lift: file.lift.unwrap_or(Lift::Saved),
        });
    }
    Ok(all)
}

/// Refuses what the host's kernel does not have, and what is not modelled beside it.
pub(super) fn goes_with(
    at: &At<'_>,
    all: &[WriteProtection],
    (host, kernel): (&HostConfig, &str),
    inside: impl Fn(VmId) -> Vec<Region>,
) -> Result<(), ScenarioError> {
    for (index, own) in all.iter().enumerate() {
        let at = at.index(index);
        if !is_at_least(kernel, FIRST) {
            let (major, minor) = FIRST;
            let message = format!(
                "the host's kernel `{kernel}` has no write protection by userfaultfd, which came with Linux \
                 {major}.{minor}"
            );
            return Err(at.fail(message, "`\"kernel\": \"linux-5.10\"` or a later one in `host`"));
        }
        let regions = inside(own.vm);
        let memfd = regions.iter().any(|region| region.backing == RegionBacking::GuestMemfd);
        let stored = regions.iter().any(|region| region.store.is_some());
        let balloon = host.memory_control.balloons.iter().any(|balloon| balloon.vm == own.vm);
        let refused = [
            (host.paging == HostPaging::Shadow, "shadow paging (`host.paging`)"),
            (host.thp, "huge pages of the host (`host.thp`)"),
            (memfd, "memory in guest_memfd"),
            (stored, "regions that are `stored`"),
            (balloon, "a balloon of the same guest"),
        ];
        if let Some((_, what)) = refused.iter().find(|(refused, _)| *refused) {
            let message = format!("write protection beside {what} is not modelled");
            return Err(at.fail(message, "one without the other"));
        }
    }
    Ok(())
}

/// Why a policy does not go with it, if it does not: the message, and what would be right.
pub(super) fn refuses(host: &HostConfig, policy: &Policy) -> Option<(String, String)> {
    let any = !host.memory_control.protections.is_empty();
    (any && policy.rules.vmm_answers()).then(|| {
        let message = format!(
            "under `{}` the VMM answers faults, and write protection beside that is not modelled",
            policy.name
        );
        (message, "another policy, or no `write_protect`".to_owned())
    })
}
