//! In which way of a set a tag is. Sets of usual sizes are compared at once: in this form compilers compare four tags
//! by one instruction.

/// The way whose tag is this one, of which there is one at most: it is not asked for empty ways.
#[inline(always)]
pub(super) fn way_of(tags: &[u32], tag: u32) -> Option<u32> {
    match tags.len() {
        4 => tags.first_chunk::<4>().and_then(|tags| way_among(tags, tag)),
        8 => tags.first_chunk::<8>().and_then(|tags| way_among(tags, tag)),
        12 => tags.first_chunk::<12>().and_then(|tags| way_among(tags, tag)),
        _ => tags.iter().position(|&t| t == tag).map(|way| way as u32),
    }
}

/// The same of a multiple of four.
#[inline(always)]
pub(super) fn way_among<const N: usize>(tags: &[u32; N], tag: u32) -> Option<u32> {
    const { assert!(N.is_multiple_of(4)) };
    let (fours, _) = tags.as_chunks::<4>();
    // Without a branch but for whether it is there: where it is is as good as random.
    let (mut there, mut at) = (false, 0);
    for (n, four) in fours.iter().enumerate() {
        let among = is_among(four, tag);
        there |= among;
        at += if among { n } else { 0 };
    }
    if !there {
        return None;
    }
    let equal = fours.get(at).map_or(0, |four| equal_ways(four, tag));
    Some(4 * at as u32 + equal.trailing_zeros())
}

#[inline(always)]
fn is_among(tags: &[u32; 4], tag: u32) -> bool {
    tags.iter().fold(false, |among, &t| among | (t == tag))
}

/// The ways whose tags are this one, a bit each.
#[inline(always)]
fn equal_ways(tags: &[u32; 4], tag: u32) -> u32 {
    if !is_among(tags, tag) {
        return 0;
    }
    tags.iter().zip(0..).fold(0, |equal, (&t, way)| equal | u32::from(t == tag) << way)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_way_is_found() {
        let tags: [u32; 12] = std::array::from_fn(|way| (1 << 31) + way as u32);
        for (way, &tag) in tags.iter().enumerate() {
            for ways in [4, 6, 8, 12] {
                let expected = (way < ways).then_some(way as u32);
                assert_eq!(way_of(&tags[..ways], tag), expected, "{way} of {ways}");
            }
        }
        assert_eq!(way_among(&tags, 7), None);
    }
}
