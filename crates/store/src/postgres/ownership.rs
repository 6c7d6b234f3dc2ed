//! Whether a session is ours alone, so that it may keep statements that were prepared in it.
//!
//! Planning a page costs the database more than reading it. A prepared statement is planned once, but it
//! lives in a session under a name, and behind a pooler in transaction mode the next use meets another
//! session: one that lacks the name or, worse, has another client's statement under it. So each
//! connection starts its session with a mark, as a setting in the startup message, and then asks for it. A
//! session with our mark was started for this connection; a pooler starts its sessions itself, and either
//! refuses the setting or loses it. One connection without its mark is enough: from then on everything is
//! sent whole, in one round trip and without a name, as it is anyway where no plan is worth keeping.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use deadpool_postgres::{ClientWrapper, ConfigConnectImpl, Connect};
use tokio::task::JoinHandle;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Config, Error, Statement};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::target::by_host;
use super::value::Value;

/// The setting that a session is marked with; the database lets anyone make up names with a dot.
const MARK: &str = "rollcall.session";

type Connecting<'a> =
    Pin<Box<dyn Future<Output = Result<(Client, JoinHandle<()>), Error>> + Send + 'a>>;

/// Whether all sessions that were looked at were ours.
#[derive(Clone)]
pub(super) struct Ownership(Arc<AtomicBool>);

impl Ownership {
    /// Not even looked for unless statements may be prepared at all.
    pub(super) fn new(wanted: bool) -> Self {
        Self(Arc::new(AtomicBool::new(wanted)))
    }

    pub(super) fn holds(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    fn lost(&self, why: &str) {
        if self.0.swap(false, Ordering::Relaxed) {
            tracing::info!(
                why,
                "database sessions are shared with others, as behind a pooler; \
                 statements are not prepared in them"
            );
        }
    }
}

/// Connects with a mark, to the first host that answers as it should.
pub(super) struct Connector {
    inner: ConfigConnectImpl<MakeRustlsConnect>,
    /// The host that did the last time, which is asked first.
    last: AtomicUsize,
    mark: String,
    ownership: Ownership,
}

impl Connector {
    pub(super) fn new(tls: MakeRustlsConnect, ownership: Ownership) -> Self {
        Self {
            inner: ConfigConnectImpl { tls },
            last: AtomicUsize::default(),
            // The same for all connections of this process, whose statements have different names.
            mark: format!("{:016x}", rand::random::<u64>()),
            ownership,
        }
    }

    fn marked(&self, config: &Config) -> Config {
        let mark = format!("-c {MARK}={}", self.mark);
        let options = match config.get_options() {
            Some(given) => format!("{given} {mark}"),
            None => mark,
        };
        let mut marked = config.clone();
        marked.options(options);
        marked
    }

    async fn has_mark(&self, client: &Client) -> Result<bool, Error> {
        let question = "SELECT current_setting($1, true)";
        match client.query_typed(question, &[(&MARK, Type::TEXT)]).await {
            Ok(rows) => {
                let mark = rows.first().and_then(|row| row.try_get(0).ok());
                Ok(mark == Some(self.mark.as_str()))
            }
            Err(error) if error.as_db_error().is_some() => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Asks one host after the other. The client library would do that too, but it limits the time for a
    /// connection alone: a host that is frozen accepts one and never says a word, and those behind it would
    /// not be asked. The last one may take what is left of the pool's own limit.
    async fn connect_to_any(&self, config: Config) -> Result<(Client, JoinHandle<()>), Error> {
        let hosts = by_host(&config);
        let limit = config.get_connect_timeout().copied();
        let first = self.last.load(Ordering::Relaxed);
        for asked in 0..hosts.len().saturating_sub(1) {
            let number = (first + asked) % hosts.len();
            let connecting = self.connect_marked(&hosts[number]);
            let connected = tokio::time::timeout(limit.unwrap_or(Duration::MAX), connecting).await;
            if let Ok(Ok(connected)) = connected {
                self.last.store(number, Ordering::Relaxed);
                return Ok(connected);
            }
        }
        let number = (first + hosts.len() - 1) % hosts.len();
        let connected = self.connect_marked(&hosts[number]).await?;
        self.last.store(number, Ordering::Relaxed);
        Ok(connected)
    }

    async fn connect_marked(&self, plain: &Config) -> Result<(Client, JoinHandle<()>), Error> {
        if !self.ownership.holds() {
            return self.inner.connect(plain).await;
        }
        let connected = match self.inner.connect(&self.marked(plain)).await {
            Err(error) if refuses_settings(&error) => {
                self.ownership.lost("the setting of a mark is refused");
                return self.inner.connect(plain).await;
            }
            connected => connected?,
        };
        if !self.has_mark(&connected.0).await? {
            self.ownership.lost("a session has lost its mark");
        }
        Ok(connected)
    }
}

impl Connect for Connector {
    fn connect(&self, config: &Config) -> Connecting<'_> {
        Box::pin(self.connect_to_any(config.clone()))
    }
}

/// Poolers call a setting in the startup message a violation of the protocol, and some servers a
/// setting that they do not know.
fn refuses_settings(error: &Error) -> bool {
    [
        SqlState::PROTOCOL_VIOLATION,
        SqlState::UNDEFINED_OBJECT,
        SqlState::FEATURE_NOT_SUPPORTED,
    ]
    .iter()
    .any(|state| error.code() == Some(state))
}

/// The statement as the session keeps it, prepared the first time.
pub(super) async fn prepared(
    client: &ClientWrapper,
    sql: &str,
    parameters: &[Value],
) -> Result<Statement, Error> {
    let types: Vec<Type> = parameters.iter().map(|value| value.typed().1).collect();
    client.prepare_typed_cached(sql, &types).await
}
