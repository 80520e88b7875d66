//! Random scenarios that failed once, as small as they were made. Each runs in every way again.

use std::fs;
use std::path::Path;

use scenarios::experiments::fuzz::examine;

#[test]
fn what_failed_once_fails_no_more() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzzed");
    let mut files: Vec<_> =
        fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    assert!(files.len() >= 4);
    for path in files {
        let text = fs::read_to_string(&path).unwrap();
        for seed in 0..4 {
            let failure = examine(&text, seed, 100_000);
            assert_eq!(failure, None, "{}, seed {seed}", path.display());
        }
    }
}
