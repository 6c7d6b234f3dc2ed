//! How the server starts, runs and ends.

use std::sync::Arc;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::background;
use crate::http::listener::{Drained, Listener};
use crate::http::router::Surface;
use crate::http::service::{edge_errors, service};
use crate::open_files::ADMIN_CONNECTIONS;

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Connections of the main listener that were still open at the drain's deadline and were cut.
    pub cut: usize,
}

/// Serves until `shutdown` is cancelled, drains, and closes the storage.
///
/// With an admin listener the health paths are on it alone. It answers until the main listener has
/// drained, so that whoever balances the load sees `/readyz` fail and not a refused connection.
pub async fn run(
    app: Arc<App>,
    listener: TcpListener,
    admin_listener: Option<TcpListener>,
    shutdown: CancellationToken,
) -> Ended {
    let background = background::start(&app, &shutdown);
    let surface = if admin_listener.is_some() {
        Surface::WithoutHealth
    } else {
        Surface::Everything
    };
    let admin_shutdown = CancellationToken::new();
    let admin = admin_listener.map(|listener| {
        let app = Arc::clone(&app);
        let shutdown = admin_shutdown.clone();
        tokio::spawn(async move { serve(&app, listener, Surface::Health, shutdown).await })
    });
    let draining = {
        let (app, shutdown) = (Arc::clone(&app), shutdown.clone());
        tokio::spawn(async move {
            shutdown.cancelled().await;
            app.begin_to_drain();
        })
    };
    let Drained { cut } = serve(&app, listener, surface, shutdown).await;
    draining.abort();
    admin_shutdown.cancel();
    if let Some(admin) = admin
        && admin.await.is_err()
    {
        tracing::error!("the admin listener ended with a panic");
    }
    background.finish(&app).await;
    app.store.close().await;
    Ended { cut }
}

async fn serve(
    app: &Arc<App>,
    socket: TcpListener,
    surface: Surface,
    shutdown: CancellationToken,
) -> Drained {
    let mut limits = app.settings.listener.clone();
    if surface == Surface::Health {
        limits.max_connections = limits.max_connections.min(ADMIN_CONNECTIONS);
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
