//! An object `set`: paths of fields and the values that are put there.

use std::ops::Range;
use std::sync::Arc;

use super::point::{Origin, Patch};
use crate::scenario::resolve::at::At;
use crate::syntax::error::ScenarioError;
use crate::syntax::tree::{Document, FieldPath, Member};

/// A place of a file.
pub(super) fn origin(doc: &Arc<Document>, path: FieldPath, span: Range<usize>) -> Origin {
    Origin { doc: Arc::clone(doc), path, span }
}

/// The fields of an object `set` with their values; none where it is left out.
pub(crate) fn settings(doc: &Arc<Document>, at: &At<'_>) -> Result<Vec<Patch>, ScenarioError> {
    let Some(node) = doc.at(&at.path) else { return Ok(Vec::new()) };
    let setting = |member: &Member| {
        let path = at.path.field(&member.name);
        let named = origin(doc, path.clone(), member.name_span.clone());
        let target = member.name.parse().map_err(|error| named.path_error(error))?;
        let origin = origin(doc, path, member.value.span.clone());
        Ok(Patch { target, named, value: member.value.value.clone(), origin })
    };
    node.members().iter().map(setting).collect()
}
