//! A device as the text of a preset file.

use std::fmt::Write as _;

use models::config::{AtDepth, ChannelsConfig};
use serde_json::json;
use sim_core::{Distribution, SimDuration};

use crate::logs::fit::Given;

/// The file, with the source of each number above it.
pub(super) fn text(name: &str, summary: &str, config: &ChannelsConfig, given: &[Given]) -> String {
    let mut text =
        String::from("// Written by apfsim fit device; a scenario names it by its path.\n{\n");
    let _ = writeln!(text, "  \"name\": {},", json!(name));
    let _ = writeln!(text, "  \"summary\": {},", json!(summary));
    text += "  \"device\": {\n    \"kind\": \"channels\",\n";
    let ChannelsConfig { channels, read, write, per_page, read_at_depth, write_at_depth } = config;
    let source = |field: &str, text: &mut String| {
        for one in given.iter().filter(|one| one.field.split(' ').next() == Some(field)) {
            let _ = writeln!(text, "    // {}: {}", one.field, one.source);
        }
    };
    source("channels", &mut text);
    let _ = writeln!(text, "    \"channels\": {channels},");
    for (field, law) in [("read", read), ("write", write)] {
        source(field, &mut text);
        let _ = writeln!(text, "    \"{field}\": {},", law_text(law, 4));
    }
    for (field, laws) in [("read_at_depth", read_at_depth), ("write_at_depth", write_at_depth)] {
        if !laws.is_empty() {
            source(field, &mut text);
            let _ = writeln!(text, "    \"{field}\": [{}],", depths(laws));
        }
    }
    source("per_page", &mut text);
    let _ = writeln!(text, "    \"per_page\": \"{}\"", span(per_page.as_ps()));
    text + "  }\n}\n"
}

fn depths(laws: &[AtDepth]) -> String {
    let one = |law: &AtDepth| {
        format!("\n      {{ \"depth\": {}, \"time\": {} }}", law.depth, law_text(&law.time, 6))
    };
    laws.iter().map(one).collect::<Vec<_>>().join(",") + "\n    "
}

fn law_text(law: &Distribution, indent: usize) -> String {
    match law {
        Distribution::Empirical { points } => {
            let space = " ".repeat(indent + 2);
            let point = |&(ppm, value): &(u32, u64)| {
                format!("{space}{{ \"ppm\": {ppm}, \"value\": \"{}\" }}", span(value))
            };
            let points: Vec<String> = points.iter().map(point).collect();
            let end = " ".repeat(indent);
            format!("{{ \"kind\": \"empirical\", \"points\": [\n{}\n{end}] }}", points.join(",\n"))
        }
        other => format!("\"{}\"", span(other.mean_hint().unwrap_or(1))),
    }
}

fn span(ps: u64) -> String {
    if ps == 0 { "0s".into() } else { SimDuration::from_ps(ps).to_string() }
}
