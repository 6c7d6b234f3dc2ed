//! The faulty disk: the library that is it, how it fails at the moment, and what a loss of power takes back.

use std::fs::{self, File};
use std::io::Read as _;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// How the disk fails; the letters are those of `shim.c`.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fault {
    None,
    Full,
    ReadOnly,
    Broken,
    Unflushed,
}

/// A directory whose files are on a disk that fails when told to.
pub(crate) struct Disk {
    directory: PathBuf,
}

impl Disk {
    /// A disk without a fault, for `data` in this directory.
    pub(crate) fn new(directory: &Path) -> Self {
        // Paths are compared with those of the system, which knows no links.
        let directory = directory.canonicalize().unwrap();
        let built = Command::new("cc")
            .args(["-shared", "-fPIC", "-O1", "-o"])
            .arg(directory.join("shim.so"))
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/disk/shim.c"))
            .args(["-ldl", "-lpthread"])
            .status();
        assert!(built.unwrap().success(), "the shim could not be built");
        fs::create_dir(directory.join("undo")).unwrap();
        let disk = Self { directory };
        disk.fail(Fault::None);
        disk
    }

    pub(crate) fn load_into(&self, command: &mut Command) {
        command
            .env("LD_PRELOAD", self.directory.join("shim.so"))
            .env("FAULTY_DISK_UNDER", self.directory.join("data"))
            .env("FAULTY_DISK_CONTROL", self.directory.join("control"))
            .env("FAULTY_DISK_UNDO", self.directory.join("undo"));
    }

    /// From now on the disk fails so.
    pub(crate) fn fail(&self, fault: Fault) {
        let letter = match fault {
            Fault::None => b'o',
            Fault::Full => b'f',
            Fault::ReadOnly => b'r',
            Fault::Broken => b'w',
            Fault::Unflushed => b's',
        };
        // In place: the library has it mapped.
        let mut options = File::options();
        options.write(true).create(true).truncate(false);
        let control = options.open(self.directory.join("control")).unwrap();
        control.write_all_at(&[letter], 0).unwrap();
    }

    /// Takes back a part of the writes that were not flushed, as `seed` chooses, after the program was
    /// killed; tells how many.
    pub(crate) fn lose_power(&self, seed: u64) -> usize {
        let mut chance = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut lost = 0;
        for undo in fs::read_dir(self.directory.join("undo")).unwrap() {
            let undo = undo.unwrap().path();
            for replaced in read_undo(&undo).iter().rev() {
                chance ^= chance << 13;
                chance ^= chance >> 7;
                chance ^= chance << 17;
                if chance.is_multiple_of(4) {
                    continue;
                }
                let file = File::options().write(true).open(&replaced.path).unwrap();
                file.write_all_at(&replaced.bytes, replaced.offset).unwrap();
                if replaced.offset + replaced.bytes.len() as u64 == replaced.length {
                    file.set_len(replaced.length).unwrap();
                }
                lost += 1;
            }
            fs::remove_file(undo).unwrap();
        }
        lost
    }
}

/// What a write replaced.
struct Replaced {
    path: PathBuf,
    offset: u64,
    /// The file's, before.
    length: u64,
    bytes: Vec<u8>,
}

fn read_undo(path: &Path) -> Vec<Replaced> {
    let mut file = File::open(path).unwrap();
    let number = |file: &mut File| {
        let mut bytes = [0; 8];
        let read = file.read_exact(&mut bytes);
        read.ok().map(|()| u64::from_ne_bytes(bytes))
    };
    let text = |file: &mut File, length: u64| {
        let mut bytes = vec![0; usize::try_from(length).unwrap()];
        file.read_exact(&mut bytes).ok().map(|()| bytes)
    };
    let mut all = Vec::new();
    // The last record may be cut off, and its write was never made then.
    let mut next = || {
        let (offset, length) = (number(&mut file)?, number(&mut file)?);
        let (kept, path) = (number(&mut file)?, number(&mut file)?);
        let path = String::from_utf8(text(&mut file, path)?).ok()?;
        let bytes = text(&mut file, kept)?;
        Some(Replaced {
            path: path.into(),
            offset,
            length,
            bytes,
        })
    };
    while let Some(replaced) = next() {
        all.push(replaced);
    }
    all
}
