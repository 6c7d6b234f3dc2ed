//! Bytes that no client should send. Whatever arrives, the answer is a refusal or a closed connection,
//! in time; nothing panics, nothing is logged as an error, and the next client is served.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, TestRunner};
use rollcall::http::router::Audience;
use rollcall::http::routes::table;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::passing;
use crate::support::client::Client;
use crate::support::program::Program;

/// Longer than any limit that the server is started with, and far shorter than forever.
const PATIENCE: Duration = Duration::from_secs(15);

const OPERATOR_KEY: &str = "operator-of-the-victim";

const MIB: usize = 1024 * 1024;

const HEAD: &str =
    "host: localhost\r\nx-api-key: test-bad-input\r\nanthropic-version: 2026-10-21\r\n";

/// A server that suffers, and that is looked at when the test ends.
struct Victim {
    program: Program,
    log: PathBuf,
    _directory: TempDir,
}

impl Victim {
    fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let log = directory.path().join("log");
        let arguments = [
            ["dev", "--auto-tenants"],
            ["--failed-authentications-per-minute", "1000000"],
            ["--header-read-timeout", "1s"],
            ["--operator-key", OPERATOR_KEY],
        ];
        Self {
            program: passing::start(arguments.as_flattened(), &log),
            log,
            _directory: directory,
        }
    }

    /// Sends the bytes, ends the sending side, and reads until the server ends too.
    fn throw(&self, bytes: &[u8]) -> Vec<Answer> {
        let begun = Instant::now();
        let mut stream = self.connect();
        // A server that has heard enough may have closed already; what it said is still to be read.
        let _ = stream.write_all(bytes);
        let _ = stream.shutdown(Shutdown::Write);
        let answers = rest(&mut stream);
        assert!(
            begun.elapsed() < PATIENCE,
            "a hang on {}",
            bytes.escape_ascii()
        );
        for answer in &answers {
            answer.look_at(bytes);
        }
        answers
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.program.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE * 3)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    /// The only answer to these bytes.
    #[track_caller]
    fn answer(&self, bytes: &[u8]) -> Answer {
        let mut answers = self.throw(bytes);
        assert_eq!(answers.len(), 1, "{answers:?} to {}", short(bytes));
        answers.remove(0)
    }

    /// Still there, still sound, and nothing in its log that somebody would have to look into.
    #[track_caller]
    fn is_unharmed(&self) {
        let mut client = Client::new(self.program.address, "test-unharmed");
        let created = client.ok("POST", "/v1/user_profiles", "ga", Some(&json!({})));
        let listed = client.ok("GET", "/v1/user_profiles", "ga", None);
        assert_eq!(listed["data"][0]["id"], created["id"]);
        let log = std::fs::read_to_string(&self.log).unwrap();
        let trouble =
            |line: &&str| line.contains("panicked") || line.contains(r#""level":"ERROR""#);
        assert_eq!(log.lines().find(trouble), None);
    }
}

#[derive(Debug)]
struct Answer {
    status: u16,
    head: String,
    body: Vec<u8>,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// What holds for every answer: no failure of the server's own, a request id, a whole error.
    #[track_caller]
    fn look_at(&self, sent: &[u8]) {
        let sent = short(sent);
        let is_ours = self.status >= 500 && self.status != 501;
        assert!(!is_ours, "{self:?} to {sent}");
        let request_id = self
            .head
            .lines()
            .find_map(|line| line.strip_prefix("request-id: "));
        let request_id =
            request_id.unwrap_or_else(|| panic!("no request-id in {self:?} to {sent}"));
        // What end users open is answered with a page.
        let page = self.head.contains("content-type: text/html");
        if self.status >= 400 && !self.body.is_empty() && !page {
            let body = self.json();
            assert_eq!(body["type"], "error", "{self:?} to {sent}");
            assert_eq!(body["request_id"], request_id, "{self:?} to {sent}");
            let message = body["error"]["message"].as_str().unwrap();
            assert!(
                message.chars().count() <= 500 && !message.contains('\n'),
                "{message}"
            );
        }
    }

    #[track_caller]
    fn is(&self, status: u16, error: &str, code: Option<&str>) {
        let body = self.json();
        let told = (
            self.status,
            &body["error"]["type"],
            body["error"]["details"]["error_code"].as_str(),
        );
        assert_eq!(told, (status, &Value::from(error), code), "{body}");
    }
}

/// Every answer until the connection ends. A reset ends it too.
fn rest(stream: &mut TcpStream) -> Vec<Answer> {
    let mut bytes = Vec::new();
    if let Err(error) = stream.read_to_end(&mut bytes) {
        assert_eq!(
            error.kind(),
            ErrorKind::ConnectionReset,
            "after {}",
            short(&bytes)
        );
    }
    let (mut answers, mut left) = (Vec::new(), &bytes[..]);
    while !left.is_empty() {
        let end = left.windows(4).position(|window| window == b"\r\n\r\n");
        let end = end.unwrap_or_else(|| panic!("half an answer: {}", short(left)));
        let head = String::from_utf8(left[..end].to_vec()).unwrap();
        left = &left[end + 4..];
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        if (100..200).contains(&status) {
            continue;
        }
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "));
        let length: usize = length.map_or(0, |length| length.parse().unwrap());
        let mut body = Vec::new();
        if head.contains("transfer-encoding: chunked") {
            while let Some(chunk) = chunk(&mut left) {
                body.extend(chunk);
            }
        } else {
            // The answer to a HEAD tells a length and has no body; it is the last one asked for here.
            body.extend(left.get(..length).unwrap_or_default());
            left = &left[body.len()..];
        }
        answers.push(Answer { status, head, body });
    }
    answers
}

/// The next piece of a chunked body; `None` at its end.
fn chunk<'a>(left: &mut &'a [u8]) -> Option<&'a [u8]> {
    let end = left
        .windows(2)
        .position(|window| window == b"\r\n")
        .unwrap();
    let length = usize::from_str_radix(std::str::from_utf8(&left[..end]).unwrap(), 16).unwrap();
    let (chunk, rest) = left[end + 2..].split_at(length);
    *left = rest.strip_prefix(b"\r\n").unwrap();
    (length > 0).then_some(chunk)
}

fn short(bytes: &[u8]) -> String {
    bytes[..bytes.len().min(600)].escape_ascii().to_string()
}

fn get(target: &str) -> Vec<u8> {
    format!("GET {target} HTTP/1.1\r\n{HEAD}\r\n").into_bytes()
}

fn post(headers: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!(
        "POST /v1/user_profiles HTTP/1.1\r\n{HEAD}{headers}content-length: {length}\r\n\r\n"
    );
    [head.as_bytes(), body].concat()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn malformed_heads_are_refused_and_nothing_else_happens() {
    let victim = Victim::start();
    let long = "x".repeat(200_000);
    let many: Vec<_> = (0..3_000)
        .map(|number| format!("x-{number}: y\r\n"))
        .collect();
    let many = many.concat();
    let heads: Vec<Vec<u8>> = [
        "",
        "\r\n",
        "\r\n\r\n\r\n\r\n",
        "\0\0\0\0",
        "\n",
        "GET",
        "GET \r\n\r\n",
        "GET / HTTP/9.9\r\n\r\n",
        "GET / HTTP/1.1\r\n",
        "GET / HTTP/1.1\r\nhost\r\n\r\n",
        "GET / HTTP/1.1\r\n: x\r\n\r\n",
        "GET / HTTP/1.1\r\nho st: x\r\n\r\n",
        "GET / HTTP/1.1\r\n folded: x\r\n\r\n",
        "GET / HTTP/1.1\r\nx: a\r\n b\r\n\r\n",
        "GET / HTTP/1.1\nhost: localhost\n\n",
        "GET / HTTP/0.9\r\n\r\n",
        "GET / HTTP/1.0\r\n\r\n",
        "GET http://[::1 HTTP/1.1\r\n\r\n",
        "GET http://user:pass@host:99999/ HTTP/1.1\r\n\r\n",
        "GET //// HTTP/1.1\r\nhost: localhost\r\n\r\n",
        "GET * HTTP/1.1\r\nhost: localhost\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\nhost: localhost\r\n\r\n",
        "CONNECT host:1 HTTP/1.1\r\nhost: localhost\r\n\r\n",
        "CONNECT /v1/user_profiles HTTP/1.1\r\nhost: localhost\r\n\r\n",
        "TRACE /v1/user_profiles HTTP/1.1\r\nhost: localhost\r\n\r\n",
        "G\u{e9}T / HTTP/1.1\r\n\r\n",
        "GET /\u{e9} HTTP/1.1\r\nhost: localhost\r\n\r\n",
        "GET /v1/user_profiles#fragment HTTP/1.1\r\nhost: localhost\r\n\r\n",
        "GET /%00/%zz/%ff HTTP/1.1\r\nhost: localhost\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: localhost\r\nupgrade: h2c\r\nconnection: upgrade\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: localhost\r\nexpect: nonsense\r\n\r\n",
        "POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: -1\r\n\r\n",
        "POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 99999999999999999999\r\n\r\n",
        "POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nxx",
        "POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1, 1\r\n\r\nx",
        "POST / HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: gzip\r\n\r\nx",
        "POST / HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\ngarbage that is no frame at all",
        "PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n",
        "\u{16}\u{3}\u{1}\u{2}\0\u{1}\0\u{1}\u{fc}\u{3}\u{3}",
        "SSH-2.0-OpenSSH_9.9\r\n",
    ]
    .iter()
    .map(|text| text.as_bytes().to_vec())
    .chain([
        format!("GET /{long} HTTP/1.1\r\nhost: localhost\r\n\r\n").into_bytes(),
        format!("{long} / HTTP/1.1\r\nhost: localhost\r\n\r\n").into_bytes(),
        format!("GET / HTTP/1.1\r\nx: {long}\r\n\r\n").into_bytes(),
        format!("GET / HTTP/1.1\r\n{long}: x\r\n\r\n").into_bytes(),
        format!("GET / HTTP/1.1\r\n{many}\r\n").into_bytes(),
        long.clone().into_bytes(),
        b"GET / HTTP/1.1\r\nx: \xff\xfe\x80\r\n\r\n".to_vec(),
        b"GET /\xff\xfe HTTP/1.1\r\nhost: localhost\r\n\r\n".to_vec(),
        b"GET /?\xff=\xfe HTTP/1.1\r\nhost: localhost\r\n\r\n".to_vec(),
        b"\xff\xff\xff\xff\xff\xff\xff\xff".to_vec(),
        vec![0; 300_000],
    ])
    .collect();
    for head in heads {
        // HTTP/2 frames are no answers that can be told apart here; that the connection ends is enough.
        if head.starts_with(b"PRI * HTTP/2.0\r\n\r\nSM") {
            let mut stream = victim.connect();
            stream.write_all(&head).unwrap();
            stream.shutdown(Shutdown::Write).unwrap();
            let begun = Instant::now();
            let _ = stream.read_to_end(&mut Vec::new());
            assert!(begun.elapsed() < PATIENCE);
        } else {
            victim.throw(&head);
        }
    }
    victim.is_unharmed();
}

#[test]
fn what_comes_after_a_request_does_not_change_its_answer() {
    let victim = Victim::start();
    for garbage in [
        &b"\xff\xff\xff\r\n\r\n"[..],
        b"GARBAGE\r\n\r\n",
        b"GET / HTTP/1.1\r\nbad header\r\n\r\n",
    ] {
        let answers = victim.throw(&[&get("/v1/user_profiles")[..], garbage].concat());
        let statuses: Vec<_> = answers.iter().map(|answer| answer.status).collect();
        assert_eq!(statuses, [200, 400], "{}", short(garbage));
    }
    let hundred: Vec<u8> = (0..100)
        .flat_map(|_| get("/v1/user_profiles?limit=1"))
        .collect();
    let answers = victim.throw(&hundred);
    assert_eq!(answers.len(), 100);
    assert!(answers.iter().all(|answer| answer.status == 200));
    victim.is_unharmed();
}

#[test]
fn bodies_are_taken_up_to_the_limit_and_refused_one_byte_past_it() {
    let victim = Victim::start();
    let padded = |length: usize| [b"{}".to_vec(), vec![b' '; length - 2]].concat();
    let chunked = |body: &[u8]| {
        let head =
            format!("POST /v1/user_profiles HTTP/1.1\r\n{HEAD}transfer-encoding: chunked\r\n\r\n");
        let mut bytes = head.into_bytes();
        for chunk in body.chunks(60_000) {
            bytes.extend(format!("{:x}\r\n", chunk.len()).bytes());
            bytes.extend(chunk);
            bytes.extend(b"\r\n");
        }
        bytes.extend(b"0\r\n\r\n");
        bytes
    };
    let zipped = |body: &[u8]| post("content-encoding: gzip\r\n", &gzip(body));
    for length in [MIB - 1, MIB] {
        let body = padded(length);
        for bytes in [post("", &body), chunked(&body), zipped(&body)] {
            assert_eq!(victim.answer(&bytes).status, 200, "{length}");
        }
    }
    let body = padded(MIB + 1);
    victim
        .answer(&post("", &body))
        .is(413, "request_too_large", None);
    victim
        .answer(&chunked(&body))
        .is(413, "request_too_large", None);
    let after_decoding = Some("request_body_too_large_after_decoding");
    victim
        .answer(&zipped(&body))
        .is(413, "request_too_large", after_decoding);
    let much = vec![b' '; 256 * MIB];
    victim
        .answer(&zipped(&much))
        .is(413, "request_too_large", after_decoding);
    let declared =
        format!("POST /v1/user_profiles HTTP/1.1\r\n{HEAD}content-length: 9999999999\r\n\r\n{{");
    victim
        .answer(declared.as_bytes())
        .is(413, "request_too_large", None);
    victim.is_unharmed();
}

#[test]
fn bodies_that_are_not_what_they_claim_are_refused() {
    let victim = Victim::start();
    let deep = |open: &str, close: &str, depth: usize| {
        format!(
            r#"{{"metadata":{}1{}}}"#,
            open.repeat(depth),
            close.repeat(depth)
        )
        .into_bytes()
    };
    let bodies: Vec<Vec<u8>> = vec![
        deep("[", "]", 31),
        deep("[", "]", 40),
        deep("[", "]", 200_000),
        deep(r#"{"a":"#, "}", 100_000),
        b"[".repeat(500_000),
        b"{\"a\":".repeat(100_000),
        b"{".to_vec(),
        b"\xef\xbb\xbf{}".to_vec(),
        b"{\"name\":\"\xff\"}".to_vec(),
        b"{\"name\":\"\xc0\x80\"}".to_vec(),
        br#"{"name":"\ud800"}"#.to_vec(),
        br#"{"name":"\u0000"}"#.to_vec(),
        br#"{"name":"a","name":"b"}"#.to_vec(),
        br#"{"name":1e999999}"#.to_vec(),
        format!(r#"{{"limit":{}}}"#, "9".repeat(500_000)).into_bytes(),
        b"{} {}".to_vec(),
        b"[]".to_vec(),
        b"null".to_vec(),
        b"NaN".to_vec(),
        b"\0".to_vec(),
        vec![0xff; 1000],
    ];
    for body in &bodies {
        victim
            .answer(&post("", body))
            .is(400, "invalid_request_error", None);
        victim
            .answer(&post("content-encoding: gzip\r\n", &gzip(body)))
            .is(400, "invalid_request_error", None);
    }
    let invalid = Some("request_body_encoding_invalid");
    let whole = gzip(b"{}");
    for body in [
        &whole[..whole.len() - 1],
        b"{}",
        b"\x1f\x8b",
        &[&whole[..], b"x"].concat(),
    ] {
        victim.answer(&post("content-encoding: gzip\r\n", body)).is(
            400,
            "invalid_request_error",
            invalid,
        );
    }
    for chunks in [
        "zz\r\n{}\r\n0\r\n\r\n",
        "-2\r\n{}\r\n0\r\n\r\n",
        "ffffffffffffffffff\r\n{}",
        "2\r\n{}",
        "2\r\n{}xx0\r\n\r\n",
    ] {
        let head =
            format!("POST /v1/user_profiles HTTP/1.1\r\n{HEAD}transfer-encoding: chunked\r\n\r\n");
        for answer in victim.throw(&[head.as_bytes(), chunks.as_bytes()].concat()) {
            assert_eq!(answer.status, 400, "{chunks}: {answer:?}");
        }
    }
    let mut client = Client::new(victim.program.address, "test-bad-input");
    let listed = client.ok("GET", "/v1/user_profiles", "ga", None);
    assert_eq!(listed["data"], json!([]), "a refused body made a profile");
    victim.is_unharmed();
}

#[test]
fn who_is_slow_is_told_so_and_holds_up_nobody() {
    let victim = Victim::start();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut stream = victim.connect();
            stream.write_all(b"GET /v1/user_pro").unwrap();
            let answers = rest(&mut stream);
            assert_eq!(answers.len(), 1);
            answers[0].is(408, "invalid_request_error", None);
        });
        scope.spawn(|| {
            // Most of a body, and then never the rest.
            let mut stream = victim.connect();
            let bytes = post("connection: close\r\n", br#"{"name":"Ana"}"#);
            stream.write_all(&bytes[..bytes.len() - 1]).unwrap();
            let answers = rest(&mut stream);
            assert_eq!(answers.len(), 1);
            answers[0].is(400, "invalid_request_error", Some("request_body_timeout"));
        });
        victim.is_unharmed();
    });
    victim.is_unharmed();
}

#[test]
fn requests_with_bytes_flipped_dropped_and_doubled_are_survived() {
    let victim = Victim::start();
    let originals = [
        get("/v1/user_profiles?limit=20&order=asc&order_by=name&enforcement_status%5B%5D=banned"),
        get("/v1/user_profiles/uprof_011CZkZCu8hGbp5mYRQgUmz9?beta=true"),
        post("anthropic-beta: user-profiles-2026-03-24\r\ncontent-type: application/json\r\n", br#"{"name":"Ana","metadata":{"k":"v"}}"#),
        post("content-encoding: gzip\r\n", &gzip(br#"{"name":"Ana"}"#)),
        format!("POST /v1/user_profiles HTTP/1.1\r\n{HEAD}transfer-encoding: chunked\r\n\r\n2\r\n{{}}\r\n0\r\n\r\n").into_bytes(),
    ];
    let damage = vec((any::<prop::sample::Index>(), 0..4_u8, any::<u8>()), 1..4);
    check(
        300,
        (select(originals.to_vec()), damage),
        |(mut bytes, damage)| {
            for (at, kind, byte) in damage {
                let at = at.index(bytes.len());
                match kind {
                    0 => bytes[at] = byte,
                    1 if bytes.len() > 1 => drop(bytes.remove(at)),
                    2 => bytes.insert(at, byte),
                    _ => bytes.truncate(at.max(1)),
                }
            }
            victim.throw(&bytes);
        },
    );
    victim.is_unharmed();
}

#[test]
fn no_value_in_a_query_a_path_or_a_header_does_harm() {
    let victim = Victim::start();
    let parameters = [
        "limit",
        "order",
        "order_by",
        "page",
        "enforcement_status[]",
        "beta",
        "offset",
        "",
    ];
    let encoded = vec(any::<u8>(), 0..40).prop_map(|bytes| {
        let encoded: Vec<_> = bytes.iter().map(|byte| format!("%{byte:02x}")).collect();
        encoded.concat()
    });
    let raw = "[!-~]{0,40}";
    let value = prop_oneof![
        encoded,
        raw.prop_map(|text| text.replace('#', "")),
        Just("x".repeat(3_000))
    ];
    check(
        200,
        (select(parameters.to_vec()), value.clone()),
        |(name, value)| {
            let answer = victim.answer(&get(&format!("/v1/user_profiles?{name}={value}")));
            assert!(
                matches!(answer.status, 200 | 400),
                "{name}={value}: {answer:?}"
            );
        },
    );
    check(200, value, |value| {
        let answer = victim.answer(&get(&format!("/v1/user_profiles/{value}")));
        assert!(
            matches!(answer.status, 200 | 400 | 404),
            "{value}: {answer:?}"
        );
    });
    let headers = [
        "x-api-key",
        "authorization",
        "anthropic-version",
        "anthropic-beta",
        "anthropic-workspace-id",
        "content-type",
        "content-encoding",
    ];
    let bytes = prop_oneof![
        vec(
            select(
                (0x20..=0xff_u8)
                    .filter(|byte| *byte != 0x7f)
                    .collect::<Vec<_>>()
            ),
            0..60
        ),
        "[ -~]{0,60}".prop_map(String::into_bytes),
        select(vec![
            b"user-profiles-2026-03-24".to_vec(),
            b"Bearer ".to_vec(),
            b",,,,".to_vec(),
            b"wrkspc_".to_vec(),
            vec![b'x'; 20_000]
        ]),
    ];
    check(300, (select(headers.to_vec()), bytes), |(name, value)| {
        let line = [name.as_bytes(), b": ", &value, b"\r\n"].concat();
        let start = format!("POST /v1/user_profiles HTTP/1.1\r\n{HEAD}content-length: 2\r\n");
        let answers = victim.throw(&[start.as_bytes(), &line, b"\r\n{}"].concat());
        assert!(answers.iter().all(|answer| answer.status < 500));
        assert!(!answers.is_empty(), "{name}: {}", value.escape_ascii());
    });
    victim.is_unharmed();
}

#[test]
fn a_cursor_is_taken_as_it_was_given_or_not_at_all() {
    let victim = Victim::start();
    let mut client = Client::new(victim.program.address, "test-bad-input");
    for _ in 0..3 {
        client.ok(
            "POST",
            "/v1/user_profiles",
            "ga",
            Some(&json!({"name": "Ana"})),
        );
    }
    let mut cursors = Vec::new();
    for query in ["limit=1", "limit=1&order_by=name"] {
        let answer = client.ok("GET", &format!("/v1/user_profiles?{query}"), "ga", None);
        let cursor = answer["next_page"].as_str().unwrap().to_owned();
        client.ok(
            "GET",
            &format!("/v1/user_profiles?{query}&page={cursor}"),
            "ga",
            None,
        );
        cursors.push((query, cursor));
    }
    let letter = "[A-Za-z0-9_-]";
    let change = (any::<prop::sample::Index>(), letter, 0..4_u8);
    check(
        300,
        (select(cursors), change),
        |((query, cursor), (at, letter, kind))| {
            let at = at.index(cursor.len());
            let mut changed = cursor.clone();
            match kind {
                0 => changed.replace_range(at..=at, &letter),
                1 => changed.truncate(at.max(1)),
                2 => changed.insert_str(at, &letter),
                _ => changed = format!("page_{}", letter.repeat(at * 40)),
            }
            let answer = victim.answer(&get(&format!("/v1/user_profiles?{query}&page={changed}")));
            let expected = if changed == cursor { 200 } else { 400 };
            assert_eq!(answer.status, expected, "{changed} of {cursor}: {answer:?}");
        },
    );
    let other = Client::new(victim.program.address, "test-other").ok(
        "GET",
        "/v1/user_profiles",
        "ga",
        None,
    );
    assert_eq!(other["data"], json!([]));
    victim.is_unharmed();
}

#[test]
fn no_route_fails_on_any_body_or_query() {
    let victim = Victim::start();
    let named = Named::make(&victim);
    let routes: Vec<_> = table()
        // One is there to make requests fail, the other takes away what the rest is tried on.
        .filter(|route| !route.template.ends_with("/faults") && !route.template.ends_with("/reset"))
        .collect();
    let query = prop::option::weighted(0.3, vec((select(FIELDS), select(TEXTS)), 1..3));
    check(
        1_500,
        (select(routes), body(), query),
        |(route, body, query)| {
            let key = match route.audience {
                Audience::Platform | Audience::Inference => "test-bad-input",
                _ => OPERATOR_KEY,
            };
            let mut target = named.fill(route.template);
            for (at, (name, value)) in query.iter().flatten().enumerate() {
                let value: String = form_urlencoded(value);
                target += &format!("{}{name}={value}", if at == 0 { '?' } else { '&' });
            }
            let body = body.to_string();
            let head = format!(
                "{} {target} HTTP/1.1\r\nhost: localhost\r\nx-api-key: {key}\r\n\
             x-rollcall-gateway-key: test-bad-input-gateway\r\nanthropic-version: 2026-10-21\r\ncontent-length: {}\r\n\r\n{body}",
                route.method,
                body.len()
            );
            victim.answer(head.as_bytes());
        },
    );
    victim.is_unharmed();
}

#[test]
fn a_gateway_is_answered_whatever_its_question_holds() {
    const HEADERS: [&str; 6] = [
        "x-rollcall-user-profile-id",
        "x-rollcall-reference-id",
        "x-rollcall-require-program",
        "anthropic-user-profile-id",
        "authorization",
        "x-rollcall-gateway-key",
    ];
    const VALUES: [&[u8]; 9] = [
        b"",
        b"uprof_1",
        b"cyber",
        b"K\xc3\xa4the \xf0\x9f\x8c\xb1",
        b"\xff\xfe\x80",
        b"Basic YTp0ZXN0LWJhZC1pbnB1dC1nYXRld2F5",
        b"Basic ====",
        b"test-bad-input-gateway",
        &[b'x'; 300],
    ];
    let victim = Victim::start();
    let mut platform = Client::new(victim.program.address, "test-bad-input");
    let made = platform.ok("POST", "/v1/user_profiles", "ga", Some(&json!({})));
    let mut operator = Client::new(victim.program.address, OPERATOR_KEY);
    let id = made["id"].as_str().unwrap();
    let record = operator.ok(
        "GET",
        &format!("/operator/v1/user_profiles/{id}"),
        "ga",
        None,
    );
    let organization = record["organization_id"].as_str().unwrap();
    let policy = format!("/operator/v1/organizations/{organization}/gateway_policy");
    let policy_body = json!({"unknown": "create", "trust_client_header": true});
    operator.ok("POST", &policy, "ga", Some(&policy_body));
    let value = prop_oneof![
        3 => select(&VALUES[..]).prop_map(<[u8]>::to_vec),
        1 => vec(prop_oneof![Just(b'\t'), 0x20..=0x7e_u8, 0x80..=0xff_u8], 0..40),
    ];
    let headers = vec((select(&HEADERS[..]), value), 0..5);
    let rest = select(
        &[
            "",
            "/",
            "?deny=403",
            "/v1/messages?beta=true",
            "/%2e%2e/%ff",
        ][..],
    );
    check(
        1_000,
        (headers, rest, any::<bool>()),
        |(headers, rest, keyed)| {
            let mut head = format!("POST /gateway/v1/check{rest} HTTP/1.1\r\nhost: localhost\r\n");
            if keyed {
                head += "x-rollcall-gateway-key: test-bad-input-gateway\r\n";
            }
            let mut head = head.into_bytes();
            for (name, value) in &headers {
                head.extend_from_slice(name.as_bytes());
                head.extend_from_slice(b": ");
                head.extend_from_slice(value);
                head.extend_from_slice(b"\r\n");
            }
            head.extend_from_slice(b"\r\n");
            let answer = victim.answer(&head);
            let decision = if answer.status == 200 {
                "allow"
            } else {
                "deny"
            };
            assert!(
                [200, 400, 401, 403].contains(&answer.status)
                    && answer
                        .head
                        .contains(&format!("x-rollcall-decision: {decision}")),
                "{answer:?}"
            );
        },
    );
    victim.is_unharmed();
}

/// One of everything that a path can name.
struct Named([(&'static str, String); 7]);

impl Named {
    fn make(victim: &Victim) -> Self {
        let address = victim.program.address;
        let mut platform = Client::new(address, "test-bad-input");
        let mut operator = Client::new(address, OPERATOR_KEY);
        let id = |made: Value| made["id"].as_str().unwrap().to_owned();
        let profile = id(platform.ok("POST", "/v1/user_profiles", "ga", Some(&json!({}))));
        let record = operator.ok(
            "GET",
            &format!("/operator/v1/user_profiles/{profile}"),
            "ga",
            None,
        );
        let organization = record["organization_id"].as_str().unwrap().to_owned();
        let path = format!("/operator/v1/user_profiles/{profile}/enforcement_actions");
        let action = json!({"type": "restriction", "reason": "unspecified", "action": "verify"});
        let action = id(operator.ok("POST", &path, "ga", Some(&action)));
        let path = format!("/operator/v1/organizations/{organization}/api_keys");
        let key = json!({"name": "Key", "kind": "api"});
        let key = id(operator.ok("POST", &path, "ga", Some(&key)));
        Self([
            ("{user_profile_id}", profile),
            ("{organization_id}", organization),
            ("{enforcement_action_id}", action),
            ("{api_key_id}", key),
            ("{name}", "cyber".to_owned()),
            ("{token}", "x".repeat(43)),
            ("{enrollment_id}", "enr_1".to_owned()),
        ])
    }

    fn fill(&self, template: &str) -> String {
        let named = self.0.iter();
        named.fold(template.to_owned(), |path, (name, value)| {
            path.replace(name, value)
        })
    }
}

/// Every name and every kind of value that a parser looks for, in places where it does not.
fn body() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        6 => select(TEXTS).prop_map(Value::from),
        1 => Just(Value::Null),
        1 => any::<bool>().prop_map(Value::from),
        1 => any::<i64>().prop_map(Value::from),
        1 => select(&[0.5, 1e300, -0.0][..]).prop_map(Value::from),
        1 => Just(Value::from("\u{1f600}".repeat(300))),
    ];
    let value = leaf.prop_recursive(3, 24, 5, |inner| {
        let object = vec((select(FIELDS), inner.clone()), 0..5);
        prop_oneof![
            3 => object.prop_map(object_of),
            1 => vec(inner, 0..3).prop_map(Value::from),
        ]
    });
    let object = vec((select(FIELDS), value.clone()), 0..6).prop_map(object_of);
    prop_oneof![8 => object, 1 => value]
}

fn object_of(fields: Vec<(&'static str, Value)>) -> Value {
    let fields = fields
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value));
    Value::Object(fields.collect())
}

fn form_urlencoded(text: &str) -> String {
    let encoded: Vec<_> = text.bytes().map(|byte| format!("%{byte:02X}")).collect();
    encoded.concat()
}

#[rustfmt::skip]
const FIELDS: &[&str] = &[
    "a", "access_type", "account_status", "action", "actions", "advance", "api_key", "as", "beta", "cmek", "country", "created_after",
    "created_at", "created_before", "cyber", "data_retention", "efs", "email_hash", "enforcement_actions", "enforcement_status",
    "expires_at", "external_id", "external_user_details", "external_user_onboarded_at", "features", "human_review", "id", "kind", "limit",
    "metadata", "name", "name_prefix", "now", "onboarded_at", "opened_at", "order", "order_by", "organization_id", "page", "program",
    "program_status", "programs", "rate_limit_rpm", "real", "reason", "reference_id", "relationship", "requirements", "state", "status",
    "storage", "tiers", "type", "updated_at", "workspace_id",
];

#[rustfmt::skip]
const TEXTS: &[&str] = &[
    "", "0", "1", "100", "-1", "true", "active", "inactive", "pending", "rejected", "disabled", "on_hold", "restriction", "ban", "verify",
    "high_harm", "account_compromise", "submitted", "passed", "failed", "api", "admin", "operator", "application", "passthrough", "resold",
    "external", "internal", "DE", "individual", "suspended", "enroll_end_user", "user_profile", "ga", "2026-03-24", "asc", "name", "cyber",
    "2026-03-15T10:00:00Z", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59-23:59", "0000-01-01T00:00:00Z",
    "15m", "36525d", "99999999999999999999d", "uprof_x", "enac_x", "wrkspc_x", "x\ty", "\"", "\\", "\u{e9}", "\u{202e}", "%", "a b",
];

/// A fixed number of cases, shrunk when one fails; `ROLLCALL_BAD_INPUT_TIMES` multiplies it.
fn check<S: Strategy>(cases: u32, strategy: S, test: impl Fn(S::Value)) {
    let times = std::env::var("ROLLCALL_BAD_INPUT_TIMES");
    let times: u32 = times.map_or(1, |text| text.parse().unwrap());
    let config = Config {
        cases: cases * times,
        failure_persistence: None,
        ..Config::default()
    };
    let outcome = TestRunner::new(config).run(&strategy, |value| {
        test(value);
        Ok(())
    });
    outcome.unwrap_or_else(|failure| panic!("{failure}"));
}
