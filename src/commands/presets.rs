//! `apfsim presets`: what scenario files can name for parts of the machine, and where the numbers of
//! a processor come from.

use ::scenarios::help_for_unknown;
use models::presets::{self, CpuPreset};
use reports::page::{Page, Piece};

use crate::cli::PresetsArgs;
use crate::error::CliError;
use crate::outcome::Outcome;
use crate::output;

pub(super) fn execute(args: &PresetsArgs) -> Result<Outcome, CliError> {
    let text = match &args.name {
        None => all(),
        Some(name) => {
            let preset = presets::cpu(name).ok_or_else(|| {
                let names = presets::cpu_names();
                let names: Vec<&str> = names.iter().map(String::as_str).collect();
                CliError::Preset { name: name.clone(), help: help_for_unknown(name, &names) }
            })?;
            numbers(&preset)
        }
    };
    output::result(&text)?;
    Ok(Outcome::Fine)
}

fn all() -> String {
    let cpus = presets::cpus().into_iter().map(|preset| (preset.name, preset.summary));
    let devices = presets::devices().into_iter().map(|preset| (preset.name, preset.summary));
    let kernels = presets::guest_kernels().into_iter().map(|preset| (preset.name, preset.summary));
    let page = Page::of([
        block("Processors (host.cpu)", cpus.collect()),
        block("Swap devices (host.swap.device)", devices.collect()),
        block("Guest kernels (guest.kernel)", kernels.collect()),
    ]);
    page.plain()
}

/// Every number of a processor: value, meaning where it is a cost, source.
fn numbers(preset: &CpuPreset) -> String {
    let meanings = preset.config.costs.describe();
    let entries = preset.sources.iter().map(|number| {
        let meaning = meanings.iter().find(|(name, ..)| *name == number.name);
        let meaning = meaning.map_or(String::new(), |(.., meaning)| format!(" {meaning}"));
        (number.name.clone(), format!("{}.{meaning} Source: {}", number.value, number.source))
    });
    let title = format!("{}: {}", preset.name, preset.summary);
    Page::of([block(&title, entries.collect())]).plain()
}

fn block(title: &str, entries: Vec<(String, String)>) -> Vec<Piece> {
    vec![Piece::Line(title.to_owned()), Piece::Listing(entries, 2)]
}
