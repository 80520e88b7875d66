//! The scenario as a file, in which every number says where it comes from.

use std::fmt::Write as _;

use sim_core::SimDuration;

use super::estimate::{Estimate, Mode, PROGRAM_STEPS};
use super::host::DeviceLaw;
use super::measure::Measure;
use super::paths::PathId;

/// Columns of a line with a comment.
const WIDTH: usize = 100;
/// Longest name of a scenario.
const LONGEST_NAME: usize = 64;
/// The workload's memory: two fifths of random touches find their page swapped out. Not in a log,
/// and of no influence but through that share.
const MEMORY: Memory =
    Memory { guest: "128MiB", region: "64MiB", limit: "40MiB", other: "1600KiB" };

struct Memory {
    guest: &'static str,
    region: &'static str,
    limit: &'static str,
    other: &'static str,
}

struct Writer<'a> {
    estimate: &'a Estimate,
    text: String,
}

/// The text of the scenario that stands for a log.
pub(super) fn text(log: &str, measure: &Measure, estimate: &Estimate) -> String {
    let mut writer = Writer { estimate, text: String::new() };
    writer.head(log, measure);
    writer.line(0, "{");
    writer.line(2, "\"format\": 1,");
    writer.line(2, &format!("\"name\": \"{}\",", name_of(log)));
    writer.line(2, "\"title\": \"A host as a log shows it\",");
    writer.host();
    writer.guest();
    writer.workload();
    writer.end();
    writer.text
}

/// A name for the scenario of a log.
pub(super) fn name_of(log: &str) -> String {
    let file = log.rsplit(['/', '\\']).next().unwrap_or(log);
    let stem = file.strip_suffix(".gz").unwrap_or(file);
    let stem = stem.strip_suffix(".txt").unwrap_or(stem);
    let plain = |c: char| match c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.') {
        true => c,
        false => '-',
    };
    let name: String = format!("fit-{stem}").chars().map(plain).collect();
    name.chars().take(LONGEST_NAME).collect()
}

impl Writer<'_> {
    fn line(&mut self, indent: usize, text: &str) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.text, "{:indent$}{text}", "");
    }

    fn comment(&mut self, indent: usize, text: &str) {
        let mut line = String::from("//");
        for word in text.split_whitespace() {
            if indent + line.chars().count() + 1 + word.chars().count() > WIDTH && line != "//" {
                self.line(indent, &line);
                line = String::from("//");
            }
            line.push(' ');
            line.push_str(word);
        }
        self.line(indent, &line);
    }

    /// Where a field comes from.
    fn source(&mut self, indent: usize, field: &str) {
        let given = self.estimate.given.iter().find(|given| given.field == field);
        if let Some(given) = given {
            let source = given.source.clone();
            self.comment(indent, &source);
        }
    }

    fn head(&mut self, log: &str, measure: &Measure) {
        let about = format!(
            "Fitted by apfsim fit-scenario {} to the log {}: {:.3} s, {} faults that needed I/O; {}.",
            crate::version::VERSION,
            log.rsplit(['/', '\\']).next().unwrap_or(log),
            measure.length() as f64 / 1e9,
            measure.faults(),
            self.estimate.mode.text()
        );
        self.comment(0, &about);
        self.comment(
            0,
            "Before each value stands where it comes from. The times of paths, from which costs are \
             taken (mean of the spans around the median, number of spans):",
        );
        for &path in PathId::ALL.iter().filter(|path| !path.parts().is_empty()) {
            if let Some(summary) = measure.path(path) {
                let line = format!(
                    "//   {:<26} {:>9.2} us, n = {}",
                    path.name(),
                    summary.centre / 1000.0,
                    summary.count
                );
                self.line(0, &line);
            }
        }
        self.comment(
            0,
            "A host does not see the guest's threads: how many fault and how many compute, and \
             which share of touches faults, are assumptions.",
        );
    }

    fn host(&mut self) {
        let estimate = self.estimate;
        self.line(2, "\"host\": {");
        self.source(4, "host.cpu");
        match estimate.frequency_mhz {
            Some(mhz) => {
                self.source(4, "host.cpu.frequency");
                let cpu = &estimate.cpu;
                let line =
                    format!("\"cpu\": {{ \"preset\": \"{cpu}\", \"frequency\": \"{mhz}MHz\" }},");
                self.line(4, &line);
            }
            None => self.line(4, &format!("\"cpu\": \"{}\",", estimate.cpu)),
        }
        self.source(4, "host.cpus");
        self.line(4, &format!("\"cpus\": {},", estimate.host_cpus));
        self.comment(
            4,
            "not in the log: two fifths of the region do not fit, and so many touches fault \
             (assumption)",
        );
        self.line(4, &format!("\"memory_limit\": \"{}\",", MEMORY.limit));
        self.line(4, &format!("\"other_resident\": \"{}\",", MEMORY.other));
        self.swap();
        self.costs();
        self.source(4, "host.kernel");
        let polls = match estimate.mode {
            Mode::Polled => ", \"polled_reads\": true",
            Mode::Told | Mode::Halted | Mode::Synchronous => "",
        };
        // Writes that cost nothing are not throttled either.
        let throttles = match estimate.reclaims {
            true => "",
            false => ", \"writeback_throttling\": \"0s\"",
        };
        let kernel = estimate.host_kernel;
        self.line(4, &format!("\"kernel\": {{ \"preset\": \"{kernel}\"{polls}{throttles} }},"));
        self.line(4, &format!("\"sched\": {{ \"kernel\": \"{}\" }},", estimate.guest_kernel));
        self.source(4, "host.tick");
        self.line(4, &format!("\"tick\": \"{}\"", estimate.host_tick));
        self.line(2, "},");
    }

    fn swap(&mut self) {
        let estimate = self.estimate;
        self.line(4, "\"swap\": {");
        self.source(6, "host.swap.device");
        self.source(6, "host.swap.device, writes");
        match &estimate.device {
            DeviceLaw::Preset(name) => self.line(6, &format!("\"device\": \"{name}\",")),
            DeviceLaw::Constant { read, write } => {
                let line = format!(
                    "\"device\": {{ \"kind\": \"constant\", \"read_latency\": \"{read}\", \
                     \"write_latency\": \"{write}\" }},"
                );
                self.line(6, &line);
            }
            DeviceLaw::Empirical { channels, read, write } => {
                self.line(6, "\"device\": {");
                self.line(8, &format!("\"kind\": \"channels\", \"channels\": {channels},"));
                self.law("read", read, ",");
                self.law("write", write, "");
                self.line(6, "},");
            }
        }
        self.source(6, "host.swap.read_ahead");
        self.line(6, &format!("\"read_ahead\": {}", estimate.read_ahead));
        self.line(4, "},");
    }

    fn law(&mut self, name: &str, points: &[(u32, SimDuration)], end: &str) {
        self.line(8, &format!("\"{name}\": {{ \"kind\": \"empirical\", \"points\": ["));
        for (at, (ppm, value)) in points.iter().enumerate() {
            let comma = if at + 1 < points.len() { "," } else { "" };
            self.line(10, &format!("{{ \"ppm\": {ppm}, \"value\": \"{value}\" }}{comma}"));
        }
        self.line(8, &format!("] }}{end}"));
    }

    fn costs(&mut self) {
        let estimate = self.estimate;
        let mut lines: Vec<(String, String)> = Vec::new();
        for cost in &estimate.costs {
            if estimate.reclaims || !cost.name.starts_with("reclaim_") {
                let field = format!("host.costs.{}", cost.name);
                lines.push((format!("\"{}\": \"{}\"", cost.name, cost.shown()), field));
            }
        }
        if !estimate.reclaims {
            for name in ["reclaim_scan_page", "reclaim_unmap_page", "reclaim_write_page"] {
                lines.push((format!("\"{name}\": \"0ns\""), String::new()));
            }
        }
        if lines.is_empty() {
            return;
        }
        self.source(4, "host.costs, all others");
        self.line(4, "\"costs\": {");
        let count = lines.len();
        for (at, (line, field)) in lines.into_iter().enumerate() {
            match field.as_str() {
                "" => self.comment(6, "no write in the log"),
                field => self.source(6, field),
            }
            let comma = if at + 1 < count { "," } else { "" };
            self.line(6, &format!("{line}{comma}"));
        }
        self.line(4, "},");
    }

    fn guest(&mut self) {
        let estimate = self.estimate;
        self.line(2, "\"guest\": {");
        self.source(4, "guest.kernel");
        self.line(4, &format!("\"kernel\": \"{}\",", estimate.guest_kernel));
        self.source(4, "guest.vcpus");
        self.line(4, &format!("\"vcpus\": {},", estimate.vcpus));
        self.comment(4, "not in the log, and of no influence");
        self.line(4, &format!("\"memory\": \"{}\",", MEMORY.guest));
        if let Some(hz) = estimate.hz {
            self.source(4, "guest.hz");
            self.line(4, &format!("\"hz\": {hz},"));
        }
        self.source(4, "guest.apic.timer_exits");
        self.line(4, &format!("\"apic\": {{ \"timer_exits\": {} }}", estimate.timer_exits));
        self.line(2, "},");
    }

    fn workload(&mut self) {
        let estimate = self.estimate;
        let load = estimate.load;
        self.line(2, "\"workload\": {");
        let region = format!(
            "{{ \"name\": \"array\", \"size\": \"{}\", \"prefill\": true }}",
            MEMORY.region
        );
        self.line(4, &format!("\"regions\": [{region}],"));
        self.line(4, "\"tasks\": [");
        self.line(6, "{");
        self.line(8, "\"name\": \"faulter\",");
        self.line(8, "\"role\": \"faulter\",");
        self.source(8, "workload.tasks[faulter].count");
        self.line(8, &format!("\"count\": {},", load.faulters));
        self.source(8, "workload: cost of a touch");
        if load.kernel_steps > 0 {
            self.source(8, "workload: touches in the guest's kernel");
        }
        let touch = format!(
            "{{ \"op\": \"access\", \"region\": \"array\", \"pattern\": \"uniform\", \"write\": true, \
             \"cost\": \"{}\" }}",
            load.touch
        );
        self.program(&touch, load.kernel_steps);
        self.line(6, if load.workers > 0 { "}," } else { "}" });
        if load.workers > 0 {
            self.line(6, "{");
            self.line(8, "\"name\": \"worker\",");
            self.line(8, "\"role\": \"worker\",");
            self.source(8, "workload.tasks[worker].count");
            self.line(8, &format!("\"count\": {},", load.workers));
            self.comment(8, "counts microseconds");
            self.line(8, "\"program\": [{ \"op\": \"count\", \"per_second\": 1000000 }]");
            self.line(6, "}");
        }
        self.line(4, "]");
        self.line(2, "},");
    }

    /// One touch, or as many as tell the share of those in the guest's kernel, evenly spread.
    fn program(&mut self, touch: &str, kernel_steps: u32) {
        if kernel_steps == 0 {
            return self.line(8, &format!("\"program\": [{touch}]"));
        }
        self.line(8, "\"program\": [");
        for step in 0..PROGRAM_STEPS {
            let before = step * kernel_steps / PROGRAM_STEPS;
            let in_kernel = (step + 1) * kernel_steps / PROGRAM_STEPS > before;
            let comma = if step + 1 < PROGRAM_STEPS { "," } else { "" };
            match in_kernel {
                true => {
                    let call = format!(
                        "{{ \"op\": \"syscall\", \"cost\": \"1us\", \"body\": [{touch}] }}{comma}"
                    );
                    self.line(10, &call);
                }
                false => self.line(10, &format!("{touch}{comma}")),
            }
        }
        self.line(8, "]");
    }

    fn end(&mut self) {
        let estimate = self.estimate;
        self.source(2, "policies");
        match estimate.first_lookup {
            None => self.line(2, &format!("\"policies\": [\"{}\"],", estimate.policy)),
            Some(lookup) => {
                let line = format!(
                    "\"policies\": [{{ \"name\": \"fitted\", \"base\": \"{}\", \"set\": {{ \
                     \"first_lookup\": \"{lookup}\" }} }}],",
                    estimate.policy
                );
                self.line(2, &line);
            }
        }
        self.comment(2, "two thousand faults at the log's rate");
        self.line(2, &format!("\"duration\": \"{}\",", estimate.duration));
        self.line(2, &format!("\"seed\": {}", estimate.seed));
        self.line(0, "}");
    }
}

#[cfg(test)]
mod tests {
    use super::name_of;

    #[test]
    fn names_are_those_of_scenarios() {
        assert_eq!(name_of("/a/b/tr11-pv.txt.gz"), "fit-tr11-pv");
        assert_eq!(name_of("standard input"), "fit-standard-input");
        assert_eq!(name_of(&"ö".repeat(99)).len(), 64);
    }
}
