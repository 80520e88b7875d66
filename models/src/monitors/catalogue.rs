//! The invariants that trace monitors hold, as a table: number, kind, where they apply, meaning.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// The stable number of an invariant, printed as `INV-07`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InvariantId(pub u8);

impl fmt::Display for InvariantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "INV-{:02}", self.0)
    }
}

/// A text that names no invariant.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not the name of an invariant; names look like `INV-07`")]
pub struct ParseInvariantError(String);

impl FromStr for InvariantId {
    type Err = ParseInvariantError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.strip_prefix("INV-")
            .filter(|digits| digits.len() == 2 && digits.bytes().all(|b| b.is_ascii_digit()))
            .and_then(|digits| digits.parse().ok())
            .map(Self)
            .ok_or_else(|| ParseInvariantError(text.to_owned()))
    }
}

impl Serialize for InvariantId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for InvariantId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// What sort of promise an invariant is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Something bad never happens: one moment of a run refutes it.
    Safety,
    /// Something good happens in the end: refuted by waiting longer than a bound.
    Liveness,
}

/// What a breach of an invariant means for a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The protocol is broken: the run fails.
    Violation,
    /// A corner that kernels in use show too: reported, and the run goes on.
    Weakness,
}

/// The families of protocol generations that differ in what they promise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Family {
    /// The unmerged series of 2010: notices wait for the next entry, nobody is halted.
    V5,
    /// Merged, 2.6.38 to 5.7: page ready is an exception, an untold vCPU is halted.
    V7,
    /// 5.8 and later: page ready is an interrupt with a token slot.
    Int,
}

/// One line of the catalogue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Invariant {
    /// Its number.
    pub id: InvariantId,
    /// Safety or liveness.
    pub kind: Kind,
    /// What a breach means.
    pub severity: Severity,
    /// The families that promise it.
    pub families: &'static [Family],
    /// What is promised.
    pub sentence: &'static str,
    /// What goes wrong without it.
    pub why: &'static str,
}

impl Invariant {
    /// The line of an invariant, if a trace monitor holds it.
    pub fn find(id: InvariantId) -> Option<&'static Self> {
        position(id).map(|at| &CATALOGUE[at])
    }

    /// Whether `family` promises it.
    pub fn applies_to(&self, family: Family) -> bool {
        self.families.contains(&family)
    }
}

/// The row of an invariant in [`CATALOGUE`].
pub(super) fn position(id: InvariantId) -> Option<usize> {
    CATALOGUE.binary_search_by_key(&id, |line| line.id).ok()
}

/// One outstanding item per frame and vCPU.
pub const INV_01: InvariantId = InvariantId(1);
/// Outstanding tokens differ in the whole VM.
pub const INV_02: InvariantId = InvariantId(2);
/// The cap holds.
pub const INV_05: InvariantId = InvariantId(5);
/// Items pass through their lists in order.
pub const INV_06: InvariantId = InvariantId(6);
/// Not present only to a guest that can take it.
pub const INV_07: InvariantId = InvariantId(7);
/// One synthetic exception at a time.
pub const INV_11: InvariantId = InvariantId(11);
/// Page ready only after not present.
pub const INV_12: InvariantId = InvariantId(12);
/// Not present is followed by page ready.
pub const INV_13: InvariantId = InvariantId(13);
/// Page ready comes once.
pub const INV_14: InvariantId = InvariantId(14);
/// Completed items are dequeued.
pub const INV_15: InvariantId = InvariantId(15);
/// An artificial halt ends.
pub const INV_16: InvariantId = InvariantId(16);
/// No sleep over completed items.
pub const INV_17: InvariantId = InvariantId(17);
/// A fault never disappears.
pub const INV_37: InvariantId = InvariantId(37);

const ALL: &[Family] = &[Family::V5, Family::V7, Family::Int];
const MERGED: &[Family] = &[Family::V7, Family::Int];

const fn line(
    id: InvariantId,
    kind: Kind,
    families: &'static [Family],
    sentence: &'static str,
    why: &'static str,
) -> Invariant {
    Invariant { id, kind, severity: Severity::Violation, families, sentence, why }
}

/// Every invariant that a trace monitor holds, by rising number.
pub const CATALOGUE: &[Invariant] = &[
    line(
        INV_01,
        Kind::Safety,
        MERGED,
        "No two outstanding items of one vCPU are for the same frame.",
        "A second fault on a frame has to wait for the first fetch, not start another one.",
    ),
    line(
        INV_02,
        Kind::Safety,
        ALL,
        "No two outstanding items of the VM have equal tokens.",
        "The guest keeps one table of sleepers for the whole VM: a wake could reach the wrong task.",
    ),
    line(
        INV_05,
        Kind::Safety,
        ALL,
        "A vCPU never has more outstanding items than the cap, one wake-all besides.",
        "The cap bounds the helpers and memory a guest can claim; a count that drifts is a leak.",
    ),
    line(
        INV_06,
        Kind::Safety,
        ALL,
        "An item is queued, then completed, then freed, each once; only a queue that the guest \
         has cleared drops items before they are completed.",
        "An item in a list it does not belong to is memory used after it was freed.",
    ),
    line(
        INV_07,
        Kind::Safety,
        ALL,
        "Not present is told only with guest interrupts on, and at CPL 0 only to a guest that \
         asked for it.",
        "The guest would sleep where it must not, and deadlock or panic.",
    ),
    line(
        INV_11,
        Kind::Safety,
        ALL,
        "At most one synthetic exception waits for injection on a vCPU.",
        "The second would overwrite the first, or make a double fault of it.",
    ),
    line(
        INV_12,
        Kind::Safety,
        MERGED,
        "Page ready with a token is told only to a vCPU for which not present with that token \
         was queued before; wake-all is free.",
        "The guest remembers a wake that nobody waits for, for ever.",
    ),
    line(
        INV_13,
        Kind::Liveness,
        ALL,
        "Every not present is followed by page ready with its token, or by a wake-all, unless \
         the guest has turned the mechanism off.",
        "The sleeping task would never run again: this is what the protocol promises.",
    ),
    line(
        INV_14,
        Kind::Safety,
        ALL,
        "Page ready with a token is not told twice without a not present with it in between.",
        "The second wake leaves a dummy that later swallows a sleep.",
    ),
    line(
        INV_15,
        Kind::Liveness,
        ALL,
        "Every completed item is dequeued while its vCPU goes on entering the guest.",
        "A stuck queue starves every fault behind it.",
    ),
    line(
        INV_16,
        Kind::Liveness,
        MERGED,
        "A halted vCPU has an outstanding item for the frame it waits for or a completed item, \
         and its halt is cleared in the end.",
        "A lost wake is a dead vCPU.",
    ),
    line(
        INV_17,
        Kind::Safety,
        ALL,
        "A vCPU thread does not go to sleep for the guest while completed items wait on it.",
        "The wake for them has already been given: the thread could sleep for ever.",
    ),
    line(
        INV_37,
        Kind::Liveness,
        ALL,
        "A fault ends in a mapping, an item or a halt before the guest is entered again.",
        "The guest would fault on the same access for ever.",
    ),
];
