//! Whether what recurs fits into its period: ticks that take all the time leave none to the guest.

use models::config::{CpuConfig, GuestConfig, HostConfig};
use sim_core::SimDuration;

use super::at::At;
use crate::syntax::error::ScenarioError;

/// Something that takes time again and again.
struct Recurring {
    every: SimDuration,
    takes: SimDuration,
    /// The costs that it consists of.
    costs: String,
}

impl Recurring {
    fn new(every: SimDuration, costs: &[(&str, SimDuration)]) -> Self {
        let costs: Vec<_> = costs.iter().filter(|(_, span)| !span.is_zero()).collect();
        let takes = costs.iter().fold(SimDuration::ZERO, |sum, (_, span)| sum + *span);
        let costs: Vec<_> = costs.iter().map(|(name, span)| format!("{name} {span}")).collect();
        Self { every, takes, costs: costs.join(", ") }
    }

    fn fits(&self) -> bool {
        self.takes < self.every
    }
}

/// Refuses ticks of host or guest that cost as much as their period, by themselves or together.
pub(super) fn fit(
    root: &At<'_>,
    host: &HostConfig,
    (guest_at, guest): (&At<'_>, &GuestConfig),
    cpu: &CpuConfig,
) -> Result<(), ScenarioError> {
    let (of_host, of_guest) = (host_tick(host, cpu), guest_tick(guest, cpu));
    let host_at = root.field("host").field("tick");
    let guest_at = guest_at.field("hz");
    refuse(&host_at, "the host's tick", &of_host, "`host.tick`")?;
    refuse(&guest_at, "the guest's tick", &of_guest, "`guest.hz`")?;
    let missed = cpu.costs.guest_missed_tick.time(cpu.frequency);
    let missed = Recurring::new(guest.tick, &[("guest_missed_tick", missed)]);
    refuse(&guest_at, "a missed tick of the guest", &missed, "`guest.hz`")?;
    let ps = |span: SimDuration| u128::from(span.as_ps());
    let both = ps(of_host.takes) * ps(of_guest.every) + ps(of_guest.takes) * ps(of_host.every);
    if both >= ps(of_host.every) * ps(of_guest.every) {
        let message = format!(
            "the ticks leave the guest no time: the host's takes {} of {}, the guest's {} of {}",
            of_host.takes, of_host.every, of_guest.takes, of_guest.every
        );
        let help = "a longer `host.tick`, a lower `guest.hz`, or lower costs (`host.costs`)";
        return Err(host_at.fail(message, help));
    }
    Ok(())
}

fn refuse(at: &At<'_>, what: &str, tick: &Recurring, field: &str) -> Result<(), ScenarioError> {
    if tick.fits() {
        return Ok(());
    }
    let message = format!(
        "{what} takes {}, and comes every {}: nothing else would get any time",
        tick.takes, tick.every
    );
    let help = format!("change {field}, or the costs in it (`host.costs`): {}", tick.costs);
    Err(at.fail(message, help))
}

/// On a processor that somebody has. One that costs nothing comes only while threads compete.
fn host_tick(host: &HostConfig, cpu: &CpuConfig) -> Recurring {
    let of = |cost: models::config::costs::Cost| cost.time(cpu.frequency);
    let tick = of(cpu.costs.host_tick);
    let exit = of(cpu.costs.exit_interrupt);
    Recurring::new(host.tick, &[("host_tick", tick), ("exit_interrupt", exit)])
}

/// The exit for the timer's interrupt, its injection, the handler, and the exits of that.
fn guest_tick(guest: &GuestConfig, cpu: &CpuConfig) -> Recurring {
    let of = |cost: models::config::costs::Cost| cost.time(cpu.frequency);
    let costs = &cpu.costs;
    let exits = u64::from(guest.apic.timer_exits) + u64::from(guest.apic.eoi_exits);
    let parts = [
        ("exit_interrupt", of(costs.exit_interrupt)),
        ("timer_interrupt", of(costs.timer_interrupt)),
        ("inject_host", of(costs.inject_host)),
        ("inject_window", of(costs.inject_window)),
        ("inject_event", of(costs.inject_event)),
        ("guest_exception", of(costs.guest_exception)),
        ("guest_tick", of(costs.guest_tick)),
        ("exit_light", of(costs.exit_light).times(exits)),
    ];
    Recurring::new(guest.tick, &parts)
}
