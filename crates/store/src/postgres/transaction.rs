//! Every write: a closed, idempotent function that is run as one transaction, again if need be.
//!
//! # One or two round trips
//!
//! What a function writes is kept until the commit and sent together with it, and its first question is
//! sent together with the begin. So a create is one round trip, and a change two: lock and read, then
//! write and commit. Nothing is ever awaited between a transaction's statements but the database.
//!
//! # Conflicts
//!
//! A function locks the row that it decides about (`FOR UPDATE`) and everything it decides hangs on that
//! row, so the database's default isolation is enough, and stricter ones only make conflicts more
//! frequent. A conflict is answered by running the function again, from a fresh read.
//!
//! # Lost connections
//!
//! Before the commit is sent, a lost connection means that nothing happened. After that nobody knows,
//! so the function is run again with [`Tx::is_in_doubt`] set, and first looks whether the earlier
//! attempt was applied: every attempt of one call writes an audit entry under the same id
//! ([`super::commit::Keep`]), whose key also makes it impossible for two attempts to be applied, however
//! late one of them arrives. Only when no look can be had is the outcome reported as unknown.
//!
//! [`super::writer`] runs them, and [`super::creates`] several creates in one.

use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use tokio::time::Instant;
use tokio_postgres::{Error, Row, Statement};

use super::PostgresStore;
use super::faults::Fault;
use super::inserts::{self, Insert, Writes};
use super::pool::{Connection, query, within};
use super::rows::number;
use super::trouble::{Trouble, ends_the_session, line, text};
use super::value::Value;
use crate::Stored;

/// A statement on its way, and its answer.
type Sent<'c> = Pin<Box<dyn Future<Output = Result<(), Error>> + Send + 'c>>;

/// How often a conflicting transaction is run before the database counts as overloaded.
const CONFLICTS: u32 = 20;
/// How often a transaction is run again after its connection was lost.
const LOSSES: u32 = 4;
/// The longest pause between two attempts.
const LONGEST_PAUSE: Duration = Duration::from_millis(250);

/// How long one look at a whole table may take.
const WHOLE_TABLE: Duration = Duration::from_hours(6);

/// A transaction being made.
pub(super) struct Tx {
    connection: Connection,
    begin: String,
    stage: Stage,
    in_doubt: bool,
    /// Whether there is anything whose commit matters.
    wrote: bool,
    /// Whether there is work for whoever delivers.
    adds_deliveries: bool,
    /// Whose data is written.
    of: Vec<String>,
    writes: Writes,
    /// How many calls it answers.
    calls: usize,
}

/// What others are told of a transaction.
pub(super) struct Noted {
    /// Whether there was anything whose commit matters.
    pub(super) wrote: bool,
    pub(super) adds_deliveries: bool,
    /// Whose data was written.
    pub(super) of: Vec<String>,
    /// How many calls it answers.
    pub(super) calls: usize,
}

/// How far a transaction has got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Nothing was sent.
    Fresh,
    /// It is begun, and nothing is under way.
    Begun,
    /// A question was sent, and its answer was not heard of.
    Asking,
    /// The end was sent, and its answer was not heard of.
    Ending,
    /// It was committed or rolled back.
    Settled,
}

/// How a transaction ended.
pub(super) enum End {
    Committed,
    NothingDone(Trouble),
    Unknown(String),
}

impl Tx {
    pub(super) fn new(connection: Connection, mode: &str, in_doubt: bool) -> Self {
        let limit = connection.limit().as_millis();
        let idle = connection.usual_limit().as_millis();
        // Settings of the transaction alone: a session's would end up with a pooler's next client. They
        // free the locks of a transaction whose node has vanished without closing its connection.
        let begin = format!(
            "BEGIN{mode}; SET LOCAL statement_timeout = {limit}; \
             SET LOCAL idle_in_transaction_session_timeout = {idle}"
        );
        Self {
            connection,
            begin,
            stage: Stage::Fresh,
            in_doubt,
            wrote: false,
            adds_deliveries: false,
            of: Vec::new(),
            writes: Writes::default(),
            calls: 1,
        }
    }

    /// Whether an earlier attempt of this call may have been applied.
    pub(super) fn is_in_doubt(&self) -> bool {
        self.in_doubt
    }

    /// Asks inside the transaction.
    pub(super) async fn query(
        &mut self,
        sql: &str,
        parameters: &[Value],
    ) -> Result<Vec<Row>, Trouble> {
        let begins = std::mem::replace(&mut self.stage, Stage::Asking) == Stage::Fresh;
        let client = self.connection.client()?;
        let answer = async {
            if !begins {
                return query(client, sql, parameters).await;
            }
            let begin = client.batch_execute(&self.begin);
            let asked = query(client, sql, parameters);
            let (first, rows) = futures_util::future::join(begin, asked).await;
            first.and(rows)
        };
        let answer = within(self.connection.limit(), answer).await;
        if !matches!(answer, Err(Trouble::Silent(_))) {
            self.stage = Stage::Begun;
        }
        answer
    }

    /// Writes now, where what comes of it decides about the rest.
    pub(super) async fn write_now(
        &mut self,
        sql: &str,
        parameters: &[Value],
    ) -> Result<Vec<Row>, Trouble> {
        self.wrote = true;
        self.query(sql, parameters).await
    }

    /// Writes at the end of the transaction, together with its commit.
    pub(super) fn write(&mut self, sql: &'static str, parameters: impl Into<Vec<Value>>) {
        self.wrote = true;
        self.writes.add(sql, parameters.into());
    }

    /// Writes a row at the end of the transaction. Rows of one table that come one after the other, or with rows
    /// of other tables between them, are one statement.
    pub(super) fn insert(&mut self, insert: &'static Insert, row: impl Into<Vec<Value>>) {
        self.wrote = true;
        self.writes.insert(insert, row.into());
    }

    /// Has the lists of this organization read where this can be seen.
    pub(super) fn is_of(&mut self, organization: &str) {
        self.of.push(organization.to_owned());
    }

    /// Has it answer so many calls, and wait for what another transaction has locked only for so long. To be said
    /// before anything is asked.
    pub(super) fn is_of_calls(&mut self, calls: usize, wait: Duration) {
        self.calls = calls;
        let wait = wait.as_millis();
        self.begin += &format!("; SET LOCAL lock_timeout = {wait}");
    }

    /// What is to be told of it once it has ended.
    pub(super) fn noted(&mut self) -> Noted {
        Noted {
            wrote: self.wrote,
            adds_deliveries: self.adds_deliveries,
            of: std::mem::take(&mut self.of),
            calls: self.calls,
        }
    }

    /// Has whoever delivers woken once this is committed.
    pub(super) fn adds_deliveries(&mut self) {
        self.adds_deliveries = true;
    }

    /// Sends what is to be written, and the commit.
    pub(super) async fn commit(mut self, fault: Option<Fault>) -> End {
        let begins = self.stage == Stage::Fresh;
        if begins && self.writes.is_empty() {
            return End::Committed;
        }
        let writes = match std::mem::take(&mut self.writes).into_statements() {
            Ok(writes) => writes,
            Err(error) => return End::NothingDone(error.into()),
        };
        let statements = match self.statements(&writes).await {
            Ok(statements) => statements,
            Err(trouble) => {
                self.connection.cancel();
                return End::NothingDone(trouble);
            }
        };
        self.stage = Stage::Ending;
        let limit = self.connection.limit();
        let ending = self.send_and_end(begins, &writes, &statements, fault);
        let end = match tokio::time::timeout(limit, ending).await {
            Ok(end) => end,
            Err(_) => End::Unknown(format!("the database did not answer within {limit:?}")),
        };
        match &end {
            End::Unknown(_) | End::NothingDone(Trouble::Lost(_) | Trouble::Unreachable(_)) => {}
            End::Committed | End::NothingDone(_) => self.stage = Stage::Settled,
        }
        if fault.is_some_and(Fault::hides_the_answer) {
            self.stage = Stage::Ending;
            return End::Unknown("the answer was hidden by a test".into());
        }
        end
    }

    /// Of each write the statement that the session keeps, if it may keep any: their texts are few and
    /// have one sensible plan each.
    async fn statements(
        &self,
        writes: &[inserts::Statement],
    ) -> Result<Vec<Option<Statement>>, Trouble> {
        let mut statements = Vec::with_capacity(writes.len());
        for (sql, parameters) in writes {
            statements.push(self.connection.prepared(sql, parameters).await?);
        }
        Ok(statements)
    }

    /// Sends whatever is left to send at once, then reads the answers in order.
    async fn send_and_end(
        &self,
        begins: bool,
        writes: &[inserts::Statement],
        statements: &[Option<Statement>],
        fault: Option<Fault>,
    ) -> End {
        let client = match self.connection.client() {
            Ok(client) => client,
            Err(trouble) => return End::NothingDone(trouble),
        };
        let typed: Vec<Vec<_>> = writes
            .iter()
            .map(|(_, parameters)| parameters.iter().map(Value::typed).collect())
            .collect();
        let mut sent: Vec<Sent<'_>> = Vec::with_capacity(writes.len() + 3);
        if begins {
            sent.push(Box::pin(client.batch_execute(&self.begin)));
        }
        for (((sql, _), typed), statement) in writes.iter().zip(&typed).zip(statements) {
            sent.push(Box::pin(async move {
                let done = match statement {
                    None => client.execute_typed(sql, typed).await,
                    Some(statement) => {
                        let values: Vec<_> = typed.iter().map(|(value, _)| *value).collect();
                        client.execute(statement, &values).await
                    }
                };
                done.map(|_| ())
            }));
        }
        if let Some(statement) = fault.and_then(Fault::statement) {
            sent.push(Box::pin(client.batch_execute(statement)));
        }
        let end = fault.map_or("COMMIT", Fault::end);
        sent.push(Box::pin(client.batch_execute(end)));
        settle(sent).await
    }
}

/// Sends all statements, in order, and reads their answers. The last one is the commit: an error before
/// it means that it could only roll back.
async fn settle(mut sent: Vec<Sent<'_>>) -> End {
    // A statement is sent when it is first polled.
    let mut answers: Vec<Option<Result<(), Error>>> = Vec::with_capacity(sent.len());
    std::future::poll_fn(|context| {
        for statement in &mut sent {
            answers.push(match statement.as_mut().poll(context) {
                Poll::Ready(answer) => Some(answer),
                Poll::Pending => None,
            });
        }
        Poll::Ready(())
    })
    .await;
    let last = sent.len() - 1;
    let mut first_error = None;
    for (number, (statement, answer)) in sent.into_iter().zip(answers).enumerate() {
        let answer = match answer {
            Some(answer) => answer,
            None => statement.await,
        };
        let Err(error) = answer else { continue };
        match error.as_db_error() {
            // The server said no: nothing of this transaction can be committed any more.
            Some(answer) if number < last || !ends_the_session(answer) => {
                first_error.get_or_insert(Trouble::of(&error));
                if ends_the_session(answer) {
                    break;
                }
            }
            // A session may be ended between its commit and the answer.
            Some(answer) => {
                return first_error.map_or(End::Unknown(line(answer)), End::NothingDone);
            }
            None => return first_error.map_or(End::Unknown(text(&error)), End::NothingDone),
        }
    }
    first_error.map_or(End::Committed, End::NothingDone)
}

impl Drop for Tx {
    fn drop(&mut self) {
        // Neither committed nor rolled back: the connection must not serve anyone else.
        match self.stage {
            Stage::Fresh | Stage::Settled => {}
            Stage::Begun => self.connection.discard(),
            Stage::Asking => self.connection.cancel(),
            Stage::Ending => self.connection.outlast(),
        }
    }
}

impl PostgresStore {
    /// A transaction that sees one state of the database and writes nothing. It is for commands that look at whole tables:
    /// each of its statements may take as long as that takes.
    pub(super) async fn snapshot(&self) -> Stored<Tx> {
        let mut connection = self.primary.connection().await?;
        connection.extend_to(WHOLE_TABLE);
        Ok(Tx::new(
            connection,
            " ISOLATION LEVEL REPEATABLE READ READ ONLY",
            false,
        ))
    }

    /// Ends a transaction that wrote nothing.
    pub(super) async fn finish(tx: Tx) {
        // Whatever becomes of it, there is nothing to lose.
        let _ = tx.commit(None).await;
    }
}

/// How often, and for how long, one call has been tried.
pub(super) struct Attempts {
    name: &'static str,
    pub(super) number: u32,
    conflicts: u32,
    losses: u32,
    until: Instant,
}

impl Attempts {
    pub(super) fn new(name: &'static str, patience: Duration) -> Self {
        Self {
            name,
            number: 1,
            conflicts: 0,
            losses: 0,
            until: Instant::now() + patience,
        }
    }

    /// Waits before the next attempt, or gives the trouble back when there is to be none. In doubt,
    /// only time sets an end to looking.
    pub(super) async fn pause(&mut self, trouble: Trouble, in_doubt: bool) -> Result<(), Trouble> {
        let again = match &trouble {
            Trouble::Conflict(_) => {
                self.conflicts += 1;
                self.conflicts < CONFLICTS
            }
            Trouble::Duplicate(_) | Trouble::Lost(_) | Trouble::Silent(_) => {
                self.losses += 1;
                self.losses < LOSSES
            }
            Trouble::Unreachable(_) | Trouble::Busy(_) => false,
            Trouble::NoOrganization | Trouble::Held(_) | Trouble::Applied | Trouble::Stored(_) => {
                return Err(trouble);
            }
        };
        if !(again || in_doubt) || Instant::now() >= self.until {
            return Err(trouble);
        }
        tracing::debug!(
            name = self.name,
            attempt = self.number,
            ?trouble,
            "run again"
        );
        let longest = LONGEST_PAUSE.min(Duration::from_millis(2) * 2_u32.pow(self.number.min(10)));
        self.number += 1;
        // Evenly between nothing and the longest, so that those who collided do not meet again.
        tokio::time::sleep(longest.mul_f64(rand::random())).await;
        Ok(())
    }
}

/// Runs a statement that answers with how many rows it removed. How many an attempt removed whose answer
/// was lost is not counted; they are gone all the same.
pub(super) async fn removed(tx: &mut Tx, sql: &str, parameters: &[Value]) -> Result<u64, Trouble> {
    let rows = tx.write_now(sql, parameters).await?;
    let count = rows.first().map_or(Ok(0), |row| number(row, 0))?;
    Ok(u64::try_from(count).unwrap_or_default())
}
