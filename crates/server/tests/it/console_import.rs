//! The console's import: a file is checked, then imported; lines fail alone; and no form of somebody else's does either.

use bytes::Bytes;

use crate::client::{Client, Reply};
use crate::console::signed_in;
use crate::server::{ORGANIZATION, TestServer};

const IMPORT: &str = "/console/import";

/// What a browser sends of a form with a file.
fn form(fields: &[(&str, &str)], file: Option<&[u8]>) -> Vec<u8> {
    let mut body = Vec::new();
    for (name, value) in fields {
        let part =
            format!("--edge\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
        body.extend_from_slice(part.as_bytes());
    }
    if let Some(file) = file {
        let head = "--edge\r\nContent-Disposition: form-data; name=\"file\"; filename=\"people <1>.csv\"\r\nContent-Type: text/csv\r\n\r\n";
        body.extend_from_slice(head.as_bytes());
        body.extend_from_slice(file);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(b"--edge--\r\n");
    body
}

async fn send(browser: &Client, body: Vec<u8>) -> Reply {
    let call = browser.call("POST", IMPORT);
    let call = call.header("content-type", "multipart/form-data; boundary=edge");
    call.body(Bytes::from(body)).send().await
}

async fn sent(browser: &Client, step: &str, file: &[u8]) -> String {
    let fields = [
        ("do", step),
        ("match", "reference_id"),
        ("organization_id", ORGANIZATION),
    ];
    let reply = send(browser, form(&fields, Some(file))).await;
    assert_eq!(reply.status, 200, "{reply}");
    reply.text().to_owned()
}

/// What became of the lines, in figures.
fn counts(page: &str) -> Vec<String> {
    let (_, counts) = page.split_once("<ul class=\"counts\">").unwrap();
    let (counts, _) = counts.split_once("</ul>").unwrap();
    let counts = counts.split("<li><b>").skip(1);
    let counts = counts.map(|it| it.replace("</b>", "").replace("</li>", ""));
    counts.map(|it| it.trim().to_owned()).collect()
}

async fn count(server: &TestServer) -> usize {
    let profiles = server
        .operator()
        .get("/operator/v1/user_profiles/export")
        .await;
    profiles.text().lines().count()
}

const CSV: &[u8] = b"name,external_user_details.reference_id,external_user_details.country\n\
    Ana Ferreira,acct_1,PT\nBad,acct_2,Portugal\n\"Bj\xc3\xb6rn, S\xc3\xb8rensen\",acct_3,\n";

#[tokio::test]
async fn a_file_is_checked_first_and_imported_then() {
    let server = TestServer::start().await;
    let browser = signed_in(&server).await;
    let before = count(&server).await;
    let page = browser.get(IMPORT).await;
    assert!(
        page.text().contains("name=\"do\" value=\"check\""),
        "{page}"
    );

    let checked = sent(&browser, "check", CSV).await;
    assert!(
        checked.contains("Checked: nothing was changed"),
        "{checked}"
    );
    assert!(checked.contains("people &#60;1&#62;.csv"), "{checked}");
    assert!(
        counts(&checked) == ["2 new", "0 replaced", "1 left out"],
        "{checked}"
    );
    assert!(
        checked.contains("<td data-label=\"Line\">3</td>"),
        "{checked}"
    );
    assert!(
        checked.contains("external_user_details.country"),
        "{checked}"
    );
    // What was chosen is chosen still.
    assert!(
        checked.contains("name=\"do\" value=\"import\""),
        "{checked}"
    );
    assert!(
        checked.contains(&format!("<option value=\"{ORGANIZATION}\" selected>")),
        "{checked}"
    );
    assert_eq!(count(&server).await, before);

    let imported = sent(&browser, "import", CSV).await;
    assert!(
        counts(&imported) == ["2 new", "0 replaced", "1 left out"],
        "{imported}"
    );
    assert_eq!(count(&server).await, before + 2);
    let again = sent(&browser, "import", CSV).await;
    assert!(
        counts(&again) == ["0 new", "2 replaced", "1 left out"],
        "{again}"
    );
    assert_eq!(count(&server).await, before + 2);
    let trail = server
        .operator()
        .get("/operator/v1/audit_events?action=user_profiles.imported")
        .await
        .ok();
    assert_eq!(trail["data"][0]["actor"]["id"], "apikey_operator");
}

#[tokio::test]
async fn an_export_comes_back_in_compressed_or_not() {
    let server = TestServer::start().await;
    let browser = signed_in(&server).await;
    let before = count(&server).await;
    let export = server
        .operator()
        .get("/operator/v1/user_profiles/export")
        .await;
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut gzip, &export.body).unwrap();
    for file in [export.body.to_vec(), gzip.finish().unwrap()] {
        let imported = sent(&browser, "import", &file).await;
        assert!(
            counts(&imported)
                == [
                    "0 new".to_owned(),
                    format!("{before} replaced"),
                    "0 left out".to_owned()
                ],
            "{imported}"
        );
    }
    assert_eq!(count(&server).await, before);
}

#[tokio::test]
async fn a_long_file_is_told_in_figures() {
    let server = TestServer::start().await;
    let browser = signed_in(&server).await;
    let mut file =
        String::from("name,external_user_details.reference_id,external_user_details.country\n");
    for number in 0..20_000 {
        let country = if number % 10 == 7 { "Nowhere" } else { "PT" };
        file += &format!("Person {number},acct_{number},{country}\n");
    }
    let checked = sent(&browser, "check", file.as_bytes()).await;
    assert!(
        counts(&checked) == ["18,000 new", "0 replaced", "2,000 left out"],
        "{}",
        &checked[..4_000]
    );
    assert_eq!(checked.matches("data-label=\"Line\"").count(), 1_000);
    assert!(checked.contains("And 1000 more lines."));
}

#[tokio::test]
async fn a_form_that_is_none_does_nothing_and_says_why() {
    let server = TestServer::start().await;
    let browser = signed_in(&server).await;
    let before = count(&server).await;
    let import = [
        ("do", "import"),
        ("match", "reference_id"),
        ("organization_id", ORGANIZATION),
    ];
    for (body, problem) in [
        (form(&import, None), "file: is required"),
        (
            form(&import, Some(b"")),
            "file: choose one that is not empty",
        ),
        (
            form(&[("match", "reference_id")], Some(CSV)),
            "file: must come last",
        ),
        (form(&[("do", "import")], Some(CSV)), "file: must come last"),
        (
            form(&[("do", "destroy"), ("match", "nothing")], Some(CSV)),
            "do: is not what this form sends",
        ),
        (
            form(&[("do", "import"), ("limit", "1")], Some(CSV)),
            "limit: is not what this form sends",
        ),
        (
            form(&[("organization_id", &"x".repeat(2_000))], Some(CSV)),
            "must be at most 1024 bytes",
        ),
        (
            form(&import, Some(b"nonsense\nA\n")),
            "column &#34;nonsense&#34; is no field",
        ),
        (b"--edge\r\nnonsense".to_vec(), "The request body"),
    ] {
        let refused = send(&browser, body).await;
        assert_eq!(refused.status, 400, "{problem}: {refused}");
        assert!(refused.text().contains(problem), "{problem}: {refused}");
        assert!(
            refused.text().contains("name=\"do\" value=\"check\""),
            "{refused}"
        );
    }
    let plain = browser
        .call("POST", IMPORT)
        .form("do=import&match=nothing&file=x")
        .send()
        .await;
    assert!(
        plain
            .text()
            .contains("content-type: must be multipart/form-data"),
        "{plain}"
    );
    let foreign = browser
        .clone()
        .without("sec-fetch-site")
        .with("sec-fetch-site", "cross-site");
    assert_eq!(send(&foreign, form(&import, Some(CSV))).await.status, 403);
    let stranger = server.stranger().with("sec-fetch-site", "same-origin");
    assert_eq!(send(&stranger, form(&import, Some(CSV))).await.status, 303);
    assert_eq!(count(&server).await, before);
}
