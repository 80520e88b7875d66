//! The fitted scenario's run, measured as its log is.

use std::ops::ControlFlow;

use models::base::record::Record;
use models::machine::{self, RunSettings};
use models::trace::kernel::KernelWriter;

use super::error::FitError;
use super::measure::Measure;
use crate::logs::check::reader::Session;
use crate::run::error::RunnerError;
use crate::run::plan::replication_seed;
use crate::scenario::resolve::Scenario;

/// Records of a run that is given up: a run of two thousand faults has some hundred thousand.
const MOST_RECORDS: u64 = 50_000_000;

/// Runs the first policy of a scenario once. Its trace is written as a kernel prints it and read as
/// a kernel's log is.
pub(super) fn simulate(scenario: &Scenario) -> Result<Measure, FitError> {
    let seed = replication_seed(scenario.seed, 0);
    let settings = RunSettings {
        warmup: scenario.warmup,
        duration: scenario.duration,
        ..RunSettings::default()
    };
    let failed = |policy: &str, source| {
        FitError::Runner(RunnerError::Run { policy: policy.into(), replication: 0, seed, source })
    };
    let policy = &scenario.policies[0];
    let prefix = machine::prefill(&scenario.machine, seed, &settings)
        .map_err(|source| failed("prefill", source))?;
    let mut writer = KernelWriter::new(prefix.setting(policy)).in_nanoseconds();
    let mut session = Session::new(Measure::default());
    let (mut text, mut lines, mut seen) = (Vec::new(), 0, 0);
    let mut observer = |records: &[Record]| {
        seen += records.len() as u64;
        if seen > MOST_RECORDS {
            return ControlFlow::Break(());
        }
        for record in records {
            text.clear();
            writer.record(record, &mut text);
            for line in text.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()) {
                lines += 1;
                session.line(lines, line);
            }
        }
        ControlFlow::Continue(())
    };
    machine::run_observed(&prefix, policy, &settings, Some(&mut observer))
        .map_err(|source| failed(&policy.name, source))?;
    if seen > MOST_RECORDS {
        return Err(FitError::TooMany { most: MOST_RECORDS });
    }
    session.end();
    session.consumer.conclude();
    Ok(session.consumer)
}
