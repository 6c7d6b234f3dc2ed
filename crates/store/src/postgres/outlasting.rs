//! Commits that go on without anybody who waits for them, and the question to the server whether they still do.
//! [`super::abandoned`] says why.

use std::time::{Duration, Instant};

use super::abandoned::{ANSWER_WITHIN, close};
use super::pool::{Connection, Connections};
use super::trouble::Trouble;

/// How often the server is asked about commits that are not answered.
const ASK_EVERY: Duration = Duration::from_secs(1);

/// The commits of this user that the server has had under way for a while. What a server is asked that
/// does not keep such a list, it answers with an error, which counts as none.
const HANGING: &str = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() \
    AND usename = current_user AND state = 'active' AND query = 'COMMIT' \
    AND query_start < clock_timestamp() - interval '1 second'";

impl Connection {
    /// Leaves the connection to the commit that it has under way: it keeps its place until that ends.
    pub(super) fn outlast(&mut self) {
        let Some((object, place)) = self.take() else {
            return;
        };
        if object.is_closed() {
            return close(object);
        }
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return close(object);
        };
        let connections = self.connections().clone();
        let (kept, unwatched) = connections.abandoned().add();
        runtime.spawn(async move {
            let answered = tokio::select! {
                // Answers come in order, so this one comes after the commit's.
                answered = object.batch_execute("") => answered.is_ok(),
                _ = kept => false,
            };
            if !answered {
                close(object);
            }
            drop(place);
        });
        if unwatched {
            runtime.spawn(watch(connections));
        }
    }
}

/// Asks the server about commits that are not answered, for as long as there are any.
async fn watch(connections: Connections) {
    loop {
        tokio::time::sleep(ASK_EVERY).await;
        if !connections.abandoned().is_any_left() {
            return;
        }
        let asked = Instant::now();
        match hanging(&connections).await {
            Some(hanging) => connections.abandoned().give_up_all_but(hanging, asked),
            // Connections that wait to be used lead to where no answer comes from.
            None => connections.drop_idle(),
        }
        if connections.is_closed() {
            connections.abandoned().give_up_all();
        }
    }
}

/// How many commits hang on the server; none when it does not answer.
async fn hanging(connections: &Connections) -> Option<usize> {
    let mut connection = connections.connection().await.ok()?;
    connection.limit_to(ANSWER_WITHIN);
    match connection.query(HANGING, &[]).await {
        Ok(rows) => Some(rows.len()),
        Err(Trouble::Stored(_)) => Some(0),
        Err(_) => None,
    }
}
