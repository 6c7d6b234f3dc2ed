//! `scale`: does a list page cost the same when the registry is a thousand times as large?

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;

use crate::cores::Cores;
use crate::dataset::Dataset;
use crate::measure::{Pressure, Stretch, first_answer, server_figures, stretch};
use crate::requests::{Dialect, Positions, Scenario};
use crate::results::{Machine, Results, ScaleResults, SizeFigures};
use crate::rollcall::{Binary, Server};
use crate::run::first_list;
use crate::usage::MemoryWatch;
use crate::{BenchArgs, ScaleArgs, output, targets};

const SCENARIO: Scenario = Scenario::List(Dialect::V2026_03_24);

/// One size, its server and its rounds as they come in.
#[derive(Debug)]
struct Size {
    dataset: Dataset,
    server: Server,
    watch: MemoryWatch,
    requests: Arc<[Vec<u8>]>,
    rounds: Vec<Stretch>,
}

pub(crate) async fn run(args: &ScaleArgs) -> anyhow::Result<ExitCode> {
    let bench = &args.bench;
    let pressure = bench.pressure()?;
    let binary = Binary::find(bench.rollcall.as_deref(), &bench.serve_arg)?;
    // Both before the cores are taken: an import uses all of them.
    let small = Dataset::prepare(&binary, args.small, bench)?;
    let large = Dataset::prepare(&binary, args.large, bench)?;
    let cores = Cores::take()?;
    let mut small = Size::start(&binary, small, cores, bench).await?;
    let mut large = Size::start(&binary, large, cores, bench).await?;
    output::progress("measuring");
    for seed in (0_u64..).take(bench.rounds) {
        small.round(seed, pressure).await?;
        large.round(seed, pressure).await?;
    }
    let mut scale = ScaleResults {
        rollcall: binary.version()?,
        machine: Machine::this(),
        settings: bench.settings(args.large, cores),
        targets: Vec::new(),
        small: small.finish()?,
        large: large.finish()?,
    };
    scale.targets = targets::judge_scale(&scale);
    output::results(&Results::Scale(Box::new(scale)), bench.json.as_deref())?;
    Ok(ExitCode::SUCCESS)
}

impl Size {
    async fn start(
        binary: &Binary,
        dataset: Dataset,
        cores: Cores,
        args: &BenchArgs,
    ) -> anyhow::Result<Self> {
        let mut server = binary.serve(&dataset.storage(), &dataset.beside("serve.log"), cores)?;
        first_answer(&mut server, &first_list(&dataset)?.bytes).await?;
        let positions = Positions::walk(server.address(), &dataset.manifest, &[SCENARIO]).await?;
        let requests = positions.requests(SCENARIO, &dataset.manifest, args.requests)?;
        let requests = requests.into_iter().map(|request| request.bytes).collect();
        let watch = MemoryWatch::start(server.pid());
        Ok(Self {
            dataset,
            server,
            watch,
            requests,
            rounds: Vec::new(),
        })
    }

    async fn round(&mut self, seed: u64, pressure: Pressure) -> anyhow::Result<()> {
        let profiles = self.dataset.manifest.profiles;
        let stretch = stretch(&self.server, &self.requests, seed, pressure).await;
        self.rounds
            .push(stretch.with_context(|| format!("at {profiles} profiles"))?);
        Ok(())
    }

    fn finish(mut self) -> anyhow::Result<SizeFigures> {
        let memory = self.watch.finish()?;
        self.server.stop()?;
        Ok(SizeFigures {
            profiles: self.dataset.manifest.profiles,
            list: server_figures(&self.rounds)?,
            import: self.dataset.manifest.import,
            memory,
        })
    }
}
