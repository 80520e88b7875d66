//! The invariants of the protocol, as a table: number, kind, who promises it, what it means, and
//! where it is checked. The lines are in one file a theme.

mod guest;
mod items;
mod life;
mod machine;
mod notices;

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

/// How much of an invariant the records of a trace decide.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum InTrace {
    /// All of it, given these records.
    Decided(&'static [&'static str]),
    /// A part, given these records; the text says which part is left out.
    Partly(&'static [&'static str], &'static str),
    /// Nothing; the text says why.
    Undecidable(&'static str),
}

/// One line of the catalogue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Invariant {
    /// Its number.
    pub id: InvariantId,
    /// A name for lists.
    pub title: &'static str,
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
    /// What shows a reader of a trace that it is broken.
    pub breach: &'static str,
    /// Whether every state of the protocol is held to it, in simulation and exploration.
    pub state: bool,
    /// Whether the effects of a single step of the protocol show a breach.
    pub step: bool,
    /// What a trace says about it.
    pub trace: InTrace,
}

impl Invariant {
    /// The line of an invariant.
    pub fn find(id: InvariantId) -> Option<&'static Self> {
        position(id).map(|at| &CATALOGUE[at])
    }

    /// Whether `family` promises it.
    pub fn applies_to(&self, family: Family) -> bool {
        self.families.contains(&family)
    }

    /// Whether a trace monitor holds it, at least in part.
    pub const fn has_monitor(&self) -> bool {
        !matches!(self.trace, InTrace::Undecidable(_))
    }

    /// The records that its monitor reads.
    pub const fn records(&self) -> &'static [&'static str] {
        match self.trace {
            InTrace::Decided(records) | InTrace::Partly(records, _) => records,
            InTrace::Undecidable(_) => &[],
        }
    }
}

/// The row of an invariant in [`CATALOGUE`].
pub(super) fn position(id: InvariantId) -> Option<usize> {
    CATALOGUE.binary_search_by_key(&id, |line| line.id).ok()
}

const ALL: &[Family] = &[Family::V5, Family::V7, Family::Int];
const MERGED: &[Family] = &[Family::V7, Family::Int];
const BY_EXCEPTION: &[Family] = &[Family::V5, Family::V7];
const BY_INTERRUPT: &[Family] = &[Family::Int];

/// Every invariant, by rising number.
pub static CATALOGUE: [Invariant; 40] = joined();

const fn joined() -> [Invariant; 40] {
    let parts: [&[Invariant]; 5] =
        [items::LINES, notices::LINES, life::LINES, guest::LINES, machine::LINES];
    let mut all = [items::LINES[0]; 40];
    let (mut row, mut part) = (0, 0);
    while part < parts.len() {
        let mut line = 0;
        while line < parts[part].len() {
            all[row] = parts[part][line];
            row += 1;
            line += 1;
        }
        part += 1;
    }
    all
}

/// One outstanding item per frame and vCPU.
pub const INV_01: InvariantId = InvariantId(1);
/// Outstanding tokens differ in the whole VM.
pub const INV_02: InvariantId = InvariantId(2);
/// The token of wake-all is given to no item.
pub const INV_03: InvariantId = InvariantId(3);
/// No token is zero where a slot holds it.
pub const INV_04: InvariantId = InvariantId(4);
/// The cap holds.
pub const INV_05: InvariantId = InvariantId(5);
/// Items pass through their lists in order.
pub const INV_06: InvariantId = InvariantId(6);
/// Not present only to a guest that can take it.
pub const INV_07: InvariantId = InvariantId(7);
/// The shared word is free when it is written.
pub const INV_09: InvariantId = InvariantId(9);
/// The token slot is free when it is written.
pub const INV_10: InvariantId = InvariantId(10);
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
/// Halts do not spin.
pub const INV_19: InvariantId = InvariantId(19);
/// Page ready's interrupt arrives.
pub const INV_21: InvariantId = InvariantId(21);
/// Silence after notices are turned off.
pub const INV_22: InvariantId = InvariantId(22);
/// Workers run what was queued, once.
pub const INV_24: InvariantId = InvariantId(24);
/// One entry per token in the guest's table.
pub const INV_26: InvariantId = InvariantId(26);
/// A sleeper is unlinked once, by its waker.
pub const INV_27: InvariantId = InvariantId(27);
/// A dummy is used up.
pub const INV_28: InvariantId = InvariantId(28);
/// A word is read by the exception it came with.
pub const INV_31: InvariantId = InvariantId(31);
/// The token is that of the exception.
pub const INV_32: InvariantId = InvariantId(32);
/// One acknowledgement per page ready.
pub const INV_33: InvariantId = InvariantId(33);
/// No sleeper stays on a vCPU that left.
pub const INV_34: InvariantId = InvariantId(34);
/// An access ends on a page that is there.
pub const INV_35: InvariantId = InvariantId(35);
/// A fault never disappears.
pub const INV_37: InvariantId = InvariantId(37);
/// Wake-all comes first.
pub const INV_38: InvariantId = InvariantId(38);
