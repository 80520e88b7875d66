//! What scenarios compare.

use crate::apf::Defects;
use crate::apf::rules::Rules;

/// What scenarios compare: rules of the protocol and whether each side uses it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Name in scenario files, tables and legends.
    pub name: String,
    /// The generation of the protocol.
    pub rules: Rules,
    /// Whether the host handles faults asynchronously at all.
    pub host_async: bool,
    /// Whether the guest enables notices (writes the EN MSR).
    pub guest_enabled: bool,
    /// Mistakes that the protocol makes.
    pub defects: Defects,
}
