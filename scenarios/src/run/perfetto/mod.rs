//! A timeline in the native form of Perfetto's traces (TrackEvent), as `ui.perfetto.dev` and
//! `trace_processor` open it.
//!
//! Every mark becomes one or two packets, written as they come; only the table of names stays.

mod messages;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use models::base::record::Record;
use models::trace::timeline::{Arg, Cast, Mark, Slice, Timeline, Track, TrackId, TrackKind};
use prost::Message as _;
use sim_core::SimTime;

use self::messages::{
    CounterDescriptor, DebugAnnotation, InternedData, Name, ProcessDescriptor, Trace, TracePacket,
    TrackDescriptor, TrackEvent, Word,
};

/// Endings of files that are timelines.
const ENDINGS: [&str; 2] = [".perfetto-trace", ".pftrace"];

/// Whether a file of that name, which may be compressed, is a timeline.
pub(super) fn is_timeline(name: &str) -> bool {
    let name = name.strip_suffix(".gz").unwrap_or(name);
    ENDINGS.iter().any(|ending| name.ends_with(ending))
}

/// Numbers in the schema.
mod number {
    pub(super) const SLICE_BEGIN: i32 = 1;
    pub(super) const SLICE_END: i32 = 2;
    pub(super) const INSTANT: i32 = 3;
    pub(super) const COUNTER: i32 = 4;
    pub(super) const UNIT_COUNT: i32 = 2;
    pub(super) const ORDERED_BY_RANK: i32 = 3;
    pub(super) const NAMES_BEGIN: u32 = 1;
    pub(super) const NEEDS_NAMES: u32 = 2;
    /// All packets are of one writer.
    pub(super) const SEQUENCE: u32 = 1;
}

/// Names that have been written, and those that the next packet has to bring.
#[derive(Debug, Default)]
struct Names {
    known: BTreeMap<String, u64>,
    new: Vec<(u64, String)>,
}

impl Names {
    fn number(&mut self, name: &str) -> u64 {
        if let Some(&number) = self.known.get(name) {
            return number;
        }
        let number = self.known.len() as u64 + 1;
        self.known.insert(name.to_owned(), number);
        self.new.push((number, name.to_owned()));
        number
    }

    fn take(&mut self) -> Vec<Name> {
        let name = |(iid, name)| Name { iid: Some(iid), name: Some(name) };
        self.new.drain(..).map(name).collect()
    }
}

/// Turns the records of a run into packets.
#[derive(Debug)]
pub(super) struct PerfettoWriter {
    timeline: Timeline,
    slices: Names,
    args: Names,
    words: Names,
    begun: bool,
}

impl PerfettoWriter {
    /// A writer that begins at the start barrier. The remark says which run it is.
    pub(super) fn new(cast: &Cast, begin: SimTime) -> Self {
        Self {
            timeline: Timeline::new(cast, begin),
            slices: Names::default(),
            args: Names::default(),
            words: Names::default(),
            begun: false,
        }
    }

    /// Appends what precedes the records: a slice over nothing that says which run it is.
    pub(super) fn header(&mut self, remark: &str, begin: SimTime, out: &mut Vec<u8>) {
        let descriptor = TrackDescriptor {
            uuid: Some(0x0072_756e_0000_0000),
            name: Some(format!("apfsim: {remark}")),
            ..TrackDescriptor::default()
        };
        let uuid = descriptor.uuid;
        self.packet(TracePacket { track_descriptor: Some(descriptor), ..Default::default() }, out);
        let name_iid = Some(self.slices.number("begin"));
        let r#type = Some(number::INSTANT);
        let event = TrackEvent { r#type, track_uuid: uuid, name_iid, ..TrackEvent::default() };
        self.event(begin, event, out);
        self.marks(out);
    }

    /// Appends what a record says.
    pub(super) fn record(&mut self, record: &Record, out: &mut Vec<u8>) {
        self.timeline.observe(record);
        self.marks(out);
    }

    /// Appends what is open when the run is over.
    pub(super) fn close(&mut self, out: &mut Vec<u8>) {
        self.timeline.close();
        self.marks(out);
    }

    fn marks(&mut self, out: &mut Vec<u8>) {
        for mark in self.timeline.take() {
            match mark {
                Mark::Track(track) => self.track(&track, out),
                Mark::Slice { track, from, to, slice } => {
                    let begin = self.said(number::SLICE_BEGIN, track, &slice);
                    self.event(from, begin, out);
                    let r#type = Some(number::SLICE_END);
                    let track_uuid = Some(uuid_of(track));
                    self.event(to, TrackEvent { r#type, track_uuid, ..Default::default() }, out);
                }
                Mark::Instant { track, at, slice } => {
                    let event = self.said(number::INSTANT, track, &slice);
                    self.event(at, event, out);
                }
                Mark::Counter { track, at, value } => {
                    let event = TrackEvent {
                        r#type: Some(number::COUNTER),
                        track_uuid: Some(uuid_of(track)),
                        counter_value: Some(value),
                        ..TrackEvent::default()
                    };
                    self.event(at, event, out);
                }
            }
        }
    }

    fn track(&mut self, track: &Track, out: &mut Vec<u8>) {
        let name = track.name.to_string();
        let mut descriptor = TrackDescriptor {
            uuid: Some(uuid_of(track.id)),
            parent_uuid: track.parent.map(uuid_of),
            child_ordering: Some(number::ORDERED_BY_RANK),
            sibling_order_rank: Some(track.rank),
            ..TrackDescriptor::default()
        };
        match track.kind {
            TrackKind::Process(at) => {
                // Zero would be the system's idle process.
                let (pid, process_name) = (Some(i32::from(at) + 1), Some(name));
                descriptor.process = Some(ProcessDescriptor { pid, process_name });
            }
            TrackKind::Counter => {
                let unit = Some(number::UNIT_COUNT);
                descriptor.counter = Some(CounterDescriptor { unit });
                descriptor.name = Some(name);
            }
            TrackKind::Slices => descriptor.name = Some(name),
        }
        let packet = TracePacket { track_descriptor: Some(descriptor), ..TracePacket::default() };
        self.packet(packet, out);
    }

    fn said(&mut self, r#type: i32, track: TrackId, slice: &Slice) -> TrackEvent {
        let mut event = TrackEvent {
            r#type: Some(r#type),
            track_uuid: Some(uuid_of(track)),
            name_iid: Some(self.slices.number(slice.name.as_str())),
            ..TrackEvent::default()
        };
        for (name, value) in &slice.args {
            let name_iid = Some(self.args.number(name));
            let mut annotation = DebugAnnotation { name_iid, ..DebugAnnotation::default() };
            match value {
                Arg::Number(number) => annotation.uint_value = Some(*number),
                Arg::Hex(number) => annotation.pointer_value = Some(*number),
                Arg::Text(text) => {
                    annotation.string_value_iid = Some(self.words.number(text.as_str()));
                }
            }
            event.debug_annotations.push(annotation);
        }
        match slice.flow {
            Some(flow) if flow.ends => event.terminating_flow_ids.push(flow.id),
            Some(flow) => event.flow_ids.push(flow.id),
            None => {}
        }
        event
    }

    fn event(&mut self, at: SimTime, event: TrackEvent, out: &mut Vec<u8>) {
        let timestamp = Some(at.as_ps() / 1000);
        let interned_data = self.new_names();
        let track_event = Some(event);
        let packet =
            TracePacket { timestamp, track_event, interned_data, ..TracePacket::default() };
        self.packet(packet, out);
    }

    fn new_names(&mut self) -> Option<InternedData> {
        if [&self.slices, &self.args, &self.words].iter().all(|names| names.new.is_empty()) {
            return None;
        }
        let word = |name: Name| Word { iid: name.iid, str: name.name.map(String::into_bytes) };
        Some(InternedData {
            event_names: self.slices.take(),
            debug_annotation_names: self.args.take(),
            debug_annotation_string_values: self.words.take().into_iter().map(word).collect(),
        })
    }

    fn packet(&mut self, packet: TracePacket, out: &mut Vec<u8>) {
        let flags = if self.begun { number::NEEDS_NAMES } else { number::NAMES_BEGIN };
        self.begun = true;
        let packet = TracePacket {
            trusted_packet_sequence_id: Some(number::SEQUENCE),
            sequence_flags: Some(flags),
            ..packet
        };
        // Traces behind one another are one trace.
        Trace { packet: vec![packet] }.encode_raw(out);
    }
}

/// What tracks are called in the file; 0 would be the default track.
fn uuid_of(track: TrackId) -> u64 {
    u64::from(track.0)
}
