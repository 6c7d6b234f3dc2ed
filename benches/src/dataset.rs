//! A data directory of many profiles: built once through `rollcall`, described by a manifest, and
//! used again as long as the manifest says that it is what was asked for.

use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use indicatif::{ProgressBar, ProgressStyle};
use serde::{Deserialize, Serialize};

use crate::results::ImportFigures;
use crate::rollcall::Binary;
use crate::stats::float;
use crate::{BenchArgs, RunArgs, output, records};

/// Organizations in a data directory; the first holds half of the profiles.
pub(crate) const ORGANIZATIONS: u64 = 100;

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Manifest {
    pub(crate) profiles: u64,
    revision: u32,
    /// The largest first.
    pub(crate) organizations: Vec<Tenant>,
    pub(crate) operator_key: String,
    pub(crate) import: ImportFigures,
}

/// An organization and a key that may act for it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Tenant {
    pub(crate) id: String,
    pub(crate) key: String,
}

#[derive(Debug)]
pub(crate) struct Dataset {
    root: PathBuf,
    pub(crate) manifest: Manifest,
}

impl Dataset {
    /// The data directory of `profiles` profiles, built if need be.
    pub(crate) fn prepare(
        binary: &Binary,
        profiles: u64,
        args: &BenchArgs,
    ) -> anyhow::Result<Self> {
        let root = args.work_dir.join(format!("profiles-{profiles}"));
        let kept = fs::read(root.join("manifest.json")).ok();
        let manifest = kept.and_then(|bytes| serde_json::from_slice::<Manifest>(&bytes).ok());
        if let Some(manifest) = manifest
            && !args.fresh
            && manifest.profiles == profiles
            && manifest.revision == records::REVISION
        {
            return Ok(Self { root, manifest });
        }
        if root.exists() {
            fs::remove_dir_all(&root).with_context(|| format!("removing {}", root.display()))?;
        }
        fs::create_dir_all(&root).with_context(|| format!("creating {}", root.display()))?;
        let manifest = build(binary, profiles, &root)?;
        fs::write(
            root.join("manifest.json"),
            serde_json::to_vec_pretty(&manifest)?,
        )?;
        Ok(Self { root, manifest })
    }

    /// What `rollcall` keeps.
    pub(crate) fn data(&self) -> PathBuf {
        self.root.join("data")
    }

    /// A file or directory of ours beside it, on the same disk.
    pub(crate) fn beside(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// A copy for measurements that write, so that this one stays what its manifest says. The
    /// caller sees to it that no server has the original open.
    pub(crate) fn copy(&self) -> anyhow::Result<PathBuf> {
        let copy = self.beside("data-for-writing");
        if copy.exists() {
            fs::remove_dir_all(&copy)?;
        }
        copy_directory(&self.data(), &copy).context("copying the data directory")?;
        Ok(copy)
    }
}

pub(crate) fn only(args: &RunArgs) -> anyhow::Result<ExitCode> {
    let binary = Binary::find(args.bench.rollcall.as_deref(), &[])?;
    let dataset = Dataset::prepare(&binary, args.profiles, &args.bench)?;
    output::import(&dataset.manifest.import)?;
    Ok(ExitCode::SUCCESS)
}

fn build(binary: &Binary, profiles: u64, root: &Path) -> anyhow::Result<Manifest> {
    let data = root.join("data");
    fs::create_dir_all(&data)?;
    let (organizations, operator_key) = create_tenants(binary, &data)?;
    let lines = root.join("records.ndjson");
    write_records(&lines, profiles, &organizations)?;
    let import = import(binary, &data, &lines, &root.join("import.log"), profiles)?;
    // Several times the size of what is measured next, and quickly made again.
    fs::remove_file(&lines)?;
    Ok(Manifest {
        profiles,
        revision: records::REVISION,
        organizations,
        operator_key,
        import,
    })
}

fn create_tenants(binary: &Binary, data: &Path) -> anyhow::Result<(Vec<Tenant>, String)> {
    let bar = bar(ORGANIZATIONS, "organizations and keys")?;
    let mut organizations = Vec::new();
    for number in 0..ORGANIZATIONS {
        let id = binary.create_organization(data, &format!("Bench {number:03}"))?;
        let key = binary.create_key(data, &id)?;
        organizations.push(Tenant { id, key });
        bar.inc(1);
    }
    bar.finish();
    Ok((organizations, binary.create_operator_key(data)?))
}

fn write_records(path: &Path, profiles: u64, organizations: &[Tenant]) -> anyhow::Result<()> {
    let bar = bar(profiles, "writing records")?;
    let mut file = BufWriter::with_capacity(1 << 20, File::create(path)?);
    for number in 0..profiles {
        let organization = records::organization_of(number, ORGANIZATIONS);
        let tenant = organizations
            .get(usize::try_from(organization)?)
            .context("an organization")?;
        writeln!(file, "{}", records::line(number, profiles, &tenant.id))?;
        if number.is_multiple_of(1_000) {
            bar.set_position(number);
        }
    }
    file.flush()?;
    bar.finish();
    Ok(())
}

fn import(
    binary: &Binary,
    data: &Path,
    lines: &Path,
    log: &Path,
    profiles: u64,
) -> anyhow::Result<ImportFigures> {
    let bytes = fs::metadata(lines)?.len();
    let bar = bar(bytes, "importing, in bytes")?;
    let used = binary.import(data, lines, log, |read| bar.set_position(read.min(bytes)))?;
    bar.finish();
    Ok(ImportFigures {
        records: profiles,
        bytes,
        seconds: used.elapsed.as_secs_f64(),
        records_per_second: float(profiles) / used.elapsed.as_secs_f64(),
        cpu_seconds: used.cpu.as_secs_f64(),
        peak_resident: used.peak_resident,
    })
}

/// On a terminal, a bar; elsewhere nothing.
pub(crate) fn bar(length: u64, what: &'static str) -> anyhow::Result<ProgressBar> {
    let style = "{msg:24} {wide_bar} {human_pos}/{human_len} {elapsed}";
    let bar = ProgressBar::new(length).with_style(ProgressStyle::with_template(style)?);
    Ok(bar.with_message(what))
}

fn copy_directory(from: &Path, to: &Path) -> std::io::Result<()> {
    fs::create_dir_all(to)?;
    fs::set_permissions(to, fs::metadata(from)?.permissions())?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        let kind = entry.file_type()?;
        if kind.is_dir() {
            copy_directory(&entry.path(), &target)?;
        } else if kind.is_file() {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
