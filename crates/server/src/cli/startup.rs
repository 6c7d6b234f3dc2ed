//! What `dev` and `serve` have in common: from settings to a running server, and to its end.

use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd as _;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use rollcall_domain::clock::{Clock, SystemClock};
use rollcall_domain::delivery::{RetrySchedule, WaitRange};
use rollcall_wire::cursor::Cursors;
use rollcall_wire::headers::KnownBetas;
use rollcall_wire::webhooks::{EndpointRules, UrlPolicy};
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::failure::{Failure, Outcome};
use super::secret_key::ServerKeys;
use super::storage::{self, Storage};
use crate::app::{App, AppParts, Settings};
use crate::config::{Config, DurationRange, unknown_variables};
use crate::development::DevelopmentParts;
use crate::email_hash::EmailHashing;
use crate::http::body::BodyLimits;
use crate::http::listener::{Figures, Listener, ListenerLimits};
use crate::http::service::edge_errors;
use crate::http::starting::{self, Starting};
use crate::log_lines::Flush;
use crate::metrics::Metrics;
use crate::open_files;
use crate::outbound;
use crate::serving::{self, Ports};
use crate::telemetry;
use crate::webhooks::WebhookSettings;
use crate::webhooks::fence::Fence;
use crate::webhooks::vault::Vault;

/// The ports of a server, bound before anything else is done: a taken one must change nothing.
pub(crate) async fn bind_ports(config: &Config) -> Outcome<Bound> {
    let main = bind(config.listen, "--listen").await?;
    let operator = bind_if_any(config.operator_listen, "--operator-listen").await?;
    let admin = bind_if_any(config.admin_listen, "--admin-listen").await?;
    let address = main.local_addr().map_err(Failure::setup)?;
    let operators = operator
        .as_ref()
        .map_or(Ok(address), TcpListener::local_addr);
    Ok(Bound {
        operators: operators.map_err(Failure::setup)?,
        address,
        ports: Ports {
            main,
            operator,
            admin,
        },
    })
}

/// The ports, and where they are: with those the system chose where it was to choose.
#[derive(Debug)]
pub(crate) struct Bound {
    pub(crate) ports: Ports,
    /// Of the main listener.
    pub(crate) address: SocketAddr,
    /// Of the one that has the operator's side.
    pub(crate) operators: SocketAddr,
}

async fn bind_if_any(address: Option<SocketAddr>, flag: &str) -> Outcome<Option<TcpListener>> {
    match address {
        Some(address) => Ok(Some(bind(address, flag).await?)),
        None => Ok(None),
    }
}

async fn bind(address: SocketAddr, flag: &str) -> Outcome<TcpListener> {
    TcpListener::bind(address).await.map_err(|error| {
        let reason = match error.kind() {
            io::ErrorKind::AddrInUse => "the port is taken; stop what uses it".to_owned(),
            io::ErrorKind::AddrNotAvailable => "this machine does not have that address".to_owned(),
            io::ErrorKind::PermissionDenied => "ports below 1024 need a privilege".to_owned(),
            _ => error.to_string(),
        };
        Failure::setup(format!(
            "cannot listen on {address}: {reason}, or choose another address with {flag}"
        ))
    })
}

/// Starts logging as the settings say. What is logged is written at the latest when the answer is dropped.
pub(crate) fn log(config: &Config) -> Outcome<Flush> {
    let log = telemetry::start(&config.log, config.log_format).map_err(Failure::setup)?;
    for unknown in unknown_variables(std::env::vars_os()) {
        tracing::warn!("{unknown}");
    }
    Ok(log)
}

/// Tells that the URLs given to end users will not open for them, where that is so.
pub(crate) fn warn_of_unreachable_urls(config: &Config, address: SocketAddr) {
    let why = match address.ip() {
        _ if config.public_base_url.is_some() => return,
        ip if ip.is_unspecified() => "is no address that anybody can open",
        ip if ip.is_loopback() => "is an address of this machine alone",
        _ => return,
    };
    let base = config.base_url(address);
    tracing::warn!(
        "enrollment URLs begin with {base}, which {why}; set public_base_url to where end users reach this server"
    );
}

/// Opens the storage. Meanwhile the ports tell what that is doing, which may take minutes. `None` when the
/// server was told to end before.
pub(crate) async fn open(
    config: &Config,
    ports: &Ports,
    shutdown: &CancellationToken,
) -> Outcome<Option<Storage>> {
    let starting = Starting {
        opening: Arc::default(),
        ids: Arc::default(),
        clock: Arc::new(SystemClock),
    };
    let open = CancellationToken::new();
    let mut telling = JoinSet::new();
    for (socket, surface) in ports.surfaces() {
        let listener = Listener {
            socket: same_port(socket).map_err(Failure::setup)?,
            limits: ListenerLimits {
                drain_timeout: LAST_WORDS,
                ..config.listener_limits()
            },
            errors: edge_errors(&starting.ids, &starting.clock),
            figures: Figures::default(),
        };
        let service = starting::service(starting.clone(), surface);
        telling.spawn(listener.serve(service, open.clone()));
    }
    let storage = tokio::select! {
        storage = storage::open_to_serve(config, &starting.opening) => storage.map(Some),
        () = shutdown.cancelled() => Ok(None),
    };
    open.cancel();
    while telling.join_next().await.is_some() {}
    storage
}

/// How long an answer may take to leave that was being made when the storage was open.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Another handle of a port, which stays open when this one goes.
fn same_port(socket: &TcpListener) -> io::Result<TcpListener> {
    let handle = socket.as_fd().try_clone_to_owned()?;
    TcpListener::from_std(handle.into())
}

/// Puts the server together.
pub(crate) fn app(
    config: &Config,
    storage: &Storage,
    clock: Arc<dyn Clock>,
    address: SocketAddr,
    keys: ServerKeys,
    log: &Flush,
    development: Option<DevelopmentParts>,
) -> Outcome<Arc<App>> {
    let origins = config.cors_origins.iter().map(|origin| {
        HeaderValue::from_str(origin)
            .map_err(|_| Failure::setup("cors_origins: holds characters that no origin has"))
    });
    let shares = open_files::share(config, WebhookSettings::MOST_IN_FLIGHT);
    let settings = Settings {
        public_base_url: config.base_url(address),
        request_timeout: config.request_timeout,
        body: BodyLimits::CONTRACT,
        listener: ListenerLimits {
            max_connections: shares.connections,
            ..config.listener_limits()
        },
        failed_authentications_per_minute: config.failed_authentications_per_minute,
        cors_origins: origins.collect::<Outcome<_>>()?,
        webhooks: WebhookSettings {
            most_in_flight: shares.deliveries,
            ..webhooks(config, keys.vault, development.is_some())?
        },
        programs: config.programs.clone(),
        email_hashing: EmailHashing::of(config),
        enrollment_url_lifetime: config.enrollment_url_lifetime,
        data_controls: config.dev.data_controls,
    };
    Ok(App::new(AppParts {
        store: Arc::clone(&storage.store),
        clock,
        ids: Arc::clone(&storage.ids),
        cursors: Cursors::new(keys.cursors),
        betas: KnownBetas::new(config.extra_betas.iter().map(String::as_str))
            .strictly(config.strict_betas),
        settings,
        metrics: Metrics::with_dropped_log_lines(env!("CARGO_PKG_VERSION"), log.dropped()),
        development,
    }))
}

/// How webhooks are delivered. A development server reaches everything, as its receivers do not live
/// on the internet; and whoever opens networks of their own has receivers there without public names.
fn webhooks(config: &Config, vault: Vault, development: bool) -> Outcome<WebhookSettings> {
    let settings = &config.webhooks;
    let range = |range: &DurationRange| WaitRange {
        least: range.least,
        most: range.most,
    };
    let own_networks = !settings.allow_networks.is_empty();
    Ok(WebhookSettings {
        roots: outbound::trusted(config.ca_file.as_deref()).map_err(Failure::setup)?,
        schedule: RetrySchedule {
            attempts: settings.attempts,
            first_wait: range(&settings.first_wait),
            later_wait: range(&settings.second_wait),
        },
        disable_after: settings.disable_after,
        retention: settings.retention,
        endpoints: EndpointRules {
            urls: if development {
                UrlPolicy::DEVELOPMENT
            } else {
                UrlPolicy {
                    allow_http: false,
                    allow_any_port: own_networks,
                    allow_ip_literals: own_networks,
                }
            },
            only_known_events: config.strict_betas,
        },
        fence: if development {
            Fence::Open
        } else {
            Fence::PublicAnd(settings.allow_networks.clone())
        },
        ..WebhookSettings::new(vault)
    })
}

/// Asks for the signals that end a server. From here on they drain instead of killing.
pub(crate) fn shutdown_on_signals() -> Outcome<CancellationToken> {
    let cannot = |error: io::Error| Failure::setup(format!("cannot catch signals: {error}"));
    let mut terminate = signal(SignalKind::terminate()).map_err(cannot)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(cannot)?;
    // Under nohup the end of the terminal is not to end what runs there.
    let mut hangup = if ignores_hangup() {
        None
    } else {
        Some(signal(SignalKind::hangup()).map_err(cannot)?)
    };
    let shutdown = CancellationToken::new();
    let asked = shutdown.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => tracing::info!(signal = "SIGTERM", "draining"),
            _ = interrupt.recv() => tracing::info!(signal = "SIGINT", "draining"),
            Some(()) = hung_up(hangup.as_mut()) => tracing::info!(signal = "SIGHUP", "draining"),
        }
        asked.cancel();
    });
    Ok(shutdown)
}

async fn hung_up(hangup: Option<&mut Signal>) -> Option<()> {
    hangup?.recv().await
}

/// Whether this process was started with SIGHUP ignored, as far as the system tells.
fn ignores_hangup() -> bool {
    const HANGUP: u64 = 1;
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    ignored.is_some_and(|mask| mask & HANGUP != 0)
}

/// Serves until it is asked to end, and has drained.
pub(crate) async fn serve(app: Arc<App>, ports: Ports, shutdown: CancellationToken) -> Outcome {
    let ended = serving::run(app, ports, shutdown).await;
    if ended.cut > 0 {
        tracing::warn!(
            connections = ended.cut,
            "requests were still running at the end of the drain and were cut"
        );
    }
    tracing::info!("ended");
    Ok(())
}
