//! What this machine has: the binaries, a user that is not root, free ports.

use std::net::TcpListener;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// Where Debian and others keep the server's binaries, newest first.
const PLACES: [&str; 7] = [
    "/usr/lib/postgresql/18/bin",
    "/usr/lib/postgresql/17/bin",
    "/usr/lib/postgresql/16/bin",
    "/usr/lib/postgresql/15/bin",
    "/usr/pgsql-15/bin",
    "/opt/homebrew/bin",
    "/usr/local/bin",
];

/// The directory of the server's binaries.
pub fn binaries() -> &'static Path {
    static FOUND: OnceLock<PathBuf> = OnceLock::new();
    FOUND.get_or_init(|| {
        let given = std::env::var_os("ROLLCALL_TEST_POSTGRES_BIN").map(PathBuf::from);
        let known = PLACES.iter().map(PathBuf::from);
        given
            .into_iter()
            .chain(known)
            .find(|place| place.join("initdb").exists() && place.join("postgres").exists())
            .unwrap_or_else(|| {
                panic!(
                    "these tests need PostgreSQL's server binaries: apt-get install postgresql \
                     pgbouncer, or set ROLLCALL_TEST_POSTGRES_BIN to their directory"
                )
            })
    })
}

fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}

/// A command that runs as somebody who is not root.
pub fn unprivileged(program: &Path) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]);
    command.arg(program);
    command
}

/// Runs a command to its end; what it says is shown when it fails.
pub fn run(command: &mut Command) {
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert!(
        output.status.success(),
        "{command:?}: {}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

/// An empty directory that the server's user owns.
pub fn directory(path: &Path) {
    std::fs::create_dir_all(path).unwrap();
    if is_root() {
        run(Command::new("chown").arg("postgres:").arg(path));
    }
    run(Command::new("chmod").arg("700").arg(path));
}

/// A port that nothing uses, and that the system gives to nobody who connects somewhere.
///
/// A server that is killed and started again must find its port free. Those that the system chooses by
/// itself are also given to outgoing connections; and a client that tries again and again to reach a
/// dead server on such a port is at last connected to itself, and keeps the port taken.
pub fn free_port() -> u16 {
    loop {
        let port = rand::random_range(20_000..32_000);
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}
