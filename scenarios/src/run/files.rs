//! Files that appear complete or not at all.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use tempfile::{Builder, NamedTempFile};

/// Beginning and end of the names under which files are written first.
const PREFIX: &str = ".apfsim-";
const SUFFIX: &str = ".part";

/// Writes a file that appears complete or not at all.
///
/// # Errors
/// The system's. A file that was there before is still there then.
pub fn write_file(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = AtomicFile::create(path)?;
    file.write_all(bytes)?;
    file.commit()
}

/// Copies a file, which appears complete or not at all.
///
/// # Errors
/// The system's.
pub(crate) fn copy_file(from: &Path, to: &Path) -> io::Result<()> {
    let mut source = File::open(from)?;
    let mut file = AtomicFile::create(to)?;
    io::copy(&mut source, &mut file)?;
    file.commit()
}

/// Largest file of a folder with results: all runs of a large sweep.
pub(crate) const MOST_BYTES: u64 = 1 << 34;
/// Largest file that a user names.
const MOST_NAMED: u64 = 1 << 30;

/// The bytes of a file of a folder with results. A device or a pipe, which may never end, is none.
///
/// # Errors
/// When it cannot be read, is no regular file, or has more than 16 GiB.
pub(crate) fn read_file(path: &Path) -> io::Result<Vec<u8>> {
    // A pipe would wait for its writer before it is opened.
    refuse_special(&fs::metadata(path)?)?;
    read_bounded(File::open(path)?, MOST_BYTES)
}

/// The text of such a file.
///
/// # Errors
/// As [`read_file`], and when it is no UTF-8.
pub fn read_text(path: &Path) -> io::Result<String> {
    let bytes = read_file(path)?;
    String::from_utf8(bytes).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

/// The text of a file that a user names, which may be a pipe.
///
/// # Errors
/// When it cannot be read, is no UTF-8, or has more than a GiB.
pub fn read_named(path: &Path) -> io::Result<String> {
    let bytes = read_bounded(File::open(path)?, MOST_NAMED)?;
    String::from_utf8(bytes).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

/// The bytes of a stream, as long as they are not too many to keep.
pub(crate) fn read_bounded(stream: impl Read, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    stream.take(most + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        let why = format!("it has more than {most} bytes");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, why));
    }
    Ok(bytes)
}

/// Refuses what is no regular file.
pub(crate) fn refuse_special(there: &fs::Metadata) -> io::Result<()> {
    match there.is_file() {
        true => Ok(()),
        false if there.is_dir() => {
            Err(io::Error::new(io::ErrorKind::IsADirectory, "it is a directory"))
        }
        false => Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no regular file")),
    }
}

/// Whether a file of that name is the beginning of one that was never finished.
pub(crate) fn is_unfinished(name: &str) -> bool {
    name.starts_with(PREFIX) && name.ends_with(SUFFIX)
}

/// A file that is written under another name in the same folder, and takes its place when it is
/// complete. One that is dropped before leaves nothing.
#[derive(Debug)]
pub(crate) struct AtomicFile(Place);

#[derive(Debug)]
enum Place {
    /// Written under another name.
    Beside { file: NamedTempFile, target: PathBuf },
    /// A device or a pipe, in whose place nothing can be put.
    There(File),
}

impl AtomicFile {
    /// Begins a file. A link is followed.
    pub(crate) fn create(path: &Path) -> io::Result<Self> {
        let there = fs::metadata(path).ok();
        if there.as_ref().is_some_and(|there| !there.is_file()) {
            return Ok(Self(Place::There(OpenOptions::new().write(true).open(path)?)));
        }
        if there.is_some() {
            // A file that may not be written is not replaced either.
            OpenOptions::new().append(true).open(path)?;
        }
        let target = target(path)?;
        let folder = target.parent().filter(|folder| !folder.as_os_str().is_empty());
        let name = target.file_name().ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
        let name: String = name.to_string_lossy().chars().take(40).collect();
        let prefix = format!("{PREFIX}{name}-");
        let folder = folder.unwrap_or(Path::new("."));
        fs::metadata(folder)?;
        let mut builder = Builder::new();
        builder.prefix(&prefix).suffix(SUFFIX);
        if let Some(permissions) = usual() {
            builder.permissions(permissions);
        }
        let file = builder
            .tempfile_in(folder)
            // The name under which it is written first is of no interest.
            .map_err(|error| io::Error::from(error.kind()))?;
        if let Some(there) = there {
            file.as_file().set_permissions(there.permissions())?;
        }
        Ok(Self(Place::Beside { file, target }))
    }

    /// Puts the complete file into its place.
    pub(crate) fn commit(self) -> io::Result<()> {
        match self.0 {
            Place::There(mut file) => file.flush(),
            Place::Beside { file, target } => {
                file.as_file().sync_all()?;
                file.persist(&target).map_err(|error| error.error)?;
                // So that the name is on the disk, too; not every system can do that.
                let folder = target.parent().filter(|folder| !folder.as_os_str().is_empty());
                let _ = File::open(folder.unwrap_or(Path::new("."))).and_then(|it| it.sync_all());
                Ok(())
            }
        }
    }
}

impl Write for AtomicFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.0 {
            Place::Beside { file, .. } => file.as_file_mut().write(bytes),
            Place::There(file) => file.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.0 {
            Place::Beside { file, .. } => file.as_file_mut().flush(),
            Place::There(file) => file.flush(),
        }
    }
}

/// The file that a path leads to: links stay, and what they name is replaced.
fn target(path: &Path) -> io::Result<PathBuf> {
    let is_link = fs::symlink_metadata(path).is_ok_and(|there| there.is_symlink());
    if !is_link {
        return Ok(path.to_owned());
    }
    match fs::canonicalize(path) {
        // A link to nothing yet names what is to be made.
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let named = fs::read_link(path)?;
            Ok(path.parent().map_or(named.clone(), |folder| folder.join(&named)))
        }
        other => other,
    }
}

/// What a new file may be used for, as far as the system's mask allows.
#[cfg(unix)]
fn usual() -> Option<fs::Permissions> {
    use std::os::unix::fs::PermissionsExt as _;
    Some(fs::Permissions::from_mode(0o666))
}

#[cfg(not(unix))]
fn usual() -> Option<fs::Permissions> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).expect("a folder");
        let names = entries.map(|entry| entry.expect("an entry").file_name());
        let mut names: Vec<_> = names.map(|name| name.to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_appears_when_it_is_complete() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.txt");
        write_file(&path, b"old").expect("written");
        let mut file = AtomicFile::create(&path).expect("begun");
        file.write_all(b"new, but not all of").expect("written");
        assert_eq!(fs::read(&path).expect("readable"), b"old");
        assert!(names(folder.path()).iter().any(|name| is_unfinished(name)));
        drop(file);
        assert_eq!(names(folder.path()), ["a.txt"]);
        assert_eq!(fs::read(&path).expect("readable"), b"old");
        write_file(&path, b"new").expect("written");
        assert_eq!(fs::read(&path).expect("readable"), b"new");
        assert_eq!(names(folder.path()), ["a.txt"]);
    }

    #[cfg(unix)]
    #[test]
    fn links_devices_and_rights_stay_what_they_are() {
        use std::os::unix::fs::{PermissionsExt as _, symlink};
        let folder = tempfile::tempdir().expect("a folder");
        let (file, link) = (folder.path().join("file"), folder.path().join("link"));
        symlink("file", &link).expect("linked");
        write_file(&link, b"1").expect("written through a link to nothing");
        let mode = || fs::metadata(&file).expect("there").permissions().mode() & 0o777;
        assert_ne!(mode() & 0o044, 0, "others may read it as far as the mask allows: {:o}", mode());
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).expect("changed");
        write_file(&link, b"2").expect("written through a link");
        assert!(fs::symlink_metadata(&link).expect("there").is_symlink());
        assert_eq!((fs::read(&file).expect("readable"), mode()), (b"2".to_vec(), 0o640));
        write_file(Path::new("/dev/null"), b"3").expect("written");
        assert!(!fs::metadata("/dev/null").expect("there").is_file());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn what_never_ends_is_not_read() {
        for device in ["/dev/zero", "/dev/full", "/dev/null"] {
            let error = read_file(Path::new(device)).expect_err(device);
            assert_eq!(error.to_string(), "it is no regular file");
        }
        let folder = tempfile::tempdir().expect("a folder");
        let error = read_text(folder.path()).expect_err("a folder");
        assert_eq!(error.kind(), io::ErrorKind::IsADirectory);
        let zeros = || File::open("/dev/zero").expect("there");
        let error = read_bounded(zeros(), 1000).expect_err("too large");
        assert_eq!(error.kind(), io::ErrorKind::FileTooLarge);
        assert_eq!(read_bounded(zeros().take(1000), 1000).expect("enough").len(), 1000);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_is_an_error() {
        let error = write_file(Path::new("/dev/full"), b"x").expect_err("full");
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    }

    #[test]
    fn a_folder_and_a_missing_folder_are_errors() {
        let folder = tempfile::tempdir().expect("a folder");
        write_file(folder.path(), b"x").expect_err("a folder");
        let error = write_file(&folder.path().join("no/file"), b"x").expect_err("no folder");
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        assert!(!error.to_string().contains(PREFIX), "{error}");
        assert!(names(folder.path()).is_empty());
    }
}
