//! The embedded backend: one `SQLite` file, one writer, readers beside it.
//!
//! - **Reads** run inline on the asking thread, on a connection of their own with prepared statements:
//!   a page takes some twenty microseconds, less than handing it to another thread would.
//! - **Writes** go through `writer`'s thread, which commits whatever is queued together.
//! - **Durability** is write-ahead logging with `synchronous=FULL`: a commit returns after its flush.
//!   The log is folded back into the file by a thread of its own, so that no write waits for it.
//! - **One process** per data directory, held by a lock file; the command line gets a clear refusal.
//!
//! In-memory mode is the same code on `SQLite`'s shared in-memory file system.

mod audit;
mod backup;
mod bulk;
mod check;
mod checkpoint;
mod commit;
mod deliveries;
mod emitter;
mod endpoint_rows;
mod enrollments;
mod key_rows;
mod leases;
mod listing;
mod migrate;
mod outbox;
mod overview;
mod profile_rows;
mod profiles;
mod readers;
mod registry;
mod removal;
mod rows;
mod search;
mod sessions;
mod tenants;
mod transfer;
mod webhooks;
mod writer;

use std::collections::HashMap;
use std::fs::File;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::{Mutex, RwLock};
use rollcall_domain::id::{Ids, OrganizationId};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags};
use tokio::sync::Notify;

use crate::{OpenError, Opening, StoreError, Stored};
pub use backup::{copy_database, schema_version, sealed_secrets};
use checkpoint::Checkpoints;
pub use migrate::KNOWN_SCHEMA;
use readers::Readers;
use writer::Writer;

/// The database's name in a data directory.
pub const FILE_NAME: &str = "rollcall.db";
/// The lock's name in a data directory; every process that opened the storage left it there.
pub const LOCK_NAME: &str = "rollcall.lock";
/// Prepared statements kept by each connection; more than there are.
const STATEMENTS: usize = 128;

/// After so many of its instructions the database says that it goes on: some thousand times a second.
const INSTRUCTIONS: i32 = 10_000;

/// How the embedded backend uses memory.
#[derive(Clone, Copy, Debug)]
pub struct SqliteSettings {
    /// Page cache of all connections together, in mebibytes.
    pub cache_mib: u32,
    /// How much of the file to map into memory, in mebibytes; 0 for none. Saves CPU, and shows the
    /// mapped part as resident memory once for each connection.
    pub mmap_mib: u32,
    /// Many records are about to be written, and nobody reads meanwhile. Pages then go to the file once,
    /// under a rollback journal, and not a second time through the write-ahead log. As durable, but
    /// readers and the writer wait for each other; and a commit costs more, so they have to be large.
    pub loading: bool,
    /// A transfer reads or fills it, and may go on where an earlier one was killed.
    pub transferring: bool,
}

impl Default for SqliteSettings {
    fn default() -> Self {
        Self {
            cache_mib: 16,
            mmap_mib: 0,
            loading: false,
            transferring: false,
        }
    }
}

/// The embedded backend.
#[derive(Debug)]
pub struct SqliteStore {
    ids: Arc<Ids>,
    writer: Writer,
    readers: Arc<Readers>,
    organizations: Arc<Organizations>,
    deliveries_added: Arc<Notify>,
    /// What the log is emptied with, where there is one.
    log: Option<Arc<Mutex<Connection>>>,
    // Held for as long as the store is; released by the system when the process ends, however it does.
    _lock: Option<File>,
    // Keeps an in-memory database alive between connections.
    _anchor: Option<Mutex<Connection>>,
}

#[derive(Clone, Debug)]
enum Place {
    File(PathBuf),
    Memory(String),
}

/// The numbers behind organization ids, remembered because every call needs one.
#[derive(Debug, Default)]
pub(crate) struct Organizations(RwLock<HashMap<OrganizationId, i64>>);

impl Organizations {
    fn known(&self, id: &OrganizationId) -> Option<i64> {
        self.0.read().get(id).copied()
    }

    fn remember(&self, id: &OrganizationId, number: i64) {
        self.0.write().insert(id.clone(), number);
    }

    fn forget(&self, id: &OrganizationId) {
        self.0.write().remove(id);
    }

    fn forget_all(&self) {
        self.0.write().clear();
    }
}

impl SqliteStore {
    /// Opens or creates the storage in the directory `data_dir`.
    ///
    /// Fails with a line that says what to do when another process holds the directory, when the
    /// database was written by a newer version, and when the file system refuses.
    pub fn open(
        data_dir: &Path,
        settings: SqliteSettings,
        ids: Arc<Ids>,
    ) -> Result<Self, OpenError> {
        Self::open_told(data_dir, settings, ids, &Arc::default())
    }

    /// The same, and `opening` tells meanwhile how far it is.
    pub fn open_told(
        data_dir: &Path,
        settings: SqliteSettings,
        ids: Arc<Ids>,
        opening: &Arc<Opening>,
    ) -> Result<Self, OpenError> {
        std::fs::create_dir_all(data_dir).map_err(|error| {
            let place = data_dir.display();
            OpenError::Failed(format!(
                "cannot create the data directory {place}: {error}; choose another"
            ))
        })?;
        let lock = lock(data_dir)?;
        keep_private(data_dir)?;
        let file = data_dir.join(FILE_NAME);
        let store = Self::start(&Place::File(file), settings, ids, Some(lock), opening)?;
        warn_of_others(data_dir);
        Ok(store)
    }

    /// Opens an empty storage that lives in memory and ends with this value.
    pub fn open_in_memory(ids: Arc<Ids>) -> Result<Self, OpenError> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("file:/rollcall-{}-{number}?vfs=memdb", std::process::id());
        let settings = SqliteSettings::default();
        Self::start(&Place::Memory(name), settings, ids, None, &Arc::default())
    }

    fn start(
        place: &Place,
        settings: SqliteSettings,
        ids: Arc<Ids>,
        lock: Option<File>,
        opening: &Arc<Opening>,
    ) -> Result<Self, OpenError> {
        let cannot = |error: rusqlite::Error| match place {
            Place::File(file) => OpenError::Failed(format!(
                "cannot open {}: {error}; {}",
                file.display(),
                way_out(&error)
            )),
            Place::Memory(_) => {
                OpenError::Failed(format!("cannot open in-memory storage: {error}"))
            }
        };
        let anchor = match place {
            Place::File(_) => None,
            Place::Memory(_) => Some(Mutex::new(
                connect(place, settings, Role::Reader).map_err(cannot)?,
            )),
        };
        let mut connection = connect(place, settings, Role::Writer).map_err(cannot)?;
        migrate::prepare(&connection, matches!(place, Place::File(_))).map_err(cannot)?;
        let told = Arc::clone(opening);
        let instructions = INSTRUCTIONS.unsigned_abs().into();
        let told = move || {
            told.worked(instructions);
            false
        };
        connection
            .progress_handler(INSTRUCTIONS, Some(told))
            .map_err(cannot)?;
        migrate::run(&mut connection, opening)?;
        if !settings.transferring && transfer::state(&connection).map_err(cannot)?.is_some() {
            return Err(OpenError::half_filled());
        }
        bulk::resume(&connection, opening).map_err(cannot)?;
        connection
            .progress_handler(0, None::<fn() -> bool>)
            .map_err(cannot)?;
        // The pages of a decision's savepoint would go through a temporary file otherwise.
        connection
            .pragma_update(None, "temp_store", "MEMORY")
            .map_err(cannot)?;
        if !settings.transferring {
            outbox::end_leases(&connection).map_err(cannot)?;
        }
        let no_thread = |error| OpenError::Failed(format!("cannot start a thread: {error}"));
        let is_file = matches!(place, Place::File(_));
        let has_log = is_file && !(settings.loading && migrate::leave_log(&connection));
        let readers = Arc::new(readers(place.clone(), settings, has_log));
        let (checkpoints, log) = if has_log {
            let connection = connect(place, settings, Role::Reader).map_err(cannot)?;
            let log = connect(place, settings, Role::Reader).map_err(cannot)?;
            let checkpoints = Checkpoints::start(connection, Arc::clone(&readers));
            let log = Arc::new(Mutex::new(log));
            (Some(checkpoints.map_err(no_thread)?), Some(log))
        } else {
            (None, None)
        };
        let writer =
            Writer::start(connection, Arc::clone(&readers), checkpoints).map_err(no_thread)?;
        Ok(Self {
            ids,
            writer,
            readers,
            organizations: Arc::default(),
            deliveries_added: Arc::default(),
            log,
            _lock: lock,
            _anchor: anchor,
        })
    }

    /// Runs `read` inline on a connection of its own, in one state of the database.
    fn read<T>(&self, read: impl FnOnce(&Connection) -> Stored<T>) -> Stored<T> {
        self.readers.read(read)
    }

    fn emitter(&self) -> emitter::Emitter {
        emitter::Emitter {
            ids: Arc::clone(&self.ids),
            deliveries_added: Arc::clone(&self.deliveries_added),
        }
    }

    /// The number behind an organization id, or `None` when there is no such organization.
    fn organization(&self, connection: &Connection, id: &OrganizationId) -> Stored<Option<i64>> {
        rows::organization_number(connection, &self.organizations, id)
    }
}

fn readers(place: Place, settings: SqliteSettings, has_log: bool) -> Readers {
    let connect_reader = move || {
        let connection = connect(&place, settings, Role::Reader)?;
        connection.pragma_update(None, "query_only", true)?;
        Ok(connection)
    };
    Readers::new(Box::new(move || connect_reader().map_err(failed)), has_log)
}

/// Takes the data directory for this process, until the answer is dropped.
pub fn lock(data_dir: &Path) -> Result<File, OpenError> {
    let path = data_dir.join(LOCK_NAME);
    let cannot = |error: &dyn std::fmt::Display| {
        OpenError::Failed(format!(
            "cannot lock {}: {error}; let this user write there, or choose another data directory",
            path.display()
        ))
    };
    let file = private_file(&path).map_err(|error| cannot(&error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => {
            Err(OpenError::InUse(data_dir.display().to_string()))
        }
        Err(std::fs::TryLockError::Error(error)) => Err(cannot(&error)),
    }
}

/// The files that `SQLite` keeps beside the database in `data_dir` and that are there: what they hold belongs
/// to that database and is played into whichever lies there the next time.
pub fn side_files(data_dir: &Path) -> Vec<String> {
    let names = SIDE_FILES.map(|suffix| format!("{FILE_NAME}{suffix}"));
    let there = names.into_iter();
    there.filter(|name| data_dir.join(name).exists()).collect()
}

const SIDE_FILES: [&str; 3] = ["-wal", "-shm", "-journal"];

/// Sees to it that nobody but the owner can read the database, whoever may look into its directory.
/// `SQLite` gives the files beside it the same mode.
fn keep_private(data_dir: &Path) -> Result<(), OpenError> {
    let cannot = |path: &Path, error: &std::io::Error| {
        OpenError::Failed(format!(
            "cannot write {}: {error}; let this user write there, or choose another data directory",
            path.display()
        ))
    };
    let file = data_dir.join(FILE_NAME);
    private_file(&file).map_err(|error| cannot(&file, &error))?;
    for name in side_files(data_dir) {
        let file = data_dir.join(name);
        match make_private(&file) {
            Ok(()) => {}
            // The last connection of whoever had it open takes these files away, even after letting go of the lock.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(cannot(&file, &error)),
        }
    }
    Ok(())
}

fn warn_of_others(data_dir: &Path) {
    let others = std::fs::metadata(data_dir).map_or(0, |it| it.permissions().mode() & 0o077);
    if others != 0 {
        tracing::warn!(
            "others on this machine can look into the data directory {0}; close it with: chmod 700 {0}",
            data_dir.display()
        );
    }
}

/// Opens a file to write, which is made if it does not exist, and which only its owner can read.
fn private_file(path: &Path) -> std::io::Result<File> {
    let mut options = File::options();
    options.create(true).truncate(false).write(true).mode(0o600);
    let file = options.open(path)?;
    make_private(path)?;
    Ok(file)
}

fn make_private(path: &Path) -> std::io::Result<()> {
    let open = std::fs::metadata(path)?.permissions().mode() & 0o077 != 0;
    if open {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    }
    Ok(())
}

/// Who a connection is for, which decides how much of the page cache it gets.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    Writer,
    Reader,
}

fn connect(place: &Place, settings: SqliteSettings, role: Role) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_URI;
    let connection = match place {
        Place::File(file) => {
            Connection::open_with_flags(file, flags.difference(OpenFlags::SQLITE_OPEN_URI))?
        }
        Place::Memory(name) => Connection::open_with_flags(name, flags)?,
    };
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    connection.busy_timeout(std::time::Duration::from_secs(10))?;
    // A commit touches pages all over the indexes, and a page that falls out of the writer's cache
    // before the commit is written twice; a reader's page comes back from the system's cache.
    let share = match role {
        Role::Writer => 2,
        Role::Reader => 8,
    };
    let cache_kib = i64::from(settings.cache_mib) * 1_024 / share;
    connection.pragma_update(None, "cache_size", -cache_kib)?;
    connection.pragma_update(None, "mmap_size", i64::from(settings.mmap_mib) * 1_048_576)?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    // What is removed or replaced is personal data, and must not stay in free places of the file.
    connection.pragma_update(None, "secure_delete", "ON")?;
    if matches!(place, Place::Memory(_)) {
        connection.pragma_update(None, "temp_store", "MEMORY")?;
    }
    // Plans do not depend on values; otherwise every new value has its statement prepared again.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.pragma_update(None, "trusted_schema", false)?;
    Ok(connection)
}

/// What to do about a database that cannot be opened.
fn way_out(error: &rusqlite::Error) -> &'static str {
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => "make room on its disk and start again; nothing is lost",
        Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => {
            "let this user write to it and to its directory, or choose another data directory"
        }
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            "end the program that has it open, and start again"
        }
        Some(ErrorCode::SystemIoFailure) => {
            "see in the system's log what the disk says, and start again"
        }
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => {
            "restore a backup, or choose another data directory"
        }
        _ => "start again; if it stays so, restore a backup or choose another data directory",
    }
}

/// What an unexpected answer of the database means to the caller.
#[expect(
    clippy::needless_pass_by_value,
    reason = "it stands in map_err, which gives values"
)]
fn failed(error: rusqlite::Error) -> StoreError {
    match error.sqlite_error_code() {
        Some(
            ErrorCode::DatabaseBusy
            | ErrorCode::DatabaseLocked
            | ErrorCode::DiskFull
            | ErrorCode::CannotOpen
            | ErrorCode::SystemIoFailure
            | ErrorCode::OutOfMemory
            | ErrorCode::ReadOnly,
        ) => StoreError::Unavailable(error.to_string()),
        _ => StoreError::Failed(error.to_string()),
    }
}

#[cfg(test)]
mod tests;
