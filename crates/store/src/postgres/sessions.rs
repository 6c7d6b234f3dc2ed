//! Console sessions.

use async_trait::async_trait;
use rollcall_domain::audit::Act;
use rollcall_domain::clock::Timestamp;
use rollcall_domain::id::ApiKeyId;
use rollcall_domain::session::{ConsoleSession, IDLE_LIFETIME, LIFETIME};
use rollcall_domain::tenant::{OperatorProof, SecretHash};
use tokio_postgres::Row;

use super::PostgresStore;
use super::commit::{INSTALLATION, Keep};
use super::keys::lock_key;
use super::rows::{column, damaged, parsed, timestamp};
use super::transaction::{Tx, removed};
use super::trouble::Trouble;
use super::value::values;
use crate::Stored;
use crate::sessions::ConsoleSessions;

#[async_trait]
impl ConsoleSessions for PostgresStore {
    async fn insert_session(
        &self,
        _proof: OperatorProof,
        act: &Act,
        session: &ConsoleSession,
    ) -> Stored<bool> {
        let insertion = (Keep::new(&self.ids, act), session);
        self.run("insert_session", &insertion, |tx, (keep, session)| {
            Box::pin(insert(tx, keep, session))
        })
        .await
    }

    async fn find_session(&self, token: &SecretHash) -> Stored<Option<ConsoleSession>> {
        let rows = self.read(FIND, &values![&token.0[..]]).await?;
        rows.first().map(session).transpose()
    }

    async fn list_sessions(&self, _proof: OperatorProof) -> Stored<Vec<ConsoleSession>> {
        let rows = self
            .read(
                "SELECT token_hash, key_id, created_at, seen_at FROM console_sessions \
                 ORDER BY created_at DESC, token_hash LIMIT 100",
                &[],
            )
            .await?;
        rows.iter().map(session).collect()
    }

    async fn touch_session(&self, token: &SecretHash, seen_at: Timestamp) -> Stored<()> {
        let parameters = values![&token.0[..], seen_at];
        self.run("touch_session", &parameters, |tx, parameters| {
            Box::pin(async move {
                tx.write(
                    "UPDATE console_sessions SET seen_at = $2 \
                     WHERE token_hash = $1 AND seen_at < $2",
                    parameters.to_vec(),
                );
                Ok(())
            })
        })
        .await
    }

    async fn remove_session(
        &self,
        _proof: OperatorProof,
        act: &Act,
        token: &SecretHash,
    ) -> Stored<bool> {
        let removal = (Keep::new(&self.ids, act), *token);
        self.run("remove_session", &removal, |tx, (keep, token)| {
            Box::pin(remove(tx, keep, token))
        })
        .await
    }

    async fn prune_sessions(&self, now: Timestamp) -> Stored<u64> {
        let ends = values![
            now.saturating_sub(IDLE_LIFETIME),
            now.saturating_sub(LIFETIME)
        ];
        self.run("prune_sessions", &ends, |tx, ends| {
            Box::pin(removed(
                tx,
                "WITH gone AS (DELETE FROM console_sessions \
                 WHERE seen_at <= $1 OR created_at <= $2 RETURNING 1) SELECT count(*) FROM gone",
                ends,
            ))
        })
        .await
    }
}

const FIND: &str =
    "SELECT token_hash, key_id, created_at, seen_at FROM console_sessions WHERE token_hash = $1";

async fn insert(tx: &mut Tx, keep: &Keep<'_>, session: &ConsoleSession) -> Result<bool, Trouble> {
    let key = lock_key(tx, &session.key_id).await?;
    keep.unless_applied(tx).await?;
    let decided = session.clone().begin(key.as_ref().map(|(_, key)| key));
    if !decided.changed {
        return Ok(false);
    }
    tx.write(
        "INSERT INTO console_sessions (token_hash, key_id, created_at, seen_at) \
         VALUES ($1, $2, $3, $4)",
        values![
            &session.token_hash.0[..],
            session.key_id.as_str(),
            session.created_at,
            session.seen_at,
        ],
    );
    keep.audit(tx, INSTALLATION, &decided.audit);
    Ok(true)
}

async fn remove(tx: &mut Tx, keep: &Keep<'_>, token: &SecretHash) -> Result<bool, Trouble> {
    let sql = format!("{FIND} FOR UPDATE");
    let rows = tx.query(&sql, &values![&token.0[..]]).await?;
    keep.unless_applied(tx).await?;
    let Some(row) = rows.first() else {
        return Ok(false);
    };
    let session = session(row)?;
    tx.write(
        "DELETE FROM console_sessions WHERE token_hash = $1",
        values![&token.0[..]],
    );
    keep.audit(tx, INSTALLATION, &[session.removal()]);
    Ok(true)
}

fn session(row: &Row) -> Stored<ConsoleSession> {
    let hash: &[u8] = column(row, 0)?;
    Ok(ConsoleSession {
        token_hash: SecretHash(hash.try_into().map_err(|_| damaged("a hash"))?),
        key_id: parsed(row, 1, ApiKeyId::parse)?,
        created_at: timestamp(row, 2)?,
        seen_at: timestamp(row, 3)?,
    })
}
