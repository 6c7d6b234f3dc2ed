//! The database goes away, fills up, or is not what was meant.

use std::io::Write as _;
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rollcall_scratch_postgres::{self as scratch, Server};
use serde_json::json;

use crate::cluster::{Cluster, PROFILES, eventually, text};
use crate::support::client::Client;
use crate::support::program::{Program, rollcall};

#[test]
fn an_outage_is_529_and_not_ready_and_ends_without_a_restart() {
    let mut server = scratch::wait(Server::start(&[]));
    let cluster = Cluster::on(server.url("postgres"));
    let node = cluster.serve("node", &[]);
    let mut client = cluster.platform(&node);
    let status = |client: &mut Client, method: &str, path: &str| {
        let body = (method == "POST").then(|| json!({}));
        let reply = client.send(method, path, "ga", body.as_ref()).unwrap();
        reply.status
    };
    for round in 0..2 {
        assert_eq!(status(&mut client, "GET", "/readyz"), 200);
        client.ok("POST", PROFILES, "ga", Some(&json!({})));
        server.kill();
        eventually("the node notices", || {
            status(&mut client, "GET", "/readyz") == 503
        });
        // While the key is remembered, and, in the second round, when it has to be read again.
        if round == 1 {
            eventually("the key is forgotten", || {
                let reply = client.send("GET", PROFILES, "ga", None).unwrap();
                assert_eq!(reply.status, 529, "{}", reply.text());
                true
            });
        }
        assert_eq!(status(&mut client, "GET", PROFILES), 529);
        let refused = client
            .send("POST", PROFILES, "ga", Some(&json!({})))
            .unwrap();
        assert_eq!(refused.status, 529);
        assert!(
            refused.text().contains("overloaded_error"),
            "{}",
            refused.text()
        );
        assert_eq!(status(&mut client, "GET", "/healthz"), 200);
        scratch::wait(server.go_on());
        eventually("the node is ready again", || {
            status(&mut client, "GET", "/readyz") == 200
        });
    }
    client.ok("POST", PROFILES, "ga", Some(&json!({})));
    let listed = client.ok("GET", PROFILES, "ga", None);
    assert_eq!(listed["data"].as_array().unwrap().len(), 3);
}

/// A small file system of a test's own, in memory.
struct Disk(tempfile::TempDir);

impl Disk {
    fn of(size: &str) -> Self {
        let place = tempfile::TempDir::with_prefix("rollcall-disk-").unwrap();
        let mut mount = as_root("mount");
        mount.args([
            "-t",
            "tmpfs",
            "-o",
            &format!("size={size},mode=0755"),
            "tmpfs",
        ]);
        let mounted = mount.arg(place.path()).output().unwrap();
        let said = String::from_utf8_lossy(&mounted.stderr);
        assert!(
            mounted.status.success(),
            "this test mounts a tmpfs, which needs root: {said}"
        );
        Self(place)
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = as_root("umount").arg("--lazy").arg(self.0.path()).status();
    }
}

fn as_root(program: &str) -> Command {
    let mut command = Command::new("sudo");
    command.args(["--non-interactive", program]);
    let id = Command::new("id").arg("-u").output().unwrap();
    if id.stdout == b"0\n" {
        Command::new(program)
    } else {
        command
    }
}

#[test]
fn a_full_disk_is_529_and_loses_nothing_and_ends_without_a_restart() {
    let disk = Disk::of("160m");
    // A log that may not grow much leaves the room to the data, and the room is what runs out.
    let settings = ["max_wal_size=32MB", "min_wal_size=32MB", "wal_recycle=off"];
    let server = scratch::wait(Server::start_in(
        disk.0.path(),
        &settings,
        &["--auth=trust"],
    ));
    let cluster = Cluster::on(server.url("postgres"));
    let node = cluster.serve("node", &[]);
    let mut client = cluster.platform(&node);
    let before = client.ok("POST", PROFILES, "ga", Some(&json!({"name": "Before"})));

    let ballast = disk.0.path().join("ballast");
    let fill = format!(
        "dd if=/dev/zero of={} bs=64k 2>/dev/null; true",
        ballast.display()
    );
    scratch::run(Command::new("sh").args(["-c", &fill]));
    // The log's last segment has room for a while, and so have the tables.
    let metadata: serde_json::Map<_, _> = (0..16)
        .map(|number| (format!("key_{number}"), "x".repeat(500).into()))
        .collect();
    let body = json!({"metadata": metadata});
    let mut acknowledged = Vec::new();
    let refused = (0..20_000)
        .find_map(|_| {
            let reply = client.send("POST", PROFILES, "ga", Some(&body)).unwrap();
            if reply.status == 200 {
                acknowledged.push(text(&reply.json()["id"]));
                return None;
            }
            Some(reply)
        })
        .unwrap_or_else(|| panic!("the disk is never full"));
    // The log itself cannot grow: PostgreSQL ends its sessions and starts itself again.
    let known = [(529, "overloaded_error"), (500, "api_error")];
    assert!(
        known
            .iter()
            .any(|(status, word)| refused.status == *status && refused.text().contains(word)),
        "{} {}",
        refused.status,
        refused.text()
    );

    std::fs::remove_file(&ballast).unwrap();
    eventually("there is room again", || {
        client
            .send("POST", PROFILES, "ga", Some(&json!({})))
            .unwrap()
            .status
            == 200
    });
    acknowledged.push(text(&before["id"]));
    for id in acknowledged {
        client.ok("GET", &format!("{PROFILES}/{id}"), "ga", None);
    }
    cluster.run(&["check"]);
}

#[test]
fn lists_are_read_from_the_read_url_and_single_profiles_from_the_primary() {
    let cluster = Cluster::new();
    // Not a replica, but one that lags as far as can be.
    let replica = Cluster::new();
    let node = cluster.serve("node", &["--database-read-url", &replica.url]);
    let other = cluster.serve("other", &[]);
    let mut client = cluster.platform(&node);
    let mut elsewhere = cluster.platform(&other);
    let made = elsewhere.ok("POST", PROFILES, "ga", Some(&json!({})));
    let path = format!("{PROFILES}/{}", text(&made["id"]));
    assert_eq!(client.ok("GET", &path, "ga", None), made);
    let listed = client.ok("GET", PROFILES, "ga", None);
    assert_eq!(listed["data"], json!([]));

    // Who writes through the node finds what it wrote, and all before it.
    let own = client.ok("POST", PROFILES, "ga", Some(&json!({})));
    let listed = client.ok("GET", PROFILES, "ga", None);
    assert_eq!(listed["data"], json!([own, made]));
}

#[test]
fn an_export_of_one_engine_restores_the_other_byte_for_byte() {
    let cluster = Cluster::new();
    let organization = ["--organization-id", &cluster.organization];
    let records = (0..300).map(|number| {
        json!({
            "type": "user_profile",
            "id": format!("uprof_moved{number:03}"),
            "name": (number % 3 != 0).then(|| format!("Ä \u{1f980} {number}")),
            "metadata": {"number": number.to_string()},
            "programs": {"cyber": {"status": "pending"}},
            "enforcement_actions": [{
                "id": format!("enac_moved{number:03}"), "type": "restriction", "reason": "high_harm",
                "opened_at": "2026-01-01T00:00:00Z", "expires_at": "2999-02-01T00:00:00.000001Z",
            }],
        })
        .to_string()
    });
    let records = records.collect::<Vec<_>>().join("\n");
    let records = cluster.write("records.ndjson", &records);
    cluster.run(&[&["import", &records][..], &organization].concat());

    let data = cluster.write("data", "");
    std::fs::remove_file(&data).unwrap();
    // The organization has to be there, on the other engine too.
    let dev = [&["dev", "--data-dir", &data][..], &organization].concat();
    drop(Program::start(
        &dev,
        &Path::new(&data).with_extension("log"),
    ));
    let run = |arguments: &[&str]| {
        let output = rollcall(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {output:?}");
    };
    let [first, second, third] = ["first", "second", "third"].map(|name| cluster.write(name, ""));
    let read = |path: &str| std::fs::read(path).unwrap();
    run(&["export", &first, "--database-url", &cluster.url]);
    assert_eq!(
        String::from_utf8(read(&first)).unwrap().lines().count(),
        300
    );
    run(&["import", &first, "--data-dir", &data]);
    run(&["export", &second, "--data-dir", &data]);
    assert!(read(&first) == read(&second));

    // And back, into a database that had nothing.
    let other = Cluster::new();
    let dev = ["dev", "--database-url", &other.url];
    let log = Path::new(&data).with_extension("other.log");
    drop(Program::start(&[&dev[..], &organization].concat(), &log));
    run(&["import", &second, "--database-url", &other.url]);
    run(&["export", &third, "--database-url", &other.url]);
    assert!(read(&first) == read(&third));
}

#[test]
fn what_waiting_would_not_mend_is_refused_in_one_line() {
    let cluster = Cluster::new();
    let port = scratch::port_of(&cluster.url);
    let missing = scratch::url(port, "no_such_database");
    let output = rollcall(&["orgs", "list", "--database-url", &missing])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8(output.stderr).unwrap();
    let expected = format!(
        "rollcall: cannot open the database at 127.0.0.1:{port}/no_such_database: database \
         \"no_such_database\" does not exist (3D000); create it first, for instance with createdb\n"
    );
    assert_eq!(said, expected);
}

#[test]
fn a_write_under_way_when_the_database_falls_silent_is_answered_in_time() {
    let server = scratch::wait(Server::start(&[]));
    let cluster = Cluster::on(server.url("postgres"));
    let node = cluster.serve("node", &IMPATIENT);
    let mut client = cluster.platform(&node);
    client.ok("POST", PROFILES, "ga", Some(&json!({})));
    // Stopped and not ended, as a machine that hangs: nothing is refused, nothing is answered.
    server.signal("STOP");
    let begun = std::time::Instant::now();
    let reply = client
        .send("POST", PROFILES, "ga", Some(&json!({})))
        .unwrap();
    let took = begun.elapsed();
    server.signal("CONT");
    assert!(matches!(reply.status, 500 | 529), "{}", reply.status);
    assert!(took < Duration::from_secs(12), "{took:?}");
    eventually("it goes on", || {
        client
            .send("POST", PROFILES, "ga", Some(&json!({})))
            .unwrap()
            .status
            == 200
    });
    cluster.run(&["check"]);
}

const SESSIONS: &str = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'rollcall'";
/// Gives up soon, and still has time to start on a machine with much else to do.
const IMPATIENT: [&str; 6] = [
    "--postgres-pool-size",
    "4",
    "--postgres-statement-timeout",
    "4s",
    "--postgres-connect-timeout",
    "5s",
];

/// Says which standbys a commit has to wait for.
fn wait_for_standbys(server: &Server, names: &str) {
    let set = format!("ALTER SYSTEM SET synchronous_standby_names = '{names}'");
    let url = server.url("postgres");
    scratch::wait(scratch::execute(&url, &[&set, "SELECT pg_reload_conf()"]));
    scratch::wait(scratch::wait_for(
        &url,
        "SHOW synchronous_standby_names",
        names,
    ));
}

#[test]
fn writes_that_wait_for_a_standby_that_is_away_stay_within_the_pool_and_reads_go_on() {
    let server = scratch::wait(Server::start(&["max_connections=30"]));
    let cluster = Cluster::on(server.url("postgres"));
    let nodes = ["one", "two"].map(|name| cluster.serve(name, &IMPATIENT));
    let made = cluster
        .platform(&nodes[0])
        .ok("POST", PROFILES, "ga", Some(&json!({})));
    let path = format!("{PROFILES}/{}", text(&made["id"]));
    wait_for_standbys(&server, "nobody");

    let stop = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> = (0..12)
        .map(|number| {
            let mut client = cluster.platform(&nodes[number % 2]);
            let stop = Arc::clone(&stop);
            std::thread::spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    let reply = client.send("POST", PROFILES, "ga", Some(&json!({})));
                    let status = reply.unwrap().status;
                    assert!(matches!(status, 500 | 529), "{status} without a standby");
                }
            })
        })
        .collect();
    let mut readers = nodes.each_ref().map(|node| cluster.platform(node));
    let (began, mut most) = (Instant::now(), 0);
    while began.elapsed() < Duration::from_secs(15) {
        for reader in &mut readers {
            for path in [&path, PROFILES, "/readyz"] {
                let reply = reader.send("GET", path, "ga", None).unwrap();
                assert_eq!(reply.status, 200, "{path}: {}", reply.text());
            }
        }
        let sessions: u32 = scratch::wait(scratch::ask(&cluster.url, SESSIONS))
            .parse()
            .unwrap();
        most = most.max(sessions);
        assert!(sessions <= 8, "{sessions} sessions of two pools of four");
    }
    assert!(most >= 6, "writes hang: {most} sessions");
    stop.store(true, Ordering::Relaxed);
    for writer in writers {
        writer.join().unwrap();
    }
    wait_for_standbys(&server, "");
    for reader in &mut readers {
        eventually("writes go on", || {
            let reply = reader.send("POST", PROFILES, "ga", Some(&json!({})));
            reply.unwrap().status == 200
        });
    }
    cluster.run(&["check"]);
}

#[test]
fn clients_that_give_up_while_a_standby_is_away_leave_no_more_sessions_than_the_pool() {
    let server = scratch::wait(Server::start(&["max_connections=30"]));
    let cluster = Cluster::on(server.url("postgres"));
    let node = cluster.serve("node", &IMPATIENT[..2]);
    wait_for_standbys(&server, "nobody");
    for _ in 0..40 {
        // Its connection is closed before there is an answer.
        let mut connection = TcpStream::connect(node.program.address).unwrap();
        let request = format!(
            "POST {PROFILES} HTTP/1.1\r\nhost: rollcall.test\r\nx-api-key: {}\r\n\
             anthropic-version: 2026-10-21\r\ncontent-length: 2\r\n\r\n{{}}",
            cluster.key
        );
        connection.write_all(request.as_bytes()).unwrap();
        std::thread::sleep(Duration::from_millis(50));
    }
    let sessions = scratch::wait(scratch::ask(&cluster.url, SESSIONS));
    assert!(sessions.parse::<u32>().unwrap() <= 4, "{sessions}");
    cluster.platform(&node).ok("GET", PROFILES, "ga", None);
}

#[test]
fn a_primary_that_is_frozen_for_good_keeps_no_place_in_the_pool() {
    let primary = scratch::wait(Server::start(&[]));
    let mut cluster = Cluster::on(primary.url("postgres"));
    let standby = scratch::wait(primary.standby());
    cluster.url = format!(
        "postgres://rollcall@127.0.0.1:{},127.0.0.1:{}/postgres?sslmode=disable",
        primary.port, standby.port
    );
    let node = cluster.serve("node", &IMPATIENT);
    wait_for_standbys(&primary, "*");
    let mut client = cluster.platform(&node);
    client.ok("POST", PROFILES, "ga", Some(&json!({})));
    primary.signal("STOP");
    // As many as the pool has places for writes, and more.
    let writers: Vec<_> = (0..6)
        .map(|_| {
            let mut client = cluster.platform(&node);
            std::thread::spawn(move || {
                let reply = client.send("POST", PROFILES, "ga", Some(&json!({})));
                reply.unwrap().status
            })
        })
        .collect();
    for writer in writers {
        let status = writer.join().unwrap();
        assert!(matches!(status, 500 | 529), "{status}");
    }
    standby.promote();
    eventually("the node writes to the new primary", || {
        let reply = client.send("POST", PROFILES, "ga", Some(&json!({})));
        reply.unwrap().status == 200
    });
    client.ok("GET", PROFILES, "ga", None);
    primary.signal("CONT");
}
