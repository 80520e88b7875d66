//! What must hold in every state of the protocol, as values.
//!
//! These are functions of one state. What must hold between two moments (that not present is
//! followed by page ready, say) is a matter of traces; where a state alone shows that it cannot be
//! met any more, it is here too (INV-13).

mod catalogue;
mod finding;
mod guest;
mod host;
mod vmm;

pub use catalogue::{
    StateInvariant, Violation, all, check_all, check_entry, check_token, check_vcpu, violations,
    weaknesses, weaknesses_of,
};
pub use finding::Finding;
