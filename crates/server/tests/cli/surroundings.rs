//! What lies around a command: variables, files, proxies, authorities, terminals.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use base64::Engine as _;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rollcall::cli::client::Call;
use serde_json::json;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::rollcall::{Place, assert_ended, text};

/// Somebody who accepts connections and counts them, and what a function makes of each.
struct Somebody {
    port: u16,
    accepted: Arc<AtomicUsize>,
}

impl Somebody {
    fn who(answers: impl Fn(TcpStream) + Send + 'static) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let accepted = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&accepted);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                counted.fetch_add(1, Ordering::SeqCst);
                answers(stream);
            }
        });
        Self { port, accepted }
    }

    /// Whoever talks to this one learns nothing.
    fn silent() -> Self {
        Self::who(drop)
    }

    fn accepted(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }
}

/// An authority of one's own, as PEM, and a server on `localhost` that it certified. The server answers
/// everything with an empty list.
fn certified() -> (String, Somebody) {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap();
    let base64 = base64::engine::general_purpose::STANDARD.encode(certificate.der());
    let pem = format!("-----BEGIN CERTIFICATE-----\n{base64}\n-----END CERTIFICATE-----\n");
    let authority = Issuer::new(params, key);
    let key = KeyPair::generate().unwrap();
    let wanted = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let certificate = wanted.signed_by(&key, &authority).unwrap();
    let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
    let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    let tls = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.into()], key)
        .unwrap();
    let tls = Arc::new(tls);
    let server = Somebody::who(move |stream| {
        let connection = ServerConnection::new(Arc::clone(&tls)).unwrap();
        let mut stream = BufReader::new(StreamOwned::new(connection, stream));
        // Whoever does not trust the certificate leaves in the middle.
        let _ = answer_with_empty_list(&mut stream);
    });
    (pem, server)
}

fn answer_with_empty_list(
    stream: &mut BufReader<StreamOwned<ServerConnection, TcpStream>>,
) -> std::io::Result<()> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        stream.read_line(&mut line)?;
        let line = line.trim_end().to_ascii_lowercase();
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        if line.is_empty() {
            break;
        }
    }
    stream.read_exact(&mut vec![0; length])?;
    let body = r#"{"data":[],"next_page":null}"#;
    let answer = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    let stream = stream.get_mut();
    stream.write_all(answer.as_bytes())?;
    stream.conn.send_close_notify();
    stream.flush()
}

/// Every variable that the reference of settings names.
fn variables() -> Vec<String> {
    let reference = rollcall::config::reference_markdown();
    let (_, entries) = reference.split_once("\n### ").unwrap();
    let found = entries.split('`').filter(|it| it.starts_with("ROLLCALL_"));
    found.map(str::to_owned).collect()
}

#[test]
fn a_variable_that_is_no_setting_is_told_and_those_of_kubernetes_are_not() {
    let place = Place::embedded()
        .with("ROLLCALL_DB_URL", "postgres://127.0.0.1:1/x")
        .with("ROLLCALL_IMAGE", "rollcall:1")
        .with("ROLLCALL_PORT", "tcp://10.0.0.1:8787")
        .with("ROLLCALL_PORT_8787_TCP_ADDR", "10.0.0.1")
        .with("ROLLCALL_SERVICE_HOST", "10.0.0.1")
        .with("ROLLCALL_ADMIN_SERVICE_PORT_HTTP", "8788");
    assert_ended!(place.run(&["check", "--data-dir", "none"]), @r#"
    $ rollcall check --data-dir none
    status: 2
    stderr:
    rollcall: ROLLCALL_DB_URL: no such setting, it changes nothing; docs/reference/settings.md lists all
    rollcall: ROLLCALL_IMAGE: no such setting, it changes nothing; docs/reference/settings.md lists all
    rollcall: there is no storage in none; name its directory with --data-dir, or make one with "rollcall orgs create" or "rollcall dev"
    "#);
    let logged = place.serve(&[]).stop();
    for name in ["ROLLCALL_DB_URL", "ROLLCALL_IMAGE"] {
        assert!(
            logged.contains(&format!("{name}: no such setting")),
            "{logged}"
        );
    }
    assert_eq!(logged.matches("no such setting").count(), 2, "{logged}");
    let misspelt = Place::embedded().with("ROLLCALL_listen", "127.0.0.1:1");
    assert_ended!(misspelt.run(&["serve"]), @r#"
    $ rollcall serve
    status: 2
    stderr:
    rollcall: environment: ROLLCALL_listen: no such setting; did you mean ROLLCALL_LISTEN?
    "#);
}

#[test]
fn every_variable_that_is_empty_counts_as_unset() {
    let variables = variables();
    assert!(variables.len() > 50, "{variables:?}");
    let place = variables
        .iter()
        .fold(Place::embedded(), |place, name| place.with(name, ""));
    let ended = place.run(&["serve", "--print-config"]);
    assert_eq!(ended.status, 0, "{}", ended.shown());
    assert!(!ended.stdout.contains("ROLLCALL_"), "{}", ended.shown());
    let dev = place.dev(&["--in-memory"]);
    let list = [&["profiles", "list"], &dev.platform()[..]].concat();
    let ended = place.run(&list);
    assert_eq!(ended.status, 0, "{}", ended.shown());
    let list = [&["orgs", "list"], &dev.operator()[..]].concat();
    let ended = place.run(&list);
    assert_eq!(ended.status, 0, "{}", ended.shown());
}

#[test]
fn every_secret_can_be_in_a_file_that_a_variable_names() {
    let place = Place::embedded();
    let key = "c2l4dGVlbiBieXRlcyBhcmUgbm90IDMyIGJ5dGVzISE=\n";
    let files = [
        (
            "ROLLCALL_DATABASE_URL_FILE",
            "postgres://127.0.0.1:1/x\n",
            "database_url",
        ),
        (
            "ROLLCALL_DATABASE_READ_URL_FILE",
            "postgres://127.0.0.1:1/y\n",
            "database_read_url",
        ),
        ("ROLLCALL_SECRET_KEY_FILE", key, "secret_key_file"),
        (
            "ROLLCALL_PREVIOUS_SECRET_KEYS_FILE",
            key,
            "previous_secret_keys",
        ),
        ("ROLLCALL_DEV_API_KEY_FILE", "ap\n", "dev.api_key"),
        ("ROLLCALL_DEV_ADMIN_KEY_FILE", "ad\n", "dev.admin_key"),
        ("ROLLCALL_DEV_OPERATOR_KEY_FILE", "op\n", "dev.operator_key"),
    ];
    let place = files.iter().fold(place, |place, (variable, content, key)| {
        let path = place.write(key, content);
        let path = text(&path).to_owned();
        place.with(variable, &path)
    });
    let shown = place.run(&["serve", "--print-config"]);
    for (variable, _, key) in files {
        let mut lines = shown.stdout.lines().map(str::trim);
        let line = lines.find(|line| line.starts_with(&format!("{key} ")));
        assert!(line.unwrap().ends_with(variable), "{}", shown.shown());
    }
    let ended = place.run(&["migrate"]);
    assert!(ended.stderr.contains("127.0.0.1:1"), "{}", ended.shown());
    assert!(!place.path("rollcall-data").exists());

    let place = Place::embedded();
    let dev = place.dev(&[]);
    let api = place.write("api", format!("{}\n", dev.get("api_key")));
    let operator = place.write("operator", dev.get("operator_key"));
    let base_url = dev.get("base_url").to_owned();
    let place = place
        .with("ROLLCALL_API_KEY_FILE", text(&api))
        .with("ROLLCALL_OPERATOR_KEY_FILE", text(&operator));
    for command in [
        ["profiles", "list", "--base-url", &base_url],
        ["orgs", "list", "--url", &base_url],
    ] {
        let ended = place.run(&command);
        assert_eq!(ended.status, 0, "{}", ended.shown());
    }

    let place = place
        .with("ROLLCALL_API_KEY", "x")
        .with("ROLLCALL_DATABASE_URL_FILE", "nowhere");
    assert_ended!(place.run(&["profiles", "list"]), @r#"
    $ rollcall profiles list
    status: 2
    stderr:
    rollcall: ROLLCALL_API_KEY_FILE: ROLLCALL_API_KEY is set too; unset one of them
    "#);
    assert_ended!(place.run(&["check"]), @r#"
    $ rollcall check
    status: 2
    stderr:
    rollcall: ROLLCALL_DATABASE_URL_FILE: database_url: cannot read nowhere: No such file or directory (os error 2)
    "#);
    let place = place.with("ROLLCALL_DATABASE_URL", "postgres://127.0.0.1:1/x");
    let both = place.with("ROLLCALL_DATABASE_URL_FILE", text(&api));
    assert_ended!(both.run(&["check"]), @r#"
    $ rollcall check
    status: 2
    stderr:
    rollcall: ROLLCALL_DATABASE_URL_FILE: database_url: ROLLCALL_DATABASE_URL is set too; unset one of them
    "#);
}

#[test]
fn a_secret_key_may_end_with_a_line_break() {
    let key = "c2l4dGVlbiBieXRlcyBhcmUgbm90IDMyIGJ5dGVzISE=\n";
    let place = Place::embedded().with("ROLLCALL_SECRET_KEY", key);
    let ended = place.run(&["serve", "--print-config"]);
    assert_eq!(ended.status, 0, "{}", ended.shown());
}

#[test]
fn keys_of_the_environment_are_not_sent_where_a_settings_file_that_lies_there_says() {
    let place = Place::embedded();
    let stranger = Somebody::silent();
    let url = format!("http://127.0.0.1:{}", stranger.port);
    place.write(
        "rollcall.toml",
        format!("[client]\nurl = \"{url}\"\nbase_url = \"{url}\"\n"),
    );
    let place = place
        .with("ROLLCALL_API_KEY", "real")
        .with("ROLLCALL_OPERATOR_KEY", "real")
        .with("ROLLCALL_ADMIN_KEY", "real");
    for command in [
        &["profiles", "list"][..],
        &["orgs", "list"],
        &["webhooks", "listen"],
    ] {
        let ended = place.run(command);
        assert_eq!(ended.status, 2, "{}", ended.shown());
        assert!(ended.stderr.contains(&url), "{}", ended.shown());
        assert!(ended.stderr.contains("rollcall.toml"), "{}", ended.shown());
    }
    assert_ended!(place.run(&["orgs", "list"]), @r#"
    $ rollcall orgs list
    status: 2
    stderr:
    rollcall: the key in ROLLCALL_OPERATOR_KEY is not sent to http://127.0.0.1:[port], because only the rollcall.toml of this directory names it; name the server yourself, with --url http://127.0.0.1:[port], or give the file with --config where the command has it
    "#);
    assert_eq!(stranger.accepted(), 0);
    // Who names the server or the file, or gives the key together with the command, means it.
    for command in [
        &["orgs", "list", "--config", "rollcall.toml"][..],
        &["orgs", "list", "--url", &url],
        &["profiles", "list", "--base-url", &url],
        &["orgs", "list", "--operator-key", "other"],
    ] {
        let before = stranger.accepted();
        let ended = place.run(command);
        assert_ne!(ended.status, 0, "{}", ended.shown());
        assert!(stranger.accepted() > before, "{}", ended.shown());
    }
    // A key in a file is as much the environment's.
    let key = place.write("key", "secret");
    let place = Place::embedded().with("ROLLCALL_API_KEY_FILE", text(&key));
    place.write("rollcall.toml", format!("[client]\nurl = \"{url}\"\n"));
    let before = stranger.accepted();
    let ended = place.run(&["profiles", "list"]);
    assert_eq!((ended.status, stranger.accepted()), (2, before));
}

#[test]
fn a_proxy_is_not_asked_for_this_machine_and_is_named_where_it_fails() {
    let place = Place::embedded();
    let dev = place.dev(&["--in-memory"]);
    let proxy = Somebody::silent();
    let address = format!("http://user:hunter2@127.0.0.1:{}", proxy.port);
    let place = place
        .with("HTTP_PROXY", &address)
        .with("http_proxy", &address)
        .with("ALL_PROXY", &address);
    for host in ["127.0.0.1", "localhost"] {
        let url = dev.get("base_url").replace("127.0.0.1", host);
        let key = dev.get("api_key");
        let ended = place.run(&["profiles", "list", "--base-url", &url, "--api-key", key]);
        assert_eq!(ended.status, 0, "{}", ended.shown());
    }
    assert_eq!(proxy.accepted(), 0);
    // Nothing answers on that port.
    let dead = Place::embedded().with("HTTP_PROXY", "http://user:hunter2@127.0.0.1:1");
    let ended = dead.run(&[
        "orgs",
        "list",
        "--url",
        "http://a.invalid",
        "--operator-key",
        "k",
    ]);
    assert_eq!(ended.status, 2);
    let expected = "cannot reach http://a.invalid through the proxy http://127.0.0.1:1 (";
    assert!(ended.stderr.contains(expected), "{}", ended.shown());
    assert!(!ended.stderr.contains("hunter2"), "{}", ended.shown());
}

#[test]
fn authorities_of_ones_own_are_trusted_by_commands_and_deliveries() {
    let (pem, server) = certified();
    let base = Place::embedded();
    let ca_file = base.write("ca.pem", &pem);
    let ca_file = text(&ca_file);
    let url = format!("https://localhost:{}", server.port);
    let list = ["profiles", "list", "--base-url", &url, "--api-key", "k"];
    let distrusting = Place::embedded().run(&list);
    assert_eq!(distrusting.status, 2, "{}", distrusting.shown());
    let expected = "(invalid peer certificate: UnknownIssuer); if an authority of your own certified it, name the \
                    file of its certificate in ROLLCALL_CA_FILE";
    assert!(
        distrusting.stderr.contains(expected),
        "{}",
        distrusting.shown()
    );
    for variable in ["ROLLCALL_CA_FILE", "SSL_CERT_FILE"] {
        let place = Place::embedded().with(variable, ca_file);
        let ended = place.run(&list);
        assert_eq!(ended.status, 0, "{variable}: {}", ended.shown());

        let dev = place.dev(&["--in-memory"]);
        let webhook = json!({"url": format!("{url}/"), "enabled_events": ["user_profile.program_status_updated"]});
        let made = admin_call(&dev, &webhook);
        let id = made["id"].as_str().unwrap();
        dev.call(Call::post(
            format!("/operator/v1/webhook_endpoints/{id}/test"),
            &json!({}),
        ));
        let delivered = (0..600).any(|_| {
            let deliveries = dev.call(Call::get("/operator/v1/webhook_deliveries"));
            let delivery = &deliveries["data"][0];
            if delivery["attempts"]
                .as_array()
                .is_some_and(|it| !it.is_empty())
            {
                assert_eq!(delivery["status"], "delivered", "{variable}: {delivery}");
                return true;
            }
            std::thread::sleep(Duration::from_millis(50));
            false
        });
        assert!(delivered, "{variable}");
    }
    base.write("rollcall.toml", "ca_file = \"rollcall.toml\"");
    let wrong = base.run(&["serve"]);
    assert_eq!(wrong.status, 2);
    let expected = "rollcall.toml: ca_file: rollcall.toml must hold certificates of authorities";
    assert!(wrong.stderr.contains(expected), "{}", wrong.shown());
}

fn admin_call(dev: &crate::rollcall::Dev, webhook: &serde_json::Value) -> serde_json::Value {
    let key = dev.get("admin_key").to_owned().into();
    let client = rollcall::cli::client::Client::new(dev.get("base_url"), key).unwrap();
    let call = Call::post("/v1/organizations/webhooks", webhook)
        .header("anthropic-version", "2023-06-01")
        .header("anthropic-beta", "webhooks-2026-10-07");
    rollcall::cli::wait(client.call(call)).unwrap()
}

#[test]
fn a_table_on_a_terminal_without_a_width_has_one_line_a_row() {
    let place = Place::embedded();
    let dev = place.dev(&["--in-memory"]);
    let command = place.command(&[&["orgs", "list"], &dev.operator()[..]].concat());
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let words: Vec<_> = words
        .map(|it| format!("'{}'", it.to_str().unwrap()))
        .collect();
    let mut script = Command::new("script");
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => script.env(name, value),
            None => script.env_remove(name),
        };
    }
    let shown = script
        .args(["-qec", &words.join(" "), "/dev/null"])
        .stdin(std::process::Stdio::null())
        .output()
        .unwrap();
    let shown = String::from_utf8(shown.stdout).unwrap();
    let rows: Vec<&str> = shown
        .lines()
        .filter(|line| !line.trim().is_empty())
        .collect();
    assert_eq!(rows.len(), 2, "{shown}");
    assert!(rows[1].contains(dev.get("organization_id")), "{shown}");
}

/// Runs a command on a terminal that says that it has so many columns.
fn on_terminal(place: &Place, columns: usize, arguments: &[&str]) -> String {
    let (status, shown) = answered_on_terminal(place, columns, arguments, "");
    assert_eq!(status, Some(0), "{shown}");
    shown
}

/// The same, and types an answer: with which status it ended, and what was shown.
fn answered_on_terminal(
    place: &Place,
    columns: usize,
    arguments: &[&str],
    answer: &str,
) -> (Option<i32>, String) {
    let command = place.command(arguments);
    let mut words = vec![command.get_program().to_string_lossy().into_owned()];
    words.extend(
        command
            .get_args()
            .map(|word| word.to_string_lossy().into_owned()),
    );
    let quoted = words.iter().map(|word| format!("'{word}'"));
    let quoted = quoted.collect::<Vec<_>>().join(" ");
    let line = format!("stty cols {columns} rows 40; exec {quoted}");
    let mut script = std::process::Command::new("script");
    script.args(["--quiet", "--return", "--command", &line, "/dev/null"]);
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => script.env(name, value),
            None => script.env_remove(name),
        };
    }
    let mut running = script
        .current_dir(place.path(""))
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut typing = running.stdin.take().unwrap();
    // Whoever asks nothing may be over already.
    let _ = typing.write_all(answer.as_bytes());
    drop(typing);
    let output = running.wait_with_output().unwrap();
    let shown = String::from_utf8(output.stdout).unwrap().replace('\r', "");
    (output.status.code(), shown)
}

#[test]
fn what_cannot_be_taken_back_is_asked_on_a_terminal() {
    let place = Place::new();
    let organization = place.json(&["orgs", "create", "--name", "Acme"])["id"].clone();
    let organization = organization.as_str().unwrap();
    place.json(&["orgs", "update", organization, "--status", "on_hold"]);
    let key = ["keys", "create", "--kind", "api", "--name", "K"];
    let key = [&key[..], &["--organization-id", organization]].concat();
    let key = place.json(&key)["id"].clone();
    let key = key.as_str().unwrap();
    for (words, gone) in [
        (["keys", "delete", key], "deleted"),
        (["orgs", "remove", organization], "removed"),
    ] {
        let elsewhere = place.run(&words);
        assert_eq!(elsewhere.status, 2, "{}", elsewhere.shown());
        assert!(elsewhere.stderr.contains("--yes"), "{}", elsewhere.shown());
        let (status, shown) = answered_on_terminal(&place, 80, &words, "no\n");
        assert_eq!(status, Some(1), "{shown}");
        assert!(shown.contains(&format!("nothing was {gone}")), "{shown}");
        let answer = format!("{}\n", words[2]);
        let (status, shown) = answered_on_terminal(&place, 80, &words, &answer);
        assert_eq!(status, Some(0), "{shown}");
        assert!(shown.contains("Repeat its ID to confirm"), "{shown}");
        assert_eq!(place.run(&[&words[..], &["--yes"]].concat()).status, 1);
    }
}

#[test]
fn no_table_breaks_an_id_however_wide_the_terminal_is() {
    let place = Place::new();
    let organization = place.json(&["orgs", "create", "--name", "Acme and the others of Lisbon"]);
    let organization = organization["id"].as_str().unwrap();
    let of = ["--organization-id", organization];
    let make = |words: &[&str]| place.json(&[words, &of].concat());
    let workspace = make(&["workspaces", "create", "--name", "A long name with words"]);
    let workspace = workspace["id"].as_str().unwrap();
    let key = [
        "keys",
        "create",
        "--kind",
        "api",
        "--name",
        "A key of many words, to be cut",
    ];
    make(&[&key[..], &["--workspace-id", workspace]].concat());
    place.write(
        "one.ndjson",
        "{\"type\":\"user_profile\",\"id\":\"uprof_011CZkZCu8hGbp5mYRQgUmz9\"}\n",
    );
    make(&["import", "one.ndjson"]);
    let profile = "uprof_011CZkZCu8hGbp5mYRQgUmz9";
    let open = ["enforcement", "open", profile, "--type", "restriction"];
    place.json(&[&open[..], &["--reason", "fraud_or_abuse"]].concat());
    let lists: [&[&str]; 7] = [
        &["orgs", "list"],
        &["workspaces", "list", of[0], of[1]],
        &["keys", "list", of[0], of[1]],
        &["audit", "list"],
        &["enforcement", "list", profile],
        &["search"],
        &["enrollments", "list"],
    ];
    let is_id = |word: &&str| {
        let begins = ["uprof_", "apikey_", "wrkspc_", "enac_", "aud_"];
        begins.iter().any(|begin| word.starts_with(begin)) || word.matches('-').count() > 3
    };
    for list in lists {
        let all = place.run(&[list, &["--output", "json"]].concat()).stdout;
        for columns in [0, 60, 80, 120] {
            let shown = on_terminal(&place, columns, list);
            for id in shown.split_whitespace().filter(is_id) {
                assert!(
                    all.contains(&format!("\"{id}\"")),
                    "{columns}: {id}\n{shown}"
                );
            }
        }
        let wide = on_terminal(&place, 60, &[list, &["--wide"]].concat());
        assert!(!wide.contains("too narrow"), "{wide}");
    }
}

#[test]
fn tables_fit_their_terminal_and_break_no_id() {
    let place = Place::new();
    let made = place.json(&["orgs", "create", "--name", "Acme"]);
    let organization = made["id"].as_str().unwrap();
    let name = "A name that goes on and on, longer than any column has room for, and then some";
    let line = format!(
        "{{\"type\":\"user_profile\",\"id\":\"uprof_011CZkZCu8hGbp5mYRQgUmz9\",\"name\":\"{name}\",\"external_user_details\":{{\"reference_id\":\"customer-0000000000000001\"}}}}\n"
    );
    place.write("one.ndjson", line);
    place.json(&["import", "one.ndjson", "--organization-id", organization]);
    let search = ["search", "--organization-id", organization];
    for columns in [60, 80, 120] {
        let shown = on_terminal(&place, columns, &search);
        assert!(
            shown.contains("uprof_011CZkZCu8hGbp5mYRQgUmz9"),
            "{columns}: {shown}"
        );
        let told = "not shown, the terminal is too narrow: ";
        let (table, left_out) = shown.split_once(told).unwrap_or((&shown, ""));
        let widest = table.lines().map(|line| line.chars().count()).max();
        assert!(widest <= Some(columns), "{columns}: {widest:?}\n{shown}");
        assert!(
            columns == 120 || left_out.contains("--wide"),
            "{columns}: {shown}"
        );
        assert!(!shown.contains("customer-") || shown.contains("customer-0000000000000001"));
    }
    let wide = [&search[..], &["--wide"]].concat();
    for shown in [
        on_terminal(&place, 60, &wide),
        on_terminal(&place, 0, &search),
    ] {
        assert!(
            shown.contains(name) && shown.contains("customer-0000000000000001"),
            "{shown}"
        );
    }
    let chosen = [&search[..], &["--columns", "name,id"]].concat();
    let shown = on_terminal(&place, 60, &chosen);
    let words: Vec<_> = shown.lines().next().unwrap().split_whitespace().collect();
    assert_eq!(words, ["NAME", "ID"]);
    assert!(shown.contains(name), "{shown}");
    let unknown = place.run(&[&search[..], &["--columns", "colour", "--output", "table"]].concat());
    assert_eq!(unknown.status, 2);
    assert!(
        unknown
            .stderr
            .contains("there is no column \"colour\"; there are: ID"),
        "{}",
        unknown.shown()
    );
}

#[test]
fn settings_are_printed_for_programs_too() {
    let place = Place::embedded().with(
        "ROLLCALL_SECRET_KEY",
        "c2l4dGVlbiBieXRlcyBhcmUgbm90IDMyIGJ5dGVzISE=",
    );
    let printed = place.json(&[
        "serve",
        "--print-config",
        "--output",
        "json",
        "--listen",
        "127.0.0.1:1",
    ]);
    let rows = printed["data"].as_array().unwrap();
    let setting = |name: &str| rows.iter().find(|row| row["setting"] == name).unwrap();
    let listen =
        serde_json::json!({"setting": "listen", "value": "127.0.0.1:1", "from": "--listen"});
    assert_eq!(setting("listen"), &listen);
    assert_eq!(setting("secret_key")["value"], "(hidden)");
    assert!(
        place
            .run(&["serve", "--output", "json"])
            .stderr
            .contains("--print-config")
    );
}
