//! `apfsim explore` from outside.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::path::Path;

use assert_cmd::Command;

fn explore(args: &[&str], folder: &Path) -> (Option<i32>, String, String) {
    let mut command = Command::cargo_bin("apfsim").unwrap();
    let output = command.arg("explore").args(args).current_dir(folder).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn the_newest_rules_are_clean_and_the_search_is_exhaustive() {
    let folder = tempfile::tempdir().unwrap();
    let (status, stdout, _) = explore(&["--rules", "v6.19"], folder.path());
    assert_eq!(status, Some(0));
    assert!(stdout.contains("search        exhaustive"), "{stdout}");
    assert!(stdout.contains("verdict       0 violations, 0 weaknesses"), "{stdout}");
    insta::assert_snapshot!("explore_v6_19", stdout);
}

#[test]
fn a_known_finding_does_not_fail_and_a_new_one_does() {
    let folder = tempfile::tempdir().unwrap();
    let base = ["--rules", "v6.19", "--with", "reset"];
    let (status, stdout, _) =
        explore(&[&base[..], &["--out", "known.json"]].concat(), folder.path());
    assert_eq!(status, Some(1), "{stdout}");
    assert!(stdout.contains("INV-13"), "{stdout}");
    let with_baseline =
        |args: &[&str]| explore(&[args, &["--baseline", "known.json"]].concat(), folder.path()).0;
    assert_eq!(with_baseline(&base), Some(0));
    let other = ["--rules", "v5.8", "--with", "smi"];
    assert_eq!(with_baseline(&other), Some(1));
}

#[test]
fn a_defect_is_found_by_the_shortest_way() {
    let folder = tempfile::tempdir().unwrap();
    let args = ["--rules", "v6.19", "--defect", "skip-lapic-test", "--with", "lapic-disable"];
    let (_, clean, _) = explore(&args[..2], folder.path());
    assert!(clean.contains(" 0 violations"), "{clean}");
    let (status, stdout, _) = explore(&args, folder.path());
    assert_eq!(status, Some(1), "{stdout}");
    assert!(stdout.contains("INV-21"), "{stdout}");
}

#[test]
fn a_bound_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let (status, stdout, _) = explore(&["--rules", "v6.19", "--states", "100"], folder.path());
    assert_eq!(status, Some(0));
    assert!(stdout.contains("not exhaustive"), "{stdout}");
}

#[test]
fn what_does_not_exist_is_told_with_what_does() {
    let folder = tempfile::tempdir().unwrap();
    for (args, expect) in [
        (["--rules", "v9"], "v6.19"),
        (["--defect", "nothing"], "explore --list"),
        (["--with", "earthquake"], "explore --list"),
        (["--baseline", "missing.json"], "missing.json"),
        (["--set", "cap"], "="),
        (["--set", "caps=3"], "workers"),
        (["--set", "workers=none"], "four-threads"),
        (["--set", "token_id_bits=3"], "--token-bits"),
        (["--set", "kick=wake-blocked-only"], "makes no sense"),
    ] {
        let (status, stdout, stderr) = explore(&args, folder.path());
        assert_eq!(status, Some(2), "{args:?}: {stderr}");
        assert_eq!(stdout, "");
        assert!(stderr.contains(expect), "{args:?}: {stderr}");
    }
    std::fs::write(folder.path().join("broken.json"), "[{").unwrap();
    let (status, _, stderr) = explore(&["--baseline", "broken.json"], folder.path());
    assert_eq!(status, Some(2));
    assert!(stderr.contains("broken.json"), "{stderr}");
}

#[test]
fn disturbances_and_defects_are_listed() {
    let folder = tempfile::tempdir().unwrap();
    let (status, stdout, _) = explore(&["--list"], folder.path());
    assert_eq!(status, Some(0));
    assert!(stdout.contains("lapic-disable") && stdout.contains("skip-gfn-lookup"), "{stdout}");
}
