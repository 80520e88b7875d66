//! Rules of the house that a compiler does not know.

use std::fs;
use std::path::{Path, PathBuf};

fn sources(folder: &str) -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut files = Vec::new();
    let mut folders = vec![root];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                files.push((path, text));
            }
        }
    }
    files.sort();
    assert!(!files.is_empty());
    files
}

/// What a file uses of its own crate, by imports and by full paths: what stands after `crate::`.
fn uses(text: &str) -> impl Iterator<Item = &str> {
    // Unit tests may use what they like.
    let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or(text);
    let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
    lines.flat_map(|line| line.split("crate::").skip(1))
}

/// Sources without files of unit tests.
fn programs(folder: &str) -> Vec<(PathBuf, String)> {
    let mut files = sources(folder);
    files.retain(|(path, _)| !path.components().any(|part| part.as_os_str() == "tests"));
    files.retain(|(path, _)| !path.ends_with("tests.rs"));
    files
}

#[test]
fn every_module_says_what_it_is() {
    for folder in ["sim-core/src", "models/src", "scenarios/src", "reports/src", "src"] {
        for (path, text) in sources(folder) {
            let head = text.lines().next().unwrap_or_default().strip_prefix("//! ");
            let says = head.is_some_and(|head| !head.trim().is_empty());
            assert!(says, "{} has no head", path.display());
        }
    }
}

#[test]
fn the_protocol_is_pure() {
    for (path, text) in programs("models/src/apf") {
        for used in uses(&text) {
            let allowed = ["apf", "base"].iter().any(|module| used.starts_with(module));
            assert!(allowed, "{} uses crate::{used}", path.display());
        }
        // Nor by its full path, anywhere.
        const IMPURE: [&str; 16] = [
            "sim_core",
            "rand::",
            "rand_",
            "std::time",
            "std::fs",
            "std::io",
            "std::net",
            "std::env",
            "std::process",
            "std::thread",
            "std::sync",
            "core::time",
            "HashMap",
            "HashSet",
            "f32",
            "f64",
        ];
        let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
        for line in code {
            let word = IMPURE.iter().find(|word| line.contains(**word));
            assert_eq!(word, None, "{}: {line}", path.display());
            let prints = ["println!", "eprintln!", "print!(", "dbg!"];
            assert!(prints.iter().all(|word| !line.contains(word)), "{}: {line}", path.display());
        }
    }
}

#[test]
fn monitors_share_no_logic_with_what_they_watch() {
    for (path, text) in programs("models/src/monitors") {
        for used in uses(&text) {
            let allowed = ["base", "trace::kernel", "monitors"].iter().any(|m| used.starts_with(m));
            assert!(allowed, "{} uses crate::{used}", path.display());
        }
    }
}

#[test]
fn the_engine_has_no_word_of_paging() {
    for (path, text) in sources("sim-core/src") {
        let text = text.to_lowercase();
        for word in ["page fault", "vcpu", "guest", "swap slot", "hypervisor"] {
            assert!(!text.contains(word), "{} speaks of `{word}`", path.display());
        }
    }
}

/// What the crates depend on, of ours: the compiler holds the rest.
#[test]
fn layers_point_one_way() {
    let ours = ["sim-core", "models", "scenarios", "reports"];
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for (place, layer) in ours.iter().enumerate() {
        let manifest = fs::read_to_string(root.join(layer).join("Cargo.toml")).unwrap();
        let (_, after) = manifest.split_once("[dependencies]").unwrap();
        let dependencies = after.split("\n[").next().unwrap();
        let named = |name: &&&str| {
            let begins = |line: &str| {
                line.starts_with(&format!("{name} ")) || line.starts_with(&format!("{name}."))
            };
            dependencies.lines().any(begins)
        };
        let found: Vec<&&str> = ours.iter().filter(named).collect();
        assert!(found.iter().all(|name| ours[..place].contains(name)), "{layer} needs {found:?}");
        assert!(
            place == 0 || !found.is_empty(),
            "{layer} needs none of ours: is this its manifest?"
        );
    }
}

/// Documents and scripts.
fn pages() -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut pages =
        ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"].map(|page| root.join(page)).to_vec();
    for folder in ["docs", ".ci"] {
        pages.extend(fs::read_dir(root.join(folder)).unwrap().map(|file| file.unwrap().path()));
    }
    pages.retain(|path| path.is_file());
    let read = |path: PathBuf| {
        let text = fs::read_to_string(&path).unwrap();
        (path, text)
    };
    pages.into_iter().map(read).collect()
}

/// What `cargo test` is asked for, word by word, wherever documents, comments and scripts ask.
fn commands() -> Vec<(PathBuf, Vec<String>)> {
    let tests = ["tests", "models/tests", "scenarios/tests", "sim-core/tests"];
    let texts = pages().into_iter().chain(tests.into_iter().flat_map(sources));
    let mut commands = Vec::new();
    for (path, text) in texts {
        // A command may go on in the next line.
        for command in text.replace("\\\n", "").split("cargo test ").skip(1) {
            let command = command.split(['`', '"', '\n', ')']).next().unwrap();
            let words = command.split_whitespace().map(str::to_owned).collect();
            commands.push((path.clone(), words));
        }
    }
    commands
}

/// Whether the tests of a package have a module, or a test in a module, of this path.
fn has_test(tests: &Path, filter: &str) -> bool {
    let mut place = tests.to_owned();
    let mut names = filter.split("::").peekable();
    while let Some(name) = names.next_if(|name| place.join(name).is_dir()) {
        place.push(name);
    }
    let file = match names.next() {
        None => return true,
        Some(name) => place.join(name).with_extension("rs"),
    };
    let Ok(text) = fs::read_to_string(file) else { return false };
    names.next().is_none_or(|name| text.contains(&format!("\nfn {name}")))
}

#[test]
fn tests_that_are_asked_for_by_name_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut by_name = 0;
    for (path, words) in commands() {
        let after = |flag: &str| words.iter().skip_while(|word| *word != flag).nth(1);
        let Some(test) = after("--test") else { continue };
        let package = after("-p").map_or(root.to_owned(), |name| root.join(name));
        let tests = package.join("tests").join(test);
        let filter = words.iter().skip_while(|word| *word != test).nth(1);
        let filter = filter.filter(|word| *word != "--").map_or("", |word| word);
        let found =
            tests.join("main.rs").is_file() && (filter.is_empty() || has_test(&tests, filter));
        assert!(found, "{}: cargo test {}", path.display(), words.join(" "));
        by_name += 1;
    }
    assert!(by_name >= 10, "only {by_name}");
}

/// Who meets a test that is left out is told how to run it.
#[test]
fn long_tests_are_ignored_with_the_command_that_runs_them() {
    let mut found = 0;
    for folder in ["sim-core", "models", "scenarios", "reports", "src", "tests"] {
        for (path, text) in sources(folder) {
            for line in text.lines().filter(|line| line.trim_start().starts_with("#[ignore")) {
                let says = line.contains("cargo test ") && line.contains("-ignored")
                    || line.contains(".ci/");
                assert!(says, "{}: {line}", path.display());
                found += 1;
            }
        }
    }
    assert!(found > 10, "{found}");
}

#[test]
fn files_of_tests_that_documents_name_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for (page, text) in pages().into_iter().filter(|(page, _)| page.extension().is_some()) {
        let is_path = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
        for word in text.split(|c| !is_path(c)) {
            let is_test = word.ends_with(".rs") && word.contains("tests/");
            assert!(!is_test || root.join(word).is_file(), "{}: {word}", page.display());
        }
    }
}

/// Names and versions of the packages that a lock file has.
fn locked(file: &str) -> Vec<(String, String)> {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap();
    let value = |line: Option<&str>, key: &str| {
        let value = line.and_then(|line| line.strip_prefix(key)?.strip_prefix(" = \""));
        value.unwrap_or_else(|| panic!("{file}: no {key}")).trim_end_matches('"').to_owned()
    };
    let packages = text.split("[[package]]\n").skip(1);
    let package = packages.map(|package| {
        let mut lines = package.lines();
        (value(lines.next(), "name"), value(lines.next(), "version"))
    });
    package.collect()
}

/// The name of a build is that of its sources and of one lock file; the package for Python has another. To renew it:
/// copy this one over it, and `cargo metadata --manifest-path python/Cargo.toml`.
#[test]
fn the_package_for_python_is_built_of_the_same_versions() {
    let own = locked("Cargo.lock");
    let mut shared = 0;
    for package in locked("python/Cargo.lock") {
        let known = own.iter().any(|(name, _)| *name == package.0);
        assert!(!known || own.contains(&package), "python/Cargo.lock: {} {}", package.0, package.1);
        shared += usize::from(known);
    }
    assert!(shared > 50, "only {shared}");
}
