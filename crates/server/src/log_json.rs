//! A log event as one JSON object on a line.
//!
//! There is such a line for every request, so it is written in one pass, without a serializer between its fields and
//! the line. What has more to it than its fields, an event inside a span or one of the `log` crate, goes the usual
//! way, and looks the same.

use std::fmt::{self, Write as _};

use rollcall_domain::clock::{Clock as _, SystemClock};
use rollcall_record::json::write_string;
use rollcall_record::time;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::{Format, Json, Writer};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// Room for the line of a request.
const USUAL_LINE: usize = 512;

/// The target that events of the `log` crate have, whoever made them.
const OF_LOG_CRATE: &str = "log";

/// Writes JSON lines.
pub(crate) struct JsonLines {
    usual: Format<Json>,
}

impl JsonLines {
    pub(crate) fn new() -> Self {
        let usual = tracing_subscriber::fmt::format().json();
        Self {
            usual: usual
                .flatten_event(true)
                .with_current_span(true)
                .with_span_list(false),
        }
    }
}

impl<S, N> FormatEvent<S, N> for JsonLines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let about = event.metadata();
        let is_in_span = event.parent().is_some() || context.lookup_current().is_some();
        if is_in_span || about.target() == OF_LOG_CRATE {
            return self.usual.format_event(context, writer, event);
        }
        let mut line = String::with_capacity(USUAL_LINE);
        line.push_str("{\"timestamp\":\"");
        time::write_to_the_microsecond(&mut line, SystemClock.now());
        line.push_str("\",\"level\":\"");
        line.push_str(about.level().as_str());
        line.push('"');
        event.record(&mut Members(&mut line));
        line.push_str(",\"target\":");
        write_string(&mut line, about.target());
        line.push_str("}\n");
        writer.write_str(&line)
    }
}

/// Writes fields behind others.
struct Members<'a>(&'a mut String);

impl Members<'_> {
    /// Names of fields stand in the source, where nobody writes one that has to be escaped.
    fn begin(&mut self, field: &Field) {
        self.0.push_str(",\"");
        self.0.push_str(field.name());
        self.0.push_str("\":");
    }

    fn plain(&mut self, field: &Field, value: &str) {
        self.begin(field);
        self.0.push_str(value);
    }
}

impl Visit for Members<'_> {
    fn record_f64(&mut self, field: &Field, value: f64) {
        if value.is_finite() {
            self.plain(field, &format!("{value:?}"));
        } else {
            self.plain(field, "null");
        }
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.plain(field, itoa::Buffer::new().format(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.plain(field, itoa::Buffer::new().format(value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.plain(field, if value { "true" } else { "false" });
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.begin(field);
        write_string(self.0, value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.begin(field);
        let start = self.0.len();
        self.0.push('"');
        // Writing to a String cannot fail, but a value can fail to say what it is: what it said stands.
        let _ = write!(self.0, "{value:?}");
        let text = self.0.get(start + 1..).unwrap_or_default();
        if text
            .bytes()
            .any(|byte| byte < 0x20 || byte == b'"' || byte == b'\\')
        {
            let text = text.to_owned();
            self.0.truncate(start);
            write_string(self.0, &text);
        } else {
            self.0.push('"');
        }
    }
}
