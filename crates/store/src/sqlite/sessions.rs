//! Console sessions.

use std::sync::Arc;

use async_trait::async_trait;
use rollcall_domain::audit::Act;
use rollcall_domain::clock::Timestamp;
use rollcall_domain::id::ApiKeyId;
use rollcall_domain::session::{ConsoleSession, IDLE_LIFETIME, LIFETIME};
use rollcall_domain::tenant::{OperatorProof, SecretHash};
use rusqlite::{Connection, Row, params};

use super::commit::{INSTALLATION, keep_audit};
use super::key_rows::find_key;
use super::rows::{parsed, timestamp};
use super::{SqliteStore, failed};
use crate::Stored;
use crate::sessions::ConsoleSessions;

const COLUMNS: &str = "token_hash, key_id, created_at, seen_at";

#[async_trait]
impl ConsoleSessions for SqliteStore {
    async fn insert_session(
        &self,
        _proof: OperatorProof,
        act: &Act,
        session: &ConsoleSession,
    ) -> Stored<bool> {
        let (ids, act, session) = (Arc::clone(&self.ids), act.clone(), session.clone());
        self.writer
            .write(move |connection| {
                let key = find_key(connection, &session.key_id)?;
                let decided = session.clone().begin(key.as_ref().map(|(_, key)| key));
                if !decided.changed {
                    return Ok(false);
                }
                let session = &decided.value;
                let sql =
                    format!("INSERT INTO console_sessions ({COLUMNS}) VALUES (?1, ?2, ?3, ?4)");
                connection
                    .prepare_cached(&sql)
                    .and_then(|mut statement| {
                        statement.execute(params![
                            session.token_hash.0,
                            session.key_id.as_str(),
                            session.created_at.as_micros(),
                            session.seen_at.as_micros()
                        ])
                    })
                    .map_err(failed)?;
                keep_audit(connection, &ids, INSTALLATION, &act, &decided.audit)?;
                Ok(true)
            })
            .await
    }

    async fn find_session(&self, token: &SecretHash) -> Stored<Option<ConsoleSession>> {
        self.read(|connection| find(connection, token))
    }

    async fn list_sessions(&self, _proof: OperatorProof) -> Stored<Vec<ConsoleSession>> {
        self.read(|connection| {
            let sql = format!(
                "SELECT {COLUMNS} FROM console_sessions ORDER BY created_at DESC, token_hash LIMIT 100"
            );
            let mut statement = connection.prepare_cached(&sql).map_err(failed)?;
            let mut rows = statement.query([]).map_err(failed)?;
            let mut sessions = Vec::new();
            while let Some(row) = rows.next().map_err(failed)? {
                sessions.push(session(row)?);
            }
            Ok(sessions)
        })
    }

    async fn touch_session(&self, token: &SecretHash, seen_at: Timestamp) -> Stored<()> {
        let token = *token;
        self.writer
            .write(move |connection| {
                connection
                    .prepare_cached(
                        "UPDATE console_sessions SET seen_at = ?2 \
                         WHERE token_hash = ?1 AND seen_at < ?2",
                    )
                    .and_then(|mut statement| {
                        statement.execute(params![token.0, seen_at.as_micros()])
                    })
                    .map(|_| ())
                    .map_err(failed)
            })
            .await
    }

    async fn remove_session(
        &self,
        _proof: OperatorProof,
        act: &Act,
        token: &SecretHash,
    ) -> Stored<bool> {
        let (ids, act, token) = (Arc::clone(&self.ids), act.clone(), *token);
        self.writer
            .write(move |connection| {
                let Some(session) = find(connection, &token)? else {
                    return Ok(false);
                };
                connection
                    .prepare_cached("DELETE FROM console_sessions WHERE token_hash = ?1")
                    .and_then(|mut statement| statement.execute([token.0]))
                    .map_err(failed)?;
                keep_audit(connection, &ids, INSTALLATION, &act, &[session.removal()])?;
                Ok(true)
            })
            .await
    }

    async fn prune_sessions(&self, now: Timestamp) -> Stored<u64> {
        self.writer
            .write(move |connection| {
                let removed = connection
                    .prepare_cached(
                        "DELETE FROM console_sessions WHERE seen_at <= ?1 OR created_at <= ?2",
                    )
                    .and_then(|mut statement| {
                        statement.execute(params![
                            now.saturating_sub(IDLE_LIFETIME).as_micros(),
                            now.saturating_sub(LIFETIME).as_micros()
                        ])
                    })
                    .map_err(failed)?;
                Ok(u64::try_from(removed).unwrap_or(u64::MAX))
            })
            .await
    }
}

fn find(connection: &Connection, token: &SecretHash) -> Stored<Option<ConsoleSession>> {
    let sql = format!("SELECT {COLUMNS} FROM console_sessions WHERE token_hash = ?1");
    let mut statement = connection.prepare_cached(&sql).map_err(failed)?;
    let mut rows = statement.query([token.0]).map_err(failed)?;
    rows.next().map_err(failed)?.map(session).transpose()
}

fn session(row: &Row<'_>) -> Stored<ConsoleSession> {
    Ok(ConsoleSession {
        token_hash: SecretHash(row.get(0).map_err(failed)?),
        key_id: parsed(row, 1, ApiKeyId::parse)?,
        created_at: timestamp(row, 2)?,
        seen_at: timestamp(row, 3)?,
    })
}
