//! The file of a run, read back with the same messages.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use prost::Message as _;

use super::messages::{Trace, TrackEvent};
use super::*;
use crate::run::results::Comparison;
use crate::run::runner::{RunOptions, run_comparison};
use crate::scenario::resolve::{Scenario, ScenarioOverrides};

/// What a file says.
struct Read {
    /// Tracks with those that they stand under.
    tracks: BTreeMap<u64, String>,
    names: BTreeMap<u64, String>,
    events: Vec<(u64, TrackEvent)>,
}

impl Read {
    fn of(bytes: &[u8]) -> Self {
        let trace = Trace::decode(bytes).expect("a trace");
        let mut read = Self { tracks: BTreeMap::new(), names: BTreeMap::new(), events: Vec::new() };
        for packet in trace.packet {
            for name in packet.interned_data.map(|it| it.event_names).unwrap_or_default() {
                read.names.insert(name.iid.unwrap(), name.name.unwrap());
            }
            if let Some(track) = packet.track_descriptor {
                let process = track.process.and_then(|process| process.process_name);
                let own = process.or(track.name).unwrap();
                let parent = track.parent_uuid.map(|uuid| read.tracks[&uuid].clone() + "/");
                let path = parent.unwrap_or_default() + &own;
                assert!(read.tracks.insert(track.uuid.unwrap(), path).is_none(), "twice");
            }
            if let Some(event) = packet.track_event {
                read.events.push((packet.timestamp.unwrap(), event));
            }
        }
        read.events.sort_by_key(|(at, _)| *at);
        read
    }

    fn name(&self, event: &TrackEvent) -> &str {
        event.name_iid.map_or("", |iid| &self.names[&iid])
    }

    fn count(&self, r#type: i32, name: &str) -> usize {
        let is = |event: &TrackEvent| event.r#type == Some(r#type) && self.name(event) == name;
        self.events.iter().filter(|(_, event)| is(event)).count()
    }

    /// Slices of a track follow one another, and all end.
    fn check_slices(&self) {
        let mut open = BTreeSet::new();
        for (at, event) in &self.events {
            let track = event.track_uuid.unwrap();
            assert!(self.tracks.contains_key(&track));
            match event.r#type.unwrap() {
                number::SLICE_BEGIN => {
                    assert!(open.insert(track), "{at}: overlap on {}", self.tracks[&track]);
                }
                number::SLICE_END => assert!(open.remove(&track), "{at}: {}", self.tracks[&track]),
                _ => {}
            }
        }
        assert!(open.is_empty(), "{open:?}");
    }

    /// Names on each flow, and whether it ends.
    fn flows(&self) -> BTreeMap<u64, (Vec<&str>, bool)> {
        let mut flows: BTreeMap<u64, (Vec<&str>, bool)> = BTreeMap::new();
        for (_, event) in &self.events {
            for (ids, ends) in [(&event.flow_ids, false), (&event.terminating_flow_ids, true)] {
                for id in ids {
                    let flow = flows.entry(*id).or_default();
                    assert!(!flow.1, "flow {id} goes on behind its end");
                    flow.0.push(self.name(event));
                    flow.1 = ends;
                }
            }
        }
        flows
    }
}

fn scenario() -> Scenario {
    let text = crate::scenario::library::find("smoke").expect("built in").text;
    let text = text.replace("\"duration\": \"1s\"", "\"duration\": \"80ms\"");
    let text = text.replace("\"warmup\"", "\"warmup\": \"0s\", \"_\"");
    let scenario = Scenario::from_str("smoke", &text);
    scenario.unwrap_or_else(|error| panic!("{}", error.render()))
}

fn run(policy: &str, file: &str, skip: bool) -> (Comparison, Vec<u8>) {
    let overrides =
        ScenarioOverrides { policies: vec![policy.to_owned()], seed: None, replications: Some(1) };
    let scenario = scenario().with_overrides(&overrides).expect("a policy");
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join(file);
    let options = RunOptions { jobs: 1, trace: Some(path.clone()), skip, ..RunOptions::default() };
    let comparison = run_comparison(&scenario, &options, &|_| {});
    let comparison = comparison.unwrap_or_else(|error| panic!("{error}"));
    (comparison, fs::read(path).expect("written"))
}

fn metric(comparison: &Comparison, name: &str) -> usize {
    let all = &comparison.policies[0].metrics;
    all.iter().find(|metric| metric.name == name).expect("a metric").mean as usize
}

#[test]
fn counts_are_those_of_the_run_and_flows_are_connected() {
    let (comparison, bytes) = run("apf-v6.12", "run.perfetto-trace", true);
    let read = Read::of(&bytes);
    read.check_slices();
    let told = metric(&comparison, "not_present_injected");
    assert!(told > 50, "{told}");
    assert_eq!(read.count(number::SLICE_BEGIN, "not present"), told);
    assert_eq!(read.count(number::INSTANT, "not present"), told);
    let ready = metric(&comparison, "page_ready_delivered");
    // Wake-all at the enabling of notifications is one, too.
    let delivered = ["page ready", "wake all"].map(|name| read.count(number::INSTANT, name));
    assert_eq!(delivered.iter().sum::<usize>(), ready);
    let faults = metric(&comparison, "major_faults");
    assert_eq!(read.count(number::SLICE_BEGIN, "major fault"), faults);
    let flows = read.flows();
    let through: Vec<_> = flows.values().filter(|(_, ends)| *ends).collect();
    assert!(through.len() > told / 2, "{} of {told}", through.len());
    for (names, _) in through {
        assert_eq!(names.first(), Some(&"not present"), "{names:?}");
        assert_eq!(names.last(), Some(&"runnable"), "{names:?}");
        assert!(names.contains(&"fetches") && names.contains(&"page ready"), "{names:?}");
    }
    for track in ["host/pcpu0", "host/worker 0", "guest/vcpu0/task", "guest/outstanding faults"] {
        assert!(read.tracks.values().any(|path| path == track), "{track}: {:?}", read.tracks);
    }
}

#[test]
fn a_timeline_does_not_depend_on_how_the_run_is_carried_out() {
    let (_, whole) = run("apf-v6.12", "a.pftrace", true);
    let (_, stepped) = run("apf-v6.12", "b.pftrace", false);
    assert!(whole == stepped);
}

#[test]
fn halted_vcpus_are_not_told() {
    let (_, bytes) = run("halt", "run.pftrace", true);
    let read = Read::of(&bytes);
    read.check_slices();
    assert_eq!(read.count(number::SLICE_BEGIN, "not present"), 0);
    assert!(read.count(number::SLICE_BEGIN, "not told") > 10);
    assert!(read.count(number::SLICE_BEGIN, "halted by the host") > 10);
}

#[test]
fn the_name_of_a_file_says_whether_it_is_a_timeline() {
    for name in ["a.perfetto-trace", "a.perfetto-trace.gz", "b.pftrace", "a.sync.0.pftrace.gz"] {
        assert!(is_timeline(name), "{name}");
    }
    for name in ["trace.txt", "trace.txt.gz", "perfetto-trace", "pftrace"] {
        assert!(!is_timeline(name), "{name}");
    }
}
