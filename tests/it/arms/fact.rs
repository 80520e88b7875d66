//! A fact of a log: a figure, its bounds, and the two arms that it is taken from.

use std::ops::RangeInclusive;

use super::trace::{Run, Trace, recorded, simulated};

/// An arm of a fact.
pub(super) enum Side<T: 'static> {
    /// What it is taken from.
    Of(T),
    /// Why there is none.
    None(&'static str),
}

/// A fact.
pub(super) struct Fact {
    /// What the figure is, with its unit.
    pub what: &'static str,
    /// A log of `tests/data`, by the beginning of its path there.
    pub recorded: Side<&'static str>,
    /// A built-in scenario under a policy.
    pub simulated: Side<Run>,
    /// The figure of a trace.
    pub figure: fn(&Trace) -> f64,
    /// Its bounds.
    pub bounds: RangeInclusive<f64>,
    /// Other bounds of the simulation, and why they are others.
    pub differs: Option<(RangeInclusive<f64>, &'static str)>,
}

impl Fact {
    fn recorded(&self) -> Option<f64> {
        match &self.recorded {
            Side::Of(log) => Some((self.figure)(recorded(log))),
            Side::None(_) => None,
        }
    }

    fn simulated(&self) -> Option<f64> {
        match &self.simulated {
            Side::Of(run) => Some((self.figure)(simulated(run))),
            Side::None(_) => None,
        }
    }

    /// Holds the recorded arm against its bounds.
    #[track_caller]
    pub(super) fn holds_in_the_log(&self) {
        let figure = self.recorded().expect("a log");
        assert!(self.bounds.contains(&figure), "{}: {figure}", self.what);
    }

    /// Holds the simulated arm against its bounds.
    #[track_caller]
    pub(super) fn holds_in_the_run(&self) {
        let figure = self.simulated().expect("a run");
        let bounds = self.differs.as_ref().map_or(&self.bounds, |(bounds, _)| bounds);
        assert!(bounds.contains(&figure), "{}: {figure}", self.what);
    }

    /// Its row of the table.
    pub(super) fn row(&self) -> String {
        let (low, high) = (number(*self.bounds.start()), number(*self.bounds.end()));
        let bounds = if low == high { low } else { format!("{low} to {high}") };
        let recorded = match &self.recorded {
            Side::Of(log) => {
                let log = log.rsplit('/').next().unwrap();
                format!("{} ({log})", number(self.recorded().unwrap()))
            }
            Side::None(why) => (*why).to_owned(),
        };
        let simulated = match &self.simulated {
            Side::Of(run) => {
                let mark = if self.differs.is_some() { "**" } else { "" };
                format!("{mark}{}{mark} ({run})", number(self.simulated().unwrap()))
            }
            Side::None(why) => (*why).to_owned(),
        };
        format!("| {} | {bounds} | {recorded} | {simulated} |\n", self.what)
    }

    /// A line about how the simulation differs, if it does.
    pub(super) fn difference(&self) -> Option<String> {
        let (bounds, why) = self.differs.as_ref()?;
        let (low, high) = (number(*bounds.start()), number(*bounds.end()));
        Some(format!("- {}: {low} to {high} in the simulation. {why}\n", self.what))
    }
}

/// Three digits, and no more than there are.
fn number(value: f64) -> String {
    let decimals = match value.abs() {
        0.0 => 0,
        big if big >= 99.5 => 0,
        big if big >= 9.95 => 1,
        _ => 3,
    };
    let text = format!("{value:.decimals$}");
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

/// Facts, each with the names of its tests: of the recorded arm, and of the simulated one.
macro_rules! facts {
    ($($recorded:ident $simulated:ident { $($field:tt)* })*) => {
        pub(super) const FACTS: &[Fact] = &[$(Fact { $($field)* },)*];
        facts!(@tests 0usize; $($recorded $simulated)*);
    };
    (@tests $at:expr;) => {};
    (@tests $at:expr; none $simulated:ident $($rest:tt)*) => {
        #[test]
        fn $simulated() {
            FACTS[$at].holds_in_the_run();
        }
        facts!(@tests $at + 1; $($rest)*);
    };
    (@tests $at:expr; $recorded:ident none $($rest:tt)*) => {
        #[test]
        fn $recorded() {
            FACTS[$at].holds_in_the_log();
        }
        facts!(@tests $at + 1; $($rest)*);
    };
    (@tests $at:expr; $recorded:ident $simulated:ident $($rest:tt)*) => {
        #[test]
        fn $recorded() {
            FACTS[$at].holds_in_the_log();
        }
        #[test]
        fn $simulated() {
            FACTS[$at].holds_in_the_run();
        }
        facts!(@tests $at + 1; $($rest)*);
    };
}
pub(super) use facts;
