//! `apfsim presets`: names that scenario files can use for parts of the machine.

use models::presets;

use super::{Outcome, listing};
use crate::error::CliError;
use crate::output;

pub(super) fn execute() -> Result<Outcome, CliError> {
    let cpus = presets::cpus().into_iter().map(|preset| (preset.name, preset.summary));
    let devices = presets::devices().into_iter().map(|preset| (preset.name, preset.summary));
    let kernels = presets::guest_kernels().into_iter().map(|preset| (preset.name, preset.summary));
    let blocks = [
        block("Processors (host.cpu)", cpus.collect()),
        block("Swap devices (host.swap.device)", devices.collect()),
        block("Guest kernels (guest.kernel)", kernels.collect()),
    ];
    output::result(&blocks.join("\n"))?;
    Ok(Outcome::Fine)
}

fn block(title: &str, entries: Vec<(String, String)>) -> String {
    format!("{title}\n{}", listing(&entries, 2))
}
