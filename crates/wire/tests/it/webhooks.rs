//! Webhook endpoints: the contract's examples and rules, and signatures.

use rollcall_domain::event::EventType;
use rollcall_domain::id::WebhookEndpointId;
use rollcall_domain::page::Order;
use rollcall_domain::webhook::{AutoDisabled, EndpointState, SigningKey, WebhookEndpoint};
use rollcall_wire::webhooks::{
    self, EndpointListing, EndpointPage, EndpointRules, UrlPolicy, parse_create, parse_update,
};

use crate::example::{at, compact, now};

const STRICT: UrlPolicy = UrlPolicy {
    allow_http: false,
    allow_any_port: false,
    allow_ip_literals: false,
};

const RULES: EndpointRules = EndpointRules {
    urls: STRICT,
    only_known_events: false,
};

fn id(text: &str) -> WebhookEndpointId {
    WebhookEndpointId::parse(text).unwrap()
}

fn enforcement() -> WebhookEndpoint {
    let body = compact("webhook-endpoint.create.request");
    let draft = parse_create(body.as_bytes(), RULES).unwrap();
    let created_at = at("2026-11-01T08:00:00Z");
    WebhookEndpoint::create(id("whep_011CgbrZUw5yFQoC1vjKMNvb"), draft, created_at).value
}

fn disabled() -> WebhookEndpoint {
    WebhookEndpoint {
        id: id("whep_011CgNxVF8R7Fnc2yGsSDRDL"),
        created_at: at("2026-10-25T12:30:00Z"),
        updated_at: at("2026-10-26T03:11:08Z"),
        description: String::new(),
        name: String::new(),
        url: "https://old.example.com/in".into(),
        enabled_events: vec![EventType::ProgramStatusUpdated.into()],
        state: EndpointState::Disabled,
        disabled_reason: Some(AutoDisabled::Redirect),
    }
}

fn written(endpoint: &WebhookEndpoint, key: Option<&SigningKey>) -> String {
    let mut out = String::new();
    webhooks::write_endpoint(&mut out, endpoint, key);
    out
}

fn counting_key() -> SigningKey {
    SigningKey(std::array::from_fn(|at| u8::try_from(at + 1).unwrap()))
}

#[test]
fn the_examples_are_written_as_they_stand() {
    assert_eq!(
        written(&enforcement(), Some(&counting_key())),
        compact("webhook-endpoint.create")
    );
    assert_eq!(
        written(&enforcement(), None),
        compact("webhook-endpoint.retrieve")
    );
    let body = compact("webhook-endpoint.update.request");
    let patch = parse_update(body.as_bytes(), RULES).unwrap();
    assert_eq!(
        written(&disabled().update(&patch, now()).value, None),
        compact("webhook-endpoint.update")
    );
    let listing = EndpointListing::parse(None).unwrap();
    let page = listing.page(vec![disabled(), enforcement()]).unwrap();
    assert_eq!(
        webhooks::write_page(&page),
        compact("webhook-endpoint.list")
    );
    assert_eq!(
        webhooks::write_page(&listing.page(vec![]).unwrap()),
        compact("webhook-endpoint.list.empty")
    );
    assert_eq!(
        webhooks::deleted_endpoint(&disabled().id),
        compact("webhook-endpoint.delete")
    );
    let key = SigningKey(std::array::from_fn(|at| u8::try_from(at + 0x65).unwrap()));
    assert_eq!(
        webhooks::regenerated_secret(&key),
        compact("webhook-endpoint.regenerate_signing_secret")
    );
}

#[test]
fn the_test_vector_is_signed_as_it_says() {
    let vector: serde_json::Value =
        serde_json::from_str(&compact("webhook-signature.vector")).unwrap();
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    let secret = text(&vector["signing_secret"]);
    let key = webhooks::parse_secret(&secret).unwrap();
    assert_eq!(key, counting_key());
    assert_eq!(webhooks::secret_text(&key), secret);
    let headers = &vector["headers"];
    let signature = webhooks::sign(
        &key,
        &text(&headers["webhook-id"]),
        text(&headers["webhook-timestamp"]).parse().unwrap(),
        text(&vector["body"]).as_bytes(),
    );
    assert_eq!(signature, text(&headers["webhook-signature"]));
    let is_signed = |signatures: &str, body: &str| {
        let id = text(&headers["webhook-id"]);
        let timestamp = text(&headers["webhook-timestamp"]).parse().unwrap();
        webhooks::is_signed(&key, &id, timestamp, body.as_bytes(), signatures)
    };
    let body = text(&vector["body"]);
    assert!(is_signed(&signature, &body));
    // Any of several is enough, as while a sender replaces its secret.
    assert!(is_signed(&format!("v1,AAAA v2,x {signature}"), &body));
    assert!(!is_signed(&signature, &format!("{body} ")));
    for signatures in ["", "v1,", &signature[3..], &signature.replace("v1,", "v2,")] {
        assert!(!is_signed(signatures, &body), "{signatures}");
    }
    for text in ["", "whsec_", "whsec_AQID", &secret[6..]] {
        assert!(webhooks::parse_secret(text).is_none(), "{text}");
    }
}

#[test]
fn addresses_are_https_urls_that_everyone_reads_alike() {
    let longest = format!("https://example.com/{}", "a".repeat(2_028));
    for url in [
        "https://example.com/anthropic-webhooks",
        "https://example.com",
        "HTTPS://Example.com:443/?q=1",
        "https://example.com./in",
        "https://bücher.example/ä",
        &longest,
    ] {
        assert_eq!(STRICT.parse(url), Ok(url.to_owned()));
    }
    let https = "must be an https URL";
    for (url, message) in [
        ("", "must be at least 1 character"),
        ("x", https),
        ("http://example.com", https),
        ("ftp://example.com", https),
        ("https:example.com", https),
        ("https:/example.com", https),
        ("https:///example.com", https),
        ("//example.com", https),
        ("https://", https),
        ("https://:443/", https),
        ("https://user@example.com", https),
        ("https://user:pass@example.com", https),
        ("https://@example.com", https),
        ("https://example.com/#", https),
        ("https://example.com/#part", https),
        (" https://example.com", https),
        ("https://exa\tmple.com", https),
        ("https://example.com\\@evil.example", https),
        ("https://%65xample.com", https),
        ("https://exa mple.com", https),
        ("https://example..com/", https),
        ("https://*.example.com/", https),
        ("https://x,y.com/", https),
        ("https://-a.com/", https),
        (&format!("https://{}.com/", "a".repeat(64)), https),
        (&format!("https://{}com/", "a.".repeat(126)), https),
        (
            "https://127.0.0.1/",
            "must be an https URL with a public host name, not an IP address or localhost",
        ),
        (
            "https://0x7f.1/",
            "must be an https URL with a public host name, not an IP address or localhost",
        ),
        (
            "https://[::1]/",
            "must be an https URL with a public host name, not an IP address or localhost",
        ),
        (
            "https://localhost/",
            "must be an https URL with a public host name, not an IP address or localhost",
        ),
        (
            "https://example.com:8443/",
            "must be an https URL on port 443",
        ),
        (&format!("{longest}a"), "must be at most 2048 characters"),
    ] {
        assert_eq!(STRICT.parse(url).unwrap_err().to_string(), message, "{url}");
    }
    for url in [
        "http://localhost:9000/in",
        "http://[::1]:80",
        "https://127.0.0.1:8443/",
    ] {
        assert_eq!(UrlPolicy::DEVELOPMENT.parse(url), Ok(url.to_owned()));
    }
    assert_eq!(
        UrlPolicy::DEVELOPMENT
            .parse("ftp://a")
            .unwrap_err()
            .to_string(),
        "must be an http or https URL"
    );
}

#[test]
fn creates_are_told_their_first_mistake_in_the_table_s_order() {
    let good = r#""enabled_events":["external_key.failed","external_key.failed"],"url":"https://a.example""#;
    let draft = parse_create(format!("{{{good}}}").as_bytes(), RULES).unwrap();
    assert_eq!(draft.enabled_events, [EventType::ExternalKeyFailed.into()]);
    assert_eq!((draft.name.as_str(), draft.description.as_str()), ("", ""));
    for (body, message) in [
        ("{}", "enabled_events: is required"),
        (
            r#"{"name":1,"enabled_events":[]}"#,
            "enabled_events: must list at least one event type",
        ),
        (
            r#"{"enabled_events":null}"#,
            "enabled_events: must not be null",
        ),
        (
            r#"{"enabled_events":["external_key.failed"],"name":1}"#,
            "url: is required",
        ),
        (
            r#"{"enabled_events":["external_key.failed","nope"]}"#,
            "enabled_events.1: must be one of: user_profile.enforcement_action_opened, user_profile.enforcement_action_resolved, user_profile.program_status_updated, external_key.failed, external_key.recovered, external_storage.failed, external_storage.recovered",
        ),
        (
            r#"{"enabled_events":["external_key.failed"],"url":"x"}"#,
            "url: must be an https URL",
        ),
        (
            &format!("{{{good},\"name\":null,\"description\":null}}"),
            "description: must not be null",
        ),
        (
            &format!("{{{good},\"name\":null}}"),
            "name: must not be null",
        ),
        (
            &format!("{{{good},\"name\":\"{}\"}}", "é".repeat(256)),
            "name: must be at most 255 characters",
        ),
        (
            &format!("{{{good},\"description\":\"{}\"}}", "é".repeat(1_025)),
            "description: must be at most 1024 characters",
        ),
        (
            &format!("{{{good},\"state\":\"enabled\"}}"),
            "state: Extra inputs are not permitted",
        ),
        (
            &format!("{{{good},\"id\":\"x\"}}"),
            "id: Extra inputs are not permitted",
        ),
        ("", "The request body must be a JSON object."),
    ] {
        let error = parse_create(body.as_bytes(), RULES).unwrap_err();
        assert_eq!(error.message, message, "{body}");
    }
}

#[test]
fn types_of_tomorrow_are_kept_as_sent_and_so_many_at_the_most() {
    let body = |types: &[String]| {
        let types: Vec<_> = types.iter().map(|it| format!("\"{it}\"")).collect();
        let types = types.join(",");
        format!(r#"{{"enabled_events":[{types}],"url":"https://a.example"}}"#)
    };
    let sent = [
        "external_vault.sealed",
        "user_profile.program_status_updated",
    ];
    let sent = sent.map(str::to_owned);
    let draft = parse_create(body(&sent).as_bytes(), RULES).unwrap();
    let kept: Vec<_> = draft
        .enabled_events
        .iter()
        .map(rollcall_domain::event::Subscription::as_str)
        .collect();
    assert_eq!(kept, sent);
    let strict = EndpointRules {
        only_known_events: true,
        ..RULES
    };
    let error = parse_create(body(&sent).as_bytes(), strict).unwrap_err();
    let place = "enabled_events.0: must be one of: user_profile.enforcement_action_opened";
    assert!(error.message.starts_with(place), "{error}");

    let letters = || 'a'..='z';
    let all = letters().flat_map(|one| letters().map(move |two| format!("noun.{one}{two}")));
    let many: Vec<_> = all.take(101).collect();
    let twice = [&many[..100], &many[..100]].concat();
    let draft = parse_create(body(&twice).as_bytes(), RULES).unwrap();
    assert_eq!(draft.enabled_events.len(), 100);
    let error = parse_create(body(&many).as_bytes(), RULES).unwrap_err();
    assert_eq!(
        error.message,
        "enabled_events: must list at most 100 event types"
    );
}

#[test]
fn updates_clear_by_emptiness_and_never_by_null() {
    let patch = parse_update(
        br#"{"enabled_events":[],"name":"","description":""}"#,
        RULES,
    );
    let patch = patch.unwrap();
    assert_eq!(patch.enabled_events, None);
    assert_eq!(
        (patch.name.as_deref(), patch.description.as_deref()),
        (Some(""), Some(""))
    );
    for field in ["description", "enabled_events", "name", "state", "url"] {
        let body = format!("{{\"{field}\":null}}");
        let error = parse_update(body.as_bytes(), RULES).unwrap_err();
        assert_eq!(error.message, format!("{field}: must not be null"));
    }
    let error = parse_update(br#"{"state":"paused"}"#, RULES).unwrap_err();
    assert_eq!(error.message, "state: must be one of: enabled, disabled");
    for body in ["", "{}"] {
        assert_eq!(webhooks::parse_regenerate_body(body.as_bytes()), Ok(()));
    }
    assert!(webhooks::parse_regenerate_body(b"[]").is_err());
}

#[test]
fn list_queries_are_read_by_their_own_rules() {
    let parse = |query: &str| EndpointListing::parse(Some(query)).map_err(|error| error.message);
    for query in [
        "",
        "limit=0",
        "limit=&after_id=&before_id=&order=",
        "limit=20&beta=true",
    ] {
        let listing = parse(query).unwrap();
        assert_eq!((listing.limit, listing.order), (20, Order::Descending));
        assert_eq!(listing.cursor, None);
    }
    assert_eq!(parse("limit=100&order=asc").unwrap().limit, 100);
    for (query, message) in [
        ("limit=101", "limit: must be an integer from 0 to 100"),
        ("limit=-1", "limit: must be an integer from 0 to 100"),
        ("limit=abc", "limit: must be an integer from 0 to 100"),
        ("limit=00", "limit: must be an integer from 0 to 100"),
        ("order=up", "order: must be one of: asc, desc"),
        (
            "after_id=a&before_id=b",
            "before_id: must not stand beside after_id",
        ),
        (
            "after_id=a%20b",
            "after_id: not a webhook endpoint of this organization",
        ),
        ("page=x", "page: unknown query parameter"),
    ] {
        assert_eq!(parse(query).unwrap_err(), message, "{query}");
    }
}

#[test]
fn pages_go_on_after_an_endpoint_or_stop_before_one() {
    let endpoints: Vec<_> = (1..=5)
        .map(|number| WebhookEndpoint {
            id: id(&format!("whep_{number}")),
            // Two of them share their time.
            created_at: at(&format!("2026-01-0{}T00:00:00Z", number.max(2))),
            ..disabled()
        })
        .collect();
    let page = |query: &str| {
        let listing = EndpointListing::parse(Some(query)).unwrap();
        let EndpointPage {
            endpoints,
            has_more,
        } = listing.page(endpoints.clone()).unwrap();
        let ids: Vec<_> = endpoints
            .iter()
            .map(|endpoint| endpoint.id.as_str()[5..].to_owned())
            .collect();
        (ids.concat(), has_more)
    };
    for (query, ids, has_more) in [
        ("", "54321", false),
        ("order=asc", "12345", false),
        ("limit=2", "54", true),
        ("limit=2&after_id=whep_4", "32", true),
        ("limit=2&after_id=whep_3", "21", false),
        ("after_id=whep_1", "", false),
        ("limit=2&before_id=whep_1", "54", true),
        ("limit=2&before_id=whep_3", "54", false),
        ("before_id=whep_5", "", false),
        ("order=asc&limit=1&after_id=whep_1", "2", true),
    ] {
        assert_eq!(page(query), (ids.to_owned(), has_more), "{query}");
    }
    let listing = EndpointListing::parse(Some("before_id=whep_9")).unwrap();
    assert_eq!(
        listing.page(endpoints.clone()).unwrap_err().message,
        "before_id: not a webhook endpoint of this organization"
    );
    assert_eq!(
        webhooks::too_many_endpoints().message,
        "An organization can have at most 32 webhook endpoints"
    );
}
