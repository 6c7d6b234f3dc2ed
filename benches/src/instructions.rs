//! `instructions`: how many instructions and allocations a request costs.
//!
//! Unlike times they do not depend on who else uses the machine, so they are kept in a file, and whoever makes a
//! request dearer has to say so there. A server answers the same requests again and again under callgrind; a few
//! beforehand fill what is filled once. What the clock wakes meanwhile adds to a count, the more so the busier the
//! machine; so there are many short counts, and the least is taken. Of creates it is the median, and more is borne: they
//! fill pages of the database that every so often have to be split.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::sync::Arc;

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

use crate::callgrind::{self, Count, Counted};
use crate::connection::Connection;
use crate::cores::Cores;
use crate::dataset::Dataset;
use crate::measure::first_answer;
use crate::requests::{self, Positions, Scenario, ga};
use crate::results::Row;
use crate::rollcall::{Binary, Storage};
use crate::stats::{Spread, float};
use crate::{InstructionsArgs, output};

/// Enough for an index of several levels.
const PROFILES: u64 = 3_000;

/// Asked beforehand, and not counted.
const WARM_UP: usize = 40;

/// How much more than the kept figure is still the same: another order of the linker, another draw of the hashes.
const TOLERANCE: f64 = 0.03;

/// The same of creates.
const TOLERANCE_OF_CREATES: f64 = 0.10;

const CREATE: &str = "create";

/// What is kept.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Kept {
    /// What figures depend on beside our own sources. They are compared where it is the same.
    counted_with: BTreeMap<String, String>,
    requests: BTreeMap<String, Figures>,
}

/// Of one request.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Figures {
    instructions: f64,
    allocations: f64,
}

/// A kind of request.
struct Kind {
    name: String,
    requests: Arc<[Vec<u8>]>,
}

/// How many requests are counted together, and how often.
const TOGETHER: usize = 25;
const TIMES: usize = 15;

pub(crate) async fn run(args: &InstructionsArgs) -> anyhow::Result<ExitCode> {
    let binary = Binary::at(&args.rollcall)?;
    let cores = Cores::take()?;
    let root = args.work_dir.join("instructions");
    let dataset = Dataset::of_one_organization(&binary, PROFILES, root)?;
    let now = Kept {
        counted_with: surroundings(&args.rollcall)?,
        requests: count(&binary, &dataset, cores).await?,
    };
    if args.keep {
        let text = serde_json::to_string_pretty(&now)? + "\n";
        let file = &args.kept;
        std::fs::write(file, text).with_context(|| format!("writing {}", file.display()))?;
    }
    let kept = read(&args.kept)?;
    output::rows(&now.rows(&kept));
    Ok(now.judge(&kept, &args.kept))
}

/// The figures of one request of each kind.
async fn count(
    binary: &Binary,
    dataset: &Dataset,
    cores: Cores,
) -> anyhow::Result<BTreeMap<String, Figures>> {
    let storage = Storage::Directory(dataset.copy()?);
    let mut counted = Counted::start(binary, &storage, dataset.root(), cores)?;
    first_answer(&mut counted.server, &dataset.first_list()?).await?;
    let kinds = kinds(&counted, dataset).await?;
    let mut connection = Connection::open(counted.server.address()).await?;
    // What looking itself costs stands in every count, and falls out.
    let looks = counts(&mut counted, &mut connection, &mut std::iter::empty()).await?;
    let look = looks.into_iter().reduce(Count::or_less);
    let look = look.context("looked at least once")?;
    let mut figures = BTreeMap::new();
    for kind in kinds {
        let mut requests = kind.requests.iter().cycle();
        ask(&mut connection, requests.by_ref().take(WARM_UP)).await?;
        counted.look(&mut connection).await?;
        let counts = counts(&mut counted, &mut connection, &mut requests).await?;
        let counts: Vec<_> = counts
            .into_iter()
            .map(|count| count.without(look))
            .collect();
        let each = |figure: fn(&Count) -> u64| -> anyhow::Result<f64> {
            let counts = counts.iter().map(figure);
            let spread = Spread::of(counts.map(|count| float(count) / float(TOGETHER as u64)));
            let spread = spread.context("counted at least once")?;
            let (name, Spread { min, median, max }) = (&kind.name, spread);
            output::progress(&format!("{name}: {min:.1} to {max:.1}"));
            let each = if name == CREATE { median } else { min };
            Ok((each * 10.0).round() / 10.0)
        };
        let of_kind = Figures {
            instructions: each(|count| count.instructions)?.round(),
            allocations: each(|count| count.allocations)?,
        };
        figures.insert(kind.name, of_kind);
    }
    counted.server.stop()?;
    Ok(figures)
}

/// What was counted over some of the requests at a time.
async fn counts(
    counted: &mut Counted,
    connection: &mut Connection,
    requests: &mut impl Iterator<Item = &Vec<u8>>,
) -> anyhow::Result<Vec<Count>> {
    let mut counts = Vec::new();
    for _ in 0..4 * TIMES {
        ask(connection, requests.take(TOGETHER)).await?;
        counts.extend(counted.look(connection).await?);
        if counts.len() == TIMES {
            break;
        }
    }
    Ok(counts)
}

async fn kinds(counted: &Counted, dataset: &Dataset) -> anyhow::Result<Vec<Kind>> {
    let scenarios = [
        Scenario::List(ga()),
        Scenario::Get(ga()),
        Scenario::CheckById,
        Scenario::CheckByReference,
    ];
    let address = counted.server.address();
    let positions = Positions::walk(address, &dataset.manifest, &scenarios).await?;
    let mut kinds = Vec::new();
    for scenario in scenarios {
        let requests = positions.requests(scenario, TOGETHER)?;
        kinds.push(Kind {
            name: scenario.name(),
            requests: requests::bytes(&requests),
        });
    }
    kinds.push(Kind {
        name: CREATE.to_owned(),
        requests: requests::creates(&dataset.manifest, 1_000),
    });
    Ok(kinds)
}

async fn ask(
    connection: &mut Connection,
    requests: impl Iterator<Item = &Vec<u8>>,
) -> anyhow::Result<()> {
    for request in requests {
        connection.exchange(request).await?.ok()?;
    }
    Ok(())
}

/// What the figures depend on beside our own sources: who compiled them, what they call, and what the processor can
/// do that libraries choose by.
fn surroundings(binary: &Path) -> anyhow::Result<BTreeMap<String, String>> {
    const CHOSEN_BY: [&str; 10] = [
        "aes",
        "avx",
        "avx2",
        "f16c",
        "fma",
        "pclmulqdq",
        "rdrand",
        "rdseed",
        "sse4_2",
        "ssse3",
    ];
    let processor = std::fs::read_to_string("/proc/cpuinfo").context("reading /proc/cpuinfo")?;
    let mut lines = processor.lines();
    let flags = lines.find_map(|line| line.strip_prefix("flags"));
    let flags: Vec<_> = flags.unwrap_or_default().split_whitespace().collect();
    let can = CHOSEN_BY.iter().filter(|flag| flags.contains(flag));
    let can = can.copied().collect::<Vec<_>>().join(" ");
    let profile = binary.parent().and_then(Path::file_name);
    let profile = profile.unwrap_or_default().to_string_lossy();
    let all = [
        ("profile", profile.into_owned()),
        ("processor", format!("{} {can}", std::env::consts::ARCH)),
        ("rustc", first_line("rustc", "--version")?),
        ("cc", first_line("cc", "--version")?),
        ("libc", first_line("getconf", "GNU_LIBC_VERSION")?),
        ("valgrind", callgrind::version()?),
    ];
    Ok(all.map(|(what, is)| (what.to_owned(), is)).into())
}

fn first_line(program: &str, argument: &str) -> anyhow::Result<String> {
    let output = Command::new(program).arg(argument).output();
    let output = output.with_context(|| format!("starting {program}"))?;
    let text = String::from_utf8(output.stdout)?;
    Ok(text.lines().next().unwrap_or_default().trim().to_owned())
}

fn read(file: &Path) -> anyhow::Result<Kept> {
    let reading = || format!("reading {}", file.display());
    let bytes = std::fs::read(file).with_context(reading)?;
    serde_json::from_slice(&bytes).with_context(reading)
}

impl Kept {
    /// These figures beside the kept ones.
    fn rows(&self, kept: &Self) -> Vec<Row> {
        let rows = self.requests.iter().map(|(name, now)| {
            let kept = kept.requests.get(name);
            Row::of(name)
                .with("instructions", now.instructions)
                .with("kept instructions", kept.map(|it| it.instructions))
                .with("allocations", now.allocations)
                .with("kept allocations", kept.map(|it| it.allocations))
        });
        rows.collect()
    }

    /// Whether these figures may stand beside the kept ones, said to whoever reads it.
    fn judge(&self, kept: &Self, file: &Path) -> ExitCode {
        let differing = self.differing(kept);
        if !differing.is_empty() {
            output::progress(&format!(
                "not compared with {}, which was counted with another {}",
                file.display(),
                differing.join(", ")
            ));
            return ExitCode::SUCCESS;
        }
        let grown = self.grown(kept);
        if grown.is_empty() {
            return ExitCode::SUCCESS;
        }
        for grown in grown {
            output::complain(&grown);
        }
        output::complain(&format!(
            "if that is worth it, say why in the commit and keep the new figures: the same command with --keep writes {}",
            file.display()
        ));
        ExitCode::FAILURE
    }

    fn differing(&self, kept: &Self) -> Vec<&str> {
        let here = self.counted_with.iter();
        let differing = here.filter(|(what, is)| kept.counted_with.get(*what) != Some(is));
        differing.map(|(what, _)| what.as_str()).collect()
    }

    /// What costs more than is kept.
    fn grown(&self, kept: &Self) -> Vec<String> {
        let mut grown = Vec::new();
        for (name, now) in &self.requests {
            let Some(before) = kept.requests.get(name) else {
                grown.push(format!("{name}: not kept yet"));
                continue;
            };
            let tolerance = if name == CREATE {
                TOLERANCE_OF_CREATES
            } else {
                TOLERANCE
            };
            for (what, now, before) in [
                ("instructions", now.instructions, before.instructions),
                ("allocations", now.allocations, before.allocations),
            ] {
                // Half an allocation is one that only some requests make.
                if now > before * (1.0 + tolerance) + 0.5 {
                    grown.push(format!("{name}: {now} {what}, {before} are kept"));
                }
            }
        }
        grown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(rustc: &str, instructions: f64, allocations: f64) -> Kept {
        let figures = Figures {
            instructions,
            allocations,
        };
        Kept {
            counted_with: [("rustc".to_owned(), rustc.to_owned())].into(),
            requests: [("get".to_owned(), figures)].into(),
        }
    }

    #[test]
    fn what_costs_more_than_the_tolerance_is_told() {
        let before = kept("1.95.0", 50_000.0, 20.0);
        assert!(kept("1.95.0", 51_400.0, 21.0).grown(&before).is_empty());
        let grown = kept("1.95.0", 51_600.0, 21.2).grown(&before);
        assert_eq!(
            grown,
            [
                "get: 51600 instructions, 50000 are kept",
                "get: 21.2 allocations, 20 are kept"
            ]
        );
        let mut more = kept("1.95.0", 50_000.0, 20.0);
        let figures = more.requests["get"];
        more.requests.insert("put".to_owned(), figures);
        assert_eq!(more.grown(&before), ["put: not kept yet"]);
    }

    #[test]
    fn figures_of_other_surroundings_are_not_compared() {
        let (here, there) = (kept("1.95.0", 1.0, 1.0), kept("1.96.0", 1.0, 1.0));
        assert_eq!(here.differing(&there), ["rustc"]);
        assert!(here.differing(&here).is_empty());
    }
}
