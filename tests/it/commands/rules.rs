//! `apfsim rules` from outside.

use models::apf::rules::Generation;
use serde_json::Value;

use crate::kit::program;

fn output(args: &[&str]) -> (Option<i32>, String, String) {
    let output = program().arg("rules").args(args).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[track_caller]
fn fine(args: &[&str]) -> String {
    let (status, stdout, stderr) = output(args);
    assert_eq!((status, stderr.as_str()), (Some(0), ""), "{args:?}");
    assert!(stdout.lines().all(|line| line.chars().count() <= 78), "{args:?}");
    stdout
}

fn json(args: &[&str]) -> Value {
    let (status, stdout, _) = output(&[args, &["--format", "json"]].concat());
    assert_eq!(status, Some(0));
    serde_json::from_str(&stdout).unwrap()
}

#[test]
fn the_generations_are_listed() {
    insta::assert_snapshot!("generations", fine(&[]));
}

/// Its beginning as it is laid out; the rest is held against JSON.
#[test]
fn a_generation_is_told_mechanism_by_mechanism() {
    let text = fine(&["v5.8"]);
    insta::assert_snapshot!("v5.8", text.lines().take(12).collect::<Vec<_>>().join("\n"));
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let told = words(&text);
    for one in json(&["v5.8"])["mechanisms"].as_array().unwrap() {
        let field = |name: &str| one[name].as_str().unwrap();
        let (name, value, since) = (field("mechanism"), field("value"), field("since"));
        let line = words(&format!("{name} {value}, since {since}."));
        assert!(told.contains(&line), "{line}");
        assert!(told.contains(&words(field("source"))), "{}", field("source"));
    }
}

/// Long-term trees take over what newer kernels mended, and most hosts run those.
#[test]
fn what_long_term_trees_took_over_is_told() {
    let text = fine(&["v6.12"]);
    assert!(text.contains("6.12.64   paging_toggle is requests-scan"), "{text}");
    assert!(text.contains("6.12.115  nmi_fault is leaves-word"), "{text}");
    let text = fine(&["v6.1"]);
    assert!(text.contains("6.1.160  paging_toggle is requests-scan"), "{text}");
    let backports = json(&["v6.12"])["backports"].clone();
    assert_eq!(backports[0]["release"], "6.12.64");
    assert_eq!(json(&["v7.3"])["backports"], serde_json::json!([]));
}

/// A release has what its tree took over by then, and what mainline had before the next generation.
#[test]
fn a_release_is_told_with_what_it_has_besides() {
    let value = |release: &str, mechanism: &str| {
        let list = json(&[release])["mechanisms"].as_array().unwrap().clone();
        let own = list.iter().find(|one| one["mechanism"] == mechanism).unwrap();
        let field = |name: &str| own[name].as_str().unwrap().to_owned();
        (field("value"), field("since"))
    };
    let told = |value: &str, since: &str| (value.to_owned(), since.to_owned());
    assert_eq!(value("6.1.100", "paging_toggle"), told("drops-items", "v2.6.39"));
    assert_eq!(value("6.1.192", "paging_toggle"), told("requests-scan", "6.1.160"));
    assert_eq!(value("6.1.192", "dequeue"), told("after-worker", "6.1.84"));
    assert_eq!(value("4.19", "guest_wait"), told("halt-if-not-preemptible", "4.14"));
    assert_eq!(value("v6.1", "paging_toggle"), told("drops-items", "v2.6.39"));
    let text = fine(&["6.1.192"]);
    assert!(text.starts_with("6.1.192: generation v6.1 (2022-12-11), and 4 mechanisms"), "{text}");
    assert!(!text.contains("later releases of this long-term tree"), "{text}");
    let text = fine(&["--diff", "6.1.100", "6.1.192"]);
    assert!(text.starts_with("6.1.100 -> 6.1.192: 1 mechanisms differ"), "{text}");
    assert!(text.contains("drops-items -> requests-scan. Changed in 6.1.160"), "{text}");
    let back = fine(&["--diff", "6.1.192", "6.1.100"]);
    assert!(back.contains("requests-scan -> drops-items. Changed in 6.1.160"), "{back}");
}

#[test]
fn two_generations_are_compared() {
    insta::assert_snapshot!("v2.6.39-v5.8", fine(&["--diff", "v2.6.39", "v5.8"]));
    let same = fine(&["--diff", "v5.8", "v5.8"]);
    assert_eq!(same, "v5.8 -> v5.8: 0 mechanisms differ\n");
}

#[test]
fn a_comparison_backwards_names_the_same_changes() {
    let changes = |old, new| {
        let value = json(&["--diff", old, new]);
        let list = value["differences"].as_array().unwrap().clone();
        list.iter().map(|d| (d["mechanism"].clone(), d["source"].clone())).collect::<Vec<_>>()
    };
    assert_eq!(changes("v5.8", "v6.19"), changes("v6.19", "v5.8"));
}

#[test]
fn json_says_the_same() {
    let list = json(&[]);
    let names: Vec<&str> =
        list.as_array().unwrap().iter().map(|g| g["name"].as_str().unwrap()).collect();
    assert_eq!(names.first(), Some(&"v5-2010"));
    assert_eq!(names.last(), Some(&Generation::newest().name));
    assert!(list[0]["parent"].is_null() && list[1]["changes"][0]["source"].is_string());

    let one = json(&["v5.8"]);
    let mechanisms = one["mechanisms"].as_array().unwrap();
    let cap = mechanisms.iter().find(|m| m["mechanism"] == "cap").unwrap();
    assert_eq!((&cap["value"], &cap["since"]), (&Value::from("64"), &Value::from("v7-2010")));
    assert_eq!(cap["side"], "host");
}

#[test]
fn an_unknown_generation_is_refused_with_the_known_ones() {
    for args in [&["v5.x"][..], &["--diff", "v5.8", "v5.x"]] {
        let (status, stdout, stderr) = output(args);
        assert_eq!((status, stdout.as_str()), (Some(2), ""));
        assert!(stderr.contains("`v5.x`") && stderr.contains("`v5.8`"), "{stderr}");
    }
    let (status, ..) = output(&["v5.8", "--diff", "v5.8", "v5.9"]);
    assert_eq!(status, Some(2));
}
