//! Stores.

use models::base::ids::{PcpuId, StoreId};
use models::config::{FileMapping, HandlerConfig, HostConfig, Region, StoreConfig};
use sim_core::SimDuration;

use super::at::{At, MAX_SPAN};
use super::device;
use super::images::Image;
use super::prefetch::{self, Stored};
use super::vms::Vms;
use crate::scenario::file::{DeviceRef, HandlerFile, ScenarioFile, StoreFile};
use crate::syntax::error::ScenarioError;
use crate::syntax::units::Bytes;

const MAX_STORES: usize = 64;
/// Threads of a handler that read, and that install; with the bound of stores, all of them have numbers.
const MAX_THREADS: u64 = 256;
const DEFAULT_BATCH: u64 = 16;
/// `VM_READAHEAD_PAGES` (include/linux/pagemap.h, 5.10.262 to 7.2.13), which a device has unless it is told otherwise.
const DEFAULT_READ_AHEAD: Bytes = Bytes(128 << 10);
const MAX_READ_AHEAD_PAGES: u64 = 4096;
/// The store of regions that name none. No other can have its name.
const SWAP_DEVICE: &str = "(swap device)";

/// The names of the stores, each with the number by which regions refer to it.
pub(super) fn names(at: &At<'_>, files: &[StoreFile]) -> Result<Vec<String>, ScenarioError> {
    if files.len() > MAX_STORES {
        let message = format!("there are {} stores", files.len());
        return Err(at.fail(message, format!("at most {MAX_STORES}")));
    }
    at.distinct(files.iter().map(|store| store.name.as_str()), Some("name"))?;
    let name = |(index, file): (usize, &StoreFile)| at.index(index).field("name").name(&file.name);
    files.iter().enumerate().map(name).collect()
}

/// The host with its stores.
pub(super) fn stores(
    root: &At<'_>,
    file: &ScenarioFile,
    host: HostConfig,
    vms: &mut Vms<'_>,
) -> Result<HostConfig, ScenarioError> {
    let at = root.field("host").field("stores");
    let images = vms.images(file.host.stores.len());
    let named = images.iter().filter(|image| image.file.is_some()).count();
    if named > MAX_STORES {
        let message = format!(
            "the virtual machines have {named} images of {} stores",
            file.host.stores.len()
        );
        let help =
            format!("at most {MAX_STORES}: each has one of every store that its regions are in");
        return Err(at.fail(message, help));
    }
    let regions = &vms.workload().regions;
    let one = |(id, image): (StoreId, &Image)| match image.file {
        None => Ok(StoreConfig {
            name: format!("{}{SWAP_DEVICE}", image.prefix),
            vm: image.vm,
            device: None,
            shares: None,
            handler: None,
            mapping: FileMapping::PAGE_BY_PAGE,
        }),
        Some(index) => {
            let stored = Stored { regions, store: id, prefix: &image.prefix };
            store(&at.index(index), (&file.host.stores[index], image), host.cpus, stored)
        }
    };
    let stores = (0..).map(StoreId).zip(&images).map(one).collect::<Result<Vec<_>, _>>()?;
    let on_swap = |region: &Region| {
        let store = region.store.map(|store| &stores[store.index()]);
        store.is_some_and(|store| {
            let first = store.shares.map_or(store, |first| &stores[first.index()]);
            first.device.is_none() && store.handler.is_none()
        })
    };
    if let Some(index) = regions.iter().position(on_swap)
        && host.device.is_work_of_submitter()
    {
        let at = vms.region_at(index).field("content");
        let message = "compressed memory holds what was swapped out, and nothing is stored there";
        return Err(at.fail(message, "give a store with a device in `host.stores`, and name it"));
    }
    Ok(HostConfig { stores, ..host })
}

fn store(
    at: &At<'_>,
    (file, image): (&StoreFile, &Image),
    cpus: u16,
    stored: Stored<'_>,
) -> Result<StoreConfig, ScenarioError> {
    let device = file.device.as_ref().map(|device| own_device(&at.field("device"), device));
    let device = device.transpose()?;
    let handler = file.handler.as_ref();
    let handler = handler.map(|file| {
        let at = at.field("handler");
        let prefetch = file.prefetch.as_ref();
        let prefetch = prefetch.map(|file| prefetch::prefetch(&at.field("prefetch"), file, stored));
        let config = handler_config(&at, file, device.is_some(), cpus)?;
        let poison = prefetch::parts(&at.field("poison"), file.poison.as_deref(), stored)?;
        Ok(HandlerConfig { prefetch: prefetch.transpose()?, poison, ..config })
    });
    let &Image { ref prefix, vm, shares, .. } = image;
    let (name, handler) = (format!("{prefix}{}", file.name), handler.transpose()?);
    // What two share is the device of the first.
    let device = device.filter(|_| shares.is_none());
    let mapping = mapping(at, file)?;
    Ok(StoreConfig { name, vm, device, shares, handler, mapping })
}

/// How the VMM maps the file, if no handler brings its pages.
fn mapping(at: &At<'_>, file: &StoreFile) -> Result<FileMapping, ScenarioError> {
    let said = [("advice", file.advice.is_some()), ("read_ahead", file.read_ahead.is_some())];
    let said = said.iter().find(|(_, said)| *said);
    match (said, file.handler.is_some()) {
        (Some((field, _)), true) => {
            let message = "the store has a `handler`, and the kernel brings none of its pages";
            Err(at.field(field).fail(message, format!("leave `{field}` out, or the `handler`")))
        }
        (None, true) => Ok(FileMapping::PAGE_BY_PAGE),
        (_, false) => {
            let at = at.field("read_ahead");
            let pages = at.pages(file.read_ahead.unwrap_or(DEFAULT_READ_AHEAD))?;
            let read_ahead_pages = at.number(pages, 0..=MAX_READ_AHEAD_PAGES)?;
            Ok(FileMapping { advice: file.advice.unwrap_or_default(), read_ahead_pages })
        }
    }
}

/// UFFDIO_POISON came with Linux 6.6.
const FIRST_WITH_POISON: (u64, u64) = (6, 6);

/// Refuses what the host's kernel does not have.
pub(super) fn goes_with_kernel(
    at: &At<'_>,
    files: &[StoreFile],
    kernel: &str,
) -> Result<(), ScenarioError> {
    let poisons =
        |file: &StoreFile| file.handler.as_ref().is_some_and(|handler| handler.poison.is_some());
    match files.iter().position(poisons) {
        Some(index) if !is_at_least(kernel, FIRST_WITH_POISON) => {
            let (major, minor) = FIRST_WITH_POISON;
            let message = format!("the host's kernel `{kernel}` has no UFFDIO_POISON");
            let help = format!("`\"kernel\": \"linux-{major}.{minor}\"` or a later one in `host`");
            Err(at.index(index).field("handler").field("poison").fail(message, help))
        }
        _ => Ok(()),
    }
}

/// Whether a preset, which is named after its release, is not older than a release.
pub(super) fn is_at_least(kernel: &str, release: (u64, u64)) -> bool {
    let numbers = kernel.strip_prefix("linux-").map(|numbers| numbers.split('.'));
    let numbers: Vec<u64> = numbers.into_iter().flatten().flat_map(str::parse).collect();
    matches!(numbers[..], [major, minor, ..] if (major, minor) >= release)
}

fn handler_config(
    at: &At<'_>,
    file: &HandlerFile,
    has_device: bool,
    cpus: u16,
) -> Result<HandlerConfig, ScenarioError> {
    let number = |field: &str, value: Option<u64>, default, range| {
        at.field(field).number(value.unwrap_or(default), range)
    };
    let place = |(index, &place): (usize, &u64)| {
        let found = u16::try_from(place).ok().filter(|place| *place < cpus);
        found.map(PcpuId).ok_or_else(|| {
            let message = format!("the host has no processor {place}");
            let help = format!("they are numbered 0 to {}", cpus - 1);
            at.field("cpus").index(index).fail(message, help)
        })
    };
    let places = file.cpus.iter().flatten().enumerate().map(place);
    let latency = match (file.latency, has_device) {
        (Some(latency), false) => {
            at.field("latency").span(latency.0, SimDuration::ZERO..=MAX_SPAN)?
        }
        (None, true) => SimDuration::ZERO,
        (Some(_), true) => {
            let help = "leave `latency` out, or the `device` of the store";
            return Err(at.field("latency").fail("the device says how long a page takes", help));
        }
        (None, false) => {
            let help = "give `latency` here, or the store a `device`";
            return Err(at.fail("nothing says how long a page takes", help));
        }
    };
    Ok(HandlerConfig {
        readers: number("readers", file.readers, 1, 1..=MAX_THREADS)?,
        installers: number("installers", file.installers, 1, 0..=MAX_THREADS)?,
        batch: at.field("batch").number(file.batch.unwrap_or(DEFAULT_BATCH), 1..=1024)?,
        waking: file.waking,
        descriptors: number("descriptors", file.descriptors, 1, 1..=MAX_THREADS)?,
        cpus: places.collect::<Result<_, _>>()?,
        latency,
        around: file.around.map_or(Ok(1), |size| at.field("around").block(size))?,
        prefetch: None,
        process: file.process,
        install: file.install,
        plain_exits: file.plain_exits,
        remove_events: file.remove_events.unwrap_or(true),
        poison: Vec::new(),
    })
}

pub(super) fn own_device(
    at: &At<'_>,
    file: &DeviceRef,
) -> Result<models::config::DeviceConfig, ScenarioError> {
    let device = device::device(at, file)?;
    if device.is_work_of_submitter() {
        let help = "a device: \"constant\", \"channels\", \"hdd\", \"ram\" or \"volume\"";
        return Err(at.fail("compressed memory holds what was swapped out, and no store", help));
    }
    Ok(device)
}
