//! A scenario for each point of each axis.
//!
//! Along an axis one number grows, and either what each of its things does stays the same, or all that is done.

/// What stays the same along an axis, and so what its cost should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// Each of n does the same: n times the work, n times the cost.
    Each,
    /// All of n do the same together: more of them should cost nothing.
    All,
}

/// An axis.
pub struct Axis {
    /// Its name on the command line, in tables and plots.
    pub name: &'static str,
    /// What is counted along it.
    pub unit: &'static str,
    /// What stays the same.
    pub work: Work,
    /// The points.
    pub sizes: Vec<u64>,
    /// The scenario of a point.
    pub text: fn(u64) -> String,
    /// Whether a point is a comparison of so many replications, and not one run.
    pub replications: bool,
}

/// What most scenarios differ in; sizes are in MiB.
struct World {
    cpus: u64,
    kernel: &'static str,
    limit: u64,
    device: String,
    swap: u64,
    vcpus: u64,
    memory: u64,
    region: String,
    tasks: String,
    vms: String,
    duration: String,
    replications: u64,
}

/// An NVMe device without a bottleneck, so that it is not what is measured.
const WIDE: &str = r#"{ "kind": "constant", "read_latency": "80us", "write_latency": "20us" }"#;

impl Default for World {
    fn default() -> Self {
        Self {
            cpus: 4,
            kernel: "linux-6.12",
            limit: 64,
            device: WIDE.to_owned(),
            swap: 1024,
            vcpus: 4,
            memory: 256,
            region: prefilled(32),
            tasks: String::new(),
            vms: String::new(),
            duration: "100ms".to_owned(),
            replications: 1,
        }
    }
}

fn prefilled(mib: u64) -> String {
    format!(r#"{{ "name": "array", "size": "{mib}MiB", "prefill": true }}"#)
}

/// A group of tasks that run `program` again and again, in groups of at most 4096.
fn tasks(count: u64, program: &str) -> String {
    let group = |at: u64| {
        let count = (count - at * 4096).min(4096);
        format!(
            r#"{{ "name": "tasks-{at}", "role": "faulter", "count": {count}, "program": [{program}] }}"#
        )
    };
    (0..count.div_ceil(4096)).map(group).collect::<Vec<_>>().join(", ")
}

fn access(cost: &str) -> String {
    format!(
        r#"{{ "op": "access", "region": "array", "pattern": "uniform", "write": true, "cost": "{cost}" }}"#
    )
}

impl World {
    fn text(&self) -> String {
        let Self { cpus, kernel, limit, device, swap, vcpus, memory, region, tasks, vms, .. } =
            self;
        let (duration, replications) = (&self.duration, self.replications);
        format!(
            r#"{{
  "format": 1,
  "name": "scaling",
  "title": "What does a run cost?",
  "host": {{ "cpu": "skylake-sp", "cpus": {cpus}, "kernel": "{kernel}", "memory_limit": "{limit}MiB",
    "swap": {{ "device": {device}, "size": "{swap}MiB", "read_ahead": 1 }} }},
  "guest": {{ "kernel": "{kernel}", "vcpus": {vcpus}, "memory": "{memory}MiB" }},
  "workload": {{ "regions": [{region}], "tasks": [{tasks}] }},{vms}
  "policies": ["apf-v6.12"],
  "duration": "{duration}",
  "replications": {replications}
}}"#
        )
    }
}

/// One vCPU more comes with a processor, a task that faults and memory under a limit for it.
fn vcpus(n: u64) -> String {
    World {
        cpus: n,
        limit: 16 + 2 * n,
        swap: 64 + 4 * n,
        vcpus: n,
        memory: 64 + 4 * n,
        region: prefilled(16 + 2 * n + n.div_ceil(2)),
        tasks: tasks(n, &access("20us")),
        duration: "50ms".to_owned(),
        ..World::default()
    }
    .text()
}

/// Four vCPUs share a processor, and have two tasks each; all are in memory.
fn crowded(n: u64) -> String {
    World {
        cpus: n.div_ceil(4),
        limit: 64 + 4 * n,
        vcpus: n,
        memory: 64 + 4 * n,
        region: prefilled(n.max(4)),
        tasks: tasks(2 * n, &access("20us")),
        duration: "50ms".to_owned(),
        ..World::default()
    }
    .text()
}

/// As many processors beside the same four vCPUs.
fn processors(n: u64) -> String {
    World {
        cpus: n,
        limit: 48,
        region: prefilled(64),
        tasks: tasks(16, &access("5us")),
        duration: "500ms".to_owned(),
        ..World::default()
    }
    .text()
}

/// So many tasks wait for a page nearly all of the time: what a read takes grows with them, so that there are
/// as many faults a second.
fn outstanding(n: u64) -> String {
    let latency = 20 * n;
    World {
        cpus: 128,
        limit: 128,
        device: format!(
            r#"{{ "kind": "constant", "read_latency": "{latency}us", "write_latency": "20us" }}"#
        ),
        vcpus: 128,
        memory: 1024,
        region: prefilled(512),
        tasks: tasks(n, &access("1us")),
        duration: "1s".to_owned(),
        ..World::default()
    }
    .text()
}

/// Pages that are filled before the start.
fn filled(n: u64) -> String {
    let mib = n.div_ceil(256);
    World {
        limit: mib + 64,
        memory: mib * 5 / 4 + 128,
        region: prefilled(mib),
        tasks: tasks(4, &access("5us")),
        duration: "100ms".to_owned(),
        ..World::default()
    }
    .text()
}

/// A guest of so many pages that touches few of them.
fn untouched(n: u64) -> String {
    let mib = n.div_ceil(256);
    World {
        limit: mib.min(512 * 1024),
        memory: mib,
        region: prefilled(4),
        tasks: tasks(4, &access("200ns")),
        duration: "100ms".to_owned(),
        ..World::default()
    }
    .text()
}

/// Pages that were mapped long ago and lie on the swap device; as many accesses, anywhere among them.
fn stored(n: u64) -> String {
    let mib = n.div_ceil(256);
    World {
        limit: 48,
        swap: mib + 64,
        memory: mib * 33 / 32 + 64,
        region: format!(r#"{{ "name": "array", "size": "{mib}MiB", "content": "stored" }}"#),
        tasks: tasks(64, &access("1us")),
        duration: "500ms".to_owned(),
        ..World::default()
    }
    .text()
}

/// So many tasks compute on four vCPUs, and switch at ticks.
fn running(n: u64, kernel: &'static str) -> String {
    let work = r#"{ "op": "compute", "span": "50us" }, "#.to_owned() + &access("1us");
    World {
        kernel,
        limit: 512,
        memory: 1024,
        tasks: tasks(n, &work),
        duration: "2s".to_owned(),
        ..World::default()
    }
    .text()
}

/// So many tasks sleep and wake now and then: the more there are, the longer they sleep.
fn sleeping(n: u64, kernel: &'static str) -> String {
    let work = format!(r#"{{ "op": "sleep", "span": "{}us" }}, {}"#, 10 * n, access("1us"));
    World {
        kernel,
        limit: 512,
        memory: 1024,
        tasks: tasks(n, &work),
        duration: "1s".to_owned(),
        ..World::default()
    }
    .text()
}

/// So many tasks want one lock.
fn locking(n: u64) -> String {
    let work = r#"{ "op": "lock", "name": "one", "body": [{ "op": "compute", "span": "5us" }] }"#;
    World {
        limit: 512,
        memory: 1024,
        tasks: tasks(n, work),
        duration: "1s".to_owned(),
        ..World::default()
    }
    .text()
}

/// Each virtual machine has two vCPUs, and memory under a limit of its own.
fn vms(n: u64) -> String {
    World {
        cpus: 2 * n,
        limit: 32 * n,
        vcpus: 2,
        memory: 64,
        swap: 64 * n,
        region: prefilled(16),
        tasks: tasks(8, &access("5us")),
        vms: format!(r#" "vms": [{{ "name": "vm", "count": {n}, "memory_limit": "12MiB" }}],"#),
        duration: "100ms".to_owned(),
        ..World::default()
    }
    .text()
}

fn faults(duration: String, replications: u64) -> String {
    World {
        limit: 32,
        region: prefilled(64),
        tasks: tasks(8, &access("1us")),
        duration,
        replications,
        ..World::default()
    }
    .text()
}

/// Powers of `base` between two.
fn powers(base: u64, from: u64, to: u64) -> Vec<u64> {
    std::iter::successors(Some(from), |n| n.checked_mul(base)).take_while(|&n| n <= to).collect()
}

/// All axes.
pub fn axes() -> Vec<Axis> {
    let axis =
        |name, unit, work, sizes, text| Axis { name, unit, work, sizes, text, replications: false };
    vec![
        axis("vcpus", "vCPUs", Work::Each, powers(4, 1, 4096), vcpus as fn(u64) -> String),
        axis("vcpus-crowded", "vCPUs", Work::Each, powers(4, 1, 4096), crowded),
        axis("processors", "processors", Work::All, powers(4, 4, 4096), processors),
        axis("outstanding", "faults under way", Work::All, powers(4, 1, 4096), outstanding),
        axis("filled", "pages", Work::Each, powers(4, 1 << 12, 1 << 24), filled),
        axis("untouched", "pages", Work::All, powers(4, 1 << 16, 1 << 28), untouched),
        axis("stored", "pages", Work::All, powers(4, 1 << 14, 1 << 22), stored),
        axis("running-cfs", "tasks", Work::All, powers(4, 4, 1 << 14), |n| {
            running(n, "linux-5.10")
        }),
        axis("running-eevdf", "tasks", Work::All, powers(4, 4, 1 << 14), |n| {
            running(n, "linux-6.12")
        }),
        axis("sleeping-cfs", "tasks", Work::All, powers(4, 4, 1 << 14), |n| {
            sleeping(n, "linux-5.10")
        }),
        axis("sleeping-eevdf", "tasks", Work::All, powers(4, 4, 1 << 14), |n| {
            sleeping(n, "linux-6.12")
        }),
        axis("locking", "tasks", Work::All, powers(4, 4, 1 << 14), locking),
        axis("vms", "virtual machines", Work::Each, powers(2, 1, 64), vms),
        axis("length", "ms simulated", Work::Each, powers(4, 10, 10240), |n| {
            faults(format!("{n}ms"), 1)
        }),
        Axis {
            replications: true,
            ..axis("replications", "replications", Work::Each, powers(4, 1, 256), |n| {
                faults("20ms".to_owned(), n)
            })
        },
    ]
}
