//! A scenario to begin with: a file of one's own, made of a few wishes, with comments that say what to change.

use std::fmt::Write as _;

use models::config::DeviceConfig;
use models::parts::device::load::{ClosedLoad, closed_load};
use models::presets;
use sim_core::DistributionError;

use crate::scenario::resolve::{MAX_VCPUS, Scenario};
use crate::syntax::error::ScenarioError;
use crate::syntax::units::Bytes;

/// What the guest runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Tasks that touch an array beside tasks that count.
    Compute,
    /// A server that answers requests from outside.
    Requests,
    /// A guest that is restored from a snapshot, whose pages the VMM brings.
    Restore,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Compute, Self::Requests, Self::Restore];

    /// What it is called.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Compute => "compute",
            Self::Requests => "requests",
            Self::Restore => "restore",
        }
    }

    /// What it is.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Compute => {
                "tasks that touch an array too large for memory, beside tasks that count"
            }
            Self::Requests => {
                "a server whose requests arrive from outside; its 99th percentile counts"
            }
            Self::Restore => {
                "a guest restored from a snapshot, whose pages the VMM brings on demand"
            }
        }
    }
}

/// Bytes of a page.
const PAGE: u64 = 4096;
/// Computation of a request, in microseconds.
const COMPUTE_US: u64 = 30;
/// Requests of the load that shows how many a device takes.
const LOAD: u64 = 60_000;
/// Euler's constant: the harmonic number of n less its logarithm.
const EULER: f64 = 0.577;
/// Assumption: reclaim that does not know which pages are hot misses so many times as often as if it did.
const RECLAIM: f64 = 2.0;

/// Longest run, in seconds.
const LONGEST: f64 = 3600.0;

/// How fast a scenario goes.
struct Pace {
    /// Microseconds between requests that arrive.
    gap: u64,
    /// Seconds that are measured.
    seconds: u64,
}

/// What a scenario to begin with is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wishes {
    /// Its name.
    pub name: String,
    /// What the guest runs.
    pub kind: Kind,
    /// Memory of the guest.
    pub memory: Bytes,
    /// How much of it the host lets stay.
    pub limit: Bytes,
    /// What the guest touches; by default as much as its kind of workload is about.
    pub working_set: Option<Bytes>,
    /// Virtual processors.
    pub vcpus: u64,
    /// The swap device, or that of the snapshot: a preset or a file.
    pub device: String,
    /// The host's kernel, a preset.
    pub host_kernel: String,
    /// The processor, a preset; by default one of the time of the kernel.
    pub cpu: Option<String>,
    /// Policies; by default those of the kernel.
    pub policies: Vec<String>,
}

impl Default for Wishes {
    fn default() -> Self {
        Self {
            name: "my-scenario".to_owned(),
            kind: Kind::Compute,
            memory: Bytes(1 << 30),
            limit: Bytes(256 << 20),
            working_set: None,
            vcpus: 4,
            device: "nvme-tlc-gen3".to_owned(),
            host_kernel: "linux-6.12".to_owned(),
            cpu: None,
            policies: Vec::new(),
        }
    }
}

impl Wishes {
    /// The policies that are compared unless others are wished for: without asynchronous faults, with a guest
    /// that is not told, and with one that is.
    pub fn usual_policies(&self) -> Vec<String> {
        match self.host_kernel.strip_prefix("linux-") {
            Some("2.6.36") | None => ["sync", "halt", "apf-v7-2010"].map(str::to_owned).into(),
            Some(release) => {
                vec!["sync".to_owned(), format!("halt-{release}"), format!("apf-{release}")]
            }
        }
    }

    /// The text of the file at a path, from whose folder the path of a device's file is seen.
    ///
    /// # Errors
    /// When the wishes do not go together, as a scenario with them would say.
    pub fn text(&self, path: &str) -> Result<String, ScenarioError> {
        if !(1..=MAX_VCPUS).contains(&self.vcpus) {
            return Err(ScenarioError::Override {
                message: format!("a guest has no {} vCPUs", self.vcpus),
                help: format!("from 1 to {MAX_VCPUS}"),
            });
        }
        let mut pace = Pace { gap: self.least_gap(), seconds: 2 };
        let text = self.written(&pace);
        let device = &Scenario::from_str(path, &text)?.machine.host.device;
        match self.kind {
            Kind::Compute => return Ok(text),
            Kind::Requests => pace.gap = pace.gap.max(self.gap_of_device(device)?),
            Kind::Restore => pace.seconds = pace.seconds.max(self.seconds_of_device(device)?),
        }
        let text = self.written(&pace);
        Scenario::from_str(path, &text)?;
        Ok(text)
    }

    /// Seconds in which the whole set comes from the device, were it page after page, and as long again.
    fn seconds_of_device(&self, device: &DeviceConfig) -> Result<u64, ScenarioError> {
        let rate = self.rate(
            device,
            &ClosedLoad { depth: 1, requests: LOAD, reads_ppm: 1_000_000, seed: 1 },
        )?;
        let pages = self.working_set().0 / PAGE;
        Ok((2.0 * pages as f64 / rate.max(f64::MIN_POSITIVE)).ceil().min(LONGEST) as u64)
    }

    fn rate(&self, device: &DeviceConfig, load: &ClosedLoad) -> Result<f64, ScenarioError> {
        let failed = |error: DistributionError| ScenarioError::Override {
            message: format!("the device `{}`: {error}", self.device),
            help: "name another device".to_owned(),
        };
        Ok(closed_load(device, load).map_err(failed)?.rate())
    }

    /// Microseconds between requests of which a third of the vCPUs' time is computation.
    fn least_gap(&self) -> u64 {
        (3 * COMPUTE_US / self.vcpus).max(1)
    }

    /// Microseconds between requests of which a third of what the device does is theirs, as many
    /// pages of both directions being under way as there are vCPUs.
    fn gap_of_device(&self, device: &DeviceConfig) -> Result<u64, ScenarioError> {
        let load =
            ClosedLoad { depth: self.vcpus as u32, requests: LOAD, reads_ppm: 500_000, seed: 1 };
        let rate = self.rate(device, &load)?;
        // Zipf's law of exponent 1: the share of the first n of N is about H(n) / H(N).
        let harmonic = |pages: u64| libm::log(pages.max(1) as f64) + EULER;
        let (stays, all) = (self.limit.0 / PAGE, self.working_set().0 / PAGE);
        let missed = 1.0 - (harmonic(stays) / harmonic(all)).min(1.0);
        // Two touches; what is read takes the place of another page, which is written.
        let pages = 2.0 * 2.0 * missed * RECLAIM;
        Ok((3.0 * 1e6 * pages / rate.max(f64::MIN_POSITIVE)).ceil() as u64)
    }

    fn cpu(&self) -> &str {
        match &self.cpu {
            Some(cpu) => cpu,
            None if self.host_kernel == presets::HOST_KERNEL => "westmere-2010",
            None => "skylake-sp",
        }
    }

    /// As wished for. Else twice what may stay, as far as the guest has it, so that some of it is always elsewhere; of
    /// a guest that is restored a tenth of its memory, as in the library's `snapshot-restore`: an assumption.
    fn working_set(&self) -> Bytes {
        let most = self.memory.0 / 10 * 8;
        let usual = match self.kind {
            Kind::Compute | Kind::Requests => self.limit.0.saturating_mul(2).min(most),
            Kind::Restore => self.memory.0 / 10,
        };
        let set = self.working_set.map_or(usual, |set| set.0);
        Bytes((set / PAGE).max(1) * PAGE)
    }

    fn written(&self, pace: &Pace) -> String {
        let Self { name, kind, memory, limit, vcpus, .. } = self;
        let policies = match self.policies.is_empty() {
            true => self.usual_policies(),
            false => self.policies.clone(),
        };
        let policies: Vec<String> = policies.iter().map(|name| quoted(name)).collect();
        let mut text = String::new();
        let mut line = |line: &str| {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{line}");
        };
        for comment in self.head() {
            line(format!("// {comment}").trim_end());
        }
        line("{");
        line("  \"format\": 1,");
        line(&format!("  \"name\": {},", quoted(name)));
        line(&format!("  \"title\": {},", quoted(self.title())));
        line("  \"host\": {");
        line(&format!(
            "    \"cpu\": {}, // apfsim presets {} says what its costs are",
            quoted(self.cpu()),
            self.cpu()
        ));
        let cpus = (vcpus + 2).min(MAX_VCPUS);
        line(&format!("    \"cpus\": {cpus}, // for vCPUs, workers and whoever else runs"));
        line(&format!("    \"memory_limit\": \"{limit}\", // what may stay of the guest's memory"));
        line(&format!("    \"swap\": {{ \"device\": {} }},", quoted(&self.device)));
        if *kind == Kind::Restore {
            line("    \"stores\": [{");
            line("      \"name\": \"snapshot\",");
            line(&format!("      \"device\": {},", quoted(&self.device)));
            line(
                "      \"handler\": { \"readers\": 1, \"installers\": 2 } // threads of the VMM: userfaultfd",
            );
            line("    }],");
        }
        line(&format!("    \"kernel\": {}", quoted(&self.host_kernel)));
        line("  },");
        line(&format!(
            "  \"guest\": {{ \"kernel\": {}, \"vcpus\": {vcpus}, \"memory\": \"{memory}\" }},",
            quoted(&self.host_kernel)
        ));
        line("  \"workload\": {");
        for own in self.workload(pace.gap) {
            line(&own);
        }
        line("  },");
        line(&format!("  \"policies\": [{}], // apfsim policies lists them", policies.join(", ")));
        line(&format!("  \"measure\": {}, // apfsim metrics lists them", quoted(self.measure())));
        line(&format!("  \"duration\": \"{}s\",", pace.seconds));
        if *kind == Kind::Requests {
            line("  \"warmup\": \"1s\",");
        }
        line("  \"seed\": 1,");
        line("  \"replications\": 3,");
        line(
            "  \"expect\": [\"invariants clean\"] // apfsim test holds results against these lines",
        );
        line("}");
        text
    }

    fn title(&self) -> &'static str {
        match self.kind {
            Kind::Compute => "How much work do async page faults save in this guest?",
            Kind::Requests => "What do async page faults do for the tail latency of this server?",
            Kind::Restore => "How long does this guest wait for the pages of its snapshot?",
        }
    }

    fn measure(&self) -> &'static str {
        match self.kind {
            Kind::Compute => "work_total",
            Kind::Requests => "request_latency_p99",
            Kind::Restore => "completion_time",
        }
    }

    fn head(&self) -> Vec<String> {
        let Self { memory, limit, vcpus, device, .. } = self;
        let mut head = vec![self.title().to_owned(), String::new()];
        let what = match self.kind {
            Kind::Compute => {
                "As many tasks as vCPUs write to random pages of an array, and as many count. Whatever the \
                 tasks of the array wait for, the counting tasks could have used."
            }
            Kind::Requests => {
                "Two threads a vCPU answer requests that arrive in a Poisson process, at about a third of what \
                 vCPUs and device can do; each computes and touches two pages, hot ones more often. How long \
                 a request takes counts from its arrival."
            }
            Kind::Restore => {
                "Nothing is in memory at the start: the first touch of each page is a fault that a handler \
                 of the VMM answers. Two threads a vCPU go through their working set once."
            }
        };
        let machine = format!(
            "A guest of {vcpus} vCPUs and {memory}, of which {limit} may stay in memory; the rest is on {device}. \
             Lengths of computations are assumptions: put your own in their place."
        );
        for text in [what, &machine] {
            head.extend(wrapped(text));
        }
        head.push(String::new());
        head.push("apfsim compare THIS-FILE compares the policies; docs/scenario-format.md has every field.".to_owned());
        head
    }

    fn workload(&self, gap: u64) -> Vec<String> {
        let (set, vcpus) = (self.working_set(), self.vcpus);
        let lines = match self.kind {
            Kind::Compute => format!(
                r#"    "regions": [{{ "name": "array", "size": "{set}", "prefill": true }}],
    "tasks": [
      {{
        "name": "faulter",
        "role": "faulter",
        "count": {vcpus},
        "program": [
          {{ "op": "access", "region": "array", "pattern": "uniform", "write": true, "cost": "20ns" }}
        ]
      }},
      {{
        "name": "worker",
        "role": "worker",
        "count": {vcpus},
        "program": [{{ "op": "count", "per_second": 1000000000 }}]
      }}
    ]"#
            ),
            Kind::Requests => format!(
                r#"    "regions": [{{ "name": "values", "size": "{set}", "prefill": true }}],
    "tasks": [
      {{
        "name": "server",
        "role": "faulter",
        "count": {},
        "arrivals": {{ "kind": "poisson", "mean": "{}us" }},
        "program": [
          {{
            "op": "serve",
            "body": [
              {{ "op": "compute", "span": {{ "kind": "log_normal", "median": "{COMPUTE_US}us", "sigma_milli": 300 }} }},
              {{ "op": "access", "region": "values", "pattern": {{ "kind": "zipf", "exponent_milli": 990 }}, "cost": "500ns" }},
              {{ "op": "access", "region": "values", "pattern": {{ "kind": "zipf", "exponent_milli": 990 }}, "write": true, "cost": "500ns" }}
            ]
          }}
        ]
      }}
    ]"#,
                2 * vcpus,
                gap
            ),
            Kind::Restore => format!(
                r#"    "regions": [{{ "name": "working-set", "size": "{set}", "content": "stored", "store": "snapshot" }}],
    "tasks": [
      {{
        "name": "server",
        "role": "faulter",
        "count": {},
        "passes": {},
        "requests": "passes",
        "program": [
          {{ "op": "compute", "span": "150us" }},
          {{ "op": "repeat", "times": 4, "body": [
            {{ "op": "access", "region": "working-set", "pattern": {{ "kind": "chase" }}, "write": true, "cost": "200ns" }} ] }}
        ]
      }}
    ]"#,
                2 * vcpus,
                // Every page of the set is touched about once.
                (set.0 / PAGE).div_ceil(8 * vcpus)
            ),
        };
        lines.lines().map(str::to_owned).collect()
    }
}

/// A text as JSON has it.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Lines of a comment.
fn wrapped(text: &str) -> Vec<String> {
    const WIDTH: usize = 96;
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut().filter(|line| line.len() + word.len() < WIDTH) {
            Some(line) => {
                line.push(' ');
                line.push_str(word);
            }
            None => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests;
