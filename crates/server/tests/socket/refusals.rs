//! What is refused, and what it costs: the refused one's next request, and everybody else.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

use crate::passing;
use crate::support::client::{Client, Reply};
use crate::support::program::Program;

const KEY: &str = "x-api-key: test-refused\r\nanthropic-version: 2026-10-21\r\n";
const FORM: &str = "content-type: application/x-www-form-urlencoded\r\n";

/// Longer than any answer takes, and shorter than the time a body may take.
const PATIENCE: Duration = Duration::from_secs(15);

struct Server {
    program: Program,
    _directory: tempfile::TempDir,
}

impl Server {
    fn start(arguments: &[&str]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let own = ["dev", "--auto-tenants", "--operator-key", "op"];
        let program = passing::start(&[&own, arguments].concat(), &directory.path().join("log"));
        Self {
            program,
            _directory: directory,
        }
    }

    fn connect(&self) -> Connection {
        let stream = TcpStream::connect(self.program.address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Connection(BufReader::new(stream))
    }

    fn operator(&self) -> Client {
        Client::new(self.program.address, "op")
    }
}

struct Connection(BufReader<TcpStream>);

impl Connection {
    fn send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.0.get_mut().write_all(bytes.as_ref())
    }

    /// The head of the next answer, its body read. An error when there is none.
    fn answer(&mut self) -> io::Result<String> {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if self.0.read_line(&mut head)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "));
        let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
        self.0.read_exact(&mut body)?;
        Ok(head + &String::from_utf8_lossy(&body))
    }

    /// The answer to a head and a body that follows in a packet of its own, as ordinary clients send them.
    fn in_two_packets(&mut self, head: &str, body: &[u8]) -> io::Result<String> {
        self.send(format!(
            "{head}host: localhost\r\ncontent-length: {}\r\n\r\n",
            body.len()
        ))?;
        // Long enough for a refusal that waits for no body to be on its way.
        std::thread::sleep(Duration::from_millis(20));
        self.send(body)?;
        self.answer()
    }
}

#[test]
fn a_refused_request_costs_the_next_one_on_its_connection_nothing() {
    let server = Server::start(&[]);
    let post = "POST /v1/user_profiles HTTP/1.1\r\n";
    let refused = [
        (401, format!("{post}anthropic-version: 2026-10-21\r\n")),
        (400, format!("{post}x-api-key: test-refused\r\n")),
        (
            403,
            format!("{post}x-api-key: op\r\nanthropic-version: 2026-10-21\r\n"),
        ),
        (404, format!("POST /v1/nowhere HTTP/1.1\r\n{KEY}")),
        (405, format!("PUT /v1/user_profiles HTTP/1.1\r\n{KEY}")),
        (400, format!("{post}{KEY}content-encoding: br\r\n")),
        (400, format!("{post}{KEY}content-type: text/plain\r\n")),
        (
            404,
            format!("POST /user-profiles/enrollment/x HTTP/1.1\r\n{FORM}"),
        ),
        (
            404,
            format!("DELETE /v1/user_profiles/uprof_x HTTP/1.1\r\n{KEY}"),
        ),
        (200, format!("GET /v1/user_profiles HTTP/1.1\r\n{KEY}")),
    ];
    for (status, head) in refused {
        let mut connection = server.connect();
        for body in [&b"{}"[..], &b" ".repeat(64 * 1024)] {
            let answer = connection.in_two_packets(&head, body).unwrap();
            assert!(
                answer.starts_with(&format!("HTTP/1.1 {status} ")),
                "{answer} to {head}"
            );
            assert!(!answer.contains("connection: close"), "{answer}");
            let next = connection
                .send(format!(
                    "GET /v1/user_profiles HTTP/1.1\r\nhost: localhost\r\n{KEY}\r\n"
                ))
                .and_then(|()| connection.answer());
            let next = next.unwrap_or_else(|error| panic!("{error} after {status} to {head}"));
            assert!(next.starts_with("HTTP/1.1 200 "), "{next}");
        }
    }
}

#[test]
fn a_connection_that_ends_with_a_refusal_says_so() {
    let server = Server::start(&[]);
    let head = "POST /v1/user_profiles HTTP/1.1\r\nhost: localhost\r\n";
    let too_much = 64 * 1024 + 1;
    for (what, request) in [
        ("much", format!("{head}content-length: {too_much}\r\n\r\n")),
        ("slow", format!("{head}content-length: 2\r\n\r\n")),
        (
            "endless",
            format!("{head}transfer-encoding: chunked\r\n\r\n1\r\nx\r\n"),
        ),
    ] {
        let mut connection = server.connect();
        connection.send(request).unwrap();
        let answer = connection.answer().unwrap();
        assert!(answer.starts_with("HTTP/1.1 401 "), "{what}: {answer}");
        assert!(
            answer.contains("\r\nconnection: close\r\n"),
            "{what}: {answer}"
        );
    }
}

#[test]
fn a_form_is_not_waited_for_where_its_link_leads_nowhere() {
    let server = Server::start(&[]);
    let mut connection = server.connect();
    let head = "POST /user-profiles/enrollment/x HTTP/1.1\r\nhost: localhost\r\n";
    connection
        .send(format!("{head}{FORM}content-length: 100\r\n\r\n"))
        .unwrap();
    let answer = connection.answer().unwrap();
    assert!(answer.starts_with("HTTP/1.1 404 "), "{answer}");
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn gzip_members_of_nothing_are_not_decoded() {
    let server = Server::start(&[]);
    let mut connection = server.connect();
    let encoded = "content-encoding: gzip\r\n";
    let nothing = gzip(b"").repeat(10);
    let body = [nothing, gzip(b"{}")].concat();
    let head = format!("POST /v1/user_profiles HTTP/1.1\r\n{KEY}{encoded}");
    let answer = connection.in_two_packets(&head, &body).unwrap();
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    assert!(answer.contains("is not one valid gzip member"), "{answer}");

    let head = format!("POST /console/sign-in HTTP/1.1\r\nsec-fetch-site: none\r\n{FORM}{encoded}");
    let answer = connection.in_two_packets(&head, &gzip(b"key=op")).unwrap();
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    assert!(answer.contains("a form must be sent as it is"), "{answer}");
}

#[test]
fn imports_that_decode_to_much_more_hold_up_nobody() {
    let server = Server::start(&[]);
    let body = gzip(&vec![b'\n'; 6 * 1024 * 1024]);
    let imports = std::thread::available_parallelism().map_or(2, usize::from) * 2;
    let running = AtomicUsize::new(imports);
    let began = Instant::now();
    let slowest = std::thread::scope(|scope| {
        for _ in 0..imports {
            scope.spawn(|| {
                let mut connection = server.connect();
                let stream = connection.0.get_mut();
                stream.set_read_timeout(Some(PATIENCE * 8)).unwrap();
                let head = "POST /operator/v1/user_profiles/import HTTP/1.1\r\nx-api-key: op\r\n\
                            content-encoding: gzip\r\n";
                let answer = connection.in_two_packets(head, &body).unwrap();
                running.fetch_sub(1, Ordering::SeqCst);
                assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
            });
        }
        let mut connection = server.connect();
        let stream = connection.0.get_mut();
        stream.set_read_timeout(Some(PATIENCE * 8)).unwrap();
        let mut slowest = Duration::ZERO;
        while running.load(Ordering::SeqCst) == imports {
            let asked = Instant::now();
            connection
                .send("GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n")
                .unwrap();
            connection.answer().unwrap();
            slowest = slowest.max(asked.elapsed());
        }
        slowest
    });
    // Where the imports have all workers, one request waits for as long as an import takes.
    let all = began.elapsed();
    assert!(
        slowest < all / 3,
        "{slowest:?} for one request beside imports of {all:?}"
    );
}

#[test]
fn one_well_formed_host_is_needed() {
    let server = Server::start(&[]);
    for (hosts, message) in [
        ("", "host: is required over HTTP/1.1"),
        (
            "host: localhost\r\nhost: localhost\r\n",
            "host: must be sent once",
        ),
        ("host: a/b@c\r\n", "host: must be a name or an address"),
        ("host: \r\n", "host: must be a name or an address"),
    ] {
        let mut connection = server.connect();
        connection
            .send(format!("GET / HTTP/1.1\r\n{hosts}\r\n"))
            .unwrap();
        let answer = connection.answer().unwrap();
        assert!(answer.starts_with("HTTP/1.1 400 "), "{hosts:?}: {answer}");
        assert!(answer.contains(message), "{hosts:?}: {answer}");
    }
    let mut connection = server.connect();
    connection.send("GET / HTTP/1.0\r\n\r\n").unwrap();
    assert!(connection.answer().unwrap().starts_with("HTTP/1.0 200 "));
}

#[test]
fn a_transfer_coding_other_than_chunked_is_not_taken_for_it() {
    let server = Server::start(&[]);
    let head = format!("POST /v1/user_profiles HTTP/1.1\r\nhost: localhost\r\n{KEY}");
    let body = "\r\n2\r\n{}\r\n0\r\n\r\n";
    for (coding, status) in [
        ("transfer-encoding: gzip, chunked\r\n", 501),
        (
            "transfer-encoding: gzip\r\ntransfer-encoding: chunked\r\n",
            501,
        ),
        ("transfer-encoding: Chunked\r\n", 200),
    ] {
        let mut connection = server.connect();
        connection.send(format!("{head}{coding}{body}")).unwrap();
        let answer = connection.answer().unwrap();
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{coding}: {answer}"
        );
    }
}

#[test]
fn an_overloaded_answer_has_a_reason_phrase() {
    let server = Server::start(&[]);
    for (status, line) in [(529, "529 Overloaded"), (599, "599 Unassigned")] {
        let fault = json!({"status": status});
        server
            .operator()
            .ok("POST", "/operator/v1/dev/faults", "ga", Some(&fault));
        let mut connection = server.connect();
        let request = format!("GET /v1/user_profiles HTTP/1.1\r\nhost: localhost\r\n{KEY}\r\n");
        connection.send(request).unwrap();
        let answer = connection.answer().unwrap();
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {line}\r\n")),
            "{answer}"
        );
    }
}

/// The status of `GET /` under this name.
fn status_under(server: &Server, host: &str) -> u16 {
    let mut stream = server.connect();
    stream
        .send(format!("GET / HTTP/1.1\r\nhost: {host}\r\n\r\n"))
        .unwrap();
    Reply::read(&mut stream.0).unwrap().unwrap().status
}

#[test]
fn a_page_of_a_stranger_cannot_ask_a_development_server_under_its_own_name() {
    let server = Server::start(&["--public-base-url", "https://profiles.example.net"]);
    let address = server.program.address.to_string();
    for own in [
        "localhost:8787",
        "a.localhost",
        &address,
        "[::1]:1",
        "profiles.example.net",
    ] {
        assert_eq!(status_under(&server, own), 200, "{own}");
    }
    for foreign in [
        "evil.example",
        "evil.example:8787",
        "localhost.evil.example",
        "10.0.0.1",
    ] {
        assert_eq!(status_under(&server, foreign), 403, "{foreign}");
    }
    let mut connection = server.connect();
    connection
        .send("GET http://evil.example/ HTTP/1.1\r\nhost: localhost\r\n\r\n")
        .unwrap();
    assert!(connection.answer().unwrap().starts_with("HTTP/1.1 403 "));
    let open = Server::start(&["--allow-remote"]);
    assert_eq!(status_under(&open, "evil.example"), 200);
}

#[test]
fn recorded_requests_show_no_token_and_no_key_however_they_were_written() {
    let server = Server::start(&[]);
    for target in [
        "/user-profiles/%65nrollment/SECRET",
        "/user-profiles/enrollment/SECRET/",
        "/v1/user_profiles?api_key=SECRET&limit=3",
        "/v1/user_profiles?%61ccess_token=SECRET",
    ] {
        let mut connection = server.connect();
        connection
            .send(format!("GET {target} HTTP/1.1\r\nhost: localhost\r\n\r\n"))
            .unwrap();
        connection.answer().unwrap();
    }
    let recorded = server
        .operator()
        .ok("GET", "/operator/v1/dev/requests", "ga", None);
    let recorded: &Value = &recorded["data"];
    assert_eq!(recorded.as_array().unwrap().len(), 4);
    assert!(!recorded.to_string().contains("SECRET"), "{recorded}");
    assert_eq!(recorded[1]["query"], "api_key=[removed]&limit=3");
}
