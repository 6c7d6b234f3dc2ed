//! Deliveries, from a decision to a receiver that may misbehave: the contract's *Signing* and
//! *Delivery*, and the operator's view of it.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rollcall::webhooks::fence::{Fence, Lookup};
use rollcall_domain::delivery::{RetrySchedule, WaitRange};
use rollcall_domain::tenant::OperatorProof;
use rollcall_wire::webhooks::UrlPolicy;
use serde_json::Value;
use standardwebhooks::Webhook;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, UdpSocket};
use tokio::sync::Semaphore;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

use crate::client::Client;
use crate::receiver::{Behaviour, Received, Receiver};
use crate::server::{ORGANIZATION, OTHER_ORGANIZATION, Options, PROFILE, TestServer};
use crate::storage::Place;

const WEBHOOKS: &str = "/v1/organizations/webhooks";
const DELIVERIES: &str = "/operator/v1/webhook_deliveries";
const ENDPOINTS: &str = "/operator/v1/webhook_endpoints";

/// A server that may deliver to this machine, and gives up on a receiver soon.
fn loopback(options: &mut Options) {
    let webhooks = &mut options.settings.webhooks;
    webhooks.fence = Fence::PublicAnd(vec!["127.0.0.1/32".parse().unwrap()]);
    webhooks.endpoints.urls = UrlPolicy::DEVELOPMENT;
    webhooks.attempt_timeout = Duration::from_millis(500);
}

pub(crate) async fn start() -> TestServer {
    TestServer::with(loopback).await
}

pub(crate) fn administrator(server: &TestServer) -> Client {
    server
        .administrator()
        .with("anthropic-beta", "webhooks-2026-10-07")
}

/// An endpoint that is told everything.
pub(crate) async fn subscribe(server: &TestServer, url: &str) -> Value {
    let body = format!(
        r#"{{"url":"{url}","enabled_events":["user_profile.enforcement_action_opened","user_profile.enforcement_action_resolved","user_profile.program_status_updated"]}}"#
    );
    administrator(server).post(WEBHOOKS, &body).await.ok()
}

pub(crate) fn id(object: &Value) -> &str {
    object["id"].as_str().unwrap()
}

/// Opens an enforcement action, which is one event.
pub(crate) async fn decide(server: &TestServer) -> String {
    let path = format!("/operator/v1/user_profiles/{PROFILE}/enforcement_actions");
    let body = r#"{"type":"restriction","reason":"high_harm"}"#;
    server.operator().post(&path, body).await.string("id")
}

pub(crate) async fn advance(server: &TestServer, seconds: u64) {
    let body = format!(r#"{{"advance":"{seconds}s"}}"#);
    server
        .operator()
        .post("/operator/v1/dev/clock", &body)
        .await
        .ok();
}

/// All deliveries, oldest first.
pub(crate) async fn deliveries(server: &TestServer) -> Vec<Value> {
    let page = server
        .operator()
        .get(&format!("{DELIVERIES}?limit=100"))
        .await
        .ok();
    let mut found = page["data"].as_array().unwrap().clone();
    found.reverse();
    found
}

/// Everything about deliveries, once it is as `wanted` says.
async fn settled(server: &TestServer, wanted: impl Fn(&[Value]) -> bool) -> Vec<Value> {
    for _ in 0..1_000 {
        let found = deliveries(server).await;
        if wanted(&found) {
            return found;
        }
        // The worker is another task: there is nothing to wait for but its work.
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{:#?}", deliveries(server).await);
}

pub(crate) async fn ended(server: &TestServer) -> Vec<Value> {
    settled(server, |found| {
        !found.is_empty() && found.iter().all(|it| it["status"] != "pending")
    })
    .await
}

/// The only delivery, once so many attempts at it are recorded.
async fn attempted(server: &TestServer, attempts: usize) -> Value {
    let recorded = |it: &Value| it["attempts"].as_array().unwrap().len() == attempts;
    settled(server, |found| {
        found.len() == 1
            && recorded(&found[0])
            && (found[0]["status"] != "pending" || !found[0]["next_attempt_at"].is_null())
    })
    .await
    .remove(0)
}

async fn endpoint(server: &TestServer, made: &Value) -> Value {
    let path = format!("{WEBHOOKS}/{}", id(made));
    administrator(server).get(&path).await.ok()
}

/// Verifies with the crate of the standard's authors. It compares timestamps with the machine's clock,
/// which a server under test does not follow, so what is verified is the signature alone.
fn verifies(secret: &str, received: &Received) -> bool {
    let webhook = Webhook::new(secret).unwrap();
    let timestamp = received.header("webhook-timestamp").parse().unwrap();
    let id = received.header("webhook-id");
    let expected = webhook.sign(id, timestamp, received.body.as_bytes());
    expected.unwrap() == received.header("webhook-signature")
}

#[tokio::test]
async fn a_decision_arrives_signed() {
    let server = start().await;
    let receiver = Receiver::start(Behaviour::Status(204)).await;
    let made = subscribe(&server, &receiver.url()).await;
    let action = decide(&server).await;
    let arrived = receiver.wait_for(1).await.remove(0);
    assert!(
        arrived.head.starts_with("POST /hooks HTTP/1.1"),
        "{}",
        arrived.head
    );
    assert_eq!(arrived.header("content-type"), "application/json");
    let agent = arrived.header("user-agent");
    assert_eq!(
        agent,
        concat!("Rollcall-Webhooks/", env!("CARGO_PKG_VERSION"))
    );
    let body: Value = serde_json::from_str(&arrived.body).unwrap();
    assert_eq!(body["id"], arrived.header("webhook-id"));
    assert_eq!(body["data"]["enforcement_action_id"], action);
    assert_eq!(body["data"]["id"], PROFILE);

    let secret = made["signing_secret"].as_str().unwrap();
    assert!(verifies(secret, &arrived));
    let mut tampered = arrived.clone();
    tampered.body = tampered.body.replace("opened", "closed");
    assert!(!verifies(secret, &tampered));
    assert_eq!(
        arrived.header("webhook-signature").matches("v1,").count(),
        1
    );

    let delivery = ended(&server).await.remove(0);
    assert_eq!(delivery["status"], "delivered");
    assert_eq!(delivery["attempts"][0]["status_code"], 204);
    assert_eq!(
        delivery["event_type"],
        "user_profile.enforcement_action_opened"
    );
    let path = format!("{DELIVERIES}/{}", id(&delivery));
    let shown = server.operator().get(&path).await.ok();
    assert_eq!(shown["request"]["body"], arrived.body);
    for name in [
        "webhook-id",
        "webhook-timestamp",
        "content-type",
        "user-agent",
    ] {
        assert_eq!(
            shown["request"]["headers"][name],
            arrived.header(name),
            "{name}"
        );
    }
    let metrics = server.stranger().get("/metrics").await;
    let metrics = metrics.text();
    for line in [
        r#"rollcall_webhook_attempt_duration_seconds_count{outcome="succeeded"} 1"#,
        "rollcall_webhook_delivery_lag_seconds_count 1",
        "rollcall_webhook_deliveries_pending 0",
    ] {
        assert!(metrics.contains(line), "{line} is not in\n{metrics}");
    }
    assert!(!metrics.contains(&receiver.url()));
}

#[tokio::test]
async fn the_standards_own_library_takes_what_arrives_now_and_nothing_else() {
    let server = start().await;
    // The machine's time, which the library compares with.
    server
        .operator()
        .post("/operator/v1/dev/clock", r#"{"real":true}"#)
        .await
        .ok();
    let receiver = Receiver::start(Behaviour::Status(200)).await;
    let made = subscribe(&server, &receiver.url()).await;
    decide(&server).await;
    let arrived = receiver.wait_for(1).await.remove(0);
    let webhook = Webhook::new(made["signing_secret"].as_str().unwrap()).unwrap();
    let mut headers = http::HeaderMap::new();
    for name in ["webhook-id", "webhook-timestamp", "webhook-signature"] {
        headers.insert(name, arrived.header(name).parse().unwrap());
    }
    webhook.verify(arrived.body.as_bytes(), &headers).unwrap();
    let tampered = arrived.body.replace("opened", "closed");
    assert!(webhook.verify(tampered.as_bytes(), &headers).is_err());
    let other = Webhook::new("whsec_AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA=").unwrap();
    assert!(other.verify(arrived.body.as_bytes(), &headers).is_err());
}

#[tokio::test]
async fn a_failure_is_tried_three_times_each_signed_afresh() {
    let server = start().await;
    let receiver = Receiver::start(Behaviour::Status(500)).await;
    let made = subscribe(&server, &receiver.url()).await;
    decide(&server).await;
    let first = attempted(&server, 1).await;
    assert_eq!(first["status"], "pending");
    advance(&server, 4).await;
    assert_eq!(receiver.received().len(), 1, "five seconds at the least");
    advance(&server, 11).await;
    attempted(&server, 2).await;
    advance(&server, 29).await;
    assert_eq!(receiver.received().len(), 2, "thirty seconds at the least");
    advance(&server, 91).await;
    let last = attempted(&server, 3).await;
    assert_eq!(
        (&last["status"], &last["next_attempt_at"]),
        (&"failed".into(), &Value::Null)
    );

    let arrived = receiver.received();
    let ids: Vec<_> = arrived.iter().map(|it| it.header("webhook-id")).collect();
    assert!(ids.iter().all(|it| *it == ids[0]));
    let times: Vec<_> = arrived
        .iter()
        .map(|it| it.header("webhook-timestamp"))
        .collect();
    assert!(times[0] < times[1] && times[1] < times[2], "{times:?}");
    let secret = made["signing_secret"].as_str().unwrap();
    assert!(arrived.iter().all(|it| verifies(secret, it)));
    assert!(arrived.iter().all(|it| it.body == arrived[0].body));
}

#[tokio::test]
async fn whatever_is_no_2xx_in_time_fails_and_what_is_succeeds() {
    let no_answer = "no answer within 0.5 seconds";
    for (behaviour, status, code, error) in [
        (Behaviour::Status(299), "delivered", Some(299), ""),
        (Behaviour::Status(410), "pending", Some(410), ""),
        (Behaviour::Status(500), "pending", Some(500), ""),
        (Behaviour::EndlessBody, "delivered", Some(200), ""),
        (Behaviour::StalledBody, "delivered", Some(200), ""),
        (Behaviour::Silent, "pending", None, no_answer),
        (Behaviour::HangUp, "pending", None, "broke off: "),
        (
            Behaviour::Bytes(b"SSH-2.0-nonsense\r\n"),
            "pending",
            None,
            "broke off: ",
        ),
    ] {
        let server = start().await;
        let receiver = Receiver::start(behaviour.clone()).await;
        subscribe(&server, &receiver.url()).await;
        decide(&server).await;
        let delivery = attempted(&server, 1).await;
        assert_eq!(delivery["status"], status, "{behaviour:?}: {delivery}");
        let attempt = &delivery["attempts"][0];
        assert_eq!(
            attempt["status_code"].as_u64(),
            code,
            "{behaviour:?}: {delivery}"
        );
        let found = attempt["error"].as_str().unwrap_or_default();
        assert!(found.starts_with(error), "{behaviour:?}: {delivery}");
        assert!(
            attempt["latency_ms"].as_u64().unwrap() < 2_000,
            "{delivery}"
        );
    }
}

#[tokio::test]
async fn an_endless_body_is_given_up_soon() {
    let server = TestServer::with(|options| {
        loopback(options);
        options.settings.webhooks.attempt_timeout = Duration::from_mins(1);
    })
    .await;
    let receiver = Receiver::start(Behaviour::EndlessBody).await;
    subscribe(&server, &receiver.url()).await;
    decide(&server).await;
    let delivery = attempted(&server, 1).await;
    assert_eq!(delivery["status"], "delivered");
    // What is read is 64 KiB; what the kernel's buffers hold beside it is some megabytes.
    assert!(receiver.written() < 32 << 20, "{}", receiver.written());
}

#[tokio::test]
async fn receivers_that_cannot_be_reached_fail() {
    let no_tls = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = no_tls.local_addr().unwrap().port();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = no_tls.accept().await.unwrap();
            stream.write_all(b"HTTP/1.1 400 X\r\n\r\n").await.unwrap();
        }
    });
    for url in [
        "http://127.0.0.1:1/".to_owned(),
        format!("https://127.0.0.1:{port}/"),
        "http://name.invalid/".to_owned(),
    ] {
        let server = start().await;
        subscribe(&server, &url).await;
        decide(&server).await;
        let delivery = attempted(&server, 1).await;
        let found = delivery["attempts"][0]["error"].as_str().unwrap();
        assert!(found.starts_with("could not connect: "), "{url}: {found}");
        assert_eq!(delivery["status"], "pending");
    }
}

/// Looks up every name as this machine.
#[derive(Debug)]
struct Here;

#[async_trait::async_trait]
impl Lookup for Here {
    async fn lookup(&self, _name: &str) -> std::io::Result<Vec<IpAddr>> {
        Ok(vec![PUBLIC.into()])
    }
}

/// A certificate for `name`, by `authority` or by itself.
fn certificate(
    name: &str,
    authority: Option<&Issuer<'_, KeyPair>>,
    years: std::ops::Range<i32>,
) -> ServerConfig {
    let key = KeyPair::generate().unwrap();
    let mut wanted = CertificateParams::new(vec![name.to_owned()]).unwrap();
    wanted.not_before = rcgen::date_time_ymd(years.start, 1, 1);
    wanted.not_after = rcgen::date_time_ymd(years.end, 1, 1);
    let made = match authority {
        Some(authority) => wanted.signed_by(&key, authority),
        None => wanted.self_signed(&key),
    };
    let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
    let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.unwrap().into()], key)
        .unwrap()
}

#[tokio::test]
async fn a_certificate_must_be_valid_for_the_name_and_by_somebody_known() {
    let mut authority = CertificateParams::default();
    let named = &mut authority.distinguished_name;
    named.push(DnType::CommonName, "Authority of the tests");
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let root = authority.self_signed(&key).unwrap();
    let authority = Issuer::new(authority, key);
    let name = "receiver.example";
    for (certificate, error) in [
        (certificate(name, Some(&authority), 2020..2100), None),
        (certificate(name, None, 2020..2100), Some("UnknownIssuer")),
        (
            certificate("other.example", Some(&authority), 2020..2100),
            Some("not valid for name"),
        ),
        (
            certificate(name, Some(&authority), 2019..2020),
            Some("expired"),
        ),
    ] {
        let receiver = Receiver::start_with_tls(Behaviour::Status(200), certificate).await;
        let server = TestServer::with(|options| {
            loopback(options);
            options.settings.webhooks.lookup = Arc::new(Here);
            options
                .settings
                .webhooks
                .roots
                .add(root.der().clone())
                .unwrap();
            options.settings.webhooks.attempt_timeout = Duration::from_secs(10);
        })
        .await;
        let url = format!("https://{name}:{}/", receiver.address.port());
        let made = subscribe(&server, &url).await;
        decide(&server).await;
        let delivery = attempted(&server, 1).await;
        let found = delivery["attempts"][0]["error"].as_str();
        match error {
            None => assert_eq!(delivery["status"], "delivered", "{delivery}"),
            Some(error) => {
                let found = found.unwrap();
                assert!(found.starts_with("could not connect: "), "{found}");
                assert!(found.contains(error), "{found}");
                // It may be mended: another attempt follows.
                assert_eq!(delivery["status"], "pending");
                assert_eq!(endpoint(&server, &made).await["state"], "enabled");
            }
        }
        assert_eq!(receiver.received().len(), usize::from(error.is_none()));
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed_and_disables_at_once() {
    let server = start().await;
    let target = Receiver::start(Behaviour::Status(200)).await;
    let receiver = Receiver::start(Behaviour::Redirect(target.url())).await;
    let made = subscribe(&server, &receiver.url()).await;
    decide(&server).await;
    let delivery = ended(&server).await.remove(0);
    assert_eq!(delivery["status"], "failed");
    assert_eq!(delivery["attempts"][0]["status_code"], 302);
    assert_eq!(target.connections(), 0);
    let shown = endpoint(&server, &made).await;
    assert_eq!(shown["state"], "disabled");
    assert_eq!(
        shown["disabled_reason"],
        "auto-disabled: endpoint URL returned a redirect (3xx)"
    );
    decide(&server).await;
    assert_eq!(
        deliveries(&server).await.len(),
        1,
        "it is told nothing more"
    );
    // The owner's own disabling keeps the reason; enabling clears it.
    let path = format!("{WEBHOOKS}/{}", id(&made));
    let admin = administrator(&server);
    let kept = admin.post(&path, r#"{"state":"disabled"}"#).await.ok();
    assert_eq!(kept, shown);
    let enabled = admin.post(&path, r#"{"state":"enabled"}"#).await.ok();
    assert_eq!(enabled["disabled_reason"], "");
}

#[tokio::test]
async fn an_address_that_is_not_public_is_not_connected_to() {
    let server = TestServer::with(|options| {
        loopback(options);
        options.settings.webhooks.fence = Fence::default();
    })
    .await;
    let receiver = Receiver::start(Behaviour::Status(200)).await;
    for url in [
        receiver.url(),
        format!("http://localhost:{}/", receiver.address.port()),
        format!("http://[::ffff:127.0.0.1]:{}/", receiver.address.port()),
    ] {
        let made = subscribe(&server, &url).await;
        let test = format!("/operator/v1/webhook_endpoints/{}/test", id(&made));
        server.operator().post(&test, "").await.ok();
        let found = ended(&server).await;
        let delivery = found.last().unwrap();
        assert_eq!(delivery["status"], "failed", "{url}");
        let error = delivery["attempts"][0]["error"].as_str().unwrap();
        assert!(error.contains("webhooks.allow_networks"), "{error}");
        assert_eq!(
            endpoint(&server, &made).await["disabled_reason"],
            "auto-disabled: endpoint URL resolved to an invalid address"
        );
    }
    assert_eq!(receiver.connections(), 0);
}

/// A DNS server that answers each question with the next of its answers, and the last ever after.
async fn dns(answers: Vec<Vec<Ipv4Addr>>) -> SocketAddr {
    let socket = UdpSocket::bind(("127.0.0.1", 0)).await.unwrap();
    let address = socket.local_addr().unwrap();
    tokio::spawn(async move {
        let mut answers = answers.into_iter().peekable();
        let mut buffer = [0; 512];
        loop {
            let (length, asker) = socket.recv_from(&mut buffer).await.unwrap();
            let addresses = answers.peek().unwrap().clone();
            if answers.len() > 1 {
                answers.next();
            }
            let question = &buffer[12..length];
            let mut reply = buffer[..2].to_vec();
            let count = u8::try_from(addresses.len()).unwrap();
            reply.extend([0x81, 0x80, 0, 1, 0, count, 0, 0, 0, 0]);
            reply.extend(question);
            for address in addresses {
                // A pointer to the name, type A, class IN, no time to live, four bytes.
                reply.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4]);
                reply.extend(address.octets());
            }
            socket.send_to(&reply, asker).await.unwrap();
        }
    });
    address
}

/// Looks names up at one DNS server, without a cache.
#[derive(Debug)]
struct AsksDns(SocketAddr);

#[async_trait::async_trait]
impl Lookup for AsksDns {
    async fn lookup(&self, name: &str) -> std::io::Result<Vec<IpAddr>> {
        let socket = UdpSocket::bind(("127.0.0.1", 0)).await?;
        let mut question = vec![7, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        for label in name.split('.') {
            question.push(u8::try_from(label.len()).unwrap());
            question.extend(label.as_bytes());
        }
        question.extend([0, 0, 1, 0, 1]);
        socket.send_to(&question, self.0).await?;
        let mut reply = [0; 512];
        let length = socket.recv(&mut reply).await?;
        let records = reply[question.len()..length].chunks_exact(16);
        Ok(records
            .map(|record| Ipv4Addr::new(record[12], record[13], record[14], record[15]).into())
            .collect())
    }
}

/// Stands for a public address in the tests: the one that the fence lets through.
const PUBLIC: Ipv4Addr = Ipv4Addr::LOCALHOST;
/// And this one for a private one, with a receiver that must not hear anything.
const PRIVATE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

#[tokio::test]
async fn an_answer_of_dns_that_changes_does_not_get_through() {
    // One socket serves one connection, so that every attempt is a connection of its own.
    let public = Receiver::start_on(
        PUBLIC,
        0,
        Behaviour::Bytes(b"HTTP/1.1 200 X\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"),
    )
    .await;
    let private = Receiver::start_on(PRIVATE, public.address.port(), Behaviour::Status(200)).await;
    let resolver = dns(vec![vec![PUBLIC], vec![PRIVATE]]).await;
    let server = TestServer::with(|options| {
        loopback(options);
        options.settings.webhooks.lookup = Arc::new(AsksDns(resolver));
    })
    .await;
    let url = format!("http://receiver.example:{}/", public.address.port());
    let made = subscribe(&server, &url).await;
    decide(&server).await;
    public.wait_for(1).await;
    assert_eq!(ended(&server).await[0]["status"], "delivered");
    server.clock.advance(Duration::from_secs(1));
    decide(&server).await;
    let found = ended(&server).await;
    assert_eq!(found[1]["status"], "failed", "{found:#?}");
    assert_eq!((public.connections(), private.connections()), (1, 0));
    assert_eq!(
        endpoint(&server, &made).await["disabled_reason"],
        "auto-disabled: endpoint URL resolved to an invalid address"
    );

    // One bad address among good ones spoils them all.
    let resolver = dns(vec![vec![PUBLIC, PRIVATE]]).await;
    let server = TestServer::with(|options| {
        loopback(options);
        options.settings.webhooks.lookup = Arc::new(AsksDns(resolver));
    })
    .await;
    subscribe(&server, &url).await;
    decide(&server).await;
    assert_eq!(ended(&server).await[0]["status"], "failed");
    assert_eq!((public.connections(), private.connections()), (1, 0));
}

#[tokio::test]
async fn a_slow_endpoint_delays_nobody_and_gets_ten_at_a_time() {
    let server = TestServer::with(|options| {
        loopback(options);
        options.settings.webhooks.attempt_timeout = Duration::from_mins(1);
    })
    .await;
    let permits = Arc::new(Semaphore::new(0));
    let slow = Receiver::start(Behaviour::Held(Arc::clone(&permits))).await;
    let quick = Receiver::start(Behaviour::Status(200)).await;
    subscribe(&server, &slow.url()).await;
    subscribe(&server, &quick.url()).await;
    for _ in 0..13 {
        // A profile holds few open actions at a time.
        let action = decide(&server).await;
        let path = format!("/operator/v1/enforcement_actions/{action}/resolve");
        server.operator().post(&path, "").await.ok();
    }
    quick.wait_for(26).await;
    assert_eq!(slow.wait_for(10).await.len(), 10);
    permits.add_permits(26);
    assert_eq!(slow.wait_for(26).await.len(), 26);
    assert_eq!(slow.most_open(), 10);
    let ended = ended(&server).await;
    assert_eq!(ended.len(), 52);
    assert!(ended.iter().all(|it| it["status"] == "delivered"));
    assert_eq!(quick.received().len(), 26);
}

#[tokio::test]
async fn first_attempts_start_in_order() {
    let server = start().await;
    let receiver = Receiver::start(Behaviour::Status(200)).await;
    subscribe(&server, &receiver.url()).await;
    let mut expected = Vec::new();
    for number in 1..=5 {
        server.clock.advance(Duration::from_millis(1));
        expected.push(decide(&server).await);
        receiver.wait_for(number).await;
    }
    let arrived = receiver.received();
    let told: Vec<_> = arrived
        .iter()
        .map(|it| {
            let body: Value = serde_json::from_str(&it.body).unwrap();
            body["data"]["enforcement_action_id"]
                .as_str()
                .unwrap()
                .to_owned()
        })
        .collect();
    assert_eq!(told, expected);
}

#[tokio::test]
async fn attempts_of_a_burst_begin_in_order() {
    let server = start().await;
    let operator = server.operator();
    operator
        .post("/operator/v1/dev/clock", r#"{"real":true}"#)
        .await
        .ok();
    let receiver = Receiver::start(Behaviour::Status(200)).await;
    subscribe(&server, &receiver.url()).await;
    for _ in 0..30 {
        let action = decide(&server).await;
        let path = format!("/operator/v1/enforcement_actions/{action}/resolve");
        operator.post(&path, "").await.ok();
    }
    receiver.wait_for(60).await;
    let ended = ended(&server).await;
    assert_eq!(ended.len(), 60);
    let times = ended.iter().map(|it| {
        let at = it["attempts"][0]["at"].as_str().unwrap();
        rollcall_record::time::parse(at).unwrap()
    });
    assert!(times.is_sorted());
}

#[tokio::test]
async fn as_many_attempts_are_made_as_the_operator_wants() {
    let server = TestServer::with(|options| {
        loopback(options);
        let wait = |hours| WaitRange {
            least: Duration::from_hours(hours),
            most: Duration::from_hours(hours),
        };
        options.settings.webhooks.schedule = RetrySchedule {
            attempts: NonZeroU32::new(5).unwrap(),
            first_wait: wait(1),
            later_wait: wait(24),
        };
        options.settings.webhooks.disable_after = Duration::from_hours(1_000);
    })
    .await;
    let receiver = Receiver::start(Behaviour::Status(500)).await;
    subscribe(&server, &receiver.url()).await;
    decide(&server).await;
    attempted(&server, 1).await;
    for attempts in 2..=5 {
        let hours = if attempts == 2 { 1 } else { 24 };
        advance(&server, hours * 3_600 - 1).await;
        let waiting = attempted(&server, attempts - 1).await;
        assert_eq!(waiting["status"], "pending");
        advance(&server, 1).await;
        attempted(&server, attempts).await;
    }
    assert_eq!(ended(&server).await[0]["status"], "failed");
    assert_eq!(receiver.received().len(), 5);
}

#[tokio::test]
async fn a_clock_that_jumps_either_way_stops_nothing() {
    let server = start().await;
    let clock = async |body: &str| {
        let operator = server.operator();
        operator.post("/operator/v1/dev/clock", body).await.ok();
    };
    let receiver = Receiver::start(Behaviour::Status(500)).await;
    let made = subscribe(&server, &receiver.url()).await;
    decide(&server).await;
    attempted(&server, 1).await;
    // Back by years: what was to wait seconds does not wait for the years to pass again.
    clock(r#"{"now":"2020-01-01T00:00:00Z"}"#).await;
    let second = attempted(&server, 2).await;
    assert_eq!(second["attempts"][1]["at"], "2020-01-01T00:00:00Z");
    // New events flow, in both directions of the clock, each signed with the time it then is.
    let quick = Receiver::start(Behaviour::Status(200)).await;
    let told = subscribe(&server, &quick.url()).await;
    decide(&server).await;
    quick.wait_for(1).await;
    clock(r#"{"now":"2040-01-01T00:00:00Z"}"#).await;
    decide(&server).await;
    let arrived = quick.wait_for(2).await;
    for (arrived, seconds) in arrived.iter().zip(["1577836800", "2208988800"]) {
        assert_eq!(arrived.header("webhook-timestamp"), seconds);
        let secret = told["signing_secret"].as_str().unwrap();
        assert!(verifies(secret, arrived));
    }
    // Twenty years without a success, but not three deliveries lost.
    let lost = |it: &&Value| it["status"] == "failed";
    let settled = settled(&server, |found| found.iter().any(|it| lost(&it))).await;
    let lost = settled.iter().find(lost).unwrap();
    assert_eq!(lost["attempts"].as_array().unwrap().len(), 3);
    assert_eq!(endpoint(&server, &made).await["state"], "enabled");
}

#[tokio::test]
async fn a_new_url_and_a_new_secret_hold_for_the_next_attempt() {
    let server = start().await;
    let old = Receiver::start(Behaviour::Status(500)).await;
    let new = Receiver::start(Behaviour::Status(200)).await;
    let made = subscribe(&server, &old.url()).await;
    decide(&server).await;
    attempted(&server, 1).await;
    let admin = administrator(&server);
    let path = format!("{WEBHOOKS}/{}", id(&made));
    let body = format!(
        r#"{{"url":"{}","enabled_events":["external_key.failed"]}}"#,
        new.url()
    );
    admin.post(&path, &body).await.ok();
    let regenerate = format!("{path}/regenerate_signing_secret");
    let secret = admin.post(&regenerate, "{}").await.string("signing_secret");
    advance(&server, 15).await;
    let arrived = new.wait_for(1).await.remove(0);
    assert!(verifies(&secret, &arrived));
    assert!(!verifies(
        made["signing_secret"].as_str().unwrap(),
        &arrived
    ));
    assert_eq!(ended(&server).await[0]["status"], "delivered");
}

#[tokio::test]
async fn disabling_and_deleting_cancel_the_rest() {
    for deletes in [false, true] {
        let server = start().await;
        let receiver = Receiver::start(Behaviour::After(Duration::from_millis(300), 500)).await;
        let made = subscribe(&server, &receiver.url()).await;
        decide(&server).await;
        // While the attempt is under way.
        receiver.wait_for(1).await;
        let path = format!("{WEBHOOKS}/{}", id(&made));
        let admin = administrator(&server);
        if deletes {
            admin.delete(&path).await.ok();
        } else {
            admin.post(&path, r#"{"state":"disabled"}"#).await.ok();
        }
        let canceled = attempted(&server, 1).await;
        assert_eq!(canceled["status"], "canceled", "{canceled}");
        advance(&server, 600).await;
        decide(&server).await;
        assert_eq!(deliveries(&server).await.len(), 1);
        assert_eq!(receiver.received().len(), 1);
        let redeliver = format!("{DELIVERIES}/{}/redeliver", id(&canceled));
        let expected = if deletes {
            "409 conflict_error: The webhook endpoint was deleted"
        } else {
            "409 conflict_error: The webhook endpoint is disabled"
        };
        assert_eq!(
            server.operator().post(&redeliver, "").await.error(),
            expected
        );
    }
}

#[tokio::test]
async fn a_day_of_failures_disables() {
    let server = start().await;
    let receiver = Receiver::start(Behaviour::Status(503)).await;
    let made = subscribe(&server, &receiver.url()).await;
    for round in 1..=4 {
        decide(&server).await;
        for attempts in 1..=3 {
            settled(&server, |found| {
                let last = found.last().unwrap();
                found.len() == round
                    && (last["attempts"].as_array().unwrap().len() == attempts
                        || last["status"] != "pending")
                    && (last["status"] != "pending" || !last["next_attempt_at"].is_null())
            })
            .await;
            advance(&server, 120).await;
        }
        let state = endpoint(&server, &made).await["state"].clone();
        assert_eq!(state == "disabled", round == 4, "round {round}");
        advance(&server, 8 * 3_600).await;
    }
    let shown = endpoint(&server, &made).await;
    assert_eq!(
        shown["disabled_reason"],
        "auto-disabled after sustained delivery failures"
    );
    let trail = server
        .operator()
        .get("/operator/v1/audit_events?action=webhook_endpoint.auto_disabled")
        .await
        .ok();
    assert_eq!(trail["data"][0]["actor"]["kind"], "system");
    assert_eq!(trail["data"][0]["target"]["id"], made["id"]);
}

#[tokio::test]
async fn the_operator_looks_tests_and_tells_again() {
    let server = start().await;
    let receiver = Receiver::start(Behaviour::Status(200)).await;
    let made = subscribe(&server, &receiver.url()).await;
    let operator = server.operator();
    let test = format!("/operator/v1/webhook_endpoints/{}/test", id(&made));
    let begun = operator.post(&test, "").await.ok();
    assert_eq!(begun["type"], "webhook_delivery");
    assert_eq!(begun["event_type"], "webhook_endpoint.test");
    let arrived = receiver.wait_for(1).await.remove(0);
    assert!(verifies(made["signing_secret"].as_str().unwrap(), &arrived));
    let delivered = ended(&server).await.remove(0);
    let path = format!("{DELIVERIES}/{}", id(&delivered));
    let again = operator.post(&format!("{path}/redeliver"), "").await.ok();
    assert_eq!(again["status"], "pending");
    let arrived = receiver.wait_for(2).await;
    assert_eq!(
        arrived[0].header("webhook-id"),
        arrived[1].header("webhook-id")
    );
    let twice = attempted(&server, 2).await;
    assert_eq!(twice["status"], "delivered");

    let list = |query: String| {
        let operator = operator.clone();
        async move {
            let page = operator.get(&format!("{DELIVERIES}?{query}")).await.ok();
            page["data"].as_array().unwrap().len()
        }
    };
    assert_eq!(list(format!("endpoint_id={}", id(&made))).await, 1);
    assert_eq!(list("endpoint_id=whep_other".into()).await, 0);
    assert_eq!(list("status=delivered".into()).await, 1);
    assert_eq!(list("status=failed".into()).await, 0);
    let missing = "404 not_found_error: The requested webhook delivery was not found.";
    assert_eq!(
        operator.get(&format!("{DELIVERIES}/whd_x")).await.error(),
        missing
    );
    let missing = "404 not_found_error: The requested webhook endpoint was not found.";
    let unknown = "/operator/v1/webhook_endpoints/whep_x/test";
    assert_eq!(operator.post(unknown, "").await.error(), missing);
    let page = operator.get(&format!("{DELIVERIES}?limit=1")).await.ok();
    assert_eq!(page["next_page"], Value::Null);
}

#[tokio::test]
async fn the_operator_sees_every_endpoint_and_since_when_it_fails() {
    let server = start().await;
    let receiver = Receiver::start(Behaviour::Status(500)).await;
    let failing = subscribe(&server, &receiver.url()).await;
    server.clock.advance(Duration::from_millis(1));
    let quiet = subscribe(&server, "http://127.0.0.1:1/").await;
    server.clock.advance(Duration::from_millis(1));
    let keys = format!("/operator/v1/organizations/{OTHER_ORGANIZATION}/api_keys");
    let operator = server.operator();
    let key = operator.post(&keys, r#"{"name":"N","kind":"admin"}"#).await;
    let neighbour = server
        .platform_with(&key.string("secret"))
        .with("anthropic-beta", "webhooks-2026-10-07");
    let body = r#"{"url":"https://example.com/","enabled_events":["external_key.failed"]}"#;
    let foreign = neighbour.post(WEBHOOKS, body).await.ok();
    let test = format!("{ENDPOINTS}/{}/test", id(&failing));
    operator.post(&test, "").await.ok();
    attempted(&server, 1).await;

    let shown = operator
        .get(&format!("{ENDPOINTS}/{}", id(&failing)))
        .await
        .ok();
    let mut expected = failing.clone();
    let members = expected.as_object_mut().unwrap();
    members.remove("signing_secret");
    members.insert("type".into(), "webhook_endpoint".into());
    members.insert("organization_id".into(), ORGANIZATION.into());
    let deliveries = deliveries(&server).await;
    let since = deliveries[0]["attempts"][0]["at"].clone();
    members.insert("failing_since".into(), since);
    assert_eq!(shown, expected);

    let list = async |query: String| {
        let page = operator.get(&format!("{ENDPOINTS}?{query}")).await.ok();
        let data = page["data"].as_array().unwrap().clone();
        let ids: Vec<_> = data.iter().map(|found| id(found).to_owned()).collect();
        (ids, page["next_page"].as_str().map(str::to_owned))
    };
    let (first, next) = list("limit=2".into()).await;
    let (rest, end) = list(format!("limit=2&page={}", next.unwrap())).await;
    assert_eq!(
        [first, rest].concat(),
        [id(&foreign), id(&quiet), id(&failing)]
    );
    assert_eq!(end, None);
    let theirs = format!("organization_id={OTHER_ORGANIZATION}&state=enabled");
    assert_eq!(list(theirs).await.0, [id(&foreign)]);
    assert_eq!(
        list("state=disabled".into()).await.0,
        <[&str; 0]>::default()
    );
    assert_eq!(
        operator.get(&format!("{ENDPOINTS}?state=on")).await.error(),
        "400 invalid_request_error: state: must be one of: enabled, disabled"
    );
    let missing = "404 not_found_error: The requested webhook endpoint was not found.";
    let unknown = operator.get(&format!("{ENDPOINTS}/whep_x")).await;
    assert_eq!(unknown.error(), missing);
}

#[tokio::test]
async fn a_server_that_ends_waits_for_what_is_under_way() {
    let place = Place::new().await;
    let server = TestServer::with(|options| {
        loopback(options);
        options.place = Some(place.clone());
    })
    .await;
    let receiver = Receiver::start(Behaviour::After(Duration::from_millis(200), 200)).await;
    subscribe(&server, &receiver.url()).await;
    decide(&server).await;
    receiver.wait_for(1).await;
    let begun = std::time::Instant::now();
    server.stop().await;
    assert!(begun.elapsed() < Duration::from_secs(5));
    let store = place.open(Arc::default()).await;
    let proof = OperatorProof::of_storage_access();
    let figures = store.registry_figures(proof, 1, 0).await.unwrap();
    assert_eq!(figures.webhooks.waiting, 0);
}
