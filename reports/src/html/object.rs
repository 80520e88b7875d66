//! What is asked of the objects in results.

use models::trace::metrics::METRICS;
use serde_json::Value;

/// A text of an object; nothing where there is none.
pub(super) fn text(object: &Value, name: &str) -> String {
    object[name].as_str().unwrap_or_default().to_owned()
}

/// The names of a list of objects.
pub(super) fn names(object: &Value, list: &str, name: &str) -> Vec<String> {
    object[list].as_array().into_iter().flatten().map(|own| text(own, name)).collect()
}

/// The names of the metrics of a comparison: those of the list in its order, then those of groups and
/// virtual machines.
pub(super) fn metric_names(comparison: &Value) -> Vec<String> {
    let own = comparison["policies"][0]["metrics"].as_object();
    let mut all: Vec<String> = own.into_iter().flatten().map(|(name, _)| name.clone()).collect();
    let order = |name: &str| METRICS.iter().position(|kind| kind.name == name);
    all.sort_by_key(|name| order(name).unwrap_or(usize::MAX));
    all
}
