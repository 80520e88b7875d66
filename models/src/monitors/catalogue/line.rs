//! What a line of the catalogue says.

use serde::{Deserialize, Serialize};

use crate::base::invariant::{InvariantId, Severity};

/// What sort of promise an invariant is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Something bad never happens: one moment of a run refutes it.
    Safety,
    /// Something good happens in the end: refuted by waiting longer than a bound.
    Liveness,
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

pub(super) const ALL: &[Family] = &[Family::V5, Family::V7, Family::Int];
pub(super) const MERGED: &[Family] = &[Family::V7, Family::Int];
pub(super) const BY_EXCEPTION: &[Family] = &[Family::V5, Family::V7];
pub(super) const BY_INTERRUPT: &[Family] = &[Family::Int];
