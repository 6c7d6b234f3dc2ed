//! How the server starts, runs and ends.

use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::background;
use crate::http::listener::{Drained, Listener};
use crate::http::router::Surface;
use crate::http::service::{edge_errors, service};
use crate::open_files::CONNECTIONS_BESIDE;

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Connections of the main listener and the operator's that were still open at the drain's deadline and were cut.
    pub cut: usize,
}

/// The ports of a server, each with what it is for.
#[derive(Debug)]
pub struct Ports {
    /// What is on no other.
    pub main: TcpListener,
    /// The operator's side alone, if it has a door of its own.
    pub operator: Option<TcpListener>,
    /// The health paths alone, if they do.
    pub admin: Option<TcpListener>,
}

/// What the operator's own listener shows.
const OPERATORS: Surface = Surface {
    public: false,
    operator: true,
    health: false,
};

/// What the admin listener shows.
const HEALTH: Surface = Surface {
    public: false,
    operator: false,
    health: true,
};

impl Ports {
    /// Each with what it shows, the main one first.
    pub(crate) fn surfaces(&self) -> impl Iterator<Item = (&TcpListener, Surface)> {
        let operator = self.operator.iter().map(|port| (port, OPERATORS));
        let admin = self.admin.iter().map(|port| (port, HEALTH));
        std::iter::once((&self.main, self.of_main()))
            .chain(operator)
            .chain(admin)
    }

    fn of_main(&self) -> Surface {
        Surface {
            public: true,
            operator: self.operator.is_none(),
            health: self.admin.is_none(),
        }
    }
}

/// Serves until `shutdown` is cancelled, drains, and closes the storage.
///
/// The admin listener answers until the others have drained, so that whoever balances the load sees `/readyz` fail and
/// not a refused connection.
pub async fn run(app: Arc<App>, ports: Ports, shutdown: CancellationToken) -> Ended {
    let background = background::start(&app, &shutdown);
    let of_main = ports.of_main();
    let admin_shutdown = CancellationToken::new();
    let beside = |port: Option<TcpListener>, surface, shutdown: &CancellationToken| {
        port.map(|port| {
            let (app, shutdown) = (Arc::clone(&app), shutdown.clone());
            tokio::spawn(async move { serve(&app, port, surface, shutdown).await })
        })
    };
    let admin = beside(ports.admin, HEALTH, &admin_shutdown);
    let operator = beside(ports.operator, OPERATORS, &shutdown);
    let draining = {
        let (app, shutdown) = (Arc::clone(&app), shutdown.clone());
        tokio::spawn(async move {
            shutdown.cancelled().await;
            app.begin_to_drain();
        })
    };
    let mut cut = serve(&app, ports.main, of_main, shutdown).await.cut;
    cut += ended(operator, "operator").await;
    draining.abort();
    admin_shutdown.cancel();
    ended(admin, "admin").await;
    background.finish(&app).await;
    app.store.close().await;
    Ended { cut }
}

/// Waits for a listener beside the main one, and tells how many connections it cut.
async fn ended(listener: Option<JoinHandle<Drained>>, name: &str) -> usize {
    let Some(listener) = listener else { return 0 };
    listener.await.map_or_else(
        |_panic| {
            tracing::error!("the {name} listener ended with a panic");
            0
        },
        |drained| drained.cut,
    )
}

async fn serve(
    app: &Arc<App>,
    socket: TcpListener,
    surface: Surface,
    shutdown: CancellationToken,
) -> Drained {
    let mut limits = app.settings.listener.clone();
    if !surface.public {
        limits.max_connections = limits.max_connections.min(CONNECTIONS_BESIDE);
    }
    let listener = Listener {
        socket,
        limits,
        errors: edge_errors(&app.ids, &app.clock),
        figures: app.metrics.listener(),
    };
    listener
        .serve(service(Arc::clone(app), surface), shutdown)
        .await
}
