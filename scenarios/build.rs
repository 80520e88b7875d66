//! Names the build: a hash over the sources that decide what a run gives.
//!
//! Stored runs are taken over only by a program of the same sources. Neither git nor a clock is
//! asked, so a tree gives the same name wherever it lies.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::Xxh3;

/// What decides results, beside this package: simulator core, models, and what turns text into
/// machines. A package that is built apart from them has them by the versions of its manifest.
const SOURCES: [&str; 8] = [
    "../Cargo.lock",
    "../sim-core/Cargo.toml",
    "../sim-core/src",
    "../models/Cargo.toml",
    "../models/src",
    "Cargo.toml",
    "build.rs",
    "src",
];

fn main() -> io::Result<()> {
    let mut hash = Xxh3::new();
    for source in SOURCES {
        println!("cargo::rerun-if-changed={source}");
        let mut files = Vec::new();
        collect(Path::new(source), &mut files)?;
        files.sort();
        for file in files {
            let name = file.to_string_lossy().replace('\\', "/");
            let content = fs::read(&file)?;
            for part in [name.as_bytes(), &content] {
                hash.update(&(part.len() as u64).to_le_bytes());
                hash.update(part);
            }
        }
    }
    println!("cargo::rustc-env=APFSIM_BUILD={:032x}", hash.digest128());
    Ok(())
}

/// The file of that name, or all files below the folder of that name. Hidden ones are leftovers of
/// editors.
fn collect(path: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    if path.is_file() {
        files.push(path.to_owned());
    } else if path.is_dir() {
        for entry in fs::read_dir(path)? {
            let entry = entry?;
            if !entry.file_name().to_string_lossy().starts_with('.') {
                collect(&entry.path(), files)?;
            }
        }
    }
    Ok(())
}
