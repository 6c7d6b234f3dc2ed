//! Request bodies: every row of the contract's table, over the wire.

use std::io::Write as _;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use insta::assert_snapshot;

use crate::client::Reply;
use crate::server::{PROFILE, TestServer};

const PROFILES: &str = "/v1/user_profiles";

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

async fn create(server: &TestServer, headers: &[(&'static str, &str)], body: &[u8]) -> Reply {
    let mut call = server.platform().call("POST", PROFILES);
    for (name, value) in headers {
        call = call.header(name, value);
    }
    call.body(Bytes::copy_from_slice(body)).send().await
}

#[tokio::test]
async fn media_types_and_encodings() {
    let server = TestServer::start().await;
    let zipped = gzip(b"{}");
    let bomb = gzip(&vec![b' '; 2 * 1024 * 1024]);
    let large = vec![b' '; 1024 * 1024 + 1];
    let json = ("content-type", "application/json");
    let mut shown = String::new();
    for (what, headers, body) in [
        ("json", vec![json], b"{}".as_slice()),
        ("no type", vec![], b"{}"),
        (
            "parameters",
            vec![("content-type", "application/json; charset=UTF-8; x=y")],
            b"{}",
        ),
        (
            "+json",
            vec![("content-type", "application/merge-patch+json")],
            b"{}",
        ),
        (
            "ascii",
            vec![("content-type", "application/json; charset=us-ascii")],
            b"{}",
        ),
        (
            "latin1",
            vec![("content-type", "application/json; charset=latin1")],
            b"{}",
        ),
        ("text", vec![("content-type", "text/plain")], b"{}"),
        (
            "form",
            vec![("content-type", "application/x-www-form-urlencoded")],
            b"a=b",
        ),
        ("gzip", vec![json, ("content-encoding", "gzip")], &zipped),
        (
            "identity",
            vec![json, ("content-encoding", "identity")],
            b"{}",
        ),
        ("br", vec![json, ("content-encoding", "br")], b"{}"),
        ("not gzip", vec![json, ("content-encoding", "gzip")], b"{}"),
        (
            "cut gzip",
            vec![json, ("content-encoding", "gzip")],
            &zipped[..10],
        ),
        ("bomb", vec![json, ("content-encoding", "gzip")], &bomb),
        ("large", vec![json], &large),
        ("empty", vec![json], b""),
    ] {
        let reply = create(&server, &headers, body).await;
        let said = match reply.status.as_u16() {
            200 => "200".to_owned(),
            _ => reply.error(),
        };
        shown.push_str(&format!("{what}: {said}\n"));
    }
    assert_snapshot!(shown, @"
    json: 200
    no type: 200
    parameters: 200
    +json: 200
    ascii: 200
    latin1: 400 invalid_request_error [unsupported_charset]: content-type: charset must be utf-8 or us-ascii
    text: 400 invalid_request_error: content-type: must be application/json
    form: 400 invalid_request_error: content-type: must be application/json
    gzip: 200
    identity: 200
    br: 400 invalid_request_error [request_body_encoding_unsupported]: content-encoding: must be identity or gzip
    not gzip: 400 invalid_request_error [request_body_encoding_invalid]: content-encoding: the request body is not one valid gzip member
    cut gzip: 400 invalid_request_error [request_body_encoding_invalid]: content-encoding: the request body is not one valid gzip member
    bomb: 413 request_too_large [request_body_too_large_after_decoding]: The request body exceeds 1048576 bytes after decoding
    large: 413 request_too_large: The request body exceeds 1048576 bytes
    empty: 400 invalid_request_error: The request body must be a JSON object.
    ");
}

#[tokio::test]
async fn what_is_not_the_json_that_is_wanted() {
    let server = TestServer::start().await;
    let deep = format!(r#"{{"metadata":{}{}}}"#, "[".repeat(40), "]".repeat(40));
    let mut shown = String::new();
    for body in [
        "[]",
        "null",
        "\"x\"",
        "{",
        "{}{}",
        "\u{feff}{}",
        r#"{"name":"\ud800"}"#,
        r#"{"name":"\u0000"}"#,
        r#"{"name":"A","name":"B"}"#,
        r#"{"metadata":{"k":"1","k":"2"}}"#,
        r#"{"nickname":"A"}"#,
        r#"{"":1}"#,
        r#"{"external_user_details":{"":1}}"#,
        r#"{"id":"uprof_1"}"#,
        r#"{"created_at":"2026-01-01T00:00:00Z"}"#,
        r#"{"programs":{}}"#,
        r#"{"enforcement_status":"banned"}"#,
        r#"{"external_id":"a"}"#,
        r#"{"trust_grants":{}}"#,
        r#"{"name":3}"#,
        r#"{"nickname":1,"name":3}"#,
        &deep,
    ] {
        let reply = create(&server, &[], body.as_bytes()).await;
        let body = if body.len() > 60 { "deep" } else { body };
        shown.push_str(&format!("{body}\n    {}\n", reply.error()));
    }
    let invalid_utf8 = create(&server, &[], b"{\"name\":\"\xff\"}").await;
    shown.push_str(&format!("not UTF-8\n    {}\n", invalid_utf8.error()));
    assert_snapshot!(shown, @r#"
    []
        400 invalid_request_error: The request body must be a JSON object.
    null
        400 invalid_request_error: The request body must be a JSON object.
    "x"
        400 invalid_request_error: The request body must be a JSON object.
    {
        400 invalid_request_error: The request body is not valid JSON: unexpected end at line 1 column 1
    {}{}
        400 invalid_request_error: The request body is not valid JSON: trailing characters at line 1 column 3
    ﻿{}
        400 invalid_request_error: The request body is not valid JSON: byte order mark at line 1 column 1
    {"name":"\ud800"}
        400 invalid_request_error: The request body is not valid JSON: unexpected end of hex escape at line 1 column 16
    {"name":"\u0000"}
        400 invalid_request_error: The request body is not valid JSON: U+0000 in a string at line 1 column 16
    {"name":"A","name":"B"}
        400 invalid_request_error: name: duplicate key
    {"metadata":{"k":"1","k":"2"}}
        400 invalid_request_error: metadata.k: duplicate key
    {"nickname":"A"}
        400 invalid_request_error: nickname: Extra inputs are not permitted
    {"":1}
        400 invalid_request_error: (empty name): Extra inputs are not permitted
    {"external_user_details":{"":1}}
        400 invalid_request_error: external_user_details.(empty name): Extra inputs are not permitted
    {"id":"uprof_1"}
        400 invalid_request_error: id: Extra inputs are not permitted
    {"created_at":"2026-01-01T00:00:00Z"}
        400 invalid_request_error: created_at: Extra inputs are not permitted
    {"programs":{}}
        400 invalid_request_error: programs: Extra inputs are not permitted
    {"enforcement_status":"banned"}
        400 invalid_request_error: enforcement_status: Extra inputs are not permitted
    {"external_id":"a"}
        400 invalid_request_error: external_id: not accepted without a legacy beta header; send external_user_details.reference_id
    {"trust_grants":{}}
        400 invalid_request_error: trust_grants: Extra inputs are not permitted
    {"name":3}
        400 invalid_request_error: name: must be a string
    {"nickname":1,"name":3}
        400 invalid_request_error: name: must be a string
    deep
        400 invalid_request_error: The request body is not valid JSON: nested deeper than 32 at line 1 column 44
    not UTF-8
        400 invalid_request_error: The request body is not valid JSON: invalid UTF-8 at line 1 column 10
    "#);
}

#[tokio::test]
async fn bodies_that_are_not_asked_for_are_ignored() {
    let server = TestServer::start().await;
    let path = format!("{PROFILES}/{PROFILE}");
    for (method, path) in [
        ("GET", PROFILES),
        ("GET", path.as_str()),
        ("DELETE", path.as_str()),
    ] {
        let call = server
            .platform()
            .call(method, path)
            .header("content-type", "text/plain");
        let reply = call
            .header("content-encoding", "br")
            .body("nonsense")
            .send()
            .await;
        assert_eq!(reply.status, 200, "{method} {path}: {reply}");
    }
}

#[tokio::test]
async fn a_body_that_does_not_arrive_times_out() {
    let server = TestServer::with(|options| {
        options.settings.body.time = std::time::Duration::from_secs(1);
        options.settings.request_timeout = std::time::Duration::from_secs(1);
    })
    .await;
    let head = format!(
        "POST {PROFILES} HTTP/1.1\r\nhost: x\r\nx-api-key: {}\r\nanthropic-version: 2023-06-01\r\n\
         connection: close\r\ncontent-length: 10\r\n\r\n{{",
        crate::server::BOUND_KEY
    );
    let answer = server.stranger().raw(head.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    assert!(answer.contains("request_body_timeout"), "{answer}");
}
