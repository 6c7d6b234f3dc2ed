//! Files and directories that are made for good: under their name there is all of it or nothing, whatever
//! ends the process or the machine meanwhile, and nobody but the owner can read it.
//!
//! Each is written under another name beside its own, seen to the disk, renamed, and the rename is seen
//! to the disk as well. The other name is the file's with a random part and `.partial`, so that nothing
//! of anybody else's is in the way. A process that is killed leaves it behind; nobody reads it.

use std::fs::{DirBuilder, File, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use tempfile::{NamedTempFile, TempDir};

/// What unfinished files and directories end with.
const PARTIAL: &str = ".partial";

/// Makes a directory that only its owner can look into, and the ones above it that are missing. One that
/// exists stays as it is.
pub(crate) fn private_directory(path: &Path) -> io::Result<()> {
    let missing = |path: &&Path| !path.as_os_str().is_empty() && !path.exists();
    let missing: Vec<_> = path.ancestors().take_while(missing).collect();
    DirBuilder::new().recursive(true).mode(0o700).create(path)?;
    missing.into_iter().try_for_each(sync_name)
}

/// Makes the file `path`, in place of one that is there.
pub(crate) fn write_durably(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = NewFile::beside(path)?;
    file.as_file_mut().write_all(bytes)?;
    file.finish()
}

/// Makes the file `to` with the content of `from`.
pub(crate) fn copy_durably(from: &Path, to: &Path) -> io::Result<()> {
    let mut source = File::open(from)?;
    let mut file = NewFile::beside(to)?;
    io::copy(&mut source, file.as_file_mut())?;
    file.finish()
}

/// A file on its way to its name. Dropped before it is finished, it leaves nothing.
#[derive(Debug)]
pub(crate) struct NewFile {
    partial: NamedTempFile,
    path: PathBuf,
}

impl NewFile {
    /// Begins the file `path`.
    pub(crate) fn beside(path: &Path) -> io::Result<Self> {
        let prefix = prefix_of(path)?;
        let partial = tempfile::Builder::new()
            .prefix(&prefix)
            .suffix(PARTIAL)
            .tempfile_in(directory_of(path))
            .map_err(without_path)?;
        Ok(Self {
            partial,
            path: path.to_owned(),
        })
    }

    /// What is written here is the file's content.
    pub(crate) fn as_file_mut(&mut self) -> &mut File {
        self.partial.as_file_mut()
    }

    /// Gives the file its name, in place of one that is there.
    pub(crate) fn finish(self) -> io::Result<()> {
        self.partial.as_file().sync_all()?;
        self.partial
            .persist(&self.path)
            .map_err(|error| error.error)?;
        sync_name(&self.path)
    }
}

/// A directory beside `path`, for this process alone, which is removed with the value. `path` gives it
/// its name and may itself exist or not.
pub(crate) fn scratch_directory(path: &Path) -> io::Result<TempDir> {
    tempfile::Builder::new()
        .prefix(&prefix_of(path)?)
        .suffix(PARTIAL)
        .permissions(Permissions::from_mode(0o700))
        .tempdir_in(directory_of(path))
        .map_err(without_path)
}

/// Gives a directory made by [`scratch_directory`] its name, which must be free. The files in it are on
/// the disk already.
pub(crate) fn finish_directory(partial: TempDir, path: &Path) -> io::Result<()> {
    File::open(partial.path())?.sync_all()?;
    std::fs::rename(partial.path(), path)?;
    // The name it had is nobody's any more.
    let _ = partial.keep();
    sync_name(path)
}

/// Removes what a killed process left of the file `path`.
pub(crate) fn remove_left_over(path: &Path) -> io::Result<()> {
    let prefix = prefix_of(path)?;
    for entry in std::fs::read_dir(directory_of(path))? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with(&*prefix.to_string_lossy()) && name.ends_with(PARTIAL) {
            std::fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Sees to the disk that there is something under this name.
fn sync_name(path: &Path) -> io::Result<()> {
    File::open(directory_of(path))?.sync_all()
}

fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        Some(_) => Path::new("."),
        None => path,
    }
}

fn prefix_of(path: &Path) -> io::Result<std::ffi::OsString> {
    let name = path.file_name();
    let mut prefix = name.ok_or(io::ErrorKind::InvalidFilename)?.to_owned();
    prefix.push(".");
    Ok(prefix)
}

/// The system's own words: whoever asked for a file says which, and nobody knows the other name.
fn without_path(error: io::Error) -> io::Error {
    let text = error.to_string();
    match text.split_once(" at path ") {
        Some((words, _)) => io::Error::new(error.kind(), words.to_owned()),
        None => error,
    }
}
