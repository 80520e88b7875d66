//! What a region holds before the start, and where that is stored.

use models::base::ids::StoreId;
use models::config::{RegionBacking, RegionContent};

use super::at::At;
use crate::scenario::file::RegionFile;
use crate::syntax::error::ScenarioError;

/// Whether a region is filled before the start barrier, and which store it is in.
pub(super) fn content(
    at: &At<'_>,
    file: &RegionFile,
    stores: &[String],
) -> Result<(bool, Option<StoreId>), ScenarioError> {
    let by_default = if file.prefill { RegionContent::Written } else { RegionContent::Empty };
    let content = file.content.unwrap_or(by_default);
    if file.prefill && content != RegionContent::Written {
        let message =
            format!("`prefill` writes the region, whose content is \"{}\"", content.name());
        return Err(at.field("content").fail(message, "leave one of the two out"));
    }
    if content != RegionContent::Stored {
        return match file.store {
            None => Ok((content == RegionContent::Written, None)),
            Some(_) => {
                let help = "say `\"content\": \"stored\"`, or leave `store` out";
                Err(at.field("store").fail("the content of the region is in no store", help))
            }
        };
    }
    if file.backing == RegionBacking::GuestMemfd {
        let help = "a region of the VMM's memory, or one that is \"empty\" or \"written\"";
        return Err(at.field("content").fail("no guest_memfd is read from a store here", help));
    }
    // Those that name none share one that comes after all others.
    let Some(name) = &file.store else { return Ok((false, Some(StoreId(stores.len() as u16)))) };
    let found = stores.iter().position(|known| known == name);
    let known: Vec<&str> = stores.iter().map(String::as_str).collect();
    let found = found.ok_or_else(|| at.field("store").unknown("store", name, &known))?;
    Ok((false, Some(StoreId(found as u16))))
}
