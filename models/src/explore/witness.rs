//! Does something ever happen in a world? The shortest way to it, if it does.

use crate::apf::Effects;

use super::canon::Canon;
use super::check::Log;
use super::drive::Shows;
use super::search::all_moves;
use super::setup::{Setup, SetupError};
use super::store::Seen;
use super::trace::Trace;
use super::world::World;

/// Searches a world, breadth first, for a step that `shows` what is looked for. The protocol that
/// it is shown is the one before the move of which the step is a part.
///
/// # Errors
///
/// When the world is empty or too large.
pub fn witness(setup: &Setup, shows: Shows) -> Result<Option<Trace>, SetupError> {
    setup.check()?;
    let canon = Canon::new(setup);
    let mut seen = Seen::new();
    let first = World::new(setup);
    seen.insert(canon.fingerprint(&first));
    // By state, where it came from and by which move.
    let mut parents: Vec<(usize, u16)> = vec![(0, 0)];
    let mut frontier = vec![(0, first)];
    while !frontier.is_empty() {
        let mut next = Vec::new();
        for (id, world) in frontier {
            for (chosen, &which) in all_moves(&world, setup).iter().enumerate() {
                let chosen = chosen as u16;
                let mut after = world.clone();
                let mut log = Log { steps: Some(Vec::new()), ..Log::default() };
                after.make(which, setup, &mut log);
                let shown = |(input, effects): &(_, Effects)| shows(&world.apf, input, effects);
                if log.steps.iter().flatten().any(shown) {
                    return Ok(Some(Trace::replay(setup, &way(&parents, id, chosen), true)));
                }
                let (to, new) = seen.insert(canon.fingerprint(&after));
                if new {
                    parents.push((id, chosen));
                    next.push((to as usize, after));
                }
            }
        }
        frontier = next;
    }
    Ok(None)
}

fn way(parents: &[(usize, u16)], mut at: usize, last: u16) -> Vec<u16> {
    let mut way = vec![last];
    while at != 0 {
        let (from, chosen) = parents[at];
        way.push(chosen);
        at = from;
    }
    way.reverse();
    way
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::apf::rules::generation;
    use crate::apf::{Defects, Effect};

    #[test]
    fn what_happens_is_found_by_the_shortest_way_and_what_does_not_is_not() {
        let rules = generation("v6.19").expect("a known generation");
        let setup = Setup { vcpus: 1, tasks: 1, pages: 1, ..Setup::new(rules, Defects::none(), 2) };
        let sleeps: Shows = |_, _, effects| effects.contains(&Effect::Sleep);
        let trace = witness(&setup, sleeps).expect("small").expect("a task sleeps");
        assert_eq!(trace.lines.len(), trace.moves);
        assert!(trace.lines.last().is_some_and(|line| line.text.contains("sleeps")));
        let spins: Shows =
            |_, _, effects| effects.iter().any(|e| matches!(e, Effect::HostSpins { .. }));
        assert_eq!(witness(&setup, spins).expect("small"), None);
    }
}
