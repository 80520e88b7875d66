//! zswap before the swap device.

use models::config::{HostConfig, ZswapConfig, ZswapKernel};
use models::presets;

use super::at::At;
use super::device::law::law;
use super::device::work;
use crate::scenario::file::{ServiceTime, ZswapFile};
use crate::syntax::error::ScenarioError;

/// The compressor of a pool that names none.
pub(in crate::scenario) const COMPRESSOR: &str = "lzo";
const DEFAULT_ACCEPT_PERCENT: u64 = 90;

/// The pool.
pub(super) fn zswap(at: &At<'_>, file: &ZswapFile) -> Result<ZswapConfig, ScenarioError> {
    let name = file.compressor.as_deref().unwrap_or(COMPRESSOR);
    let preset = presets::compressor(name).ok_or_else(|| {
        let names = presets::compressor_names();
        let names: Vec<&str> = names.iter().map(AsRef::as_ref).collect();
        at.field("compressor").unknown("compressor", name, &names)
    })?;
    let time = |field: &str, value: Option<&ServiceTime>, preset| match value {
        Some(value) => work(&at.field(field), law(&at.field(field), value)?),
        None => Ok(preset),
    };
    let max_pool = file.max_pool.map(|size| {
        let at = at.field("max_pool");
        at.number(at.pages(size)?, 1..=u64::from(u32::MAX))
    });
    Ok(ZswapConfig {
        load: time("load", file.load.as_ref(), preset.load)?,
        store: time("store", file.store.as_ref(), preset.store)?,
        ratio_milli: match file.ratio_milli {
            Some(ratio) => at.field("ratio_milli").number(ratio, 1000..=1_000_000)?,
            None => preset.ratio_milli,
        },
        max_pool_pages: max_pool.transpose()?,
        accept_percent: at
            .field("accept_percent")
            .number(file.accept_percent.unwrap_or(DEFAULT_ACCEPT_PERCENT), 1..=100)?,
    })
}

/// Whether kernel and device go with it.
pub(super) fn goes_with(at: &At<'_>, host: &HostConfig) -> Result<(), ScenarioError> {
    if host.zswap.is_none() {
        return Ok(());
    }
    if host.kernel.zswap == ZswapKernel::None {
        let message = "the host's kernel has no zswap that is modelled";
        let help = "a `host.kernel` from `linux-5.10` on, or its field `zswap`";
        return Err(at.fail(message, help));
    }
    if host.device.is_memory() {
        let message = "the swap device is memory itself, and zswap is before one that is slower";
        return Err(at.fail(message, "another `device`, or no `zswap`"));
    }
    Ok(())
}

/// Pages of the container that the pool may take when so many pages are in use.
pub(super) fn charged_pages(host: &HostConfig, touched: u64) -> u64 {
    match &host.zswap {
        Some(zswap) if host.kernel.zswap.charges() => zswap.largest_pool(touched),
        _ => 0,
    }
}
