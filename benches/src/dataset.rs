//! A data directory of many profiles: built once through `rollcall`, described by a manifest, and
//! used again as long as the manifest says that it is what was asked for.

use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use indicatif::{ProgressBar, ProgressStyle};
use serde::{Deserialize, Serialize};

use crate::commits::copies_per_second;
use crate::cores::Cores;
use crate::requests::{OLD, Request};
use crate::results::{Results, Row, Target};
use crate::rollcall::{Binary, Storage, TransferUsage};
use crate::stats::{float, megabytes};
use crate::{BenchArgs, RunArgs, output, records};

/// Organizations in a data directory; the first holds half of the profiles.
const ORGANIZATIONS: u64 = 100;

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Manifest {
    pub(crate) profiles: u64,
    revision: u32,
    /// The largest first.
    pub(crate) organizations: Vec<Tenant>,
    pub(crate) operator_key: String,
    pub(crate) import: Transfer,
    /// Of a data directory alone.
    pub(crate) embedded: Option<Embedded>,
}

/// What the embedded database was just after the import.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Embedded {
    /// Records a second when it wrote the same rows by itself.
    pub(crate) raw_per_second: f64,
    pub(crate) bytes_per_profile: f64,
}

impl Manifest {
    pub(crate) fn largest(&self) -> anyhow::Result<&Tenant> {
        let first = self.organizations.first();
        first.context("the manifest names no organization")
    }
}

/// What an import or an export of all records took.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Transfer {
    records: u64,
    /// Of the NDJSON file.
    bytes: u64,
    seconds: f64,
    cpu_seconds: f64,
    /// Bytes.
    peak_resident: u64,
}

impl Transfer {
    fn of(records: u64, bytes: u64, used: TransferUsage) -> Self {
        Self {
            records,
            bytes,
            seconds: used.elapsed.as_secs_f64(),
            cpu_seconds: used.cpu.as_secs_f64(),
            peak_resident: used.peak_resident,
        }
    }

    pub(crate) fn per_second(&self) -> f64 {
        float(self.records) / self.seconds
    }

    pub(crate) fn targets(what: &str, figures: Option<&Self>) -> [Target; 2] {
        let peak = figures.map(|figures| megabytes(figures.peak_resident));
        let rate = figures.map(Self::per_second);
        [
            Target::at_least(format!("{what}, records/s"), rate, 50_000.0, 100_000.0),
            Target::at_most(format!("{what}, peak RSS, MB"), peak, 256.0, 256.0),
        ]
    }

    /// How near an import comes to what the storage alone takes for the same rows.
    pub(crate) fn of_raw(share: Option<f64>) -> Target {
        let what = "import: records/s, Rollcall / the same rows within the database";
        Target::at_least(what, share, 0.5, 0.7)
    }

    pub(crate) fn raw_note(per_second: f64) -> String {
        format!("The same rows from table to table within one session: {per_second:.0} records/s.")
    }

    pub(crate) fn row(&self, what: impl Into<String>) -> Row {
        Row::of(what)
            .with("records", self.records)
            .with("MB", megabytes(self.bytes))
            .with("seconds", self.seconds)
            .with("records/s", self.per_second())
            .with("CPU seconds", self.cpu_seconds)
            .with("peak RSS, MB", megabytes(self.peak_resident))
    }
}

/// An organization, a key that may act for it, and its gateway's.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Tenant {
    pub(crate) id: String,
    pub(crate) key: String,
    pub(crate) gateway_key: String,
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
        let data = root.join("data");
        fs::create_dir_all(&data)?;
        let database = data.join("rollcall.db");
        let storage = Storage::Directory(data);
        let mut manifest = build(binary, profiles, ORGANIZATIONS, &storage, &root)?;
        output::progress("the same rows within SQLite");
        let copied = root.join("raw.sqlite");
        manifest.embedded = Some(Embedded {
            raw_per_second: copies_per_second(&database, &copied, profiles)?,
            bytes_per_profile: float(fs::metadata(&database)?.len()) / float(profiles),
        });
        fs::remove_file(copied)?;
        fs::write(
            root.join("manifest.json"),
            serde_json::to_vec_pretty(&manifest)?,
        )?;
        Ok(Self { root, manifest })
    }

    /// The same profiles in an empty database, whose owner keeps them no longer than it lives. What
    /// goes with them is kept in `root`.
    pub(crate) fn load(
        binary: &Binary,
        profiles: u64,
        database: &Storage,
        root: PathBuf,
    ) -> anyhow::Result<Self> {
        fs::create_dir_all(&root).with_context(|| format!("creating {}", root.display()))?;
        let manifest = build(binary, profiles, ORGANIZATIONS, database, &root)?;
        Ok(Self { root, manifest })
    }

    /// A data directory of one organization in `root`, made anew.
    pub(crate) fn of_one_organization(
        binary: &Binary,
        profiles: u64,
        root: PathBuf,
    ) -> anyhow::Result<Self> {
        if root.exists() {
            fs::remove_dir_all(&root).with_context(|| format!("removing {}", root.display()))?;
        }
        let data = root.join("data");
        fs::create_dir_all(&data).with_context(|| format!("creating {}", data.display()))?;
        let manifest = build(binary, profiles, 1, &Storage::Directory(data), &root)?;
        Ok(Self { root, manifest })
    }

    /// Exports all of it to a file that is then thrown away. No server may have it open.
    pub(crate) fn export(&self, binary: &Binary) -> anyhow::Result<Transfer> {
        let lines = self.beside("export.ndjson");
        if lines.exists() {
            fs::remove_file(&lines)?;
        }
        output::progress("exporting");
        let log = self.beside("export.log");
        let used = binary.transfer("export", &self.storage(), &lines, &log, |_| ())?;
        let bytes = fs::metadata(&lines)?.len();
        fs::remove_file(&lines)?;
        Ok(Transfer::of(self.manifest.profiles, bytes, used))
    }

    /// The request a start is timed with.
    pub(crate) fn first_list(&self) -> anyhow::Result<Vec<u8>> {
        let target = "/v1/user_profiles".to_owned();
        Ok(Request::get(self.manifest.largest()?, OLD, target).bytes)
    }

    /// Where all of it is.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// What `rollcall` keeps.
    fn data(&self) -> PathBuf {
        self.root.join("data")
    }

    pub(crate) fn storage(&self) -> Storage {
        Storage::Directory(self.data())
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
    let bench = &args.bench;
    let binary = Binary::find(bench)?;
    let dataset = Dataset::prepare(&binary, args.profiles, bench)?;
    let mut results = Results::of("dataset", &binary, args.profiles, bench, Cores::take()?)?;
    results.tables = vec![vec![dataset.manifest.import.row("import")]];
    output::results(&results, bench.json.as_deref())
}

fn build(
    binary: &Binary,
    profiles: u64,
    organizations: u64,
    storage: &Storage,
    root: &Path,
) -> anyhow::Result<Manifest> {
    let (organizations, operator_key) = create_tenants(binary, organizations, storage)?;
    let lines = root.join("records.ndjson");
    write_records(&lines, profiles, &organizations)?;
    let import = import(binary, storage, &lines, &root.join("import.log"), profiles)?;
    // Several times the size of what is measured next, and quickly made again.
    fs::remove_file(&lines)?;
    Ok(Manifest {
        profiles,
        revision: records::REVISION,
        organizations,
        operator_key,
        import,
        embedded: None,
    })
}

fn create_tenants(
    binary: &Binary,
    count: u64,
    storage: &Storage,
) -> anyhow::Result<(Vec<Tenant>, String)> {
    let bar = bar(count, "organizations and keys")?;
    let mut organizations = Vec::new();
    for number in 0..count {
        let id = binary.create_organization(storage, &format!("Bench {number:03}"))?;
        let key = binary.create_key(storage, &id, "api")?;
        let gateway_key = binary.create_key(storage, &id, "gateway")?;
        binary.allow_everybody(storage, &id)?;
        organizations.push(Tenant {
            id,
            key,
            gateway_key,
        });
        bar.inc(1);
    }
    bar.finish();
    Ok((organizations, binary.create_operator_key(storage)?))
}

fn write_records(path: &Path, profiles: u64, organizations: &[Tenant]) -> anyhow::Result<()> {
    let bar = bar(profiles, "writing records")?;
    let mut file = BufWriter::with_capacity(1 << 20, File::create(path)?);
    let count = u64::try_from(organizations.len())?;
    for number in 0..profiles {
        let organization = records::organization_of(number, count);
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
    storage: &Storage,
    lines: &Path,
    log: &Path,
    profiles: u64,
) -> anyhow::Result<Transfer> {
    let bytes = fs::metadata(lines)?.len();
    let bar = bar(bytes, "importing, in bytes")?;
    let used = binary.transfer("import", storage, lines, log, |read| {
        bar.set_position(read.min(bytes));
    })?;
    bar.finish();
    Ok(Transfer::of(profiles, bytes, used))
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
