//! The `anthropic-*` request headers (contract `headers-and-errors.md`, *Request headers*).
//!
//! Every function here takes the values of one header, in the order they came, as bytes: this crate
//! needs no HTTP library. All of them run for every request, so the usual values cost no allocation.

use std::collections::HashSet;

use rollcall_domain::id::WorkspaceId;
use rollcall_record::json::quotable;
use rollcall_record::time;

use crate::dialect::Dialect;
use crate::dialects;
use crate::error::{ApiError, quoted};

/// The versions that are served alike.
pub(crate) const VERSIONS: [&[u8]; 2] = [b"2023-06-01", b"2026-10-21"];

/// The beta without which the webhook paths do not exist.
pub const WEBHOOKS_BETA: &str = "webhooks-2026-10-07";

/// An unknown beta's name is shown up to this many characters.
pub const SHOWN_NAME: usize = 128;

/// Checks `anthropic-version`: sent once, and one of the two that are served.
pub fn parse_version<'a>(values: impl IntoIterator<Item = &'a [u8]>) -> Result<(), ApiError> {
    const HEADER: &str = "anthropic-version";
    let mut values = values.into_iter();
    let value = values.next().unwrap_or_default();
    if values.next().is_some() {
        return Err(ApiError::at(HEADER, "header must be sent once"));
    }
    if value.is_empty() {
        return Err(ApiError::at(HEADER, "header is required"));
    }
    if VERSIONS.contains(&value) {
        return Ok(());
    }
    let expected = "is not a supported version; use \"2023-06-01\" or \"2026-10-21\"";
    let message = format!("{} {expected}", quoted(value));
    Err(ApiError::at(HEADER, message))
}

/// Reads the form of `anthropic-workspace-id`. Whether the credential reaches that workspace is for
/// the caller to find out ([`ApiError::workspace_mismatch`]). An empty value is malformed.
pub fn parse_workspace<'a>(
    values: impl IntoIterator<Item = &'a [u8]>,
) -> Result<Option<WorkspaceId>, ApiError> {
    let mut values = values.into_iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    let text = std::str::from_utf8(value).ok();
    let id = text.and_then(|text| WorkspaceId::parse(text).ok());
    match (id, values.next()) {
        (Some(id), None) => Ok(Some(id)),
        (None, _) | (Some(_), Some(_)) => Err(ApiError::at(
            "anthropic-workspace-id",
            "must be one workspace ID (wrkspc_...)",
        )),
    }
}

/// The names in `anthropic-beta`: of all its values in order, without white space and empty elements.
fn names<'a>(values: impl IntoIterator<Item = &'a [u8]>) -> impl Iterator<Item = &'a [u8]> {
    values
        .into_iter()
        .flat_map(|value| value.split(|&byte| byte == b','))
        .map(<[u8]>::trim_ascii)
        .filter(|name| !name.is_empty())
}

/// Whether `anthropic-beta` lists `name`, whatever else it lists: step 2 of the order of checks, in
/// which an unknown name is not yet an error.
pub fn lists<'a>(values: impl IntoIterator<Item = &'a [u8]>, name: &str) -> bool {
    names(values).any(|listed| listed == name.as_bytes())
}

/// What the betas of a request come to.
#[derive(Clone, Debug)]
pub struct Betas<'a> {
    dialect: &'static Dialect,
    unknown: Vec<&'a str>,
}

impl<'a> Betas<'a> {
    /// The dialect: the newest whose beta is listed, wherever it stands in the list; the
    /// [`dialects::DEFAULT`] when none is.
    ///
    /// Position carries no intent, because SDKs add their own default before or behind what the
    /// caller asked for (contract `README.md`, *Choosing the dialect*).
    pub fn dialect(&self) -> &'static Dialect {
        self.dialect
    }

    /// The names that nobody here knows and that were accepted without effect, each once, in the order
    /// sent: lower-case letters, digits and hyphens, of any length.
    pub fn unknown(&self) -> &[&'a str] {
        &self.unknown
    }
}

/// The beta names that are accepted.
#[derive(Clone, Debug, Default)]
pub struct KnownBetas {
    extra: Vec<Box<str>>,
    strict: bool,
}

impl KnownBetas {
    /// The compiled-in names and `extra`, which have no meaning here either.
    pub fn new<T: Into<Box<str>>>(extra: impl IntoIterator<Item = T>) -> Self {
        let extra = extra.into_iter().map(Into::into).collect();
        let strict = false;
        Self { extra, strict }
    }

    /// The same names, and with `strict` no other is accepted, whatever its form.
    #[must_use]
    pub fn strictly(self, strict: bool) -> Self {
        Self { strict, ..self }
    }

    /// Reads `anthropic-beta`. A name that is not known is refused, unless it may be one of tomorrow
    /// (contract, *Names of tomorrow*): being locked out by the next SDK costs users more than a typing
    /// mistake.
    pub fn parse<'a>(
        &self,
        values: impl IntoIterator<Item = &'a [u8]>,
    ) -> Result<Betas<'a>, ApiError> {
        let mut chosen: Option<usize> = None;
        let mut seen: HashSet<&[u8]> = HashSet::new();
        let mut accepted = Vec::new();
        let mut refused = Vec::new();
        for name in names(values) {
            match (dialect_of(name), chosen) {
                (Some(listed), Some(newest)) => chosen = Some(listed.min(newest)),
                (Some(listed), None) => chosen = Some(listed),
                (None, _) if self.contains(name) || !seen.insert(name) => {}
                (None, _) => match name_of_tomorrow(name).filter(|_| !self.strict) {
                    Some(name) => accepted.push(name),
                    None => refused.push(name),
                },
            }
        }
        if !refused.is_empty() {
            return Err(unexpected(&refused));
        }
        let dialect = chosen.and_then(|at| dialects::ALL.get(at).copied());
        Ok(Betas {
            dialect: dialect.unwrap_or(dialects::DEFAULT),
            unknown: accepted,
        })
    }

    /// Every listed name that is not known, accepted or not, in the order sent.
    pub fn unknown<'a>(
        &self,
        values: impl IntoIterator<Item = &'a [u8]>,
    ) -> impl Iterator<Item = &'a [u8]> {
        names(values).filter(|name| !self.contains(name))
    }

    fn contains(&self, name: &[u8]) -> bool {
        COMPILED_IN
            .binary_search_by(|known| known.as_bytes().cmp(name))
            .is_ok()
            || dialect_of(name).is_some()
            || self.extra.iter().any(|extra| extra.as_bytes() == name)
    }
}

/// The beta without which the paths of data controls do not exist.
pub const DATA_CONTROLS_BETA: &str = "google-managed-data-controls-2026-09-01";

/// Betas whose names begin so change what Rollcall itself serves. It cannot serve a shape that it does
/// not know, so an unknown one is never passed over.
const OWN_FAMILIES: [&str; 3] = [
    "user-profiles-",
    "webhooks-",
    "google-managed-data-controls-",
];

/// The name as text, if it has the form of the vendor's names, words and a date, and is of no family
/// that Rollcall speaks.
fn name_of_tomorrow(name: &[u8]) -> Option<&str> {
    let name = std::str::from_utf8(name).ok()?;
    let is_own = OWN_FAMILIES.iter().any(|own| name.starts_with(own));
    (!is_own && is_dated(name)).then_some(name)
}

/// Whether this is `words-YYYY-MM-DD` or `words-YYYYMMDD`.
fn is_dated(name: &str) -> bool {
    let before = |length: usize| {
        let (words, date) = name.split_at_checked(name.len().checked_sub(length)?)?;
        Some((words.strip_suffix('-')?, date))
    };
    let is_word = |word: &str| {
        let mut bytes = word.bytes();
        !word.is_empty() && bytes.all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    };
    let are_words = |words: &str| words.split('-').all(is_word);
    let is_day = |date: &str| time::parse(&format!("{date}T00:00:00Z")).is_ok();
    let with_hyphens = |date: &str| {
        let (year, rest) = date.split_at_checked(4)?;
        let (month, day) = rest.split_at_checked(2)?;
        Some(format!("{year}-{month}-{day}"))
    };
    let long = before(10).is_some_and(|(words, date)| are_words(words) && is_day(date));
    long || before(8).is_some_and(|(words, date)| {
        are_words(words) && with_hyphens(date).is_some_and(|date| is_day(&date))
    })
}

fn unexpected(unknown: &[&[u8]]) -> ApiError {
    let shown: Vec<String> = unknown
        .iter()
        .map(|name| {
            let name = String::from_utf8_lossy(name);
            let name: String = name.chars().take(SHOWN_NAME).collect();
            // Cut in two, because what is quotable is shorter than what is shown of a name.
            let split = name.char_indices().nth(SHOWN_NAME / 2);
            let (head, tail) = name.split_at(split.map_or(name.len(), |(at, _)| at));
            format!("`{}{}`", quotable(head), quotable(tail))
        })
        .collect();
    ApiError::invalid(format!(
        "Unexpected value(s) {} for the `anthropic-beta` header. See the documentation for the known \
         values, or leave the header out. The server's setting `extra_betas` makes further ones known.",
        shown.join(", ")
    ))
}

/// Where in [`dialects::ALL`] the dialect stands that the beta `name` chooses.
fn dialect_of(name: &[u8]) -> Option<usize> {
    dialects::ALL
        .iter()
        .position(|dialect| dialect.beta().is_some_and(|beta| beta.as_bytes() == name))
}

/// Beside the dialects' own; in ascending order, so that a name is found by bisection.
const COMPILED_IN: [&str; 61] = [
    "admin-user-sign-out-2026-10-08",
    "advisor-tool-2026-03-01",
    "agent-memory-2026-07-22",
    "analytics-usage-cost-2026-08-24",
    "cache-diagnosis-2026-04-07",
    "ce-claude-code-managed-settings-2026-10-06",
    "ce-plugins-2026-09-01",
    "ce-user-management-2026-07-13",
    "claude-code-20250219",
    "code-execution-2025-05-22",
    "compact-2026-01-12",
    "compact-2026-09-04",
    "computer-use-2024-10-22",
    "computer-use-2025-01-24",
    "computer-use-2025-11-24",
    "context-1m-2025-08-07",
    "context-management-2025-06-27",
    "dev-full-thinking-2025-05-14",
    "dreaming-2026-04-21",
    "efs-2026-10-01",
    "experimental-claude-tag-2026-10-21",
    "extended-cache-ttl-2025-04-11",
    "fallback-credit-2026-06-01",
    "fallback-credit-2026-07-01",
    "fast-mode-2026-02-01",
    "files-api-2025-04-14",
    "google-managed-data-controls-2026-09-01",
    "inline-tools-2026-09-15",
    "interleaved-thinking-2025-05-14",
    "managed-agents-2026-04-01",
    "mcp-client-2025-04-04",
    "mcp-client-2025-11-20",
    "mcp-client-2026-09-15",
    "mcp-tunnels-2026-06-22",
    "message-batches-2024-09-24",
    "message-threads-2026-08-12",
    "mid-conversation-output-config-2026-07-01",
    "mid-conversation-system-clear-at-2026-08-21",
    "mid-conversation-tool-changes-2026-07-01",
    "model-context-window-exceeded-2025-08-26",
    "oauth-2025-04-20",
    "oidc-federation-2026-04-01",
    "output-128k-2025-02-19",
    "output-300k-2026-03-24",
    "pdfs-2024-09-25",
    "prompt-caching-2024-07-31",
    "server-side-fallback-2026-06-01",
    "server-side-fallback-2026-07-01",
    "skills-2025-10-02",
    "spend-limit-reads-2026-09-26",
    "structured-outputs-2025-11-13",
    "task-budgets-2026-03-13",
    "telemetry-destinations-2026-08-11",
    "thinking-binding-controls-2026-08-01",
    "thinking-display-updates-2026-08-18",
    "thinking-token-count-2026-05-13",
    "token-counting-2024-11-01",
    "token-efficient-tools-2025-02-19",
    "user-profiles-billing-2026-10-01",
    "user-profiles-search-2026-08-30",
    "webhooks-2026-10-07",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen_by(values: &[&str]) -> Result<&'static str, String> {
        let values = values.iter().map(|value| value.as_bytes());
        let betas = KnownBetas::default().parse(values);
        betas
            .map(|betas| betas.dialect().short_name())
            .map_err(|error| error.message)
    }

    #[test]
    fn compiled_in_names_are_in_the_order_that_bisection_needs() {
        assert!(COMPILED_IN.is_sorted());
        let known = KnownBetas::default();
        assert!(
            COMPILED_IN
                .iter()
                .all(|name| known.contains(name.as_bytes()))
        );
        assert!(known.contains(WEBHOOKS_BETA.as_bytes()));
    }

    #[test]
    fn the_newest_listed_dialect_wins_wherever_it_stands() {
        for (values, expected) in [
            (&[][..], "ga"),
            (&[""], "ga"),
            (&[" , ,"], "ga"),
            (&["user-profiles-2026-03-24"], "2026-03-24"),
            (
                &["user-profiles-2026-08-18,user-profiles-2026-03-24"],
                "2026-08-18",
            ),
            (
                &["user-profiles-2026-03-24", "user-profiles-2026-09-04"],
                "2026-09-04",
            ),
            (
                &["user-profiles-2026-09-04 ,\tuser-profiles-2026-08-18,user-profiles-2026-09-04"],
                "2026-09-04",
            ),
            (&["user-profiles-billing-2026-10-01"], "ga"),
            (
                &["webhooks-2026-10-07, user-profiles-2026-08-18"],
                "2026-08-18",
            ),
            (&["computer-use-2024-10-22"], "ga"),
            (
                &["oauth-2025-04-20", "user-profiles-2026-08-18"],
                "2026-08-18",
            ),
            (&["user-profiles-search-2026-08-30"], "ga"),
        ] {
            assert_eq!(chosen_by(values), Ok(expected), "{values:?}");
        }
    }

    #[test]
    fn every_unknown_name_is_told_once_in_the_order_sent() {
        let message = chosen_by(&[
            "b-1,user-profiles-2026-03-24, a-1",
            "b-1",
            "User-Profiles-2026-03-24",
        ]);
        assert_eq!(
            message.unwrap_err(),
            "Unexpected value(s) `b-1`, `a-1`, `User-Profiles-2026-03-24` for the `anthropic-beta` \
             header. See the documentation for the known values, or leave the header out. The server's \
             setting `extra_betas` makes further ones known."
        );
        let long = "x".repeat(200);
        let message = chosen_by(&[&long]).unwrap_err();
        assert!(message.contains(&format!("`{}`", "x".repeat(128))));
    }

    #[test]
    fn names_of_tomorrow_have_words_and_a_real_date_and_are_of_no_own_family() {
        for name in [
            "quantum-2027-02-28",
            "quantum-20270228",
            "files-api-v2-2028-02-29",
            "x-0001-01-01",
        ] {
            let betas = KnownBetas::default().parse([name.as_bytes(), name.as_bytes()]);
            assert_eq!(betas.unwrap().unknown(), [name]);
            let strict = KnownBetas::default().strictly(true);
            assert!(strict.parse([name.as_bytes()]).is_err(), "{name}");
        }
        for name in [
            "quantum",
            "2027-02-28",
            "-2027-02-28",
            "quantum-2027-02-29",
            "quantum-2027-13-01",
            "quantum-20270229",
            "quantum-2027-2-8",
            "quantum2027-02-28",
            "quantum--2027-02-28",
            "Quantum-2027-02-28",
            "quant_um-2027-02-28",
            "quantum-2027-02-28-",
            "quantum-2027-02-28x",
            "quäntum-2027-02-28",
            "quantum-２０２７-02-28",
            "user-profiles-2026-09-05",
            "user-profiles-pets-2027-01-01",
            "webhooks-2026-10-08",
            "google-managed-data-controls-20270101",
        ] {
            let refused = KnownBetas::default().parse([name.as_bytes()]);
            assert!(refused.is_err(), "{name}");
        }
    }

    #[test]
    fn a_refusal_names_nothing_that_would_have_been_accepted() {
        let message = chosen_by(&["quantum-2027-02-28,nonsense"]).unwrap_err();
        assert!(
            message.starts_with("Unexpected value(s) `nonsense` for"),
            "{message}"
        );
    }

    #[test]
    fn configured_names_are_known_and_mean_nothing() {
        let known = KnownBetas::new(["my-beta-2027-01-01"]);
        let betas = known.parse([b"my-beta-2027-01-01".as_slice()]).unwrap();
        assert_eq!(betas.dialect().short_name(), "ga");
    }

    #[test]
    fn the_webhook_gate_splits_and_judges_nothing() {
        let sent = |value: &'static str| lists([value.as_bytes()], WEBHOOKS_BETA);
        assert!(sent("webhooks-2026-10-07"));
        assert!(sent("no-such-beta, webhooks-2026-10-07"));
        assert!(!sent("webhooks-2026-10-07x"));
        assert!(!lists([], WEBHOOKS_BETA));
    }

    #[test]
    fn the_version_is_sent_once_and_is_one_of_two() {
        let check = |values: &[&'static str]| {
            parse_version(values.iter().map(|value| value.as_bytes()))
                .map_err(|error| error.message)
        };
        assert_eq!(check(&["2023-06-01"]), Ok(()));
        assert_eq!(check(&["2026-10-21"]), Ok(()));
        let required = "anthropic-version: header is required";
        assert_eq!(check(&[]).unwrap_err(), required);
        assert_eq!(check(&[""]).unwrap_err(), required);
        let once = "anthropic-version: header must be sent once";
        assert_eq!(check(&["2023-06-01", "2023-06-01"]).unwrap_err(), once);
        assert_eq!(
            check(&["2020-01-01"]).unwrap_err(),
            r#"anthropic-version: "2020-01-01" is not a supported version; use "2023-06-01" or "2026-10-21""#
        );
        assert!(check(&["2023-01-01"]).is_err());
        assert!(check(&["2023-06-01,2023-06-01"]).is_err());
    }

    #[test]
    fn a_workspace_is_named_once_and_well() {
        let read =
            |values: &[&'static str]| parse_workspace(values.iter().map(|value| value.as_bytes()));
        assert_eq!(read(&[]), Ok(None));
        let longest: &'static str = Box::leak(format!("wrkspc_{}", "a".repeat(121)).into());
        assert!(read(&[longest]).unwrap().is_some());
        let too_long: &'static str = Box::leak(format!("wrkspc_{}", "a".repeat(122)).into());
        for values in [
            &["wrkspc_"][..],
            &[""],
            &["ws_1"],
            &["wrkspc_a b"],
            &["wrkspc_a", "wrkspc_a"],
            &[too_long],
        ] {
            assert_eq!(
                read(values).unwrap_err().message,
                "anthropic-workspace-id: must be one workspace ID (wrkspc_...)"
            );
        }
    }
}
