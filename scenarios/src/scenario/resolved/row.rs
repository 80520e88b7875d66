//! A value on its way to its source.

use crate::syntax::tree::FieldPath;

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// It stands in the file.
    File {
        /// The line, from 1.
        line: usize,
    },
    /// A setting of the command line, as it was typed.
    Setting(String),
    /// A preset that the scenario names, or that it has where it names none.
    Preset {
        /// What it is a preset of.
        kind: &'static str,
        /// Its name.
        name: String,
    },
    /// The format's default, or what follows from other values.
    Default,
}

/// A value with the place that it has in a file, or would have.
pub(super) struct Named {
    pub(super) field: String,
    pub(super) value: String,
    /// Where it would stand.
    pub(super) path: FieldPath,
    /// What it is taken from where it does not stand there.
    pub(super) preset: Preset,
    /// The policy that it is a part of.
    pub(super) policy: Option<String>,
}

/// What a value is taken from where the file does not say it. Paths are those of fields that name the
/// preset.
#[derive(Clone)]
pub(super) enum Preset {
    /// Nothing: it has a default.
    None,
    /// The processor.
    Processor,
    /// The host's kernel.
    HostKernel,
    /// A kernel's scheduler: of the first that is named.
    Scheduler(FieldPath, FieldPath),
    /// A guest's kernel.
    GuestKernel(FieldPath),
    /// A device.
    Device(FieldPath),
    /// The compressor of zswap.
    Compressor,
    /// A policy, or a generation of the protocol.
    Policy(String),
}

/// The place of a field: `host.swap.read_ahead`, `workload.tasks[0].count`.
pub(super) fn path(text: &str) -> FieldPath {
    let mut path = FieldPath::default();
    for part in text.split('.') {
        let (name, mut rest) = part.split_at(part.find('[').unwrap_or(part.len()));
        path = path.field(name);
        while let Some((number, after)) = rest.strip_prefix('[').and_then(|it| it.split_once(']')) {
            path = path.index(number.parse().unwrap_or(usize::MAX));
            rest = after;
        }
    }
    path
}
