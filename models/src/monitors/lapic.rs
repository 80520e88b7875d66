//! Whether a vCPU's local APIC can take page ready interrupts. A guest that has switched it off
//! gets none, and the host keeps what it has for it: what has to happen in the end has to happen
//! once the local APIC is on again.
//!
//! Only the disturbances of a simulated run show it. In other traces every local APIC counts as on.

use sim_core::{SimDuration, SimTime};

use crate::base::ids::VcpuId;

/// Where page ready comes as an interrupt: which local APICs are on, and since when.
#[derive(Clone, Debug, Default)]
pub(super) struct Lapics {
    /// vCPUs that nothing is known of are on since the beginning.
    states: Vec<Lapic>,
}

#[derive(Clone, Copy, Debug, Default)]
enum Lapic {
    #[default]
    AlwaysOn,
    OnSince(SimTime),
    Off,
}

impl Lapics {
    /// The guest switches a local APIC on or off.
    pub(super) fn switched(&mut self, vcpu: VcpuId, on: bool, now: SimTime) {
        if self.states.len() <= vcpu.index() {
            self.states.resize(vcpu.index() + 1, Lapic::default());
        }
        let state = &mut self.states[vcpu.index()];
        *state = match (on, *state) {
            (false, _) => Lapic::Off,
            (true, Lapic::Off) => Lapic::OnSince(now),
            (true, on) => on,
        };
    }

    /// From when on something that happened at `time` can have come through; `None` while the
    /// local APIC is off.
    pub(super) fn reached_since(&self, vcpu: VcpuId, time: SimTime) -> Option<SimTime> {
        match self.states.get(vcpu.index()).copied().unwrap_or_default() {
            Lapic::AlwaysOn => Some(time),
            Lapic::OnSince(on) => Some(time.max(on)),
            Lapic::Off => None,
        }
    }

    /// For how long at `now` something that happened at `time` could have come through.
    pub(super) fn waited(&self, vcpu: VcpuId, time: SimTime, now: SimTime) -> SimDuration {
        let since = self.reached_since(vcpu, time).unwrap_or(now);
        now.saturating_since(since)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_begins_when_the_local_apic_is_on_again() {
        let (vcpu, at) = (VcpuId(1), SimTime::from_ps);
        let mut lapics = Lapics::default();
        lapics.switched(vcpu, true, at(3));
        assert_eq!(lapics.reached_since(vcpu, at(5)), Some(at(5)));
        lapics.switched(vcpu, false, at(7));
        assert_eq!(lapics.reached_since(vcpu, at(5)), None);
        assert_eq!(lapics.waited(vcpu, at(5), at(9)).as_ps(), 0);
        lapics.switched(vcpu, true, at(10));
        lapics.switched(vcpu, true, at(12));
        assert_eq!(lapics.reached_since(vcpu, at(5)), Some(at(10)));
        assert_eq!(lapics.waited(vcpu, at(11), at(15)).as_ps(), 4);
        assert_eq!(lapics.reached_since(VcpuId(0), at(1)), Some(at(1)));
    }
}
