//! A call to all other vCPUs.

use models::config::Op;
use schemars::JsonSchema;
use serde::Deserialize;

use super::reader::{Checked, Inside, Operation, Reader, not_in_section};
use crate::scenario::resolve::at::At;

/// A call to all other vCPUs.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CallAllFile {}

impl Operation for CallAllFile {
    fn resolve(&self, at: &At<'_>, inside: Inside, to: &mut Reader<'_>) -> Checked {
        not_in_section(at, inside)?;
        // Its exits are free of charge on some processors.
        to.push(Op::CallAll);
        Ok(())
    }
}
