//! Where values come from.

use models::presets;

use super::row::{Named, Preset, Source, path};
use crate::scenario::resolve::COMPRESSOR;
use crate::syntax::tree::{Document, FieldPath, NodeValue};

/// What there is to find sources in.
pub(super) struct Sources<'a> {
    pub(super) doc: &'a Document,
    /// What was set, and where it was put.
    pub(super) set: &'a [(FieldPath, String)],
}

impl Sources<'_> {
    /// Where a value comes from.
    pub(super) fn of(&self, row: &Named) -> Source {
        if let Some(setting) = self.setting(&row.path) {
            return setting;
        }
        match (self.doc.at(&row.path), &row.preset) {
            (Some(node), _) => Source::File { line: self.line(node.span.start) },
            (None, preset) => self.preset(preset),
        }
    }

    /// The last setting that put the value there, or a part of it.
    fn setting(&self, path: &FieldPath) -> Option<Source> {
        let touches = |place: &FieldPath| place.leads_to(path) || path.leads_to(place);
        let there = self.doc.at(path).is_some();
        let found = self.set.iter().rev().find(|(place, _)| there && touches(place));
        found.map(|(_, text)| Source::Setting(text.clone()))
    }

    fn line(&self, at: usize) -> usize {
        self.doc.text.get(..at).map_or(1, |before| before.matches('\n').count() + 1)
    }

    fn preset(&self, preset: &Preset) -> Source {
        let (kind, name) = match preset {
            Preset::None => return Source::Default,
            Preset::Processor => ("processor", self.name(&path("host.cpu"))),
            Preset::HostKernel => ("host kernel", Some(self.host_kernel())),
            Preset::Scheduler(own, kernel) => {
                let kernel = || self.name(kernel).unwrap_or_else(|| self.host_kernel());
                ("scheduler", Some(self.name(own).unwrap_or_else(kernel)))
            }
            Preset::GuestKernel(kernel) => ("guest kernel", self.name(kernel)),
            Preset::Device(device) => ("device", self.name(device)),
            Preset::Compressor => {
                let name = self.name(&path("host.swap.zswap.compressor"));
                ("compressor", Some(name.unwrap_or_else(|| COMPRESSOR.to_owned())))
            }
            Preset::Policy(name) => ("policy", Some(name.clone()).filter(|name| !name.is_empty())),
        };
        name.map_or(Source::Default, |name| Source::Preset { kind, name })
    }

    fn host_kernel(&self) -> String {
        self.name(&path("host.kernel")).unwrap_or_else(|| presets::HOST_KERNEL.to_owned())
    }

    /// The preset that a field names, itself or in an object.
    fn name(&self, path: &FieldPath) -> Option<String> {
        let node = self.doc.at(path)?;
        match (&node.value, node.get("preset").map(|node| &node.value)) {
            (NodeValue::String(name), _) | (_, Some(NodeValue::String(name))) => Some(name.clone()),
            _ => None,
        }
    }
}
