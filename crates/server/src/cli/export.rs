//! `rollcall export`: profiles as NDJSON records, which `rollcall import` restores exactly.
//!
//! The order is the storage's own and does not depend on when or how profiles were written, so that two
//! exports of the same profiles are the same bytes.

use std::io::Write;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use rollcall_domain::audit::{AuditAction, AuditEntry, TargetKind};
use rollcall_domain::id::OrganizationId;
use rollcall_record::line;
use serde_json::Value;

use super::client::{Call, Client};
use super::failure::{Failure, Outcome};
use super::import::organization_id;
use super::output;
use super::progress::Progress;
use super::target::{Storage, Target, TargetArgs};

/// Profiles that are read and written at a time.
const PAGE: usize = 500;

/// Export profiles as NDJSON records
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Where to write; - for standard output
    #[arg(default_value = "-")]
    file: PathBuf,
    /// Only this organization's profiles
    #[arg(long, value_name = "ID", value_parser = organization_id)]
    organization_id: Option<OrganizationId>,
    /// Compress with gzip
    #[arg(long)]
    gzip: bool,
    #[command(flatten)]
    target: TargetArgs,
}

/// Runs the command.
pub async fn run(arguments: Arguments) -> Outcome {
    let target = arguments.target.open().await?;
    let outcome = export(&arguments, &target).await;
    target.close().await;
    outcome
}

async fn export(arguments: &Arguments, target: &Target) -> Outcome {
    let mut destination = Destination::open(&arguments.file)?;
    if arguments.gzip {
        let mut compressed = GzEncoder::new(&mut destination, Compression::default());
        records(arguments, target, &mut compressed).await?;
        compressed.finish()?;
    } else {
        records(arguments, target, &mut destination).await?;
    }
    destination.finish()
}

async fn records(arguments: &Arguments, target: &Target, out: &mut dyn Write) -> Outcome {
    let organization_id = arguments.organization_id.as_ref();
    match target {
        Target::Storage(storage) => from_storage(storage, organization_id, out).await,
        Target::Server(client) => from_server(client, organization_id, out).await,
    }
}

async fn from_storage(
    storage: &Storage,
    organization_id: Option<&OrganizationId>,
    out: &mut dyn Write,
) -> Outcome {
    let Storage { store, proof, .. } = storage;
    if let Some(id) = organization_id
        && store.find_organization(*proof, id).await?.is_none()
    {
        return Err(Failure::setup(format!("there is no organization {id}")));
    }
    let counts = store.count_profiles(*proof).await?;
    let counted = counts
        .iter()
        .filter(|(id, _)| organization_id.is_none_or(|wanted| wanted == id));
    let progress = Progress::profiles(Some(counted.map(|(_, count)| count).sum()));
    let mut lines = String::with_capacity(PAGE * 1_024);
    let (mut written, mut after) = (0, None);
    loop {
        let page = store
            .export_profiles(*proof, organization_id, after.as_ref(), PAGE)
            .await?;
        lines.clear();
        for found in &page.profiles {
            let profile = found.document.decode();
            let profile =
                profile.map_err(|error| Failure::failed(format!("{}: {error}", found.id)))?;
            line::write(&mut lines, &found.organization_id, &profile);
        }
        out.write_all(lines.as_bytes())?;
        written += page.profiles.len() as u64;
        progress.at(written);
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    progress.end();
    let target_id = organization_id.map_or("*", OrganizationId::as_str);
    let entry = AuditEntry::new(
        AuditAction::ProfilesExported,
        TargetKind::Organization,
        target_id,
    );
    let entry = entry.with_details([written.to_string()]);
    store
        .record(*proof, &storage.act(), organization_id, entry)
        .await?;
    Ok(())
}

async fn from_server(
    client: &Client,
    organization_id: Option<&OrganizationId>,
    out: &mut dyn Write,
) -> Outcome {
    let organizations = match organization_id {
        Some(id) => vec![id.to_string()],
        None => organizations(client).await?,
    };
    let progress = Progress::profiles(None);
    let mut written = 0;
    for id in organizations {
        let call = Call::get("/operator/v1/user_profiles/export").query("organization_id", id);
        let mut response = client.send(&call).await?;
        let mut last = b'\n';
        while let Some(chunk) = response.chunk().await.map_err(|error| {
            Failure::failed(format!(
                "the export broke off after {written} records: {error}"
            ))
        })? {
            out.write_all(&chunk)?;
            let lines = chunk.split(|&byte| byte == b'\n').count() - 1;
            written += lines as u64;
            last = chunk.last().copied().unwrap_or(last);
            progress.at(written);
        }
        if last != b'\n' {
            return Err(Failure::failed("the export ended within a record"));
        }
    }
    progress.end();
    Ok(())
}

/// Every organization's id, in the order in which the storage exports them.
async fn organizations(client: &Client) -> Outcome<Vec<String>> {
    let mut ids = Vec::new();
    let mut page: Option<String> = None;
    loop {
        let call = Call::get("/operator/v1/organizations")
            .query("limit", "100")
            .optional("page", page.as_deref());
        let answer = client.call(call).await?;
        let rows = answer.get("data").and_then(Value::as_array);
        let found = rows.into_iter().flatten();
        ids.extend(found.filter_map(|row| row.get("id")?.as_str().map(str::to_owned)));
        page = answer
            .get("next_page")
            .and_then(Value::as_str)
            .map(str::to_owned);
        if page.is_none() {
            ids.sort();
            return Ok(ids);
        }
    }
}

/// Where an export goes. A file appears under its name when it is complete, and not before.
enum Destination {
    Stdout(std::io::BufWriter<std::io::Stdout>),
    File {
        partial: std::io::BufWriter<std::fs::File>,
        partial_path: PathBuf,
        path: PathBuf,
        finished: bool,
    },
}

impl Destination {
    fn open(path: &Path) -> Outcome<Self> {
        if path.as_os_str() == "-" {
            return Ok(Self::Stdout(output::bytes()));
        }
        let mut partial_path = path.as_os_str().to_owned();
        partial_path.push(".partial");
        let partial_path = PathBuf::from(partial_path);
        let file = std::fs::File::create(&partial_path).map_err(|error| {
            Failure::setup(format!("cannot write {}: {error}", partial_path.display()))
        })?;
        Ok(Self::File {
            partial: std::io::BufWriter::with_capacity(256 * 1024, file),
            partial_path,
            path: path.to_owned(),
            finished: false,
        })
    }

    fn finish(&mut self) -> Outcome {
        self.flush()?;
        if let Self::File {
            partial,
            partial_path,
            path,
            finished,
        } = self
        {
            partial.get_ref().sync_all()?;
            std::fs::rename(&*partial_path, &*path)?;
            *finished = true;
        }
        Ok(())
    }
}

impl Drop for Destination {
    fn drop(&mut self) {
        if let Self::File {
            partial_path,
            finished: false,
            ..
        } = self
        {
            let _ = std::fs::remove_file(partial_path);
        }
    }
}

impl Write for Destination {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        match self {
            Self::Stdout(stdout) => stdout.write(bytes),
            Self::File { partial, .. } => partial.write(bytes),
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        match self {
            Self::Stdout(stdout) => stdout.flush(),
            Self::File { partial, .. } => partial.flush(),
        }
    }
}
