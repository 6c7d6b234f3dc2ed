//! What the figures have to reach, and whether they do.
//!
//! Ratios of CPU time taken in one interleaved run: they repeat on another machine, where plain
//! times do not. A target is a row here; what it is measured by is the function beside it.

use serde::{Deserialize, Serialize};

use Bound::{AtLeast, AtMost};

use crate::postgresql::TWO_NODES;
use crate::requests::{Dialect, Scenario};
use crate::results::{
    EnginePages, PageFigures, PagesResults, PostgresqlFigures, PostgresqlResults, RunResults,
    ScaleResults, ScenarioFigures, TransferFigures, WebhookResults,
};
use crate::stats::{Spread, float};

/// A figure beside what it has to be and what we would like it to be; where we would like no more
/// than has to be, the two are equal.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Judged {
    pub(crate) what: String,
    pub(crate) unit: Unit,
    /// `None`: not measured in this run.
    pub(crate) figure: Option<f64>,
    pub(crate) must: Bound,
    pub(crate) aim: Bound,
    pub(crate) verdict: Verdict,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Bound {
    AtLeast(f64),
    AtMost(f64),
}

impl Bound {
    fn holds(self, figure: f64) -> bool {
        match self {
            Self::AtLeast(bound) => figure >= bound,
            Self::AtMost(bound) => figure <= bound,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Unit {
    Ratio,
    Megabytes,
    Milliseconds,
    PerSecond,
    Percent,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Verdict {
    AimMet,
    Met,
    Missed,
    NotMeasured,
}

impl Verdict {
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::AimMet => "met, and the aim",
            Self::Met => "met",
            Self::Missed => "MISSED",
            Self::NotMeasured => "not measured",
        }
    }
}

fn judged(what: &str, unit: Unit, figure: Option<f64>, must: Bound, aim: Bound) -> Judged {
    let verdict = match figure {
        None => Verdict::NotMeasured,
        Some(figure) if aim.holds(figure) => Verdict::AimMet,
        Some(figure) if must.holds(figure) => Verdict::Met,
        Some(_) => Verdict::Missed,
    };
    Judged {
        what: what.to_owned(),
        unit,
        figure,
        must,
        aim,
        verdict,
    }
}

pub(crate) fn judge(run: &RunResults) -> Vec<Judged> {
    [reads(run), writes(run), upkeep(run)].concat()
}

fn reads(run: &RunResults) -> Vec<Judged> {
    let old = Dialect::V2026_03_24;
    let ratio = |what: &str, figure, must, aim| judged(what, Unit::Ratio, figure, must, aim);
    let mut rows = Vec::new();
    for scenario in Dialect::ALL.map(Scenario::List) {
        let what = format!("{}: limit / rollcall", scenario.name());
        rows.push(ratio(
            &what,
            of_limit(run, scenario),
            AtLeast(0.25),
            AtLeast(0.40),
        ));
    }
    let slowest = slowest_dialect(run);
    rows.push(ratio(
        "list: fastest / slowest dialect",
        slowest,
        AtLeast(0.9),
        AtLeast(0.9),
    ));
    for scenario in [old, Dialect::Ga].map(Scenario::Get) {
        let what = format!("{}: limit / rollcall", scenario.name());
        rows.push(ratio(
            &what,
            of_limit(run, scenario),
            AtLeast(0.45),
            AtLeast(0.65),
        ));
    }
    let by_name = cost(run, Scenario::ListByName, Scenario::List(old));
    rows.push(ratio(
        "list by name / by time",
        by_name,
        AtMost(1.5),
        AtMost(1.25),
    ));
    let restricted = cost(run, Scenario::ListRestricted, Scenario::List(Dialect::Ga));
    rows.push(ratio(
        "list by status / without",
        restricted,
        AtMost(1.5),
        AtMost(1.5),
    ));
    let what = format!("page at depth {} / first page", run.depth);
    let deep = cost(run, Scenario::DeepPage, Scenario::FirstPage);
    rows.push(ratio(&what, deep, AtMost(1.2), AtMost(1.0)));
    rows
}

fn writes(run: &RunResults) -> Vec<Judged> {
    let creates = run
        .creates
        .as_ref()
        .map(|creates| creates.times_reference.median);
    let what = "durable creates / one commit each";
    let mut rows = vec![judged(
        what,
        Unit::Ratio,
        creates,
        AtLeast(3.0),
        AtLeast(5.0),
    )];
    rows.extend(transfer("import", Some(&run.import)));
    rows.extend(transfer("export", run.export.as_ref()));
    rows
}

fn transfer(what: &str, figures: Option<&TransferFigures>) -> [Judged; 2] {
    let rate = figures.map(|figures| figures.records_per_second);
    let peak = figures.map(|figures| megabytes(figures.peak_resident));
    [
        judged(
            &format!("{what}, records"),
            Unit::PerSecond,
            rate,
            AtLeast(50_000.0),
            AtLeast(100_000.0),
        ),
        judged(
            &format!("{what}, peak RSS"),
            Unit::Megabytes,
            peak,
            AtMost(256.0),
            AtMost(256.0),
        ),
    ]
}

fn upkeep(run: &RunResults) -> Vec<Judged> {
    // Without load there is no memory under load.
    let was_driven = !run.scenarios.is_empty();
    let under_load = |what: &str, bytes: u64| {
        let figure = was_driven.then(|| megabytes(bytes));
        judged(what, Unit::Megabytes, figure, AtMost(64.0), AtMost(32.0))
    };
    let what = "cold start to first answer";
    let cold_start = Some(run.cold_start_ms.median);
    vec![
        under_load("anonymous memory under load", run.memory.anonymous),
        under_load("RSS under load", run.memory.resident),
        judged(
            what,
            Unit::Milliseconds,
            cold_start,
            AtMost(200.0),
            AtMost(50.0),
        ),
    ]
}

pub(crate) fn judge_scale(scale: &ScaleResults) -> Vec<Judged> {
    let ratio = scale
        .large
        .list
        .cost_against(&scale.small.list)
        .map(|spread| spread.median);
    let what = format!(
        "list at {} / at {} profiles",
        scale.large.profiles, scale.small.profiles
    );
    vec![judged(
        &what,
        Unit::Ratio,
        ratio,
        Bound::AtMost(1.5),
        Bound::AtMost(1.2),
    )]
}

pub(crate) fn judge_webhooks(webhooks: &WebhookResults) -> Vec<Judged> {
    let deliveries = &webhooks.deliveries;
    let arrived = float(deliveries.arrived) / float(deliveries.wanted.max(1));
    let backlog = webhooks
        .backlog
        .as_ref()
        .map(|backlog| backlog.lag_p99_ms_with.median / backlog.lag_p99_ms_without.median);
    let one = |what: &str, unit, figure, bound| judged(what, unit, figure, bound, bound);
    let mut rows = vec![
        one("arrived / due", Unit::Ratio, Some(arrived), AtLeast(1.0)),
        one(
            "decision to arrival, p99",
            Unit::Milliseconds,
            Some(deliveries.lag_p99_ms.median),
            AtMost(250.0),
        ),
        one(
            "lists a second, with webhooks / without",
            Unit::Ratio,
            Some(deliveries.lists_kept.median),
            AtLeast(0.8),
        ),
        one(
            "decision to arrival, p99, beside a dead endpoint / without",
            Unit::Ratio,
            backlog,
            AtMost(1.5),
        ),
    ];
    rows.extend(webhooks.idle.iter().map(|idle| {
        let what = format!("a core, idle, on {}", idle.engine);
        one(
            &what,
            Unit::Percent,
            Some(idle.percent_of_a_core),
            AtMost(0.1),
        )
    }));
    rows
}

/// The slowest page, whichever it is, and the slowest search.
pub(crate) fn judge_pages(results: &PagesResults) -> Vec<Judged> {
    let slowest = |pages: &[PageFigures]| {
        let medians = pages.iter().map(|page| page.ms.median);
        medians.max_by(f64::total_cmp)
    };
    let most = AtMost(50.0);
    let of_engine = |engine: &EnginePages| {
        let name = &engine.name;
        let judge =
            |what: String, pages| judged(&what, Unit::Milliseconds, slowest(pages), most, most);
        [
            judge(format!("slowest page, {name}"), &engine.pages),
            judge(format!("slowest search, {name}"), &engine.slowest),
        ]
    };
    results.engines.iter().flat_map(of_engine).collect()
}

pub(crate) fn judge_postgresql(results: &PostgresqlResults) -> Vec<Judged> {
    let named = |name: &str| results.reads.iter().find(|figures| figures.name == name);
    let of_pgbench = |figures: Option<&PostgresqlFigures>| {
        Some(figures?.references.first()?.times_reference.median)
    };
    let ratio = |what: &str, figure, must, aim| judged(what, Unit::Ratio, figure, must, aim);
    let rounds = |scenario: Scenario| Some(&named(scenario.name())?.cpu_us_rounds);
    let deep = rounds(Scenario::DeepPage).zip(rounds(Scenario::FirstPage));
    let deep = deep.and_then(|(deep, first)| {
        Spread::of(deep.iter().zip(first).map(|(deep, first)| deep / first))
    });
    let (must, aim) = (AtLeast(0.45), AtLeast(0.60));
    vec![
        ratio(
            "list: requests/s, Rollcall / pgbench",
            of_pgbench(named(Scenario::ListLargest.name())),
            must,
            aim,
        ),
        ratio(
            "list, two nodes: requests/s, Rollcall / pgbench",
            of_pgbench(named(TWO_NODES)),
            must,
            aim,
        ),
        ratio(
            &format!("page at depth {} / first page", results.depth),
            deep.map(|spread| spread.median),
            AtMost(1.2),
            AtMost(1.0),
        ),
    ]
}

/// In units of 1,000,000 bytes.
pub(crate) fn megabytes(bytes: u64) -> f64 {
    float(bytes) / 1e6
}

fn figures(run: &RunResults, scenario: Scenario) -> Option<&ScenarioFigures> {
    run.scenarios
        .iter()
        .find(|figures| figures.name == scenario.name())
}

fn of_limit(run: &RunResults, scenario: Scenario) -> Option<f64> {
    Some(figures(run, scenario)?.of_limit.median)
}

fn cost(run: &RunResults, scenario: Scenario, base: Scenario) -> Option<f64> {
    let (scenario, base) = (figures(run, scenario)?, figures(run, base)?);
    scenario
        .rollcall
        .cost_against(&base.rollcall)
        .map(|spread| spread.median)
}

fn slowest_dialect(run: &RunResults) -> Option<f64> {
    let lists = Dialect::ALL.map(|dialect| figures(run, Scenario::List(dialect)));
    let costs: Option<Vec<f64>> = lists
        .into_iter()
        .map(|list| Some(list?.rollcall.cpu_us.median))
        .collect();
    Spread::of(costs?).map(|costs| costs.min / costs.max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verdict_compares_in_the_bounds_direction() {
        let verdict = |figure, must, aim| judged("", Unit::Ratio, figure, must, aim).verdict;
        let (low, high) = (Bound::AtLeast(0.25), Bound::AtLeast(0.4));
        assert_eq!(verdict(Some(0.5), low, high), Verdict::AimMet);
        assert_eq!(verdict(Some(0.3), low, high), Verdict::Met);
        assert_eq!(verdict(Some(0.2), low, high), Verdict::Missed);
        assert_eq!(
            verdict(Some(1.1), Bound::AtMost(1.2), Bound::AtMost(1.0)),
            Verdict::Met
        );
        assert_eq!(verdict(None, low, high), Verdict::NotMeasured);
    }
}
