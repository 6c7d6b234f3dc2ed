//! Folding the write-ahead log back into the database, away from the writer.
//!
//! Left to itself the writer would do it inside some unlucky commit: half of the slowest creates were
//! that. The thread sleeps until a commit nudges it and then waits a moment, so that a busy server
//! checkpoints twice a second and an idle one never wakes.

use std::sync::mpsc::{RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::time::Duration;

use rusqlite::Connection;

/// How long commits may gather before the log is folded back.
const PAUSE: Duration = Duration::from_millis(500);

/// Starts the thread, if there is a connection to checkpoint with, and answers with its nudge.
pub(super) fn start(connection: Option<Connection>) -> std::io::Result<impl Fn() + Send + 'static> {
    let sender = connection.map(spawn).transpose()?;
    Ok(move || {
        if let Some(sender) = &sender {
            match sender.try_send(()) {
                // A nudge that is already waiting says the same.
                Ok(()) | Err(TrySendError::Full(()) | TrySendError::Disconnected(())) => {}
            }
        }
    })
}

fn spawn(connection: Connection) -> std::io::Result<SyncSender<()>> {
    let (sender, receiver) = sync_channel::<()>(1);
    std::thread::Builder::new()
        .name("rollcall-checkpoint".into())
        .spawn(move || {
            while receiver.recv().is_ok() {
                let mut closing = false;
                if receiver.recv_timeout(PAUSE) == Err(RecvTimeoutError::Disconnected) {
                    closing = true;
                } else {
                    std::thread::sleep(PAUSE);
                }
                checkpoint(&connection);
                if closing {
                    break;
                }
            }
        })?;
    Ok(sender)
}

fn checkpoint(connection: &Connection) {
    let result = connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| {
        row.get::<_, i64>(0)
    });
    if let Err(error) = result {
        tracing::warn!(%error, "the write-ahead log could not be folded back; it is tried again");
    }
}
