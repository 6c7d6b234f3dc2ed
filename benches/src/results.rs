//! What a command measured: what the figures have to reach, and rows of figures. Every command hands over the
//! same, so it is printed, written to JSON and put into the documentation in one way.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::BenchArgs;
use crate::cores::Cores;
use crate::rollcall::Binary;

/// What a `--json` file holds.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Results {
    /// The command, and the place of its figures in the documentation.
    pub(crate) command: String,
    /// What was measured, where and how hard.
    pub(crate) conditions: String,
    pub(crate) targets: Vec<Target>,
    pub(crate) tables: Vec<Vec<Row>>,
    /// What a reader of the figures should know.
    pub(crate) notes: Vec<String>,
    /// What could not be measured, and why.
    pub(crate) failures: Vec<String>,
}

impl Results {
    /// Nothing measured yet.
    pub(crate) fn of(
        command: &str,
        binary: &Binary,
        profiles: u64,
        args: &BenchArgs,
        cores: Cores,
    ) -> anyhow::Result<Self> {
        let arguments = match args.serve_arg.as_slice() {
            [] => "default settings".to_owned(),
            arguments => arguments.join(" "),
        };
        let shared = if cores.are_separate() {
            "a core each"
        } else {
            "sharing a core"
        };
        let conditions = format!(
            "{}, {arguments}, {profiles} profiles; {}; server and generator {shared}; {} rounds of {} s, {} connections; \
             medians, and the range over the rounds in brackets.",
            binary.version()?,
            machine(),
            args.rounds,
            args.seconds,
            args.connections,
        );
        Ok(Self {
            command: command.to_owned(),
            conditions,
            targets: Vec::new(),
            tables: Vec::new(),
            notes: Vec::new(),
            failures: Vec::new(),
        })
    }
}

fn machine() -> String {
    let read = |file| std::fs::read_to_string(file).unwrap_or_default();
    let (cpus, kernel) = (read("/proc/cpuinfo"), read("/proc/sys/kernel/osrelease"));
    let models = || cpus.lines().filter_map(|it| it.strip_prefix("model name"));
    let model = models().next().unwrap_or("unknown");
    format!(
        "{} cores of {}, Linux {}",
        models().count(),
        model.trim_start_matches([' ', '\t', ':']),
        kernel.trim()
    )
}

/// A line of a table: a name, and figures by the names of their columns. Rows of one table may have
/// different columns.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Row {
    pub(crate) name: String,
    #[serde(flatten)]
    pub(crate) figures: Map<String, Value>,
}

impl Row {
    pub(crate) fn of(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            figures: Map::new(),
        }
    }

    /// Adds a figure: a number, a `Spread` or a text. What was not measured is `None`.
    pub(crate) fn with(mut self, column: &str, figure: impl Serialize) -> Self {
        let figure = serde_json::to_value(figure).unwrap_or_default();
        self.figures.insert(column.to_owned(), figure);
        self
    }
}

/// A figure beside what it has to be and what we would like it to be; where we would like no more than has
/// to be, the two are equal. Ratios of CPU time taken in one interleaved run repeat on another machine, where
/// plain times do not.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Target {
    /// With its unit.
    pub(crate) what: String,
    /// `None`: not measured in this run.
    pub(crate) figure: Option<f64>,
    /// Whether more is better.
    pub(crate) at_least: bool,
    pub(crate) must: f64,
    pub(crate) aim: f64,
}

impl Target {
    pub(crate) fn at_least(
        what: impl Into<String>,
        figure: Option<f64>,
        must: f64,
        aim: f64,
    ) -> Self {
        Self {
            what: what.into(),
            figure,
            at_least: true,
            must,
            aim,
        }
    }

    pub(crate) fn at_most(
        what: impl Into<String>,
        figure: Option<f64>,
        must: f64,
        aim: f64,
    ) -> Self {
        Self {
            at_least: false,
            ..Self::at_least(what, figure, must, aim)
        }
    }

    pub(crate) fn verdict(&self) -> &'static str {
        let Some(figure) = self.figure else {
            return "not measured";
        };
        let holds = |bound| {
            if self.at_least {
                figure >= bound
            } else {
                figure <= bound
            }
        };
        match (holds(self.aim), holds(self.must)) {
            (true, _) => "met, and the aim",
            (false, true) => "met",
            (false, false) => "MISSED",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verdict_compares_in_the_bounds_direction() {
        let least = |figure| Target::at_least("", figure, 0.25, 0.4).verdict();
        assert_eq!(least(Some(0.5)), "met, and the aim");
        assert_eq!(least(Some(0.3)), "met");
        assert_eq!(least(Some(0.2)), "MISSED");
        assert_eq!(least(None), "not measured");
        assert_eq!(Target::at_most("", Some(1.1), 1.2, 1.0).verdict(), "met");
    }
}
