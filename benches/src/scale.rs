//! `scale`: does a list page cost the same when the registry is a thousand times as large?

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;

use crate::cores::Cores;
use crate::dataset::Dataset;
use crate::measure::{Rounds, first_answer};
use crate::requests::{self, OLD, Positions, Scenario};
use crate::results::{Results, Target};
use crate::rollcall::{Binary, Server};
use crate::stats::median;
use crate::usage::MemoryWatch;
use crate::{BenchArgs, ScaleArgs, output};

const SCENARIO: Scenario = Scenario::List(OLD);

/// One size, its server and its rounds as they come in.
#[derive(Debug)]
struct Size {
    dataset: Dataset,
    server: Server,
    watch: MemoryWatch,
    requests: Arc<[Vec<u8>]>,
    rounds: Rounds,
}

pub(crate) async fn run(args: &ScaleArgs) -> anyhow::Result<ExitCode> {
    let bench = &args.bench;
    let pressure = bench.pressure()?;
    let binary = Binary::find(bench)?;
    // Both before the cores are taken: an import uses all of them.
    let small = Dataset::prepare(&binary, args.small, bench)?;
    let large = Dataset::prepare(&binary, args.large, bench)?;
    let cores = Cores::take()?;
    let mut results = Results::of("scale", &binary, args.large, bench, cores)?;
    let mut sizes = [
        Size::start(&binary, small, cores, bench).await?,
        Size::start(&binary, large, cores, bench).await?,
    ];
    output::progress("measuring");
    for seed in 0..bench.rounds {
        for size in &mut sizes {
            let (server, requests) = (&size.server, &size.requests);
            let round = size.rounds.add(server, requests, seed, pressure).await;
            round.with_context(|| format!("at {} profiles", size.dataset.manifest.profiles))?;
        }
    }
    let [small, large] = &sizes;
    let ratio = large.rounds.against(&small.rounds, |round| round.cpu);
    let what = format!("list at {} / at {} profiles", args.large, args.small);
    results.targets = vec![Target::at_most(what, median(ratio), 1.2, 1.2)];
    let (mut lists, mut upkeep) = (Vec::new(), Vec::new());
    for mut size in sizes {
        let memory = size.watch.finish()?;
        size.server.stop()?;
        let name = format!("{} profiles", size.dataset.manifest.profiles);
        lists.push(size.rounds.row(format!("list at {name}")));
        upkeep.push(memory.row(format!("memory in MB, {name}")));
        upkeep.push(
            size.dataset
                .manifest
                .import
                .row(format!("import of {name}")),
        );
    }
    results.tables = vec![lists, upkeep];
    output::results(&results, bench.json.as_deref())
}

impl Size {
    async fn start(
        binary: &Binary,
        dataset: Dataset,
        cores: Cores,
        args: &BenchArgs,
    ) -> anyhow::Result<Self> {
        let mut server = binary.serve(&dataset.storage(), &dataset.beside("serve.log"), cores)?;
        first_answer(&mut server, &dataset.first_list()?).await?;
        let positions = Positions::walk(server.address(), &dataset.manifest, &[SCENARIO]).await?;
        let requests = requests::bytes(&positions.requests(SCENARIO, args.requests)?);
        Ok(Self {
            watch: MemoryWatch::start(server.pid()),
            dataset,
            server,
            requests,
            rounds: Rounds::default(),
        })
    }
}
