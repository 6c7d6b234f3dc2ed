//! Every range and every form in which an address can be written, with a word on each.

use super::*;

const PUBLIC: &[(&str, &str)] = &[
    ("1.1.1.1", "an ordinary address"),
    ("9.255.255.255", "right before 10/8"),
    ("11.0.0.0", "right after it"),
    ("100.63.255.255", "right before the shared space"),
    ("100.128.0.0", "right after it"),
    ("126.255.255.255", "right before loopback"),
    ("128.0.0.1", "right after it"),
    ("169.253.255.255", "right before link-local"),
    ("169.255.0.0", "right after it"),
    ("172.15.255.255", "right before 172.16/12"),
    ("172.32.0.0", "right after it"),
    ("192.0.1.1", "between two special blocks"),
    ("192.167.255.255", "right before 192.168/16"),
    ("192.169.0.0", "right after it"),
    ("198.17.255.255", "right before benchmarking"),
    ("198.20.0.0", "right after it"),
    ("223.255.255.255", "right before multicast"),
    ("2606:4700:4700::1111", "an ordinary address"),
    ("2001:200::1", "right after the protocol assignments"),
    ("2001:4860:4860::8888", "an ordinary address"),
    ("2a00:1450::1", "an ordinary address"),
    ("3fff:1000::1", "right after documentation"),
    ("::ffff:8.8.8.8", "mapped, public"),
    ("64:ff9b::808:808", "NAT64 of a public address"),
    ("2002:808:808::1", "6to4 of a public address"),
];

const NOT_PUBLIC: &[(&str, &str)] = &[
    ("0.0.0.0", "unspecified"),
    ("0.1.2.3", "this network"),
    ("10.0.0.0", "private"),
    ("10.255.255.255", "private, the last"),
    ("100.64.0.0", "shared (CGNAT)"),
    ("100.127.255.255", "shared, the last"),
    ("127.0.0.1", "loopback"),
    ("127.255.255.254", "loopback, all of it"),
    ("169.254.0.1", "link-local"),
    ("169.254.169.254", "the metadata service of clouds"),
    ("172.16.0.0", "private"),
    ("172.31.255.255", "private, the last"),
    ("192.0.0.1", "protocol assignments"),
    ("192.0.0.170", "NAT64 discovery"),
    ("192.0.2.1", "documentation"),
    ("192.88.99.1", "6to4 relays"),
    ("192.168.0.0", "private"),
    ("192.168.255.255", "private, the last"),
    ("198.18.0.1", "benchmarking"),
    ("198.19.255.255", "benchmarking, the last"),
    ("198.51.100.1", "documentation"),
    ("203.0.113.255", "documentation"),
    ("224.0.0.1", "multicast"),
    ("239.255.255.255", "multicast, the last"),
    ("240.0.0.1", "reserved"),
    ("255.255.255.255", "broadcast"),
    ("::", "unspecified"),
    ("::1", "loopback"),
    ("::7f00:1", "IPv4-compatible loopback, deprecated"),
    ("::808:808", "IPv4-compatible, deprecated"),
    ("::ffff:127.0.0.1", "mapped loopback"),
    ("::ffff:10.0.0.1", "mapped private"),
    ("::ffff:169.254.169.254", "mapped metadata service"),
    ("::ffff:0:7f00:1", "IPv4-translated"),
    ("64:ff9b::7f00:1", "NAT64 of loopback"),
    ("64:ff9b::a00:1", "NAT64 of a private address"),
    ("64:ff9b::a9fe:a9fe", "NAT64 of the metadata service"),
    ("64:ff9b:1::808:808", "NAT64 for local use"),
    ("100::1", "discard-only"),
    ("2001::1", "Teredo"),
    (
        "2001:0:4136:e378:8000:63bf:3fff:fdd2",
        "Teredo, as in the wild",
    ),
    ("2001:2::1", "benchmarking"),
    ("2001:10::1", "ORCHID"),
    ("2001:20::1", "ORCHIDv2"),
    ("2001:1ff::1", "protocol assignments, the last"),
    ("2001:db8::1", "documentation"),
    ("2002:7f00:1::1", "6to4 of loopback"),
    ("2002:a00:1::1", "6to4 of a private address"),
    ("2002:c0a8:101::", "6to4 of a private address"),
    ("2a00:1450::5efe:a00:1", "ISATAP of a private address"),
    ("2a00:1450::200:5efe:7f00:1", "ISATAP of loopback"),
    ("3fff::1", "documentation"),
    ("3fff:fff::1", "documentation, the last"),
    ("4000::1", "not allocated"),
    ("5f00::1", "segment routing"),
    ("fc00::1", "unique local"),
    ("fd12:3456:789a::1", "unique local, in use"),
    ("fe80::1", "link-local"),
    ("febf::1", "link-local, the last"),
    ("fec0::1", "site-local, deprecated"),
    ("ff02::1", "multicast"),
    ("ff0e::1", "multicast, global"),
];

/// Spellings of loopback and private addresses that a URL accepts as a host.
const LITERALS: &[&str] = &[
    "http://127.0.0.1/",
    "http://127.1/",
    "http://127.0.1/",
    "http://2130706433/",
    "http://0x7f000001/",
    "http://0x7f.0.0.1/",
    "http://0177.0.0.1/",
    "http://017700000001/",
    "http://127.0.0.1./",
    "http://0/",
    "http://0x0a.1/",
    "http://１２７.0.0.1/",
    "http://①②⑦.⓪.⓪.①/",
    "http://%31%32%37.0.0.1/",
    "http://[::1]/",
    "http://[0:0:0:0:0:0:0:1]/",
    "http://[::ffff:127.0.0.1]/",
    "http://[::ffff:7f00:1]/",
    "http://[64:ff9b::10.0.0.1]/",
    "http://[fe80::1]/",
];

fn parsed(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[test]
fn every_range_is_judged() {
    let fence = Fence::default();
    for (text, why) in PUBLIC {
        assert_eq!(fence.judge(parsed(text)), Ok(()), "{text}: {why}");
    }
    for (text, why) in NOT_PUBLIC {
        assert!(fence.judge(parsed(text)).is_err(), "{text}: {why}");
        assert_eq!(Fence::Open.judge(parsed(text)), Ok(()));
    }
    assert!(NOT_PUBLIC.len() >= 60);
}

#[test]
fn every_spelling_of_a_literal_is_judged() {
    for text in LITERALS {
        let url = reqwest::Url::parse(text).unwrap();
        let judged = Fence::default().judge_host(&url);
        assert!(judged.is_err(), "{text} is {:?}", url.host());
    }
    for text in [
        "https://8.8.8.8/",
        "https://example.com/",
        "https://127.0.0.1.example/",
    ] {
        let url = reqwest::Url::parse(text).unwrap();
        assert_eq!(Fence::default().judge_host(&url), Ok(()), "{text}");
    }
}

#[test]
fn networks_are_opened_one_by_one() {
    let network = |text: &str| text.parse::<IpNet>().unwrap();
    let fence = Fence::PublicAnd(vec![network("10.1.0.0/16"), network("fd00:1::/32")]);
    for (text, allowed) in [
        ("10.1.2.3", true),
        ("::ffff:10.1.2.3", true),
        ("10.2.0.1", false),
        ("64:ff9b::a01:203", false),
        ("fd00:1::5", true),
        ("fd00:2::5", false),
        ("8.8.8.8", true),
    ] {
        assert_eq!(fence.judge(parsed(text)).is_ok(), allowed, "{text}");
    }
}

#[test]
fn a_refusal_names_the_address_and_the_setting() {
    let refused = Fence::default().judge(parsed("10.0.0.1")).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "10.0.0.1 is not a public address; the setting webhooks.allow_networks opens networks of \
         your own"
    );
}

#[derive(Debug)]
struct Answers(Vec<IpAddr>);

#[async_trait]
impl Lookup for Answers {
    async fn lookup(&self, _name: &str) -> io::Result<Vec<IpAddr>> {
        Ok(self.0.clone())
    }
}

#[tokio::test]
async fn one_address_that_is_not_public_spoils_all_answers() {
    let resolver = |answers: &[&str]| FencedResolver {
        fence: Fence::default(),
        lookup: Arc::new(Answers(answers.iter().copied().map(parsed).collect())),
    };
    let name = || "example.com".parse::<Name>().unwrap();
    let public = resolver(&["1.1.1.1", "2606:4700::1"]).resolve(name()).await;
    assert_eq!(public.unwrap().count(), 2);
    let mixed = resolver(&["1.1.1.1", "127.0.0.1"]).resolve(name()).await;
    let error = mixed.err().unwrap();
    assert!(error.downcast_ref::<Refused>().is_some(), "{error}");
}
