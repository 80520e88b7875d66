//! The messages of Perfetto's trace format that a timeline needs, with the numbers that their fields have
//! in Perfetto's published schema (`protos/perfetto/trace`: `trace.proto`, `trace_packet.proto`,
//! `track_event/*.proto`). Fields that are not here are not written; alternatives (`oneof`) are plain
//! fields of which at most one is set, which is the same on the wire.

use prost::Message;

/// `Trace`: a file is one, and so are files behind one another.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Trace {
    /// Its packets.
    #[prost(message, repeated, tag = "1")]
    pub(super) packet: Vec<TracePacket>,
}

/// `TracePacket`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct TracePacket {
    /// Nanoseconds.
    #[prost(uint64, optional, tag = "8")]
    pub(super) timestamp: Option<u64>,
    /// Which writer it is of. Names are interned by writer.
    #[prost(uint32, optional, tag = "10")]
    pub(super) trusted_packet_sequence_id: Option<u32>,
    /// Something that happens.
    #[prost(message, optional, tag = "11")]
    pub(super) track_event: Option<TrackEvent>,
    /// Names that this packet and later ones use.
    #[prost(message, optional, tag = "12")]
    pub(super) interned_data: Option<InternedData>,
    /// Bit 0: names begin anew, bit 1: it needs those of before.
    #[prost(uint32, optional, tag = "13")]
    pub(super) sequence_flags: Option<u32>,
    /// A track comes up.
    #[prost(message, optional, tag = "60")]
    pub(super) track_descriptor: Option<TrackDescriptor>,
}

/// `TrackDescriptor`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct TrackDescriptor {
    /// Names the track.
    #[prost(uint64, optional, tag = "1")]
    pub(super) uuid: Option<u64>,
    /// What people see.
    #[prost(string, optional, tag = "2")]
    pub(super) name: Option<String>,
    /// A process, which has other tracks.
    #[prost(message, optional, tag = "3")]
    pub(super) process: Option<ProcessDescriptor>,
    /// The track under which it stands.
    #[prost(uint64, optional, tag = "5")]
    pub(super) parent_uuid: Option<u64>,
    /// It is a counter.
    #[prost(message, optional, tag = "8")]
    pub(super) counter: Option<CounterDescriptor>,
    /// How its children are ordered: 3, by rank.
    #[prost(int32, optional, tag = "11")]
    pub(super) child_ordering: Option<i32>,
    /// Its rank among its siblings.
    #[prost(int32, optional, tag = "12")]
    pub(super) sibling_order_rank: Option<i32>,
}

/// `ProcessDescriptor`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct ProcessDescriptor {
    /// Its number.
    #[prost(int32, optional, tag = "1")]
    pub(super) pid: Option<i32>,
    /// Its name.
    #[prost(string, optional, tag = "6")]
    pub(super) process_name: Option<String>,
}

/// `CounterDescriptor`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct CounterDescriptor {
    /// 2: a count.
    #[prost(int32, optional, tag = "3")]
    pub(super) unit: Option<i32>,
}

/// `TrackEvent`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct TrackEvent {
    /// 1: a slice begins, 2: it ends, 3: an instant, 4: a counter's value.
    #[prost(int32, optional, tag = "9")]
    pub(super) r#type: Option<i32>,
    /// Where.
    #[prost(uint64, optional, tag = "11")]
    pub(super) track_uuid: Option<u64>,
    /// The name, interned.
    #[prost(uint64, optional, tag = "10")]
    pub(super) name_iid: Option<u64>,
    /// What else is known.
    #[prost(message, repeated, tag = "4")]
    pub(super) debug_annotations: Vec<DebugAnnotation>,
    /// A counter's value.
    #[prost(int64, optional, tag = "30")]
    pub(super) counter_value: Option<i64>,
    /// Flows that lead on.
    #[prost(fixed64, repeated, packed = "false", tag = "47")]
    pub(super) flow_ids: Vec<u64>,
    /// Flows that end here.
    #[prost(fixed64, repeated, packed = "false", tag = "48")]
    pub(super) terminating_flow_ids: Vec<u64>,
}

/// `DebugAnnotation`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct DebugAnnotation {
    /// Its name, interned.
    #[prost(uint64, optional, tag = "1")]
    pub(super) name_iid: Option<u64>,
    /// A number.
    #[prost(uint64, optional, tag = "3")]
    pub(super) uint_value: Option<u64>,
    /// A number that is shown in hexadecimal digits.
    #[prost(uint64, optional, tag = "7")]
    pub(super) pointer_value: Option<u64>,
    /// A word, interned.
    #[prost(uint64, optional, tag = "17")]
    pub(super) string_value_iid: Option<u64>,
}

/// `InternedData`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct InternedData {
    /// Names of slices.
    #[prost(message, repeated, tag = "2")]
    pub(super) event_names: Vec<Name>,
    /// Names of annotations.
    #[prost(message, repeated, tag = "3")]
    pub(super) debug_annotation_names: Vec<Name>,
    /// Words in annotations.
    #[prost(message, repeated, tag = "29")]
    pub(super) debug_annotation_string_values: Vec<Word>,
}

/// `EventName` and `DebugAnnotationName`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Name {
    /// Its number.
    #[prost(uint64, optional, tag = "1")]
    pub(super) iid: Option<u64>,
    /// The name.
    #[prost(string, optional, tag = "2")]
    pub(super) name: Option<String>,
}

/// `InternedString`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Word {
    /// Its number.
    #[prost(uint64, optional, tag = "1")]
    pub(super) iid: Option<u64>,
    /// The word.
    #[prost(bytes = "vec", optional, tag = "2")]
    pub(super) str: Option<Vec<u8>>,
}
