//! Kind `hdd`.

use models::config::{ElevatorConfig, HddConfig};
use sim_core::SimDuration;

use super::{Kind, Lines, MILLION, any, some};
use crate::scenario::file::{ElevatorFile, HddChanges, HddFile};
use crate::scenario::resolve::at::At;
use crate::syntax::error::ScenarioError;
use crate::syntax::units::Span;

/// The deadline elevator's own defaults (`block/deadline-iosched.c`).
const DEADLINE: ElevatorConfig = ElevatorConfig {
    read_expire: SimDuration::from_ms(500),
    write_expire: SimDuration::from_secs(5),
    fifo_batch: 16,
    writes_starved: 2,
};

impl Kind for HddConfig {
    const NAME: &'static str = "hdd";
    type Whole = HddFile;
    type Changes = HddChanges;

    fn base() -> Self {
        let zero = SimDuration::ZERO;
        Self {
            seek_base: zero,
            seek_sqrt: zero,
            rotation: zero,
            transfer_per_page: zero,
            controller: zero,
            swap_span_ppm: 1,
            elevator: DEADLINE,
        }
    }

    fn changed(self, at: &At<'_>, file: HddChanges) -> Result<Self, ScenarioError> {
        let transfer = self.transfer_per_page;
        Ok(Self {
            seek_base: any(at, "seek_base", file.seek_base, self.seek_base)?,
            seek_sqrt: any(at, "seek_sqrt", file.seek_sqrt, self.seek_sqrt)?,
            rotation: some(at, "rotation", file.rotation, self.rotation)?,
            transfer_per_page: some(at, "transfer_per_page", file.transfer_per_page, transfer)?,
            controller: any(at, "controller", file.controller, self.controller)?,
            swap_span_ppm: match file.swap_span_ppm {
                Some(ppm) => at.field("swap_span_ppm").number(ppm, 1..=MILLION)?,
                None => self.swap_span_ppm,
            },
            elevator: elevator(
                &at.field("elevator"),
                file.elevator.unwrap_or_default(),
                self.elevator,
            )?,
        })
    }

    fn lines(&self) -> Lines {
        let Self {
            seek_base,
            seek_sqrt,
            rotation,
            transfer_per_page,
            controller,
            swap_span_ppm,
            elevator: ElevatorConfig { read_expire, write_expire, fifo_batch, writes_starved },
        } = self;
        let time = |span: &SimDuration| span.as_ps().to_string();
        vec![
            ("seek_base", time(seek_base)),
            ("seek_sqrt", time(seek_sqrt)),
            ("rotation", time(rotation)),
            ("transfer_per_page", time(transfer_per_page)),
            ("controller", time(controller)),
            ("swap_span_ppm", swap_span_ppm.to_string()),
            ("read_expire", time(read_expire)),
            ("write_expire", time(write_expire)),
            ("fifo_batch", fifo_batch.to_string()),
            ("writes_starved", writes_starved.to_string()),
        ]
    }
}

fn elevator(
    at: &At<'_>,
    file: ElevatorFile,
    preset: ElevatorConfig,
) -> Result<ElevatorConfig, ScenarioError> {
    let span = |field: &str, value: Option<Span>, preset: SimDuration| {
        value.map_or(Ok(preset), |value| at.field(field).some_time(value.0))
    };
    let number = |field: &str, value: Option<u64>, preset: u32| {
        value.map_or(Ok(preset), |value| at.field(field).number(value, 1..=MILLION))
    };
    Ok(ElevatorConfig {
        read_expire: span("read_expire", file.read_expire, preset.read_expire)?,
        write_expire: span("write_expire", file.write_expire, preset.write_expire)?,
        fifo_batch: number("fifo_batch", file.fifo_batch, preset.fifo_batch)?,
        writes_starved: number("writes_starved", file.writes_starved, preset.writes_starved)?,
    })
}
