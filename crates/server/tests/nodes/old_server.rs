//! A server of an older version, as far as it takes to be asked which one it is: each question it is
//! sent is either about its version, or one that it does not understand.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};

use rollcall_scratch_postgres as scratch;

use crate::support::program::rollcall;

/// Says what it is to everyone who connects to the port; it ends with the process.
fn serve(number: &'static str, version: &'static str) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            // Whoever has learnt the version may be gone.
            let _ = converse(stream.unwrap(), number, version);
        }
    });
    port
}

fn converse(mut stream: TcpStream, number: &str, version: &str) -> std::io::Result<()> {
    let length = read_length(&mut stream)?;
    read(&mut stream, length)?;
    // Welcome, the parameter without which a client does not go on, a key, and ready.
    let mut hello = message(b'R', &0_u32.to_be_bytes());
    hello.extend(message(b'S', b"client_encoding\0UTF8\0"));
    hello.extend(message(b'K', &[0; 8]));
    hello.extend(message(b'Z', b"I"));
    stream.write_all(&hello)?;
    let mut asked = String::new();
    loop {
        let [kind] = read(&mut stream, 1)?[..] else {
            return Ok(());
        };
        let length = read_length(&mut stream)?;
        let body = read(&mut stream, length)?;
        match kind {
            b'P' => asked = String::from_utf8_lossy(&body).into_owned(),
            b'S' => stream.write_all(&answer(&asked, number, version))?,
            _ => {}
        }
    }
}

fn answer(asked: &str, number: &str, version: &str) -> Vec<u8> {
    let mut all = Vec::new();
    if asked.contains("server_version_num") && !asked.contains(", true)") {
        all.extend(message(b'1', b""));
        all.extend(message(b'2', b""));
        all.extend(message(b'T', &columns(&["number", "version"])));
        all.extend(message(b'D', &row(&[number, version])));
        all.extend(message(b'C', b"SELECT 1\0"));
    } else {
        let said = "SERROR\0VERROR\0C42883\0Mfunction current_setting(unknown, boolean) does not exist\0\0";
        all.extend(message(b'E', said.as_bytes()));
    }
    all.extend(message(b'Z', b"I"));
    all
}

fn columns(names: &[&str]) -> Vec<u8> {
    const TEXT: u32 = 25;
    let mut body = u16::try_from(names.len()).unwrap().to_be_bytes().to_vec();
    for name in names {
        body.extend([name.as_bytes(), b"\0"].concat());
        body.extend([&[0; 6][..], &TEXT.to_be_bytes()].concat());
        // Of any length, without a modifier, as the client asked for it: binary.
        body.extend([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 1]);
    }
    body
}

fn row(values: &[&str]) -> Vec<u8> {
    let mut body = u16::try_from(values.len()).unwrap().to_be_bytes().to_vec();
    for value in values {
        body.extend(u32::try_from(value.len()).unwrap().to_be_bytes());
        body.extend(value.as_bytes());
    }
    body
}

fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 4).unwrap();
    [&[kind][..], &length.to_be_bytes(), body].concat()
}

/// How much follows a message's length, which counts itself.
fn read_length(stream: &mut TcpStream) -> std::io::Result<usize> {
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    Ok(usize::try_from(u32::from_be_bytes(length)).unwrap() - 4)
}

fn read(stream: &mut TcpStream, length: usize) -> std::io::Result<Vec<u8>> {
    let mut bytes = vec![0; length];
    stream.read_exact(&mut bytes)?;
    Ok(bytes)
}

#[test]
fn a_server_older_than_fifteen_is_refused_in_one_line() {
    for (number, version) in [("140023", "14.23 (Debian 14.23-1)"), ("90525", "9.5.25")] {
        let port = serve(number, version);
        let url = scratch::url(port, "rollcall");
        for command in [&["serve"][..], &["migrate"], &["orgs", "list"]] {
            let arguments = [command, &["--database-url", &url]].concat();
            let mut program = rollcall(&arguments);
            program.env(
                "ROLLCALL_SECRET_KEY",
                "YmVuY2hiZW5jaGJlbmNoYmVuY2hiZW5jaGJlbmNoYmU=",
            );
            let output = program.output().unwrap();
            assert_eq!(output.status.code(), Some(2), "{command:?}");
            let said = String::from_utf8(output.stderr).unwrap();
            let expected = format!(
                "rollcall: cannot use the database at 127.0.0.1:{port}/rollcall: it runs \
                 PostgreSQL {version}, and Rollcall needs 15 or later\n"
            );
            assert!(said.ends_with(&expected), "{command:?}: {said}");
        }
    }
}
