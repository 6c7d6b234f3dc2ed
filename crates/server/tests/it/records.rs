//! Whole records: put, import, export.

use std::io::Write as _;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use futures_util::StreamExt as _;
use insta::assert_snapshot;

use crate::client::Reply;
use crate::server::{
    OPERATOR_KEY, ORGANIZATION, OTHER_ORGANIZATION, OTHER_PROFILE, PROFILE, TestServer,
};

const IMPORT: &str = "/operator/v1/user_profiles/import";
const EXPORT: &str = "/operator/v1/user_profiles/export";

async fn import(server: &TestServer, lines: &str) -> Reply {
    let call = server.operator().call("POST", IMPORT);
    call.header("content-type", "application/x-ndjson")
        .body(lines.to_owned())
        .send()
        .await
}

fn record(id: &str) -> String {
    format!(r#"{{"type":"user_profile","organization_id":"{ORGANIZATION}","id":"{id}"}}"#)
}

#[tokio::test]
async fn an_import_whose_body_stops_ends_while_pings_are_answered() {
    let server = TestServer::with(|options| {
        let limits = &mut options.settings.listener;
        limits.quiet_timeout = Duration::from_secs(1);
        limits.ping_interval = Duration::from_millis(200);
    })
    .await;
    let line = format!("{}\n", record("uprof_stops"));
    let first = futures_util::stream::iter([Ok::<_, std::io::Error>(line)]);
    let stops = first.chain(futures_util::stream::pending());
    // Another test may have installed it before.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder().no_proxy();
    let client = client.http2_prior_knowledge().build().unwrap();
    let import = client
        .post(server.url(IMPORT))
        .header("x-api-key", OPERATOR_KEY)
        .body(reqwest::Body::wrap_stream(stops));
    let answer = tokio::time::timeout(Duration::from_secs(30), import.send()).await;
    let answer = answer.expect("it ends").unwrap();
    assert_eq!(answer.status(), 400);
    assert!(answer.text().await.unwrap().contains("ended before"));
}

#[tokio::test]
async fn a_put_creates_and_replaces_and_is_idempotent() {
    let server = TestServer::start().await;
    let path = "/operator/v1/user_profiles/uprof_put";
    let body = format!(
        r#"{{"organization_id":"{ORGANIZATION}","created_at":"2026-01-02T03:04:05Z","name":"Put","metadata":{{"a":"b"}}}}"#
    );
    let put = server.operator().put(path, &body).await;
    assert_snapshot!(put.text(), @r#"{"type":"user_profile","organization_id":"0b6f2f6e-6a53-4a0e-9d0c-6f4f0a6c2f11","id":"uprof_put","created_at":"2026-01-02T03:04:05Z","updated_at":"2026-01-02T03:04:05Z","access_type":"application","relationship":"external","name":"Put","external_id":null,"external_user_onboarded_at":null,"external_user_details":{"account_status":null,"country":null,"email_hash":null,"entity_type":null,"name_hash":null,"onboarded_at":null,"reference_id":null},"metadata":{"a":"b"},"trust_grants":{},"programs":{"cyber":null,"efs":null},"enforcement_status":"unrestricted","enforcement_actions":[]}"#);
    assert_eq!(server.operator().put(path, &body).await.body, put.body);
    let sparse = format!(
        r#"{{"organization_id":"{ORGANIZATION}","enforcement_actions":[{{"type":"ban","reason":"high_harm"}}]}}"#
    );
    let other_path = "/operator/v1/user_profiles/uprof_sparse";
    let put = server.operator().put(other_path, &sparse).await;
    server.clock.advance(Duration::from_secs(1));
    let again = server.operator().put(other_path, &sparse).await;
    assert_eq!((again.status, &again.body), (put.status, &put.body));
    assert_eq!(
        server
            .platform()
            .get("/v1/user_profiles/uprof_put")
            .await
            .ok()["name"],
        "Put"
    );
    let mut shown = String::new();
    for (path, body) in [
        (path, "{}".to_owned()),
        (path, r#"{"organization_id":"unknown"}"#.to_owned()),
        (path, record("uprof_other")),
        (
            path,
            format!(
                r#"{{"organization_id":"{ORGANIZATION}","external_user_details":{{"onboarded_at":"2999-01-01T00:00:00Z"}}}}"#
            ),
        ),
        (
            path,
            format!(r#"{{"organization_id":"{OTHER_ORGANIZATION}"}}"#),
        ),
        ("/operator/v1/user_profiles/other", body.clone()),
    ] {
        let reply = server.operator().put(path, &body).await;
        shown.push_str(&format!("{path} {body}\n    {}\n", reply.error()));
    }
    assert_snapshot!(shown, @r#"
    /operator/v1/user_profiles/uprof_put {}
        400 invalid_request_error: organization_id: is required
    /operator/v1/user_profiles/uprof_put {"organization_id":"unknown"}
        400 invalid_request_error: organization_id: is not an organization
    /operator/v1/user_profiles/uprof_put {"type":"user_profile","organization_id":"0b6f2f6e-6a53-4a0e-9d0c-6f4f0a6c2f11","id":"uprof_other"}
        400 invalid_request_error: id: must be the ID in the path
    /operator/v1/user_profiles/uprof_put {"organization_id":"0b6f2f6e-6a53-4a0e-9d0c-6f4f0a6c2f11","external_user_details":{"onboarded_at":"2999-01-01T00:00:00Z"}}
        400 invalid_request_error: external_user_details.onboarded_at: must not be more than 1 minute in the future
    /operator/v1/user_profiles/uprof_put {"organization_id":"5f0c11f0-0000-4000-8000-000000000002"}
        409 conflict_error: id: belongs to a user profile of another organization
    /operator/v1/user_profiles/other {"organization_id":"0b6f2f6e-6a53-4a0e-9d0c-6f4f0a6c2f11","created_at":"2026-01-02T03:04:05Z","name":"Put","metadata":{"a":"b"}}
        404 not_found_error: The requested user profile was not found.
    "#);
}

/// What the audit trail says of replaced profiles, newest first.
async fn replacements(server: &TestServer) -> Vec<String> {
    let trail = "/operator/v1/audit_events?action=user_profile.replaced";
    let events = server.operator().get(trail).await.ok();
    let events = events["data"].as_array().unwrap().iter();
    events.map(|event| event["details"].to_string()).collect()
}

#[tokio::test]
async fn what_a_put_leaves_out_stays_and_a_put_that_changes_nothing_is_none() {
    let server = TestServer::start().await;
    let operator = server.operator();
    let path = "/operator/v1/user_profiles/uprof_sparse";
    let body = |name: &str, programs: &str| {
        format!(
            r#"{{"organization_id":"{ORGANIZATION}","name":"{name}","programs":{{{programs}}},"enforcement_actions":[
            {{"type":"ban","reason":"high_harm"}},
            {{"type":"restriction","reason":"fraud_or_abuse","action":"verify"}},
            {{"type":"restriction","reason":"fraud_or_abuse","action":"verify"}},
            {{"id":"enac_named","type":"ban","reason":"unspecified"}},
            {{"type":"restriction","reason":"unspecified","resolved_at":"2026-01-01T00:00:00Z"}}]}}"#
        )
    };
    let first = operator.put(path, &body("A", "")).await;
    let created = first.ok();
    server.clock.advance(Duration::from_hours(1));
    assert_eq!(operator.put(path, &body("A", "")).await.body, first.body);
    let stored = operator.get(path).await.ok();
    for field in ["created_at", "updated_at", "enforcement_actions"] {
        assert_eq!(stored[field], created[field], "{field}");
    }
    assert_eq!(replacements(&server).await, Vec::<String>::new());

    let renamed = operator.put(path, &body("B", "")).await;
    let again = operator.put(path, &body("B", "")).await;
    assert_eq!(again.body, renamed.body);
    let renamed = renamed.ok();
    assert_eq!(renamed["created_at"], created["created_at"]);
    assert_ne!(renamed["updated_at"], created["updated_at"]);
    assert_eq!(
        renamed["enforcement_actions"],
        created["enforcement_actions"]
    );
    assert_eq!(replacements(&server).await, [r#"["name"]"#]);

    // One action fewer, one program more.
    let mut fewer = body("B", r#""cyber":{"status":"pending"}"#);
    fewer = fewer.replacen(r#"{"type":"ban","reason":"high_harm"},"#, "", 1);
    let reduced = operator.put(path, &fewer).await.ok();
    let before = created["enforcement_actions"].as_array().unwrap();
    let after = reduced["enforcement_actions"].as_array().unwrap();
    assert_eq!((before.len(), after.len()), (5, 4));
    assert!(after.iter().all(|action| before.contains(action)));
    assert_eq!(
        replacements(&server).await[0],
        r#"["programs","enforcement_actions"]"#
    );

    // A line of an import leaves out as much as a put.
    let before = operator.get(path).await.body;
    server.clock.advance(Duration::from_hours(1));
    let line = format!(
        r#"{{"type":"user_profile","id":"uprof_sparse",{}"#,
        &fewer[1..]
    );
    let report = import(&server, &line.replace('\n', " ")).await;
    assert_eq!(
        report.text(),
        r#"{"imported":0,"replaced":1,"failed":0,"errors":[]}"#
    );
    assert_eq!(operator.get(path).await.body, before);
}

#[tokio::test]
async fn bad_lines_are_named_and_no_good_one_is_lost() {
    let server = TestServer::start().await;
    let lines = [
        record("uprof_one"),
        "nonsense".into(),
        String::new(),
        r#"{"type":"user_profile","id":"uprof_x"}"#.into(),
        r#"{"type":"order"}"#.into(),
        record(PROFILE),
        record(OTHER_PROFILE),
        r#"{"type":"user_profile","organization_id":"nobody"}"#.into(),
        r#"{"type":"webhook_endpoint","url":"https://example.com","enabled_events":[]}"#.into(),
        format!(
            r#"{{"type":"user_profile","organization_id":"{ORGANIZATION}","programs":{{"cyber":{{"status":"done"}}}}}}"#
        ),
        record("uprof_one"),
        format!("{}\r", record("uprof_two")),
        record("uprof_three"),
    ];
    let report = import(&server, &lines.join("\n")).await.ok();
    assert_snapshot!(serde_json::to_string_pretty(&report).unwrap(), @r#"
    {
      "imported": 3,
      "replaced": 1,
      "failed": 8,
      "errors": [
        {
          "line": 2,
          "message": "not valid JSON: expected value at column 2"
        },
        {
          "line": 4,
          "message": "organization_id: is required"
        },
        {
          "line": 5,
          "message": "type: must be one of: user_profile, webhook_endpoint"
        },
        {
          "line": 7,
          "message": "id: belongs to a user profile of another organization"
        },
        {
          "line": 8,
          "message": "organization_id: is not an organization"
        },
        {
          "line": 9,
          "message": "type: must be user_profile"
        },
        {
          "line": 10,
          "message": "programs.cyber.status: must be one of: active, pending, rejected"
        },
        {
          "line": 11,
          "message": "id: stands on an earlier line already"
        }
      ]
    }
    "#);
    for id in ["uprof_one", "uprof_two", "uprof_three"] {
        let path = format!("/v1/user_profiles/{id}");
        assert_eq!(server.platform().get(&path).await.status, 200, "{id}");
    }
}

#[tokio::test]
async fn an_import_may_be_compressed_and_larger_than_a_body() {
    let server = TestServer::start().await;
    let mut lines = String::new();
    for number in 0..6_000 {
        let name = "x".repeat(200);
        lines.push_str(&format!(
            "{{\"type\":\"user_profile\",\"organization_id\":\"{ORGANIZATION}\",\"id\":\"uprof_{number}\",\"name\":\"{name}\"}}\n"
        ));
    }
    assert!(lines.len() > 1_500_000);
    assert_eq!(
        import(&server, &lines).await.text(),
        r#"{"imported":6000,"replaced":0,"failed":0,"errors":[]}"#
    );
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(lines.as_bytes()).unwrap();
    let zipped = encoder.finish().unwrap();
    let call = server
        .operator()
        .call("POST", IMPORT)
        .header("content-encoding", "gzip");
    let again = call.body(zipped.clone()).send().await;
    assert_eq!(
        again.text(),
        r#"{"imported":0,"replaced":6000,"failed":0,"errors":[]}"#
    );
    let call = server
        .operator()
        .call("POST", IMPORT)
        .header("content-encoding", "gzip");
    let cut = call.body(zipped[..zipped.len() / 2].to_vec()).send().await;
    assert_eq!(
        cut.error(),
        "400 invalid_request_error [request_body_encoding_invalid]: content-encoding: the request body is not valid gzip"
    );
    let call = server
        .operator()
        .call("POST", IMPORT)
        .header("content-type", "text/plain");
    let refused = call.body("x").send().await;
    assert_eq!(
        refused.error(),
        "400 invalid_request_error: content-type: must be application/x-ndjson or text/csv"
    );
}

#[tokio::test]
async fn the_same_file_twice_makes_the_same_registry_and_a_dry_run_none() {
    let server = TestServer::start().await;
    let operator = server.operator();
    let send = async |query: &str, media_type: &str, body: &str| {
        let call = operator.call("POST", &format!("{IMPORT}{query}"));
        let call = call
            .header("content-type", media_type)
            .body(body.to_owned());
        call.send().await.text().to_owned()
    };
    let all = async || {
        let exported = operator.get(EXPORT).await.text().to_owned();
        let trail = "/operator/v1/audit_events?limit=100&action=user_profiles.imported";
        let trail = operator.get(trail).await.ok();
        (exported, trail["data"].as_array().unwrap().len())
    };
    let line = |number: usize| {
        format!(
            "{{\"type\":\"user_profile\",\"organization_id\":\"{ORGANIZATION}\",\"name\":\"N{number}\",\"external_user_details\":{{\"reference_id\":\"n_{number}\"}}}}\n"
        )
    };
    let ndjson: String = (0..3).map(line).collect();
    let csv = format!(
        "organization_id,name,external_user_details.reference_id,metadata.plan\r\n\
         {ORGANIZATION},\"Ana, A.\",c_1,team\r\n\
         {ORGANIZATION},Ben\r\n\
         {ORGANIZATION},Cem,c_2,\r\n\
         {ORGANIZATION},Cem,c_2,\r\n\
         {ORGANIZATION},Dana,,\r\n"
    );
    let bad = r#""failed":3,"errors":[{"line":3,"message":"has 2 cells, and the header 4"},{"line":5,"message":"external_user_details.reference_id: stands on an earlier line already"},{"line":6,"message":"external_user_details.reference_id: is required, or an id, where records are matched by it"}]"#;
    let none = r#""failed":0,"errors":[]"#;
    for (media_type, body, good, bad) in [
        ("application/x-ndjson", ndjson.as_str(), 3, none),
        ("text/csv; charset=utf-8", csv.as_str(), 2, bad),
    ] {
        let before = all().await;
        let imported = format!(r#"{{"imported":{good},"replaced":0,{bad}}}"#);
        let dry = send("?dry_run=true&match=reference_id", media_type, body).await;
        assert_eq!((dry, all().await), (imported.clone(), before));
        assert_eq!(
            send("?match=reference_id", media_type, body).await,
            imported
        );
        let after = all().await;
        let again = send("?match=reference_id", media_type, body).await;
        assert_eq!(
            again,
            format!(r#"{{"imported":0,"replaced":{good},{bad}}}"#)
        );
        assert_eq!(all().await, after, "{media_type}");
    }
    let unknown = send("", "text/csv", "name,nick\n").await;
    assert!(unknown.contains("is no field of a record"), "{unknown}");
    for (query, wrong) in [
        ("?dry_run=yes", "dry_run: "),
        ("?match=name", "match: "),
        ("?dry=1", "dry: "),
    ] {
        let refused = send(query, "text/csv", "name\n").await;
        let told = refused.contains(wrong) && refused.contains("invalid_request_error");
        assert!(told, "{refused}");
    }
}

#[tokio::test]
async fn rows_of_a_csv_that_are_none_keep_none_of_the_others_out() {
    let server = TestServer::start().await;
    let send = async |body: String| {
        let call = server.operator().call("POST", IMPORT);
        let call = call.header("content-type", "text/csv").body(body);
        call.send().await.text().to_owned()
    };
    let long = "x".repeat(1_100_000);
    let commas = ",".repeat(1_000);
    let good = |name: &str| format!("{ORGANIZATION},{name}\n");
    let (ana, ben, cem) = (good("Ana"), good("Ben"), good("Cem"));
    let csv = format!("organization_id,name\n{ana}{long},\n{ben}{commas}\n{cem}\"{ana}{ben}");
    assert_eq!(
        send(csv).await,
        r#"{"imported":3,"replaced":0,"failed":3,"errors":[{"line":3,"message":"is longer than 1 MiB; is a quotation mark left open?"},{"line":5,"message":"has more than 256 cells"},{"line":7,"message":"a quotation mark is left open, and what follows it is not read"}]}"#
    );
}

#[tokio::test]
async fn importing_an_export_restores_it_exactly() {
    let server = TestServer::start().await;
    let operator = server.operator();
    let mut lines = String::new();
    for number in 0..2_500 {
        let status = ["active", "pending", "rejected"][number % 3];
        lines.push_str(&format!(
            "{{\"type\":\"user_profile\",\"organization_id\":\"{ORGANIZATION}\",\"id\":\"uprof_{number:05}\",\"created_at\":\"2026-02-01T00:00:{:02}Z\",\"programs\":{{\"cyber\":{{\"status\":\"{status}\"}}}},\"enforcement_actions\":[{{\"id\":\"enac_{number}\",\"type\":\"ban\",\"reason\":\"high_harm\"}}]}}\n",
            number % 60
        ));
    }
    assert_eq!(import(&server, &lines).await.ok()["imported"], 2_500);
    let target = format!("{EXPORT}?organization_id={ORGANIZATION}");
    let exported = operator.get(&target).await;
    assert_eq!(exported.status, 200);
    assert_eq!(
        exported.header("content-type"),
        Some("application/x-ndjson")
    );
    assert_eq!(exported.text().lines().count(), 2_501);
    assert!(!exported.text().contains(OTHER_PROFILE));

    let other = TestServer::start().await;
    assert_eq!(import(&other, exported.text()).await.ok()["failed"], 0);
    assert_eq!(other.operator().get(&target).await.text(), exported.text());
    let all = operator.get(EXPORT).await;
    assert_eq!(all.text().lines().count(), 2_502);
    let unknown = operator
        .get(&format!("{EXPORT}?organization_id=unknown"))
        .await;
    assert_eq!(
        unknown.error(),
        "404 not_found_error: The requested organization was not found."
    );
}

#[tokio::test]
async fn an_import_of_long_lines_does_not_gather_a_thousand_of_them() {
    let server = TestServer::start().await;
    let pad = " ".repeat(900_000);
    let lines = (0..9).map(|number| format!("{}{pad}\n", record(&format!("uprof_{number}"))));
    let reply = import(&server, &lines.collect::<String>()).await;
    assert_eq!(reply.ok()["imported"], 9);
    let metrics = server.stranger().get("/metrics").await;
    let metrics = metrics.text();
    // Three lines are beyond two mebibytes.
    let puts = r#"rollcall_storage_duration_seconds_count{operation="put_profiles"} 3"#;
    assert!(metrics.contains(puts), "{metrics}");
}
