//! Looking at a database that another process may be using: which schema it has, and a copy of it.
//!
//! Neither takes the data directory's lock, which the running server holds; `SQLite` itself keeps
//! processes apart. The copy is one long read, which in write-ahead logging hinders nobody; while it
//! lasts the log cannot be folded back beyond its beginning, so the log grows.

use std::fs::File;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use rollcall_domain::id::WebhookEndpointId;
use rusqlite::{Connection, OpenFlags};

use super::FILE_NAME;
use crate::OpenError;
use crate::webhooks::SealedSecret;

/// The number of the last migration applied to the database in `data_dir`.
pub fn schema_version(data_dir: &Path) -> Result<u32, OpenError> {
    let connection = open(data_dir)?;
    connection
        .pragma_query_value(None, "user_version", |row| row.get(0))
        .map_err(|error| cannot("read", &data_dir.join(FILE_NAME), &error))
}

/// Copies the database in `data_dir`, as it is at one instant, to the new file `target`, and sees the
/// copy to the disk. A copy that fails is removed.
pub fn copy_database(data_dir: &Path, target: &Path) -> Result<(), OpenError> {
    let source = data_dir.join(FILE_NAME);
    let failed = |error: &dyn std::fmt::Display| cannot("copy", &source, error);
    let connection = open(data_dir)?;
    // SQLite copies into a file that is empty, and leaves its mode as it is.
    let made = File::options()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(target)
        .map_err(|error| failed(&error))?;
    let copied = connection
        .execute("VACUUM INTO ?1", [target.to_string_lossy().as_ref()])
        .map_err(|error| failed(&error))
        .and_then(|_| made.sync_all().map_err(|error| failed(&error)));
    if copied.is_err() {
        // Half a copy is worth nothing, and that it cannot be removed is not the news.
        let _ = std::fs::remove_file(target);
    }
    copied
}

/// The sealed signing secrets in the database in `directory`, which is left as it is: each endpoint's, of
/// every organization.
pub fn sealed_secrets(
    directory: &Path,
) -> Result<Vec<(WebhookEndpointId, SealedSecret)>, OpenError> {
    let file = directory.join(FILE_NAME);
    let failed = |error: rusqlite::Error| cannot("read", &file, &error);
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(&file, flags).map_err(failed)?;
    let table = "SELECT 1 FROM sqlite_schema WHERE name = 'webhook_endpoints'";
    let mut table = connection.prepare(table).map_err(failed)?;
    // A database of before there were any.
    if !table.exists([]).map_err(failed)? {
        return Ok(Vec::new());
    }
    let secrets = "SELECT id, key_id, sealed_secret FROM webhook_endpoints";
    let mut secrets = connection.prepare(secrets).map_err(failed)?;
    let rows = secrets
        .query_map([], |row| {
            let id: String = row.get(0)?;
            let secret = SealedSecret {
                key_id: row.get(1)?,
                bytes: row.get(2)?,
            };
            Ok((id, secret))
        })
        .map_err(failed)?;
    rows.map(|row| {
        let (id, secret) = row.map_err(failed)?;
        let id = WebhookEndpointId::parse(&id);
        let id = id.map_err(|error| cannot("read", &file, &error))?;
        Ok((id, secret))
    })
    .collect()
}

fn open(data_dir: &Path) -> Result<Connection, OpenError> {
    let file = data_dir.join(FILE_NAME);
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection =
        Connection::open_with_flags(&file, flags).map_err(|error| cannot("open", &file, &error))?;
    let waits = connection.busy_timeout(std::time::Duration::from_secs(10));
    waits.map_err(|error| cannot("open", &file, &error))?;
    Ok(connection)
}

fn cannot(what: &str, file: &Path, error: &dyn std::fmt::Display) -> OpenError {
    OpenError::Failed(format!("cannot {what} {}: {error}", file.display()))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::sqlite::{SqliteSettings, SqliteStore};

    #[test]
    fn a_copy_is_made_beside_the_process_that_holds_the_lock_and_opens_again() {
        let here = tempfile::tempdir().unwrap();
        let there = tempfile::tempdir().unwrap();
        let settings = SqliteSettings::default();
        let open = |dir: &Path| SqliteStore::open(dir, settings, Arc::default());
        let _running = open(here.path()).unwrap();
        let copy = there.path().join(FILE_NAME);
        copy_database(here.path(), &copy).unwrap();
        assert_eq!(schema_version(here.path()), schema_version(there.path()));
        assert!(copy_database(here.path(), &copy).is_err());
        open(there.path()).unwrap();
    }

    #[test]
    fn what_is_not_there_is_an_error_and_not_made() {
        let empty = tempfile::tempdir().unwrap();
        assert!(schema_version(empty.path()).is_err());
        assert!(std::fs::read_dir(empty.path()).unwrap().next().is_none());
    }
}
