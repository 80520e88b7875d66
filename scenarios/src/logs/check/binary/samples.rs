//! The layout of samples in perf.data, and what is taken of them.

use super::bytes::Endian;

/// Bits of `sample_type`, in the order of `enum perf_event_sample_format`.
const IP: u64 = 1 << 0;
const TID: u64 = 1 << 1;
const TIME: u64 = 1 << 2;
const ADDR: u64 = 1 << 3;
const READ: u64 = 1 << 4;
const CALLCHAIN: u64 = 1 << 5;
const ID: u64 = 1 << 6;
const CPU: u64 = 1 << 7;
const PERIOD: u64 = 1 << 8;
const STREAM_ID: u64 = 1 << 9;
const RAW: u64 = 1 << 10;
const IDENTIFIER: u64 = 1 << 16;
/// Bits of `read_format`.
const READ_TIMES: [u64; 2] = [1 << 0, 1 << 1];
const READ_ID: u64 = 1 << 2;
const READ_GROUP: u64 = 1 << 3;
const READ_LOST: u64 = 1 << 4;
/// The place of `sample_id_all` among the flags of an attribute. Compilers lay bits out in the order
/// of bytes.
const SAMPLE_ID_ALL: u32 = 18;

/// How an event of perf is sampled, and the numbers of its counters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Attr {
    sample_type: u64,
    read_format: u64,
    sample_id_all: bool,
    pub(super) ids: Vec<u64>,
}

/// What is taken of a sample, or of what stands behind other records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sample<'a> {
    pub(super) pid: Option<u32>,
    pub(super) tid: Option<u32>,
    pub(super) time: Option<u64>,
    pub(super) cpu: Option<u32>,
    /// What the tracepoint wrote.
    pub(super) raw: Option<&'a [u8]>,
}

/// Takes numbers off a record.
struct Fields<'a> {
    rest: &'a [u8],
    endian: Endian,
}

impl<'a> Fields<'a> {
    fn number(&mut self, size: usize) -> Option<u64> {
        let number = self.endian.number(self.rest, size)?;
        self.rest = &self.rest[size..];
        Some(number)
    }

    fn pair(&mut self) -> Option<(u32, u32)> {
        let narrow = |number: u64| u32::try_from(number).ok();
        Some((narrow(self.number(4)?)?, narrow(self.number(4)?)?))
    }

    fn skip(&mut self, count: u64, size: u64) -> Option<()> {
        let bytes = usize::try_from(count.checked_mul(size)?).ok()?;
        self.rest = self.rest.get(bytes..)?;
        Some(())
    }

    fn bytes(&mut self, count: u64) -> Option<&'a [u8]> {
        let count = usize::try_from(count).ok()?;
        let bytes = self.rest.get(..count)?;
        self.rest = &self.rest[count..];
        Some(bytes)
    }
}

impl Attr {
    /// The attribute in the bytes of a `perf_event_attr`, and how many of them are its own.
    pub(super) fn of(bytes: &[u8], endian: Endian) -> Option<(Self, usize)> {
        let number = |at: usize, size| endian.number(bytes.get(at..)?, size);
        let size = usize::try_from(number(4, 4)?).ok()?;
        let all = match endian {
            Endian::Little => SAMPLE_ID_ALL,
            Endian::Big => 63 - SAMPLE_ID_ALL,
        };
        let attr = Self {
            sample_type: number(24, 8)?,
            read_format: number(32, 8)?,
            sample_id_all: number(40, 8)? >> all & 1 != 0,
            ids: Vec::new(),
        };
        Some((attr, if size == 0 { 64 } else { size }))
    }

    /// Whether two events are sampled alike.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        (self.sample_type, self.read_format) == (other.sample_type, other.read_format)
    }

    /// Whether a sample says first of all of which event it is.
    pub(super) fn is_identified(&self) -> bool {
        self.sample_type & IDENTIFIER != 0
    }

    /// Whether samples have what a trace needs.
    pub(super) fn is_trace(&self) -> bool {
        self.sample_type & (RAW | TIME | TID) == RAW | TIME | TID
    }

    /// Takes a sample apart; nothing if it is too short.
    pub(super) fn sample<'a>(&self, bytes: &'a [u8], endian: Endian) -> Option<Sample<'a>> {
        let has = |bit: u64| self.sample_type & bit != 0;
        let mut fields = Fields { rest: bytes, endian };
        let mut sample = Sample::default();
        for bit in [IDENTIFIER, IP] {
            if has(bit) {
                fields.number(8)?;
            }
        }
        if has(TID) {
            let (pid, tid) = fields.pair()?;
            (sample.pid, sample.tid) = (Some(pid), Some(tid));
        }
        if has(TIME) {
            sample.time = Some(fields.number(8)?);
        }
        for bit in [ADDR, ID, STREAM_ID] {
            if has(bit) {
                fields.number(8)?;
            }
        }
        if has(CPU) {
            sample.cpu = Some(fields.pair()?.0);
        }
        if has(PERIOD) {
            fields.number(8)?;
        }
        if has(READ) {
            self.skip_read(&mut fields)?;
        }
        if has(CALLCHAIN) {
            let count = fields.number(8)?;
            fields.skip(count, 8)?;
        }
        if has(RAW) {
            let size = fields.number(4)?;
            sample.raw = Some(fields.bytes(size)?);
        }
        Some(sample)
    }

    fn skip_read(&self, fields: &mut Fields<'_>) -> Option<()> {
        let has = |bit: u64| u64::from(self.read_format & bit != 0);
        let times: u64 = READ_TIMES.into_iter().map(has).sum();
        let each = 1 + has(READ_ID) + has(READ_LOST);
        match has(READ_GROUP) {
            0 => fields.skip(times + each, 8),
            _ => {
                let count = fields.number(8)?;
                fields.skip(times, 8)?;
                fields.skip(count, 8 * each)
            }
        }
    }

    /// What stands behind records that are no samples.
    pub(super) fn behind<'a>(&self, bytes: &'a [u8], endian: Endian) -> Option<Sample<'a>> {
        if !self.sample_id_all {
            return None;
        }
        let has = |bit: u64| self.sample_type & bit != 0;
        let parts = [TID, TIME, ID, STREAM_ID, CPU, IDENTIFIER];
        let size = 8 * parts.into_iter().filter(|&bit| has(bit)).count();
        let rest = bytes.get(bytes.len().checked_sub(size)?..)?;
        let mut fields = Fields { rest, endian };
        let mut sample = Sample::default();
        for bit in parts.into_iter().filter(|&bit| has(bit)) {
            match bit {
                TID => {
                    let (pid, tid) = fields.pair()?;
                    (sample.pid, sample.tid) = (Some(pid), Some(tid));
                }
                CPU => sample.cpu = Some(fields.pair()?.0),
                TIME => sample.time = Some(fields.number(8)?),
                _ => {
                    fields.number(8)?;
                }
            }
        }
        Some(sample)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_taken_apart_in_the_kernels_order() {
        let endian = Endian::Little;
        let mut attr = vec![0; 128];
        attr[4..8].copy_from_slice(&128_u32.to_le_bytes());
        let kinds = IDENTIFIER
            | IP
            | TID
            | TIME
            | ADDR
            | ID
            | STREAM_ID
            | CPU
            | PERIOD
            | READ
            | CALLCHAIN
            | RAW;
        attr[24..32].copy_from_slice(&kinds.to_le_bytes());
        let read = READ_TIMES[0] | READ_ID | READ_GROUP | READ_LOST;
        attr[32..40].copy_from_slice(&read.to_le_bytes());
        attr[40..48].copy_from_slice(&(1_u64 << SAMPLE_ID_ALL).to_le_bytes());
        let (attr, size) = Attr::of(&attr, endian).expect("whole");
        assert!(size == 128 && attr.is_trace() && attr.is_identified());
        let mut bytes = Vec::new();
        let mut long = |value: u64| bytes.extend(value.to_le_bytes());
        // Identifier, ip, pid and tid, time, address, id, stream, cpu, period.
        for value in [7, 1, 12 << 32 | 10, 1000, 2, 7, 7, 3, 1] {
            long(value);
        }
        // A group of two, with one time.
        for value in [2, 500, 1, 7, 0, 1, 8, 0] {
            long(value);
        }
        // A chain of three.
        for value in [3, 1, 2, 3] {
            long(value);
        }
        bytes.extend(4_u32.to_le_bytes());
        bytes.extend(b"abcd");
        let sample = attr.sample(&bytes, endian).expect("whole");
        let expected = Sample {
            pid: Some(10),
            tid: Some(12),
            time: Some(1000),
            cpu: Some(3),
            raw: Some(b"abcd"),
        };
        assert_eq!(sample, expected);
        for length in 0..bytes.len() {
            assert_eq!(attr.sample(&bytes[..length], endian), None, "{length}");
        }
        let mut lost = vec![9; 16];
        for value in [12_u64 << 32 | 10, 1000, 7, 7, 3, 7] {
            lost.extend(value.to_le_bytes());
        }
        let behind = attr.behind(&lost, endian).expect("whole");
        assert_eq!(behind, Sample { raw: None, ..expected });
    }
}
