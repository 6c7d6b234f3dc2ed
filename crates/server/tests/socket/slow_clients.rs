//! Clients that do not go on: that leave their answers, their requests or their windows as they are. Whatever
//! they hold is bounded, they are cut in time, and another client notices nothing.
//!
//! With `ROLLCALL_SLOW_CLIENTS=long` the server keeps its usual limits, eight of each kind go at it for a
//! while, and what another client waits and what the server takes of memory are compared with before.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rstest::rstest;
use serde_json::json;
use tempfile::TempDir;

use crate::http2::Http2;
use crate::passing;
use crate::support::client::Client;
use crate::support::program::Program;

/// Longer than any limit that the server is started with, and far shorter than forever.
const PATIENCE: Duration = Duration::from_secs(20);

const MIB: usize = 1024 * 1024;

const KEY: &str = "test-slow-clients";

const SIGN_IN: [(&str, &str); 3] = [
    ("content-type", "application/x-www-form-urlencoded"),
    ("sec-fetch-site", "same-origin"),
    ("content-length", "32000"),
];

/// Answers of some size, for anybody.
const LARGE: [&str; 3] = ["/openapi/operator.json", "/metrics", "/docs/ga"];

/// As many requests as HTTP/2 lets a client have in flight here.
const STREAMS: usize = 100;

/// What a client does. It goes on doing so until its connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    SendsNothing,
    DripsAHead,
    DripsABody,
    DripsABodyAtACheck,
    ReadsNothing,
    DripsItsReading,
    PipelinesHeadsAndReadsNothing,
    WindowsOfNothing,
    WindowsOfOneByte,
    DripsItsWindows,
    GivesUpAndAsksAgain,
    LargeHeadsWithoutWindows,
    ListsWithoutWindows,
    DripsBodies,
    StopsInAHead,
    WideWindowsAndReadsNothing,
}

type Step = Box<dyn FnMut() -> io::Result<()> + Send>;

impl Kind {
    /// Connects, and makes what is to be done again and again.
    fn connect(self, address: SocketAddr) -> io::Result<Step> {
        match self {
            Self::SendsNothing => http1(address, b"", |_| Ok(())),
            Self::DripsAHead => http1(address, b"GET / HTTP/1.1\r\nx: ", |it| it.write_all(b"a")),
            Self::DripsABody => {
                let fields = SIGN_IN.map(|(name, value)| format!("{name}: {value}\r\n"));
                let fields = fields.concat();
                let head =
                    format!("POST /console/sign-in HTTP/1.1\r\nhost: localhost\r\n{fields}\r\n");
                http1(address, head.as_bytes(), |it| it.write_all(b"a"))
            }
            Self::DripsABodyAtACheck => {
                let head = "POST /gateway/v1/check HTTP/1.1\r\nhost: localhost\r\n\
                    x-rollcall-gateway-key: test-slow-clients-gateway\r\ncontent-length: 32000\r\n\r\n";
                http1(address, head.as_bytes(), |it| it.write_all(b"a"))
            }
            Self::ReadsNothing => http1(address, &pipelined("GET"), |_| Ok(())),
            Self::DripsItsReading => http1(address, &pipelined("GET"), |it| {
                let read = it.read(&mut [0])?;
                (read > 0)
                    .then_some(())
                    .ok_or(io::ErrorKind::BrokenPipe.into())
            }),
            Self::PipelinesHeadsAndReadsNothing => {
                http1(address, &pipelined("HEAD").repeat(20), |_| Ok(()))
            }
            Self::WindowsOfNothing => http2(address, 0, &[], |_, _| Ok(())),
            Self::WindowsOfOneByte => http2(address, 1, &[], |_, _| Ok(())),
            Self::DripsItsWindows => http2(address, 0, &[], |it, streams| {
                streams.iter().try_for_each(|stream| it.widen(*stream, 1))
            }),
            Self::GivesUpAndAsksAgain => http2(address, 0, &[], |it, streams| {
                it.cancel(streams.remove(0))?;
                streams.push(it.request("GET", LARGE[0], &[])?);
                Ok(())
            }),
            Self::LargeHeadsWithoutWindows => {
                let value = "v".repeat(30_000);
                http2(address, 0, &[("x", &value)], |_, _| Ok(()))
            }
            Self::ListsWithoutWindows => {
                let key = [("x-api-key", KEY), ("anthropic-version", "2026-10-21")];
                let mut client = Http2::connect(address, 0)?;
                client.read_on();
                for _ in 0..STREAMS {
                    client.request("GET", "/v1/user_profiles?limit=100", &key)?;
                }
                Ok(Box::new(move || watch(&client)))
            }
            Self::DripsBodies => {
                let mut client = Http2::connect(address, 65_535)?;
                client.read_on();
                let mut streams = Vec::new();
                for _ in 0..STREAMS {
                    let stream = client.request("POST", "/console/sign-in", &SIGN_IN)?;
                    client.body(stream, &[b'a'; 16_000])?;
                    streams.push(stream);
                }
                let mut turn = streams.into_iter().cycle();
                Ok(Box::new(move || {
                    watch(&client)?;
                    turn.next()
                        .map_or(Ok(()), |stream| client.body(stream, b"a"))
                }))
            }
            Self::StopsInAHead => {
                let client = Http2::connect(address, 65_535)?;
                client.half_a_head()?;
                Ok(Box::new(move || watch(&client)))
            }
            Self::WideWindowsAndReadsNothing => {
                let mut client = Http2::connect(address, 0x7fff_0000)?;
                for number in 0..STREAMS {
                    client.request("GET", LARGE[number % LARGE.len()], &[])?;
                }
                Ok(Box::new(move || watch(&client)))
            }
        }
    }
}

fn watch(client: &Http2) -> io::Result<()> {
    if client.has_ended() {
        Err(io::ErrorKind::BrokenPipe.into())
    } else {
        Ok(())
    }
}

/// More requests than the kernel takes answers of for somebody who reads none.
fn pipelined(method: &str) -> Vec<u8> {
    let request = |path| format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\n\r\n");
    LARGE.map(request).concat().repeat(200).into_bytes()
}

fn http1(
    address: SocketAddr,
    sent: &[u8],
    mut step: impl FnMut(&mut TcpStream) -> io::Result<()> + Send + 'static,
) -> io::Result<Step> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    stream.set_write_timeout(Some(Duration::from_millis(500)))?;
    // A server that waits for its answers to be taken does not take all of it.
    let _ = stream.write_all(sent);
    Ok(Box::new(move || step(&mut stream)))
}

fn http2(
    address: SocketAddr,
    window: u32,
    fields: &[(&str, &str)],
    mut step: impl FnMut(&mut Http2, &mut Vec<u32>) -> io::Result<()> + Send + 'static,
) -> io::Result<Step> {
    let mut client = Http2::connect(address, window)?;
    client.read_on();
    let paths = LARGE.iter().cycle().take(STREAMS);
    let streams = paths.map(|path| client.request("GET", path, fields));
    let mut streams: Vec<u32> = streams.collect::<io::Result<_>>()?;
    Ok(Box::new(move || {
        watch(&client)?;
        step(&mut client, &mut streams)
    }))
}

/// Some clients of one kind, until it is dropped.
struct Slow {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Slow {
    fn unleash(kind: Kind, address: SocketAddr, count: usize, again: bool) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let threads = (0..count).map(|_| {
            let stop = Arc::clone(&stop);
            thread::spawn(move || {
                while !stop.load(Ordering::SeqCst) {
                    // A server may close while it is still being sent to.
                    let mut connected = kind.connect(address).ok();
                    while let Some(go_on) = &mut connected
                        && !stop.load(Ordering::SeqCst)
                        && go_on().is_ok()
                    {
                        thread::sleep(Duration::from_millis(20));
                    }
                    // Who is not cut stays connected, and so does who cannot see that it was.
                    while !again && !stop.load(Ordering::SeqCst) {
                        thread::sleep(Duration::from_millis(20));
                    }
                }
            })
        });
        Self {
            threads: threads.collect(),
            stop,
        }
    }
}

impl Drop for Slow {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        for thread in self.threads.drain(..) {
            // A failure of its own would have shown.
            let _ = thread.join();
        }
    }
}

struct Server {
    program: Program,
    honest: Client,
    _directory: TempDir,
}

impl Server {
    /// A server that knows so many profiles, of 8 KB each.
    fn start(arguments: &[&str], profiles: usize) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let arguments = [&["dev", "--auto-tenants", "--log", "off"], arguments].concat();
        let program = passing::start(&arguments, &directory.path().join("log"));
        let mut honest = Client::new(program.address, KEY);
        for number in 0..profiles {
            let long = "x".repeat(512);
            let metadata: serde_json::Map<_, _> = (0..16)
                .map(|key| (format!("key-{key}"), json!(long)))
                .collect();
            let profile = json!({"external_id": format!("acct_{number}"), "metadata": metadata});
            let created = honest.send("POST", "/v1/user_profiles", "2026-08-18", Some(&profile));
            assert_eq!(created.unwrap().status, 200);
        }
        Self {
            program,
            honest,
            _directory: directory,
        }
    }

    fn figure(&mut self, name: &str) -> usize {
        let metrics = self.honest.send("GET", "/metrics", "ga", None).unwrap();
        let lines = metrics.text();
        let line = lines.lines().find_map(|line| line.strip_prefix(name));
        line.map_or(0, |value| value.trim().parse().unwrap())
    }

    fn resident_bytes(&self) -> usize {
        let status = format!("/proc/{}/status", self.program.child.id());
        let status = std::fs::read_to_string(status).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib: usize = line.unwrap().trim_end_matches("kB").trim().parse().unwrap();
        kib * 1024
    }

    /// Another client's waits, in order.
    fn waits(&mut self, requests: usize) -> Vec<Duration> {
        let mut waits = Vec::with_capacity(requests);
        for _ in 0..requests {
            let begun = Instant::now();
            self.honest
                .ok("GET", "/v1/user_profiles?limit=2", "ga", None);
            waits.push(begun.elapsed());
            thread::sleep(Duration::from_millis(3));
        }
        waits.sort_unstable();
        waits
    }
}

/// Those that the limits of this server end, in seconds.
#[rstest]
#[case::silence(Kind::SendsNothing)]
#[case::a_dripping_head(Kind::DripsAHead)]
#[case::a_stalled_reader(Kind::ReadsNothing)]
#[case::a_dripping_reader(Kind::DripsItsReading)]
#[case::windows_of_nothing(Kind::WindowsOfNothing)]
#[case::windows_of_one_byte(Kind::WindowsOfOneByte)]
#[case::dripping_windows(Kind::DripsItsWindows)]
#[case::large_heads_without_windows(Kind::LargeHeadsWithoutWindows)]
#[case::lists_without_windows(Kind::ListsWithoutWindows)]
#[case::wide_windows_and_no_reading(Kind::WideWindowsAndReadsNothing)]
fn a_slow_client_is_cut_in_time(#[case] kind: Kind) {
    let profiles = if kind == Kind::ListsWithoutWindows {
        100
    } else {
        2
    };
    let mut server = Server::start(&SHORT_LIMITS, profiles);
    let slow = Slow::unleash(kind, server.program.address, CLIENTS, false);
    another_client_notices_nothing(&mut server);
    let begun = Instant::now();
    while server.figure("rollcall_http_connections ") > 1 {
        assert!(begun.elapsed() < PATIENCE, "{kind:?} is not cut");
        thread::sleep(Duration::from_millis(50));
    }
    // What is left is the answer that says so, once those are gone that were being made when the connections were cut.
    while server.figure("rollcall_http_unsent_bytes ") >= MIB {
        assert!(begun.elapsed() < PATIENCE, "{kind:?} leaves answers behind");
        thread::sleep(Duration::from_millis(50));
    }
    drop(slow);
}

/// Those that end later, or that never stop asking.
#[rstest]
#[case::a_dripping_body(Kind::DripsABody)]
#[case::a_body_that_nobody_reads(Kind::DripsABodyAtACheck)]
#[case::heads_and_no_reading(Kind::PipelinesHeadsAndReadsNothing)]
#[case::asking_again_and_again(Kind::GivesUpAndAsksAgain)]
#[case::dripping_bodies(Kind::DripsBodies)]
#[case::half_an_http2_head(Kind::StopsInAHead)]
fn a_slow_client_does_not_disturb_others(#[case] kind: Kind) {
    let mut server = Server::start(&SHORT_LIMITS, 2);
    let slow = Slow::unleash(kind, server.program.address, CLIENTS, true);
    another_client_notices_nothing(&mut server);
    drop(slow);
}

const CLIENTS: usize = 4;

const SHORT_LIMITS: [&str; 6] = [
    "--stall-timeout",
    "1s",
    "--header-read-timeout",
    "1s",
    "--max-unsent-per-connection-mib",
    "1",
];

/// Answers that are being made when a connection has its MiB come on top; some of each processor.
const MOST_UNSENT: usize = CLIENTS * 4 * MIB;

fn another_client_notices_nothing(server: &mut Server) {
    for _ in 0..20 {
        server
            .honest
            .ok("GET", "/v1/user_profiles?limit=2", "ga", None);
        let unsent = server.figure("rollcall_http_unsent_bytes ");
        assert!(unsent <= MOST_UNSENT, "{unsent} bytes are held");
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_scrape_that_is_not_taken_is_given_to_the_next() {
    let mut server = Server::start(&[], 0);
    let mut stalled = Http2::connect(server.program.address, 0).unwrap();
    stalled.read_on();
    stalled.request("GET", "/metrics", &[]).unwrap();
    let begun = Instant::now();
    let counted = |server: &mut Server| {
        let name =
            "rollcall_http_requests_total{method=\"GET\",route=\"/healthz\",status=\"200\"} ";
        server.figure(name)
    };
    // The stalled one may come a little later than the first of these.
    let mut probes = 0;
    loop {
        let before = counted(&mut server);
        server.honest.ok("GET", "/healthz", "ga", None);
        probes += 1;
        if probes > 1 && counted(&mut server) == before {
            break;
        }
        assert!(begun.elapsed() < PATIENCE, "each scrape is made anew");
    }
    drop(stalled);
}

#[test]
fn one_address_cannot_keep_others_out() {
    let server = Server::start(&["--max-connections", "6"], 0);
    let address = server.program.address;
    let slow = Slow::unleash(Kind::WindowsOfNothing, address, 12, true);
    let begun = Instant::now();
    let mut answered = 0;
    while answered < 4 {
        assert!(begun.elapsed() < PATIENCE, "{answered} were answered");
        // One that takes a second to send its request, as on a busy machine, may have given way itself. When
        // none can yet, one is told to come again, unless it is a health check.
        let mut probe = Client::new(address, "nobody");
        let Ok(health) = probe.send("GET", "/healthz", "ga", None) else {
            continue;
        };
        assert_eq!(health.status, 200, "{}", health.text());
        let mut other = Client::new(address, KEY);
        let Ok(reply) = other.send("GET", "/v1/user_profiles", "ga", None) else {
            continue;
        };
        assert!([200, 529].contains(&reply.status), "{}", reply.text());
        answered += usize::from(reply.status == 200);
    }
    drop(slow);
}

#[test]
fn a_health_check_is_answered_while_every_connection_is_at_work() {
    let operator = "operator-of-slow-clients";
    let limits = ["--max-connections", "2", "--operator-key", operator];
    let server = Server::start(&limits, 0);
    let fault = json!({
        "method": "GET", "path": "/v1/user_profiles", "status": 500, "delay_ms": 4_000, "times": 100
    });
    let mut operator = Client::new(server.program.address, operator);
    operator.ok("POST", "/operator/v1/dev/faults", "ga", Some(&fault));
    drop(operator);
    let address = server.program.address;
    let ended = Arc::new(AtomicBool::new(false));
    let delayed = [(); 2].map(|()| {
        let ended = Arc::clone(&ended);
        thread::spawn(move || {
            // Those that ask beside it may have taken its place.
            while {
                let mut client = Client::new(address, KEY);
                let reply = client.send("GET", "/v1/user_profiles", "ga", None);
                reply.unwrap().status == 529
            } {}
            ended.store(true, Ordering::SeqCst);
        })
    });
    let begun = Instant::now();
    // The first of these come before the two are at work.
    while {
        let mut late = Client::new(address, KEY);
        late.send("GET", "/docs/ga", "ga", None).unwrap().status != 529
    } {
        assert!(begun.elapsed() < PATIENCE, "all are served");
    }
    let mut probe = Client::new(address, "nobody");
    probe.ok("GET", "/healthz", "ga", None);
    assert!(!ended.load(Ordering::SeqCst), "the machine is too slow");
    for delayed in delayed {
        delayed.join().unwrap();
    }
    Client::new(address, KEY).ok("GET", "/healthz", "ga", None);
}

/// The usual limits, and figures: `ROLLCALL_SLOW_CLIENTS=long`.
#[test]
fn no_kind_of_slow_client_costs_another_half_its_median_or_64_mib() {
    if std::env::var("ROLLCALL_SLOW_CLIENTS").as_deref() != Ok("long") {
        return;
    }
    let kinds = [
        Kind::SendsNothing,
        Kind::DripsAHead,
        Kind::DripsABody,
        Kind::DripsABodyAtACheck,
        Kind::ReadsNothing,
        Kind::DripsItsReading,
        Kind::PipelinesHeadsAndReadsNothing,
        Kind::WindowsOfNothing,
        Kind::WindowsOfOneByte,
        Kind::DripsItsWindows,
        Kind::GivesUpAndAsksAgain,
        Kind::LargeHeadsWithoutWindows,
        Kind::DripsBodies,
        Kind::StopsInAHead,
        Kind::WideWindowsAndReadsNothing,
    ];
    let mut failed = Vec::new();
    for kind in kinds {
        let mut server = Server::start(&[], 50);
        server.waits(500);
        let (before, resident) = (server.waits(2_000), server.resident_bytes());
        let slow = Slow::unleash(kind, server.program.address, 8, true);
        thread::sleep(Duration::from_secs(1));
        let beside = server.waits(2_000);
        let grown = server.resident_bytes().saturating_sub(resident) / MIB;
        drop(slow);
        let ratio = |at: usize| beside[at].as_secs_f64() / before[at].as_secs_f64();
        let (median, p99) = (ratio(1_000), ratio(1_980));
        println!("{kind:?}: median x{median:.2}, p99 x{p99:.2}, {grown} MiB more");
        if median >= 1.5 || grown >= 64 {
            failed.push(kind);
        }
    }
    assert_eq!(failed, []);
}
