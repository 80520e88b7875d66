//! Golden tables.

use super::{compare, run};
use crate::fixture;
use crate::page::WIDTH;

#[test]
fn comparison_with_published_values() {
    insta::assert_snapshot!(compare(&fixture::natapov()).plain());
}

#[test]
fn comparison_with_findings() {
    let text = compare(&fixture::broken()).plain();
    let from = text.find("Invariants").unwrap();
    insta::assert_snapshot!(&text[from..]);
}

#[test]
fn comparison_of_many_policies_with_long_names() {
    insta::assert_snapshot!(compare(&fixture::crowd()).plain());
}

#[test]
fn comparison_of_nothing() {
    insta::assert_snapshot!(compare(&fixture::nothing()).plain());
}

#[test]
fn run_in_full_detail() {
    let mut comparison = fixture::broken();
    comparison.policies.drain(..2);
    insta::assert_snapshot!(run(&comparison).plain());
}

#[test]
fn lines_fit_a_mail() {
    let mut alone = fixture::broken();
    alone.policies.truncate(1);
    for text in [
        compare(&fixture::natapov()).plain(),
        compare(&fixture::broken()).plain(),
        compare(&fixture::nothing()).plain(),
        run(&fixture::natapov()).plain(),
        run(&fixture::nothing()).plain(),
        run(&alone).plain(),
    ] {
        assert!(text.lines().last().unwrap().starts_with("apfsim 0.1.0 scenario natapov-2010 ("));
        for line in text.lines().filter(|line| !line.starts_with("apfsim ")) {
            assert!(line.chars().count() <= WIDTH, "too long: {line}");
            assert!(!line.ends_with(' '), "ends with a space: `{line}`");
            assert!(line.is_ascii(), "not plain: {line}");
        }
        assert!(text.ends_with('\n') && !text.contains("\n\n\n"));
    }
}
