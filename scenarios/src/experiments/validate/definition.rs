//! A published experiment that was read and checked.

use std::sync::Arc;

use super::formula::Formula;
use crate::scenario::resolve::Scenario;

/// Largest error of a row that is within, unless it says another one or its published error is larger.
pub const TOLERANCE: f64 = 0.20;

/// A published experiment.
#[derive(Clone, Debug, PartialEq)]
pub struct Experiment {
    /// Short name.
    pub name: String,
    /// One line: what was measured, by whom, when.
    pub title: String,
    /// Where it was published.
    pub sources: Vec<String>,
    /// Who measured.
    pub kind: Kind,
    /// What the simulated set-up rests on.
    pub parameters: Vec<Parameter>,
    /// What is run.
    pub setups: Vec<Setup>,
    /// The numbers that are held against each other; never empty.
    pub rows: Vec<Row>,
    /// Why nothing of it can be simulated.
    pub not_modelled: Option<String>,
    /// What is to be said of the errors, a paragraph each.
    pub analysis: Vec<String>,
    /// The file.
    pub text: Arc<str>,
}

/// Who measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Somebody who published it.
    Published,
    /// The guest whose paths the processor preset `lab-1gips` was measured on.
    Measured,
}

impl Kind {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Published, Self::Measured];

    /// Its name in files and results.
    pub fn name(self) -> &'static str {
        match self {
            Self::Published => "published",
            Self::Measured => "measured",
        }
    }
}

/// A number that a set-up rests on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// What it is.
    pub what: String,
    /// Its value.
    pub value: String,
    /// Where it comes from, in a word.
    pub basis: &'static str,
    /// The label of the row that it was taken from.
    pub row: Option<String>,
    /// Source, derivation, or range of an assumption.
    pub note: Option<String>,
}

/// A scenario that is run.
#[derive(Clone, Debug, PartialEq)]
pub struct Setup {
    /// By which formulas refer to it.
    pub name: String,
    /// The scenario.
    pub scenario: Scenario,
}

/// A published number and how it is measured.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// What the number is.
    pub label: String,
    /// The published number.
    pub published: f64,
    /// Its published standard error.
    pub stderr: Option<f64>,
    /// Its unit; empty for plain numbers.
    pub unit: String,
    /// How it is simulated.
    pub measured: Measured,
    /// Largest error of a row that is within, as a part of the published number.
    pub tolerance: f64,
    /// Whether its distance from 1 is an effect.
    pub effect: bool,
    /// Whether a parameter was taken from it, so that it does not count.
    pub calibration: bool,
}

/// How a number is simulated.
#[derive(Clone, Debug, PartialEq)]
pub enum Measured {
    /// By a formula.
    By(Formula),
    /// It is not, and why.
    NotModelled(String),
}

impl Experiment {
    /// Whether anything of it is run.
    pub fn is_simulated(&self) -> bool {
        self.not_modelled.is_none()
    }
}
