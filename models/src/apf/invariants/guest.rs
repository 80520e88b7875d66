//! State invariants of the guest's half.

use super::finding::Finding;
use crate::apf::guest::Sleeper;
use crate::apf::{Apf, Notice};
use crate::base::ids::Token;
use crate::base::record::ApfReason;

/// INV-26. The table is ordered by token.
pub(super) fn one_entry_per_token(apf: &Apf) -> Finding {
    let mut pairs = apf.guest.sleepers.windows(2);
    match pairs.find(|pair| pair[0].token == pair[1].token) {
        Some(pair) => Err(format!("two entries wait for token {}", pair[0].token)),
        None => Ok(()),
    }
}

/// INV-26 for one token.
pub(super) fn entry_is_alone(apf: &Apf, token: Token) -> Finding {
    let sleepers = &apf.guest.sleepers;
    let first = sleepers.partition_point(|sleeper| sleeper.token < token);
    match sleepers.get(first + 1).filter(|second| second.token == token) {
        Some(_) => Err(format!("two entries wait for token {token}")),
        None => Ok(()),
    }
}

/// INV-13, as far as one state shows it. A guest that switched notices off wakes its sleepers
/// itself.
pub(super) fn sleepers_have_hope(apf: &Apf) -> Finding {
    let tasks = apf.guest.sleepers.iter().filter(|sleeper| sleeper.task.is_some());
    for sleeper in tasks {
        if apf.notices_on(sleeper.vcpu) && !has_hope(apf, sleeper) {
            let Sleeper { token, vcpu, .. } = sleeper;
            return Err(format!("nothing will wake the sleeper of token {token} on {vcpu}"));
        }
    }
    Ok(())
}

fn has_hope(apf: &Apf, sleeper: &Sleeper) -> bool {
    let outstanding = |token| {
        let mut items = apf.host.items.iter();
        items.any(|(_, item)| item.token == token && item.vcpu == sleeper.vcpu)
    };
    let state = apf.vcpu(sleeper.vcpu);
    let on_the_way = |notice: &Notice| {
        notice.reason == ApfReason::Ready
            && (notice.token == sleeper.token || notice.token == Token::WAKE_ALL)
    };
    outstanding(sleeper.token)
        || slot_is_being_read(apf, sleeper)
        || outstanding(Token::WAKE_ALL)
        || state.pending.iter().any(on_the_way)
        || apf.guest.cr2[sleeper.vcpu.index()].iter().any(on_the_way)
}

/// The slot holds what wakes the sleeper, and the guest will look or is looking.
fn slot_is_being_read(apf: &Apf, sleeper: &Sleeper) -> bool {
    let (vcpu, index) = (apf.vcpu(sleeper.vcpu), sleeper.vcpu.index());
    let looks = vcpu.lapic.requested.is_some() || apf.guest.in_handler[index];
    let token = apf.areas[index].token;
    looks && (token == sleeper.token || token == Token::WAKE_ALL)
}
