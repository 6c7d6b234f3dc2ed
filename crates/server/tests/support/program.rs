//! The program: started on a free port, awaited, killed.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// The secret key of instances that share a database.
pub(crate) const SECRET_KEY: &str = "c2l4dGVlbiBieXRlcyBhcmUgbm90IDMyIGJ5dGVzISE=";

/// The program with these arguments, unaffected by the settings of whoever runs the tests.
pub(crate) fn rollcall(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rollcall"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("ROLLCALL_") {
            command.env_remove(name);
        }
    }
    // Instances that share a database share this; the embedded storage makes its own.
    if arguments.contains(&"--database-url") {
        command.env("ROLLCALL_SECRET_KEY", SECRET_KEY);
    }
    command.args(arguments).stdin(Stdio::null());
    command
}

/// A running server. Dropping it is `kill -9`, and waits until it is gone.
#[derive(Debug)]
pub(crate) struct Program {
    pub(crate) child: Child,
    pub(crate) address: SocketAddr,
}

impl Program {
    /// Starts a server and waits until it listens. Its log goes to the file `log`.
    pub(crate) fn start(arguments: &[&str], log: &Path) -> Self {
        Self::launch(rollcall(arguments), log)
    }

    /// The same of a command that was prepared further.
    pub(crate) fn launch(mut command: Command, log: &Path) -> Self {
        command.args(["--listen", "127.0.0.1:0"]);
        // What it keeps where it is started goes with the test.
        command.current_dir(log.parent().unwrap());
        let log_file = File::options().create(true).append(true).open(log).unwrap();
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(log_file)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        // `serve` and `dev` both print where they listen, once they do.
        let address = lines.by_ref().map_while(Result::ok).find_map(|line| {
            let (_, after) = line.split_once("http://127.0.0.1:")?;
            let digits: String = after.chars().take_while(char::is_ascii_digit).collect();
            digits.parse().ok()
        });
        let Some(port) = address else {
            let log = std::fs::read_to_string(log).unwrap_or_default();
            panic!("the server did not start: {:?}\n{log}", child.wait());
        };
        // A full pipe would stop the server, so whatever else it prints is read.
        std::thread::spawn(move || lines.for_each(drop));
        Self {
            child,
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
