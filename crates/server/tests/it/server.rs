//! A whole server in this process: storage of its own, a clock that stands still, ids from a seed.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use rollcall::app::{App, AppParts, Settings};
use rollcall::development::DevelopmentParts;
use rollcall::initial::{InitialState, SeededEndpoint};
use rollcall::metrics::Metrics;
use rollcall::secrets;
use rollcall::serving::{Ended, Ports, run};
use rollcall::webhooks::WebhookSettings;
use rollcall_domain::clock::{AdjustableClock, Clock, Timestamp};
use rollcall_domain::event::EventType;
use rollcall_domain::gateway_policy::GatewayPolicy;
use rollcall_domain::id::{
    ApiKeyId, Ids, OrganizationId, ProfileId, SeededChance, WebhookEndpointId, WorkspaceId,
};
use rollcall_domain::profile::{Profile, ProfileDraft};
use rollcall_domain::role::Role;
use rollcall_domain::tenant::{
    ApiKey, KeyKind, KeyOwner, KeyStatus, Organization, OrganizationStatus, OrganizationSwitches,
    SecretHash, Workspace,
};
use rollcall_domain::text::Name;
use rollcall_domain::webhook::{EndpointDraft, SigningKey};
use rollcall_record::time;
use rollcall_store::Store;
use rollcall_wire::cursor::{CursorKeys, Cursors};
use rollcall_wire::headers::KnownBetas;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::client::Client;
use crate::storage::{self, Place};

/// When everything happens; the time of the contract's update examples.
pub(crate) const NOW: &str = "2026-11-20T14:03:27.650118Z";

/// The organization that most tests act in, its workspace, and a profile that is there from the start.
pub(crate) const ORGANIZATION: &str = "0b6f2f6e-6a53-4a0e-9d0c-6f4f0a6c2f11";
pub(crate) const WORKSPACE: &str = "wrkspc_011CZkZaBF1tNoB5wlCeusgy";
pub(crate) const PROFILE: &str = "uprof_011CZkZCu8hGbp5mYRQgUmz9";

/// Another tenant, its workspace and its profile.
pub(crate) const OTHER_ORGANIZATION: &str = "5f0c11f0-0000-4000-8000-000000000002";
pub(crate) const OTHER_WORKSPACE: &str = "wrkspc_011COther";
pub(crate) const OTHER_PROFILE: &str = "uprof_011COther";

/// A webhook endpoint of each organization; no event of the types they are told is ever emitted.
pub(crate) const ENDPOINT: &str = "webhook_endpoint_id";
pub(crate) const OTHER_ENDPOINT: &str = "whep_other";

/// The literal keys.
pub(crate) const BOUND_KEY: &str = "key-api-bound";
pub(crate) const FREE_KEY: &str = "key-api-free";
pub(crate) const OTHER_KEY: &str = "key-api-other";
pub(crate) const ADMIN_KEY: &str = "key-admin";
pub(crate) const OPERATOR_KEY: &str = "key-operator";
pub(crate) const SECOND_OWNER_KEY: &str = "key-operator-second";
pub(crate) const REVIEWER_KEY: &str = "key-operator-reviewer";
pub(crate) const VIEWER_KEY: &str = "key-operator-viewer";
pub(crate) const GATEWAY_KEY: &str = "key-gateway";

/// What differs from the usual server.
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub(crate) struct Options {
    pub(crate) rate_limit_rpm: Option<u32>,
    pub(crate) development: bool,
    pub(crate) tenant_idle: Option<Duration>,
    pub(crate) admin_listener: bool,
    pub(crate) operator_listener: bool,
    pub(crate) settings: Settings,
    pub(crate) betas: KnownBetas,
    /// With the webhook endpoints of both organizations.
    pub(crate) endpoints: bool,
    /// With a key for the platform's gateway.
    pub(crate) gateway: bool,
    /// With a second owner, a reviewer and a viewer.
    pub(crate) roles: bool,
    /// Keeps everything there, for whoever comes after.
    pub(crate) place: Option<Place>,
    /// Where ids come from; two servers on one storage must not make the same ones.
    pub(crate) seed: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            rate_limit_rpm: None,
            development: true,
            tenant_idle: None,
            admin_listener: false,
            operator_listener: false,
            settings: Settings::new("https://profiles.example.net"),
            betas: KnownBetas::default(),
            endpoints: false,
            gateway: false,
            roles: false,
            place: None,
            seed: 11,
        }
    }
}

/// A running server. Dropping it ends it.
pub(crate) struct TestServer {
    address: SocketAddr,
    admin_address: Option<SocketAddr>,
    operator_address: Option<SocketAddr>,
    pub(crate) clock: Arc<AdjustableClock>,
    pub(crate) store: Arc<dyn Store>,
    shutdown: CancellationToken,
    running: Option<JoinHandle<Ended>>,
}

impl TestServer {
    pub(crate) async fn start() -> Self {
        Self::with(|_| {}).await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut Options)) -> Self {
        let mut options = Options::default();
        change(&mut options);
        let ids = Arc::new(Ids::new(Box::new(SeededChance::new(options.seed))));
        let store = match &options.place {
            None => storage::passing(Arc::clone(&ids)).await,
            Some(place) => place.open(Arc::clone(&ids)).await,
        };
        let clock = Arc::new(AdjustableClock::stopped_at(at(NOW)));
        let mut initial = initial_state(options.rate_limit_rpm, &options.settings.webhooks);
        if !options.endpoints {
            initial.webhook_endpoints.clear();
        }
        if options.gateway {
            let owner = KeyOwner::Gateway {
                organization_id: OrganizationId::parse(ORGANIZATION).unwrap(),
            };
            initial.keys.push(key("apikey_gateway", owner, GATEWAY_KEY));
        }
        if options.roles {
            let operators = [
                ("apikey_second", Role::Owner, SECOND_OWNER_KEY),
                ("apikey_reviewer", Role::Reviewer, REVIEWER_KEY),
                ("apikey_viewer", Role::Viewer, VIEWER_KEY),
            ];
            for (id, role, secret) in operators {
                let owner = KeyOwner::Operator { role };
                initial.keys.push(key(id, owner, secret));
            }
        }
        if !options.development {
            initial.apply(&*store, at(NOW)).await.unwrap();
        }
        let app = App::new(AppParts {
            store: Arc::clone(&store),
            clock: Arc::clone(&clock) as Arc<dyn Clock>,
            ids,
            cursors: Cursors::new(CursorKeys::new([7; 32])),
            betas: options.betas,
            settings: options.settings,
            metrics: Metrics::new("0.0.0"),
            development: options.development.then(|| DevelopmentParts {
                clock: Arc::clone(&clock),
                starts_at: Some(at(NOW)),
                initial,
                keys: [
                    (KeyKind::Api, FREE_KEY),
                    (KeyKind::Admin, ADMIN_KEY),
                    (KeyKind::Operator, OPERATOR_KEY),
                    (KeyKind::Gateway, GATEWAY_KEY),
                ]
                .map(|(kind, key)| (kind, key.to_owned().into()))
                .into(),
                tenant_idle: options.tenant_idle,
                // Tests call it by a name that is nobody's.
                allow_remote: true,
                stub_text: "Good day to you.".into(),
            }),
        });
        app.prepare().await.unwrap();
        let bind = async || TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let bind_if = async |wanted| if wanted { Some(bind().await) } else { None };
        let ports = Ports {
            main: bind().await,
            operator: bind_if(options.operator_listener).await,
            admin: bind_if(options.admin_listener).await,
        };
        let address_of = |port: &TcpListener| port.local_addr().unwrap();
        let address = address_of(&ports.main);
        let operator_address = ports.operator.as_ref().map(address_of);
        let admin_address = ports.admin.as_ref().map(address_of);
        let shutdown = CancellationToken::new();
        let running = tokio::spawn(run(app, ports, shutdown.clone()));
        Self {
            address,
            admin_address,
            operator_address,
            clock,
            store,
            shutdown,
            running: Some(running),
        }
    }

    /// Drains and ends.
    pub(crate) async fn stop(mut self) -> Ended {
        self.shutdown.cancel();
        self.running.take().unwrap().await.unwrap()
    }

    /// Begins to drain.
    pub(crate) fn begin_to_stop(&self) {
        self.shutdown.cancel();
    }

    /// Where a path is, for a client of another kind.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) fn stranger(&self) -> Client {
        Client::stranger(self.address)
    }

    /// Someone without a key on the admin listener.
    pub(crate) fn caretaker(&self) -> Client {
        Client::stranger(self.admin_address.unwrap())
    }

    /// Someone without a key on the operator's listener.
    pub(crate) fn at_the_operators_door(&self) -> Client {
        Client::stranger(self.operator_address.unwrap())
    }

    /// A platform's client in the newest dialect, with a key bound to the workspace.
    pub(crate) fn platform(&self) -> Client {
        self.platform_with(BOUND_KEY)
    }

    pub(crate) fn platform_with(&self, key: &str) -> Client {
        self.stranger()
            .with("x-api-key", key)
            .with("anthropic-version", "2026-10-21")
    }

    /// The other tenant.
    pub(crate) fn neighbour(&self) -> Client {
        self.platform_with(OTHER_KEY)
    }

    pub(crate) fn administrator(&self) -> Client {
        self.platform_with(ADMIN_KEY)
    }

    /// The platform's gateway.
    pub(crate) fn gateway(&self) -> Client {
        self.stranger().with("x-rollcall-gateway-key", GATEWAY_KEY)
    }

    pub(crate) fn operator(&self) -> Client {
        self.operator_with(OPERATOR_KEY)
    }

    pub(crate) fn operator_with(&self, key: &str) -> Client {
        self.stranger().with("x-api-key", key)
    }

    /// Creates a profile and tells its id.
    pub(crate) async fn create(&self, body: &str) -> String {
        self.platform()
            .post("/v1/user_profiles", body)
            .await
            .string("id")
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

pub(crate) fn at(text: &str) -> Timestamp {
    time::parse(text).unwrap()
}

pub(crate) fn rpm(rate: u32) -> NonZeroU32 {
    NonZeroU32::new(rate).unwrap()
}

fn initial_state(rate_limit_rpm: Option<u32>, webhooks: &WebhookSettings) -> InitialState {
    let endpoint = |organization: &str, id: &str| {
        let id = WebhookEndpointId::parse(id).unwrap();
        let key = SigningKey([1; 32]);
        SeededEndpoint {
            organization_id: OrganizationId::parse(organization).unwrap(),
            secret: webhooks.vault.seal(&id, &key).unwrap(),
            id,
            draft: EndpointDraft {
                enabled_events: vec![EventType::ExternalKeyFailed.into()],
                url: "https://example.com/anthropic-webhooks".into(),
                description: String::new(),
                name: String::new(),
            },
        }
    };
    let organization = |id: &str, name: &str, rate_limit_rpm| Organization {
        id: OrganizationId::parse(id).unwrap(),
        name: name.into(),
        created_at: at("2026-01-01T00:00:00Z"),
        rate_limit_rpm,
        status: OrganizationStatus::Active,
        switches: OrganizationSwitches::default(),
        gateway_policy: GatewayPolicy::default(),
    };
    let workspace = |id: &str, organization: &str, name: &str| Workspace {
        id: WorkspaceId::parse(id).unwrap(),
        organization_id: OrganizationId::parse(organization).unwrap(),
        name: name.into(),
        created_at: at("2026-01-01T00:00:01Z"),
    };
    let api = |organization: &str, workspace: Option<&str>| KeyOwner::Api {
        organization_id: OrganizationId::parse(organization).unwrap(),
        workspace_id: workspace.map(|id| WorkspaceId::parse(id).unwrap()),
    };
    let admin = KeyOwner::Admin {
        organization_id: OrganizationId::parse(ORGANIZATION).unwrap(),
    };
    let endpoints = [
        endpoint(ORGANIZATION, ENDPOINT),
        endpoint(OTHER_ORGANIZATION, OTHER_ENDPOINT),
    ];
    InitialState {
        webhook_endpoints: endpoints.into(),
        organizations: vec![
            organization(ORGANIZATION, "Nordlicht & Söhne", rate_limit_rpm),
            organization(OTHER_ORGANIZATION, "Other", None),
        ],
        workspaces: vec![
            workspace(WORKSPACE, ORGANIZATION, "Main"),
            workspace(OTHER_WORKSPACE, OTHER_ORGANIZATION, "Other"),
        ],
        keys: vec![
            key(
                "apikey_bound",
                api(ORGANIZATION, Some(WORKSPACE)),
                BOUND_KEY,
            ),
            key("apikey_free", api(ORGANIZATION, None), FREE_KEY),
            key("apikey_other", api(OTHER_ORGANIZATION, None), OTHER_KEY),
            key("apikey_admin", admin, ADMIN_KEY),
            key(
                "apikey_operator",
                KeyOwner::Operator { role: Role::Owner },
                OPERATOR_KEY,
            ),
        ],
        profiles: vec![
            (
                OrganizationId::parse(ORGANIZATION).unwrap(),
                profile(PROFILE, "Example User").into(),
            ),
            (
                OrganizationId::parse(OTHER_ORGANIZATION).unwrap(),
                profile(OTHER_PROFILE, "Secret Neighbour").into(),
            ),
        ],
    }
}

fn key(id: &str, owner: KeyOwner, secret: &str) -> (ApiKey, SecretHash) {
    let key = ApiKey {
        id: ApiKeyId::parse(id).unwrap(),
        owner,
        name: id.into(),
        created_at: at("2026-01-01T00:00:02Z"),
        expires_at: None,
        last_used_at: None,
        status: KeyStatus::Active,
        literal: false,
    };
    (key, secrets::hash(secret.as_bytes()))
}

fn profile(id: &str, name: &str) -> Profile {
    let draft = ProfileDraft {
        name: Some(Name::parse(name).unwrap()),
        ..ProfileDraft::default()
    };
    Profile::new(
        ProfileId::parse(id).unwrap(),
        draft,
        at("2026-03-15T10:00:00Z"),
    )
}
