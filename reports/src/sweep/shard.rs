//! A part of a sweep: how much of it was run. The results come when all parts are merged.

use scenarios::SweepShard;
use serde_json::json;

use crate::page::{Page, Piece};
use crate::report::Report;

impl Report for SweepShard {
    fn page(&self) -> Page {
        let Self { sweep, hash, shard, runs } = self;
        let found = if runs.violation { "an invariant was violated" } else { "no violation" };
        let line = format!(
            "sweep {sweep} ({hash}) shard {shard}: {} of {} runs, {found}",
            runs.runs, runs.all
        );
        Page::of([vec![Piece::Line(line)]])
    }

    fn object(&self) -> String {
        let value = json!({
            "sweep": self.sweep,
            "sweep_hash": self.hash,
            "shard": self.shard.number(),
            "shards": self.shard.count(),
            "runs": self.runs.runs,
            "all_runs": self.runs.all,
            "violation": self.runs.violation,
        });
        format!("{value:#}\n")
    }
}
