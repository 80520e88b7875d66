//! Lines that are missing, by the numbers of a vCPU's tokens.
//!
//! Each request takes the next number of its vCPU. So does a try of which no request comes
//! (`kvm_arch_setup_async_pf` numbers the item before `kvm_setup_async_pf` finds the cap reached or no
//! memory for it), and a repeated fault does not. More numbers that are missing than that are those
//! of requests whose lines are not in the log: it was paused, or cut.

use super::clocks::TICK;
use super::event::LogEvent;
use super::request::{Gap, LastNumber};
use super::state::LogState;
use super::vcpu::{VcpuLog, after, counter, owner};
use crate::base::ids::Token;

/// So few missing numbers may be a wrong line, and prove no pause.
const FEW: u64 = 1;

/// A vCPU has announced a token: notes whether numbers before it are missing, and what may take numbers
/// from here on.
pub(super) fn announced(log: &mut LogState, at: usize, event: &LogEvent, token: Token) {
    let seen = log.seen;
    let cap = log.config.cap as usize;
    let own = &mut log.vcpus[at];
    let foreign = own.token_id.is_some_and(|id| id != owner(token));
    if token == Token::WAKE_ALL || token.0 == 0 || foreign {
        return;
    }
    let number = counter(token);
    // Where clocks of processors differ, it may come before others.
    own.gap = own.gap.take().filter(|gap| !(after(number, gap.from) && after(gap.to, number)));
    let tries = numbered(own);
    let at_cap = own.requests.len() >= cap;
    let last = LastNumber { counter: number, ns: event.ns, tries, at_cap };
    let Some(before) = own.number.replace(last) else { return };
    let ahead = u64::from(number.wrapping_sub(before.counter) & 0xf_ffff);
    let missing = ahead.saturating_sub(1);
    let spent = tries.saturating_sub(before.tries).saturating_sub(1);
    // The series of 2010 announces nothing of what is completed before the entry.
    let explained = before.at_cap || seen.series || seen.wandering;
    if after(number, before.counter) && missing > FEW + spent && !explained {
        let (from, to) = (before.counter, number);
        let (line, ns, since) = (event.line, event.ns, before.ns);
        own.gap.get_or_insert(Gap { from, to, missing, line, ns, since });
    }
}

/// A vCPU goes on: its numbers that are missing are not announced any more. Says since when lines are
/// missing.
pub(super) fn settle(log: &mut LogState, at: usize, now: u64) -> Option<u64> {
    let own = &mut log.vcpus[at];
    let gap = own.gap.take_if(|gap| now.saturating_sub(gap.ns) > TICK)?;
    log.survey.note_gap(gap.line, gap.missing);
    Some(gap.since)
}

/// Tries that have taken a number, or may have.
fn numbered(own: &VcpuLog) -> u64 {
    own.counts.tries.saturating_sub(own.counts.repeated)
}
