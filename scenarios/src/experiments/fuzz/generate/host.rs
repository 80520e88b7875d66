//! The host: processor, limit, swap, kernel.

use models::base::named::Named;
use models::config::costs::Costs;
use models::config::{
    Cgroup, DirectReclaim, FileWindows, HostPaging, Lru, MmapMiss, MmuRetry, ReadAhead, ReadFaults,
    Replacement, SecondStageLock, SetFunction, SwapWriteLimit, WrittenPages, ZswapKernel,
};
use models::presets;
use serde_json::{Value, json};

use super::object::{Object, flag, give, word};
use super::store::store;
use super::vms::Vms;
use super::workload::Shape;
use super::{device, memory_control, sched};
use crate::experiments::fuzz::draw::{Draw, MS, NS, SEC, US, pages};

pub(super) fn host(draw: &Draw, (shape, vms): (&Shape, &Vms), end: u64) -> Value {
    let mut object = Object::new();
    object.insert("cpu".into(), cpu(&draw.at("cpu")));
    let number = cpus(&mut draw.at("cpus"), shape.vcpus);
    object.insert("cpus".into(), json!(number));
    let limits = draw.at("memory_limits");
    let (limit, later) = memory_control::limits(&limits, (shape, vms), end);
    let high = shape.has_high();
    object.insert("memory_limit".into(), pages(limit));
    if !later.is_empty() {
        object.insert("memory_limits".into(), Value::Array(later));
    }
    if high && (vms.list.is_empty() || vms.shared > 0) {
        give(&mut object, draw, "memory_high", |draw| memory_control::high(draw, shape, vms));
    }
    if shape.other_pages > 0 {
        object.insert("other_resident".into(), pages(shape.other_pages));
    }
    object.insert("swap".into(), swap(&draw.at("swap"), shape));
    if !shape.stores.is_empty() {
        let stores = shape.stores.iter().enumerate();
        let stores = stores.map(|(index, &own)| {
            store(&draw.at("store").index(index), index, own, (number, shape))
        });
        object.insert("stores".into(), stores.collect());
    }
    give(&mut object, draw, "costs", costs);
    let mut form = draw.at("kernel_form");
    let mut kernel = form.percent(60).then(|| kernel(&draw.at("kernel"), &mut form));
    if shape.zswap.is_some() {
        let words: Vec<ZswapKernel> =
            ZswapKernel::ALL.iter().copied().filter(|&it| it != ZswapKernel::None).collect();
        kernel = Some(with(kernel, "zswap", draw.at("zswap_kernel").pick(&words).word()));
    }
    if let Some(marks) = shape.kswapd() {
        let kswapd = memory_control::kswapd(&draw.at("kswapd"), marks, number);
        object.insert("kswapd".into(), kswapd);
    }
    let agents = memory_control::has_agents(shape, vms);
    if agents {
        object.insert("proactive_reclaim".into(), memory_control::agents(&draw.at("agents")));
    }
    if high || agents {
        kernel = Some(with(kernel, "cgroup", Cgroup::V2.word()));
    }
    let named = kernel.as_ref().and_then(|it| it.as_str().or_else(|| it["preset"].as_str()));
    let named = named.unwrap_or(presets::HOST_KERNEL).to_owned();
    give(&mut object, draw, "sched", |draw| sched::sched(draw, &named));
    if let Some(kernel) = kernel {
        object.insert("kernel".into(), kernel);
    }
    give(&mut object, draw, "tick", |draw| match draw.below(8) {
        0 => draw.written_span(US, 100 * US),
        1 => draw.written_span(10 * MS, SEC),
        _ => draw.written_span(100 * US, 10 * MS),
    });
    if let Some(batch) = shape.reclaim_batch {
        object.insert("reclaim_batch".into(), json!(batch));
    }
    give(&mut object, draw, "allocation_failure_ppm", |draw| json!(draw.magnitude(0, 1_000_000)));
    give(&mut object, draw, "second_stage_levels", |draw| json!(draw.between(4, 5)));
    if shape.host_thp {
        object.insert("thp".into(), json!(true));
    }
    if shape.shadow {
        object.insert("paging".into(), json!(HostPaging::Shadow.name()));
    } else {
        give(&mut object, draw, "paging", |_| json!(HostPaging::Tdp.name()));
    }
    Value::Object(object)
}

/// About as many as vCPUs; also far too few and far too many.
fn cpus(draw: &mut Draw, vcpus: u64) -> u64 {
    match draw.below(8) {
        0 => 1,
        1 => draw.magnitude(1, 1024),
        2 => 2,
        _ => draw.between(1, vcpus + 2),
    }
}

fn cpu(draw: &Draw) -> Value {
    let mut form = draw.at("form");
    let names = presets::cpu_names();
    let name = match form.percent(25) {
        true => "free",
        false => form.pick(&names).as_str(),
    };
    if form.percent(75) {
        return json!(name);
    }
    let mut object = Object::new();
    object.insert("preset".into(), json!(name));
    give(&mut object, draw, "frequency", |draw| {
        let mhz = draw.magnitude(1, 100_000);
        match draw.percent(50) {
            true => json!(format!("{mhz}MHz")),
            false => json!(format!(
                "{}Hz",
                mhz * 1_000_000 + draw.below(1_000_000) * u64::from(mhz < 100_000)
            )),
        }
    });
    give(&mut object, draw, "l1_dtlb", tlb);
    give(&mut object, draw, "stlb", tlb);
    give(
        &mut object,
        draw,
        "paging_caches",
        |draw| json!({ "pml4e": small(draw), "pdpte": small(draw), "pde": small(draw) }),
    );
    give(&mut object, draw, "nested_tlb", |draw| json!(small(draw)));
    give(&mut object, draw, "table_lines", |draw| {
        let l1 = draw.magnitude(0, 1024);
        let l2 = l1 + draw.magnitude(0, 16_384);
        json!({ "l1": l1, "l2": l2, "l3": l2 + draw.magnitude(0, 1 << 16) })
    });
    give(&mut object, draw, "vpid", flag);
    give(&mut object, draw, "ept_accessed_dirty", flag);
    Value::Object(object)
}

/// Entries of a small cache.
fn small(draw: &mut Draw) -> u64 {
    if draw.percent(50) { draw.below(5) } else { 1 << draw.between(3, 8) }
}

/// `entries / ways` is a power of two.
fn tlb(draw: &mut Draw) -> Value {
    let ways = draw.between(1, 8);
    let sets = 1u64 << draw.below(8);
    let ways = if draw.percent(20) { 12 } else { ways };
    let mut shape = json!({ "entries": ways * sets, "ways": ways });
    if draw.percent(30) {
        shape["sets"] = word::<SetFunction>(draw);
    }
    if draw.percent(40) {
        let plru = if ways == 12 { Replacement::GroupPlru } else { Replacement::TreePlru };
        let rules = [Replacement::Lru, Replacement::TreePlru, plru];
        shape["replacement"] = json!(draw.pick(&rules).name());
    }
    shape
}

fn costs(draw: &mut Draw) -> Value {
    let mut object = Object::new();
    for _ in 0..draw.between(1, 4) {
        let name = *draw.pick(Costs::NAMES);
        let text = match draw.below(16) {
            0 => "0s".to_owned(),
            1 => draw.span(10 * US, 10 * MS).to_string(),
            2..=7 => format!("{} cycles", draw.magnitude(0, 20_000)),
            _ => draw.span(1, 10 * US).to_string(),
        };
        object.insert(name.into(), json!(text));
    }
    Value::Object(object)
}

/// The kernel with a word for one of its fields.
fn with(kernel: Option<Value>, field: &str, word: &str) -> Value {
    let mut object = match kernel {
        Some(Value::Object(object)) => object,
        Some(name) => Object::from_iter([("preset".to_owned(), name)]),
        None => Object::new(),
    };
    object.insert(field.into(), json!(word));
    Value::Object(object)
}

fn zswap(draw: &Draw, most: u64) -> Value {
    let mut object = Object::new();
    give(&mut object, draw, "compressor", |draw| json!(draw.pick(&presets::compressor_names())));
    give(&mut object, draw, "load", device::work);
    give(&mut object, draw, "store", device::work);
    give(&mut object, draw, "ratio_milli", |draw| json!(draw.between(1000, 8000)));
    object.insert("max_pool".into(), pages(most));
    give(&mut object, draw, "accept_percent", |draw| json!(draw.between(1, 100)));
    Value::Object(object)
}

fn swap(draw: &Draw, shape: &Shape) -> Value {
    let mut object = Object::new();
    object.insert("device".into(), device::device(&draw.at("device")));
    if let Some(size) = shape.swap_pages {
        object.insert("size".into(), pages(size));
    }
    if let Some(ahead) = shape.read_ahead {
        object.insert("read_ahead".into(), json!(ahead));
    }
    give(&mut object, draw, "max_write", |draw| pages(draw.magnitude(1, 1 << 18)));
    if let Some(most) = shape.zswap {
        object.insert("zswap".into(), zswap(&draw.at("zswap"), most));
    }
    Value::Object(object)
}

/// A store, which may have a device of its own.
fn kernel(draw: &Draw, form: &mut Draw) -> Value {
    let names = presets::host_kernel_names();
    let name = form.pick(&names).as_str();
    if form.percent(60) {
        return json!(name);
    }
    let mut object = Object::new();
    if form.percent(70) {
        object.insert("preset".into(), json!(name));
    }
    give(&mut object, draw, "slow_work_threads", |draw| json!(draw.magnitude(1, 255)));
    give(&mut object, draw, "workqueue_max_active", |draw| json!(draw.magnitude(1, 2048)));
    give(&mut object, draw, "lru", word::<Lru>);
    give(&mut object, draw, "cgroup", word::<Cgroup>);
    give(&mut object, draw, "direct_reclaim", word::<DirectReclaim>);
    give(&mut object, draw, "written_pages", word::<WrittenPages>);
    give(&mut object, draw, "read_ahead", word::<ReadAhead>);
    give(&mut object, draw, "polled_reads", flag);
    give(&mut object, draw, "writeback_throttling", |draw| draw.written_span(0, SEC));
    give(&mut object, draw, "swap_write_limit", word::<SwapWriteLimit>);
    give(&mut object, draw, "halt_poll", |draw| match draw.percent(80) {
        true => draw.written_span(NS, MS),
        false => draw.written_span(0, SEC),
    });
    give(&mut object, draw, "halt_poll_shrink", |draw| json!(draw.magnitude(0, 1000)));
    give(&mut object, draw, "mmu_retry", word::<MmuRetry>);
    give(&mut object, draw, "read_faults", word::<ReadFaults>);
    give(&mut object, draw, "second_stage_lock", word::<SecondStageLock>);
    give(&mut object, draw, "zswap", word::<ZswapKernel>);
    give(&mut object, draw, "fault_around", |draw| pages(1 << draw.below(10)));
    give(&mut object, draw, "mmap_miss", word::<MmapMiss>);
    give(&mut object, draw, "file_windows", word::<FileWindows>);
    Value::Object(object)
}
