//! Logs: where they go, what they look like, and how much of them there is.
//!
//! All of it goes to standard error, so that standard output belongs to what a command was asked for.
//! On a terminal a person reads, so lines are text; elsewhere a collector does, so they are one JSON
//! object each, with the event's fields at the top level beside `timestamp`, `level`, `target`, `message` and
//! `span` (the request's id, organization, route). What may never be logged is for the call sites to
//! keep: keys, metadata values, names.

use std::io::{self, IsTerminal as _};
use std::panic::PanicHookInfo;

use clap::ValueEnum;
use serde::Deserialize;
use tracing::Subscriber;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::JsonFields;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer as _, Registry};

use crate::log_json::JsonLines;
use crate::log_lines::LogLines;

pub use crate::log_lines::Flush;

/// What log lines look like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Text on a terminal, JSON elsewhere.
    #[default]
    Auto,
    /// One line of text per event, coloured on a terminal unless `NO_COLOR` is set.
    Text,
    /// One JSON object per line.
    Json,
}

/// Why logging could not be set up. `Display` is one line that says what to do.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The filter cannot be parsed.
    #[error(
        "log: \"{filter}\" is not a log filter ({reason}); write a level such as \"info\", or \"info,rollcall=debug\""
    )]
    Filter {
        /// The filter as it was set.
        filter: String,
        /// What is wrong with it.
        reason: String,
    },
    /// This process has set up logging before.
    #[error("logging is already set up in this process")]
    AlreadySet,
    /// The thread that writes the lines cannot be started.
    #[error("cannot start a thread for the log: {0}")]
    NoThread(#[source] io::Error),
}

/// Checks a log filter without setting anything up.
pub fn check_filter(filter: &str) -> Result<(), TelemetryError> {
    parse_filter(filter).map(drop)
}

/// Starts logging to standard error for the rest of the process; what is held back to be written together is
/// written at the latest when the answer is dropped.
pub fn start(filter: &str, format: LogFormat) -> Result<Flush, TelemetryError> {
    let on_terminal = io::stderr().is_terminal();
    let look = Look {
        json: match format {
            LogFormat::Auto => !on_terminal,
            LogFormat::Text => false,
            LogFormat::Json => true,
        },
        coloured: on_terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()),
    };
    let (lines, flush) = LogLines::start(io::stderr()).map_err(TelemetryError::NoThread)?;
    subscriber(filter, look, lines)?
        .try_init()
        .map_err(|_already| TelemetryError::AlreadySet)?;
    std::panic::set_hook(Box::new(log_panic));
    Ok(flush)
}

/// Logs a panic like everything else: the usual hook would wait for whoever reads standard error.
fn log_panic(panic: &PanicHookInfo<'_>) {
    let at = panic.location().map(ToString::to_string);
    let said = panic.payload_as_str();
    tracing::error!(at, said, "a thread panicked");
}

#[derive(Clone, Copy)]
struct Look {
    json: bool,
    coloured: bool,
}

fn parse_filter(filter: &str) -> Result<Targets, TelemetryError> {
    let refused = |reason: String| TelemetryError::Filter {
        filter: filter.to_owned(),
        reason,
    };
    // Targets' own parser takes a lone word for a module, so `verbose` would silently mean: log nothing.
    let mut targets = match filter.trim() {
        "" => Targets::new().with_default(LevelFilter::ERROR),
        _ => Targets::new(),
    };
    for word in filter
        .split(',')
        .map(str::trim)
        .filter(|word| !word.is_empty())
    {
        let (module, level) = match word.split_once('=') {
            Some((module, level)) => (Some(module.trim_end()), level.trim_start()),
            None => (None, word),
        };
        let level: LevelFilter = level
            .parse()
            .map_err(|_| refused(format!("unknown level \"{level}\"")))?;
        targets = match module {
            None => targets.with_default(level),
            Some(module) if is_module(module) => targets.with_target(module, level),
            Some(module) => return Err(refused(format!("\"{module}\" is no module"))),
        };
    }
    Ok(targets)
}

/// Whether this can be a module's path, or its beginning.
fn is_module(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b':');
    !text.is_empty() && text.bytes().all(plain)
}

fn subscriber<W>(
    filter: &str,
    look: Look,
    writer: W,
) -> Result<impl Subscriber + Send + Sync, TelemetryError>
where
    W: for<'writer> MakeWriter<'writer> + Send + Sync + 'static,
{
    let lines = tracing_subscriber::fmt::layer().with_writer(writer);
    let lines = if look.json {
        let fields = JsonFields::new();
        let lines = lines.event_format(JsonLines::new()).fmt_fields(fields);
        lines.boxed()
    } else {
        lines.with_ansi(look.coloured).boxed()
    };
    Ok(Registry::default().with(lines).with(parse_filter(filter)?))
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex, PoisonError};

    use rstest::rstest;

    use super::*;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let mut written = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            written.extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn lines(filter: &str, json: bool) -> String {
        logged(filter, json, || {
            let span = tracing::info_span!("request", request_id = "req_1");
            let _entered = span.enter();
            tracing::info!(status = 200, "answered");
            tracing::debug!("detail");
        })
    }

    fn logged(filter: &str, json: bool, events: impl FnOnce()) -> String {
        let written = Written::default();
        let writer = written.clone();
        let look = Look {
            json,
            coloured: false,
        };
        let subscriber = subscriber(filter, look, move || writer.clone()).unwrap();
        tracing::subscriber::with_default(subscriber, events);
        let bytes = written.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn json_lines_hold_the_events_fields_and_its_span() {
        let written = lines("info", true);
        let line: serde_json::Value = serde_json::from_str(&written).unwrap();
        assert_eq!(line["message"], "answered");
        assert_eq!(line["status"], 200);
        assert_eq!(line["level"], "INFO");
        assert_eq!(line["span"]["request_id"], "req_1");
    }

    #[test]
    fn a_json_line_looks_the_same_inside_a_span_and_outside() {
        let event = || {
            let client = std::net::Ipv4Addr::LOCALHOST;
            tracing::info!(
                key = "a \"quoted\" kéy\n",
                missing = None::<u64>,
                %client,
                cut = -1.5,
                late = true,
                below = -3,
                "answered in {} µs",
                7
            );
        };
        let line = |text: &str| {
            let mut line: serde_json::Value = serde_json::from_str(text).unwrap();
            let line = line.as_object_mut().unwrap();
            let at = line.remove("timestamp").unwrap();
            assert_eq!(
                at.as_str().unwrap().len(),
                "2026-03-15T10:00:00.000000Z".len()
            );
            line.remove("span");
            serde_json::to_string(line).unwrap()
        };
        let outside = logged("info", true, event);
        let inside = logged("info", true, || tracing::info_span!("all").in_scope(event));
        assert!(inside.contains("\"span\"") && outside.ends_with("}\n"));
        assert_eq!(line(&outside), line(&inside));
    }

    #[test]
    fn a_value_that_fails_to_say_what_it_is_breaks_no_json_line() {
        struct Broken(&'static str);

        impl std::fmt::Debug for Broken {
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str(self.0)?;
                Err(std::fmt::Error)
            }
        }

        for begun in ["", "half a", "half a \"q"] {
            let written = logged("info", true, || {
                tracing::info!(status = 200, broken = ?Broken(begun), "answered");
            });
            let line: serde_json::Value = serde_json::from_str(&written).unwrap();
            assert_eq!(line["broken"], begun);
            assert_eq!(line["message"], "answered");
        }
    }

    #[test]
    fn text_lines_are_text() {
        let written = lines("info", false);
        assert!(
            written.contains("INFO request{request_id=\"req_1\"}"),
            "{written}"
        );
        assert!(written.ends_with("answered status=200\n"), "{written}");
    }

    #[test]
    fn the_filter_decides_what_is_written() {
        assert_eq!(lines("debug", true).lines().count(), 2);
        assert_eq!(lines("off", true), "");
        assert_eq!(lines("", true), "");
        assert_eq!(lines("off, rollcall = debug,", true).lines().count(), 2);
        assert_eq!(
            lines("debug,rollcall::telemetry=info", true)
                .lines()
                .count(),
            1
        );
        assert_eq!(
            lines("info,some_other_crate=trace", true).lines().count(),
            1
        );
    }

    #[rstest]
    #[case("info,rollcall=loud")]
    #[case("=")]
    #[case("verbose")]
    #[case("[request{request_id=req_1}]=debug")]
    #[case("=debug")]
    #[case("rollcall=info=debug")]
    fn a_filter_that_is_none_is_refused_with_advice(#[case] filter: &str) {
        let error = check_filter(filter).unwrap_err().to_string();
        assert!(error.starts_with(&format!("log: \"{filter}\" is not a log filter (")));
        assert!(error.ends_with("write a level such as \"info\", or \"info,rollcall=debug\""));
        assert_eq!(error.lines().count(), 1);
    }
}
