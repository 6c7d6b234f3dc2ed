//! Every setting of the server, in one place: what it means, what it is unless somebody says otherwise,
//! and who said otherwise.
//!
//! Flags win over the environment, the environment over the file, the file over the defaults
//! (`operator.md`, *Command line*). A key in the file that is no setting is an error, because a misspelt
//! limit that is silently ignored is worse than a server that does not start.
//!
//! To add a setting, add a field with its doc comment and its default to a `settings!` block below.
//! The comment is the help of its flag and its entry in `docs/reference/settings.md`; its key in the file,
//! its environment variable and its flag follow from its name.

mod error;
mod flags;
mod layers;
mod programs;
mod reference;
mod rules;
mod secret_keys;
mod value;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::{Path, PathBuf};
use std::time::Duration;

use ipnet::IpNet;
use rollcall_domain::data_controls::Validator;
use rollcall_domain::enrollment;

use crate::http::listener::ListenerLimits;
use crate::telemetry::LogFormat;

pub use error::ConfigError;
pub use flags::FlagOverrides;
pub use layers::{Origin, UnknownVariable, unknown_variables};
pub use reference::reference_markdown;
pub(crate) use secret_keys::SECRET_KEY_FILE;
pub use secret_keys::SecretKeys;
pub use value::{
    DurationRange, EmailHashScheme, FieldKind, ProgramConfig, ProgramField, ProgramTier, Secret,
};

use value::AnySetting;

/// The file that is read when none is named, if it exists.
pub const DEFAULT_FILE: &str = "rollcall.toml";

/// Defines a struct of settings from one list, so that field, default, help and key cannot drift
/// apart. `$prefix` is the section the struct is, with a dot, or empty.
macro_rules! settings {
    (
        $(#[doc = $about:literal])+
        pub struct $name:ident in $prefix:literal {
            $(
                $(#[doc = $help:literal])+
                $field:ident: $kind:ty = $default:expr,
            )*
        }
        $(sections { $($section:ident: $section_kind:ty,)* })?
    ) => {
        $(#[doc = $about])+
        #[derive(Clone, Debug)]
        pub struct $name {
            $(
                $(#[doc = $help])+
                pub $field: $kind,
            )*
            $($(
                #[doc = concat!("The section `[", stringify!($section), "]`.")]
                pub $section: $section_kind,
            )*)?
        }

        impl Default for $name {
            fn default() -> Self {
                Self {
                    $($field: $default,)*
                    $($($section: <$section_kind>::default(),)*)?
                }
            }
        }

        impl $name {
            fn visit(&mut self, visitor: &mut dyn FnMut(Setting<'_>)) {
                $(visitor(Setting {
                    key: concat!($prefix, stringify!($field)),
                    help: concat!($($help),+),
                    value: &mut self.$field,
                });)*
                $($(self.$section.visit(visitor);)*)?
            }
        }
    };
}

settings! {
    /// All settings.
    pub struct Config in "" {
        /// Address and port of the public API, the gateway's check and the enrollment pages; without
        /// `operator_listen` of the operator's side too.
        listen: SocketAddr = SocketAddr::from(([127, 0, 0, 1], 8787)),
        /// Address and port of a listener of its own for `/healthz`, `/readyz` and `/metrics`. Without it
        /// they answer on the main one.
        admin_listen: Option<SocketAddr> = None,
        /// Address and port of a listener of its own for the operator API, the console and the documentation
        /// (`/operator`, `/console`, `/docs`, `/openapi`), which are then unknown paths on the main one.
        operator_listen: Option<SocketAddr> = None,
        /// Directory of the embedded storage. Made if it does not exist; one process at a time.
        data_dir: PathBuf = "rollcall-data".into(),
        /// Keep everything in memory and lose it at the end. For tests and trials.
        in_memory: bool = false,
        /// PostgreSQL to use instead of the embedded storage, as `postgres://user:password@host/database`.
        database_url: Option<Secret> = None,
        /// A read replica of `database_url`, used for lists that may lag behind.
        database_read_url: Option<Secret> = None,
        /// Scheme, host and port of the URLs given to end users, such as `https://profiles.example.com`. Without
        /// it `http://` and the address of the listener, which seldom works on another machine.
        public_base_url: Option<String> = None,
        /// 32 bytes in base64 from which the keys of page cursors and of stored secrets are derived.
        /// The same on every instance. Without it one is made and kept in the data directory.
        secret_key: Option<Secret> = None,
        /// A file that holds `secret_key`, for secrets mounted as files.
        secret_key_file: Option<PathBuf> = None,
        /// Earlier values of `secret_key`, which still open what they closed. For rotation: put the new
        /// key first and the old one here until cursors and secrets made with it are gone.
        previous_secret_keys: Vec<Secret> = Vec::new(),
        /// PEM file with certificates of authorities to trust beside those of the machine, for webhook deliveries
        /// and the command line. `SSL_CERT_FILE` and `SSL_CERT_DIR` name what is trusted instead of the machine's.
        ca_file: Option<PathBuf> = None,
        /// How much is logged: `error`, `warn`, `info`, `debug`, `trace` or `off`, also by module as in
        /// `info,rollcall=debug`.
        log: String = "info".to_owned(),
        /// What log lines look like: text, JSON, or text on a terminal and JSON elsewhere.
        log_format: LogFormat = LogFormat::Auto,
        /// Names accepted in `anthropic-beta` beside the known ones. They have no effect.
        extra_betas: Vec<String> = Vec::new(),
        /// Refuse every name in `anthropic-beta`, and every type of webhook event, that is not known. Without
        /// it a name such as `words-2027-01-31` is accepted without effect, so that the next SDK is not locked
        /// out, and a type about anything but user profiles is kept and never emitted.
        strict_betas: bool = false,
        /// How long an enrollment or action URL works, from 5 minutes to 7 days.
        enrollment_url_lifetime: Duration = enrollment::URL_LIFETIME,
        /// How platforms make the `email_hash` of a profile, so that the console finds people by their e-mail addresses:
        /// `sha256` of the address without surrounding space and in lower case, in hexadecimal, with or without
        /// `sha256:` before it. Without it the console finds them by the hash alone.
        email_hash_scheme: Option<EmailHashScheme> = None,
        /// What stands before the address when it is hashed, if platforms put a secret there.
        email_hash_prefix: Option<Secret> = None,
        /// Origins whose pages may call the public API from a browser, written as browsers send them: scheme, host,
        /// and a port that is not the scheme's own, such as `https://app.example.com`.
        cors_origins: Vec<String> = Vec::new(),
        /// Most connections at a time. For a further one the connection gives way that has waited longest for
        /// its client: idle, or with an answer that the client does not take. While all are at work, only
        /// health checks are answered on a further one.
        max_connections: NonZeroUsize = count(10_000),
        /// Most connections from one address, or one IPv6 /64. For a further one its own connection that has
        /// waited longest gives way. Without it a quarter of `max_connections`.
        max_connections_per_address: Option<NonZeroUsize> = None,
        /// Networks of proxies and load balancers before the server, which bring many clients each: their addresses
        /// may have all connections, and the log has the address that they give in `x-forwarded-for`.
        proxy_networks: Vec<IpNet> = loopback(),
        /// Bytes of answers, in MiB, that are held for all clients together until they take them. When there
        /// are more, clients that take nothing are cut, and large answers are refused with 529.
        max_unsent_mib: NonZeroU32 = small_count(256),
        /// Bytes of answers, in MiB, that one connection may leave untaken before its next requests wait.
        max_unsent_per_connection_mib: NonZeroU32 = small_count(8),
        /// Longest time for a client to take the next 16 KiB of an answer, or what is left of it, before its
        /// connection is cut.
        stall_timeout: Duration = Duration::from_secs(75),
        /// Longest time for a request's head to arrive before the connection is closed with 408.
        header_read_timeout: Duration = Duration::from_secs(5),
        /// Longest time for a request to be answered before it fails with 504.
        request_timeout: Duration = Duration::from_secs(30),
        /// Longest time for a connection to wait for its next request before it is closed.
        idle_timeout: Duration = Duration::from_secs(90),
        /// Longest time for requests in flight to finish after SIGTERM.
        drain_timeout: Duration = Duration::from_secs(30),
        /// Failed authentications a minute that one source address may cause before it gets 429.
        failed_authentications_per_minute: NonZeroU32 = small_count(60),
        /// Under `rollcall dev`: an unknown key that begins with `test-` becomes an empty organization of
        /// its own.
        auto_tenants: bool = false,
        /// How long such an organization may idle before it is dropped.
        tenant_idle: Duration = Duration::from_mins(10),
        /// Programs that end users can apply for on the enrollment page.
        programs: Vec<ProgramConfig> = vec![ProgramConfig::cyber()],
    }
    sections {
        sqlite: SqliteConfig,
        postgres: PostgresConfig,
        webhooks: WebhooksConfig,
        dev: DevConfig,
        client: ClientConfig,
    }
}

settings! {
    /// The embedded storage.
    pub struct SqliteConfig in "sqlite." {
        /// Page cache of all connections together, in MiB.
        cache_mib: NonZeroU32 = small_count(16),
        /// How much of the database file is mapped into memory, in MiB. Saves 8–19 % of the processor time of
        /// reads; the mapped part counts as resident memory. 0 maps nothing.
        mmap_mib: u32 = 0,
    }
}

settings! {
    /// The PostgreSQL storage.
    pub struct PostgresConfig in "postgres." {
        /// Most sessions in the database, those included whose commit nobody waits for any more. At least 2;
        /// one in eight, and one at the least, is kept for reads.
        pool_size: NonZeroUsize = count(16),
        /// Longest time for a connection to be made.
        connect_timeout: Duration = Duration::from_secs(5),
        /// Longest time for a statement to run.
        statement_timeout: Duration = Duration::from_secs(10),
        /// Age at which a connection is replaced, so that a changed primary or pooler is noticed.
        recycle: Duration = Duration::from_mins(30),
    }
}

settings! {
    /// Webhook deliveries.
    pub struct WebhooksConfig in "webhooks." {
        /// Attempts per event and endpoint.
        attempts: NonZeroU32 = small_count(3),
        /// Wait before the second attempt, chosen evenly between the two.
        first_wait: DurationRange = seconds(5, 15),
        /// Wait before the third and any further attempt, chosen evenly between the two.
        second_wait: DurationRange = seconds(30, 120),
        /// How long an endpoint may fail without a break before it is disabled.
        disable_after: Duration = Duration::from_hours(24),
        /// Non-public networks that deliveries may go to. `rollcall dev` allows all.
        allow_networks: Vec<IpNet> = Vec::new(),
        /// How long finished deliveries and their attempts are kept.
        retention: Duration = Duration::from_hours(30 * 24),
    }
}

settings! {
    /// What `rollcall dev` starts with. Under `rollcall serve` none of it may be set.
    pub struct DevConfig in "dev." {
        /// Records, one a line, that are there from the start and after every reset.
        seed: Option<PathBuf> = None,
        /// Listen on an address that other machines can reach.
        allow_remote: bool = false,
        /// What the stub behind `/v1/messages` says.
        stub_text: String = "Rollcall's stub has read this and has nothing to add.".to_owned(),
        /// The platform's key, any text.
        api_key: Option<Secret> = None,
        /// The platform administrator's key, any text.
        admin_key: Option<Secret> = None,
        /// The operator's key, any text.
        operator_key: Option<Secret> = None,
        /// The key of the platform's gateway, any text.
        gateway_key: Option<Secret> = None,
        /// The organization's id, any text.
        organization_id: Option<String> = None,
        /// The workspace's id.
        workspace_id: Option<String> = None,
        /// Where the clock stands from the start and after every reset, such as `2026-03-15T10:00:00Z`.
        clock: Option<String> = None,
        /// Who validates the keys and buckets of data controls: the operator, or with `auto` nobody, and what is
        /// pending is active a second later.
        data_controls: Validator = Validator::Operator,
    }
}

settings! {
    /// What commands use that are not told otherwise. Each has a flag of this name where it means something.
    pub struct ClientConfig in "client." {
        /// Address of a running server that operator's commands ask.
        url: Option<String> = None,
        /// An operator key of that server.
        operator_key: Option<Secret> = None,
        /// An admin key of that server.
        admin_key: Option<Secret> = None,
        /// Address of the server of `rollcall profiles`, if it is another one.
        base_url: Option<String> = None,
        /// The platform's key for `rollcall profiles`.
        api_key: Option<Secret> = None,
        /// The dated shape of the API that `rollcall profiles` speaks.
        dialect: Option<String> = None,
        /// The workspace that `rollcall profiles` acts in.
        workspace_id: Option<String> = None,
        /// How answers are printed: `table`, `json` or `ndjson`.
        output: Option<String> = None,
    }
}

const fn count(number: usize) -> NonZeroUsize {
    NonZeroUsize::MIN.saturating_add(number - 1)
}

const fn small_count(number: u32) -> NonZeroU32 {
    NonZeroU32::MIN.saturating_add(number - 1)
}

fn loopback() -> Vec<IpNet> {
    let whole = |address: IpAddr, bits| IpNet::new_assert(address, bits);
    vec![
        whole(IpAddr::V4(Ipv4Addr::LOCALHOST), 8).trunc(),
        whole(IpAddr::V6(Ipv6Addr::LOCALHOST), 128),
    ]
}

/// A number of MiB in bytes.
fn mebibytes(number: NonZeroU32) -> usize {
    usize::try_from(number.get())
        .unwrap_or(usize::MAX)
        .saturating_mul(1024 * 1024)
}

fn seconds(least: u64, most: u64) -> DurationRange {
    DurationRange {
        least: Duration::from_secs(least),
        most: Duration::from_secs(most),
    }
}

/// One setting of a [`Config`], with everything there is to know about it.
struct Setting<'a> {
    /// Its dotted key in the file.
    key: &'static str,
    /// Its doc comment, as the compiler keeps it.
    help: &'static str,
    value: &'a mut dyn AnySetting,
}

impl Setting<'_> {
    fn help_line(&self) -> String {
        self.help.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    fn section(&self) -> &'static str {
        self.key.split_once('.').map_or("", |(section, _)| section)
    }

    /// Tables within tables have no form outside the file.
    fn is_text(&self) -> bool {
        self.key != "programs"
    }

    /// Whether every command that takes settings has its flag. The flags of `rollcall dev` are its own.
    fn has_flag(&self) -> bool {
        self.is_text() && !matches!(self.section(), "dev" | "client")
    }
}

/// Settings together with who set them.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The settings.
    pub config: Config,
    origins: BTreeMap<&'static str, Origin>,
}

impl Loaded {
    /// Where a setting's value is from. `key` is dotted, such as `sqlite.cache_mib`.
    pub fn origin(&self, key: &str) -> &Origin {
        self.origins.get(key).unwrap_or(&Origin::Default)
    }

    /// The error that a setting, whose text had the right form, cannot be what it says.
    pub(crate) fn invalid(&self, key: &'static str, reason: &str) -> ConfigError {
        ConfigError::Invalid {
            origin: self.origin(key).to_string(),
            key,
            reason: reason.to_owned(),
        }
    }

    fn conflict(&self, one: &'static str, other: &'static str) -> ConfigError {
        ConfigError::Conflict {
            one,
            one_origin: self.origin(one).to_string(),
            other,
            other_origin: self.origin(other).to_string(),
        }
    }
}

impl Config {
    /// Lays the sources over each other and checks the outcome.
    ///
    /// `file` is the one named by `--config`; without it [`DEFAULT_FILE`] is read if it exists.
    /// `environment` is `std::env::vars_os()`, of which only `ROLLCALL_…` is looked at.
    pub fn load(
        file: Option<&Path>,
        environment: impl IntoIterator<Item = (OsString, OsString)>,
        flags: &FlagOverrides,
    ) -> Result<Loaded, ConfigError> {
        let default_file = Path::new(DEFAULT_FILE);
        let file = file.or_else(|| default_file.exists().then_some(default_file));
        let mut set = layers::read(file, environment, flags)?;
        let mut loaded = Loaded {
            config: Self::default(),
            origins: BTreeMap::new(),
        };
        let mut first_error = None;
        loaded.config.visit(&mut |setting| {
            let Some((written, origin)) = set.remove(setting.key) else {
                return;
            };
            if !setting.value.write(&written) {
                first_error.get_or_insert_with(|| ConfigError::Invalid {
                    origin: origin.to_string(),
                    key: setting.key,
                    reason: format!("expected {}", setting.value.expected()),
                });
            }
            loaded.origins.insert(setting.key, origin);
        });
        match first_error {
            Some(error) => Err(error),
            None => loaded.checked(),
        }
    }

    /// A secret of the section `client` that a file named in the environment holds, by its variable.
    pub(crate) fn client_secret_in_file(variable: &str) -> Result<Option<String>, ConfigError> {
        let secrets = Self::secret_keys_of_settings().into_iter();
        let mut own = secrets.filter(|key| key.starts_with("client."));
        let Some(key) = own.find(|key| layers::variable_of(key) == variable) else {
            return Ok(None);
        };
        let named = std::env::var_os(layers::file_variable_of(key));
        match named.filter(|named| !named.is_empty()) {
            None => Ok(None),
            Some(named) => layers::secret_in(key, &named).map(Some),
        }
    }

    /// The variables of the section `client`.
    pub(crate) fn client_variables() -> Vec<String> {
        let keys = Self::keys().into_iter();
        let keys = keys.filter(|key| key.starts_with("client."));
        keys.map(layers::variable_of).collect()
    }

    /// What is set in the section `client`, by variable, secrets in plain text.
    pub(crate) fn client_values(&self) -> Vec<(String, String)> {
        let client = &self.client;
        let secret = |key: &Option<Secret>| key.as_ref().map(|key| key.expose().to_owned());
        let values = [
            ("client.url", client.url.clone()),
            ("client.operator_key", secret(&client.operator_key)),
            ("client.admin_key", secret(&client.admin_key)),
            ("client.base_url", client.base_url.clone()),
            ("client.api_key", secret(&client.api_key)),
            ("client.dialect", client.dialect.clone()),
            ("client.workspace_id", client.workspace_id.clone()),
            ("client.output", client.output.clone()),
        ];
        let set = values
            .into_iter()
            .filter_map(|(key, value)| Some((layers::variable_of(key), value?)));
        set.filter(|(_, value)| !value.is_empty()).collect()
    }

    fn keys() -> Vec<&'static str> {
        let mut keys = Vec::new();
        Self::default().visit(&mut |setting| keys.push(setting.key));
        keys
    }

    /// The keys of the settings that are secrets.
    fn secret_keys_of_settings() -> Vec<&'static str> {
        let mut keys = Vec::new();
        Self::default().visit(&mut |setting| {
            if setting.value.is_secret() {
                keys.push(setting.key);
            }
        });
        keys
    }

    /// The base of URLs given to end users, for a server that listens on this address.
    pub fn base_url(&self, listening: SocketAddr) -> String {
        let public = self.public_base_url.clone();
        public.unwrap_or_else(|| format!("http://{listening}"))
    }

    /// What the listener allows a connection under these settings.
    pub fn listener_limits(&self) -> ListenerLimits {
        let defaults = ListenerLimits::default();
        // A body may take 30 seconds and its answer the request's limit, both without a byte moving.
        let quiet = self.request_timeout + Duration::from_secs(45);
        ListenerLimits {
            max_connections: self.max_connections.get(),
            max_connections_per_address: self.max_connections_per_address.map(NonZeroUsize::get),
            proxy_networks: self.proxy_networks.clone(),
            max_unsent: mebibytes(self.max_unsent_mib),
            max_unsent_per_connection: mebibytes(self.max_unsent_per_connection_mib),
            header_read_timeout: self.header_read_timeout,
            drain_timeout: self.drain_timeout,
            idle_timeout: self.idle_timeout,
            quiet_timeout: defaults.quiet_timeout.max(quiet),
            stall_timeout: self.stall_timeout,
            ..defaults
        }
    }
}

#[cfg(test)]
mod tests;
