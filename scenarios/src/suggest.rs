//! "Did you mean": the nearest of some names.

/// The valid name that `given` was most likely meant to be, if one is near enough.
pub(crate) fn suggestion<'a>(given: &str, valid: &[&'a str]) -> Option<&'a str> {
    let given_key = key(given);
    if given_key.is_empty() || given_key.len() > 64 {
        return None;
    }
    // The beginning of a longer name is taken for it.
    let begins = |name: &&&str| key(name).starts_with(&given_key);
    if let Some(name) = valid.iter().find(begins).filter(|_| given_key.len() >= 3) {
        return Some(name);
    }
    // A third of the letters may be wrong; short names may have one wrong letter.
    let tolerance = (given_key.len() / 3).max(1);
    valid
        .iter()
        .map(|name| (distance(&given_key, &key(name)), *name))
        .min()
        .filter(|(distance, _)| *distance <= tolerance)
        .map(|(_, name)| name)
}

/// Case and word separators are what people mix up first; they cost nothing.
fn key(name: &str) -> Vec<char> {
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// Edits that turn `a` into `b`: insert, remove, replace a letter, or swap two neighbours.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut before = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let replace = last[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = replace.min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                let before: &Vec<usize> = &before;
                best = best.min(before[j - 2] + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_found() {
        let names = ["vcpus", "memory", "memory_limit", "apf-v7-2010"];
        for (given, expect) in [
            ("vcpu", Some("vcpus")),
            ("vpcus", Some("vcpus")),
            ("memoryLimit", Some("memory_limit")),
            ("Memory", Some("memory")),
            ("apf_v7_2010", Some("apf-v7-2010")),
            ("apf-v6-2010", Some("apf-v7-2010")),
            ("apf", Some("apf-v7-2010")),
            ("mem", Some("memory")),
            ("colour", None),
            ("", None),
            ("---", None),
        ] {
            assert_eq!(suggestion(given, &names), expect, "{given}");
        }
    }
}
