//! What a timeline consists of.

use std::fmt;
use std::sync::Arc;

use sim_core::SimTime;

/// A track, numbered from 1 in the order in which tracks come up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TrackId(pub u32);

/// A name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Label {
    /// One of the program's.
    Fixed(&'static str),
    /// One of the scenario's, or with a number.
    Made(Arc<str>),
}

impl Label {
    /// A name that is put together.
    pub(super) fn made(text: impl AsRef<str>) -> Self {
        Self::Made(text.as_ref().into())
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Fixed(text) => text,
            Self::Made(text) => text,
        }
    }
}

impl From<&'static str> for Label {
    fn from(text: &'static str) -> Self {
        Self::Fixed(text)
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a track shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrackKind {
    /// Nothing itself: the host, or a virtual machine, under which its tracks are.
    Process(u16),
    /// Slices, none of which overlap, and instants; or other tracks only.
    Slices,
    /// A number over time.
    Counter,
}

/// A track that comes up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Track {
    /// Its number.
    pub id: TrackId,
    /// The track under which it stands.
    pub parent: Option<TrackId>,
    /// Its name; no two under one parent are equal.
    pub name: Label,
    /// What it shows.
    pub kind: TrackKind,
    /// Its place among those under the same parent.
    pub rank: i32,
}

/// A value of something that is told of a slice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Arg {
    /// A number.
    Number(u64),
    /// An address, a frame, or a token, which people write in hexadecimal digits.
    Hex(u64),
    /// A word.
    Text(Label),
}

/// What leads from one slice to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Flow {
    /// Its number, from 1.
    pub id: u64,
    /// It leads no further.
    pub ends: bool,
}

/// What a slice or an instant says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slice {
    /// What goes on. One of few names, so that slices can be counted by name.
    pub name: Label,
    /// What else is known.
    pub args: Vec<(&'static str, Arg)>,
    /// The flow on which it lies.
    pub flow: Option<Flow>,
}

impl Slice {
    pub(super) fn new(name: impl Into<Label>) -> Self {
        Self { name: name.into(), args: Vec::new(), flow: None }
    }

    pub(super) fn number(mut self, name: &'static str, value: impl Into<u64>) -> Self {
        self.args.push((name, Arg::Number(value.into())));
        self
    }

    pub(super) fn hex(mut self, name: &'static str, value: impl Into<u64>) -> Self {
        self.args.push((name, Arg::Hex(value.into())));
        self
    }

    pub(super) fn text(mut self, name: &'static str, value: impl Into<Label>) -> Self {
        self.args.push((name, Arg::Text(value.into())));
        self
    }

    pub(super) fn on(mut self, flow: Option<Flow>) -> Self {
        self.flow = flow;
        self
    }
}

/// A piece of a timeline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mark {
    /// A track, before anything is on it.
    Track(Track),
    /// Something that lasts.
    Slice {
        /// Where.
        track: TrackId,
        /// When it begins.
        from: SimTime,
        /// When it ends.
        to: SimTime,
        /// What.
        slice: Slice,
    },
    /// Something that happens at once.
    Instant {
        /// Where.
        track: TrackId,
        /// When.
        at: SimTime,
        /// What.
        slice: Slice,
    },
    /// A counter has a new value.
    Counter {
        /// Which.
        track: TrackId,
        /// From when on.
        at: SimTime,
        /// The value.
        value: i64,
    },
}
