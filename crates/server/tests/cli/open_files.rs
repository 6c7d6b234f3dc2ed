//! A server under a limit of open files.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::Stdio;
use std::time::Instant;

use crate::rollcall::Place;
use crate::unread::{Killed, PATIENCE, get};

struct Limited {
    server: Killed,
    address: SocketAddr,
}

impl Limited {
    /// Starts `rollcall serve` after these commands of a shell.
    fn start(place: &Place, limits: &str) -> Self {
        let serve = ["serve", "--listen", "127.0.0.1:0"];
        let mut command = place.command_after(limits, &serve);
        let log = std::fs::File::create(place.path("log")).unwrap();
        command.stdout(Stdio::piped()).stderr(log);
        let mut server = Killed(command.spawn().unwrap());
        let mut line = String::new();
        let mut stdout = BufReader::new(server.0.stdout.take().unwrap());
        stdout.read_line(&mut line).unwrap();
        let address = line.trim().rsplit('/').next().unwrap().parse().unwrap();
        Self { server, address }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    /// The log once the server has ended.
    fn log_at_the_end(self, place: &Place) -> String {
        assert_eq!(self.server.end(), 0);
        String::from_utf8(place.read("log")).unwrap()
    }
}

/// The next answer on a connection that goes on.
fn ask(stream: &mut TcpStream, path: &str) -> String {
    let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nx-api-key: none\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut reader = BufReader::new(stream);
    let mut answer = String::new();
    while !answer.ends_with("\r\n\r\n") {
        assert!(
            reader.read_line(&mut answer).unwrap() > 0,
            "it was closed: {answer}"
        );
    }
    let length = answer
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.unwrap().parse().unwrap()];
    reader.read_exact(&mut body).unwrap();
    answer
}

#[test]
fn a_low_soft_limit_is_raised() {
    let place = Place::new();
    let server = Limited::start(&place, "ulimit -Sn 256");
    let mut idle = Vec::new();
    for _ in 0..300 {
        let mut stream = server.connect();
        assert!(ask(&mut stream, "/healthz").starts_with("HTTP/1.1 200 "));
        idle.push(stream);
    }
    drop(idle);
    let log = server.log_at_the_end(&place);
    assert!(log.contains("raised the limit of open files"), "{log}");
    assert!(!log.contains("cannot accept connections"), "{log}");
}

#[test]
fn connections_leave_storage_the_files_it_needs_under_a_hard_limit() {
    let place = Place::new();
    let server = Limited::start(&place, "ulimit -n 320");
    let idle: Vec<_> = (0..320).map(|_| server.connect()).collect();
    // As many as fit are kept. Once they have had their time to speak, they give way.
    let mut last = server.connect();
    while !ask(&mut last, "/v1/user_profiles").starts_with("HTTP/1.1 401 ") {
        last = server.connect();
    }
    for _ in 0..50 {
        let answer = ask(&mut last, "/v1/user_profiles");
        assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
    }
    drop(idle);
    let began = Instant::now();
    while !get(server.address, "/healthz").is_ok_and(|it| it.starts_with("HTTP/1.1 200 ")) {
        assert!(began.elapsed() < PATIENCE, "it does not recover");
    }
    let log = server.log_at_the_end(&place);
    assert!(log.contains("leaves room for fewer connections"), "{log}");
    assert!(!log.contains("cannot accept connections"), "{log}");
}
