//! The service in this process, for a command on the storage itself: the same handlers answer that answer a server's
//! requests, and the audit trail says `command-line`.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::response::Parts;
use http_body_util::{BodyExt as _, Full};
use rollcall_domain::clock::SystemClock;
use rollcall_wire::cursor::Cursors;
use rollcall_wire::headers::KnownBetas;

use super::failure::{Failure, Outcome};
use super::secret_key;
use super::storage::Storage;
use crate::app::{App, AppParts, Settings};
use crate::config::Config;
use crate::http::service;
use crate::metrics::Metrics;

/// How long a call may take, as over HTTP: somebody sits before it.
const PATIENCE: Duration = Duration::from_mins(10);

/// The service, on a storage that is open.
pub(super) struct InProcess {
    service: service::InProcess,
    storage: Storage,
}

impl fmt::Debug for InProcess {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("InProcess")
            .field("storage", &self.storage)
            .finish_non_exhaustive()
    }
}

impl InProcess {
    /// Of the settings, requests of the command line know none but those that are set here; an act that comes to need
    /// another one needs it from `config`.
    ///
    /// Whatever runs on the storage, or ran on it, goes on with a list where this one ended, if it has its secret where
    /// this one finds it.
    pub(super) fn new(config: &Config, storage: Storage) -> Outcome<Self> {
        let app = App::new(AppParts {
            store: Arc::clone(&storage.store),
            clock: Arc::new(SystemClock),
            ids: Arc::clone(&storage.ids),
            cursors: Cursors::new(secret_key::cursors(config, &storage)?),
            betas: KnownBetas::default(),
            settings: Settings {
                request_timeout: PATIENCE,
                enrollment_url_lifetime: config.enrollment_url_lifetime,
                data_controls: storage.data_controls,
                ..Settings::new(config.base_url(config.listen))
            },
            metrics: Metrics::new(env!("CARGO_PKG_VERSION")),
            development: None,
        });
        let service = service::InProcess::new(app);
        Ok(Self { service, storage })
    }

    /// Head and body of the answer, and the cause of a failure.
    pub(super) async fn respond(
        &self,
        request: http::Request<Full<Bytes>>,
    ) -> Outcome<(Parts, Bytes, Option<String>)> {
        let (answer, cause) = self.service.respond(request).await;
        let (head, body) = answer.into_parts();
        let body = body.collect().await.map_err(Failure::failed)?;
        Ok((head, body.to_bytes(), cause))
    }

    /// Finishes what is queued and lets the storage go.
    pub(super) async fn close(&self) {
        self.storage.store.close().await;
    }
}
