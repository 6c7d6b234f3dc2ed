//! A server whose output nobody reads.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use crate::rollcall::Place;

/// Longer than anything here takes, and far shorter than forever.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// What a pipe holds.
const PIPE: usize = 64 * 1024;

/// A process that is killed when the test ends, however it ends.
pub(crate) struct Killed(pub(crate) Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Killed {
    /// Asks it to end, and answers with its status.
    #[track_caller]
    pub(crate) fn end(mut self) -> i32 {
        let asked = Instant::now();
        let kill = format!("kill -TERM {}", self.0.id());
        let sent = std::process::Command::new("sh")
            .args(["-c", &kill])
            .status();
        assert!(sent.unwrap().success());
        loop {
            if let Some(status) = self.0.try_wait().unwrap() {
                return status.code().unwrap_or(-1);
            }
            assert!(asked.elapsed() < PATIENCE, "it does not end");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

/// The answer to `GET path`, if there is one.
pub(crate) fn get(address: SocketAddr, path: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let request = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

fn dropped_lines(address: SocketAddr) -> u64 {
    let metrics = get(address, "/metrics").unwrap();
    let mut lines = metrics.lines();
    let found = lines.find_map(|line| line.strip_prefix("rollcall_log_lines_dropped_total "));
    found.unwrap().parse().unwrap()
}

#[test]
fn a_log_that_nobody_reads_does_not_freeze_the_server() {
    let place = Place::new();
    let mut command = place.command(&["serve", "--listen", "127.0.0.1:0", "--log", "trace"]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut server = Killed(command.spawn().unwrap());
    let mut stderr = server.0.stderr.take().unwrap();
    let mut line = String::new();
    let mut stdout = BufReader::new(server.0.stdout.take().unwrap());
    stdout.read_line(&mut line).unwrap();
    let address: SocketAddr = line.trim().rsplit('/').next().unwrap().parse().unwrap();

    let began = Instant::now();
    while began.elapsed() < PATIENCE * 2 {
        for _ in 0..50 {
            let answer = get(address, "/healthz").expect("it goes on answering");
            assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        }
        if dropped_lines(address) > 0 {
            break;
        }
    }
    assert!(dropped_lines(address) > 0);

    // Once somebody reads, one line says what is missing, and the log goes on.
    let (sender, told) = mpsc::channel();
    let (stop, stopped) = mpsc::channel::<()>();
    std::thread::spawn(move || {
        let mut lines = BufReader::new(&mut stderr).lines();
        let telling = lines.find(|line| line.as_ref().is_ok_and(|it| it.contains("\"dropped\":")));
        sender.send(telling.unwrap().unwrap()).unwrap();
        // Nobody reads again, and nothing is closed.
        let _ = stopped.recv();
    });
    let telling = told.recv_timeout(PATIENCE).expect("it is told");
    assert!(telling.contains("log lines were dropped"), "{telling}");
    assert!(telling.contains("\"level\":\"WARN\""), "{telling}");

    let before = dropped_lines(address);
    while dropped_lines(address) == before && began.elapsed() < PATIENCE * 3 {
        for _ in 0..50 {
            get(address, "/healthz").expect("it goes on answering");
        }
    }
    assert_eq!(server.end(), 0);
    drop(stop);
}

#[test]
fn a_server_starts_and_ends_although_its_output_is_stuck() {
    for (command, arguments) in [("serve", &[][..]), ("dev", &["--in-memory"])] {
        let place = Place::new();
        let (reader, mut writer) = std::io::pipe().unwrap();
        writer.write_all(&b"x".repeat(PIPE)).unwrap();
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap();
        drop(free);
        let listen = address.to_string();
        let arguments = [&[command, "--listen", &listen], arguments].concat();
        let mut command = place.command(&arguments);
        command.stdout(writer.try_clone().unwrap()).stderr(writer);
        let mut server = Killed(command.spawn().unwrap());
        let began = Instant::now();
        while !get(address, "/healthz").is_ok_and(|it| it.starts_with("HTTP/1.1 200 ")) {
            assert!(began.elapsed() < PATIENCE, "{arguments:?} does not answer");
            assert_eq!(server.0.try_wait().unwrap(), None);
            std::thread::sleep(Duration::from_millis(20));
        }
        assert_eq!(server.end(), 0, "{arguments:?}");
        drop(reader);
    }
}
