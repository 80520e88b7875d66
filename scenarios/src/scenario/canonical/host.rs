//! The host's part.

use models::config::{
    Balloon, BalloonTarget, HandlerConfig, HostConfig, Install, Kswapd, LimitChange, MemoryControl,
    PlainExits, Prefetch, PrefetchRun, ProactiveReclaim, Process, ReclaimAsk, Reporting,
    StoreConfig, WriteProtection, ZswapConfig,
};

use super::form::Form;
use super::sched::sched;
use crate::scenario::resolve::{device_lines, law_line};

pub(super) fn host(form: &mut Form, host: &HostConfig) {
    let HostConfig {
        cpus,
        sched: scheduler,
        tick,
        memory_limit_pages,
        other_resident_pages,
        memory_control,
        read_ahead_pages,
        reclaim_batch_pages,
        write_pages,
        swap_pages,
        device: swap_device,
        zswap: compressed,
        stores,
        kernel: host_kernel,
        allocation_failure_ppm,
        second_stage_levels,
        thp,
        paging,
    } = host;
    form.line("host.cpus", cpus);
    sched(form, "host", scheduler);
    form.time("host.tick", *tick);
    form.line("host.memory_limit_pages", memory_limit_pages);
    form.line("host.other_resident_pages", other_resident_pages);
    memory_control_lines(form, memory_control);
    form.line("host.read_ahead_pages", read_ahead_pages);
    form.line("host.reclaim_batch_pages", reclaim_batch_pages);
    form.line("host.swap_pages", swap_pages);
    form.line("host.write_pages", write_pages);
    for (name, value) in host_kernel.fields() {
        form.line(&format!("host.{name}"), value);
    }
    let (kind, lines) = device_lines(swap_device);
    form.line("device", kind);
    for (name, value) in lines {
        form.line(&format!("device.{name}"), value);
    }
    if let Some(pool) = compressed {
        zswap(form, pool);
    }
    stores.iter().for_each(|own| store(form, own));
    form.line("host.allocation_failure_ppm", allocation_failure_ppm);
    form.line("host.second_stage_levels", second_stage_levels);
    form.line("host.thp", thp);
    form.line("host.paging", paging.name());
}

fn memory_control_lines(form: &mut Form, control: &MemoryControl) {
    let MemoryControl { limits, highs, proactive, kswapd, balloons, protections } = control;
    for LimitChange { at, vm, file, limit_pages } in limits {
        let line = format_args!("{} {} {} {limit_pages}", at.as_ps(), vm.0, file.name());
        form.line("host.memory_limit_pages.at", line);
    }
    for (vm, pages) in highs {
        form.line("host.memory_high_pages", format_args!("{} {pages}", vm.0));
    }
    for ProactiveReclaim { vm, at, every, ask } in proactive {
        let ask = match ask {
            ReclaimAsk::Pages(pages) => format!("pages={pages}"),
            ReclaimAsk::Share { ppm } => format!("ppm={ppm}"),
        };
        let line = format_args!("{} {} {} {ask}", vm.0, at.as_ps(), every.as_ps());
        form.line("host.proactive_reclaim", line);
    }
    if let Some(Kswapd { min, low, high, cpu }) = kswapd {
        let cpu = cpu.map_or_else(|| "any".to_owned(), |cpu| cpu.0.to_string());
        form.line("host.kswapd", format_args!("{min} {low} {high} cpu={cpu}"));
    }
    for Balloon { vm, targets, reporting } in balloons {
        let reporting = reporting.map_or_else(
            || "off".to_owned(),
            |Reporting { order, delay }| format!("{order} {}", delay.as_ps()),
        );
        form.line("host.balloon", format_args!("{} {reporting}", vm.0));
        for BalloonTarget { at, pages } in targets {
            form.line("host.balloon.at", format_args!("{} {} {pages}", at.as_ps(), vm.0));
        }
    }
    for WriteProtection { vm, at, sink, threads, depth, rate, lift } in protections {
        let rate = rate.map_or_else(|| "any".to_owned(), |rate| rate.to_string());
        let line = format_args!("{} {} {threads} {depth} {rate} {}", vm.0, at.as_ps(), lift.name());
        form.line("host.write_protect", line);
        if let Some(device) = sink {
            let (kind, lines) = device_lines(device);
            form.line("host.write_protect.sink", kind);
            for (name, value) in lines {
                form.line(&format!("host.write_protect.sink.{name}"), value);
            }
        }
    }
}

fn store(form: &mut Form, own: &StoreConfig) {
    let StoreConfig { name, vm, device, shares, handler, mapping } = own;
    form.line("store", name);
    // Said of several virtual machines only.
    if vm.0 > 0 {
        form.line("store.vm", vm.0);
    }
    if let Some(first) = shares {
        form.line("store.shares", first.0);
    }
    if let Some(device) = device {
        let (kind, lines) = device_lines(device);
        form.line("store.device", kind);
        for (name, value) in lines {
            form.line(&format!("store.device.{name}"), value);
        }
    }
    if let Some(own) = handler {
        store_handler(form, own);
    }
    if mapping.reads_windows() {
        form.line("store.advice", mapping.advice.name());
        form.line("store.read_ahead_pages", mapping.read_ahead_pages);
    }
}

fn store_handler(form: &mut Form, own: &HandlerConfig) {
    let HandlerConfig {
        readers,
        installers,
        batch,
        waking,
        descriptors,
        cpus,
        latency,
        around,
        prefetch,
        process,
        install,
        plain_exits,
        remove_events,
        poison,
    } = own;
    form.line("store.handler", format_args!("{readers} {installers} {batch}"));
    form.line("store.waking", waking.name());
    form.line("store.descriptors", descriptors);
    let cpus: Vec<String> = cpus.iter().map(|cpu| cpu.0.to_string()).collect();
    form.line("store.cpus", cpus.join(","));
    form.time("store.latency", *latency);
    form.line("store.around", around);
    if *process != Process::default() {
        form.line("store.process", process.name());
    }
    if *install != Install::default() {
        form.line("store.install", install.name());
    }
    if *plain_exits != PlainExits::default() {
        form.line("store.plain_exits", plain_exits.name());
    }
    if !remove_events {
        form.line("store.remove_events", remove_events);
    }
    for PrefetchRun { region, first, pages } in poison {
        form.line("store.poison", format_args!("{} {first} {pages}", region.0));
    }
    if let Some(Prefetch { threads, runs, batch, pace, before_start }) = prefetch {
        form.line("store.prefetch", format_args!("{threads} {batch} {before_start}"));
        form.time("store.prefetch.pace", *pace);
        for PrefetchRun { region, first, pages } in runs {
            form.line("store.prefetch.run", format_args!("{} {first} {pages}", region.0));
        }
    }
}

fn zswap(form: &mut Form, pool: &ZswapConfig) {
    let ZswapConfig { load, store, ratio_milli, max_pool_pages, accept_percent } = pool;
    form.line("zswap.load", law_line(load));
    form.line("zswap.store", law_line(store));
    form.line("zswap.ratio_milli", ratio_milli);
    let most = max_pool_pages.map_or_else(|| "none".to_owned(), |pages| pages.to_string());
    form.line("zswap.max_pool_pages", most);
    form.line("zswap.accept_percent", accept_percent);
}
