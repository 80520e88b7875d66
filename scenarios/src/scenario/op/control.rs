//! What is repeated, done once, chosen, or done until a time.

use models::config::Op;
use schemars::JsonSchema;
use serde::Deserialize;

use super::reader::{Checked, Inside, Operation, Reader};
use crate::scenario::file::NumberLawFile;
use crate::scenario::resolve::at::{At, MAX_DURATION};
use crate::scenario::resolve::number_law;
use crate::syntax::units::Span;

/// Most repetitions that are written as a number.
const MAX_TIMES: u64 = 1_000_000_000_000;

/// Operations several times.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RepeatFile<O> {
    /// How often; or `law`.
    times: Option<u64>,
    /// A law of how often, drawn anew each time.
    law: Option<NumberLawFile>,
    /// What is repeated. It must take time.
    body: Vec<O>,
}

impl<O: Operation> Operation for RepeatFile<O> {
    fn resolve(&self, at: &At<'_>, inside: Inside, to: &mut Reader<'_>) -> Checked {
        let slot = to.repetition(at)?;
        let begin = match (self.times, &self.law) {
            (Some(times), None) => {
                let times = at.field("times").number(times, 1..=MAX_TIMES)?;
                Op::Repeat { times, skip: 0, slot }
            }
            (None, Some(file)) => {
                let at = at.field("law");
                Op::RepeatDrawn { law: to.law(&at, number_law(&at, file)?)?, skip: 0, slot }
            }
            _ => return Err(at.fail("how often is this repeated?", "give `times` or `law`")),
        };
        let first = to.push_place(begin);
        let timed = to.timed(|to| to.body(at, &self.body, inside))?;
        if !timed {
            let help = "give an access a cost, or add `compute` or `sleep`";
            return Err(at.field("body").fail("what is repeated takes no time", help));
        }
        let back = to.place() - first - 1;
        to.push(Op::Again { back, slot });
        let skip = to.place() - first;
        to.set(
            first,
            match begin {
                Op::RepeatDrawn { law, .. } => Op::RepeatDrawn { law, skip, slot },
                Op::Repeat { times, .. } => Op::Repeat { times, skip, slot },
                other => other,
            },
        );
        // A law may give none.
        to.takes_time(self.times.is_some());
        Ok(())
    }
}

/// Operations the first time only.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OnceFile<O> {
    /// What a task does the first time that it comes here.
    body: Vec<O>,
}

impl<O: Operation> Operation for OnceFile<O> {
    fn resolve(&self, at: &At<'_>, inside: Inside, to: &mut Reader<'_>) -> Checked {
        let flag = to.flag(at)?;
        let first = to.push_place(Op::Once { flag, skip: 0 });
        to.timed(|to| to.body(at, &self.body, inside))?;
        let skip = to.place() - first;
        to.set(first, Op::Once { flag, skip });
        Ok(())
    }
}

/// One of several.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ChooseFile<O> {
    /// What there is to choose from: 1 to 64.
    of: Vec<ChoiceFile<O>>,
}

/// One of what there is to choose from.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "an object with `weight` and `body`")]
pub(super) struct ChoiceFile<O> {
    /// How often, in relation to the others: 1 to 1000000.
    weight: u64,
    /// What is done then. It may be nothing.
    body: Vec<O>,
}

impl<O: Operation> Operation for ChooseFile<O> {
    fn resolve(&self, at: &At<'_>, inside: Inside, to: &mut Reader<'_>) -> Checked {
        let at = at.field("of");
        if !(1..=64).contains(&self.of.len()) {
            return Err(at.fail(format!("{} choices", self.of.len()), "from 1 to 64"));
        }
        let weight = |(index, choice): (usize, &ChoiceFile<O>)| {
            at.index(index).field("weight").number::<u32>(choice.weight, 1..=1_000_000)
        };
        let weights: Vec<u32> = self.of.iter().enumerate().map(weight).collect::<Result<_, _>>()?;
        let (mut whole, mut ends) = (weights.iter().sum::<u32>(), Vec::new());
        let mut all_timed = true;
        for (index, (choice, &part)) in self.of.iter().zip(&weights).enumerate() {
            // Each is taken by what it has of what is left.
            let is_last = index + 1 == self.of.len();
            let branch = (!is_last).then(|| to.push_place(Op::Branch { part, whole, skip: 0 }));
            all_timed &= to.timed(|to| to.body(&at.index(index), &choice.body, inside))?;
            if let Some(branch) = branch {
                ends.push(to.push_place(Op::Jump { skip: 0 }));
                let skip = to.place() - branch;
                to.set(branch, Op::Branch { part, whole, skip });
            }
            whole -= part;
        }
        for end in ends {
            let skip = to.place() - end;
            to.set(end, Op::Jump { skip });
        }
        to.takes_time(all_timed);
        Ok(())
    }
}

/// Operations again and again until a time.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UntilFile<O> {
    /// Time after the start barrier, warm-up included. What has begun before is done to its end.
    at: Span,
    /// What is done, at least once. It must take time.
    body: Vec<O>,
}

impl<O: Operation> Operation for UntilFile<O> {
    fn resolve(&self, at: &At<'_>, inside: Inside, to: &mut Reader<'_>) -> Checked {
        let time = at.field("at").span(self.at.0, sim_core::SimDuration::ZERO..=MAX_DURATION)?;
        let first = to.place();
        let timed = to.timed(|to| to.body(at, &self.body, inside))?;
        if !timed {
            let help = "give an access a cost, or add `compute` or `sleep`";
            return Err(at.field("body").fail("what is done until then takes no time", help));
        }
        let back = to.place() - first;
        to.push(Op::Until { at: time, back });
        to.takes_time(true);
        Ok(())
    }
}
