//! The server put together: what every request and every task in the background may need.

use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use bytes::Bytes;
use http::HeaderValue;
use rollcall_domain::clock::Clock;
use rollcall_domain::data_controls::Validator;
use rollcall_domain::enrollment::URL_LIFETIME;
use rollcall_domain::id::{Ids, OrganizationId, ProfileId};
use rollcall_domain::tenant::{ApiKey, OperatorProof, SecretHash};
use rollcall_store::{Store, StoreError, Stored};
use rollcall_wire::cursor::Cursors;
use rollcall_wire::headers::KnownBetas;
use tokio::sync::{Mutex, Notify};
use tokio::time::Instant;

use crate::config::ProgramConfig;
use crate::credentials::{Credentials, Identity};
use crate::development::{Development, DevelopmentParts, tenants};
use crate::duty::Duty;
use crate::email_hash::EmailHashing;
use crate::http::body::BodyLimits;
use crate::http::fences::{AuthenticationFailures, OrganizationRates};
use crate::http::listener::ListenerLimits;
use crate::metrics::{Exposition, Metrics, StorageMetrics};
use crate::traffic::Traffic;
use crate::unknown_betas::UnknownBetas;
use crate::webhooks::WebhookSettings;

/// How long storage may take to answer before the server calls itself not ready.
const STORAGE_PATIENCE: Duration = Duration::from_secs(2);

/// What the parts of the server are allowed, as the configuration says.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Base of the URLs given to end users, without a trailing slash.
    pub public_base_url: String,
    /// Longest time for a request to be answered, its body's arrival aside, before it fails with 504.
    pub request_timeout: Duration,
    /// What a request body is allowed.
    pub body: BodyLimits,
    /// What a connection is allowed.
    pub listener: ListenerLimits,
    /// Failed authentications a minute that one source address may cause.
    pub failed_authentications_per_minute: NonZeroU32,
    /// Origins whose pages may call the server from a browser.
    pub cors_origins: Vec<HeaderValue>,
    /// How webhooks are delivered.
    pub webhooks: WebhookSettings,
    /// Programs that end users can apply for.
    pub programs: Vec<ProgramConfig>,
    /// How platforms hash e-mail addresses, if that is known.
    pub email_hashing: Option<EmailHashing>,
    /// How long an enrollment or action URL works.
    pub enrollment_url_lifetime: Duration,
    /// Who says what became of the keys and buckets of data controls.
    pub data_controls: Validator,
}

impl Settings {
    /// The defaults of the contract, with this base of the URLs given to end users.
    pub fn new(public_base_url: impl Into<String>) -> Self {
        const FAILURES: NonZeroU32 = NonZeroU32::new(60).unwrap();
        Self {
            public_base_url: public_base_url.into(),
            request_timeout: Duration::from_secs(30),
            body: BodyLimits::CONTRACT,
            listener: ListenerLimits::default(),
            failed_authentications_per_minute: FAILURES,
            cors_origins: Vec::new(),
            webhooks: WebhookSettings::default(),
            programs: vec![ProgramConfig::cyber()],
            email_hashing: None,
            enrollment_url_lifetime: URL_LIFETIME,
            data_controls: Validator::Operator,
        }
    }
}

/// What an [`App`] is made of.
#[derive(Debug)]
pub struct AppParts {
    /// Where everything is kept.
    pub store: Arc<dyn Store>,
    /// Where the time comes from.
    pub clock: Arc<dyn Clock>,
    /// Where ids and secrets come from.
    pub ids: Arc<Ids>,
    /// Makes and opens page cursors.
    pub cursors: Cursors,
    /// The betas that are accepted.
    pub betas: KnownBetas,
    /// What is allowed.
    pub settings: Settings,
    /// What is counted.
    pub metrics: Metrics,
    /// The development controls; none under `rollcall serve`.
    pub development: Option<DevelopmentParts>,
}

rollcall_domain::text_enum! {
    /// An operation of storage, as `/metrics` names it.
    Operation {
        /// Finding whose key it is; reading it only every few seconds.
        FindCredential = "find_credential",
        /// Finding a workspace.
        FindWorkspace = "find_workspace",
        /// Reading a page of profiles.
        ListProfiles = "list_profiles",
        /// Reading a profile.
        FindProfile = "find_profile",
        /// Reading a profile by the platform's own reference.
        FindByReference = "find_by_reference",
        /// Creating the profile of a reference that is used for the first time.
        FindOrInsertByReference = "find_or_insert_by_reference",
        /// Creating a profile.
        InsertProfile = "insert_profile",
        /// Changing a profile.
        ChangeProfile = "change_profile",
        /// Deleting a profile.
        RemoveProfile = "remove_profile",
        /// Erasing a profile.
        EraseProfile = "erase_profile",
        /// Removing an organization with everything it has.
        RemoveOrganization = "remove_organization",
        /// Creating an enrollment or action URL.
        InsertEnrollmentUrl = "insert_enrollment_url",
        /// Finding an enrollment or action URL.
        FindEnrollmentUrl = "find_enrollment_url",
        /// Reading what end users submitted.
        ReadEnrollments = "read_enrollments",
        /// Storing what end users submit, and the operator's decisions.
        WriteEnrollments = "write_enrollments",
        /// Finding a console session.
        FindSession = "find_session",
        /// Signing in to and out of the console.
        WriteSessions = "write_sessions",
        /// Reading the figures of the overview.
        ReadFigures = "read_figures",
        /// The operator's search.
        SearchProfiles = "search_profiles",
        /// Writing whole records.
        PutProfiles = "put_profiles",
        /// Reading a page of an export.
        ExportProfiles = "export_profiles",
        /// Reading tenants and keys.
        ReadTenants = "read_tenants",
        /// Changing tenants and keys.
        WriteTenants = "write_tenants",
        /// Reading webhook endpoints.
        ReadWebhookEndpoints = "read_webhook_endpoints",
        /// Changing webhook endpoints.
        WriteWebhookEndpoints = "write_webhook_endpoints",
        /// Reading webhook deliveries.
        ReadDeliveries = "read_deliveries",
        /// Starting webhook deliveries by hand.
        WriteDeliveries = "write_deliveries",
        /// Reading the audit trail.
        ListAuditEvents = "list_audit_events",
        /// Emptying the storage of a development server.
        Reset = "reset",
    }
}

/// How old a text of the metrics may be that is given to another scrape.
const SCRAPE_SHARED_FOR: Duration = Duration::from_secs(5);

/// How long a scrape waits for storage to count.
const COUNTING_PATIENCE: Duration = Duration::from_secs(2);

/// The parts that every request may need.
pub struct App {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ids: Arc<Ids>,
    pub(crate) cursors: Cursors,
    pub(crate) betas: KnownBetas,
    pub(crate) unknown_betas: UnknownBetas,
    pub(crate) settings: Settings,
    pub(crate) metrics: Metrics,
    pub(crate) traffic: Traffic,
    pub(crate) credentials: Credentials,
    pub(crate) rates: ArcSwap<OrganizationRates>,
    pub(crate) authentication_failures: ArcSwap<AuthenticationFailures>,
    pub(crate) development: Option<Development>,
    /// Wakes the sweeper: an action was opened, or the clock was moved.
    pub(crate) sweep_due: Notify,
    /// Wakes the delivery worker for what no commit announces: the clock was moved.
    pub(crate) deliveries_due: Notify,
    /// Whether this node does what one of several is enough for.
    pub(crate) duty: Duty,
    operations: Vec<StorageMetrics>,
    /// The last text of the metrics in each form, and when it was made.
    scrapes: [Mutex<Option<(Instant, Bytes)>>; 2],
    draining: AtomicBool,
}

impl fmt::Debug for App {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("App")
            .field("store", &self.store)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

impl App {
    /// Puts the parts together. Nothing runs yet.
    pub fn new(parts: AppParts) -> Arc<Self> {
        let AppParts {
            store,
            clock,
            ids,
            cursors,
            betas,
            settings,
            metrics,
            development,
        } = parts;
        let operations = Operation::ALL
            .iter()
            .map(|operation| metrics.storage(operation.as_str()));
        Arc::new(Self {
            operations: operations.collect(),
            traffic: Traffic::default(),
            unknown_betas: UnknownBetas::default(),
            credentials: Credentials::default(),
            rates: ArcSwap::default(),
            authentication_failures: ArcSwap::from_pointee(AuthenticationFailures::new(
                settings.failed_authentications_per_minute,
            )),
            development: development
                .map(|parts| Development::new(parts, &settings.public_base_url)),
            sweep_due: Notify::new(),
            deliveries_due: Notify::new(),
            duty: Duty::new(&*store),
            scrapes: Default::default(),
            draining: AtomicBool::new(false),
            store,
            clock,
            ids,
            cursors,
            betas,
            settings,
            metrics,
        })
    }

    /// Stores what a development server starts with. Nothing to do for any other.
    pub async fn prepare(&self) -> Stored<()> {
        match &self.development {
            None => Ok(()),
            Some(development) => development.prepare(&*self.store).await,
        }
    }

    /// Forgets everything that follows from what was in storage.
    pub(crate) fn forget(&self) {
        self.credentials.forget();
        let per_minute = self.settings.failed_authentications_per_minute;
        self.rates.store(Arc::default());
        self.authentication_failures
            .store(Arc::new(AuthenticationFailures::new(per_minute)));
    }

    /// Records how long storage took.
    pub(crate) fn record(&self, operation: Operation, took: Duration) {
        if let Some(metrics) = self.operations.get(operation as usize) {
            metrics.record(took);
        }
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    /// From now on the server calls itself not ready.
    pub(crate) fn begin_to_drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// Wakes what sleeps until a time, because time is not what it was.
    pub(crate) fn announce_clock(&self) {
        self.sweep_due.notify_one();
        self.deliveries_due.notify_one();
    }

    pub(crate) async fn storage_answers(&self) -> bool {
        let answer = tokio::time::timeout(STORAGE_PATIENCE, self.store.ping());
        matches!(answer.await, Ok(Ok(())))
    }

    pub(crate) async fn storage_takes_writes(&self) -> bool {
        let answer = tokio::time::timeout(STORAGE_PATIENCE, self.store.writable());
        matches!(answer.await, Ok(Ok(())))
    }

    /// Logs and counts a stored profile that is damaged.
    pub(crate) fn tell_of_damage(
        &self,
        organization: &OrganizationId,
        profile: &ProfileId,
        damage: &dyn fmt::Display,
    ) {
        self.metrics.record_damaged_profile();
        tracing::error!(%organization, %profile, %damage, "a stored profile is damaged; restore it from a backup");
    }

    /// Logs and counts a storage error of a background task; there is nobody to answer.
    pub(crate) fn tell_of_failure(&self, task: &str, error: &StoreError) {
        self.metrics.record_failed_task();
        tracing::error!(task, %error, "a background task failed and will be tried again");
    }

    /// All metrics as text. Whoever asks while another has not yet taken the text made for it gets the same one:
    /// anybody may ask, and a text for each would be memory for each.
    pub(crate) async fn render_metrics(&self, exposition: Exposition) -> Bytes {
        let mut scrape = self.scrapes[exposition as usize].lock().await;
        if let Some((at, text)) = &*scrape
            && !text.is_unique()
            && at.elapsed() < SCRAPE_SHARED_FOR
        {
            return text.clone();
        }
        let proof = OperatorProof::of_storage_access();
        let figures = async {
            // One organization of all, and no day.
            let figures = self.store.registry_figures(proof, 1, i64::MAX).await?;
            Stored::Ok((figures, self.store.size(proof).await?))
        };
        // Others wait for this text, and one without the last figures is better than none.
        if let Ok(Ok((figures, bytes))) = tokio::time::timeout(COUNTING_PATIENCE, figures).await {
            self.metrics.set_holdings(&figures, bytes);
        }
        self.metrics.set_writes(self.store.write_figures());
        let writable = self.storage_takes_writes().await;
        self.metrics.set_writable(writable);
        let text = Bytes::from(self.metrics.render(exposition));
        *scrape = Some((Instant::now(), text.clone()));
        text
    }

    /// Whether this server knows such a key at all. Literal ones are for development: they may be guessed,
    /// and whoever serves a storage that a development server filled does not know that they are there.
    pub(crate) fn knows(&self, key: &ApiKey) -> bool {
        !key.literal || self.development.is_some()
    }

    /// The identity of a key that storage does not know, where one is made on demand.
    pub(crate) async fn make_tenant_on_demand(
        &self,
        secret: &[u8],
        hash: &SecretHash,
    ) -> Stored<Option<Arc<Identity>>> {
        let Some(tenants) = self.development.as_ref().and_then(|it| it.tenants.as_ref()) else {
            return Ok(None);
        };
        if !secret.starts_with(tenants::PREFIX) {
            return Ok(None);
        }
        tenants
            .make(&*self.store, &*self.clock, &self.ids, secret)
            .await?;
        self.credentials.find(&*self.store, hash).await
    }

    /// Notes that a tenant is in use, so that it is not dropped for idling.
    pub(crate) fn see_tenant_on_demand(&self, identity: &Identity) {
        if let Some(development) = &self.development
            && let Some(tenants) = &development.tenants
            && let Some(organization) = &identity.organization
        {
            tenants.see_again(&organization.id);
        }
    }
}
