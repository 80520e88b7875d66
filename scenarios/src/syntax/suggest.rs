//! "Did you mean": of some names the one that was most likely meant, by meaning or by letters.

use models::apf::rules::Generation;

/// The valid name that `given` was most likely meant to be, if there is one.
pub fn suggestion<'a>(given: &str, valid: &[&'a str]) -> Option<&'a str> {
    let given_key = key(given);
    if given_key.is_empty() || given_key.len() > 64 {
        return None;
    }
    let same = |wanted: &[char]| valid.iter().copied().find(|name| key(name) == wanted);
    // Case and separators are what people mix up first.
    if let Some(name) = same(&given_key) {
        return Some(name);
    }
    if let Some(name) = meant(&given_key).iter().find_map(|name| same(&key(name))) {
        return Some(name);
    }
    if let Some(name) = by_release(given, valid) {
        return Some(name);
    }
    // The beginning of a longer name is taken for it.
    let begins = |name: &&&str| key(name).starts_with(&given_key);
    if let Some(name) = valid.iter().find(begins).filter(|_| given_key.len() >= 3) {
        return Some(name);
    }
    nearest(&given_key, valid).or_else(|| with_more_words(given, valid))
}

/// Of names that are kernel releases the last one that is not after the given release, else the first.
fn by_release<'a>(given: &str, valid: &[&'a str]) -> Option<&'a str> {
    let (prefix, wanted) = release(given)?;
    if !["", "v", "linux-", "linux-v", "linux", "kernel-", "apf-", "apf-v", "halt-", "halt-v"]
        .contains(&prefix)
    {
        return None;
    }
    let mut known: Vec<((u32, u32), &'a str)> = Vec::new();
    for name in valid {
        let Some((own, number)) = release(name) else { continue };
        let same = own.starts_with(prefix.trim_end_matches('v')) || !prefix.starts_with(['a', 'h']);
        if same && ["linux-", "apf-v"].contains(&own) {
            known.push((number, name));
        }
    }
    known.sort_unstable();
    let before = known.iter().rev().find(|(number, _)| *number <= wanted);
    before.or(known.first()).map(|(_, name)| *name)
}

/// What stands before a number such as 6.12, and its parts; what follows (`6.12.95`, `5.14.0-362.el9`) is of no
/// matter.
fn release(name: &str) -> Option<(&str, (u32, u32))> {
    let begin = name.find(|c: char| c.is_ascii_digit())?;
    let mut parts = name[begin..].split(|c: char| !c.is_ascii_digit());
    let major = parts.next()?.parse().ok()?;
    let dotted = name[begin..].trim_start_matches(|c: char| c.is_ascii_digit()).starts_with('.');
    let minor = parts.next().filter(|_| dotted)?.parse().ok()?;
    Some((&name[..begin], (major, minor)))
}

/// The name with the fewest wrong letters, when these are few.
fn nearest<'a>(given: &[char], valid: &[&'a str]) -> Option<&'a str> {
    // A third of the letters may be wrong; short names may have one wrong letter.
    let tolerance = (given.len() / 3).max(1);
    valid
        .iter()
        .map(|name| (distance(given, &key(name)), *name))
        .min()
        .filter(|(distance, _)| *distance <= tolerance)
        .map(|(_, name)| name)
}

/// The only name of which all words are among the given ones, or that has all of the given words.
fn with_more_words<'a>(given: &str, valid: &[&'a str]) -> Option<&'a str> {
    let given = words(given);
    let within = |some: &[String], all: &[String]| {
        some.iter().all(|word| all.contains(word)) && some.iter().any(|word| word.len() >= 3)
    };
    let related = |name: &&&str| {
        let name = words(name);
        within(&given, &name) || within(&name, &given)
    };
    let mut found = valid.iter().filter(related);
    let first = found.next()?;
    found.next().is_none().then_some(*first)
}

/// The words of a name in lower case, without the ending of a plural.
fn words(name: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut lower = false;
    for c in name.chars() {
        // `memoryLimit` has two words.
        let begins = c.is_uppercase() && lower;
        if !c.is_alphanumeric() || begins || words.is_empty() {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut().filter(|_| c.is_alphanumeric()) {
            word.extend(c.to_lowercase());
        }
        lower = c.is_lowercase();
    }
    words.retain(|word| !word.is_empty());
    for word in &mut words {
        if word.len() > 3 && word.ends_with('s') {
            word.pop();
        }
    }
    words
}

/// What other words mean, the likeliest first. A test holds every meaning against the names there are.
const MEANINGS: &[(&[&str], &[&str])] = &[
    // Guest and host.
    (&["vcpu", "smp", "cores", "ncpus", "nproc", "guest_cpus"], &["vcpus", "cpus"]),
    (&["pcpus", "processors", "threads", "host_cpus", "physical_cpus"], &["cpus", "vcpus"]),
    (&["processor", "cpu_model", "cpu_type", "model"], &["cpu"]),
    (&["ram", "mem", "memsize", "guest_memory", "maxmem"], &["memory", "memory_limit"]),
    (
        &["limit", "memcg", "memory_max", "memory_high", "mem_limit", "limit_in_bytes", "balloon"],
        &["memory_limit"],
    ),
    (&["ghz", "mhz", "clock", "clock_rate", "freq"], &["frequency"]),
    (&["config_hz", "tick_rate", "timer_hz", "tick_hz"], &["hz", "tick"]),
    (&["os", "linux", "kernel_version", "guest_os"], &["kernel"]),
    (&["scheduler", "cfs", "eevdf"], &["sched"]),
    (&["preempt", "voluntary_preemption"], &["preemption"]),
    (&["mglru", "lru_gen", "reclaim_policy"], &["lru"]),
    (&["cgroups", "cgroup_version"], &["cgroup"]),
    (&["page_cluster", "readahead", "swap_readahead"], &["read_ahead"]),
    (&["wbt", "wbt_lat_usec"], &["writeback_throttling"]),
    (&["halt_poll_ns", "haltpoll", "guest_halt_poll"], &["halt_poll"]),
    (&["polling", "iopoll", "hipri"], &["polled_reads"]),
    (&["lapic", "avic", "apicv", "x2apic", "posted_interrupts"], &["apic"]),
    (&["steal_time", "paravirt_time", "steal"], &["steal_clock", "cpu_share_steal"]),
    // Devices.
    (&["disk", "drive", "backing", "block_device", "storage"], &["device", "hdd-7200-swap"]),
    (&["delay", "read_time", "service_time", "access_time", "rtt"], &["read_latency", "latency"]),
    (&["latency", "lat", "fault_latency"], &["read_latency", "fault_latency_p50"]),
    (&["queue_depth", "iodepth", "qd", "parallelism", "nr_requests"], &["channels"]),
    (&["swapfile", "swap_size", "capacity"], &["size", "swap"]),
    (&["ssd", "nvme", "flash", "optane", "zram"], &["nvme-tlc-gen3"]),
    (&["hdd", "harddisk", "rotational", "spinning"], &["hdd-7200-swap", "hdd-7200"]),
    // The scenario.
    (&["time", "runtime", "length", "seconds", "simulated_time"], &["duration"]),
    (&["runs", "repeats", "repetitions", "iterations", "samples", "trials"], &["replications"]),
    (&["description", "summary", "question", "comment"], &["title"]),
    (&["version", "schema_version", "format_version"], &["format"]),
    (&["variants", "modes", "algorithms", "configurations"], &["policies"]),
    (&["reference", "control", "compare_with"], &["baseline"]),
    (&["warm_up", "rampup", "ramp_time", "settle"], &["warmup"]),
    (&["random_seed", "rng_seed", "srand"], &["seed"]),
    (&["assert", "assertions", "checks", "expectations"], &["expect"]),
    (&["events", "injections", "faults", "perturbations"], &["disturbances", "major_faults"]),
    (&["processes", "jobs", "workers"], &["tasks", "worker"]),
    (&["script", "ops", "operations", "steps", "actions", "code"], &["program"]),
    (&["instances", "copies", "number", "replicas"], &["count"]),
    (&["pinned", "affinity", "pin", "cpuset", "taskset"], &["start_on"]),
    (&["areas", "buffers", "heap", "mappings", "vmas"], &["regions", "region"]),
    (&["populate", "preload", "map_populate", "prefault"], &["prefill", "prefault"]),
    (&["random", "rand", "rnd"], &["uniform"]),
    (&["seq", "linear", "scan"], &["sequential"]),
    (&["touch", "load", "store", "fault"], &["access"]),
    (&["compute", "spin", "burn", "busy", "work", "calc"], &["count", "work_total"]),
    (&["wait", "pause", "nanosleep", "idle"], &["sleep"]),
    (&["period", "interval", "repeat"], &["every"]),
    // Policies, generations, mechanisms.
    (&["none", "off", "no_apf", "baseline", "synchronous", "blocking"], &["sync"]),
    (&["no_kvmapf", "halted", "host_only"], &["halt-v6.12", "halt"]),
    (&["merged", "3.0", "2.6.38", "v2.6.38"], &["apf-v2.6.39", "v2.6.39"]),
    (&["userfaultfd", "uffd", "userspace", "vmm", "postcopy"], &["user-uffd", "resolved_by"]),
    (&["async_pf_per_vcpu", "max_outstanding", "max_items", "queue_limit", "per_vcpu"], &["cap"]),
    (&["send_always", "cpl", "kernel_mode"], &["send_always", "gate", "tell"]),
    (&["threads_per_vcpu", "worker_threads", "workqueue"], &["workers", "workqueue_max_active"]),
    // Metrics.
    (&["throughput", "ops_done", "units", "total_work", "score", "performance"], &["work_total"]),
    (&["page_faults", "majflt", "pgmajfault", "swapins"], &["major_faults"]),
    (&["minflt", "soft_faults"], &["minor_faults"]),
    (&["doublefaults"], &["repeated_fault_events"]),
    (&["median", "p50", "median_latency"], &["fault_latency_p50"]),
    (&["p99", "tail", "tail_latency"], &["fault_latency_p99"]),
    (&["p90"], &["fault_latency_p90"]),
    (&["average", "avg", "mean_latency"], &["fault_latency_mean"]),
    (&["worst", "max_latency", "worst_latency"], &["fault_latency_max"]),
    (&["pswpin", "swap_in", "swapped_in", "pgpgin"], &["swap_reads_pages"]),
    (&["pswpout", "swap_out", "swapped_out", "pgpgout"], &["swap_writes_pages"]),
    (&["vmexits", "kvm_exits"], &["exits"]),
    (&["context_switches", "ctxt", "cs", "switches"], &["guest_switches"]),
    (&["utilisation", "utilization", "util", "busy_time"], &["device_busy"]),
    (&["inflight", "aqu_sz", "avgqu_sz"], &["device_in_flight_mean"]),
    (&["outstanding", "max_in_flight"], &["outstanding_peak"]),
    // Disturbances.
    (&["oom", "enomem", "allocation_failure"], &["alloc-failure", "allocation_failure_ppm"]),
    (&["nmi_smi", "system_management"], &["smi"]),
    (&["reboot", "restart", "kexec", "init"], &["reset"]),
    (&["mmap", "mmap_lock", "munmap"], &["map_write"]),
    (&["gp_fault", "bad_en", "en_refused"], &["refused_en"]),
    (&["no_wake_all", "no_memory"], &["wake_all_fails"]),
];

/// What means the newest generation of the protocol.
const NEWEST: &[&str] = &[
    "apf",
    "async",
    "async_pf",
    "on",
    "kvm_async_pf",
    "asynchronous",
    "latest",
    "newest",
    "current",
    "mainline",
    "upstream",
];

/// What a word means, the likeliest first.
fn meant(given: &[char]) -> Vec<String> {
    let has = |words: &[&str]| words.iter().any(|word| key(word) == given);
    if has(NEWEST) {
        let newest = Generation::newest().name;
        return vec![format!("apf-{newest}"), newest.to_owned()];
    }
    let found = MEANINGS.iter().find(|(words, _)| has(words));
    let names = found.map_or(&[][..], |(_, names)| names);
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// Case and word separators are what people mix up first; they cost nothing.
fn key(name: &str) -> Vec<char> {
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// Edits that turn `a` into `b`: insert, remove, replace a letter, or swap two neighbours.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut before = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let replace = last[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = replace.min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                let before: &Vec<usize> = &before;
                best = best.min(before[j - 2] + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;

    #[test]
    fn the_nearest_name_is_found() {
        let names = ["vcpus", "memory", "memory_limit", "apf-v7-2010"];
        for (given, expect) in [
            ("vcpu", Some("vcpus")),
            ("vpcus", Some("vcpus")),
            ("memoryLimit", Some("memory_limit")),
            ("Memory", Some("memory")),
            ("apf_v7_2010", Some("apf-v7-2010")),
            ("apf-v6-2010", Some("apf-v7-2010")),
            ("apf", Some("apf-v7-2010")),
            ("mem", Some("memory")),
            ("ram", Some("memory")),
            ("smp", Some("vcpus")),
            ("memcg", Some("memory_limit")),
            ("guest memory", Some("memory")),
            ("colour", None),
            ("", None),
            ("---", None),
        ] {
            assert_eq!(suggestion(given, &names), expect, "{given}");
        }
    }

    #[test]
    fn names_are_found_by_their_words() {
        let names = ["read_latency", "write_expire", "vcpus", "cpus"];
        for (given, expect) in [
            ("latency_read", Some("read_latency")),
            ("latency", Some("read_latency")),
            ("readLatencyMs", Some("read_latency")),
            ("vcpus_count", Some("vcpus")),
            ("expire", Some("write_expire")),
            ("num_things", None),
        ] {
            assert_eq!(suggestion(given, &names), expect, "{given}");
        }
    }

    /// All names that messages suggest somewhere.
    fn all_names() -> BTreeSet<String> {
        fn collect(schema: &Value, names: &mut BTreeSet<String>) {
            if let Some(fields) = schema.get("properties").and_then(Value::as_object) {
                names.extend(fields.keys().cloned());
            }
            for word in ["enum", "const"] {
                let values = schema.get(word).map(|value| match value {
                    Value::Array(values) => values.clone(),
                    other => vec![other.clone()],
                });
                let values = values.into_iter().flatten();
                names.extend(values.filter_map(|value| value.as_str().map(str::to_owned)));
            }
            match schema {
                Value::Object(members) => members.values().for_each(|it| collect(it, names)),
                Value::Array(items) => items.iter().for_each(|it| collect(it, names)),
                _ => {}
            }
        }
        let mut names = BTreeSet::new();
        collect(&crate::scenario::schema::scenario(), &mut names);
        let mut add = |list: Vec<&str>| names.extend(list.into_iter().map(str::to_owned));
        add(models::presets::policies::policy_names());
        add(models::trace::metrics::names());
        let (cpus, devices) = (models::presets::cpu_names(), models::presets::devices());
        add(cpus.iter().map(String::as_str).collect());
        add(devices.iter().map(|preset| preset.name.as_str()).collect());
        add(models::apf::rules::generations().iter().map(|generation| generation.name).collect());
        add(models::apf::rules::Mechanism::ALL.iter().map(|mechanism| mechanism.name()).collect());
        add(models::explore::Disturbance::ALL.iter().map(|it| it.name()).collect());
        names
    }

    #[test]
    fn every_meaning_is_a_name() {
        let names = all_names();
        for (words, meanings) in MEANINGS {
            for meaning in *meanings {
                assert!(names.contains(*meaning), "{words:?} mean `{meaning}`, which is no name");
            }
        }
        for newest in meant(&key("latest")) {
            assert!(names.contains(&newest), "`{newest}` is no name");
        }
    }

    #[test]
    fn no_word_is_told_to_mean_two_things() {
        let mut seen = BTreeSet::new();
        for word in MEANINGS.iter().flat_map(|(words, _)| *words).chain(NEWEST) {
            assert!(seen.insert(key(word)), "`{word}` stands twice");
        }
    }
}
