//! Real runs over time: nothing is lost between windows.

use super::kit::{constant, crowded, for_time, ms, simulate, us};
use models::machine::{RunOutput, RunSettings};
use models::trace::series::{Follow, SeriesValues, WINDOWS};
use sim_core::SimDuration;

fn followed(policy: &str, duration: SimDuration) -> (RunOutput, SeriesValues) {
    let config = crowded("westmere-2010", constant(us(300)));
    let settings = RunSettings { series: Follow::Everything, ..for_time(duration) };
    let output = simulate(&config, policy, &settings);
    let series = output.series.clone().unwrap();
    (output, series)
}

fn metric(output: &RunOutput, name: &str) -> f64 {
    output.metrics.get(name).unwrap_or_else(|| panic!("{name} is missing"))
}

#[test]
fn sums_over_the_windows_are_the_metrics() {
    for policy in ["sync", "halt", "apf-v7-2010", "apf-v2.6.39"] {
        // Not a multiple of the windows, and shorter than a tick a window.
        let duration = SimDuration::from_ps(97_000_000_007);
        let (output, series) = followed(policy, duration);
        assert_eq!(series.windows.len(), WINDOWS as usize);
        let sum = |of: fn(&models::trace::series::Window) -> u64| -> u64 {
            series.windows.iter().map(of).sum()
        };
        assert!(sum(|w| w.work) > 0 && sum(|w| w.major_faults) > 0, "{policy}");
        assert_eq!(sum(|w| w.work) as f64, metric(&output, "work_total"), "{policy}");
        assert_eq!(sum(|w| w.major_faults) as f64, metric(&output, "major_faults"), "{policy}");
        for (seconds, ps) in [
            ("sync_stall_time", sum(|w| w.stalled_ps)),
            ("halted_time", sum(|w| w.halted_ps)),
            ("idle_time", sum(|w| w.idle_ps)),
        ] {
            assert_eq!(ps as f64 * 1e-12, metric(&output, seconds), "{policy} {seconds}");
        }
        let in_flight = sum(|w| w.in_flight.sum_ps) as f64 / duration.as_ps() as f64;
        assert_eq!(in_flight, metric(&output, "device_in_flight_mean"), "{policy}");
        for (peak, most) in [
            ("outstanding_peak", series.windows.iter().map(|w| w.outstanding.max).max()),
            ("worker_threads_peak", series.windows.iter().map(|w| w.workers.max).max()),
        ] {
            assert_eq!(most.map(f64::from), Some(metric(&output, peak)), "{policy} {peak}");
        }
        for (index, w) in series.windows.iter().enumerate() {
            let all = w.running_ps + w.stalled_ps + w.halted_ps + w.idle_ps + w.waiting_ps;
            assert_eq!(all, 4 * series.length_ps(index), "{policy}, window {index}");
        }
    }
}

#[test]
fn following_a_run_changes_nothing() {
    let config = crowded("westmere-2010", constant(us(300)));
    let settings = for_time(ms(50));
    let plain = simulate(&config, "apf-v7-2010", &settings);
    let (output, series) = followed("apf-v7-2010", ms(50));
    assert_eq!(plain.series, None);
    assert_eq!((plain.digest, &plain.metrics), (output.digest, &output.metrics));
    // Counts alone are the counts of all.
    let counts = RunSettings { series: Follow::Counts, ..settings.clone() };
    let counts = simulate(&config, "apf-v7-2010", &counts).series.unwrap();
    let of = |it: &SeriesValues| -> Vec<(u64, u64)> {
        it.windows.iter().map(|window| (window.work, window.major_faults)).collect()
    };
    assert_eq!((of(&counts), counts.span_ps), (of(&series), series.span_ps));
    // Stepping moves where stretches are cut, and nothing else.
    let stepped = RunSettings { skip: false, series: Follow::Everything, ..settings };
    assert_eq!(simulate(&config, "apf-v7-2010", &stepped).series, Some(series));
}
