use clap::{Args as _, FromArgMatches as _};
use rstest::rstest;

use super::*;

const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

/// What each source says; the file is written to a directory of its own.
#[derive(Default)]
struct Sources {
    file: &'static str,
    environment: Vec<(&'static str, &'static str)>,
    flags: FlagOverrides,
}

impl Sources {
    fn load(&self) -> Result<Loaded, ConfigError> {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("test.toml");
        std::fs::write(&file, self.file).unwrap();
        let environment = self.environment.iter();
        let environment = environment.map(|(name, value)| (name.into(), value.into()));
        Config::load(Some(&file), environment, &self.flags)
    }

    /// The error, with the temporary directory taken out of it.
    fn error(&self) -> String {
        let error = self.load().unwrap_err().to_string();
        assert_eq!(error.lines().count(), 1, "{error}");
        match error.split_once("test.toml") {
            Some((before, after)) => {
                let before = before.rsplit_once(' ').map_or("", |(before, _)| before);
                format!("{before} test.toml{after}").trim_start().to_owned()
            }
            None => error,
        }
    }
}

fn file(text: &'static str) -> Sources {
    Sources {
        file: text,
        ..Sources::default()
    }
}

fn environment(name: &'static str, value: &'static str) -> Sources {
    Sources {
        environment: vec![(name, value)],
        ..Sources::default()
    }
}

#[test]
fn without_sources_everything_is_default() {
    let loaded = Sources::default().load().unwrap();
    assert_eq!(loaded.config.listen.to_string(), "127.0.0.1:8787");
    assert_eq!(loaded.config.sqlite.cache_mib.get(), 16);
    assert_eq!(loaded.origin("listen"), &Origin::Default);
    assert!(loaded.config.secret_keys().unwrap().is_none());
}

#[test]
fn flags_win_over_environment_over_file_over_defaults() {
    let sources = Sources {
        file: r#"
            listen = "127.0.0.1:1"
            log = "warn"
            max_connections = 7
            [sqlite]
            cache_mib = 1
            mmap_mib = 1
        "#,
        environment: vec![
            ("ROLLCALL_LISTEN", "127.0.0.1:2"),
            ("ROLLCALL_LOG", "debug"),
            ("ROLLCALL_SQLITE__CACHE_MIB", "2"),
            ("PATH", "/bin"),
        ],
        flags: FlagOverrides::default().with("listen", "127.0.0.1:3"),
    };
    let loaded = sources.load().unwrap();
    let config = &loaded.config;
    assert_eq!(config.listen.to_string(), "127.0.0.1:3");
    assert_eq!(config.log, "debug");
    assert_eq!(config.max_connections.get(), 7);
    assert_eq!(config.sqlite.cache_mib.get(), 2);
    assert_eq!(config.sqlite.mmap_mib, 1);

    let origins =
        ["listen", "log", "sqlite.cache_mib", "data_dir"].map(|key| loaded.origin(key).to_string());
    let expected = [
        "--listen",
        "ROLLCALL_LOG",
        "ROLLCALL_SQLITE__CACHE_MIB",
        "default",
    ];
    assert_eq!(origins, expected);
    for key in ["max_connections", "sqlite.mmap_mib"] {
        let origin = loaded.origin(key).to_string();
        assert!(origin.ends_with("test.toml"), "{key} is from {origin}");
    }
}

#[test]
fn every_kind_of_value_can_be_written_in_the_file() {
    let loaded = file(
        r#"
            admin_listen = "[::1]:9000"
            in_memory = true
            extra_betas = ["one", "two"]
            request_timeout = "10s"
            log_format = "json"
            public_base_url = "https://profiles.example.com/"
            [webhooks]
            attempts = 5
            first_wait = "0s..1s"
            allow_networks = ["10.0.0.0/8", "fd00::/8"]
            [[programs]]
            name = "cyber"
            title = "Cyber"
            [[programs.fields]]
            name = "use_case"
            label = "What for?"
            required = true
        "#,
    )
    .load()
    .unwrap();
    let config = loaded.config;
    assert_eq!(config.admin_listen.unwrap().port(), 9000);
    assert!(config.in_memory);
    assert_eq!(config.extra_betas, ["one", "two"]);
    assert_eq!(config.listener_limits().stall_timeout.as_secs(), 75);
    assert_eq!(config.log_format, LogFormat::Json);
    let base = config.base_url(config.listen);
    assert_eq!(base, "https://profiles.example.com");
    assert_eq!(config.webhooks.attempts.get(), 5);
    assert_eq!(config.webhooks.first_wait, seconds(0, 1));
    assert_eq!(config.webhooks.allow_networks.len(), 2);
    assert_eq!(config.programs[0].fields[0].label, "What for?");
    assert!(config.programs[0].fields[0].required);
}

#[test]
fn a_long_request_timeout_is_not_cut_short_by_the_quiet_limit() {
    let loaded = file("request_timeout = \"5m\"").load().unwrap();
    let quiet = loaded.config.listener_limits().quiet_timeout;
    assert!(quiet > Duration::from_mins(5));
}

#[test]
fn urls_without_a_public_base_are_those_of_the_listener() {
    let listening = "127.0.0.1:40123".parse().unwrap();
    let base = Config::default().base_url(listening);
    assert_eq!(base, "http://127.0.0.1:40123");
}

#[test]
fn lists_are_comma_separated_outside_the_file() {
    let loaded = environment(
        "ROLLCALL_CORS_ORIGINS",
        "https://a.example, https://b.example",
    )
    .load()
    .unwrap();
    assert_eq!(loaded.config.cors_origins.len(), 2);
}

#[rstest]
#[case("https://app.example.com", true)]
#[case("http://localhost:3000", true)]
#[case("http://[::1]:3000", true)]
#[case("https://xn--mnchen-3ya.example", true)]
#[case("chrome-extension://abcdefgh", true)]
#[case("https://app.example.com/", false)]
#[case("https://app.example.com:443", false)]
#[case("http://app.example.com:80", false)]
#[case("HTTPS://App.Example.com", false)]
#[case("https://App.example.com", false)]
#[case("https://münchen.example", false)]
#[case("https://user@app.example.com", false)]
#[case("https://*.example.com", false)]
#[case("http://localhost:*", false)]
#[case("app.example.com", false)]
#[case("app.example.com:3000", false)]
#[case("*", false)]
#[case("null", false)]
#[case("file://", false)]
fn an_origin_that_no_browser_sends_is_refused(#[case] origin: &'static str, #[case] sent: bool) {
    let loaded = environment("ROLLCALL_CORS_ORIGINS", origin).load();
    assert_eq!(loaded.is_ok(), sent, "{origin}");
}

#[test]
fn text_that_looks_like_something_else_stays_text() {
    let loaded = environment("ROLLCALL_DATABASE_URL", "true").load().unwrap();
    assert_eq!(loaded.config.database_url.unwrap().expose(), "true");
}

#[rstest]
#[case(
    "lisen = \"x\"",
    "test.toml: lisen: no such setting; did you mean listen?"
)]
#[case(
    "[sqlite]\ncache_mb = 1",
    "test.toml: sqlite.cache_mb: no such setting; did you mean sqlite.cache_mib?"
)]
#[case(
    "[sqllite]\ncache_mib = 1",
    "test.toml: sqllite: no such setting; docs/reference/settings.md lists all"
)]
#[case(
    "zzzzzzzzzzzzz = 1",
    "test.toml: zzzzzzzzzzzzz: no such setting; docs/reference/settings.md lists all"
)]
#[case(
    "sqlite = 1",
    "test.toml: sqlite: is a section; set sqlite.cache_mib and its like instead"
)]
#[case(
    "listen = \"8787\"",
    "test.toml: listen: expected an IP address and a port, such as \"127.0.0.1:8787\""
)]
#[case(
    "max_connections = 0",
    "test.toml: max_connections: expected a whole number from 1"
)]
#[case(
    "max_connections = -1",
    "test.toml: max_connections: expected a whole number from 1"
)]
#[case(
    "request_timeout = 30",
    "test.toml: request_timeout: expected a duration such as \"500ms\", \"30s\", \"10m\", \"24h\" or \"7d\""
)]
#[case(
    "request_timeout = \"0s\"",
    "test.toml: request_timeout: must be longer than nothing"
)]
#[case(
    "enrollment_url_lifetime = \"4m\"",
    "test.toml: enrollment_url_lifetime: expected from 5m to 7d"
)]
#[case(
    "enrollment_url_lifetime = \"8d\"",
    "test.toml: enrollment_url_lifetime: expected from 5m to 7d"
)]
#[case("in_memory = \"yes\"", "test.toml: in_memory: expected true or false")]
#[case(
    "log = \"loud\"",
    "test.toml: log: \"loud\" is not a log filter (unknown level \"loud\"); write a level such as \"info\", or \"info,rollcall=debug\""
)]
#[case(
    "public_base_url = \"profiles.example.com\"",
    "test.toml: public_base_url: expected scheme, host and port of an http or https URL, with nothing behind, such as"
)]
#[case(
    "public_base_url = \"https://example.com/profiles\"",
    "test.toml: public_base_url: expected scheme, host and port of an http or https URL, with nothing behind, such as"
)]
#[case(
    "public_base_url = \"https://user@example.com\"",
    "test.toml: public_base_url: expected scheme, host and port of an http or https URL, with nothing behind, such as"
)]
#[case(
    "idle_timeout = \"0s\"",
    "test.toml: idle_timeout: must be longer than nothing"
)]
#[case(
    "ca_file = \"/nonexistent/ca.pem\"",
    "test.toml: ca_file: cannot read /nonexistent/ca.pem: "
)]
#[case(
    "database_read_url = \"postgres://x\"",
    "test.toml: database_read_url: needs database_url to be set too"
)]
#[case(
    "email_hash_scheme = \"md5\"",
    "test.toml: email_hash_scheme: expected \"sha256\""
)]
#[case(
    "email_hash_prefix = \"pepper\"",
    "test.toml: email_hash_prefix: needs email_hash_scheme to be set too"
)]
#[case(
    "listen = \"127.0.0.1:1\"\nlisten =",
    "test.toml, line 2: not valid TOML: "
)]
fn a_mistake_in_the_file_is_one_clear_line(#[case] text: &'static str, #[case] expected: &str) {
    let error = file(text).error();
    assert!(error.starts_with(expected), "{error}");
}

#[rstest]
#[case(
    "ROLLCALL_LISTEN",
    "nowhere",
    "ROLLCALL_LISTEN: listen: expected an IP address and a port, such as \"127.0.0.1:8787\""
)]
#[case(
    "ROLLCALL_SQLITE_CACHE_MIB",
    "1",
    "environment: ROLLCALL_SQLITE_CACHE_MIB: no such setting; did you mean ROLLCALL_SQLITE__CACHE_MIB?"
)]
#[case(
    "ROLLCALL_SECRET_KEY",
    "hunter2",
    "secret_key: expected 32 bytes in base64; make one with: openssl rand -base64 32"
)]
fn a_mistake_in_the_environment_is_one_clear_line(
    #[case] name: &'static str,
    #[case] value: &'static str,
    #[case] expected: &str,
) {
    assert_eq!(environment(name, value).error(), expected);
}

#[test]
fn variables_of_others_are_left_alone() {
    let loaded = environment("ROLLCALL_SOMETHING_OF_A_SCRIPT", "1").load();
    assert!(loaded.is_ok());
}

#[test]
fn settings_that_exclude_each_other_name_who_set_them() {
    let sources = Sources {
        environment: vec![("ROLLCALL_DATABASE_URL", "postgres://x")],
        flags: FlagOverrides::default().with("in_memory", "true"),
        ..Sources::default()
    };
    assert_eq!(
        sources.error(),
        "in_memory (--in-memory) and database_url (ROLLCALL_DATABASE_URL) exclude each other; \
         unset one of them"
    );
}

#[test]
fn a_file_that_was_named_must_exist() {
    let missing = Path::new("/nonexistent/rollcall.toml");
    let error = Config::load(Some(missing), [], &FlagOverrides::default()).unwrap_err();
    let error = error.to_string();
    assert!(
        error.starts_with("cannot read /nonexistent/rollcall.toml: "),
        "{error}"
    );
}

#[test]
fn secrets_are_shown_nowhere() {
    let sources = Sources {
        environment: vec![
            ("ROLLCALL_DATABASE_URL", "postgres://user:hunter2@host/db"),
            ("ROLLCALL_SECRET_KEY", KEY),
            ("ROLLCALL_PREVIOUS_SECRET_KEYS", KEY),
        ],
        ..Sources::default()
    };
    let loaded = sources.load().unwrap();
    let keys = loaded.config.secret_keys().unwrap().unwrap();
    for shown in [loaded.table(), format!("{loaded:?}"), format!("{keys:?}")] {
        assert!(!shown.contains("hunter2"), "{shown}");
        assert!(!shown.contains(KEY), "{shown}");
        assert!(!shown.contains("[0, 1, 2"), "{shown}");
    }
}

#[rstest]
#[case::standard("//79/Pv6+fj39vX08/Lx8O/u7ezr6uno5+bl5OPi4eA=")]
#[case::without_padding("//79/Pv6+fj39vX08/Lx8O/u7ezr6uno5+bl5OPi4eA")]
#[case::for_urls("__79_Pv6-fj39vX08_Lx8O_u7ezr6uno5-bl5OPi4eA=")]
fn a_secret_key_is_32_bytes_in_any_base64(#[case] written: &'static str) {
    let loaded = environment("ROLLCALL_SECRET_KEY", written).load().unwrap();
    let keys = loaded.config.secret_keys().unwrap().unwrap();
    assert_eq!(keys.current[..3], [255, 254, 253]);
}

#[test]
fn a_secret_key_can_be_in_a_file_of_its_own() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("key");
    std::fs::write(&path, format!("{KEY}\n")).unwrap();
    let flags = FlagOverrides::default().with("secret_key_file", path.to_str().unwrap());
    let sources = Sources {
        environment: vec![("ROLLCALL_PREVIOUS_SECRET_KEYS", KEY)],
        flags,
        ..Sources::default()
    };
    let keys = sources
        .load()
        .unwrap()
        .config
        .secret_keys()
        .unwrap()
        .unwrap();
    assert_eq!(keys.current[31], 31);
    assert_eq!(keys.previous.len(), 1);
}

#[test]
fn the_table_shows_each_value_and_its_origin() {
    let loaded = Sources {
        environment: vec![("ROLLCALL_SQLITE__CACHE_MIB", "64")],
        flags: FlagOverrides::default().with("webhooks.disable_after", "48h"),
        ..Sources::default()
    }
    .load()
    .unwrap();
    let table = loaded.table();
    let rows: Vec<Vec<&str>> = table
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    for expected in [
        ["sqlite.cache_mib", "64", "ROLLCALL_SQLITE__CACHE_MIB"],
        ["webhooks.disable_after", "2d", "--webhooks-disable-after"],
        ["webhooks.first_wait", "5s..15s", "default"],
    ] {
        assert!(
            rows.iter().any(|row| row == &expected),
            "{expected:?} is not in\n{table}"
        );
    }
}

fn flags(arguments: &[&str]) -> Result<FlagOverrides, clap::Error> {
    let command = FlagOverrides::augment_args(clap::Command::new("rollcall"));
    let arguments = std::iter::once(&"rollcall").chain(arguments);
    FlagOverrides::from_arg_matches(&command.try_get_matches_from(arguments)?)
}

#[test]
fn every_setting_but_those_of_the_file_or_of_one_command_has_a_flag() {
    let arguments = [
        "--listen=127.0.0.1:1",
        "--in-memory",
        "--auto-tenants=false",
        "--sqlite-cache-mib",
        "32",
        "--cors-origins=https://a.example",
        "--cors-origins=https://b.example",
    ];
    let expected = FlagOverrides::default()
        .with("listen", "127.0.0.1:1")
        .with("in_memory", "true")
        .with("auto_tenants", "false")
        .with("sqlite.cache_mib", "32")
        .with("cors_origins", "https://a.example,https://b.example");
    assert_eq!(flags(&arguments).unwrap(), expected);
    assert_eq!(flags(&[]).unwrap(), FlagOverrides::default());
    assert!(flags(&["--programs=x"]).is_err());

    let command = FlagOverrides::augment_args(clap::Command::new("rollcall"));
    let keys = Config::keys().into_iter();
    let with_flag = keys.filter(|key| {
        *key != "programs" && !key.starts_with("dev.") && !key.starts_with("client.")
    });
    assert_eq!(command.get_arguments().count(), with_flag.count());
    command.debug_assert();
}

#[test]
fn every_setting_of_clients_reaches_the_commands() {
    let loaded = file(
        r#"
            [client]
            url = "1"
            operator_key = "2"
            admin_key = "3"
            base_url = "4"
            api_key = "5"
            dialect = "6"
            workspace_id = "7"
            output = "8"
        "#,
    )
    .load()
    .unwrap();
    let values = loaded.config.client_values().into_iter();
    let variables: Vec<_> = values.map(|(variable, _)| variable).collect();
    assert_eq!(variables, Config::client_variables());
}

#[test]
fn the_reference_lists_every_setting_with_its_names_and_default() {
    let reference = reference_markdown();
    for key in Config::keys() {
        assert!(reference.contains(&format!("### `{key}`\n")), "{key}");
    }
    assert!(reference.contains("Default: `16` · Expects a whole number from 1 · `ROLLCALL_SQLITE__CACHE_MIB`, `--sqlite-cache-mib`\n"));
    assert!(reference.contains("Default: none · Expects a path · `ROLLCALL_DEV_SEED`, `--seed`\n"));
    assert!(reference.contains("\n## `[webhooks]`\n"));
}
