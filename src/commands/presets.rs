//! `apfsim presets`: what scenario files can name for parts of the machine, and where the values of
//! presets come from.

use ::scenarios::help_for_unknown;
use models::presets::{self, CpuPreset, HostKernelPreset, PlainPreset, SourcedValue};
use reports::page::{Page, Piece};

use crate::cli::PresetsArgs;
use crate::error::CliError;
use crate::outcome::Outcome;
use crate::output;

pub(super) fn execute(args: &PresetsArgs) -> Result<Outcome, CliError> {
    let text = match &args.name {
        None => all(),
        Some(name) => match (presets::cpu(name), presets::plain(name)) {
            (Some(cpu), _) => numbers(&cpu),
            // A kernel is that of hosts and that of guests.
            (None, Some(plain)) => match presets::host_kernel(name) {
                Some(host) => format!("{}\n{}", host_kernel(&host), values(plain)),
                None => values(plain),
            },
            (None, None) => return Err(unknown(name)),
        },
    };
    output::result(&text)?;
    Ok(Outcome::Fine)
}

fn all() -> String {
    let cpus = presets::cpus().into_iter().map(|preset| (preset.name, preset.summary));
    let devices = presets::devices().into_iter().map(|preset| (preset.name, preset.summary));
    let compressors = presets::compressors().into_iter();
    let compressors = compressors.map(|preset| (preset.name, preset.summary));
    let kernels = presets::guest_kernels().into_iter().map(|preset| (preset.name, preset.summary));
    let hosts = presets::host_kernels().into_iter().map(|preset| (preset.name, preset.summary));
    let page = Page::of([
        block("Processors (host.cpu)", cpus.collect()),
        block("Swap devices (host.swap.device)", devices.collect()),
        block("Compressors of zswap (host.swap.zswap.compressor)", compressors.collect()),
        block("Host kernels (host.kernel)", hosts.collect()),
        block("Guest kernels (guest.kernel)", kernels.collect()),
    ]);
    page.plain()
}

fn unknown(name: &str) -> CliError {
    let mut names = presets::cpu_names();
    names.extend(presets::device_names());
    names.extend(presets::compressor_names());
    names.extend(presets::guest_kernel_names());
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    CliError::Preset { name: name.to_owned(), help: help_for_unknown(name, &names) }
}

/// Every number of a processor: value, meaning where it is a cost, how sure it is, source.
fn numbers(preset: &CpuPreset) -> String {
    let meanings = preset.config.costs.describe();
    let entries = preset.sources.iter().map(|number| {
        let meaning = meanings.iter().find(|(name, ..)| *name == number.name);
        let meaning = meaning.map_or(String::new(), |(.., meaning)| format!(" {meaning}"));
        let SourcedValue { name, value, certainty, source } = number;
        let text = format!("{value}.{meaning} [{}] Source: {source}", certainty.name());
        (name.clone(), text)
    });
    let title = format!("{}: {}", preset.name, preset.summary);
    Page::of([block(&title, entries.collect())]).plain()
}

/// The values of a swap device or a guest kernel; its summary has their sources.
fn values(preset: PlainPreset) -> String {
    let title = format!("{}: {}", preset.name, preset.summary);
    Page::of([block(&title, preset.values)]).plain()
}

/// Every value of a host's kernel with its source.
fn host_kernel(preset: &HostKernelPreset) -> String {
    let entries = preset
        .sources
        .iter()
        .map(|value| (value.name.clone(), format!("{}. Source: {}", value.value, value.source)));
    let title = format!("Host kernel {}: {}", preset.name, preset.summary);
    Page::of([block(&title, entries.collect())]).plain()
}

fn block(title: &str, entries: Vec<(String, String)>) -> Vec<Piece> {
    vec![Piece::Line(title.to_owned()), Piece::Listing(entries, 2)]
}
