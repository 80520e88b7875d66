//! Which flow belongs to which token.

use std::collections::BTreeMap;

use super::mark::Flow;
use crate::base::ids::{Token, VcpuId};

/// The flows of faults that are not through: from the link of an item to the task that goes on.
#[derive(Clone, Debug, Default)]
pub(super) struct Flows {
    last: u64,
    open: BTreeMap<(VcpuId, Token), u64>,
}

impl Flows {
    pub(super) fn begin(&mut self, vcpu: VcpuId, token: Token) -> Option<Flow> {
        self.last += 1;
        self.open.insert((vcpu, token), self.last);
        self.at(vcpu, token)
    }

    /// The flow of a token goes on.
    pub(super) fn at(&self, vcpu: VcpuId, token: Token) -> Option<Flow> {
        self.open.get(&(vcpu, token)).map(|&id| Flow { id, ends: false })
    }

    /// The flow of a token ends.
    pub(super) fn end(&mut self, vcpu: VcpuId, token: Token) -> Option<Flow> {
        self.open.remove(&(vcpu, token)).map(|id| Flow { id, ends: true })
    }

    /// Nobody sleeps for a token of which the guest was not told.
    pub(super) fn forget(&mut self, vcpu: VcpuId, token: Token) {
        self.open.remove(&(vcpu, token));
    }
}
