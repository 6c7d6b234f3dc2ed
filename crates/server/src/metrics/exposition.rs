//! The two forms in which `/metrics` can be read, and which of them a request asks for.

use std::fmt::Write as _;

/// How metrics are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exposition {
    /// The text format that everything which reads Prometheus' metrics understands.
    Classic,
    /// `OpenMetrics`, which has a type for facts, units, and an end that shows whether all of it arrived.
    OpenMetrics,
}

const OPEN_METRICS: &str = "application/openmetrics-text";

impl Exposition {
    /// What a request asks for that has this in `Accept`: the classic form, unless the other is named and
    /// not the lesser choice.
    pub fn asked_for(accept: &str) -> Self {
        let weight = |wanted: &str| {
            let ranges = accept.split(',').filter_map(weighed);
            let weights = ranges.filter(|(range, _)| range.eq_ignore_ascii_case(wanted));
            weights.map(|(_, weight)| weight).fold(0.0, f32::max)
        };
        let open_metrics = weight(OPEN_METRICS);
        if open_metrics > 0.0 && open_metrics >= weight("text/plain") {
            Self::OpenMetrics
        } else {
            Self::Classic
        }
    }

    /// The media type.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Classic => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// One of the ranges of an `Accept` and its weight, unless that cannot be read.
fn weighed(range: &str) -> Option<(&str, f32)> {
    let mut parts = range.split(';').map(str::trim);
    let media_type = parts.next()?;
    let weight = parts.find_map(|part| part.strip_prefix("q=").or(part.strip_prefix("Q=")));
    Some((
        media_type,
        weight.map_or(Some(1.0), |weight| weight.parse().ok())?,
    ))
}

/// The classic form of an `OpenMetrics` text: a family goes by the name of its samples, a fact is a gauge of
/// one, and there are neither units nor an end.
pub(super) fn classic(open_metrics: &str) -> String {
    let mut text = String::with_capacity(open_metrics.len());
    let mut lines = open_metrics.lines().peekable();
    while let Some(line) = lines.next() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let declared = lines.next_if(|next| next.starts_with("# TYPE "));
            describe(&mut text, help, declared.unwrap_or_default());
        } else if !line.starts_with('#') {
            text.push_str(line);
            text.push('\n');
        }
    }
    text
}

fn describe(text: &mut String, help: &str, declared: &str) {
    let (name, help) = help.split_once(' ').unwrap_or((help, ""));
    let kind = declared.rsplit(' ').next().unwrap_or_default();
    let (suffix, kind) = match kind {
        "counter" => ("_total", "counter"),
        "info" => ("_info", "gauge"),
        kind => ("", kind),
    };
    // Writing to a string cannot fail.
    let _ = write!(
        text,
        "# HELP {name}{suffix} {help}\n# TYPE {name}{suffix} {kind}\n"
    );
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const PROMETHEUS: &str = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
         application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.2";

    #[rstest]
    #[case::nothing("", Exposition::Classic)]
    #[case::anything("*/*", Exposition::Classic)]
    #[case::browser("text/html,application/xhtml+xml;q=0.9,*/*;q=0.8", Exposition::Classic)]
    #[case::text("text/plain;version=0.0.4", Exposition::Classic)]
    #[case::named("application/openmetrics-text", Exposition::OpenMetrics)]
    #[case::in_capitals("Application/OpenMetrics-Text; Q=0.1", Exposition::OpenMetrics)]
    #[case::prometheus(PROMETHEUS, Exposition::OpenMetrics)]
    #[case::refused("application/openmetrics-text;q=0", Exposition::Classic)]
    #[case::second("application/openmetrics-text;q=0.5, text/plain", Exposition::Classic)]
    #[case::no_weight("application/openmetrics-text;q=much", Exposition::Classic)]
    fn a_request_gets_what_it_asks_for(#[case] accept: &str, #[case] expected: Exposition) {
        assert_eq!(Exposition::asked_for(accept), expected);
    }
}
