//! In what two lists of settings differ.

use std::collections::{BTreeMap, VecDeque};

/// A line that one list has and the other has not, or has with another value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// Its name.
    pub name: String,
    /// The value of the first; none where it has no such line.
    pub a: Option<String>,
    /// The value of the second.
    pub b: Option<String>,
}

type Line = (String, String);

/// Lines beyond which lists are compared place by place.
const MOST: usize = 2_000;

/// What differs, in order. Names may come up several times, as operations of a program do.
pub(super) fn differing(a: &[Line], b: &[Line]) -> Vec<Setting> {
    let before = a.iter().zip(b).take_while(|(one, other)| one == other).count();
    let (a, b) = (&a[before..], &b[before..]);
    let after = a.iter().rev().zip(b.iter().rev()).take_while(|(one, other)| one == other).count();
    let (a, b) = (&a[..a.len() - after], &b[..b.len() - after]);
    if a.len().max(b.len()) > MOST {
        return paired(a.iter().collect(), b.iter().collect());
    }
    let lengths = common_lengths(a, b);
    let (mut i, mut j, mut found) = (0, 0, Vec::new());
    let (mut only_a, mut only_b) = (Vec::new(), Vec::new());
    while i < a.len() || j < b.len() {
        if i < a.len() && j < b.len() && a[i] == b[j] {
            found.extend(paired(std::mem::take(&mut only_a), std::mem::take(&mut only_b)));
            (i, j) = (i + 1, j + 1);
        } else if j == b.len() || (i < a.len() && lengths[i + 1][j] >= lengths[i][j + 1]) {
            only_a.push(&a[i]);
            i += 1;
        } else {
            only_b.push(&b[j]);
            j += 1;
        }
    }
    found.extend(paired(only_a, only_b));
    found
}

/// Of every two places the length of the longest common sequence of what follows.
fn common_lengths(a: &[Line], b: &[Line]) -> Vec<Vec<u32>> {
    let mut lengths = vec![vec![0; b.len() + 1]; a.len() + 1];
    for i in (0..a.len()).rev() {
        for j in (0..b.len()).rev() {
            lengths[i][j] = match a[i] == b[j] {
                true => lengths[i + 1][j + 1] + 1,
                false => lengths[i + 1][j].max(lengths[i][j + 1]),
            };
        }
    }
    lengths
}

/// Lines of one name belong together, the first with the first.
fn paired(a: Vec<&Line>, b: Vec<&Line>) -> Vec<Setting> {
    let mut others: BTreeMap<&str, VecDeque<usize>> = BTreeMap::new();
    for (at, (name, _)) in b.iter().enumerate() {
        others.entry(name).or_default().push_back(at);
    }
    let (mut found, mut taken) = (Vec::new(), vec![false; b.len()]);
    for (name, value) in a {
        let other = others.get_mut(name.as_str()).and_then(VecDeque::pop_front);
        let other = other.map(|at| {
            taken[at] = true;
            &b[at].1
        });
        if other != Some(value) {
            let b = other.cloned();
            found.push(Setting { name: name.clone(), a: Some(value.clone()), b });
        }
    }
    for ((name, value), taken) in b.into_iter().zip(taken) {
        if !taken {
            found.push(Setting { name: name.clone(), a: None, b: Some(value.clone()) });
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<Line> {
        let pair =
            |line: &str| line.split_once('=').map(|(name, value)| (name.into(), value.into()));
        text.split_whitespace().filter_map(pair).collect()
    }

    fn told(a: &str, b: &str) -> String {
        let value = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
        let found = differing(&lines(a), &lines(b)).into_iter();
        let found: Vec<_> =
            found.map(|it| format!("{}:{}>{}", it.name, value(it.a), value(it.b))).collect();
        found.join(" ")
    }

    #[test]
    fn only_what_differs_is_told() {
        assert_eq!(told("x=1 y=2 z=3", "x=1 y=2 z=3"), "");
        assert_eq!(told("x=1 y=2 z=3", "x=1 y=5 z=3"), "y:2>5");
        assert_eq!(told("x=1 z=3", "x=1 y=2 z=3"), "y:->2");
        assert_eq!(told("x=1 y=2", ""), "x:1>- y:2>-");
    }

    #[test]
    fn a_further_operation_leaves_the_others_alone() {
        assert_eq!(told("op=a op=b op=c end=1", "op=a op=x op=b op=c end=2"), "op:->x end:1>2");
        assert_eq!(
            told("kind=ram device.ns=5 q=1", "kind=hdd device.ms=8 q=1"),
            "kind:ram>hdd device.ns:5>- device.ms:->8"
        );
    }

    #[test]
    fn long_lists_are_compared_by_name() {
        let long = |first: usize| -> Vec<Line> {
            (first..first + 2 * MOST).map(|n| (format!("n{n}"), n.to_string())).collect()
        };
        let found = differing(&long(0), &long(1));
        assert_eq!(found.len(), 2);
    }
}
