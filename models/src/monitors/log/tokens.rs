//! Tokens that mean something else, or are another vCPU's: INV-03 and INV-04.

use super::event::LogEvent;
use super::state::LogState;
use super::vcpu::owner;
use crate::base::ids::Token;
use crate::monitors::catalogue::{INV_03, INV_04, INV_12};

/// Why token 0 may be no breach.
pub(super) const OLD_KERNEL: &str = "a vCPU's first token in the log is 0, as before Linux 5.17; \
                                     say which kernel it is with --rules";

/// A token is announced that means something else.
pub(super) fn announced(log: &mut LogState, at: usize, event: LogEvent, token: Token) {
    match token {
        Token::WAKE_ALL => {
            let label = log.vcpus[at].label();
            let text = format!("a request of {label} has token {token}, which means wake-all");
            log.say(at, INV_03, event, text, &[]);
        }
        Token(0) => {
            let label = log.vcpus[at].label();
            let text = format!("a request of {label} has token 0, which means a free slot");
            token_zero(log, at, event, text, true);
        }
        _ => {}
    }
}

/// Token 0 is announced. Kernels before 5.17 begin with it, and some logs do not show which
/// kernel it is.
fn token_zero(log: &mut LogState, at: usize, event: LogEvent, text: String, announced: bool) {
    let own = &mut log.vcpus[at];
    let first = own.first.is_none() && own.token_id.is_none();
    if !first || log.seen.repeated || log.config.family.is_some() {
        log.say(at, INV_04, event, text, &[]);
    } else if announced {
        own.zero = Some(event);
    } else {
        log.ledger.unjudged(INV_04, OLD_KERNEL, 1);
    }
}

/// The first token was 0, and this is the counter of the next one: a kernel that begins with 0
/// goes on with 1.
pub(super) fn after_zero(log: &mut LogState, at: usize, zero: LogEvent, next: u32) {
    if next == 1 {
        log.ledger.unjudged(INV_04, OLD_KERNEL, 1);
    } else {
        let label = log.vcpus[at].label();
        let text = format!(
            "a request of {label} has token 0, which means a free slot, and no kernel's \
             counter goes on from there to {next}"
        );
        log.say(at, INV_04, zero, text, &[]);
    }
}

/// The vCPU's number is known by its first token: page readies before it with another number
/// are another vCPU's.
pub(super) fn foreign_early(log: &mut LogState, at: usize, event: LogEvent, token: Token) {
    let foreign =
        |early: Token| early != Token::WAKE_ALL && early.0 != 0 && owner(early) != owner(token);
    let found = log.vcpus[at].early.values().find(|&(early, _)| foreign(early));
    let Some((early, ready)) = found.filter(|_| !log.seen.wandering) else { return };
    let label = log.vcpus[at].label();
    let text = format!(
        "page ready {early} of {label} has no not present: the token is that of another vCPU"
    );
    log.say(at, INV_12, event, text, &[ready]);
}

/// A page ready has a token that means something else.
pub(super) fn ready(log: &mut LogState, at: usize, event: LogEvent, token: Token) {
    let label = log.vcpus[at].label();
    if token == Token::WAKE_ALL {
        let text =
            format!("page ready of a request of {label} has token {token}, which is wake-all's");
        log.say(at, INV_03, event, text, &[]);
    } else if token.0 == 0 && log.vcpus[at].place_of(token).is_none() {
        let text =
            format!("page ready of {label} has token 0, which the guest takes for a free slot");
        token_zero(log, at, event, text, false);
    }
}
