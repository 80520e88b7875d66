//! Disturbances.

use models::base::ids::VcpuId;
use models::base::record::DisturbanceName;
use models::config::{Disturbance, DisturbanceKind, GuestConfig, GuestPaging, Policy};
use sim_core::SimDuration;

use super::at::{At, MAX_DURATION, MAX_SPAN};
use crate::scenario::file::DisturbanceFile;
use crate::syntax::error::ScenarioError;

const MAX_DISTURBANCES: usize = 1024;
/// More often than this a vCPU would do nothing else.
const SHORTEST_EVERY: SimDuration = SimDuration::from_us(1);

/// What disturbances have to know of a virtual machine.
pub(super) struct Vm<'a> {
    /// None: it is the only one.
    pub(super) name: Option<&'a str>,
    pub(super) guest: &'a GuestConfig,
    pub(super) first_vcpu: u16,
    /// Threads of its VMM bring pages.
    pub(super) has_handler: bool,
}

/// Kinds that happen to no vCPU.
fn is_of_vm(kind: DisturbanceName) -> bool {
    kind == DisturbanceName::MapWrite || is_of_handler(kind)
}

fn is_of_handler(kind: DisturbanceName) -> bool {
    matches!(
        kind,
        DisturbanceName::HandlerDies
            | DisturbanceName::HandlerRestarts
            | DisturbanceName::DescriptorCloses
    )
}

/// Why a policy does not go with what happens to handlers, if it does not: the message, and what would be right.
pub(super) fn refuses(disturbances: &[Disturbance], policy: &Policy) -> Option<(String, String)> {
    let dies = disturbances.iter().any(|one| one.kind.is_of_handler());
    (dies && policy.rules.vmm_answers()).then(|| {
        let message = format!(
            "under `{}` the VMM answers faults, and what becomes of them when it dies is explored only",
            policy.name
        );
        let help = "another policy, or `apfsim explore --rules user-exit --with vmm-dies`";
        (message, help.to_owned())
    })
}

pub(super) fn disturbances(
    at: &At<'_>,
    files: &[DisturbanceFile],
    vms: &[Vm<'_>],
    end: SimDuration,
) -> Result<Vec<Disturbance>, ScenarioError> {
    if files.len() > MAX_DISTURBANCES {
        let message = format!("there are {} disturbances", files.len());
        return Err(at.fail(message, format!("at most {MAX_DISTURBANCES}")));
    }
    let read = |(index, file)| disturbance(&at.index(index), file, vms, end);
    let all: Vec<_> = files.iter().enumerate().map(read).collect::<Result<_, _>>()?;
    for vm in vms {
        let own = vm.first_vcpu..vm.first_vcpu + vm.guest.vcpus;
        let places = (0..all.len()).filter(|&place| own.contains(&all[place].vcpu.0));
        if let Some(index) = never_alone(&all, places, vm.guest.vcpus) {
            let help = "start another one first, or leave this one online";
            return Err(at.index(index).fail("no vCPU would be left online", help));
        }
    }
    Ok(all)
}

/// The disturbance that takes the last vCPU of a virtual machine offline, if one of its does. Repeated ones
/// count once.
fn never_alone(
    all: &[Disturbance],
    places: impl Iterator<Item = usize>,
    vcpus: u16,
) -> Option<usize> {
    let mut order: Vec<usize> = places.collect();
    order.sort_by_key(|&index| (all[index].at, index));
    let mut offline = std::collections::BTreeSet::new();
    order.into_iter().find(|&index| {
        let Disturbance { vcpu, kind, .. } = all[index];
        match kind {
            DisturbanceKind::Offline => offline.insert(vcpu),
            DisturbanceKind::Online => offline.remove(&vcpu),
            _ => return false,
        };
        offline.len() >= usize::from(vcpus)
    })
}

fn disturbance(
    at: &At<'_>,
    file: &DisturbanceFile,
    vms: &[Vm<'_>],
    end: SimDuration,
) -> Result<Disturbance, ScenarioError> {
    let vm = vm_of(at, file, vms)?;
    let (vcpus, first) = (vm.guest.vcpus, vm.first_vcpu);
    let vcpu = match (file.vcpu, file.kind) {
        (None, kind) if is_of_vm(kind) => VcpuId(first),
        (Some(_), DisturbanceName::MapWrite) => {
            let message = "a change of the memory map happens to no vCPU";
            return Err(at.field("vcpu").fail(message, "remove it"));
        }
        (Some(_), kind) if is_of_handler(kind) => {
            let message = "what happens to a handler happens to no vCPU";
            return Err(at.field("vcpu").fail(message, "remove it"));
        }
        (None, _) => return Err(at.fail("no vCPU is named", "add `\"vcpu\": ...`")),
        (Some(number), _) => {
            let vcpu = u16::try_from(number).ok().filter(|vcpu| *vcpu < vcpus);
            vcpu.map(|vcpu| VcpuId(first + vcpu)).ok_or_else(|| {
                let help = format!("they are numbered 0 to {}", vcpus - 1);
                at.field("vcpu").fail(format!("there is no vCPU {number}"), help)
            })?
        }
    };
    if is_of_handler(file.kind) && !vm.has_handler {
        let help = "give the store of a region a `handler`, or remove this";
        return Err(at.field("kind").fail("no handler brings pages of its memory", help));
    }
    let lasts = matches!(file.kind, DisturbanceName::Smi | DisturbanceName::MapWrite);
    let kind = match file.kind {
        DisturbanceName::Offline => DisturbanceKind::Offline,
        DisturbanceName::Online => DisturbanceKind::Online,
        DisturbanceName::Smi if vm.guest.paging == GuestPaging::Off => {
            let message = "what a guest without paging is after an SMI is not modelled";
            return Err(at.field("kind").fail(message, "remove it, or leave `guest.paging` on"));
        }
        DisturbanceName::Smi => {
            let Some(span) = file.span else {
                let help = "add `\"span\": ...`, the time that the handler takes";
                return Err(at.fail("the SMI has no length", help));
            };
            DisturbanceKind::Smi { span: at.field("span").some_time(span.0)? }
        }
        DisturbanceName::Kick => DisturbanceKind::Kick,
        DisturbanceName::MemslotChange => DisturbanceKind::MemslotChange,
        DisturbanceName::LapicOff => DisturbanceKind::LapicOff,
        DisturbanceName::LapicOn => DisturbanceKind::LapicOn,
        DisturbanceName::RefusedEn => DisturbanceKind::RefusedEn,
        DisturbanceName::WakeAllFails => DisturbanceKind::WakeAllFails,
        DisturbanceName::HandlerDies => DisturbanceKind::HandlerDies,
        DisturbanceName::HandlerRestarts => DisturbanceKind::HandlerRestarts,
        DisturbanceName::DescriptorCloses => DisturbanceKind::DescriptorCloses,
        DisturbanceName::MapWrite => {
            let Some(span) = file.span else {
                let help = "add `\"span\": ...`, the time that the lock is held";
                return Err(at.fail("the change of the memory map has no length", help));
            };
            DisturbanceKind::MapWrite { span: at.field("span").some_time(span.0)? }
        }
    };
    if !lasts && file.span.is_some() {
        let help = "remove it; only `smi` and `map_write` have a length";
        return Err(at.field("span").fail("this disturbance takes no time of its own", help));
    }
    let place = at.field("at");
    let when = place.span(file.at.0, SimDuration::ZERO..=MAX_DURATION)?;
    if when >= end {
        let message = format!("the run is over after {end}");
        return Err(place.fail(message, "a time before `warmup` and `duration` are over"));
    }
    let every = file.every.map(|every| at.field("every").span(every.0, SHORTEST_EVERY..=MAX_SPAN));
    let every = every.transpose()?;
    leaves_smm(at, kind, every)?;
    Ok(Disturbance { at: when, every, vcpu, kind })
}

/// The virtual machine that a disturbance happens to.
fn vm_of<'a>(
    at: &At<'_>,
    file: &DisturbanceFile,
    vms: &'a [Vm<'a>],
) -> Result<&'a Vm<'a>, ScenarioError> {
    let names: Vec<&str> = vms.iter().filter_map(|vm| vm.name).collect();
    match (&file.vm, vms) {
        (Some(name), _) => {
            let found = vms.iter().find(|vm| vm.name == Some(name.as_str()));
            found.ok_or_else(|| at.field("vm").unknown("virtual machine", name, &names))
        }
        (None, [only]) => Ok(only),
        (None, _) => {
            let help = format!("add `\"vm\": ...`, one of {}", names.join(", "));
            Err(at.fail("no virtual machine is named", help))
        }
    }
}

/// Refuses system management interrupts of which the next one waits when the handler of one ends.
fn leaves_smm(
    at: &At<'_>,
    kind: DisturbanceKind,
    every: Option<SimDuration>,
) -> Result<(), ScenarioError> {
    let (DisturbanceKind::Smi { span }, Some(every)) = (kind, every) else { return Ok(()) };
    if every > span {
        return Ok(());
    }
    let message = format!(
        "the handler takes {span}, and the next interrupt comes after {every}: the vCPU would never \
         leave system management mode"
    );
    Err(at.field("every").fail(message, "a longer `every`, or a shorter `span`"))
}
